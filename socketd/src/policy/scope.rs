//! Which containers a caller sees. The others are not there: not in a list, an event or a count, and not
//! by name, id or the beginning of one.

use std::fmt;
use std::str::FromStr;

use wildmatch::WildMatch;
use wire::Summary;
use wire::spec::Pair;

/// A label that must be there: `key` with any value, or `key=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    key: String,
    value: Option<String>,
}

/// A label without a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LabelError;

impl fmt::Display for LabelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a label must be KEY or KEY=VALUE")
    }
}

impl std::error::Error for LabelError {}

impl FromStr for Label {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (key, value) = match text.split_once('=') {
            Some((key, value)) => (key, Some(value.to_owned())),
            None => (text, None),
        };
        if key.is_empty() {
            return Err(LabelError);
        }
        Ok(Self {
            key: key.to_owned(),
            value,
        })
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)?;
        match &self.value {
            Some(value) => write!(f, "={value}"),
            None => Ok(()),
        }
    }
}

impl Label {
    fn is_among(&self, labels: &[Pair]) -> bool {
        let found = labels.iter().find(|label| label.key == self.key);
        found.is_some_and(|label| self.value.as_ref().is_none_or(|value| *value == label.value))
    }
}

/// Every one of the labels, and one of the name patterns where there are any.
#[derive(Debug, Clone, PartialEq)]
struct Clause {
    labels: Vec<Label>,
    names: Vec<WildMatch>,
}

/// What narrows the view of a caller: all of it must hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Scope(Vec<Clause>);

impl Scope {
    /// None where nothing narrows it: then everything is seen. In a pattern, `*` stands for anything and `?` for
    /// one character.
    #[must_use]
    pub fn new(labels: Vec<Label>, names: &[String]) -> Option<Self> {
        let names: Vec<_> = names.iter().map(|pattern| WildMatch::new(pattern)).collect();
        (!labels.is_empty() || !names.is_empty()).then(|| Self(vec![Clause { labels, names }]))
    }

    /// What is seen by both.
    #[must_use]
    pub fn both(one: Option<&Self>, other: Option<&Self>) -> Option<Self> {
        let clauses: Vec<_> = [one, other]
            .into_iter()
            .flatten()
            .flat_map(|scope| scope.0.clone())
            .collect();
        (!clauses.is_empty()).then_some(Self(clauses))
    }

    /// Whether a container with this name (without a slash) and these labels is seen.
    #[must_use]
    pub fn shows(&self, name: &str, labels: &[Pair]) -> bool {
        self.0.iter().all(|clause| clause.shows(name, labels))
    }

    /// Whether a container of a list is seen.
    #[must_use]
    pub fn shows_summary(&self, summary: &Summary) -> bool {
        self.shows(&summary.name, &summary.labels)
    }
}

impl Clause {
    fn shows(&self, name: &str, labels: &[Pair]) -> bool {
        self.labels.iter().all(|label| label.is_among(labels))
            && (self.names.is_empty() || self.names.iter().any(|pattern| pattern.matches(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(labels: &str, names: &str, container: &str, has: &str, expected: bool) {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let labels = words(labels).iter().map(|label| label.parse().unwrap()).collect();
        let scope = Scope::new(labels, &words(names)).unwrap();
        let has: Vec<_> = words(has)
            .iter()
            .map(|label| {
                label
                    .split_once('=')
                    .map(|(key, value)| Pair::new(key, value))
                    .unwrap()
            })
            .collect();
        assert_eq!(
            scope.shows(container, &has),
            expected,
            "{scope:?} {container} {has:?}"
        );
    }

    #[test]
    fn labels_and_names() {
        check("team=a", "", "web", "team=a other=b", true);
        check("team=a", "", "web", "team=b", false);
        check("team=a", "", "web", "", false);
        check("team", "", "web", "team=", true);
        check("team=", "", "web", "team=", true);
        check("team=", "", "web", "team=a", false);
        check("team=a shown", "", "web", "team=a", false);
        check("team=a shown", "", "web", "team=a shown=no", true);
        check("", "web-* db?", "web-1", "", true);
        check("", "web-* db?", "db1", "", true);
        check("", "web-* db?", "db", "", false);
        check("", "web-*", "Web-1", "", false);
        check("", "web", "web2", "", false);
        check("team=a", "web*", "db", "team=a", false);
        check("a=b=c", "", "web", "a=b=c", true);
    }

    #[test]
    fn both_narrow() {
        assert_eq!(Scope::new(Vec::new(), &[]), None);
        let one = Scope::new(vec!["team=a".parse().unwrap()], &[]);
        let other = Scope::new(Vec::new(), &["web*".to_owned()]);
        let both = Scope::both(one.as_ref(), other.as_ref()).unwrap();
        let labels = [Pair::new("team", "a")];
        assert!(both.shows("web", &labels) && !both.shows("db", &labels) && !both.shows("web", &[]));
        assert_eq!(Scope::both(None, one.as_ref()), one);
        assert_eq!(Scope::both(None, None), None);
        assert_eq!("=x".parse::<Label>(), Err(LabelError));
    }
}
