//! Query strings, read as Docker reads them.

use super::error::ApiError;

/// The pairs of a query string, decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    /// Decodes what follows the `?`; none means empty. `+` is a blank; a broken percent sequence stays as it is.
    #[must_use]
    pub fn parse(text: Option<&str>) -> Self {
        let decode = |part: &str| {
            let blanks = part.replace('+', " ");
            percent_encoding::percent_decode_str(&blanks)
                .decode_utf8_lossy()
                .into_owned()
        };
        let pairs = text
            .unwrap_or_default()
            .split('&')
            .filter(|part| !part.is_empty())
            .map(|part| match part.split_once('=') {
                Some((key, value)) => (decode(key), decode(value)),
                None => (decode(part), String::new()),
            })
            .collect();
        Self { pairs }
    }

    /// The first value of a key.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        self.pairs
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.as_str())
    }

    /// Every value of a key, in order.
    pub fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs
            .iter()
            .filter(move |(name, _)| name == key)
            .map(|(_, value)| value.as_str())
    }

    /// A boolean as Docker reads it: empty, `0`, `no`, `false` and `none` are false, in any case; all else is true.
    #[must_use]
    pub fn flag(&self, key: &str) -> bool {
        self.text(key).is_some_and(|value| {
            let value = value.trim().to_ascii_lowercase();
            !matches!(value.as_str(), "" | "0" | "no" | "false" | "none")
        })
    }

    /// As [`flag`](Self::flag), with what an absent or empty value means.
    #[must_use]
    pub fn flag_or(&self, key: &str, default: bool) -> bool {
        match self.text(key) {
            None | Some("") => default,
            Some(_) => self.flag(key),
        }
    }

    /// A whole number; none when absent or empty.
    ///
    /// # Errors
    /// 400 with the sentence of Docker's own number parser.
    pub fn integer(&self, key: &str) -> Result<Option<i64>, ApiError> {
        match self.text(key) {
            None | Some("") => Ok(None),
            Some(text) => integer(text).map(Some),
        }
    }
}

/// A decimal number with an optional sign.
///
/// # Errors
/// 400 with the sentence of Docker's own number parser.
pub fn integer(text: &str) -> Result<i64, ApiError> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().map_err(|_| {
        let why = if all_digits {
            "value out of range"
        } else {
            "invalid syntax"
        };
        ApiError::bad_request(format!("strconv.Atoi: parsing {text:?}: {why}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_are_read_as_docker_reads_them() {
        #[track_caller]
        fn check(text: &str, expected: bool) {
            assert_eq!(Query::parse(Some(text)).flag("all"), expected, "{text}");
        }
        check("", false);
        check("all", false);
        check("all=", false);
        for word in ["0", "no", "false", "none", "False", "NONE", "%20no+"] {
            check(&format!("all={word}"), false);
        }
        for word in ["1", "true", "yes", "maybe", "2"] {
            check(&format!("all={word}"), true);
        }
        check("small=1", false);
        assert!(Query::parse(Some("x=")).flag_or("x", true));
        assert!(!Query::parse(Some("x=0")).flag_or("x", true));
    }

    #[test]
    fn values_are_decoded() {
        let query = Query::parse(Some("a=%7B%22x%22%3A1%7D&b=c+d&a=2&e=%zz"));
        assert_eq!(query.text("a"), Some("{\"x\":1}"));
        assert_eq!(query.all("a").count(), 2);
        assert_eq!(query.text("b"), Some("c d"));
        assert_eq!(query.text("e"), Some("%zz"));
        assert_eq!(query.text("f"), None);
    }

    #[test]
    fn numbers_are_refused_in_the_words_of_go() {
        assert_eq!(Query::parse(Some("t=-5")).integer("t"), Ok(Some(-5)));
        assert_eq!(Query::parse(Some("t=")).integer("t"), Ok(None));
        #[track_caller]
        fn check(text: &str, expected: &str) {
            assert_eq!(integer(text), Err(ApiError::bad_request(expected)));
        }
        check("x", "strconv.Atoi: parsing \"x\": invalid syntax");
        check("1.5", "strconv.Atoi: parsing \"1.5\": invalid syntax");
        check(
            "99999999999999999999",
            "strconv.Atoi: parsing \"99999999999999999999\": value out of range",
        );
    }
}
