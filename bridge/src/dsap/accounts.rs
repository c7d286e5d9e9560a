//! Users and groups by the two files that every system without a directory service has. Either may be
//! missing, as on a phone; then nobody is in it. Lines that make no sense are passed over.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::limits::ACCOUNT_FILE_BYTES_MAX;

/// Whether a user belongs to a group, by primary group or by being listed.
pub(super) fn is_member(users: &[u8], groups: &[u8], uid: u32, group: &str) -> bool {
    let Some((user, primary)) = user(users, uid) else {
        return false;
    };
    records(groups)
        .filter(|fields| fields.first() == Some(&group.as_bytes()))
        .any(|fields| {
            let own = fields.get(2).and_then(|field| number(field));
            let listed = fields.get(3).copied().unwrap_or_default();
            own == Some(primary) || listed.split(|byte| *byte == b',').any(|member| member == user)
        })
}

/// The beginning of a file; nothing where there is none.
pub(super) fn read(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    let file = File::open(path);
    if let Err(error) = file.and_then(|file| file.take(ACCOUNT_FILE_BYTES_MAX).read_to_end(&mut bytes)) {
        tracing::debug!(path = %path.display(), %error, "cannot be read");
        return Vec::new();
    }
    bytes
}

/// The name and primary group of the first user with this number.
fn user(users: &[u8], uid: u32) -> Option<(&[u8], u32)> {
    records(users).find_map(|fields| {
        let own = fields.get(2).and_then(|field| number(field));
        let name = fields.first().filter(|name| !name.is_empty())?;
        let primary = fields.get(3).and_then(|field| number(field))?;
        (own == Some(uid)).then_some((*name, primary))
    })
}

fn records(bytes: &[u8]) -> impl Iterator<Item = Vec<&[u8]>> {
    let lines = bytes.split(|byte| *byte == b'\n');
    lines.map(|line| line.split(|byte| *byte == b':').collect())
}

fn number(field: &[u8]) -> Option<u32> {
    str::from_utf8(field).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{is_member, read};

    const USERS: &[u8] = b"root:x:0:0:root:/root:/bin/sh\n\
        ana:x:1000:1000::/:/bin/sh\n\
        ben:x:1001:500::/:/bin/sh\n\
        \xff\xfe:x:1002:1002::/:\n\
        short:x:1003\n\
        :x:1004:500::/:\n\
        eve:x:not-a-number:500::/:\n\
        ana2:x:1000:500::/:/bin/sh\n";
    const GROUPS: &[u8] = b"root:x:0:\n\
        many:x:500:ana,\xff\xfe\n\
        few:x:501:anabel,,ben\n\
        broken\n\
        none:x:502";

    #[test]
    fn members_are_found() {
        fn check(uid: u32, group: &str, expected: bool) {
            assert_eq!(is_member(USERS, GROUPS, uid, group), expected, "{uid} in {group}");
        }
        check(1000, "many", true);
        check(1001, "many", true);
        check(1002, "many", true);
        check(1000, "few", false);
        check(1001, "few", true);
        check(1003, "many", false);
        check(1004, "many", false);
        check(4_294_967_295, "many", false);
        check(65534, "many", false);
        check(1000, "none", false);
        check(1000, "absent", false);
        check(1000, "broken", false);
        check(1000, "", false);
    }

    #[test]
    fn missing_files_have_nobody() {
        let missing = read(Path::new("/nonexistent/group"));
        assert!(missing.is_empty());
        assert!(!is_member(USERS, &missing, 1000, "many"));
        assert!(!is_member(&missing, GROUPS, 1000, "many"));
    }
}
