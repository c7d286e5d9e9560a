//! Who may come in: enrolments for nodes, keys for those who ask.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::SchemaType;
use utoipa::openapi::{Object, Type};

use super::answer::ApiError;
use super::body::{Asked, whole};
use super::entrance::digest;
use super::place::Segment;
use super::principal::Principal;
use super::query::{Query, encoded};
use super::shapes::moment;
use super::{Desk, describe};
use crate::access::{Role, audit};
use crate::coordinator::state::now;
use crate::coordinator::store::{Enrolment, Key};
use crate::limits::{ENROLMENT_SECONDS_MAX, NAME_LENGTH_MAX};

/// What a role is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Access {
    /// Everything that shows, but for logs and files.
    Read,
    /// And logs, start, stop, restart, kill, pause, unpause, wait.
    Operate,
    /// Everything.
    Full,
}

impl From<Access> for Role {
    fn from(access: Access) -> Self {
        match access {
            Access::Read => Self::Read,
            Access::Operate => Self::Operate,
            Access::Full => Self::Full,
        }
    }
}

impl From<Role> for Access {
    fn from(role: Role) -> Self {
        match role {
            Role::Read => Self::Read,
            Role::Operate => Self::Operate,
            Role::Full => Self::Full,
        }
    }
}

/// An enrolment to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewEnrolment {
    /// What the node will be called, if not what it calls itself.
    #[schema(schema_with = maybe_name)]
    name: Option<String>,
    /// How long the token is good; an hour if nothing is said.
    #[serde(default, deserialize_with = "whole")]
    #[schema(minimum = 1, maximum = 2592000)]
    ttl_seconds: Option<u32>,
}

/// An enrolment that was made.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MadeEnrolment {
    /// Lets one node in, once. It is told this one time.
    token: String,
    #[serde(flatten)]
    enrolment: EnrolmentLine,
}

/// An enrolment.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EnrolmentLine {
    /// What the node will be called, if not what it calls itself.
    name: Option<String>,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When its token is too late.
    #[schema(format = DateTime)]
    expires_at: String,
}

impl EnrolmentLine {
    fn of(enrolment: &Enrolment) -> Self {
        Self {
            name: enrolment.name.as_deref().map(str::to_owned),
            created_at: moment(enrolment.created_at),
            expires_at: moment(enrolment.expires_at),
        }
    }
}

/// Enrolments that no node has used, and that are not too late.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EnrolmentList {
    /// Each of them.
    enrolments: Vec<EnrolmentLine>,
}

/// Makes a token that lets one node in, once.
#[utoipa::path(
    post, path = "/api/enrolments", tag = "access", request_body = NewEnrolment,
    responses((status = 201, body = MadeEnrolment), describe::Kept, describe::OfBody),
)]
pub(super) async fn enrol(
    State(desk): State<Arc<Desk>>,
    principal: Principal,
    uri: Uri,
    Asked(asked): Asked<NewEnrolment>,
) -> Result<(StatusCode, Json<MadeEnrolment>), ApiError> {
    principal.need_all()?;
    Query::of(&uri)?.finish()?;
    let ttl = asked.ttl_seconds.unwrap_or(60 * 60);
    if !(1..=ENROLMENT_SECONDS_MAX).contains(&ttl) {
        return Err(ApiError::bad(format!(
            "`ttl_seconds` is from 1 to {ENROLMENT_SECONDS_MAX}"
        )));
    }
    let name = asked.name.map(|name| checked_name(&name)).transpose()?;
    let token = secret("sfe_")?;
    let created_at = now();
    let lasts = i64::try_from(Duration::from_secs(ttl.into()).as_nanos()).unwrap_or(i64::MAX);
    let enrolment = Enrolment {
        token_hash: digest(&token),
        name,
        created_at,
        expires_at: created_at.saturating_add(lasts),
    };
    let line = EnrolmentLine::of(&enrolment);
    desk.registry.add_enrolment(enrolment).await?;
    audit::by(&principal.name(), "", (&Method::POST, "/api/enrolments"), 201);
    let made = MadeEnrolment {
        token,
        enrolment: line,
    };
    Ok((StatusCode::CREATED, Json(made)))
}

/// Enrolments that are open, without their tokens.
#[utoipa::path(
    get, path = "/api/enrolments", tag = "access",
    responses((status = 200, body = EnrolmentList), describe::Asked),
)]
pub(super) async fn enrolments(
    State(desk): State<Arc<Desk>>,
    principal: Principal,
    uri: Uri,
) -> Result<Json<EnrolmentList>, ApiError> {
    principal.need_all()?;
    Query::of(&uri)?.finish()?;
    let (now, all) = (now(), desk.registry.enrolments().await?);
    let open = all.iter().filter(|enrolment| enrolment.expires_at > now);
    Ok(Json(EnrolmentList {
        enrolments: open.map(EnrolmentLine::of).collect(),
    }))
}

/// A key to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewKey {
    /// What people call it.
    #[schema(schema_with = plain_name)]
    name: String,
    /// What it may ask for.
    access: Access,
    /// The one node that it may ask, if not every one.
    node_id: Option<String>,
}

/// A key that was made.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MadeKey {
    /// What is shown as Bearer. It is told this one time.
    key: String,
    #[serde(flatten)]
    line: KeyLine,
}

/// A key.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct KeyLine {
    /// What people call it.
    name: String,
    /// What it may ask for.
    access: Access,
    /// The one node that it may ask; null is every one.
    node_id: Option<String>,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
}

impl KeyLine {
    fn of(key: &Key) -> Self {
        Self {
            name: key.name.as_ref().to_owned(),
            access: key.role.into(),
            node_id: key.node_id.as_deref().map(str::to_owned),
            created_at: moment(key.created_at),
        }
    }
}

/// Every key, by name.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct KeyList {
    /// Each of them.
    keys: Vec<KeyLine>,
}

/// Makes a key.
#[utoipa::path(
    post, path = "/api/keys", tag = "access", request_body = NewKey,
    responses(
        (status = 201, body = MadeKey),
        (status = 404, body = super::answer::ErrorBody, description = "There is no such node."),
        (status = 409, body = super::answer::ErrorBody, description = "There is a key of this name."),
        describe::Kept, describe::OfBody,
    ),
)]
pub(super) async fn add_key(
    State(desk): State<Arc<Desk>>,
    principal: Principal,
    uri: Uri,
    Asked(asked): Asked<NewKey>,
) -> Result<(StatusCode, Json<MadeKey>), ApiError> {
    principal.need_all()?;
    Query::of(&uri)?.finish()?;
    if let Some(node_id) = &asked.node_id {
        desk.node(node_id)?;
    }
    let secret = secret("sfk_")?;
    let key = Key {
        name: checked_name(&asked.name)?,
        hash: digest(&secret),
        role: asked.access.into(),
        node_id: asked.node_id.map(Into::into),
        created_at: now(),
    };
    let line = KeyLine::of(&key);
    desk.registry.add_key(key).await?;
    audit::by(&principal.name(), "", (&Method::POST, "/api/keys"), 201);
    Ok((StatusCode::CREATED, Json(MadeKey { key: secret, line })))
}

/// Every key, without what is shown.
#[utoipa::path(
    get, path = "/api/keys", tag = "access",
    responses((status = 200, body = KeyList), describe::Asked),
)]
pub(super) async fn keys(
    State(desk): State<Arc<Desk>>,
    principal: Principal,
    uri: Uri,
) -> Result<Json<KeyList>, ApiError> {
    principal.need_all()?;
    Query::of(&uri)?.finish()?;
    let keys = desk.registry.keys().await?;
    Ok(Json(KeyList {
        keys: keys.iter().map(KeyLine::of).collect(),
    }))
}

/// Forgets a key. What streams by it ends.
#[utoipa::path(
    delete, path = "/api/keys/{name}", tag = "access", params(describe::KeyName),
    responses((status = 204, description = "It opens nothing any more."), describe::OfPath),
)]
pub(super) async fn remove_key(
    State(desk): State<Arc<Desk>>,
    principal: Principal,
    Segment(name): Segment,
    uri: Uri,
) -> Result<StatusCode, ApiError> {
    principal.need_all()?;
    Query::of(&uri)?.finish()?;
    if !desk.registry.remove_key(&name).await? {
        return Err(ApiError::none("there is no such key"));
    }
    desk.leaves.recall();
    let target = format!("/api/keys/{}", encoded(&name));
    audit::by(&principal.name(), "", (&Method::DELETE, &target), 204);
    Ok(StatusCode::NO_CONTENT)
}

/// 256 bits by chance, behind what says which kind of secret they are.
fn secret(kind: &str) -> Result<String, ApiError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|_| {
        ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "this system has nothing by chance",
        )
    })?;
    Ok(format!("{kind}{}", URL_SAFE_NO_PAD.encode(bytes)))
}

/// A name for people, in one line.
fn checked_name(name: &str) -> Result<Box<str>, ApiError> {
    let length = name.chars().count();
    let is_plain = (1..=NAME_LENGTH_MAX).contains(&length) && !name.chars().any(char::is_control);
    if is_plain && name.trim() == name {
        Ok(name.into())
    } else {
        Err(ApiError::bad(format!(
            "a name is one line of 1 to {NAME_LENGTH_MAX} characters, without spaces around it"
        )))
    }
}

/// What the document says of a name: what [`checked_name`] takes.
fn plain_name() -> Object {
    // Every control character, and those with every space.
    let controls = r"\x00-\x1f\x7f-\x9f";
    let spaces = r"\x00-\x20\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000";
    Object::builder()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(NAME_LENGTH_MAX))
        .pattern(Some(format!("^[^{spaces}]([^{controls}]*[^{spaces}])?$")))
        .build()
}

/// The same, where there may be none.
fn maybe_name() -> Object {
    let mut name = plain_name();
    name.schema_type = SchemaType::from_iter([Type::String, Type::Null]);
    name
}
