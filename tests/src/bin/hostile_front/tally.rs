//! What was sent, and what came of it.

use std::fmt;

use wire::Response;

/// Most forbidden things that are listed: one is enough to fail.
const FORBIDDEN_MAX: usize = 20;

/// The counts of one attack.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) name: &'static str,
    sent: u64,
    answered: u64,
    refused: u64,
    ended: u64,
    pub(crate) forbidden: Vec<String>,
}

impl Tally {
    pub(crate) fn of(name: &'static str) -> Self {
        Self {
            name,
            sent: 0,
            answered: 0,
            refused: 0,
            ended: 0,
            forbidden: Vec::new(),
        }
    }

    /// So much was sent that no answer is read for.
    pub(crate) fn sent(&mut self, count: u64) {
        self.sent += count;
    }

    /// This came back, for something that was counted when it was sent.
    pub(crate) fn came(&mut self, answer: &Response) {
        match answer {
            Response::Refused(_) => self.refused += 1,
            _ => self.answered += 1,
        }
    }

    /// The other side ended it, or said nothing.
    pub(crate) fn ended(&mut self) {
        self.ended += 1;
    }

    /// One was sent, and this came back.
    pub(crate) fn exchange(&mut self, answer: Option<&Response>) {
        self.sent += 1;
        match answer {
            Some(answer) => self.came(answer),
            None => self.ended += 1,
        }
    }

    /// One was sent that nothing but a refusal may follow.
    pub(crate) fn must_be_refused(&mut self, what: impl fmt::Debug, answer: Option<&Response>) {
        self.exchange(answer);
        match answer {
            None | Some(Response::Refused(_)) => {}
            Some(other) => self.forbid(format!("{what:?} was answered with {other:?}")),
        }
    }

    pub(crate) fn forbid(&mut self, what: String) {
        if self.forbidden.len() < FORBIDDEN_MAX {
            self.forbidden.push(what.chars().take(1000).collect());
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {} {} {}",
            self.name, self.sent, self.answered, self.refused, self.ended
        )
    }
}
