//! Who is let in: by a key, a node's password, a certificate, or the socket they came by.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::answer::ApiError;
use super::leave::Leave;
use super::principal::Principal;
use super::query::Query;
use super::{Desk, endpoint};
use crate::coordinator::store::Digest;
use crate::front::Visitor;
use crate::limits::SECRET_BYTES_MAX;

/// How somebody came.
#[derive(Debug, Clone)]
pub enum Way {
    /// By the network.
    Net(Visitor),
    /// By the admin socket.
    Admin(Visitor),
}

/// What is asked without saying who one is: whether the coordinator lives, and what it can.
const PUBLIC: &[&str] = &["/healthz", "/api/openapi.json"];

/// Lets in who may ask, with who they are in the request's extensions.
pub(super) async fn enter(State(desk): State<Arc<Desk>>, mut request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if PUBLIC.contains(&path) {
        return next.run(request).await;
    }
    let speaks_docker = endpoint::is_docker(path);
    let leave = Leave::new(&desk);
    let looked = look(&desk, &request);
    let judged = match looked {
        Ok(Look::Known(principal)) => Ok((principal, None)),
        Ok(Look::Shown(peer, shown)) => known(&desk, peer, shown).await,
        Err(error) => Err(error),
    };
    match judged {
        Ok((principal, key)) => {
            let leave = leave.of(&principal, key);
            request.extensions_mut().insert(principal);
            request.extensions_mut().insert(leave.clone());
            leave.bounds(next.run(request).await)
        }
        Err(error) if speaks_docker => error.into_docker(),
        Err(error) => error.into_response(),
    }
}

/// What can be told of a request by itself.
enum Look {
    /// Who asks.
    Known(Principal),
    /// What they show, and where they come from.
    Shown(IpAddr, Shown),
}

fn look(desk: &Desk, request: &Request) -> Result<Look, ApiError> {
    let visitor = match request.extensions().get() {
        Some(Way::Admin(_)) => return Ok(Look::Known(Principal::Admin)),
        Some(Way::Net(visitor)) => visitor,
        None => return Err(stranger()),
    };
    let peer = visitor.peer.ip();
    let shown = Shown::of(request, desk.settings.takes_query_credentials)?;
    match shown {
        Some(shown) => Ok(Look::Shown(peer, shown)),
        None if visitor.is_certified => {
            refuse_foreign(request.headers())?;
            Ok(Look::Known(Principal::Certified))
        }
        None => Err(stranger()),
    }
}

pub(super) fn stranger() -> ApiError {
    ApiError::new(
        StatusCode::UNAUTHORIZED,
        "show a key (Bearer), or a node_id and its password (Basic, or Bearer NODE_ID:PASSWORD)",
    )
}

/// Who has shown what is right, and by which key, if by one; whoever shows what is wrong too often is not looked at for
/// a while.
async fn known(desk: &Desk, peer: IpAddr, shown: Shown) -> Result<(Principal, Option<Digest>), ApiError> {
    if desk.failures.is_barred(peer) {
        return Err(ApiError::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too many wrong passwords or keys came from your address",
        ));
    }
    let (found, key) = match &shown {
        Shown::Key(key) => (key_of(desk, digest(key)).await?, Some(digest(key))),
        Shown::Password { node_id, password } => (owner_of(desk, node_id, password).await?, None),
    };
    found.map(|principal| (principal, key)).ok_or_else(|| {
        desk.failures.count(peer);
        tracing::warn!(%peer, kind = shown.kind(), "a request with a wrong password or key");
        ApiError::new(StatusCode::UNAUTHORIZED, "the password or key is wrong")
    })
}

async fn key_of(desk: &Desk, key: Digest) -> Result<Option<Principal>, ApiError> {
    // What is looked up is a hash: how long that takes tells nothing of any key.
    let found = desk.registry.key_of(key).await?;
    Ok(found.map(|key| Principal::Key {
        name: key.name,
        role: key.role,
        node_id: key.node_id,
    }))
}

async fn owner_of(desk: &Desk, node_id: &str, password: &str) -> Result<Option<Principal>, ApiError> {
    let record = desk.registry.node(node_id).await?;
    let record = record.filter(|record| record.revoked_at.is_none());
    // As much work is done for a node that there is not.
    let (salt, hash) = record.as_ref().map_or((&[][..], &[][..]), |record| {
        (&*record.password_salt, &*record.password_hash)
    });
    let seen = Sha256::new().chain_update(salt).chain_update(password).finalize();
    let is_right = bool::from(seen.as_slice().ct_eq(hash));
    Ok(record
        .filter(|_| is_right)
        .map(|record| Principal::Node(record.node_id)))
}

/// What a key or a token is kept as.
pub fn digest(secret: &str) -> Digest {
    Sha256::digest(secret).into()
}

/// What somebody shows.
#[derive(PartialEq, Eq)]
enum Shown {
    Key(String),
    Password { node_id: String, password: String },
}

impl Shown {
    fn of(request: &Request, takes_query: bool) -> Result<Option<Self>, ApiError> {
        let headers = request.headers();
        if let Some(value) = headers.get(AUTHORIZATION) {
            let text = value.to_str().unwrap_or_default();
            let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
            let rest = rest.trim();
            return if scheme.eq_ignore_ascii_case("basic") {
                // Browsers show it by themselves, to whoever has a page that asks.
                refuse_foreign(headers)?;
                let coded = STANDARD.decode(rest).ok();
                let text = coded.and_then(|bytes| String::from_utf8(bytes).ok());
                pair(&text.unwrap_or_default()).map(Some).ok_or_else(malformed)
            } else if scheme.eq_ignore_ascii_case("bearer") && !rest.is_empty() {
                bearer(rest).map(Some)
            } else {
                Err(malformed())
            };
        }
        let mut query = Query::of(request.uri())?;
        let Some(password) = query.text("password")? else {
            return Ok(None);
        };
        if !takes_query {
            return Err(ApiError::new(
                StatusCode::UNAUTHORIZED,
                "a password in a query stands in logs: show it as Basic, or start the coordinator with \
                 --allow-query-credentials",
            ));
        }
        let node_id = query.text("node_id")?.unwrap_or_default();
        Ok(Some(Self::Password { node_id, password }))
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Key(_) => "key",
            Self::Password { .. } => "password",
        }
    }
}

fn malformed() -> ApiError {
    ApiError::new(
        StatusCode::UNAUTHORIZED,
        "the Authorization header is none we know",
    )
}

fn bearer(text: &str) -> Result<Shown, ApiError> {
    if text.contains(':') {
        return pair(text).ok_or_else(malformed);
    }
    if text.len() > SECRET_BYTES_MAX {
        return Err(malformed());
    }
    Ok(Shown::Key(text.to_owned()))
}

fn pair(text: &str) -> Option<Shown> {
    let (node_id, password) = text.split_once(':').filter(|_| text.len() <= SECRET_BYTES_MAX)?;
    Some(Shown::Password {
        node_id: node_id.to_owned(),
        password: password.to_owned(),
    })
}

/// What a browser shows by itself counts for pages of this coordinator alone, and it serves none.
fn refuse_foreign(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(origin) = headers.get(ORIGIN) else {
        return Ok(());
    };
    let origin = origin.to_str().unwrap_or_default();
    let from = origin.split_once("://").map_or(origin, |(_, host)| host);
    let host = headers
        .get(HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    if !from.is_empty() && from.eq_ignore_ascii_case(host) {
        Ok(())
    } else {
        Err(ApiError::denied(
            "pages of other sites may not use what your browser knows: show a key",
        ))
    }
}
