//! What stands behind the question mark, and what stands in a path.

use axum::http::Uri;

use super::answer::ApiError;
use crate::access::unescaped;

/// Parameters of a query, in order, each taken once by its name. What nobody took is an error: it would be thought to
/// count.
#[derive(Debug)]
pub(super) struct Query(Vec<(String, String)>);

/// Those that tell who asks, where that may stand in a query.
const CREDENTIALS: &[&str] = &["node_id", "password"];

impl Query {
    /// Of this target.
    ///
    /// # Errors
    /// 400 for percent signs with no two digits behind them, and for what is no UTF-8.
    pub(super) fn of(uri: &Uri) -> Result<Self, ApiError> {
        let mut pairs = Vec::new();
        for pair in uri.query().unwrap_or_default().split('&') {
            if pair.is_empty() {
                continue;
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let text = |coded: &str| {
                unescaped(&coded.replace('+', " "))
                    .ok_or_else(|| ApiError::bad("the query is not percent-encoded UTF-8"))
            };
            pairs.push((text(name)?, text(value)?));
        }
        Ok(Self(pairs))
    }

    /// A text.
    ///
    /// # Errors
    /// 400 where it stands there twice.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        let mut all = self.all(name);
        let first = all.pop();
        if all.is_empty() {
            Ok(first)
        } else {
            Err(ApiError::bad(format!("`{name}` stands there twice")))
        }
    }

    /// Every value of this name, in order.
    pub(super) fn all(&mut self, name: &str) -> Vec<String> {
        let found = self.0.extract_if(.., |(known, _)| known == name);
        found.map(|(_, value)| value).collect()
    }

    /// A switch: off where it is not there.
    ///
    /// # Errors
    /// 400 for anything but `true`, `1`, `false`, `0`.
    pub(super) fn flag(&mut self, name: &str) -> Result<bool, ApiError> {
        match self.text(name)?.as_deref() {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1") => Ok(true),
            Some(_) => Err(ApiError::bad(format!("`{name}` is `true` or `false`"))),
        }
    }

    /// A whole number.
    ///
    /// # Errors
    /// 400 for what is none, or below `least`, or over `most`.
    pub(super) fn number(&mut self, name: &str, least: u64, most: u64) -> Result<Option<u64>, ApiError> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        let number = text.parse().ok().filter(|number| (least..=most).contains(number));
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
        match number {
            Some(number) if is_plain => Ok(Some(number)),
            _ => Err(ApiError::bad(format!(
                "`{name}` is a whole number from {least} to {most}"
            ))),
        }
    }

    /// Ends it.
    ///
    /// # Errors
    /// 400 where something was not taken that does not tell who asks.
    pub(super) fn finish(self) -> Result<(), ApiError> {
        let left = self
            .0
            .iter()
            .find(|(name, _)| !CREDENTIALS.contains(&name.as_str()));
        match left {
            None => Ok(()),
            Some((name, _)) => {
                let shown: String = name.chars().take(NAME_SHOWN).collect();
                Err(ApiError::bad(format!(
                    "there is no parameter `{}`",
                    shown.escape_debug()
                )))
            }
        }
    }
}

/// How much of a name an answer repeats, in characters.
const NAME_SHOWN: usize = 40;

/// A text as it may stand in a path or a query.
pub(crate) fn encoded(text: &str) -> String {
    use std::fmt::Write as _;
    let mut coded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            coded.push(char::from(byte));
        } else {
            // Writing to a text does not fail.
            let _ = write!(coded, "%{byte:02X}");
        }
    }
    coded
}

/// Whether a text can name a container: an id, the beginning of one, or a name. What cannot must not get into a path
/// that Docker is asked for.
pub(super) fn is_container(reference: &str) -> bool {
    let mut letters = reference.bytes();
    letters.next().is_some_and(|byte| byte.is_ascii_alphanumeric())
        && letters.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
        && reference.len() <= 255
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Query {
        Query::of(&format!("/x?{text}").parse().unwrap()).unwrap()
    }

    #[test]
    fn parameters() {
        let mut given = query("cmd=ls&cmd=-l+a%20b&tty=1&tail=10&&x");
        assert_eq!(given.all("cmd"), ["ls", "-l a b"]);
        assert!(given.flag("tty").unwrap());
        assert!(!given.flag("follow").unwrap());
        assert_eq!(given.number("tail", 0, 100).unwrap(), Some(10));
        assert_eq!(given.number("cols", 0, 100).unwrap(), None);
        assert_eq!(given.text("x").unwrap().as_deref(), Some(""));
        assert!(given.finish().is_ok());
    }

    #[test]
    fn what_makes_no_sense() {
        let check = |is_bad: bool, text: &str| assert!(is_bad, "{text}");
        check(query("a=1&a=2").text("a").is_err(), "twice");
        check(query("a=maybe").flag("a").is_err(), "a switch");
        check(query("a=+1").number("a", 0, 9).is_err(), "a sign");
        check(query("a=10").number("a", 0, 9).is_err(), "too much");
        check(query("a=-1").number("a", 0, 9).is_err(), "too little");
        check(query("a=1").finish().is_err(), "unknown");
        check(query("node_id=1&password=x").finish().is_ok(), "who asks");
        check(Query::of(&"/x?a=%zz".parse().unwrap()).is_err(), "no digits");
        check(Query::of(&"/x?a=%ff".parse().unwrap()).is_err(), "no text");
    }

    #[test]
    fn containers() {
        let check = |text: &str, expected: bool| assert_eq!(is_container(text), expected, "{text}");
        check("web", true);
        check("web.1_a-b", true);
        check("0123abcd", true);
        check("", false);
        check("..", false);
        check(".web", false);
        check("a/json", false);
        check("a b", false);
        check("a?b", false);
        check("ä", false);
        check(&"a".repeat(256), false);
    }

    #[test]
    fn coding() {
        let check = |text: &str, expected: &str| {
            assert_eq!(encoded(text), expected);
            assert_eq!(unescaped(expected).as_deref(), Some(text));
        };
        check("a b/ä", "a%20b%2F%C3%A4");
        check("127.0.0.1:80", "127.0.0.1%3A80");
    }
}
