//! Ports of the coordinator's that are a node's Docker socket, by REST.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::{Object, Type};

use super::answer::ApiError;
use super::body::Asked;
use super::place::Segment;
use super::principal::Principal;
use super::query::Query;
use super::shapes::moment;
use super::{Desk, describe};
use crate::access::audit;
use crate::coordinator::ports::PortError;
use crate::coordinator::store::Port;

/// A port to be opened.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPort {
    /// Whose Docker it is.
    node_id: String,
    /// Where: an address and a port of this machine, 0 for any that is free.
    #[schema(schema_with = address)]
    address: String,
    /// Whether it is by TLS, for those with a client certificate; without, only this machine may come.
    #[serde(default)]
    tls: bool,
}

/// What the document says of an address with a port.
fn address() -> Object {
    let byte = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
    let four = format!("({byte}\\.){{3}}{byte}");
    let word = "[0-9A-Fa-f]{1,4}";
    // With as many words before the gap as there may be, and the others behind it.
    let gaps = (1..7).map(|before| {
        let behind = 7 - before;
        format!("({word}:){{1,{before}}}(:{word}){{1,{behind}}}")
    });
    let ends = [
        format!("({word}:){{7}}{word}"),
        format!("({word}:){{1,7}}:"),
        format!(":(:{word}){{1,7}}"),
        "::".to_owned(),
    ];
    let six: Vec<String> = gaps.chain(ends).collect();
    let six = six.join("|");
    let port = "(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9]?[0-9]{1,3})";
    Object::builder()
        .schema_type(Type::String)
        .pattern(Some(format!("^({four}|\\[({six})\\]):{port}$")))
        .examples(["127.0.0.1:2375"])
        .build()
}

/// A port.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PortLine {
    /// Where it listens.
    address: String,
    /// Whose Docker it is.
    node_id: String,
    /// Whether it is by TLS.
    tls: bool,
    /// When it was opened.
    #[schema(format = DateTime)]
    created_at: String,
    /// Whether it is open now: else the log of the coordinator's start says why not.
    is_open: bool,
}

impl PortLine {
    fn of(port: &Port, is_open: bool) -> Self {
        Self {
            address: port.address.as_ref().to_owned(),
            node_id: port.node_id.as_ref().to_owned(),
            tls: port.is_tls,
            created_at: moment(port.created_at),
            is_open,
        }
    }
}

/// Every port, by address.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PortList {
    /// Each of them.
    ports: Vec<PortLine>,
}

/// Every port that is a node's Docker.
#[utoipa::path(
    get, path = "/api/ports", tag = "access",
    responses((status = 200, body = PortList), describe::Asked),
)]
pub(super) async fn list(
    State(desk): State<Arc<Desk>>,
    principal: Principal,
    uri: Uri,
) -> Result<Json<PortList>, ApiError> {
    principal.need_all()?;
    Query::of(&uri)?.finish()?;
    let ports = desk.registry.ports().await?;
    let lines = ports
        .iter()
        .map(|port| PortLine::of(port, desk.ports.is_open(&port.address)));
    Ok(Json(PortList {
        ports: lines.collect(),
    }))
}

/// Opens a port that is a node's Docker socket. It stays, and is opened again when the coordinator starts. Without TLS
/// whoever may connect from this machine has all of the node.
#[utoipa::path(
    post, path = "/api/ports", tag = "access", request_body = NewPort,
    responses(
        (status = 201, body = PortLine),
        (status = 404, body = super::answer::ErrorBody, description = "There is no such node."),
        (status = 409, body = super::answer::ErrorBody, description = "Nobody can listen there, or the coordinator has nothing to know certificates by."),
        describe::Kept, describe::OfBody,
    ),
)]
pub(super) async fn open(
    State(desk): State<Arc<Desk>>,
    principal: Principal,
    uri: Uri,
    Asked(asked): Asked<NewPort>,
) -> Result<(StatusCode, Json<PortLine>), ApiError> {
    principal.need_all()?;
    Query::of(&uri)?.finish()?;
    desk.node(&asked.node_id)?;
    let address: SocketAddr = asked
        .address
        .parse()
        .map_err(|_| ApiError::bad("`address` is an address and a port, such as 127.0.0.1:2375"))?;
    let opened = desk.ports.open(&asked.node_id, address, asked.tls).await;
    let port = opened.map_err(|error| match error {
        PortError::Plain => ApiError::denied(error.to_string()),
        PortError::NoAuthority => ApiError::new(StatusCode::CONFLICT, error.to_string()),
        PortError::Listen(_) => {
            ApiError::new(StatusCode::CONFLICT, "nobody can listen there").with_detail(error.to_string())
        }
        PortError::Full => ApiError::new(StatusCode::INSUFFICIENT_STORAGE, error.to_string()),
    })?;
    let kept = desk.registry.add_port(port.clone()).await;
    if kept.is_err() {
        desk.ports.close(&port.address);
    }
    kept?;
    audit::by(
        &principal.name(),
        &asked.node_id,
        (&Method::POST, "/api/ports"),
        201,
    );
    Ok((StatusCode::CREATED, Json(PortLine::of(&port, true))))
}

/// Closes a port. Connections that it let in end.
#[utoipa::path(
    delete, path = "/api/ports/{address}", tag = "access", params(describe::PortAddress),
    responses((status = 204, description = "It is closed."), describe::OfPath),
)]
pub(super) async fn close(
    State(desk): State<Arc<Desk>>,
    principal: Principal,
    Segment(address): Segment,
    uri: Uri,
) -> Result<StatusCode, ApiError> {
    principal.need_all()?;
    Query::of(&uri)?.finish()?;
    if !desk.registry.remove_port(&address).await? {
        return Err(ApiError::none("there is no such port"));
    }
    desk.ports.close(&address);
    let target = format!("/api/ports/{address}");
    audit::by(&principal.name(), "", (&Method::DELETE, &target), 204);
    Ok(StatusCode::NO_CONTENT)
}
