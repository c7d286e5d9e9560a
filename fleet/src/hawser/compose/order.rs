//! What a server asks for, and the command lines that it comes to.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer};

use super::environment::{self, EnvironmentError};
use super::registries::Registry;
use crate::limits::{STACK_FILES_MAX, STACK_NAME_BYTES_MAX, STACK_SERVICES_MAX};

/// What is to be done with a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Up,
    Down,
    Pull,
    Ps,
    Logs,
    Restart,
    Stop,
    Start,
}

impl Operation {
    const ALL: [Self; 8] = [
        Self::Up,
        Self::Down,
        Self::Pull,
        Self::Ps,
        Self::Logs,
        Self::Restart,
        Self::Stop,
        Self::Start,
    ];

    /// As servers and the command call it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Pull => "pull",
            Self::Ps => "ps",
            Self::Logs => "logs",
            Self::Restart => "restart",
            Self::Stop => "stop",
            Self::Start => "start",
        }
    }

    /// Whether somebody takes apart what it writes.
    pub(super) fn is_read_by_programs(self) -> bool {
        matches!(self, Self::Ps | Self::Logs)
    }
}

/// A file that is to go, if it is still as a server left it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Deletion {
    pub(super) path: String,
    /// SHA-256 of what the server left, in hexadecimal digits.
    pub(super) sha256: String,
}

/// What is asked for, looked through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) operation: Operation,
    pub(super) project: String,
    pub(super) services: Vec<String>,
    /// The stack's file where there is only one.
    pub(super) compose_file: String,
    /// Names of its files in order.
    pub(super) names: Vec<String>,
    pub(super) files: BTreeMap<String, String>,
    pub(super) files_to_delete: Vec<Deletion>,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) registries: Vec<Registry>,
    pub(super) remove_files: bool,
    pub(super) stream_output: bool,
    flags: Flags,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Flags {
    force_recreate: bool,
    remove_volumes: bool,
    build: bool,
    no_build_cache: bool,
    /// Whether other services are left alone.
    is_alone: bool,
    pull_policy: String,
    tail: String,
}

/// Why a request is none.
#[derive(Debug)]
pub(super) enum OrderError {
    /// It is no JSON, or not of this shape.
    Json(serde_json::Error),
    /// This is nothing that can be done.
    Operation,
    /// This field has a name that none may have.
    Name(&'static str),
    /// It names a directory of this machine.
    WorkDir,
    /// This field has too much in it.
    TooMany(&'static str),
    /// Its variables may not be set.
    Environment(EnvironmentError),
}

impl fmt::Display for OrderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // The place says enough; the text may be a password.
            Self::Json(error) => write!(
                f,
                "this is no request for compose: look at line {}, column {}",
                error.line(),
                error.column()
            ),
            Self::Operation => {
                f.write_str("an operation is up, down, pull, ps, logs, restart, stop or start")
            }
            Self::Name(field) => write!(
                f,
                "{field}: a name has letters, digits, `_`, `.` and `-`, and begins with none of these"
            ),
            Self::WorkDir => f.write_str(
                "workDir: stacks have their directories below STACKS_DIR, and are sent with their files",
            ),
            Self::TooMany(field) => write!(f, "{field}: these are too many"),
            Self::Environment(error) => write!(f, "envVars: {error}"),
        }
    }
}

/// As it is sent. Servers leave out what they do not know, and write null for what they do not have.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Sent {
    #[serde(deserialize_with = "or_default")]
    operation: String,
    #[serde(deserialize_with = "or_default")]
    project_name: String,
    #[serde(deserialize_with = "or_default")]
    work_dir: String,
    #[serde(deserialize_with = "or_default")]
    compose_file: String,
    #[serde(deserialize_with = "or_default")]
    compose_file_name: String,
    #[serde(deserialize_with = "or_default")]
    compose_file_names: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    services: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    service_name: String,
    #[serde(deserialize_with = "or_default")]
    options: Options,
    #[serde(deserialize_with = "or_default")]
    env_vars: BTreeMap<String, String>,
    #[serde(deserialize_with = "or_default")]
    files: BTreeMap<String, String>,
    #[serde(deserialize_with = "or_default")]
    files_to_delete: Vec<Deletion>,
    #[serde(deserialize_with = "or_default")]
    registries: Vec<Registry>,
    #[serde(deserialize_with = "or_default")]
    force_recreate: bool,
    #[serde(deserialize_with = "or_default")]
    remove_volumes: bool,
    #[serde(deserialize_with = "or_default")]
    build: bool,
    #[serde(deserialize_with = "or_default")]
    no_build_cache: bool,
    #[serde(deserialize_with = "or_default")]
    pull_policy: String,
    #[serde(deserialize_with = "or_default")]
    remove_files: bool,
    #[serde(deserialize_with = "or_default")]
    stream_output: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Options {
    tail: serde_json::Value,
}

fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}

/// Lines of a log where nobody says how many.
const TAIL: &str = "100";

impl Order {
    /// Looks a request through.
    pub(super) fn parse(request: &[u8]) -> Result<Self, OrderError> {
        let sent: Sent = serde_json::from_slice(request).map_err(OrderError::Json)?;
        let mut operations = Operation::ALL.into_iter();
        let operation = operations
            .find(|operation| operation.word() == sent.operation)
            .ok_or(OrderError::Operation)?;
        if !sent.work_dir.is_empty() {
            return Err(OrderError::WorkDir);
        }
        let is_alone = !sent.service_name.is_empty();
        let mut services = sent.services;
        services.extend(Some(sent.service_name).filter(|_| is_alone));
        if services.len() > STACK_SERVICES_MAX {
            return Err(OrderError::TooMany("services"));
        }
        let mut names = sent.compose_file_names;
        names.extend(Some(sent.compose_file_name).filter(|name| names.is_empty() && !name.is_empty()));
        if sent.files.len() > STACK_FILES_MAX {
            return Err(OrderError::TooMany("files"));
        }
        if sent.files_to_delete.len().max(names.len()) > STACK_FILES_MAX {
            return Err(OrderError::TooMany("filesToDelete, composeFileNames"));
        }
        let tail = match sent.options.tail {
            serde_json::Value::Number(number) => number.to_string(),
            serde_json::Value::String(text) if !text.is_empty() => text,
            _ => TAIL.to_owned(),
        };
        if !is_name(&sent.project_name) {
            return Err(OrderError::Name("projectName"));
        }
        if !services.iter().all(|service| is_name(service)) {
            return Err(OrderError::Name("services"));
        }
        if !is_name(&tail) {
            return Err(OrderError::Name("options.tail"));
        }
        if !sent.pull_policy.is_empty() && !is_name(&sent.pull_policy) {
            return Err(OrderError::Name("pullPolicy"));
        }
        environment::judge(sent.env_vars.iter()).map_err(OrderError::Environment)?;
        Ok(Self {
            operation,
            project: sent.project_name,
            services,
            compose_file: sent.compose_file,
            names,
            files: sent.files,
            files_to_delete: sent.files_to_delete,
            environment: sent.env_vars,
            registries: sent.registries,
            remove_files: sent.remove_files,
            stream_output: sent.stream_output,
            flags: Flags {
                force_recreate: sent.force_recreate,
                remove_volumes: sent.remove_volumes,
                build: sent.build,
                no_build_cache: sent.no_build_cache,
                is_alone,
                pull_policy: sent.pull_policy,
                tail,
            },
        })
    }

    /// Whether it changes nothing.
    pub(super) fn is_look(&self) -> bool {
        let looks = matches!(self.operation, Operation::Ps | Operation::Logs);
        looks && self.files.is_empty() && self.files_to_delete.is_empty()
    }

    /// The command's arguments, once or twice; `place` says which files they are about. The older command knows less.
    pub(super) fn commands(&self, place: &[String], is_legacy: bool) -> Vec<Vec<String>> {
        let flags = &self.flags;
        let mut words: Vec<&str> = vec![self.operation.word()];
        match self.operation {
            Operation::Up => {
                words.extend(["-d", "--remove-orphans"]);
                words.extend(flags.is_alone.then_some("--no-deps"));
                words.extend(flags.force_recreate.then_some("--force-recreate"));
                words.extend((flags.build && !flags.no_build_cache).then_some("--build"));
                if !flags.pull_policy.is_empty() && !is_legacy {
                    words.extend(["--pull", &flags.pull_policy]);
                }
            }
            Operation::Down => {
                words.push("--remove-orphans");
                words.extend(flags.remove_volumes.then_some("--volumes"));
            }
            Operation::Ps if !is_legacy => words.extend(["--format", "json"]),
            Operation::Logs => words.extend(["--no-color", "--tail", &flags.tail]),
            Operation::Pull | Operation::Ps | Operation::Restart | Operation::Stop | Operation::Start => {}
        }
        let line = |words: &[&str]| {
            let own = ["--project-name", &self.project].map(str::to_owned);
            let words = words.iter().map(|word| (*word).to_owned());
            // Taking down is of the whole stack.
            let services = self.services.iter().filter(|_| self.operation != Operation::Down);
            own.into_iter()
                .chain(place.iter().cloned())
                .chain(words)
                .chain(services.cloned())
                .collect()
        };
        let mut lines = Vec::new();
        if self.operation == Operation::Up && flags.build && flags.no_build_cache {
            lines.push(line(&["build", "--no-cache"]));
        }
        lines.push(line(&words));
        lines
    }
}

/// A name that is neither an option nor a way to another directory.
fn is_name(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    (1..=STACK_NAME_BYTES_MAX).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.bytes().all(is_word)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn order(fields: &Value) -> Result<Order, String> {
        let mut sent = json!({ "operation": "up", "projectName": "st1" });
        let more = fields.as_object().unwrap().clone();
        sent.as_object_mut().unwrap().extend(more);
        Order::parse(sent.to_string().as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn command_lines() {
        let check = |fields: Value, is_legacy: bool, expected: &[&str]| {
            let place = ["-f".to_owned(), "a.yaml".to_owned()];
            let lines = order(&fields).unwrap().commands(&place, is_legacy);
            let lines: Vec<String> = lines.iter().map(|line| line.join(" ")).collect();
            let begin = "--project-name st1 -f a.yaml ";
            let expected: Vec<String> = expected.iter().map(|line| format!("{begin}{line}")).collect();
            assert_eq!(lines, expected, "{fields}");
        };
        check(json!({}), false, &["up -d --remove-orphans"]);
        check(
            json!({"services": ["a", "b"]}),
            false,
            &["up -d --remove-orphans a b"],
        );
        check(
            json!({"serviceName": "a"}),
            false,
            &["up -d --remove-orphans --no-deps a"],
        );
        let all = json!({"forceRecreate": true, "build": true, "pullPolicy": "always"});
        check(
            all.clone(),
            false,
            &["up -d --remove-orphans --force-recreate --build --pull always"],
        );
        check(all, true, &["up -d --remove-orphans --force-recreate --build"]);
        let afresh = json!({"build": true, "noBuildCache": true});
        check(afresh, false, &["build --no-cache", "up -d --remove-orphans"]);
        check(json!({"operation": "down"}), false, &["down --remove-orphans"]);
        let down = json!({"operation": "down", "removeVolumes": true, "services": ["a"]});
        check(down, false, &["down --remove-orphans --volumes"]);
        check(json!({"operation": "ps"}), false, &["ps --format json"]);
        check(json!({"operation": "ps"}), true, &["ps"]);
        check(
            json!({"operation": "logs"}),
            false,
            &["logs --no-color --tail 100"],
        );
        check(
            json!({"operation": "logs", "options": {"tail": 5}}),
            false,
            &["logs --no-color --tail 5"],
        );
        check(
            json!({"operation": "logs", "options": {"tail": "all"}}),
            false,
            &["logs --no-color --tail all"],
        );
        check(
            json!({"operation": "restart", "services": ["a"]}),
            false,
            &["restart a"],
        );
        check(json!({"operation": "pull"}), false, &["pull"]);
    }

    #[test]
    fn what_dockhand_sends() {
        // The shape that was recorded.
        let order = order(&json!({
            "composeFile": "services: {}\n", "envVars": {}, "files": {"compose.yaml": "services: {}\n"},
            "forceRecreate": false, "removeVolumes": false, "build": false, "noBuildCache": false,
            "pullPolicy": "", "registries": [{"url": "a", "username": "b", "password": "c", "id": 1}],
            "removeFiles": false, "workDir": null, "services": null, "options": null, "somethingNew": [1],
        }));
        let order = order.unwrap();
        assert_eq!(
            (order.files.len(), order.registries.len(), order.names.len()),
            (1, 1, 0)
        );
    }

    #[test]
    fn refusals() {
        let check = |fields: Value, part: &str| {
            let error = order(&fields).unwrap_err();
            assert!(error.contains(part), "{fields}: {error}");
        };
        for name in [
            "",
            "-d",
            "--help",
            ".",
            "..",
            "a/b",
            "../a",
            "a b",
            "ä",
            "a\u{0}",
            "a\n",
            "_a",
            &"x".repeat(256),
        ] {
            check(json!({ "projectName": name }), "projectName");
            check(json!({ "services": ["a", name] }), "services");
        }
        check(json!({ "serviceName": "--privileged" }), "services");
        check(json!({ "options": {"tail": "-f"} }), "options.tail");
        check(json!({ "options": {"tail": -1} }), "options.tail");
        check(json!({ "pullPolicy": "--x" }), "pullPolicy");
        check(json!({ "operation": "exec" }), "operation");
        check(json!({ "operation": null }), "operation");
        check(json!({ "workDir": "/etc" }), "workDir");
        check(json!({ "envVars": {"LD_PRELOAD": "/x"} }), "LD_PRELOAD");
        check(
            json!({ "services": vec!["a"; STACK_SERVICES_MAX + 1] }),
            "too many",
        );
        check(json!({ "files": [] }), "line 1");
        let secret = json!({ "registries": [{"url": 1, "password": "s3cret"}] });
        assert!(!order(&secret).unwrap_err().contains("s3cret"));
        for text in ["", "null", "[]", "{", "\u{0}"] {
            assert!(Order::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
