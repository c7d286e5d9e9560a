//! What a check found.

use serde::Serialize;

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// Something is not there, and there is a way around it, which is used.
    Fallback,
    /// Something does not work, or is not safe, until somebody mends it.
    Wrong,
    /// It cannot be told, mostly because this is not root.
    Unknown,
}

impl Verdict {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Fallback => "fallback",
            Self::Wrong => "wrong",
            Self::Unknown => "unknown",
        }
    }
}

/// One line of what the doctor says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which check found it.
    pub check: &'static str,
    /// How it is.
    pub verdict: Verdict,
    /// What was found, in words.
    pub says: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

impl Finding {
    fn new(verdict: Verdict, says: impl Into<String>, fix: Option<String>) -> Self {
        Self {
            check: "",
            verdict,
            says: says.into(),
            fix,
        }
    }

    /// As it should be.
    pub(super) fn ok(says: impl Into<String>) -> Self {
        Self::new(Verdict::Ok, says, None)
    }

    /// Not there, and done without.
    pub(super) fn fallback(says: impl Into<String>) -> Self {
        Self::new(Verdict::Fallback, says, None)
    }

    /// To be mended, and how.
    pub(super) fn wrong(says: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(Verdict::Wrong, says, Some(fix.into()))
    }

    /// Not to be told from here.
    pub(super) fn unknown(says: impl Into<String>) -> Self {
        Self::new(Verdict::Unknown, says, None)
    }

    /// The same, with what could be done about it.
    pub(super) fn with_fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    /// The same, by the check that found it.
    pub(super) fn by(mut self, check: &'static str) -> Self {
        self.check = check;
        self
    }
}
