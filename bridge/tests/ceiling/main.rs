//! The file that says what may be asked at most: whose word it is. Needs root, for files of others are made.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use bridge::ceiling::{Access, Ceiling, CeilingError};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

/// Where every directory above is root's, on every machine that tests run on.
const ABOVE: &str = "/run";

/// Somebody who is not root.
const STRANGER: u32 = 60_751;

/// A folder with a good file in it.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        assert!(
            nix::unistd::geteuid().is_root(),
            "whose a file is can only be tested by root: run this with sudo"
        );
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = Path::new(ABOVE).join(format!("socketd-ceiling-{}-{number}", std::process::id()));
        let place = Self(path);
        fs::create_dir(&place.0).unwrap();
        fs::create_dir(place.at("folder")).unwrap();
        for folder in [place.0.clone(), place.at("folder")] {
            fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
        }
        place.write("folder/good", "access = \"read\"\n");
        place
    }

    fn at(&self, inner: &str) -> PathBuf {
        self.0.join(inner)
    }

    fn write(&self, inner: &str, text: impl AsRef<[u8]>) {
        fs::write(self.at(inner), text).unwrap();
        self.allow(inner, 0o600);
    }

    fn allow(&self, inner: &str, mode: u32) {
        fs::set_permissions(self.at(inner), Permissions::from_mode(mode)).unwrap();
    }

    fn load(&self, inner: &str) -> Result<Ceiling, CeilingError> {
        Ceiling::load(Some(&self.at(inner)))
    }

    #[track_caller]
    fn check_good(&self, inner: &str) {
        assert_eq!(self.load(inner).unwrap().access, Access::Read);
    }

    /// What others can change, relative to this place.
    #[track_caller]
    fn check_others_can_change(&self, inner: &str, expected: &str) {
        match self.load(inner) {
            Err(CeilingError::NotRootsAlone { place, .. }) => assert_eq!(place, self.at(expected)),
            other => panic!("{other:?}"),
        }
    }

    fn fault(&self, inner: &str) -> CeilingError {
        self.load(inner).expect_err("it is refused")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_file_of_root_alone_is_read() {
    let place = Place::new();
    for mode in [0o600, 0o644, 0o400, 0o755, 0o000] {
        place.allow("folder/good", mode);
        place.check_good("folder/good");
    }
    place.check_good("folder/../folder//./good");
}

#[test]
fn a_file_that_is_asked_for_must_be_there() {
    let place = Place::new();
    match place.fault("folder/missing") {
        CeilingError::Io(path, error) => {
            assert_eq!(path, place.at("folder/missing"));
            assert_eq!(error.kind(), io::ErrorKind::NotFound);
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(place.fault("missing/good"), CeilingError::Io(..)));
    assert!(matches!(place.fault("folder/good/more"), CeilingError::Io(..)));
}

#[test]
fn a_file_that_others_can_change_is_refused() {
    for mode in [0o620, 0o602, 0o666, 0o777] {
        let place = Place::new();
        place.allow("folder/good", mode);
        place.check_others_can_change("folder/good", "folder/good");
    }
    let place = Place::new();
    chown(place.at("folder/good"), Some(STRANGER), Some(0)).unwrap();
    place.check_others_can_change("folder/good", "folder/good");
    // A group of others that may only read is no harm.
    let place = Place::new();
    chown(place.at("folder/good"), Some(0), Some(STRANGER)).unwrap();
    place.allow("folder/good", 0o640);
    place.check_good("folder/good");
}

#[test]
fn a_directory_that_others_can_change_is_refused() {
    for mode in [0o775, 0o757, 0o1777, 0o2775] {
        let place = Place::new();
        place.allow("folder", mode);
        place.check_others_can_change("folder/good", "folder");
        // However far above.
        let place = Place::new();
        place.allow("", mode);
        place.check_others_can_change("folder/good", "");
    }
    let place = Place::new();
    chown(place.at("folder"), Some(STRANGER), Some(0)).unwrap();
    place.check_others_can_change("folder/good", "folder");
}

#[test]
fn links_of_root_are_followed_and_others_are_not() {
    let place = Place::new();
    symlink("good", place.at("folder/link")).unwrap();
    symlink("folder", place.at("way")).unwrap();
    place.check_good("folder/link");
    place.check_good("way/link");
    lchown(place.at("folder/link"), Some(STRANGER), None).unwrap();
    place.check_others_can_change("folder/link", "folder/link");
    // A link of root's to what others can change.
    let place = Place::new();
    fs::create_dir(place.at("open")).unwrap();
    place.allow("open", 0o777);
    place.write("open/good", "access = \"read\"\n");
    symlink("../open/good", place.at("folder/link")).unwrap();
    place.check_others_can_change("folder/link", "open");
    // A link that root made where others can exchange it.
    let place = Place::new();
    fs::create_dir(place.at("open")).unwrap();
    symlink("../folder/good", place.at("open/link")).unwrap();
    place.allow("open", 0o777);
    place.check_others_can_change("open/link", "open");
}

#[test]
fn what_is_no_file_is_refused_and_nothing_waits() {
    let place = Place::new();
    mkfifo(&place.at("folder/pipe"), Mode::from_bits_truncate(0o600)).unwrap();
    assert!(matches!(place.fault("folder/pipe"), CeilingError::NotRegular(_)));
    assert!(matches!(place.fault("folder"), CeilingError::NotRegular(_)));
    let _socket = std::os::unix::net::UnixListener::bind(place.at("folder/socket")).unwrap();
    place.allow("folder/socket", 0o600);
    assert!(matches!(
        place.fault("folder/socket"),
        CeilingError::NotRegular(_)
    ));
    // A device is the same, be it as harmless as this one. Its mode differs from machine to machine.
    let device = Ceiling::load(Some(Path::new("/dev/zero")));
    assert!(matches!(
        device,
        Err(CeilingError::NotRegular(_) | CeilingError::NotRootsAlone { .. })
    ));
}

#[test]
fn what_is_too_long_or_no_text_is_refused() {
    let place = Place::new();
    let line = "# nothing is restricted by this line\n";
    let mut text = line.repeat(64 * 1024 / line.len());
    text.push_str(&" ".repeat(64 * 1024 - text.len()));
    place.write("folder/longest", &text);
    assert_eq!(place.load("folder/longest").unwrap(), Ceiling::default());
    text.push(' ');
    place.write("folder/longer", &text);
    assert!(matches!(
        place.fault("folder/longer"),
        CeilingError::TooLong(_, 65_536)
    ));
    // One that has no end does not fill memory.
    File::create(place.at("folder/endless"))
        .unwrap()
        .set_len(1 << 40)
        .unwrap();
    place.allow("folder/endless", 0o600);
    assert!(matches!(
        place.fault("folder/endless"),
        CeilingError::TooLong(_, 65_536)
    ));
    place.write("folder/bytes", [0xff, 0xfe]);
    assert!(matches!(place.fault("folder/bytes"), CeilingError::NotText(_)));
}

#[test]
fn what_is_wrong_is_said_with_file_line_and_key() {
    let place = Place::new();
    place.write("folder/wrong", "exec = false\nbind = []\n");
    assert_eq!(
        place.fault("folder/wrong").to_string(),
        format!(
            "the ceiling {}: line 2: bind: there is no such key",
            place.at("folder/wrong").display()
        )
    );
    place.allow("folder", 0o777);
    assert_eq!(
        place.fault("folder/wrong").to_string(),
        format!(
            "the ceiling {}: {} must be root's and writable by nobody else, and is user 0's with mode 0777",
            place.at("folder/wrong").display(),
            place.at("folder").display()
        )
    );
}
