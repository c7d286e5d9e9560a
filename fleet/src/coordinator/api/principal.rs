//! Who asks, and what they may.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};

use super::answer::ApiError;
use crate::access::{self, Role};

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// Whoever may open the admin socket.
    Admin,
    /// Whoever has a certificate of the authority that clients' are held against.
    Certified,
    /// Whoever has a key.
    Key {
        /// What people call it.
        name: Box<str>,
        /// What it may ask for.
        role: Role,
        /// The one node that it may ask, if not every one.
        node_id: Option<Box<str>>,
    },
    /// The owner of a node.
    Node(Box<str>),
}

impl Principal {
    /// What they may ask for.
    pub fn role(&self) -> Role {
        match self {
            Self::Admin | Self::Certified | Self::Node(_) => Role::Full,
            Self::Key { role, .. } => *role,
        }
    }

    /// The one node that they may see, if not every one.
    pub fn own_node(&self) -> Option<&str> {
        match self {
            Self::Admin | Self::Certified => None,
            Self::Key { node_id, .. } => node_id.as_deref(),
            Self::Node(node_id) => Some(node_id),
        }
    }

    /// Whether they may see this node.
    pub fn sees(&self, node_id: &str) -> bool {
        self.own_node().is_none_or(|own| own == node_id)
    }

    /// As the log has it.
    pub fn name(&self) -> String {
        match self {
            Self::Admin => "admin".to_owned(),
            Self::Certified => "certificate".to_owned(),
            Self::Key { name, .. } => format!("key {name}"),
            Self::Node(node_id) => format!("node {node_id}"),
        }
    }

    /// Lets through whoever has at least this role.
    ///
    /// # Errors
    /// 403.
    pub fn need(&self, role: Role) -> Result<(), ApiError> {
        if self.role() >= role {
            return Ok(());
        }
        Err(ApiError::denied(format!(
            "this takes access `{}`; yours is `{}`",
            role.word(),
            self.role().word()
        )))
    }

    /// Lets through who may change what concerns every node: nodes, keys, enrolments, ports.
    ///
    /// # Errors
    /// 403.
    pub fn need_all(&self) -> Result<(), ApiError> {
        self.need(Role::Full)?;
        match self.own_node() {
            None => Ok(()),
            Some(_) => Err(ApiError::denied("this is for who may ask every node")),
        }
    }

    /// Lets a request for Docker through, or not. `target` is as Docker gets it.
    ///
    /// # Errors
    /// 403.
    pub fn judge(&self, method: &Method, target: &str) -> Result<(), ApiError> {
        access::judge(self.role(), method, target).map_err(|denied| ApiError::denied(denied.to_string()))
    }

    /// The node that a request is for: the one they may see, or the one it names; none where it is for all.
    ///
    /// # Errors
    /// 404 where it is another than the one they may see.
    pub fn node<'a>(&'a self, named: Option<&'a str>) -> Result<Option<&'a str>, ApiError> {
        match (self.own_node(), named) {
            (Some(own), Some(named)) if own != named => Err(ApiError::no_node()),
            (own, named) => Ok(own.or(named)),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Principal {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        // The entrance put it there; where it did not, nobody comes in.
        parts
            .extensions
            .get()
            .cloned()
            .ok_or_else(|| ApiError::new(StatusCode::UNAUTHORIZED, "who are you?"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(role: Role, node_id: Option<&str>) -> Principal {
        Principal::Key {
            name: "k".into(),
            role,
            node_id: node_id.map(Into::into),
        }
    }

    #[test]
    fn nodes() {
        let check = |who: &Principal, named: Option<&str>, expected: Result<Option<&str>, u16>| {
            let seen = who.node(named).map_err(|error| error.status().as_u16());
            assert_eq!(seen, expected, "{who:?} {named:?}");
        };
        let owner = Principal::Node("a".into());
        check(&owner, None, Ok(Some("a")));
        check(&owner, Some("a"), Ok(Some("a")));
        check(&owner, Some("b"), Err(404));
        check(&Principal::Admin, Some("b"), Ok(Some("b")));
        check(&Principal::Admin, None, Ok(None));
        check(&key(Role::Full, None), None, Ok(None));
        check(&key(Role::Full, Some("b")), Some("a"), Err(404));
    }

    #[test]
    fn what_they_may() {
        let check = |who: Principal, everything: bool, stop: bool| {
            assert_eq!(who.need_all().is_ok(), everything, "{who:?}");
            let stops = who.judge(&Method::POST, "/containers/x/stop");
            assert_eq!(stops.is_ok(), stop, "{who:?}");
        };
        check(Principal::Admin, true, true);
        check(Principal::Certified, true, true);
        check(Principal::Node("a".into()), false, true);
        check(key(Role::Full, None), true, true);
        check(key(Role::Full, Some("a")), false, true);
        check(key(Role::Operate, None), false, true);
        check(key(Role::Read, None), false, false);
    }
}
