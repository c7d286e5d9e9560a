//! Which opcodes may be asked at all: a table one can print, beside that of the gate.
//!
//! Judged before the payload is decoded. What is not in the table is not allowed.

use wire::Opcode;

use super::{Ceiling, Denied};

/// How far requests may go. Each goes as far as the one before, and further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Asking: what the watch door has.
    Read,
    /// Starting and ending what is there.
    Operate,
    /// Everything.
    Full,
}

impl Access {
    /// Every one, by its word in the file.
    pub(super) const WORDS: &'static [(&'static str, Self)] = &[
        ("read", Self::Read),
        ("operate", Self::Operate),
        ("full", Self::Full),
    ];

    fn word(self) -> &'static str {
        let found = Self::WORDS.iter().find(|(_, access)| *access == self);
        found.map_or("", |(word, _)| word)
    }
}

/// What may be switched off by a key of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Switch {
    /// Entering a container that runs: a further process, or words to its standard input.
    Exec,
    /// A container's files, read or written.
    Files,
    /// Images, brought, made, named or removed.
    Images,
}

const NONE: &[Switch] = &[];
const EXEC: &[Switch] = &[Switch::Exec];
const FILES: &[Switch] = &[Switch::Files];
const IMAGES: &[Switch] = &[Switch::Images];

/// Every opcode, how far it goes, and what it is part of.
const TABLE: &[(Opcode, Access, &[Switch])] = &[
    (Opcode::Ping, Access::Read, NONE),
    (Opcode::Capabilities, Access::Read, NONE),
    (Opcode::Info, Access::Read, NONE),
    (Opcode::ListContainers, Access::Read, NONE),
    (Opcode::InspectContainer, Access::Read, NONE),
    (Opcode::ListImages, Access::Read, NONE),
    (Opcode::PollEvents, Access::Read, NONE),
    (Opcode::Subscribe, Access::Read, NONE),
    (Opcode::Wait, Access::Read, NONE),
    (Opcode::DiskUsage, Access::Read, NONE),
    (Opcode::OpenLog, Access::Read, NONE),
    (Opcode::ListProcesses, Access::Read, NONE),
    (Opcode::ReadStats, Access::Read, NONE),
    (Opcode::ListChanges, Access::Read, NONE),
    (Opcode::InspectExec, Access::Read, NONE),
    (Opcode::Start, Access::Operate, NONE),
    (Opcode::Stop, Access::Operate, NONE),
    (Opcode::Restart, Access::Operate, NONE),
    (Opcode::Kill, Access::Operate, NONE),
    (Opcode::Pause, Access::Operate, NONE),
    (Opcode::Unpause, Access::Operate, NONE),
    (Opcode::Create, Access::Full, NONE),
    (Opcode::Remove, Access::Full, NONE),
    (Opcode::Rename, Access::Full, NONE),
    (Opcode::Update, Access::Full, NONE),
    // Its answer is what a log is, and it says nothing to the container.
    (Opcode::Attach, Access::Full, NONE),
    (Opcode::Resize, Access::Full, NONE),
    (Opcode::CreateExec, Access::Full, EXEC),
    (Opcode::StartExec, Access::Full, EXEC),
    // It ends one.
    (Opcode::HangUpExec, Access::Full, NONE),
    // Whoever writes to a shell has entered.
    (Opcode::OpenInput, Access::Full, EXEC),
    (Opcode::ImportImage, Access::Full, IMAGES),
    (Opcode::RemoveImage, Access::Full, IMAGES),
    (Opcode::TagImage, Access::Full, IMAGES),
    (Opcode::Commit, Access::Full, &[Switch::Files, Switch::Images]),
    (Opcode::StatPath, Access::Full, FILES),
    (Opcode::ReadArchive, Access::Full, FILES),
    (Opcode::WriteArchive, Access::Full, FILES),
    (Opcode::Export, Access::Full, FILES),
];

impl Ceiling {
    /// Judges an opcode.
    ///
    /// # Errors
    /// Nobody may ask this.
    pub fn judge_opcode(&self, opcode: Opcode) -> Result<(), Denied> {
        let row = TABLE.iter().find(|(listed, ..)| *listed == opcode);
        let Some((_, access, switches)) = row else {
            return Err(Denied::new("this", "access"));
        };
        if *access > self.access {
            let key = format!("access = \"{}\"", self.access.word());
            return Err(Denied::new(done(opcode), &key));
        }
        match switches.iter().find(|switch| !self.is_on(**switch)) {
            Some(Switch::Exec) => Err(Denied::new("entering containers", "exec")),
            Some(Switch::Files) => Err(Denied::new("access to containers' files", "files")),
            Some(Switch::Images) => Err(Denied::new("changing images", "images")),
            None => Ok(()),
        }
    }

    fn is_on(&self, switch: Switch) -> bool {
        match switch {
            Switch::Exec => self.exec,
            Switch::Files => self.files,
            Switch::Images => self.images,
        }
    }
}

/// What an opcode does, in words for people.
fn done(opcode: Opcode) -> &'static str {
    match opcode {
        Opcode::Create => "making containers",
        Opcode::Start => "starting containers",
        Opcode::Stop => "stopping containers",
        Opcode::Restart => "restarting containers",
        Opcode::Kill => "killing containers",
        Opcode::Remove => "removing containers",
        Opcode::Rename => "renaming containers",
        Opcode::Pause | Opcode::Unpause => "pausing containers",
        Opcode::Update => "changing containers",
        Opcode::CreateExec | Opcode::StartExec | Opcode::HangUpExec | Opcode::OpenInput => {
            "entering containers"
        }
        Opcode::Attach => "attaching to containers",
        Opcode::ImportImage | Opcode::RemoveImage | Opcode::TagImage | Opcode::Commit => "changing images",
        Opcode::StatPath | Opcode::ReadArchive | Opcode::WriteArchive | Opcode::Export => {
            "access to containers' files"
        }
        _ => "this",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::{Door, permits};

    #[test]
    fn every_opcode_is_listed_once() {
        for opcode in Opcode::ALL {
            let times = TABLE.iter().filter(|(listed, ..)| listed == opcode).count();
            assert_eq!(times, 1, "{opcode:?}");
        }
    }

    #[test]
    fn no_ceiling_allows_everything() {
        for opcode in Opcode::ALL {
            assert_eq!(Ceiling::default().judge_opcode(*opcode), Ok(()), "{opcode:?}");
        }
    }

    #[test]
    fn reading_is_what_the_watch_door_has() {
        let ceiling = Ceiling {
            access: Access::Read,
            ..Ceiling::default()
        };
        for opcode in Opcode::ALL {
            let allowed = ceiling.judge_opcode(*opcode).is_ok();
            assert_eq!(allowed, permits(Door::Watch, *opcode), "{opcode:?}");
        }
    }

    #[test]
    fn operating_is_reading_and_six_acts() {
        let ceiling = Ceiling {
            access: Access::Operate,
            ..Ceiling::default()
        };
        let allowed: Vec<Opcode> = Opcode::ALL
            .iter()
            .copied()
            .filter(|opcode| ceiling.judge_opcode(*opcode).is_ok() && !permits(Door::Watch, *opcode))
            .collect();
        assert_eq!(
            allowed,
            [
                Opcode::Start,
                Opcode::Stop,
                Opcode::Restart,
                Opcode::Kill,
                Opcode::Pause,
                Opcode::Unpause
            ]
        );
    }

    #[test]
    fn each_switch_takes_its_own() {
        fn check(ceiling: &Ceiling, expected: &[Opcode]) {
            let denied: Vec<Opcode> = Opcode::ALL
                .iter()
                .copied()
                .filter(|opcode| ceiling.judge_opcode(*opcode).is_err())
                .collect();
            assert_eq!(denied, expected);
        }
        let all = Ceiling::default;
        check(
            &Ceiling { exec: false, ..all() },
            &[Opcode::CreateExec, Opcode::StartExec, Opcode::OpenInput],
        );
        check(
            &Ceiling {
                files: false,
                ..all()
            },
            &[
                Opcode::Commit,
                Opcode::StatPath,
                Opcode::ReadArchive,
                Opcode::WriteArchive,
                Opcode::Export,
            ],
        );
        check(
            &Ceiling {
                images: false,
                ..all()
            },
            &[
                Opcode::ImportImage,
                Opcode::RemoveImage,
                Opcode::TagImage,
                Opcode::Commit,
            ],
        );
    }

    #[test]
    fn what_is_denied_is_said() {
        let ceiling = Ceiling {
            access: Access::Operate,
            exec: false,
            ..Ceiling::default()
        };
        let said = |opcode| ceiling.judge_opcode(opcode).unwrap_err().to_string();
        assert_eq!(
            said(Opcode::Create),
            "the bridge's ceiling does not allow making containers (access = \"operate\")"
        );
        assert_eq!(
            Ceiling {
                access: Access::Full,
                ..ceiling.clone()
            }
            .judge_opcode(Opcode::CreateExec)
            .unwrap_err()
            .to_string(),
            "the bridge's ceiling does not allow entering containers (exec)"
        );
    }
}
