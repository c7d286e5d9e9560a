#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::symlink;

use super::*;

/// A root with links that lead everywhere, and a file outside that must never be reached.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("socketd-inside-{name}-{}", std::process::id()));
        let root = path.join("root");
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join("a/file"), "").unwrap();
        fs::create_dir_all(path.join("outside")).unwrap();
        for (link, target) in [
            ("absolute", "/a/b"),
            ("relative", "a/b"),
            ("up", "../../../outside"),
            ("away", path.join("outside").to_str().unwrap()),
            ("dangling", "/new/place"),
            ("circle", "circle"),
            ("a/b/back", "../../a"),
        ] {
            symlink(target, root.join(link)).unwrap();
        }
        Self(path)
    }

    fn inside(&self) -> Inside {
        Inside::open(&self.0.join("root")).unwrap()
    }

    /// Where a path leads, relative to the root.
    fn resolve(&self, path: &str, missing: Missing) -> Result<String, Errno> {
        let found = self.inside().resolve(path, missing);
        let found = found.map_err(|error| Errno::from_raw(error.raw_os_error().unwrap()))?;
        let place = fs::read_link(descriptor_path(&found)).unwrap();
        let below = place
            .strip_prefix(fs::canonicalize(self.0.join("root")).unwrap())
            .expect("inside the root");
        Ok(below.to_str().unwrap().to_owned())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn paths_stay_inside() {
    let scratch = Scratch::new("stay");
    let check = |path: &str, expected: Result<&str, Errno>| {
        assert_eq!(
            scratch.resolve(path, Missing::Fail),
            expected.map(str::to_owned),
            "{path}"
        );
    };
    check("/", Ok(""));
    check("", Ok(""));
    check("/..//../.", Ok(""));
    check("/a/b", Ok("a/b"));
    check("a/b/../file", Ok("a/file"));
    check("/absolute", Ok("a/b"));
    check("/relative/..", Ok("a"));
    check("/a/b/back/b", Ok("a/b"));
    check("/up", Err(Errno::ENOENT));
    check("/away", Err(Errno::ENOENT));
    check("/../../outside", Err(Errno::ENOENT));
    check("/a/file/x", Err(Errno::ENOTDIR));
    check("/circle", Err(Errno::ELOOP));
    check(&"a/../".repeat(2000), Err(Errno::ENAMETOOLONG));
}

#[test]
fn what_is_made_is_made_inside() {
    let scratch = Scratch::new("make");
    let check = |path: &str, missing, expected: &str| {
        assert_eq!(scratch.resolve(path, missing), Ok(expected.to_owned()), "{path}");
    };
    check("/up/deep/er", Missing::Directory, "outside/deep/er");
    check("/dangling/x", Missing::File, "new/place/x");
    check("/a/b/c", Missing::Directory, "a/b/c");
    check("/a/b/c", Missing::File, "a/b/c");
    assert!(scratch.0.join("root/new/place/x").is_file());
    assert!(scratch.0.join("root/outside/deep/er").is_dir());
    assert_eq!(fs::read_dir(scratch.0.join("outside")).unwrap().count(), 0);
}
