//! A small root file system: busybox, and what a program expects around it.

use std::fs;

use tar::{Builder, EntryType, Header};

/// Where Debian's package busybox-static puts it.
pub(crate) const BUSYBOX: &str = "/bin/busybox";

/// Names under which busybox is found in the image.
const APPLETS: &[&str] = &[
    "sh", "true", "false", "sleep", "echo", "cat", "ls", "id", "kill", "touch", "ps", "env", "hostname",
    "mount", "head", "wc", "dd", "date", "mkdir", "rm", "stat", "readlink", "uname", "test", "yes", "grep",
    "awk", "stty", "vi", "top", "tar", "seq", "tail", "ln",
];

/// A tar of it, about 2 MiB.
///
/// # Panics
/// When there is no statically linked busybox on this machine.
pub fn busybox() -> Vec<u8> {
    let program = fs::read(BUSYBOX)
        .unwrap_or_else(|_| panic!("There is no {BUSYBOX}: install it (apt-get install busybox-static)."));
    let mut tar = Builder::new(Vec::new());
    for folder in ["bin/", "dev/", "etc/", "proc/", "root/", "sys/", "tmp/"] {
        let mode = if folder == "tmp/" { 0o1777 } else { 0o755 };
        append(&mut tar, folder, EntryType::Directory, mode, &[]);
    }
    append(&mut tar, "bin/busybox", EntryType::Regular, 0o755, &program);
    append(
        &mut tar,
        "etc/passwd",
        EntryType::Regular,
        0o644,
        b"root:x:0:0:root:/:/bin/sh\nana:x:1000:1000::/:/bin/sh\n",
    );
    append(
        &mut tar,
        "etc/group",
        EntryType::Regular,
        0o644,
        b"root:x:0:\nana:x:1000:\n",
    );
    append(
        &mut tar,
        "etc/plain",
        EntryType::Regular,
        0o644,
        b"not a program\n",
    );
    for applet in APPLETS {
        let mut header = header(EntryType::Symlink, 0o777, 0);
        tar.append_link(&mut header, format!("bin/{applet}"), "busybox")
            .unwrap();
    }
    tar.into_inner().unwrap()
}

fn header(kind: EntryType, mode: u32, size: usize) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    // The same bytes each time: 2024-01-01T00:00:00Z.
    header.set_mtime(1_704_067_200);
    header.set_size(u64::try_from(size).unwrap());
    header
}

fn append(tar: &mut Builder<Vec<u8>>, path: &str, kind: EntryType, mode: u32, bytes: &[u8]) {
    tar.append_data(&mut header(kind, mode, bytes.len()), path, bytes)
        .unwrap();
}
