//! Waiting for a container: looked at once a second, for version 1 tells nobody anything.

use wire::Response;
use wire::request::{Nothing, Wait, WaitCondition};
use wire::response::Exited;
use wire::v1::{self, Inspect, Opcode, Request, Status};

use super::events::{send, ticks};
use super::{Frames, LinkError, Stock, lists, shape};

/// What is waited for, and what was seen of it so far.
struct Watch {
    condition: WaitCondition,
    /// Its first process; 0 while it does not run.
    pid: i32,
    name: String,
    /// Empty before its first start.
    uuid: String,
    /// The last event before the wait.
    since: u64,
}

impl Watch {
    /// Another one may have taken its name, or be found because its UUID begins with that name.
    fn is_same(&self, now: &Inspect) -> bool {
        if self.uuid.is_empty() || now.uuid.is_empty() {
            now.name == self.name
        } else {
            now.uuid == self.uuid
        }
    }

    /// Whether the wait is over, by what is there now; none where nothing is.
    fn is_over(&mut self, now: Option<&Inspect>) -> bool {
        let Some(now) = now.filter(|now| self.is_same(now)) else {
            return true;
        };
        let before = std::mem::replace(&mut self.pid, now.pid);
        match self.condition {
            WaitCondition::Removed => false,
            WaitCondition::NextExit => before != 0 && before != now.pid,
            WaitCondition::NotRunning | WaitCondition::Unknown(_) => now.pid == 0 || before != now.pid,
        }
    }
}

impl Stock {
    /// Answers once that the wait has begun, and once that it is over. How a container ended is not
    /// known.
    pub(super) async fn wait(&self, wait: Wait, frames: &Frames) -> Result<Response, LinkError> {
        // Before it is looked at, so that an end in between is heard of.
        let _ = self.hear().await;
        let since = self.history().last_sequence();
        let first = self.inspect_target(&wait.reference).await?;
        let mut watch = Watch {
            condition: wait.condition,
            pid: first.pid,
            name: first.name.clone(),
            uuid: first.uuid.clone(),
            since,
        };
        send(frames, Response::Waiting(Nothing {})).await?;
        // By its name the bridge finds one without looking at all others.
        let target = if first.name.is_empty() {
            first.uuid.clone()
        } else {
            first.name.clone()
        };
        let mut ticks = ticks();
        let mut over = watch.is_over(Some(&first));
        while !over {
            ticks.tick().await;
            over = match self.look(&target, &mut watch).await {
                // It stops another container meanwhile.
                Err(LinkError::Late) => false,
                other => other?,
            };
            over = over || self.was_told_of_its_end(&first, &watch);
        }
        Ok(Response::Exited(Exited {
            exit: shape::unseen(),
            ..Exited::default()
        }))
    }

    async fn look(&self, target: &str, watch: &mut Watch) -> Result<bool, LinkError> {
        let request = Request::InspectContainer {
            target: target.to_owned(),
        };
        let over = match self.rpc.ask(&request).await? {
            Ok(v1::Response::Container(now)) => watch.is_over(Some(&now)),
            Err(Status::NotFound) => watch.is_over(None),
            other => return Err(lists::failed(Opcode::InspectContainer, target, &other)),
        };
        if !over {
            self.hear().await?;
        }
        Ok(over)
    }

    /// Whether it has ended, and perhaps runs again, between two looks.
    fn was_told_of_its_end(&self, first: &Inspect, watch: &Watch) -> bool {
        watch.condition != WaitCondition::Removed
            && self.history().has_ended_since(watch.since, shape::id(first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(condition: WaitCondition, pids: &[i32], over_at: Option<usize>) {
        let inspect = |pid: &i32| Inspect {
            pid: *pid,
            ..Inspect::default()
        };
        let mut watch = Watch {
            condition,
            pid: pids[0],
            name: String::new(),
            uuid: String::new(),
            since: 0,
        };
        let found = pids.iter().position(|pid| watch.is_over(Some(&inspect(pid))));
        assert_eq!(found, over_at, "{condition:?} {pids:?}");
    }

    #[test]
    fn ends() {
        use WaitCondition::{NextExit, NotRunning, Removed};
        check(NotRunning, &[0], Some(0));
        check(NotRunning, &[7, 7, 0], Some(2));
        check(NotRunning, &[7, 7, 8], Some(2));
        check(NextExit, &[0, 0, 7, 7, 0], Some(4));
        check(NextExit, &[7, 8], Some(1));
        check(NextExit, &[0, 0], None);
        check(Removed, &[7, 0, 8], None);
    }

    #[test]
    fn one_that_is_gone_or_another_is_over() {
        let mut watch = Watch {
            condition: WaitCondition::Removed,
            pid: 7,
            name: "n".to_owned(),
            uuid: "a".to_owned(),
            since: 0,
        };
        let one = |name: &str, uuid: &str| Inspect {
            name: name.to_owned(),
            uuid: uuid.to_owned(),
            ..Inspect::default()
        };
        assert!(!watch.is_over(Some(&one("renamed", "a"))));
        assert!(watch.is_over(Some(&one("n", "b"))));
        assert!(!watch.is_over(Some(&one("n", ""))));
        assert!(watch.is_over(Some(&one("m", ""))));
        assert!(watch.is_over(None));
    }
}
