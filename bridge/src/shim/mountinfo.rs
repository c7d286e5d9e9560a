//! The list of this process's mounts.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use nix::mount::MsFlags;

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountEntry {
    /// The kernel's number of it; that of one that is gone may be given again.
    pub id: u64,
    /// Where, seen from this process's root.
    pub mount_point: PathBuf,
    /// Its own flags, apart from those of the file system.
    pub flags: MsFlags,
    /// Kind of file system.
    pub file_system: String,
    /// The file system's options.
    pub super_options: String,
}

/// Reads all of them, in the order the kernel gives: none before the one it is mounted on.
///
/// # Errors
/// What reading `/proc` said.
pub fn read() -> io::Result<Vec<MountEntry>> {
    Ok(parse(&fs::read("/proc/self/mountinfo")?))
}

/// Lines that are no mounts are passed over.
fn parse(text: &[u8]) -> Vec<MountEntry> {
    text.split(|&byte| byte == b'\n').filter_map(parse_line).collect()
}

fn parse_line(line: &[u8]) -> Option<MountEntry> {
    // id parent major:minor root mount-point flags [optional...] - type source super-options
    let mut fields = line.split(|&byte| byte == b' ');
    let id = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
    let mut fields = fields.skip(3);
    let mount_point = PathBuf::from(OsString::from_vec(unescaped(fields.next()?)));
    let flags = flags(&String::from_utf8_lossy(fields.next()?));
    fields.by_ref().find(|field| *field == b"-")?;
    let text = |field: Option<&[u8]>| field.map(|field| String::from_utf8_lossy(field).into_owned());
    Some(MountEntry {
        id,
        mount_point,
        flags,
        file_system: text(fields.next())?,
        super_options: text(fields.nth(1))?,
    })
}

/// The kernel writes space, tab, line feed and backslash as a backslash and three octal digits.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(value) if byte == b'\\' => {
                out.push(value);
                rest = after.get(3..).unwrap_or_default();
            }
            _ => {
                out.push(byte);
                rest = after;
            }
        }
    }
    out
}

fn flags(text: &str) -> MsFlags {
    text.split(',')
        .map(|name| match name {
            "ro" => MsFlags::MS_RDONLY,
            "nosuid" => MsFlags::MS_NOSUID,
            "nodev" => MsFlags::MS_NODEV,
            "noexec" => MsFlags::MS_NOEXEC,
            "noatime" => MsFlags::MS_NOATIME,
            "nodiratime" => MsFlags::MS_NODIRATIME,
            "relatime" => MsFlags::MS_RELATIME,
            _ => MsFlags::empty(),
        })
        .collect()
}

/// A door for the fuzzer, which comes from outside.
#[cfg(fuzzing)]
pub fn fuzz(text: &[u8]) {
    let _ = parse(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_with_optional_fields_and_escapes() {
        let line = b"41 31 0:38 / /sys/fs/a\\040b\\134c rw,nosuid,relatime shared:9 master:1 - cgroup2 none rw,nsdelegate";
        let entries = parse(line);
        assert_eq!(
            entries,
            [MountEntry {
                id: 41,
                mount_point: PathBuf::from("/sys/fs/a b\\c"),
                flags: MsFlags::MS_NOSUID | MsFlags::MS_RELATIME,
                file_system: "cgroup2".to_owned(),
                super_options: "rw,nsdelegate".to_owned(),
            }]
        );
    }

    #[test]
    fn every_prefix_of_a_line_is_a_mount_or_nothing() {
        let line = b"22 27 0:21 / /proc rw - proc proc rw";
        for length in 0..line.len() {
            assert!(parse(&line[..length]).len() <= 1);
        }
    }
}
