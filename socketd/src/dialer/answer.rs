//! What the dialer says.

/// Bytes of an answer: the ticket, and an error of the system as 32 bits, the least significant first.
pub(super) const ANSWER_BYTES: usize = 5;

/// The first message of a dialer that is confined; its one byte says whether system calls are filtered.
pub(super) const READY: [[u8; 1]; 2] = [[0], [1]];

/// One answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer {
    /// The byte it was asked with.
    pub(super) ticket: u8,
    /// Why there is no connection; 0 where one comes along.
    pub(super) errno: i32,
}

impl Answer {
    pub(super) fn to_bytes(self) -> [u8; ANSWER_BYTES] {
        let [a, b, c, d] = self.errno.to_le_bytes();
        [self.ticket, a, b, c, d]
    }

    /// `None` for anything that is not exactly an answer.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let (ticket, errno) = bytes.split_first()?;
        Some(Self {
            ticket: *ticket,
            errno: i32::from_le_bytes(errno.try_into().ok()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Answer;

    fn check(bytes: &[u8], expected: Option<(u8, i32)>) {
        let parsed = Answer::parse(bytes);
        assert_eq!(parsed.map(|answer| (answer.ticket, answer.errno)), expected);
        if let Some(answer) = parsed {
            assert_eq!(answer.to_bytes(), bytes);
        }
    }

    #[test]
    fn answers() {
        check(&[7, 0, 0, 0, 0], Some((7, 0)));
        check(&[255, 111, 0, 0, 0], Some((255, 111)));
        check(&[0, 255, 255, 255, 255], Some((0, -1)));
        check(&[], None);
        check(&[7], None);
        check(&[7, 0, 0, 0], None);
        check(&[7, 0, 0, 0, 0, 0], None);
    }
}
