//! Who hears of a container's end before the monitor that notes it.
//!
//! The first process is reaped by one between it and the monitor, and that one by the monitor. On a busy
//! machine that takes its time, and before it is over nothing can be noted.

use std::fs;

/// The name of the process that notes how a container ended.
const MONITOR: &str = "monitor";

/// Who has to notice an end before the monitor can note it: the first process, and the one between it and
/// the monitor, until each is reaped by the one above.
#[derive(Debug, Default)]
pub(super) struct Chain(Vec<Link>);

/// A process, by its number and when it started, in clock ticks since the machine did.
#[derive(Debug, PartialEq, Eq)]
struct Link {
    pid: u32,
    ticks: u64,
}

impl Link {
    /// Whether it is there, be it as one that has ended and was not reaped.
    fn is_there(&self) -> bool {
        stat(self.pid).is_some_and(|stat| stat.ticks == self.ticks)
    }
}

impl Chain {
    /// That of a container's first process.
    pub(super) fn of(pid: u32) -> Self {
        let mut links = Vec::new();
        let Some(first) = stat(pid) else {
            return Self(links);
        };
        if let Some(above) = stat(first.parent)
            && !above.name.contains(MONITOR)
            && first.parent > 1
        {
            links.push(Link {
                pid: first.parent,
                ticks: above.ticks,
            });
        }
        links.push(Link {
            pid,
            ticks: first.ticks,
        });
        Self(links)
    }

    /// Whether somebody in it has not been reaped, so that the monitor cannot know yet.
    pub(super) fn holds(&self) -> bool {
        self.0.iter().any(Link::is_there)
    }
}

/// What `/proc` says of a process.
struct Stat {
    name: String,
    parent: u32,
    ticks: u64,
}

fn stat(pid: u32) -> Option<Stat> {
    let bytes = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    // The name may hold anything, so the rest is counted from its end.
    let (head, rest) = text.rsplit_once(')')?;
    let (_, name) = head.split_once('(')?;
    let mut fields = rest.split_ascii_whitespace();
    // State is field 3, the parent field 4, the start field 22.
    let parent = fields.nth(1)?.parse().ok()?;
    let ticks = fields.nth(17)?.parse().ok()?;
    Some(Stat {
        name: name.to_owned(),
        parent,
        ticks,
    })
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_child_holds_until_it_is_reaped() {
        let mut child = Command::new("true").spawn().expect("it starts");
        let chain = Chain::of(child.id());
        // Ended or not, nobody has reaped it.
        assert!(chain.holds());
        child.wait().expect("it ends");
        let own = Link {
            pid: std::process::id(),
            ticks: stat(std::process::id()).expect("it is there").ticks,
        };
        // Its parent, this test, is there still.
        assert_eq!(chain.0.first(), Some(&own));
        assert!(!Chain(chain.0.into_iter().skip(1).collect()).holds());
        assert!(!Chain::of(4_194_305).holds());
    }
}
