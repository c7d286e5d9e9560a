//! `POST /commit`.

use serde::Serialize;
use wire::files::Commit;
use wire::spec::Port;
use wire::{Container, Image, ImageConfig};

use super::changes::parse_changes;
use super::index::{ImageIndex, repo_and_tag};
use crate::docker::containers::create::parse_config;
use crate::docker::containers::operate::reference;
use crate::docker::error::ApiError;
use crate::docker::query::Query;

/// Reads `container`.
///
/// # Errors
/// 400 with Docker's sentence where there is none.
pub fn commit_container(query: &Query) -> Result<&str, ApiError> {
    match query.text("container").map(reference) {
        None | Some("") => Err(ApiError::bad_request(
            "invalid container name or ID: value is empty",
        )),
        Some(container) => Ok(container),
    }
}

/// Reads `repo`, `tag`, `comment`, `author`, `pause`, `changes` and the body. What neither body nor
/// changes say of the image, the container does.
///
/// # Errors
/// 400 or 501 with Docker's sentence.
pub fn parse_commit(
    query: &Query,
    body: &[u8],
    content_type: Option<&str>,
    container: &Container,
    images: &ImageIndex,
) -> Result<Commit, ApiError> {
    let of_container = config_of(container, images);
    let given = parse_config(body, content_type)?.unwrap_or_else(|| of_container.clone());
    let config = parse_changes(given, query.all("changes"))?;
    let text = |key: &str| query.text(key).unwrap_or_default().to_owned();
    Ok(Commit {
        reference: container.id.to_string(),
        tag: repo_and_tag(query)?.unwrap_or_default(),
        comment: text("comment"),
        author: text("author"),
        pause: query.flag_or("pause", true),
        config: merged(config, of_container),
    })
}

/// What a container was made to be, as an image would say it. Directories that its image wants
/// kept are known to the image alone.
fn config_of(container: &Container, images: &ImageIndex) -> ImageConfig {
    let (spec, process) = (&container.spec, &container.spec.process);
    let image = images
        .images()
        .iter()
        .find(|image| image.id == container.image_id);
    ImageConfig {
        entrypoint: process.entrypoint.clone(),
        command: process.command.clone(),
        env: process.env.clone(),
        working_dir: process.working_dir.clone(),
        user: process.user.clone(),
        labels: spec.labels.clone(),
        exposed: spec.network.exposed.clone(),
        volumes: image
            .map(|image| image.config.volumes.clone())
            .unwrap_or_default(),
        stop_signal: process.stop_signal.clone(),
        health_check: spec.health_check.clone(),
    }
}

/// Docker's rule: `own` first, `other` wherever it says nothing.
fn merged(own: ImageConfig, other: ImageConfig) -> ImageConfig {
    let text = |own: String, other: String| if own.is_empty() { other } else { own };
    let (command, entrypoint) = match (own.command.is_empty(), own.entrypoint.is_empty()) {
        (true, true) => (other.command, other.entrypoint),
        // A command of one's own keeps the entrypoint; an entrypoint of one's own has no command but its own.
        (false, true) => (own.command, other.entrypoint),
        (_, false) => (own.command, own.entrypoint),
    };
    let name = |entry: &str| entry.split('=').next().unwrap_or_default().to_owned();
    let mut env = own.env;
    for entry in other.env {
        if env.iter().all(|mine| name(mine) != name(&entry)) {
            env.push(entry);
        }
    }
    let mut labels = own.labels;
    for label in other.labels {
        if labels.iter().all(|mine| mine.key != label.key) {
            labels.push(label);
        }
    }
    labels.sort_by(|one, next| one.key.cmp(&next.key));
    let mut exposed = own.exposed;
    let same = |one: &Port, next: &Port| {
        (one.container_port, &one.protocol) == (next.container_port, &next.protocol)
    };
    for port in other.exposed {
        if exposed.iter().all(|mine| !same(mine, &port)) {
            exposed.push(port);
        }
    }
    let mut volumes = own.volumes;
    for path in other.volumes {
        if !volumes.contains(&path) {
            volumes.push(path);
        }
    }
    ImageConfig {
        entrypoint,
        command,
        env,
        working_dir: text(own.working_dir, other.working_dir),
        user: text(own.user, other.user),
        labels,
        exposed,
        volumes,
        stop_signal: text(own.stop_signal, other.stop_signal),
        health_check: own.health_check.or(other.health_check),
    }
}

/// The answer to a commit.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Committed {
    id: String,
}

/// What a commit answers (201): the image's id.
#[must_use]
pub fn committed(image: &Image) -> Committed {
    Committed {
        id: format!("sha256:{}", image.id),
    }
}

#[cfg(test)]
mod tests {
    use wire::spec::Pair;
    use wire::{ContainerId, ImageId};

    use super::*;

    fn container() -> Container {
        let mut container = Container {
            id: ContainerId([7; 32]),
            image_id: ImageId([9; 32]),
            ..Container::default()
        };
        let spec = &mut container.spec;
        spec.process.entrypoint = vec!["/entry".into()];
        spec.process.command = vec!["serve".into()];
        spec.process.env = vec!["A=1".into(), "B=2".into()];
        spec.process.user = "7".into();
        spec.labels = vec![Pair::new("team", "a")];
        container
    }

    fn commit(query: &str, body: &str) -> Result<Commit, ApiError> {
        let images = ImageIndex::new(vec![Image {
            id: ImageId([9; 32]),
            config: ImageConfig {
                volumes: vec!["/data".into()],
                ..ImageConfig::default()
            },
            ..Image::default()
        }]);
        let query = Query::parse(Some(query));
        parse_commit(
            &query,
            body.as_bytes(),
            Some("application/json"),
            &container(),
            &images,
        )
    }

    #[test]
    fn an_image_is_what_its_container_was() {
        for body in ["", "null", "{}"] {
            let commit = commit("container=c&repo=new&tag=x&comment=why&author=me", body).unwrap();
            assert_eq!(commit.reference, "07".repeat(32));
            assert_eq!(
                (
                    commit.tag.as_str(),
                    commit.comment.as_str(),
                    commit.author.as_str()
                ),
                ("new:x", "why", "me")
            );
            assert!(commit.pause);
            assert_eq!(commit.config.entrypoint, ["/entry"], "{body}");
            assert_eq!(commit.config.command, ["serve"], "{body}");
            assert_eq!(commit.config.env, ["A=1", "B=2"], "{body}");
            assert_eq!(commit.config.volumes, ["/data"], "{body}");
            assert_eq!(commit.config.labels, [Pair::new("team", "a")], "{body}");
        }
    }

    #[test]
    fn body_and_changes_come_first() {
        let body =
            r#"{"Env":["A=9"],"Cmd":["own"],"Labels":{"z":"1"},"User":"8","ExposedPorts":{"80/tcp":{}}}"#;
        let query = "container=c&pause=0&changes=ENV+B%3D3&changes=WORKDIR+/w&changes=HEALTHCHECK+CMD+x";
        let commit = commit(query, body).unwrap();
        assert!(!commit.pause && commit.tag.is_empty());
        let config = commit.config;
        assert_eq!(config.env, ["A=9", "B=3"]);
        assert_eq!(config.command, ["own"]);
        assert_eq!(config.entrypoint, ["/entry"]);
        assert_eq!((config.user.as_str(), config.working_dir.as_str()), ("8", "/w"));
        assert_eq!(config.labels, [Pair::new("team", "a"), Pair::new("z", "1")]);
        assert_eq!(config.exposed.len(), 1);
        assert!(config.health_check.is_some());
    }

    #[test]
    fn what_cannot_be_is_refused() {
        #[track_caller]
        fn check(query: &str, body: &str, status: u16, expected: &str) {
            let error = commit(query, body).unwrap_err();
            assert_eq!((error.status, error.message.as_str()), (status, expected));
        }
        check(
            "container=c&repo=UPPER",
            "",
            400,
            "invalid reference format: repository name must be lowercase",
        );
        check(
            "container=c&changes=RUN+x",
            "",
            400,
            "RUN is not a valid change command",
        );
        check("container=c", r#"{"StopSignal":"X"}"#, 400, "Invalid signal: X");
        check(
            "container=c",
            r#"{"User":"\u0000"}"#,
            400,
            "invalid JSON: a text holds a NUL character",
        );
        for text in ["", "container=", "container=/"] {
            let error = commit_container(&Query::parse(Some(text))).unwrap_err();
            assert_eq!(error.message, "invalid container name or ID: value is empty");
        }
    }
}
