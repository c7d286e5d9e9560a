//! Further processes in a container: what clients send, and what they are shown.

use serde::{Deserialize, Deserializer, Serialize};
use wire::exec::{Exec, ExecSpec};
use wire::{Refusal, RefusalCode};

use super::attach::detach_keys;
use super::error::{Act, ApiError, from_refusal};

/// Absent and `null` both mean the default.
fn set<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Body of `POST /containers/{id}/exec`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct CreateBody {
    #[serde(deserialize_with = "set")]
    attach_stdin: bool,
    #[serde(deserialize_with = "set")]
    attach_stdout: bool,
    #[serde(deserialize_with = "set")]
    attach_stderr: bool,
    #[serde(deserialize_with = "set")]
    cmd: Vec<String>,
    #[serde(deserialize_with = "set")]
    console_size: Option<(u16, u16)>,
    #[serde(deserialize_with = "set")]
    detach_keys: String,
    #[serde(deserialize_with = "set")]
    env: Vec<String>,
    #[serde(deserialize_with = "set")]
    privileged: bool,
    #[serde(deserialize_with = "set")]
    tty: bool,
    #[serde(deserialize_with = "set")]
    user: String,
    #[serde(deserialize_with = "set")]
    working_dir: String,
}

/// Body of `POST /exec/{id}/start`.
#[derive(Debug, Default, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct StartBody {
    /// Whether nobody will read or write.
    #[serde(deserialize_with = "set")]
    pub detach: bool,
    /// Whether the client believes in a terminal. What was asked at creation counts.
    #[serde(deserialize_with = "set")]
    pub tty: bool,
    /// Rows and columns.
    #[serde(deserialize_with = "set")]
    pub console_size: Option<(u16, u16)>,
}

/// Answer to a creation.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Created {
    /// The new id.
    pub id: String,
}

/// Reads a JSON body; an empty one means nothing but defaults where `T` allows that.
fn json<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| ApiError::bad_request(format!("invalid JSON: {error}")))
}

/// Reads what is to be prepared.
///
/// # Errors
/// 400 with Docker's sentences.
pub fn parse_create(body: &[u8]) -> Result<ExecSpec, ApiError> {
    if body.is_empty() {
        return Err(ApiError::bad_request(
            "invalid JSON: got EOF while reading request body",
        ));
    }
    let body: CreateBody = json(body)?;
    if body.cmd.is_empty() {
        return Err(ApiError::bad_request("No exec command specified"));
    }
    detach_keys(&body.detach_keys)?;
    let (rows, columns) = body.console_size.unwrap_or_default();
    Ok(ExecSpec {
        arguments: body.cmd,
        env: body.env,
        working_dir: body.working_dir,
        user: body.user,
        tty: body.tty,
        attach_stdin: body.attach_stdin,
        attach_stdout: body.attach_stdout,
        attach_stderr: body.attach_stderr,
        privileged: body.privileged,
        detach_keys: body.detach_keys,
        rows,
        columns,
    })
}

/// Reads how it is to be started; no body means attached.
///
/// # Errors
/// 400 for what is no JSON.
pub fn parse_start(body: &[u8]) -> Result<StartBody, ApiError> {
    if body.is_empty() {
        return Ok(StartBody::default());
    }
    json(body)
}

/// What a client reads in the stream where the command cannot be started, as the container runtimes
/// below Docker word it; none for what is refused with a status instead.
#[must_use]
pub fn start_failure(refusal: &Refusal) -> Option<String> {
    match refusal.code {
        RefusalCode::CommandNotFound | RefusalCode::CommandNotExecutable | RefusalCode::NoSuchUser => {
            let why = from_refusal(refusal, Act::Other).message;
            Some(format!(
                "OCI runtime exec failed: exec failed: {why}: unknown\r\n"
            ))
        }
        _ => None,
    }
}

/// What is answered where it was started before.
#[must_use]
pub fn started_before(exec: &Exec) -> ApiError {
    let what = if exec.running {
        "is already running"
    } else {
        "has already run"
    };
    ApiError::conflict(format!("Error: Exec command {} {what}", exec.id))
}

/// `GET /exec/{id}/json`.
#[derive(Debug, Serialize)]
pub struct Inspect<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    #[serde(rename = "Running")]
    running: bool,
    #[serde(rename = "ExitCode")]
    exit_code: Option<u32>,
    #[serde(rename = "ProcessConfig")]
    process_config: ProcessConfig<'a>,
    #[serde(rename = "OpenStdin")]
    open_stdin: bool,
    #[serde(rename = "OpenStderr")]
    open_stderr: bool,
    #[serde(rename = "OpenStdout")]
    open_stdout: bool,
    #[serde(rename = "CanRemove")]
    can_remove: bool,
    #[serde(rename = "ContainerID")]
    container_id: String,
    #[serde(rename = "DetachKeys")]
    detach_keys: &'a str,
    #[serde(rename = "Pid")]
    pid: u32,
}

#[derive(Debug, Serialize)]
struct ProcessConfig<'a> {
    tty: bool,
    entrypoint: &'a str,
    arguments: &'a [String],
    privileged: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    user: &'a str,
}

impl<'a> Inspect<'a> {
    /// What is shown of a further process.
    #[must_use]
    pub fn new(exec: &'a Exec) -> Self {
        let spec = &exec.spec;
        let (entrypoint, arguments) = spec
            .arguments
            .split_first()
            .map_or(("", [].as_slice()), |(first, rest)| (first.as_str(), rest));
        Self {
            id: &exec.id,
            running: exec.running,
            exit_code: exec.exit_code,
            process_config: ProcessConfig {
                tty: spec.tty,
                entrypoint,
                arguments,
                privileged: spec.privileged,
                user: &spec.user,
            },
            open_stdin: spec.attach_stdin,
            open_stderr: spec.attach_stderr,
            open_stdout: spec.attach_stdout,
            can_remove: false,
            container_id: exec.container.to_string(),
            detach_keys: &spec.detach_keys,
            pid: exec.pid,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_becomes_what_is_to_be_prepared() {
        let body = br#"{"AttachStdout":true,"Cmd":["sh","-c","id"],"User":"1:2","Env":["A=b"],"WorkingDir":"/tmp",
            "Tty":true,"Privileged":true,"DetachKeys":"ctrl-a","ConsoleSize":[40,120],"Env2":null,"AttachStdin":null}"#;
        let spec = parse_create(body).unwrap();
        assert_eq!(spec.arguments, ["sh", "-c", "id"]);
        assert_eq!((spec.user.as_str(), spec.working_dir.as_str()), ("1:2", "/tmp"));
        assert_eq!(spec.env, ["A=b"]);
        assert!(
            spec.tty && spec.privileged && spec.attach_stdout && !spec.attach_stdin && !spec.attach_stderr
        );
        assert_eq!((spec.rows, spec.columns), (40, 120));
        assert_eq!(spec.detach_keys, "ctrl-a");
    }

    #[test]
    fn a_body_that_is_wrong_is_refused_in_dockers_words() {
        #[track_caller]
        fn check(body: &str, begin: &str) {
            let error = parse_create(body.as_bytes()).unwrap_err();
            assert_eq!(error.status, 400);
            assert!(error.message.starts_with(begin), "{body}: {error:?}");
        }
        check("{}", "No exec command specified");
        check(r#"{"Cmd":null}"#, "No exec command specified");
        check("", "invalid JSON: got EOF");
        check("{", "invalid JSON: ");
        check(r#"{"Cmd":"x"}"#, "invalid JSON: ");
        check(r#"{"Cmd":["x"],"ConsoleSize":[-1,5]}"#, "invalid JSON: ");
        check(
            r#"{"Cmd":["x"],"DetachKeys":"zz"}"#,
            "Invalid detach keys (zz) provided",
        );
    }

    #[test]
    fn a_start_without_a_body_is_attached() {
        assert_eq!(parse_start(b""), Ok(StartBody::default()));
        let asked = parse_start(br#"{"Detach":true,"Tty":false,"ConsoleSize":null}"#).unwrap();
        assert!(asked.detach && asked.console_size.is_none());
        assert!(parse_start(b"nonsense").is_err());
    }

    #[test]
    fn a_command_that_is_missing_is_told_in_the_stream() {
        let told = start_failure(&Refusal::about(RefusalCode::CommandNotFound, "nosuch"));
        assert_eq!(
            told.as_deref(),
            Some(
                "OCI runtime exec failed: exec failed: unable to start container process: exec: \"nosuch\": executable file not found in $PATH: unknown\r\n"
            )
        );
        assert_eq!(start_failure(&Refusal::about(RefusalCode::NotRunning, "c")), None);
    }

    #[test]
    fn an_exec_is_shown_whole() {
        let exec = Exec {
            id: "ab".repeat(32),
            exit_code: Some(4),
            spec: ExecSpec {
                arguments: vec!["sh".to_owned(), "-c".to_owned()],
                attach_stdout: true,
                ..ExecSpec::default()
            },
            ..Exec::default()
        };
        let expected = format!(
            r#"{{"ID":"{}","Running":false,"ExitCode":4,"ProcessConfig":{{"tty":false,"entrypoint":"sh","arguments":["-c"],"privileged":false}},"OpenStdin":false,"OpenStderr":false,"OpenStdout":true,"CanRemove":false,"ContainerID":"{}","DetachKeys":"","Pid":0}}"#,
            exec.id, exec.container,
        );
        assert_eq!(serde_json::to_string(&Inspect::new(&exec)).unwrap(), expected);
    }
}
