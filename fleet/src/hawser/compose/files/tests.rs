use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use serde_json::{Value, json};

use super::*;

struct Stacks(TempDir);

impl Stacks {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn dir(&self) -> PathBuf {
        self.0.path().join("stacks")
    }

    fn at(&self, path: &str) -> PathBuf {
        self.dir().join("st1").join(path)
    }

    fn prepare(&self, fields: &Value) -> Result<Place, String> {
        let mut sent = json!({ "operation": "up", "projectName": "st1" });
        sent.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        let order = Order::parse(sent.to_string().as_bytes()).map_err(|error| error.to_string())?;
        Place::prepare(&self.dir(), &order).map_err(|error| error.to_string())
    }
}

#[test]
fn files_are_written() {
    let stacks = Stacks::new();
    let files = json!({
        "compose.yaml": "services: {}\n",
        "./conf/deep/a b.conf": "x",
        ".env": "A=b\n",
        "bin": "base64:AAEC/w==",
        "-odd": "y",
    });
    let place = stacks.prepare(&json!({ "files": files })).unwrap();
    let check = |path: &str, content: &[u8], mode: u32| {
        assert_eq!(fs::read(stacks.at(path)).unwrap(), content, "{path}");
        let seen = fs::metadata(stacks.at(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!(seen, mode, "{path}");
    };
    check("compose.yaml", b"services: {}\n", 0o644);
    check("conf/deep/a b.conf", b"x", 0o644);
    check(".env", b"A=b\n", 0o600);
    check("bin", &[0, 1, 2, 255], 0o644);
    check("-odd", b"y", 0o644);
    assert_eq!(
        place.arguments(false),
        ["-f", "compose.yaml", "--env-file", ".env"]
    );
    assert_eq!(
        fs::metadata(stacks.dir()).unwrap().permissions().mode() & 0o777,
        0o700
    );
    // A file that can be run still can be.
    fs::set_permissions(stacks.at("bin"), fs::Permissions::from_mode(0o755)).unwrap();
    stacks
        .prepare(&json!({ "files": {"bin": "new"}, "composeFile": "a" }))
        .unwrap();
    check("bin", b"new", 0o755);
    assert_eq!(
        fs::read_dir(stacks.at("")).unwrap().count(),
        5,
        "nothing else is left"
    );
}

#[test]
fn paths_that_lead_elsewhere() {
    let stacks = Stacks::new();
    let deep = "a/".repeat(STACK_DEPTH_MAX) + "b";
    for path in [
        "",
        "/etc/passwd",
        "../x",
        "a/../../x",
        "a/..",
        "..",
        ".",
        "a//b",
        "a/",
        "a/./b",
        "a\u{0}b",
        "a\nb",
        "././a",
        &deep,
        &"x".repeat(256),
    ] {
        let error = stacks.prepare(&json!({ "files": {path: "x"} })).unwrap_err();
        assert!(error.contains("no path below"), "{path}: {error}");
        let named = json!({ "files": {"ok": "x"}, "composeFileNames": [path] });
        let error = stacks.prepare(&named).unwrap_err();
        assert!(error.contains("no path below"), "{path}: {error}");
    }
    let above: Vec<_> = fs::read_dir(stacks.0.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(above, ["stacks"]);
}

#[test]
fn links_are_not_followed() {
    let stacks = Stacks::new();
    let outside = tempfile::tempdir().unwrap();
    let victim = outside.path().join("victim");
    fs::write(&victim, "mine").unwrap();
    stacks
        .prepare(&json!({ "files": {"compose.yaml": "a"} }))
        .unwrap();
    symlink(&victim, stacks.at("file")).unwrap();
    symlink(outside.path(), stacks.at("dir")).unwrap();
    symlink(outside.path().join("new"), stacks.at("dangling")).unwrap();

    // A link in a file's place is replaced.
    stacks
        .prepare(&json!({ "files": {"file": "theirs", "dangling": "theirs"} }))
        .unwrap();
    assert!(fs::symlink_metadata(stacks.at("file")).unwrap().is_file());
    // One in a directory's place leads nowhere.
    let error = stacks
        .prepare(&json!({ "files": {"dir/victim": "theirs"} }))
        .unwrap_err();
    assert!(error.contains("dir/victim"), "{error}");
    // None can be what the command is told to read.
    symlink(&victim, stacks.at("b.yaml")).unwrap();
    let named = json!({ "composeFileNames": ["b.yaml"], "files": {"x": "y"} });
    assert!(stacks.prepare(&named).unwrap_err().contains("not among"));
    // None is deleted through.
    let hash = hash(File::open(&victim).unwrap()).unwrap().unwrap();
    let place = stacks.prepare(&json!({})).unwrap();
    let delete = |path: &str| {
        place.delete_one(&Deletion {
            path: path.to_owned(),
            sha256: hash.clone(),
        })
    };
    assert_eq!(delete("b.yaml"), Err("invalid-path"));
    assert_eq!(delete("dir/victim"), Err("invalid-path"));
    // Nor is the stack's own directory one.
    fs::remove_dir_all(stacks.at("")).unwrap();
    symlink(outside.path(), stacks.dir().join("st1")).unwrap();
    assert!(stacks.prepare(&json!({ "files": {"victim": "theirs"} })).is_err());
    assert_eq!(fs::read_to_string(&victim).unwrap(), "mine");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
}

#[test]
fn which_files_are_read() {
    let check = |before: &[&str], fields: Value, arguments: &str, input: &str| {
        let stacks = Stacks::new();
        for path in before {
            fs::create_dir_all(stacks.at("")).unwrap();
            fs::write(stacks.at(path), "x").unwrap();
        }
        let place = stacks.prepare(&fields).unwrap();
        assert_eq!(place.arguments(false).join(" "), arguments, "{fields}");
        assert_eq!(place.input(), input, "{fields}");
    };
    check(&[], json!({}), "", "");
    check(&[], json!({"composeFile": "a"}), "-f -", "a");
    check(
        &["compose.yaml", ".env"],
        json!({"composeFile": "a"}),
        "-f - --env-file .env",
        "a",
    );
    check(&["compose.yml"], json!({}), "-f compose.yml", "");
    check(
        &["docker-compose.yml", "compose.yml"],
        json!({}),
        "-f compose.yml",
        "",
    );
    check(&["b.yml"], json!({"composeFileName": "b.yml"}), "-f ./b.yml", "");
    let both = json!({"composeFileNames": ["b.yml", "a/c.yml"], "files": {"b.yml": "1", "a/c.yml": "2"}});
    check(&[], both, "-f ./b.yml -f ./a/c.yml", "");
    check(&[], json!({"files": {"x": "1"}, "composeFile": "a"}), "-f -", "a");
    let variables = json!({"files": {"compose.yaml": "1", ".env.dockhand": "2", ".env": "3"}});
    check(
        &[],
        variables,
        "-f compose.yaml --env-file .env --env-file .env.dockhand",
        "",
    );
    let stacks = Stacks::new();
    let both = json!({"files": {"compose.yaml": "1", ".env.dockhand": "2", ".env": "3"}});
    let older = stacks.prepare(&both).unwrap().arguments(true).join(" ");
    assert_eq!(older, "-f compose.yaml --env-file .env.dockhand");
    let looking = json!({"operation": "ps", "composeFile": "a"});
    check(&[], looking, "-f -", "a");
}

#[test]
fn deletions() {
    let stacks = Stacks::new();
    let files = json!({ "compose.yaml": "a", "gone": "a", "a/kept": "a", "changed": "b" });
    let place = stacks.prepare(&json!({ "files": files })).unwrap();
    fs::create_dir(stacks.at("folder")).unwrap();
    // As `printf a | sha256sum` prints it.
    let hash = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";
    let deletion = |path: &str, sha256: &str| Deletion {
        path: path.to_owned(),
        sha256: sha256.to_owned(),
    };
    let (deleted, skipped) = place.delete(&[
        deletion("gone", &hash.to_uppercase()),
        deletion("a/kept", ""),
        deletion("changed", hash),
        deletion("nothing", hash),
        deletion("no/thing", hash),
        deletion("folder", hash),
        deletion("../x", hash),
        deletion("./compose.yaml", hash),
    ]);
    assert_eq!(deleted, ["gone"]);
    let skipped: Vec<_> = skipped
        .iter()
        .map(|file| (file.path.as_str(), file.reason))
        .collect();
    let expected = [
        ("a/kept", "locally-modified"),
        ("changed", "locally-modified"),
        ("nothing", "already-absent"),
        ("no/thing", "already-absent"),
        ("folder", "invalid-path"),
        ("../x", "invalid-path"),
        ("./compose.yaml", "load-bearing"),
    ];
    assert_eq!(skipped, expected);
    assert!(!stacks.at("gone").exists() && stacks.at("a/kept").exists());
}

#[test]
fn contents_that_are_refused() {
    let stacks = Stacks::new();
    let check = |content: &str, part: &str| {
        let error = stacks.prepare(&json!({ "files": {"a": content} })).unwrap_err();
        assert!(error.contains(part), "{error}");
    };
    check("base64:*", "no base64");
    check(&"x".repeat(STACK_FILE_BYTES_MAX + 1), "at most");
}
