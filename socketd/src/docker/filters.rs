//! Docker's `filters=` parameter, and the ways its values are compared.

use std::collections::BTreeMap;

use regex_lite::{Regex, RegexBuilder};
use serde::Deserialize;
use wire::spec::Pair;

use super::error::ApiError;

/// Most values of all filters together. Each may become a regular expression that is run over
/// every container; stops one request from buying hours of work with one line.
pub const FILTER_VALUES_MAX: usize = 256;

/// Largest compiled regular expression, in bytes. Stops `(a{99}){99}` from taking the memory.
const REGEX_BYTES_MAX: usize = 256 * 1024;

/// Filters by key; the values of one key are alternatives, save for labels, which must all hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filters {
    values: BTreeMap<String, Vec<String>>,
}

/// The two forms a client may send.
#[derive(Deserialize)]
#[serde(untagged)]
enum Form {
    List(BTreeMap<String, Option<Vec<String>>>),
    Set(BTreeMap<String, BTreeMap<String, bool>>),
}

impl Filters {
    /// Reads `{"key":["value"]}` or the older `{"key":{"value":true}}`, which the `docker` command
    /// still sends; absent, empty and `null` mean no filters.
    ///
    /// # Errors
    /// 400 when it is neither, names a key that is not accepted here, or has too many values.
    pub fn parse(text: Option<&str>, accepted: &[&str]) -> Result<Self, ApiError> {
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            return Ok(Self::default());
        };
        let form: Option<Form> =
            serde_json::from_str(text).map_err(|_| ApiError::bad_request("invalid filter"))?;
        let values: BTreeMap<String, Vec<String>> = match form {
            None => BTreeMap::new(),
            Some(Form::List(lists)) => lists
                .into_iter()
                .map(|(key, values)| (key, values.unwrap_or_default()))
                .collect(),
            // Docker looks at the keys of the inner map only, whatever they map to.
            Some(Form::Set(sets)) => sets
                .into_iter()
                .map(|(key, values)| (key, values.into_keys().collect()))
                .collect(),
        };
        if let Some(unknown) = values.keys().find(|key| !accepted.contains(&key.as_str())) {
            return Err(ApiError::bad_request(format!("invalid filter '{unknown}'")));
        }
        if values.values().map(Vec::len).sum::<usize>() > FILTER_VALUES_MAX {
            return Err(ApiError::bad_request(format!(
                "invalid filter: more than {FILTER_VALUES_MAX} values"
            )));
        }
        Ok(Self { values })
    }

    /// The values of a key; empty when it is not filtered by.
    #[must_use]
    pub fn values(&self, key: &str) -> &[String] {
        self.values.get(key).map_or(&[], Vec::as_slice)
    }

    /// Whether there is no filter at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.values().all(Vec::is_empty)
    }

    /// Whether a key is filtered by.
    #[must_use]
    pub fn contains(&self, key: &str) -> bool {
        !self.values(key).is_empty()
    }

    /// Whether a key is not filtered by, or one of its values is the text itself.
    #[must_use]
    pub fn exact(&self, key: &str, text: &str) -> bool {
        self.any(key, |value| value == text)
    }

    /// Whether a key is not filtered by, or one of its values begins the text.
    #[must_use]
    pub fn prefix(&self, key: &str, text: &str) -> bool {
        self.any(key, |value| text.starts_with(value))
    }

    /// Whether a key is not filtered by, or one of its values holds.
    pub fn any(&self, key: &str, mut holds: impl FnMut(&str) -> bool) -> bool {
        let values = self.values(key);
        values.is_empty() || values.iter().any(|value| holds(value))
    }

    /// Whether every value of a key, `name` or `name=value`, is among the labels.
    pub fn labels<'a>(&self, key: &str, labels: impl Iterator<Item = (&'a str, &'a str)> + Clone) -> bool {
        self.values(key)
            .iter()
            .all(|wanted| has_label(wanted, labels.clone()))
    }

    /// Whether no value of a key is among the labels.
    pub fn no_labels<'a>(&self, key: &str, labels: impl Iterator<Item = (&'a str, &'a str)> + Clone) -> bool {
        !self
            .values(key)
            .iter()
            .any(|unwanted| has_label(unwanted, labels.clone()))
    }

    /// The patterns of a key. One that is no regular expression matches nothing, as with Docker.
    #[must_use]
    pub fn patterns(&self, key: &str) -> Patterns {
        Patterns {
            wanted: self.contains(key),
            expressions: self
                .values(key)
                .iter()
                .filter_map(|value| compile(value))
                .collect(),
        }
    }

    /// The one truth value a key asks for; none when it is not filtered by.
    ///
    /// # Errors
    /// 400 for what is neither true nor false, or both.
    pub fn truth(&self, key: &str) -> Result<Option<bool>, ApiError> {
        let mut answer = None;
        for value in self.values(key) {
            let truth = match value.as_str() {
                "1" | "true" => true,
                "0" | "false" => false,
                _ => return Err(invalid(key, value)),
            };
            if answer.is_some_and(|before| before != truth) {
                return Err(invalid(key, value));
            }
            answer = Some(truth);
        }
        Ok(answer)
    }
}

/// The sentence for a value that cannot be one.
#[must_use]
pub fn invalid(key: &str, value: &str) -> ApiError {
    ApiError::bad_request(format!("invalid filter '{key}={value}'"))
}

/// Labels as pairs of texts.
pub fn pairs(labels: &[Pair]) -> impl Iterator<Item = (&str, &str)> + Clone {
    labels
        .iter()
        .map(|label| (label.key.as_str(), label.value.as_str()))
}

fn has_label<'a>(wanted: &str, mut labels: impl Iterator<Item = (&'a str, &'a str)>) -> bool {
    match wanted.split_once('=') {
        Some((name, value)) => labels.any(|label| label == (name, value)),
        None => labels.any(|(name, _)| name == wanted),
    }
}

/// A regular expression that matches in linear time and stays small; none where the text is no such thing.
/// Without tables of Unicode, which would double the daemon: names are plain ASCII.
pub(super) fn compile(expression: &str) -> Option<Regex> {
    RegexBuilder::new(expression)
        .size_limit(REGEX_BYTES_MAX)
        .build()
        .ok()
}

/// Compiled values of one key.
#[derive(Debug)]
pub struct Patterns {
    wanted: bool,
    expressions: Vec<Regex>,
}

impl Patterns {
    /// Whether the key is not filtered by, or a pattern is found in the text.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        !self.wanted || self.expressions.iter().any(|one| one.is_match(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Filters {
        Filters::parse(Some(text), &["label", "name", "status"]).unwrap()
    }

    #[test]
    fn both_forms_say_the_same() {
        let list = parsed(r#"{"status":["paused","exited"]}"#);
        let set = parsed(r#"{"status":{"exited":true,"paused":true}}"#);
        for filters in [&list, &set] {
            assert!(filters.exact("status", "paused"));
            assert!(filters.exact("status", "exited"));
            assert!(!filters.exact("status", "running"));
            assert!(filters.exact("name", "anything"));
        }
    }

    #[test]
    fn nothing_filters_nothing() {
        for text in [
            None,
            Some(""),
            Some("{}"),
            Some("null"),
            Some(r#"{"name":[]}"#),
            Some(r#"{"name":null}"#),
        ] {
            let filters = Filters::parse(text, &["name"]).unwrap();
            assert!(filters.exact("name", "x"), "{text:?}");
            assert!(filters.patterns("name").matches("x"), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        #[track_caller]
        fn check(text: &str, expected: &str) {
            let error = Filters::parse(Some(text), &["status"]).unwrap_err();
            assert_eq!((error.status, error.message.as_str()), (400, expected));
        }
        check("{bad", "invalid filter");
        check("[]", "invalid filter");
        check(r#"{"status":"x"}"#, "invalid filter");
        check(r#"{"status":[1]}"#, "invalid filter");
        check(r#"{"nonsense":["x"]}"#, "invalid filter 'nonsense'");
        let many = format!(r#"{{"status":[{}"x"]}}"#, "\"x\",".repeat(FILTER_VALUES_MAX));
        check(&many, "invalid filter: more than 256 values");
    }

    #[test]
    fn labels_must_all_hold() {
        #[track_caller]
        fn check(text: &str, expected: bool) {
            let labels = [Pair::new("team", "a"), Pair::new("tier", "x=y")];
            assert_eq!(parsed(text).labels("label", pairs(&labels)), expected, "{text}");
        }
        check(r#"{}"#, true);
        check(r#"{"label":["team"]}"#, true);
        check(r#"{"label":["team=a"]}"#, true);
        check(r#"{"label":["team=b"]}"#, false);
        check(r#"{"label":["team="]}"#, false);
        check(r#"{"label":["team","tier"]}"#, true);
        check(r#"{"label":["team","none"]}"#, false);
        check(r#"{"label":["tier=x=y"]}"#, true);
    }

    #[test]
    fn names_are_regular_expressions() {
        #[track_caller]
        fn check(pattern: &str, expected: bool) {
            let text = serde_json::json!({ "name": [pattern] }).to_string();
            assert_eq!(
                parsed(&text).patterns("name").matches("/foo"),
                expected,
                "{pattern}"
            );
        }
        check("^/foo$", true);
        check("fo", true);
        check("^foo$", false);
        check("(?i)FOO", true);
        check("bar|oo", true);
        check(r"\w+", true);
        check("(", false);
        check("(a{999}){999}", false);
    }

    #[test]
    fn truth_has_two_words_each() {
        assert_eq!(parsed(r#"{"name":["true"]}"#).truth("name").unwrap(), Some(true));
        assert_eq!(parsed(r#"{"name":["0"]}"#).truth("name").unwrap(), Some(false));
        assert_eq!(parsed("{}").truth("name").unwrap(), None);
        for text in [r#"{"name":["maybe"]}"#, r#"{"name":["true","false"]}"#] {
            assert_eq!(parsed(text).truth("name").unwrap_err().status, 400);
        }
    }
}
