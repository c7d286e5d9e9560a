//! Users and groups of the container, from its own files, without the C library's name service:
//! that would load the host's modules, or the image's, into a process that is still root.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;

use nix::unistd::{Gid, Uid};

use crate::shim::failure::{Failure, Stage, at};

/// Longest file read, in bytes. Stops an image from filling memory; files with a hundred thousand
/// users fit.
const FILE_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Greatest id, as dockerd has it: greater ones are negative to half of all programs.
const ID_MAX: u32 = 0x7fff_ffff;

/// Most groups one user is put into, as the kernel's own limit.
const GROUPS_MAX: usize = 65_536;

/// Who the process is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// User.
    pub(crate) uid: Uid,
    /// Group.
    pub(crate) gid: Gid,
    /// Further groups.
    pub(super) groups: Vec<Gid>,
    /// Home directory.
    pub(super) home: String,
}

/// The two files, as text; empty where there are none.
#[derive(Debug, Default)]
pub(crate) struct Users {
    passwd: String,
    group: String,
}

struct User<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

struct Group<'a> {
    name: &'a str,
    gid: u32,
    members: &'a str,
}

impl Users {
    /// Reads the files. For use after the change of root only.
    ///
    /// # Errors
    /// A file that is there and cannot be read.
    pub(crate) fn read() -> Result<Self, Failure> {
        let read = |path| read_regular(path).map_err(at(Stage::Users, path));
        Ok(Self {
            passwd: read("/etc/passwd")?,
            group: read("/etc/group")?,
        })
    }

    /// Finds `user`, `uid`, `user:group` or any mixture of name and number; empty means root. A
    /// number need not be listed; a name must. What is a number is never looked for among the names:
    /// an image could call its root `1000`.
    ///
    /// # Errors
    /// [`Failure::no_such_user`].
    pub(crate) fn identity(&self, asked: &str, groups_added: &[String]) -> Result<Identity, Failure> {
        let (user, group) = match asked.split_once(':') {
            Some((user, group)) => (user, group),
            None => (asked, ""),
        };
        let user = if user.is_empty() { "0" } else { user };
        let number = id(user)?;
        let listed = self.users().find(|have| match number {
            Some(number) => have.uid == number,
            None => have.name == user,
        });
        let (uid, gid, home) = match (&listed, number) {
            (Some(have), _) => (have.uid, have.gid, have.home),
            (None, Some(uid)) => (uid, 0, "/"),
            (None, None) => {
                return Err(Failure::no_such_user(format_args!(
                    "unable to find user {user}: no matching entries in passwd file"
                )));
            }
        };
        // A group that is named stands alone; else the user is in all that list it.
        let mut groups: Vec<u32> = Vec::new();
        let gid = if group.is_empty() {
            let name = listed.map_or("", |have| have.name);
            let lists =
                |have: &Group<'_>| !name.is_empty() && have.members.split(',').any(|member| member == name);
            groups.extend(self.groups().filter(lists).map(|have| have.gid));
            gid
        } else {
            self.group_id(group)?
        };
        for added in groups_added {
            groups.push(self.group_id(added)?);
        }
        // Its own, too: else a program with a set-group-id bit takes it from the process, and with it
        // what a file's mode forbids to that group.
        groups.push(gid);
        groups.sort_unstable();
        groups.dedup();
        groups.truncate(GROUPS_MAX);
        Ok(Identity {
            uid: Uid::from_raw(uid),
            gid: Gid::from_raw(gid),
            groups: groups.into_iter().map(Gid::from_raw).collect(),
            home: if home.is_empty() {
                "/".to_owned()
            } else {
                home.to_owned()
            },
        })
    }

    fn group_id(&self, asked: &str) -> Result<u32, Failure> {
        let number = id(asked)?;
        let listed = || self.groups().find(|have| have.name == asked);
        number.or_else(|| listed().map(|have| have.gid)).ok_or_else(|| {
            Failure::no_such_user(format_args!(
                "unable to find group {asked}: no matching entries in group file"
            ))
        })
    }

    fn users(&self) -> impl Iterator<Item = User<'_>> {
        self.passwd.lines().filter_map(|line| {
            let mut fields = line.split(':');
            Some(User {
                name: fields.next()?,
                uid: listed_id(fields.nth(1)?)?,
                gid: listed_id(fields.next()?)?,
                home: fields.nth(1).unwrap_or("/"),
            })
        })
    }

    fn groups(&self) -> impl Iterator<Item = Group<'_>> {
        self.group.lines().filter_map(|line| {
            let mut fields = line.split(':');
            Some(Group {
                name: fields.next()?,
                gid: listed_id(fields.nth(1)?)?,
                members: fields.next().unwrap_or(""),
            })
        })
    }
}

/// A number as the files list it. One that is too great is nobody's: the greatest of all would tell
/// the kernel to leave the process who it is, which is root.
fn listed_id(text: &str) -> Option<u32> {
    text.parse().ok().filter(|&id| id <= ID_MAX)
}

/// The number, where it is one.
fn id(text: &str) -> Result<Option<u32>, Failure> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    match text.parse() {
        Ok(id) if id <= ID_MAX => Ok(Some(id)),
        _ => Err(Failure::no_such_user(format_args!(
            "uids and gids must be in range 0-{ID_MAX}"
        ))),
    }
}

/// Reads a regular file; without waiting, for an image can put a FIFO there that nobody writes to.
fn read_regular(path: &str) -> io::Result<String> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(nix::libc::O_NONBLOCK | nix::libc::O_NOCTTY)
        .open(path);
    let file = match file {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(String::new());
        }
        other => other?,
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::from_raw_os_error(nix::libc::EINVAL));
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users() -> Users {
        Users {
            passwd:
                "root:x:0:0:root:/root:/bin/sh\n# no user\nbroken:x\n4711:x:0:0::/:\nminus:x:4294967295:0::/:\nana:x:1000:100:Ana:/home/ana:/bin/sh\n"
                    .to_owned(),
            group: "root:x:0:\nwheel:x:10:ana,root\nmail:x:12:bob\nusers:x:100:\naudio:x:29:ana\n4711:x:0:\nminus:x:4294967295:\n"
                .to_owned(),
        }
    }

    fn check(asked: &str, added: &[&str], expected: Result<(u32, u32, &[u32], &str), &str>) {
        let added: Vec<String> = added.iter().map(|&name| name.to_owned()).collect();
        let found = users().identity(asked, &added);
        let expected = expected
            .map(|(uid, gid, groups, home)| Identity {
                uid: Uid::from_raw(uid),
                gid: Gid::from_raw(gid),
                groups: groups.iter().map(|&gid| Gid::from_raw(gid)).collect(),
                home: home.to_owned(),
            })
            .map_err(Failure::no_such_user);
        assert_eq!(found, expected, "{asked}");
    }

    #[test]
    fn names_and_numbers() {
        check("", &[], Ok((0, 0, &[0, 10], "/root")));
        check("root", &[], Ok((0, 0, &[0, 10], "/root")));
        check("ana", &[], Ok((1000, 100, &[10, 29, 100], "/home/ana")));
        check("1000", &[], Ok((1000, 100, &[10, 29, 100], "/home/ana")));
        check("4711", &[], Ok((4711, 0, &[0], "/")));
        check("ana:mail", &[], Ok((1000, 12, &[12], "/home/ana")));
        check("ana:4711", &[], Ok((1000, 4711, &[4711], "/home/ana")));
        check("4711:wheel", &[], Ok((4711, 10, &[10], "/")));
        check(
            "ana:mail",
            &["wheel", "77", "77"],
            Ok((1000, 12, &[10, 12, 77], "/home/ana")),
        );
    }

    #[test]
    fn nobody() {
        check(
            "eve",
            &[],
            Err("unable to find user eve: no matching entries in passwd file"),
        );
        check(
            "ana:eve",
            &[],
            Err("unable to find group eve: no matching entries in group file"),
        );
        check(
            "ana",
            &["eve"],
            Err("unable to find group eve: no matching entries in group file"),
        );
        check(
            "2147483648",
            &[],
            Err("uids and gids must be in range 0-2147483647"),
        );
        check(
            "99999999999999",
            &[],
            Err("uids and gids must be in range 0-2147483647"),
        );
        check(
            "-1",
            &[],
            Err("unable to find user -1: no matching entries in passwd file"),
        );
        check(
            "minus",
            &[],
            Err("unable to find user minus: no matching entries in passwd file"),
        );
        check(
            "ana:minus",
            &[],
            Err("unable to find group minus: no matching entries in group file"),
        );
        check(
            "broken",
            &[],
            Err("unable to find user broken: no matching entries in passwd file"),
        );
    }

    #[test]
    fn without_files_only_numbers_are_known() {
        let none = Users::default();
        assert_eq!(none.identity("", &[]).map(|who| who.uid.as_raw()), Ok(0));
        assert!(none.identity("root", &[]).is_err());
    }
}
