//! What a coordinator that runs is asked for from the command line: REST over its admin socket.

use std::io::{self, Write as _};
use std::path::Path;

use hyper::{Method, Request};
use serde_json::{Value, json};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::CoordinatorError;
use super::api::{encoded, reach};
use super::run::ADMIN_SOCKET;
use super::settings::{Access, KeyOrder, Order, Place, PortOrder};
use crate::docker;
use crate::limits::{API_REQUEST, DOCKER_ANSWER_MAX};

/// Does it, and shows what came of it.
///
/// # Errors
/// The coordinator is not there, or says no.
pub(super) async fn run(order: &Order) -> Result<(), CoordinatorError> {
    match order {
        Order::Enrol {
            name,
            ttl,
            address,
            place,
        } => {
            let asked = json!({ "name": name, "ttl_seconds": ttl });
            let made = ask(place, Method::POST, "/api/enrolments", Some(&asked)).await?;
            show(place, &made, || enrolled(&made, address))
        }
        Order::Nodes { place } => {
            let all = ask(place, Method::GET, "/api/nodes", None).await?;
            let columns = ["node_id", "name", "is_connected", "last_seen", "version"];
            show(place, &all, || table(&all, "nodes", &columns))
        }
        Order::Revoke { node_id, place } => {
            let path = format!("/api/nodes/{}", encoded(node_id));
            let done = ask(place, Method::DELETE, &path, None).await?;
            show(place, &done, String::new)
        }
        Order::Key(order) => key(order).await,
        Order::Port(order) => port(order).await,
    }
}

async fn key(order: &KeyOrder) -> Result<(), CoordinatorError> {
    match order {
        KeyOrder::Add {
            name,
            access,
            node,
            place,
        } => {
            let access = match access {
                Access::Read => "read",
                Access::Operate => "operate",
                Access::Full => "full",
            };
            let asked = json!({ "name": name, "access": access, "node_id": node });
            let made = ask(place, Method::POST, "/api/keys", Some(&asked)).await?;
            show(place, &made, || text(&made, "key"))
        }
        KeyOrder::List { place } => {
            let all = ask(place, Method::GET, "/api/keys", None).await?;
            show(place, &all, || {
                table(&all, "keys", &["name", "access", "node_id", "created_at"])
            })
        }
        KeyOrder::Remove { name, place } => {
            let path = format!("/api/keys/{}", encoded(name));
            let done = ask(place, Method::DELETE, &path, None).await?;
            show(place, &done, String::new)
        }
    }
}

async fn port(order: &PortOrder) -> Result<(), CoordinatorError> {
    match order {
        PortOrder::Open {
            node_id,
            listen,
            tls,
            place,
        } => {
            let asked = json!({ "node_id": node_id, "address": listen.to_string(), "tls": tls });
            let made = ask(place, Method::POST, "/api/ports", Some(&asked)).await?;
            show(place, &made, || text(&made, "address"))
        }
        PortOrder::List { place } => {
            let all = ask(place, Method::GET, "/api/ports", None).await?;
            show(place, &all, || {
                table(&all, "ports", &["address", "node_id", "tls", "is_open"])
            })
        }
        PortOrder::Close { address, place } => {
            let path = format!("/api/ports/{}", encoded(&address.to_string()));
            let done = ask(place, Method::DELETE, &path, None).await?;
            show(place, &done, String::new)
        }
    }
}

/// What a coordinator answers; null where it has nothing to say.
async fn ask(
    place: &Place,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Value, CoordinatorError> {
    let request = match body {
        None => reach::plain(method, path),
        Some(body) => reach::with_json(method, path, body),
    };
    let asked = timeout(
        API_REQUEST,
        exchange(&place.state_dir.join(ADMIN_SOCKET), request),
    )
    .await;
    let asked = asked.unwrap_or_else(|_late| Err("the coordinator does not answer".to_owned()));
    asked.map_err(CoordinatorError::Settings)
}

pub(super) async fn exchange(socket: &Path, request: Request<docker::Body>) -> Result<Value, String> {
    let stream = UnixStream::connect(socket).await.map_err(|error| {
        format!(
            "no coordinator answers at {}: {error}; is it running, and does this user own it?",
            socket.display()
        )
    })?;
    let failed = |error: &dyn std::fmt::Display| format!("the coordinator broke off: {error}");
    let answer = docker::exchange(stream, request)
        .await
        .map_err(|error| failed(&error))?;
    let status = answer.status();
    let body = docker::collect(answer.into_body(), DOCKER_ANSWER_MAX).await;
    let body = body.map_err(|error| failed(&error))?;
    let value: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    if status.is_success() {
        return Ok(value);
    }
    let message = value.pointer("/error/message").and_then(Value::as_str);
    Err(message.map_or_else(|| format!("the coordinator answers {status}"), str::to_owned))
}

/// On standard output, as it was asked for.
fn show(place: &Place, value: &Value, words: impl FnOnce() -> String) -> Result<(), CoordinatorError> {
    let text = if place.json { value.to_string() } else { words() };
    if text.is_empty() {
        return Ok(());
    }
    writeln!(io::stdout(), "{}", text.trim_end()).map_err(CoordinatorError::System)
}

fn enrolled(made: &Value, address: &str) -> String {
    let (token, until) = (text(made, "token"), text(made, "expires_at"));
    format!(
        "token       {token}\ngood until  {until}, once\non the node:\n  \
         ENROLMENT_TOKEN={token} socketd-fleet node --coordinator {address}"
    )
}

/// A member as text.
fn text(value: &Value, name: &str) -> String {
    match value.get(name) {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// Rows of what is in the list `name`, with these members.
fn table(value: &Value, name: &str, columns: &[&str]) -> String {
    let none = Vec::new();
    let rows = value.get(name).and_then(Value::as_array).unwrap_or(&none);
    let mut lines: Vec<Vec<String>> = vec![columns.iter().map(|name| name.to_uppercase()).collect()];
    lines.extend(
        rows.iter()
            .map(|row| columns.iter().map(|name| shown(&text(row, name))).collect()),
    );
    let width = |at: usize| {
        let cells = lines.iter().filter_map(|line| line.get(at));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let mut all = String::new();
    for line in &lines {
        let cells = line.iter().zip(&widths);
        let row: Vec<String> = cells.map(|(cell, width)| format!("{cell:width$}")).collect();
        all.push_str(row.join("  ").trim_end());
        all.push('\n');
    }
    all
}

/// Names come from nodes: a terminal must not take them for orders.
fn shown(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_control() { '?' } else { letter })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables() {
        let check = |value: Value, expected: &str| {
            assert_eq!(table(&value, "nodes", &["name", "is_connected"]), expected);
        };
        check(json!({}), "NAME  IS_CONNECTED\n");
        let nodes = json!([{ "name": "phone\u{1b}[2J", "is_connected": true }, { "name": null }]);
        check(
            json!({ "nodes": nodes }),
            "NAME       IS_CONNECTED\nphone?[2J  true\n-          -\n",
        );
    }

    #[tokio::test]
    async fn a_coordinator_that_is_not_there() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place {
            state_dir: dir.path().to_owned(),
            json: false,
        };
        let error = run(&Order::Nodes { place }).await.unwrap_err().to_string();
        assert!(error.contains("is it running"), "{error}");
    }
}
