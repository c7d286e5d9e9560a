//! A container as the engine's inspect has it, and as a coordinator is told of it.
//!
//! It is read with fewer demands than Docker's own model makes: a word that this program does not know must not hide a
//! container.

use std::collections::{BTreeMap, HashMap};

use http_body_util::{BodyExt as _, Limited};
use hyper::{Method, Request};
use serde::Deserialize;

use crate::docker::{Docker, DockerError, empty};
use crate::limits;
use crate::proto::{self, bounds};

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Inspected {
    id: String,
    created: Option<String>,
    path: Option<String>,
    args: Option<Vec<String>>,
    state: State,
    image: Option<String>,
    name: Option<String>,
    restart_count: Option<i64>,
    config: Config,
    network_settings: NetworkSettings,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct State {
    status: Option<String>,
    exit_code: Option<i64>,
    started_at: Option<String>,
    finished_at: Option<String>,
    health: Option<Health>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Health {
    status: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Config {
    image: Option<String>,
    labels: Option<HashMap<String, String>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct NetworkSettings {
    ports: Option<BTreeMap<String, Option<Vec<Binding>>>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Binding {
    host_ip: Option<String>,
    host_port: Option<String>,
}

#[derive(Deserialize)]
struct Listed {
    #[serde(rename = "Id")]
    id: String,
}

/// The ids of all containers; of those that run, where nobody asks for the others. `prefix` is the API's version.
///
/// # Errors
/// As [`Docker::ask`].
pub(in crate::node) async fn list(
    docker: &Docker,
    prefix: &str,
    all: bool,
) -> Result<Vec<String>, DockerError> {
    let mut request = Request::new(empty());
    let path = format!("{prefix}/containers/json?all={all}");
    *request.uri_mut() = path.parse().unwrap_or_default();
    let body = docker.stream(request).await?;
    // Thousands of them are more than other answers are.
    let body = Limited::new(body, limits::LIST_ANSWER_MAX).collect().await;
    let body = body.map_err(|error| match error.downcast::<hyper::Error>() {
        Ok(error) => DockerError::Broken(*error),
        Err(_) => DockerError::TooLarge,
    })?;
    let listed: Vec<Listed> = serde_json::from_slice(&body.to_bytes()).map_err(DockerError::Shape)?;
    Ok(listed.into_iter().map(|one| one.id).collect())
}

/// A container as it is now; none where there is none, or it is on its way out.
///
/// # Errors
/// As [`Docker::ask`].
pub(in crate::node) async fn inspect(
    docker: &Docker,
    prefix: &str,
    id: &str,
) -> Result<Option<proto::Container>, DockerError> {
    // An id that is none would be another path.
    if id.is_empty()
        || !id
            .bytes()
            .all(|letter| letter.is_ascii_alphanumeric() || b"._-".contains(&letter))
    {
        return Ok(None);
    }
    match docker
        .ask::<Inspected>(Method::GET, &format!("{prefix}/containers/{id}/json"), None)
        .await
    {
        Ok(inspected) => {
            let mut container = inspected.into();
            Ok(bounds::container(&mut container).then_some(container))
        }
        Err(DockerError::Refused(404, _)) => Ok(None),
        Err(error) => Err(error),
    }
}

impl From<Inspected> for proto::Container {
    fn from(inspected: Inspected) -> Self {
        let State {
            status,
            exit_code,
            started_at,
            finished_at,
            health,
        } = inspected.state;
        let name = inspected.name.unwrap_or_default();
        let name = name.strip_prefix('/').unwrap_or(&name);
        let command = inspected
            .path
            .into_iter()
            .chain(inspected.args.unwrap_or_default());
        let created = inspected.created.as_deref().and_then(nanoseconds).unwrap_or(0);
        let health = health.and_then(|health| health.status);
        Self {
            id: inspected.id,
            names: [name]
                .iter()
                .filter(|name| !name.is_empty())
                .map(|name| (*name).to_owned())
                .collect(),
            image: inspected.config.image.unwrap_or_default(),
            image_id: inspected.image.unwrap_or_default(),
            command: command.collect::<Vec<_>>().join(" "),
            created: created.div_euclid(1_000_000_000),
            state: status.unwrap_or_default(),
            health: health.filter(|status| status != "none").unwrap_or_default(),
            started_at_nano: started_at.as_deref().and_then(nanoseconds),
            finished_at_nano: finished_at.as_deref().and_then(nanoseconds),
            exit_code: clamped(exit_code.unwrap_or(0)),
            labels: inspected.config.labels.unwrap_or_default(),
            ports: ports(inspected.network_settings.ports.unwrap_or_default()),
            restart_count: u32::try_from(inspected.restart_count.unwrap_or(0)).unwrap_or(0),
        }
    }
}

fn clamped(code: i64) -> i32 {
    i32::try_from(code).unwrap_or(if code < 0 { i32::MIN } else { i32::MAX })
}

/// A time of Docker's, in nanoseconds since 1970; none for its word for never, which is in the year 1.
fn nanoseconds(text: &str) -> Option<i64> {
    let time: jiff::Timestamp = text.parse().ok()?;
    if time <= jiff::Timestamp::UNIX_EPOCH {
        return None;
    }
    i64::try_from(time.as_nanosecond()).ok()
}

/// `80/tcp`, with where it is published.
fn ports(ports: BTreeMap<String, Option<Vec<Binding>>>) -> Vec<proto::Port> {
    let mut all = Vec::new();
    for (inside, bindings) in ports {
        let (port, protocol) = inside.split_once('/').unwrap_or((&inside, "tcp"));
        let Ok(private_port) = port.parse::<u16>() else {
            continue;
        };
        let port = |ip: &str, public_port: u16| proto::Port {
            private_port: private_port.into(),
            public_port: public_port.into(),
            protocol: protocol.to_owned(),
            ip: ip.to_owned(),
        };
        let bindings = bindings.unwrap_or_default();
        if bindings.is_empty() {
            all.push(port("", 0));
        }
        for binding in &bindings {
            let public = binding.host_port.as_deref().and_then(|port| port.parse().ok());
            all.push(port(
                binding.host_ip.as_deref().unwrap_or_default(),
                public.unwrap_or(0),
            ));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> proto::Container {
        serde_json::from_str::<Inspected>(text).unwrap().into()
    }

    #[test]
    fn a_container_that_ran() {
        let container = told(
            r#"{"Id":"c1","Created":"2026-11-18T11:06:40.5Z","Path":"sh","Args":["-c","exit 3"],"Image":"sha256:1",
            "Name":"/web","RestartCount":2,"State":{"Status":"exited","ExitCode":3,
            "StartedAt":"2026-11-18T11:06:41Z","FinishedAt":"2026-11-18T11:06:42.000000001Z",
            "Health":{"Status":"unhealthy"}},"Config":{"Image":"web:1","Labels":{"a":"b"}},
            "NetworkSettings":{"Ports":{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8080"}],"53/udp":null}}}"#,
        );
        let port = |private_port, public_port, protocol: &str, ip: &str| proto::Port {
            private_port,
            public_port,
            protocol: protocol.to_owned(),
            ip: ip.to_owned(),
        };
        let expected = proto::Container {
            id: "c1".to_owned(),
            names: vec!["web".to_owned()],
            image: "web:1".to_owned(),
            image_id: "sha256:1".to_owned(),
            command: "sh -c exit 3".to_owned(),
            created: 1_795_000_000,
            state: "exited".to_owned(),
            health: "unhealthy".to_owned(),
            started_at_nano: Some(1_795_000_001_000_000_000),
            finished_at_nano: Some(1_795_000_002_000_000_001),
            exit_code: 3,
            labels: HashMap::from([("a".to_owned(), "b".to_owned())]),
            ports: vec![port(53, 0, "udp", ""), port(80, 8080, "tcp", "0.0.0.0")],
            restart_count: 2,
        };
        assert_eq!(container, expected);
    }

    #[test]
    fn what_never_was_and_what_nobody_knows() {
        let container = told(
            r#"{"Id":"c1","State":{"Status":"dreaming","StartedAt":"0001-01-01T00:00:00Z","FinishedAt":"",
            "Health":{"Status":"none"}},"Config":{"Labels":null},"New":{"x":1}}"#,
        );
        assert_eq!(container.state, "dreaming");
        assert_eq!(container.started_at_nano, None);
        assert_eq!(container.finished_at_nano, None);
        assert_eq!(container.health, "");
        assert!(container.names.is_empty());
    }

    #[test]
    fn exit_codes() {
        let check = |code: i64, expected: i32| assert_eq!(clamped(code), expected, "{code}");
        check(0, 0);
        check(137, 137);
        check(0xC000_013A, i32::MAX);
        check(i64::MIN, i32::MIN);
    }
}
