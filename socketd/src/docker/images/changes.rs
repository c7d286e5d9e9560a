//! The few instructions of a Dockerfile that an import or a commit may change its image by.

use std::collections::BTreeMap;

use wire::ImageConfig;
use wire::spec::{Pair, Port};

use crate::docker::containers::health::parse_instruction;
use crate::docker::containers::ports::parse_port;
use crate::docker::containers::signal::parse_signal;
use crate::docker::error::ApiError;

/// Applies `CMD`, `ENTRYPOINT`, `ENV`, `EXPOSE`, `HEALTHCHECK`, `LABEL`, `STOPSIGNAL`, `USER`, `VOLUME` and
/// `WORKDIR`, in order. One value may hold several lines.
///
/// # Errors
/// 400 for an instruction that is none or is malformed, 501 for `ONBUILD`.
pub(super) fn parse_changes<'a>(
    mut config: ImageConfig,
    changes: impl Iterator<Item = &'a str>,
) -> Result<ImageConfig, ApiError> {
    let mut labels: BTreeMap<String, String> = core::mem::take(&mut config.labels)
        .into_iter()
        .map(|label| (label.key, label.value))
        .collect();
    for line in changes.flat_map(str::lines).map(str::trim) {
        if !line.is_empty() && !line.starts_with('#') {
            apply(line, &mut config, &mut labels)?;
        }
    }
    config.labels = labels
        .into_iter()
        .map(|(key, value)| Pair { key, value })
        .collect();
    Ok(config)
}

fn apply(
    line: &str,
    config: &mut ImageConfig,
    labels: &mut BTreeMap<String, String>,
) -> Result<(), ApiError> {
    let (instruction, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    let upper = instruction.to_ascii_uppercase();
    if rest.is_empty() {
        return Err(ApiError::bad_request(format!(
            "{upper} requires at least one argument"
        )));
    }
    match upper.as_str() {
        "CMD" => config.command = command(rest),
        "ENTRYPOINT" => config.entrypoint = command(rest),
        "ENV" => {
            for (key, value) in assignments(rest, &upper)? {
                config
                    .env
                    .retain(|entry| entry.split('=').next() != Some(key.as_str()));
                config.env.push(format!("{key}={value}"));
            }
        }
        "LABEL" => labels.extend(assignments(rest, &upper)?),
        "EXPOSE" => {
            for word in rest.split_whitespace() {
                let (container_port, protocol) = parse_port(word)?;
                let port = Port {
                    container_port,
                    protocol,
                    ..Port::default()
                };
                if !config.exposed.contains(&port) {
                    config.exposed.push(port);
                }
            }
        }
        "STOPSIGNAL" => {
            parse_signal(rest)?;
            config.stop_signal = rest.to_owned();
        }
        "USER" => config.user = rest.to_owned(),
        "VOLUME" => {
            let paths =
                json_list(rest).unwrap_or_else(|| rest.split_whitespace().map(str::to_owned).collect());
            config.volumes.extend(paths);
        }
        "WORKDIR" => config.working_dir = joined(&config.working_dir, rest),
        "HEALTHCHECK" => config.health_check = Some(parse_instruction(rest)?),
        "ONBUILD" => return Err(ApiError::not_implemented("ONBUILD is not served")),
        _ => {
            return Err(ApiError::bad_request(format!(
                "{upper} is not a valid change command"
            )));
        }
    }
    Ok(())
}

/// `["a","b"]` as it is; anything else is a line for the shell.
fn command(text: &str) -> Vec<String> {
    json_list(text).unwrap_or_else(|| vec!["/bin/sh".to_owned(), "-c".to_owned(), text.to_owned()])
}

fn json_list(text: &str) -> Option<Vec<String>> {
    serde_json::from_str(text).ok()
}

/// A directory that is not absolute goes on from the one before.
fn joined(before: &str, next: &str) -> String {
    if next.starts_with('/') {
        next.to_owned()
    } else {
        format!("{}/{next}", before.trim_end_matches('/'))
    }
}

/// `A=b C="d e"`, or the older `A b c` with one key.
fn assignments(text: &str, instruction: &str) -> Result<Vec<(String, String)>, ApiError> {
    let words = words(text);
    let first_has_value = words.first().is_some_and(|word| word.contains('='));
    if !first_has_value {
        let (key, value) = text
            .split_once(char::is_whitespace)
            .ok_or_else(|| ApiError::bad_request(format!("{instruction} must have two arguments")))?;
        return Ok(vec![(key.to_owned(), value.trim().to_owned())]);
    }
    words
        .into_iter()
        .map(|word| match word.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
            Some(_) => Err(ApiError::bad_request(format!(
                "{instruction} names can not be blank"
            ))),
            None => Err(ApiError::bad_request(format!(
                "Syntax error - can't find = in {word:?}. Must be of the form: name=value"
            ))),
        })
        .collect()
}

/// Words apart by blanks; quotes hold blanks together and go, a backslash quotes one character.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some(open), close) if open == close => quote = None,
            (None, '"' | '\'') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => word.get_or_insert_default().extend(characters.next()),
            (None, blank) if blank.is_whitespace() => words.extend(word.take()),
            (_, plain) => word.get_or_insert_default().push(plain),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(changes: &[&str]) -> Result<ImageConfig, ApiError> {
        parse_changes(ImageConfig::default(), changes.iter().copied())
    }

    #[test]
    fn commands_are_lists_or_lines_for_the_shell() {
        let config = parse(&[r#"CMD ["a", "b c"]"#, "entrypoint exec sh -c 'x'"]).unwrap();
        assert_eq!(config.command, ["a", "b c"]);
        assert_eq!(config.entrypoint, ["/bin/sh", "-c", "exec sh -c 'x'"]);
    }

    #[test]
    fn assignments_have_quotes_and_an_older_form() {
        #[track_caller]
        fn check(line: &str, expected: &[&str]) {
            assert_eq!(parse(&[line]).unwrap().env, expected, "{line}");
        }
        check("ENV A=b", &["A=b"]);
        check(
            "ENV A=b C=\"d e\" F='g h' I=j\\ k",
            &["A=b", "C=d e", "F=g h", "I=j k"],
        );
        check("ENV A b c", &["A=b c"]);
        check("ENV A=1 A=2", &["A=2"]);
        check("ENV A=", &["A="]);
        let config = parse(&["LABEL b=2 a=1\nLABEL b=3"]).unwrap();
        assert_eq!(config.labels, [Pair::new("a", "1"), Pair::new("b", "3")]);
    }

    #[test]
    fn the_rest_is_taken_over() {
        let config = parse(&[
            "EXPOSE 80 53/udp 80",
            "USER 1:2",
            "WORKDIR /a",
            "WORKDIR b",
            "VOLUME [\"/data\"]",
            "VOLUME /x /y",
            "STOPSIGNAL SIGINT",
            "HEALTHCHECK --retries=2 CMD true",
        ])
        .unwrap();
        let ports: Vec<_> = config
            .exposed
            .iter()
            .map(|port| (port.container_port, port.protocol.as_str()))
            .collect();
        assert_eq!(ports, [(80, "tcp"), (53, "udp")]);
        assert_eq!(config.user, "1:2");
        assert_eq!(config.working_dir, "/a/b");
        assert_eq!(config.volumes, ["/data", "/x", "/y"]);
        assert_eq!(config.stop_signal, "SIGINT");
        let check = config.health_check.unwrap();
        assert_eq!((check.retries, check.shell), (2, true));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        #[track_caller]
        fn check(line: &str, status: u16, expected: &str) {
            let error = parse(&[line]).unwrap_err();
            assert_eq!((error.status, error.message.as_str()), (status, expected));
        }
        check("RUN rm -rf /", 400, "RUN is not a valid change command");
        check("CMD", 400, "CMD requires at least one argument");
        check("ENV A", 400, "ENV must have two arguments");
        check("ENV =b", 400, "ENV names can not be blank");
        check("STOPSIGNAL X", 400, "Invalid signal: X");
        check("EXPOSE x", 400, "invalid port specification: \"x\"");
        check("HEALTHCHECK NONE x", 400, "HEALTHCHECK NONE takes no arguments");
        check("ONBUILD RUN x", 501, "ONBUILD is not served");
    }
}
