//! Who socketd becomes, and who else that number is.

use std::fs;

use super::finding::Finding;
use super::scene::Scene;
use crate::sandbox;

/// The name that packages give to the user.
const NAME: &str = "socketd";

pub(super) fn user(scene: &Scene) -> Vec<Finding> {
    let user = scene.serve.user;
    vec![match fs::read_to_string("/etc/passwd") {
        Err(_) => Finding::ok(format!(
            "{user}; this system has no list of users, and none is needed"
        )),
        Ok(text) => judge(&user.to_string(), name_in(&text, user.uid().as_raw())),
    }]
}

fn judge(user: &str, name: Option<&str>) -> Finding {
    match name {
        None => Finding::ok(format!("{user}, whom nobody else is")),
        Some(NAME) => Finding::ok(format!("{user}, by the name of {NAME}")),
        Some(other) => Finding::wrong(
            format!("{user} is {other} in /etc/passwd, whose every process the bridge would answer"),
            "a number that nobody has: --user of socketd, --front-uid and --front-gid of the bridge",
        ),
    }
}

/// The name of a user's number.
fn name_in(text: &str, uid: u32) -> Option<&str> {
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    })
}

/// Who may use the unix sockets beside root; nothing where nobody was named.
pub(super) fn group(scene: &Scene) -> Vec<Finding> {
    let Some(group) = &scene.serve.socket_group else {
        return Vec::new();
    };
    vec![match sandbox::find_group(group) {
        Ok(number) => Finding::ok(format!("members of group {number} may use the unix sockets")),
        Err(error) => Finding::wrong(error.to_string(), "name a group that is there, or its number"),
    }]
}

/// What Android asks of who opens sockets of the network.
pub(super) fn network(scene: &Scene) -> Vec<Finding> {
    if !scene.is_root {
        return vec![Finding::unknown(
            "whether sockets of the network need a group: root can tell",
        )];
    }
    vec![match sandbox::sockets_need_a_group() {
        Ok(false) => Finding::ok("everybody may open sockets of the network"),
        Ok(true) => Finding::ok(format!(
            "sockets of the network are for group {} alone, which socketd joins",
            sandbox::INET
        )),
        Err(error) => Finding::unknown(error.to_string()),
    }]
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn whose_the_number_is() {
        fn check(text: &str, expected: Verdict) {
            assert_eq!(
                judge("60750:60750", name_in(text, 60_750)).verdict,
                expected,
                "{text}"
            );
        }
        check("root:x:0:0:root:/root:/bin/sh\n", Verdict::Ok);
        check("socketd:x:60750:60750::/:/usr/sbin/nologin\n", Verdict::Ok);
        check("eve:x:60750:100::/srv/eve:/bin/sh\n", Verdict::Wrong);
        check("broken\n\n:::\n", Verdict::Ok);
    }
}
