//! What both ends know, and nobody else.

use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::limits;

/// A token. Whoever prints it sees that there is one.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// Why a text is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenError;

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a token is one line of text with at most {} bytes",
            limits::TOKEN_BYTES_MAX
        )
    }
}

impl std::error::Error for TokenError {}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl FromStr for Token {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let is_one =
            !text.is_empty() && text.len() <= limits::TOKEN_BYTES_MAX && !text.chars().any(char::is_control);
        is_one.then(|| Self(text.to_owned())).ok_or(TokenError)
    }
}

impl Token {
    /// The token in a file, without what is white around it.
    ///
    /// # Errors
    /// The file cannot be read, or there is no token in it.
    pub fn read(path: &Path) -> io::Result<Self> {
        let bound = u64::try_from(limits::TOKEN_BYTES_MAX).unwrap_or(u64::MAX);
        let mut text = String::new();
        // Twice, for what is white around it.
        File::open(path)?
            .take(bound.saturating_mul(2))
            .read_to_string(&mut text)?;
        text.trim()
            .parse()
            .map_err(|error: TokenError| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// The token itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Its SHA-256, in lower-case hexadecimal digits.
    pub fn hash(&self) -> String {
        let mut text = String::new();
        for byte in Sha256::digest(self.0.as_bytes()) {
            let _ = write!(text, "{byte:02x}");
        }
        text
    }

    /// Whether `shown` is this one, in a time that does not tell where they differ.
    pub fn is(&self, shown: &[u8]) -> bool {
        let (own, other) = (Sha256::digest(self.0.as_bytes()), Sha256::digest(shown));
        own.as_slice().ct_eq(other.as_slice()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_tokens() {
        let check =
            |text: &str, expected: bool| assert_eq!(text.parse::<Token>().is_ok(), expected, "{text:?}");
        check("a", true);
        check("a b", true);
        check("", false);
        check("a\n", false);
        check("a\0", false);
        check(&"x".repeat(limits::TOKEN_BYTES_MAX), true);
        check(&"x".repeat(limits::TOKEN_BYTES_MAX + 1), false);
    }

    #[test]
    fn comparing() {
        let token: Token = "secret".parse().unwrap();
        let check = |shown: &str, expected: bool| assert_eq!(token.is(shown.as_bytes()), expected, "{shown}");
        check("secret", true);
        check("secreT", false);
        check("secre", false);
        check("secret ", false);
        check("", false);
        assert_eq!(format!("{token:?}"), "Token(..)");
        // The value that `printf secret | sha256sum` prints.
        let hash = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
        assert_eq!(token.hash(), hash);
    }

    #[test]
    fn files() {
        let dir = tempfile::tempdir().unwrap();
        let check = |text: &str, expected: Option<&str>| {
            let path = dir.path().join("token");
            std::fs::write(&path, text).unwrap();
            let token = Token::read(&path).ok();
            assert_eq!(token.as_ref().map(Token::reveal), expected, "{text:?}");
        };
        check("abc\n", Some("abc"));
        check("\n  abc\r\n\n", Some("abc"));
        check("", None);
        check("\n", None);
        check("abc\ndef\n", None);
        check(&"x".repeat(limits::TOKEN_BYTES_MAX * 3), None);
        assert!(Token::read(&dir.path().join("nothing")).is_err());
    }
}
