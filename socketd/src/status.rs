//! `socketd status`: whether bridge and socketd run, since when, and what they hold. For people, init scripts
//! and the button of a phone's module.
//!
//! What needs root is looked at first; then all power is given up, and the daemons are asked.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use serde::Serialize;
use wire::Event;

use crate::config::{Format, Look};
use crate::docker::events::words;
use crate::docker::time::rfc3339_nano;
use crate::doctor::{Answer, AskError, Asked, Front, Scene, Told, printable};
use crate::link::LinkError;

/// All is well.
const RUNNING: u8 = 0;
/// Something is amiss.
const AMISS: u8 = 1;
/// Neither runs, as init scripts say it.
const NOT_RUNNING: u8 = 3;
/// It cannot be told, as init scripts say it.
const UNKNOWN: u8 = 4;

/// Most files that are counted of a journal. More than it ever has; stops a folder of somebody else's from
/// taking long.
const JOURNAL_FILES_MAX: usize = 65_536;

/// What was found.
#[derive(Debug, Serialize)]
struct Status {
    /// `running`, `amiss`, `stopped` or `unknown`.
    status: &'static str,
    bridge: Half,
    socketd: Half,
    #[serde(skip_serializing_if = "Option::is_none")]
    containers: Option<Containers>,
    #[serde(skip_serializing_if = "Option::is_none")]
    journal: Option<Journal>,
    listeners: Vec<Listener>,
}

/// One of the two daemons.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Half {
    running: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    /// What is amiss, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Containers {
    running: u64,
    stopped: u64,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Journal {
    /// On disk; none where that cannot be seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    first_sequence: u64,
    last_sequence: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_event: Option<String>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Listener {
    url: String,
    answer: String,
}

/// Finds out, prints it, and answers the exit code.
///
/// # Errors
/// Standard output takes nothing.
pub fn status(look: &Look) -> io::Result<u8> {
    let scene = Scene::new(look);
    let bytes = scene.state_dir().and_then(|dir| journal_bytes(&dir));
    let status = match Asked::of(&scene) {
        Ok(asked) => Status::of(&scene, &asked, bytes),
        Err(error) => Status::unasked(&error),
    };
    let text = match look.format {
        Format::Text => status.text(),
        Format::Json => serde_json::to_string_pretty(&status).map(|json| json + "\n")?,
    };
    let mut output = io::stdout().lock();
    output.write_all(text.as_bytes())?;
    output.flush()?;
    Ok(status.code())
}

/// What the journal takes on disk; none where this process may not see it.
fn journal_bytes(state_dir: &Path) -> Option<u64> {
    let files = fs::read_dir(state_dir.join("bridge/journal")).ok()?;
    let sizes = files
        .take(JOURNAL_FILES_MAX)
        .filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len()));
    Some(sizes.sum())
}

impl Status {
    fn of(scene: &Scene, asked: &Asked, journal_bytes: Option<u64>) -> Self {
        let bridge = bridge(scene, &asked.bridge);
        let socketd = socketd(scene, asked);
        let told = asked.bridge.as_ref().ok();
        let listeners = asked.fronts.iter().map(Listener::of).collect();
        Self {
            status: verdict(&bridge, &socketd),
            bridge,
            socketd,
            containers: told.map(|told| Containers {
                running: told.running,
                stopped: told.stopped,
            }),
            journal: told.map(|told| Journal::of(told, journal_bytes)),
            listeners,
        }
    }

    /// Nobody was asked.
    fn unasked(error: &AskError) -> Self {
        let half = || Half::unknown(error.to_string());
        Self {
            status: verdict(&half(), &half()),
            bridge: half(),
            socketd: half(),
            containers: None,
            journal: None,
            listeners: Vec::new(),
        }
    }

    fn code(&self) -> u8 {
        match self.status {
            "running" => RUNNING,
            "stopped" => NOT_RUNNING,
            "unknown" => UNKNOWN,
            _ => AMISS,
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        let mut row = |name: &str, says: &str| {
            let _ = writeln!(text, "{name:<15} {}", printable(says));
        };
        row("socketd-bridge", &self.bridge.to_string());
        row("socketd", &self.socketd.to_string());
        if let Some(Containers { running, stopped }) = &self.containers {
            row("containers", &format!("{running} running, {stopped} stopped"));
        }
        if let Some(journal) = &self.journal {
            row("journal", &journal.to_string());
        }
        for Listener { url, answer } in &self.listeners {
            row("listener", &format!("{url} {answer}"));
        }
        text
    }
}

/// Of both together.
fn verdict(bridge: &Half, socketd: &Half) -> &'static str {
    match (bridge.running, socketd.running) {
        (Some(true), Some(true)) if bridge.error.is_none() && socketd.error.is_none() => "running",
        (Some(false), Some(false)) => "stopped",
        (None, None) => "unknown",
        _ => "amiss",
    }
}

fn bridge(scene: &Scene, answer: &Result<Box<Told>, LinkError>) -> Half {
    match answer {
        Ok(told) => Half {
            running: Some(true),
            version: Some(told.info.bridge_version.clone()),
            since: Some(rfc3339_nano(told.info.started_at)),
            error: Some(&told.info.journal.failure)
                .filter(|failure| !failure.is_empty())
                .map(|failure| format!("its journal cannot be written: {failure}")),
        },
        Err(LinkError::Down(io::ErrorKind::PermissionDenied)) if !scene.is_root => {
            Half::unknown("this user may not ask it; root may".to_owned())
        }
        Err(LinkError::Down(_)) => Half::stopped(),
        // Somebody is there, and does not answer as it should.
        Err(error) => Half {
            running: Some(true),
            error: Some(error.to_string()),
            ..Half::stopped()
        },
    }
}

fn socketd(scene: &Scene, asked: &Asked) -> Half {
    if let Err(error) = &scene.setup {
        return Half::unknown(error.to_string());
    }
    if let Some(health) = asked.health() {
        return Half {
            running: Some(true),
            version: Some(health.version.clone()),
            since: Some(health.since.clone()),
            error: amiss(scene, asked),
        };
    }
    let answers = asked.fronts.iter().map(|front| &front.answer);
    let is_there = answers
        .clone()
        .any(|answer| matches!(answer, Answer::Tls | Answer::Refused(_)));
    let is_hidden = answers.clone().any(
        |answer| matches!(answer, Answer::Nobody(error) if error.kind() == io::ErrorKind::PermissionDenied),
    );
    if is_there {
        Half {
            running: Some(true),
            error: amiss(scene, asked),
            ..Half::stopped()
        }
    } else if is_hidden && !scene.is_root {
        Half::unknown("this user may not ask it; root may".to_owned())
    } else {
        Half::stopped()
    }
}

/// What a socketd that answers says is amiss, or which of its listeners does not answer.
fn amiss(scene: &Scene, asked: &Asked) -> Option<String> {
    let health = asked.health().filter(|health| health.status != "ok");
    let sick = health.map(|health| match health.bridge.reachable {
        true => "it is degraded".to_owned(),
        false => format!("it does not reach the bridge: {}", health.bridge.error),
    });
    let silent = asked.fronts.iter().find(|front| match &front.answer {
        // A socket of some other user's is not ours to knock at.
        Answer::Nobody(error) => scene.is_root || error.kind() != io::ErrorKind::PermissionDenied,
        Answer::Odd => true,
        Answer::Health(_) | Answer::Refused(_) | Answer::Tls => false,
    });
    sick.or_else(|| silent.map(|front| format!("{} does not answer", front.place)))
}

impl Half {
    fn stopped() -> Self {
        Self {
            running: Some(false),
            version: None,
            since: None,
            error: None,
        }
    }

    fn unknown(error: String) -> Self {
        Self {
            running: None,
            error: Some(error),
            ..Self::stopped()
        }
    }
}

impl std::fmt::Display for Half {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.running {
            Some(true) => "running",
            Some(false) => "not running",
            None => "unknown",
        })?;
        if let Some(version) = &self.version {
            write!(f, ", version {version}")?;
        }
        if let Some(since) = &self.since {
            write!(f, ", since {since}")?;
        }
        if let Some(error) = &self.error {
            write!(f, "; {error}")?;
        }
        Ok(())
    }
}

impl Journal {
    fn of(told: &Told, bytes: Option<u64>) -> Self {
        Self {
            bytes,
            first_sequence: told.info.journal.first_sequence,
            last_sequence: told.info.journal.last_sequence,
            last_event: told.last.as_ref().map(sentence),
        }
    }
}

impl std::fmt::Display for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(bytes) = self.bytes {
            write!(f, "{} KiB, ", bytes.div_ceil(1024))?;
        }
        write!(f, "events {} to {}", self.first_sequence, self.last_sequence)?;
        match &self.last_event {
            Some(event) => write!(f, "; the last: {event}"),
            None => Ok(()),
        }
    }
}

/// When, what, and to whom.
fn sentence(event: &Event) -> String {
    let (kind, action) = words(event);
    let name = event.attribute(wire::event::attribute::NAME);
    let name = name.unwrap_or_else(|| event.actor.get(..12).unwrap_or(&event.actor));
    format!("{} {kind} {name} {action}", rfc3339_nano(event.time))
}

impl Listener {
    fn of(front: &Front) -> Self {
        let answer = match &front.answer {
            Answer::Health(_) => "answers".to_owned(),
            Answer::Refused(_) => "answers, to its own callers alone".to_owned(),
            Answer::Tls => "takes connections, over TLS".to_owned(),
            Answer::Odd => "is not socketd's".to_owned(),
            Answer::Nobody(error) => format!("does not answer: {error}"),
        };
        Self {
            url: front.place.clone(),
            answer,
        }
    }
}
