//! Why something was not done.

use crate::{numbers, record};

numbers! {
    /// The situation.
    pub enum RefusalCode {
        /// Something went wrong inside; `detail` says what.
        Internal = 1,
        /// The bytes of the request are not a request.
        Malformed = 2,
        /// The opcode is not known.
        UnknownOpcode = 3,
        /// This caller may not ask this on this socket.
        NotPermitted = 4,
        /// No container has this name or id. `subject`: what was asked for.
        NoSuchContainer = 5,
        /// Several containers' ids begin so. `subject`: the prefix.
        AmbiguousContainer = 6,
        /// No image has this name or id. `subject`: what was asked for.
        NoSuchImage = 7,
        /// The name is taken. `subject`: the name; `holder`: who has it.
        NameInUse = 8,
        /// The name cannot be one. `subject`: the name.
        InvalidName = 9,
        /// It runs already. `subject`: the container's id.
        AlreadyRunning = 10,
        /// It does not run. `subject`: the container's id.
        NotRunning = 11,
        /// It runs, so it cannot be removed. `subject`: the container's id.
        ContainerRunning = 12,
        /// Containers use the image. `subject`: the image; `holder`: one of them; `detail`: `running` or `stopped`.
        ImageInUse = 13,
        /// The command is not in the root file system (exit code 127). `subject`: the command.
        CommandNotFound = 14,
        /// The command cannot be executed (exit code 126). `subject`: the command.
        CommandNotExecutable = 15,
        /// The specification contradicts itself or the machine. `detail` says how.
        InvalidSpec = 16,
        /// This runtime cannot do this. `detail` says what.
        Unsupported = 17,
        /// The journal cannot be written, so nothing may change. `detail` says why.
        JournalFailed = 18,
        /// The runtime tried and failed. `detail` says at what.
        RuntimeFailed = 19,
        /// A limit is reached. `subject`: its name.
        TooMany = 20,
        /// The bridge is ending.
        ShuttingDown = 21,
        /// Another operation on this container is under way. `subject`: its id.
        Busy = 22,
        /// The tar is no tar, or holds what an image may not. `detail` says what.
        InvalidArchive = 23,
        /// The new name is the old one. `subject`: the name.
        SameName = 24,
        /// The image has several names, so its id alone does not say which to take. `subject`: the image.
        ImageHasTags = 25,
        /// No such user or group in the container. `detail` says who.
        NoSuchUser = 26,
        /// No further process has this id. `subject`: the id.
        NoSuchExec = 27,
        /// The further process was started before. `subject`: its id.
        ExecStarted = 28,
        /// Its processes are frozen. `subject`: the container's id.
        Paused = 29,
        /// Its processes are not frozen. `subject`: the container's id.
        NotPaused = 30,
        /// It is between two runs. `subject`: the container's id.
        Restarting = 31,
        /// Nothing is there. `subject`: the path; `holder`: the container.
        NoSuchPath = 32,
        /// It is no directory. `subject`: the path.
        NotADirectory = 33,
        /// What is there cannot be replaced by what is asked. `subject`: the path; `detail` says why.
        PathConflict = 34,
        /// The file system refuses writing. `subject`: the path.
        ReadOnly = 35,
    }
}

record! {
    /// Why something was not done.
    pub struct Refusal {
        /// The situation.
        1 => code: RefusalCode,
        /// What it is about; see the code.
        2 => subject: String,
        /// Who stands in the way, where somebody does.
        3 => holder: String,
        /// More, in words for people.
        4 => detail: String,
    }
}

impl Refusal {
    /// A refusal about something.
    pub fn about(code: RefusalCode, subject: impl Into<String>) -> Self {
        Self {
            code,
            subject: subject.into(),
            ..Self::default()
        }
    }

    /// A refusal that needs words.
    pub fn because(code: RefusalCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            ..Self::default()
        }
    }

    /// The same, with who stands in the way.
    #[must_use]
    pub fn held_by(mut self, holder: impl Into<String>) -> Self {
        self.holder = holder.into();
        self
    }

    /// The same, with more words.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }
}

impl core::fmt::Display for Refusal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:?}", self.code)?;
        for part in [&self.subject, &self.holder, &self.detail] {
            if !part.is_empty() {
                write!(f, ": {part}")?;
            }
        }
        Ok(())
    }
}

impl core::error::Error for Refusal {}
