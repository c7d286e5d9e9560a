//! One table from what went wrong to a status and Docker's sentence.

use serde::Serialize;
use wire::{Refusal, RefusalCode};

/// An answer that is not a success: its status, and the sentence under `message`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApiError {
    /// HTTP status. 304 goes without a body.
    #[serde(skip)]
    pub status: u16,
    /// The sentence, as Docker words it.
    pub message: String,
}

impl ApiError {
    /// Any status with any sentence.
    pub fn new(status: u16, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }
    /// 304: nothing to do. Goes without a body.
    #[must_use]
    pub fn not_modified() -> Self {
        Self::new(304, "")
    }
    /// 400: the request is wrong.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, message)
    }
    /// 403: never, whoever asks.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(403, message)
    }
    /// 404: there is no such thing.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, message)
    }
    /// 409: not as things stand.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(409, message)
    }
    /// 410: it was there once.
    pub fn gone(message: impl Into<String>) -> Self {
        Self::new(410, message)
    }
    /// 500: something went wrong inside.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(500, message)
    }
    /// 501: not served, and what it is.
    pub fn not_implemented(message: impl Into<String>) -> Self {
        Self::new(501, message)
    }
    /// 503: not now.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(503, message)
    }
}

/// What was tried, because Docker words one refusal differently for different acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act<'a> {
    /// Looking at a container.
    Inspect,
    /// Starting it.
    Start,
    /// Stopping it.
    Stop,
    /// Stopping and starting it.
    Restart,
    /// Sending a signal to the container the client calls so.
    Kill {
        /// The name or id as the client wrote it.
        reference: &'a str,
    },
    /// Removing it.
    Remove,
    /// Renaming it.
    Rename,
    /// Making one.
    Create,
    /// Waiting for one.
    Wait,
    /// Looking at an image the client calls so.
    ImageInspect {
        /// The name or id as the client wrote it.
        reference: &'a str,
    },
    /// Removing an image the client calls so.
    ImageRemove {
        /// The name or id as the client wrote it.
        reference: &'a str,
        /// Whether it was asked for with force.
        force: bool,
    },
    /// Naming an image.
    ImageTag,
    /// Importing one.
    Import,
    /// A further process in the container the client calls so.
    Exec {
        /// The name or id as the client wrote it.
        reference: &'a str,
    },
    /// Files of the container the client calls so.
    Archive {
        /// The name or id as the client wrote it.
        reference: &'a str,
    },
    /// Freezing one, or thawing it.
    Pause,
    /// Attaching to one.
    Attach,
    /// Anything else.
    Other,
}

/// What Docker would answer.
#[must_use]
pub fn from_refusal(refusal: &Refusal, act: Act<'_>) -> ApiError {
    let subject = refusal.subject.as_str();
    match refusal.code {
        RefusalCode::NoSuchContainer => ApiError::not_found(format!("No such container: {subject}")),
        RefusalCode::AmbiguousContainer => {
            ApiError::bad_request(format!("multiple IDs found with provided prefix: {subject}"))
        }
        RefusalCode::NoSuchImage => no_such_image(subject, act),
        RefusalCode::NameInUse => name_in_use(refusal, act),
        RefusalCode::InvalidName => ApiError::bad_request(invalid_name(subject)),
        RefusalCode::SameName => {
            ApiError::bad_request("Renaming a container with the same name as its current name")
        }
        RefusalCode::AlreadyRunning => already_running(subject, act),
        RefusalCode::NotRunning => not_running(subject, act),
        RefusalCode::ContainerRunning => ApiError::conflict(format!(
            "You cannot remove a running container {subject}. Stop the container before attempting removal or force remove"
        )),
        RefusalCode::Busy => busy(subject, act),
        RefusalCode::ImageInUse => image_in_use(refusal, act),
        RefusalCode::ImageHasTags => ApiError::conflict(format!(
            "conflict: unable to delete {} (must be forced) - image is referenced in multiple repositories",
            short_id(subject)
        )),
        RefusalCode::CommandNotFound => ApiError::bad_request(command_not_found(subject)),
        RefusalCode::CommandNotExecutable => ApiError::bad_request(format!(
            "unable to start container process: exec: {subject:?}: permission denied"
        )),
        RefusalCode::NoSuchUser | RefusalCode::InvalidSpec => ApiError::bad_request(detail(refusal)),
        RefusalCode::InvalidArchive => {
            ApiError::bad_request(format!("Error processing tar file: {}", detail(refusal)))
        }
        RefusalCode::Unsupported => ApiError::not_implemented(detail(refusal)),
        RefusalCode::NotPermitted => not_permitted(&refusal.detail),
        RefusalCode::TooMany => ApiError::unavailable(format!("limit reached: {subject}")),
        RefusalCode::ShuttingDown => ApiError::unavailable("the bridge is shutting down"),
        RefusalCode::JournalFailed => ApiError::internal(format!(
            "the event journal cannot be written: {}",
            detail(refusal)
        )),
        // Only what a client wrote can make a request that does not decode: too many items, a NUL in a text.
        RefusalCode::Malformed => ApiError::bad_request(detail(refusal)),
        RefusalCode::NoSuchExec
        | RefusalCode::ExecStarted
        | RefusalCode::Paused
        | RefusalCode::NotPaused
        | RefusalCode::Restarting
        | RefusalCode::NoSuchPath
        | RefusalCode::NotADirectory
        | RefusalCode::PathConflict
        | RefusalCode::ReadOnly => inside(refusal, act),
        RefusalCode::RuntimeFailed
        | RefusalCode::Internal
        | RefusalCode::UnknownOpcode
        | RefusalCode::Unknown(_) => ApiError::internal(detail(refusal)),
    }
}

/// What only happens within a container.
fn inside(refusal: &Refusal, act: Act<'_>) -> ApiError {
    let subject = refusal.subject.as_str();
    match refusal.code {
        RefusalCode::NoSuchExec => ApiError::not_found(format!("No such exec instance: {subject}")),
        RefusalCode::ExecStarted => {
            ApiError::conflict(format!("Error: Exec command {subject} has already run"))
        }
        RefusalCode::Paused => ApiError::conflict(match act {
            Act::Exec { reference } => {
                format!("Container {reference} is paused, unpause the container before exec")
            }
            Act::Attach => format!("container {subject} is paused, unpause the container before attach"),
            _ => format!("Container {subject} is already paused"),
        }),
        RefusalCode::NotPaused => ApiError::internal(format!("Container {subject} is not paused")),
        RefusalCode::Restarting => ApiError::conflict(format!(
            "Container {subject} is restarting, wait until the container is running"
        )),
        RefusalCode::NoSuchPath => ApiError::not_found(match act {
            Act::Archive { reference } => {
                format!("Could not find the file {subject} in container {reference}")
            }
            _ => format!("Could not find the file {subject}"),
        }),
        RefusalCode::NotADirectory => ApiError::bad_request("extraction point is not a directory"),
        RefusalCode::ReadOnly => ApiError::forbidden("container rootfs is marked read-only"),
        _ => ApiError::bad_request(detail(refusal)),
    }
}

/// The bridge's own word on who may do what, in the words of an engine with an authorization plugin.
fn not_permitted(detail: &str) -> ApiError {
    let why = if detail.is_empty() {
        "the bridge does not permit this"
    } else {
        detail
    };
    ApiError::forbidden(format!("authorization denied: {why}"))
}

/// What is said of a name that cannot be one.
#[must_use]
pub fn invalid_name(name: &str) -> String {
    format!("Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")
}

/// The words of a refusal, or its code where it has none.
fn detail(refusal: &Refusal) -> String {
    if refusal.detail.is_empty() {
        refusal.to_string()
    } else {
        refusal.detail.clone()
    }
}

fn no_such_image(subject: &str, act: Act<'_>) -> ApiError {
    let reference = match act {
        Act::ImageInspect { reference } | Act::ImageRemove { reference, .. } => reference,
        _ => subject,
    };
    ApiError::not_found(format!("No such image: {reference}"))
}

fn name_in_use(refusal: &Refusal, act: Act<'_>) -> ApiError {
    let conflict = format!(
        "Conflict. The container name \"/{}\" is already in use by container \"{}\". You have to remove (or rename) that container to be able to reuse that name.",
        refusal.subject, refusal.holder
    );
    ApiError::conflict(match act {
        Act::Rename => format!("Error when allocating new name: {conflict}"),
        _ => conflict,
    })
}

fn already_running(subject: &str, act: Act<'_>) -> ApiError {
    match act {
        Act::Start => ApiError::not_modified(),
        _ => ApiError::conflict(format!("Container {subject} is already running")),
    }
}

fn not_running(subject: &str, act: Act<'_>) -> ApiError {
    match act {
        Act::Stop => ApiError::not_modified(),
        Act::Kill { reference } => ApiError::conflict(format!(
            "Cannot kill container: {reference}: Container {subject} is not running"
        )),
        _ => ApiError::conflict(format!("Container {subject} is not running")),
    }
}

fn busy(subject: &str, act: Act<'_>) -> ApiError {
    ApiError::conflict(match act {
        Act::Remove => format!("removal of container {subject} is already in progress"),
        _ => format!("another operation on container {subject} is in progress"),
    })
}

/// By name, the name is what cannot go; by id, the image.
fn image_in_use(refusal: &Refusal, act: Act<'_>) -> ApiError {
    let (image, holder) = (short_id(&refusal.subject), short_id(&refusal.holder));
    let (reference, force) = match act {
        Act::ImageRemove { reference, force } => (reference, force),
        _ => (image, false),
    };
    let by_id = short_id(reference).starts_with(image) || image.starts_with(short_id(reference));
    ApiError::conflict(if refusal.detail == "running" && (force || by_id) {
        format!(
            "conflict: unable to delete {image} (cannot be forced) - image is being used by running container {holder}"
        )
    } else if by_id {
        format!(
            "conflict: unable to delete {image} (must be forced) - image is being used by stopped container {holder}"
        )
    } else {
        format!(
            "conflict: unable to remove repository reference {reference:?} (must force) - container {holder} is using its referenced image {image}"
        )
    })
}

/// The `docker` command takes its exit code 127 from these words.
fn command_not_found(command: &str) -> String {
    if command.contains('/') {
        format!(
            "unable to start container process: exec: {command:?}: stat {command}: no such file or directory"
        )
    } else {
        format!("unable to start container process: exec: {command:?}: executable file not found in $PATH")
    }
}

/// The first twelve digits of an id.
fn short_id(id: &str) -> &str {
    let id = id.strip_prefix("sha256:").unwrap_or(id);
    id.get(..12).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "a71cf870b46838b452778eef36b911ef4bd00eee3721ce30bdb3c6f947085443";

    #[track_caller]
    fn check(refusal: Refusal, act: Act<'_>, status: u16, message: &str) {
        let error = from_refusal(&refusal, act);
        assert_eq!((error.status, error.message.as_str()), (status, message));
    }

    fn about(code: RefusalCode, subject: &str) -> Refusal {
        Refusal::about(code, subject)
    }

    #[test]
    fn containers_are_refused_in_dockers_words() {
        use RefusalCode as Code;
        let kill = Act::Kill { reference: "web" };
        check(
            about(Code::NoSuchContainer, "nosuch"),
            Act::Inspect,
            404,
            "No such container: nosuch",
        );
        check(
            about(Code::AmbiguousContainer, "a7"),
            Act::Start,
            400,
            "multiple IDs found with provided prefix: a7",
        );
        check(about(Code::AlreadyRunning, ID), Act::Start, 304, "");
        check(about(Code::NotRunning, ID), Act::Stop, 304, "");
        check(
            about(Code::NotRunning, ID),
            kill,
            409,
            &format!("Cannot kill container: web: Container {ID} is not running"),
        );
        check(
            about(Code::NotRunning, ID),
            Act::Other,
            409,
            &format!("Container {ID} is not running"),
        );
        check(
            about(Code::ContainerRunning, ID),
            Act::Remove,
            409,
            &format!(
                "You cannot remove a running container {ID}. Stop the container before attempting removal or force remove"
            ),
        );
        check(
            about(Code::Busy, ID),
            Act::Remove,
            409,
            &format!("removal of container {ID} is already in progress"),
        );
        check(
            about(Code::SameName, "web"),
            Act::Rename,
            400,
            "Renaming a container with the same name as its current name",
        );
    }

    #[test]
    fn names_are_refused_in_dockers_words() {
        let taken = || about(RefusalCode::NameInUse, "web").held_by(ID);
        let conflict = format!(
            "Conflict. The container name \"/web\" is already in use by container \"{ID}\". You have to remove (or rename) that container to be able to reuse that name."
        );
        check(taken(), Act::Create, 409, &conflict);
        check(
            taken(),
            Act::Rename,
            409,
            &format!("Error when allocating new name: {conflict}"),
        );
        check(
            about(RefusalCode::InvalidName, "-bad-"),
            Act::Create,
            400,
            "Invalid container name (-bad-), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
        );
    }

    #[test]
    fn commands_are_refused_in_words_the_docker_command_looks_for() {
        check(
            about(RefusalCode::CommandNotFound, "/nothere"),
            Act::Start,
            400,
            "unable to start container process: exec: \"/nothere\": stat /nothere: no such file or directory",
        );
        check(
            about(RefusalCode::CommandNotFound, "nothere"),
            Act::Start,
            400,
            "unable to start container process: exec: \"nothere\": executable file not found in $PATH",
        );
        check(
            about(RefusalCode::CommandNotExecutable, "/etc/passwd"),
            Act::Start,
            400,
            "unable to start container process: exec: \"/etc/passwd\": permission denied",
        );
    }

    #[test]
    fn images_are_refused_in_dockers_words() {
        let used = |how| {
            about(RefusalCode::ImageInUse, &format!("sha256:{ID}"))
                .held_by(ID)
                .with_detail(how)
        };
        let act = |reference, force| Act::ImageRemove { reference, force };
        check(
            used("running"),
            act("bb:latest", false),
            409,
            "conflict: unable to remove repository reference \"bb:latest\" (must force) - container a71cf870b468 is using its referenced image a71cf870b468",
        );
        check(
            used("stopped"),
            act("a71cf8", false),
            409,
            "conflict: unable to delete a71cf870b468 (must be forced) - image is being used by stopped container a71cf870b468",
        );
        check(
            used("running"),
            act("bb:latest", true),
            409,
            "conflict: unable to delete a71cf870b468 (cannot be forced) - image is being used by running container a71cf870b468",
        );
        check(
            used("running"),
            act("a71cf8", false),
            409,
            "conflict: unable to delete a71cf870b468 (cannot be forced) - image is being used by running container a71cf870b468",
        );
        check(
            about(RefusalCode::ImageHasTags, ID),
            act(ID, false),
            409,
            "conflict: unable to delete a71cf870b468 (must be forced) - image is referenced in multiple repositories",
        );
        check(
            about(RefusalCode::NoSuchImage, ID),
            Act::ImageInspect {
                reference: "nosuch:latest",
            },
            404,
            "No such image: nosuch:latest",
        );
    }

    #[test]
    fn what_the_bridge_does_not_permit_is_denied() {
        check(
            about(RefusalCode::NotPermitted, "Create"),
            Act::Create,
            403,
            "authorization denied: the bridge does not permit this",
        );
        check(
            Refusal::because(
                RefusalCode::NotPermitted,
                "the bridge's ceiling does not allow privileged containers (privileged)",
            ),
            Act::Create,
            403,
            "authorization denied: the bridge's ceiling does not allow privileged containers (privileged)",
        );
    }

    #[test]
    fn every_refusal_has_an_error_status() {
        for code in RefusalCode::ALL {
            let error = from_refusal(&Refusal::because(*code, "words"), Act::Other);
            assert!((400..=599).contains(&error.status), "{code:?}: {error:?}");
            assert!(!error.message.is_empty(), "{code:?}");
        }
    }

    #[test]
    fn an_error_is_one_message() {
        let text = serde_json::to_string(&ApiError::not_found("page not found")).unwrap();
        assert_eq!(text, r#"{"message":"page not found"}"#);
    }
}
