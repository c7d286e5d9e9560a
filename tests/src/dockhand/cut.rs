//! Lines that break at a chosen message.

/// Where a connection breaks, without a word: once.
#[derive(Debug, Clone)]
pub struct Cut {
    kind: &'static str,
    side: Side,
    /// How many messages of that type still pass, this one included.
    left: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Heard,
    Sent,
}

impl Cut {
    /// After the `nth` message of a type (the first is 1) has come from the agent, and before anything is done
    /// about it.
    pub fn after_hearing(kind: &'static str, nth: usize) -> Self {
        Self {
            kind,
            side: Side::Heard,
            left: nth,
        }
    }

    /// After the `nth` message of a type has gone to the agent.
    pub fn after_sending(kind: &'static str, nth: usize) -> Self {
        Self {
            kind,
            side: Side::Sent,
            left: nth,
        }
    }

    pub(super) fn is_due_to_hear(&mut self, kind: &str) -> bool {
        self.is_due(Side::Heard, kind)
    }

    pub(super) fn is_due_to_send(&mut self, kind: &str) -> bool {
        self.is_due(Side::Sent, kind)
    }

    fn is_due(&mut self, side: Side, kind: &str) -> bool {
        if self.side != side || self.kind != kind || self.left == 0 {
            return false;
        }
        self.left -= 1;
        self.left == 0
    }

    pub(super) fn is_over(&self) -> bool {
        self.left == 0
    }
}
