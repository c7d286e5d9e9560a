//! Names of containers, and the same as names of files.

use super::limits::NAME_BYTES_MAX;

/// Whether a container may be called so: letters, digits, `.`, `_`, `-` and spaces of ASCII, but not
/// `.` or `..`.
pub(in crate::runtime::droidspaces) fn is_valid_name(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len())
        && !matches!(name, "." | "..")
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b' '))
}

/// What its files are called: two names that differ in a space and a dash share them.
pub(in crate::runtime::droidspaces) fn safe_name(name: &str) -> String {
    name.replace(' ', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let longest = "n".repeat(NAME_BYTES_MAX);
        for name in ["a", "media box", "-a", ".a", "...", " ", "A.b_c-9", &longest] {
            assert!(is_valid_name(name), "{name}");
        }
        let too_long = "n".repeat(NAME_BYTES_MAX + 1);
        for name in ["", ".", "..", "a/b", "a,b", "a\tb", "a\0b", "é", "a:b", &too_long] {
            assert!(!is_valid_name(name), "{name}");
        }
    }

    #[test]
    fn names_of_files() {
        for (name, file) in [("a b", "a-b"), ("a-b", "a-b"), ("a  b ", "a--b-"), ("a.b", "a.b")] {
            assert_eq!(safe_name(name), file);
        }
    }
}
