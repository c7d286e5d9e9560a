//! Who may do what, in words: the same of a listener's URL, and of listeners and callers in a file.

use std::fmt;

use crate::policy::caller::{Access, Terms};
use crate::policy::rights::{Group, GroupError, Rights, Role, RoleError};
use crate::policy::scope::{Label, LabelError, Scope};

/// Why it cannot be so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TermsError {
    /// No role has this name.
    Role(RoleError),
    /// No group has this name.
    Group(GroupError),
    /// It is no label.
    Label(LabelError),
    /// A pattern that no name fits.
    EmptyName,
    /// `callers` says something else than `known` or `any`.
    Callers,
    /// It stands twice.
    Twice(&'static str),
}

impl fmt::Display for TermsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Role(error) => error.fmt(f),
            Self::Group(error) => error.fmt(f),
            Self::Label(error) => error.fmt(f),
            Self::EmptyName => f.write_str("a pattern of names must not be empty"),
            Self::Callers => {
                f.write_str("callers must be `known` (those of the configuration file alone) or `any`")
            }
            Self::Twice(option) => write!(f, "`{option}` may stand once"),
        }
    }
}

impl std::error::Error for TermsError {}

/// What has been said so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct TermsText {
    role: Option<Role>,
    allowed: Vec<Group>,
    denied: Vec<Group>,
    labels: Vec<Label>,
    names: Vec<String>,
    known_only: Option<bool>,
    id: Option<String>,
}

impl TermsText {
    /// Takes one option; whether it is one of these. `allow` and `deny` may hold several groups with commas
    /// between them, and stand several times, as may `label` and `name`.
    pub(super) fn take(&mut self, name: &str, value: &str) -> Result<bool, TermsError> {
        match name {
            "access" => {
                let role = value.parse().map_err(TermsError::Role)?;
                once(&mut self.role, role, TermsError::Twice("access"))?;
            }
            "allow" => self.allowed.extend(groups(value)?),
            "deny" => self.denied.extend(groups(value)?),
            "label" => self.labels.push(value.parse().map_err(TermsError::Label)?),
            "name" if value.is_empty() => return Err(TermsError::EmptyName),
            "name" => self.names.push(value.to_owned()),
            "callers" => {
                let known_only = match value {
                    "known" => true,
                    "any" => false,
                    _ => return Err(TermsError::Callers),
                };
                once(&mut self.known_only, known_only, TermsError::Twice("callers"))?;
            }
            "id" => once(&mut self.id, value.to_owned(), TermsError::Twice("id"))?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// What may be done: everything, unless something was said of it. Where groups are allowed and no role is
    /// given, they are all there is.
    pub(super) fn access(&self) -> Access {
        let role = match self.role {
            Some(role) => role,
            None if self.allowed.is_empty() => Role::Full,
            None => Role::None,
        };
        Access {
            rights: Rights::new(role, &self.allowed, &self.denied),
            scope: Scope::new(self.labels.clone(), &self.names),
        }
    }

    /// Of a listener.
    pub(super) fn terms(self) -> Result<Terms, TermsError> {
        Ok(Terms {
            access: self.access(),
            id: self.id,
            known_only: self.known_only.unwrap_or(false),
        })
    }
}

fn groups(names: &str) -> Result<Vec<Group>, TermsError> {
    names
        .split(',')
        .map(|name| name.parse().map_err(TermsError::Group))
        .collect()
}

/// Puts a value where none is yet.
pub(super) fn once<T, E>(place: &mut Option<T>, value: T, twice: E) -> Result<(), E> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(twice),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker::endpoints;

    fn said(options: &[(&str, &str)]) -> Result<Terms, TermsError> {
        let mut text = TermsText::default();
        for (name, value) in options {
            assert!(text.take(name, value)?, "{name}");
        }
        text.terms()
    }

    #[track_caller]
    fn check(options: &[(&str, &str)], expected: Option<TermsError>) {
        assert_eq!(said(options).err(), expected, "{options:?}");
    }

    #[test]
    fn words() {
        check(
            &[("access", "read"), ("allow", "EXEC,POST"), ("deny", "LOGS")],
            None,
        );
        check(&[("label", "a=b"), ("label", "c"), ("name", "web-*")], None);
        check(&[("access", "all")], Some(TermsError::Role(RoleError)));
        let unknown = GroupError("EXECS".to_owned());
        check(&[("allow", "EXECS")], Some(TermsError::Group(unknown)));
        check(
            &[("allow", "")],
            Some(TermsError::Group(GroupError(String::new()))),
        );
        check(&[("label", "=x")], Some(TermsError::Label(LabelError)));
        check(&[("name", "")], Some(TermsError::EmptyName));
        check(&[("callers", "some")], Some(TermsError::Callers));
        check(
            &[("access", "read"), ("access", "read")],
            Some(TermsError::Twice("access")),
        );
        assert_eq!(TermsText::default().take("color", "red"), Ok(false));
    }

    #[test]
    fn groups_without_a_role_are_all_there_is() {
        let permits = |terms: &Terms, method, path| {
            let (number, _) = endpoints::find(method, path).unwrap();
            terms.access.rights.permit(number)
        };
        let terms = said(&[("allow", "INFO")]).unwrap();
        assert!(permits(&terms, "GET", "/info") && permits(&terms, "GET", "/_ping"));
        assert!(!permits(&terms, "GET", "/containers/json"));
        let terms = said(&[("deny", "POST")]).unwrap();
        assert!(permits(&terms, "GET", "/info") && !permits(&terms, "POST", "/containers/create"));
        assert_eq!(said(&[]), Ok(Terms::default()));
        assert!(said(&[("callers", "known"), ("id", "lan")]).unwrap().known_only);
    }
}
