//! A cursor over bytes that came from elsewhere.

use crate::Invalid;

/// What to do with fields of a later version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// A request says something we would not do: refuse it.
    Refuse,
    /// An answer says something we do not need: pass over it.
    Skip,
}

/// Reads values from the front of a slice; never past its end.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
    unknown: Unknown,
}

impl<'a> Reader<'a> {
    /// A reader over the whole of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8], unknown: Unknown) -> Self {
        Self { rest: bytes, unknown }
    }

    /// Bytes not yet read.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The bytes not yet read, without reading them.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// How fields of a later version are treated.
    #[must_use]
    pub fn unknown(&self) -> Unknown {
        self.unknown
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// [`Invalid::Truncated`].
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Invalid> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Invalid::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    /// The next `N` bytes, as an array.
    ///
    /// # Errors
    /// [`Invalid::Truncated`].
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Invalid> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(Invalid::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// A reader over the next `count` bytes only.
    ///
    /// # Errors
    /// [`Invalid::Truncated`].
    pub fn part(&mut self, count: usize) -> Result<Reader<'a>, Invalid> {
        Ok(Reader {
            rest: self.take(count)?,
            unknown: self.unknown,
        })
    }

    /// Nothing may be left.
    ///
    /// # Errors
    /// [`Invalid::TrailingBytes`].
    pub fn finish(self) -> Result<(), Invalid> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(Invalid::TrailingBytes(left)),
        }
    }
}
