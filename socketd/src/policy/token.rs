//! Bearer tokens. Only their hashes are kept, so who reads the configuration has none.
//!
//! A token is 32 random bytes, so one round of SHA-256 is enough: there is nothing to guess. Ours begin with a
//! word of their own, because clients forward tokens that are meant for others.

use std::fmt;
use std::str::FromStr;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

/// What every token of ours begins with.
const PREFIX: &str = "socketd_";

/// Random bytes of a token.
const RANDOM_BYTES: usize = 32;

/// SHA-256 of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest([u8; 32]);

/// It is no hash of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DigestError;

impl fmt::Display for DigestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a token is given by its hash, 64 hexadecimal digits; `socketd token` makes both")
    }
}

impl std::error::Error for DigestError {}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        super::hex::bytes(text).map(Self).ok_or(DigestError)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::hex::write(&self.0, f)
    }
}

/// The hash of a token.
#[must_use]
pub fn digest(token: &str) -> Digest {
    Digest(Sha256::digest(token.as_bytes()).into())
}

/// Whether two hashes are the same, in a time that does not tell where they differ.
#[must_use]
pub fn is_same(one: &Digest, other: &Digest) -> bool {
    one.0.ct_eq(&other.0).into()
}

/// The token of ours that a request shows. Anybody else's is passed over.
#[must_use]
pub fn shown(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = text.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && token.starts_with(PREFIX)).then_some(token)
}

/// A new token.
///
/// # Errors
/// The system has no random bytes to give.
pub fn make() -> Result<String, getrandom::Error> {
    let mut random = [0; RANDOM_BYTES];
    getrandom::fill(&mut random)?;
    Ok(format!("{PREFIX}{}", Digest(random)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(header: &str, expected: Option<&str>) {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, header.parse().unwrap());
        assert_eq!(shown(&headers), expected, "{header}");
    }

    #[test]
    fn only_ours_are_seen() {
        check("Bearer socketd_ab", Some("socketd_ab"));
        check("bearer  socketd_ab ", Some("socketd_ab"));
        check("Bearer eyJhbGciOi", None);
        check("Basic socketd_ab", None);
        check("Bearer", None);
        assert_eq!(shown(&HeaderMap::new()), None);
    }

    #[test]
    fn tokens_and_their_hashes() {
        let (one, other) = (make().unwrap(), make().unwrap());
        assert!(one != other && one.len() == PREFIX.len() + 64 && one.starts_with(PREFIX));
        let hash = digest(&one);
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert!(is_same(&hash, &digest(&one)) && !is_same(&hash, &digest(&other)));
        assert_eq!("abc".parse::<Digest>(), Err(DigestError));
        assert_eq!("é".repeat(32).parse::<Digest>(), Err(DigestError));
        // The known value of the empty text.
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(digest("").to_string(), empty);
    }
}
