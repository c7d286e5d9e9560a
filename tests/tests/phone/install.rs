//! The zip, and what its installer says and does.

use std::fs;
use std::process::Command;

use crate::module::{self, MACHINE, first, second};
use crate::place::{Phone, Shell};

#[test]
fn the_same_files_give_the_same_zip() {
    let again = module::pack("1.2.3", "again.zip");
    assert!(
        fs::read(first()).unwrap() == fs::read(again).unwrap(),
        "they differ"
    );
}

#[test]
fn a_zip_has_what_is_flashed() {
    let list = Command::new("unzip").arg("-Z1").arg(first()).output().unwrap();
    let list = String::from_utf8(list.stdout).unwrap();
    let expected = [
        "LICENSE",
        "META-INF/com/google/android/update-binary",
        "META-INF/com/google/android/updater-script",
        "action.sh",
    ];
    assert_eq!(list.lines().take(4).collect::<Vec<_>>(), expected);
    assert!(list.contains(&format!("bin/{MACHINE}.tar.xz\n")), "{list}");
    let script = Command::new("unzip")
        .args(["-p"])
        .arg(first())
        .arg("META-INF/com/google/android/updater-script")
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(script.stdout).unwrap(), "#MAGISK\n");
    for (zip, version, code) in [(first(), "1.2.3", "10203"), (second(), "1.10.0", "11000")] {
        let properties = Command::new("unzip")
            .arg("-p")
            .arg(zip)
            .arg("module.prop")
            .output()
            .unwrap();
        let properties = String::from_utf8(properties.stdout).unwrap();
        let lines: Vec<_> = properties.lines().collect();
        assert_eq!(lines[..2], ["id=socketd", "name=socketd"]);
        assert_eq!(
            lines[2..4],
            [format!("version={version}"), format!("versionCode={code}")]
        );
    }
}

#[test]
fn nothing_to_pack_is_said() {
    let dist = harness::pair::new_dir();
    let check = |expected: &str| {
        let output = module::try_pack(&dist, &dist.join("none.zip"), "1.0.0");
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && error.contains(expected), "{error}");
        assert!(!dist.join("none.zip").exists());
    };
    check("neither x86_64/ nor aarch64/");
    fs::create_dir(dist.join("aarch64")).unwrap();
    fs::write(dist.join("aarch64/socketd"), "").unwrap();
    check("aarch64 has no socketd-bridge");
    fs::remove_dir_all(dist).unwrap();
}

/// Flashes on a phone of this architecture with this kernel.
fn check(phone: &Phone, arch: &str, kernel: &str, ends_well: bool, says: &[&str], not: &[&str]) {
    let output = phone.try_install(
        first(),
        &[
            ("ARCH", arch),
            ("API", "30"),
            ("KERNEL", kernel),
            ("MACHINE", "armv7l"),
        ],
    );
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.success(), ends_well, "{arch} {kernel}: {text}");
    for sentence in says {
        assert!(text.contains(sentence), "{arch} {kernel}: {sentence}: {text}");
    }
    for sentence in not {
        assert!(!text.contains(sentence), "{arch} {kernel}: {sentence}: {text}");
    }
    let installed = phone.data("adb/modules_update/socketd/bin/socketd").exists();
    assert_eq!(installed, ends_well, "{arch} {kernel}");
}

#[test]
fn the_installer_says_what_a_phone_lacks() {
    let mut phone = Phone::new(Shell::Busybox);
    phone.boot();
    let own = if MACHINE == "x86_64" { "x64" } else { "arm64" };
    let falls_back = ["No landlock", "No openat2, pidfd, clone3"];
    check(
        &phone,
        "arm",
        "5.10.0",
        false,
        &["no programs for arm (armv7l)"],
        &[],
    );
    check(&phone, "x86", "5.10.0", false, &["no programs for x86"], &[]);
    check(
        &phone,
        own,
        "3.4.113-perf",
        false,
        &["Kernel 3.4.113-perf is too old"],
        &[],
    );
    check(&phone, own, "3.10.108", true, &falls_back, &["too old"]);
    check(&phone, own, "4.14.190-g12ab", true, &falls_back, &["too old"]);
    check(
        &phone,
        own,
        "5.10.149-android13-4",
        true,
        &["No landlock"],
        &["No openat2"],
    );
    check(&phone, own, "6.1.0", true, &["API 30, kernel 6.1.0"], &["No "]);
}

#[test]
fn programs_of_this_machine_alone_are_installed() {
    let mut phone = Phone::new(Shell::Busybox);
    phone.boot();
    let said = phone.install(first());
    assert!(said.contains("docker -H tcp://127.0.0.1:2375 ps"), "{said}");
    let listed =
        phone.sh("cd /data/adb/modules_update/socketd && find . -type f | sort && ls -l bin/socketd");
    assert!(
        listed.contains("./bin/socketd\n./bin/socketd-bridge\n./"),
        "{listed}"
    );
    assert!(!listed.contains(".tar.xz"), "{listed}");
    assert!(listed.contains("-rwxr-xr-x"), "{listed}");
    for (file, line) in [
        ("etc/socketd.toml", "url = \"tcp://127.0.0.1:2375\""),
        ("etc/bridge.args", "#--runtime=native"),
    ] {
        let text = fs::read_to_string(phone.own(file)).unwrap();
        assert!(text.lines().any(|found| found == line), "{file}: {text}");
    }
}

/// Flashes in a recovery, with what that finds of Magisk.
fn check_recovery(phone: &Phone, functions: Option<&str>, ends_well: bool, says: &str) {
    fs::copy(first(), phone.data("module.zip")).unwrap();
    let _ = fs::remove_dir_all(phone.data("adb/magisk"));
    if let Some(text) = functions {
        fs::create_dir(phone.data("adb/magisk")).unwrap();
        fs::write(phone.data("adb/magisk/util_functions.sh"), text).unwrap();
    }
    let said = phone.sh(
        "cd /data && unzip -o -q module.zip 'META-INF/*' && exec 3>said && \
         if sh META-INF/com/google/android/update-binary 3 3 /data/module.zip; then echo well; fi; cat said",
    );
    assert_eq!(said.starts_with("well\n"), ends_well, "{said}");
    assert!(said.contains(says), "{said}");
}

#[test]
fn a_recovery_flashes_it_with_magisk_s_functions() {
    let mut phone = Phone::new(Shell::Busybox);
    phone.boot();
    check_recovery(&phone, None, false, "ui_print This recovery knows no Magisk");
    check_recovery(
        &phone,
        Some("MAGISK_VER_CODE=19000"),
        false,
        "ui_print Magisk is too old",
    );
    let functions = "MAGISK_VER_CODE=27000\ninstall_module() { ui_print \"flashing $ZIPFILE\"; }\n";
    check_recovery(
        &phone,
        Some(functions),
        true,
        "ui_print flashing /data/module.zip",
    );
}
