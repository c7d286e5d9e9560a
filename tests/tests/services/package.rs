//! The Debian package, made of the programs under test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use harness::Machine;
use harness::binaries::{self, binaries};

/// What packages are made of.
fn all_programs() -> [&'static Path; 3] {
    [&binaries().socketd, &binaries().bridge, binaries::fleet()]
}

/// Where a machine finds what it is to install.
pub(crate) const FOLDER: &str = "/opt/socketd";

/// A folder with the packages, taken away by whoever made it.
#[derive(Debug)]
pub(crate) struct Packages {
    dir: PathBuf,
}

/// The name that Debian has for this processor, and that of the folder of its programs.
fn processor() -> (&'static str, &'static str) {
    match std::env::consts::ARCH {
        "x86_64" => ("amd64", "x86_64"),
        "aarch64" => ("arm64", "aarch64"),
        other => panic!("no package is made for {other}"),
    }
}

/// A folder of the repository.
pub(crate) fn packaging(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../packaging")
        .join(path)
}

impl Packages {
    /// Packs `old.deb` and `new.deb` of both daemons, and `fleet.deb`.
    pub(crate) fn make() -> Self {
        let dir = harness::pair::new_dir();
        let (architecture, folder) = processor();
        let programs = dir.join("dist").join(folder);
        fs::create_dir_all(&programs).unwrap();
        for program in all_programs() {
            fs::copy(stripped(program), programs.join(program.file_name().unwrap())).unwrap();
        }
        let share = dir.join("dist/share/man/man1");
        fs::create_dir_all(&share).unwrap();
        fs::write(share.join("socketd.1"), ".TH socketd 1\n").unwrap();
        let completions = dir.join("dist/share/completions/bash");
        fs::create_dir_all(&completions).unwrap();
        fs::write(completions.join("socketd.bash"), "complete socketd\n").unwrap();
        for (name, version, script) in [
            ("old.deb", "0.1.0", "pack.sh"),
            ("new.deb", "0.1.1~test", "pack.sh"),
            ("fleet.deb", "0.1.0", "pack-fleet.sh"),
        ] {
            let status = Command::new(packaging("debian").join(script))
                .arg(dir.join("dist"))
                .arg(architecture)
                .arg(dir.join(name))
                .arg(version)
                // To be unpacked once, a moment later.
                .env("DPKG_DEB_COMPRESSOR_TYPE", "none")
                .status()
                .unwrap();
            assert!(status.success(), "{name}");
        }
        Self { dir }
    }

    /// One of them.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

impl Drop for Packages {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.dir).unwrap();
    }
}

/// Programs of tests hold ten times what they need.
fn stripped(program: &Path) -> PathBuf {
    static ONCE: OnceLock<()> = OnceLock::new();
    let name = |program: &Path| program.with_extension("stripped");
    ONCE.get_or_init(|| {
        for program in all_programs() {
            let status = Command::new("strip")
                .arg("-o")
                .arg(name(program))
                .arg(program)
                .status()
                .unwrap();
            assert!(status.success());
        }
    });
    name(program)
}

/// Puts programs and configuration where a package has them, for init systems that need no package.
pub(crate) fn put_programs(machine: &Machine) {
    for program in [stripped(&binaries().socketd), stripped(&binaries().bridge)] {
        machine.put(&program, "/opt");
    }
    machine.run(
        "mv /opt/socketd.stripped /usr/bin/socketd; mv /opt/socketd-bridge.stripped /usr/bin/socketd-bridge",
    );
    machine.put(&packaging("debian/socketd.toml"), "/etc/socketd");
}
