//! Directories and files of the host that a container sees.

use super::limits::BINDS_BYTES_MAX;
use super::line::cut;

/// One of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::runtime::droidspaces) struct Bind {
    /// Path on the host, as written.
    pub(in crate::runtime::droidspaces) source: String,
    /// Absolute path in the container, as written: not its root, and without `.` and `..`.
    pub(in crate::runtime::droidspaces) target: String,
    /// Whether writing is refused.
    pub(in crate::runtime::droidspaces) read_only: bool,
}

/// Adds those of one line to what others said; what is none is skipped. There is no count to stop at but
/// that of the bytes they are read from.
pub(super) fn add(binds: &mut Vec<Bind>, value: &str) {
    binds.extend(cut(value, BINDS_BYTES_MAX).split(',').filter_map(parse));
}

fn parse(entry: &str) -> Option<Bind> {
    let (source, rest) = entry.trim().split_once(':')?;
    let (target, read_only) = match rest.strip_suffix(":ro") {
        Some(target) => (target, true),
        None => (rest, false),
    };
    let (source, target) = (source.trim(), target.trim());
    (!source.is_empty() && is_target(target)).then(|| Bind {
        source: source.to_owned(),
        target: target.to_owned(),
        read_only,
    })
}

fn is_target(path: &str) -> bool {
    let Some(rest) = path.strip_prefix('/') else {
        return false;
    };
    let mut parts = rest.split('/').filter(|part| !part.is_empty()).peekable();
    parts.peek().is_some() && parts.all(|part| !matches!(part, "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, expected: &[(&str, &str, bool)]) {
        let mut found = Vec::new();
        add(&mut found, value);
        let expected: Vec<Bind> = expected
            .iter()
            .map(|&(source, target, read_only)| Bind {
                source: source.to_owned(),
                target: target.to_owned(),
                read_only,
            })
            .collect();
        assert_eq!(found, expected, "{value}");
    }

    #[test]
    fn forms() {
        check("/a:/b", &[("/a", "/b", false)]);
        check("/a:/b:ro", &[("/a", "/b", true)]);
        check("/a:/b:ro,/c:/d", &[("/a", "/b", true), ("/c", "/d", false)]);
        check(
            " /a b : /c d , /e:/f ",
            &[("/a b", "/c d", false), ("/e", "/f", false)],
        );
        check("relative:/b", &[("relative", "/b", false)]);
        check("/a:/b/.c/..d/e..", &[("/a", "/b/.c/..d/e..", false)]);
        check("/a:/b,/c:/b", &[("/a", "/b", false), ("/c", "/b", false)]);
        // A colon is part of the target, unless what follows it makes the mount read-only.
        check("/a:/b:rw", &[("/a", "/b:rw", false)]);
    }

    #[test]
    fn what_is_none_is_skipped() {
        for entry in [
            "", "/a", ":", ":/b", "/a:", "/a:b", "/a:/", "/a://", "/a:/b/..", "/a:/./b", "/a:/../b",
            "/a:.:ro", "/a::ro", "/a:/:ro", "/a:ro",
        ] {
            check(entry, &[]);
            check(&format!("{entry},/x:/y"), &[("/x", "/y", false)]);
        }
    }

    #[test]
    fn bounds() {
        let mut found = Vec::new();
        add(&mut found, &format!("/a:/{}", "b".repeat(BINDS_BYTES_MAX)));
        assert_eq!(found[0].target.len(), BINDS_BYTES_MAX - 3);
    }
}
