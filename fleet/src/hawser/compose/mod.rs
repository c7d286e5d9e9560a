//! Stacks: the command `docker compose`, or `docker-compose`, run on files that a server sends.
//!
//! A server can have any container made, so nothing here keeps it from owning this machine through Docker. What it must
//! not get is more by the way: files outside of [`Settings::stacks_dir`], a program of its choice in this process's
//! place, or the token of another agent. And what it sends that others must not see, registries' passwords, is on no
//! command line, in no environment and in no log.

mod command;
mod environment;
mod files;
mod order;
mod registries;
mod reply;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use tempfile::TempDir;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use super::Settings;
use crate::access::audit;
use crate::docker::Docker;
use crate::limits;
use command::{Command, Outcome};
use order::{Operation, Order};

pub use reply::{Reply, Skipped};

/// What an agent can tell of itself where the command is there.
pub const CAPABILITIES: &[&str] = &["compose", "git-sync-delete", "compose-file-names"];

/// Runs the command.
#[derive(Debug, Clone)]
pub struct Runner(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    docker: Docker,
    stacks_dir: PathBuf,
    state_dir: PathBuf,
    bound: Duration,
    /// The command, once it was found.
    found: Mutex<Option<Command>>,
    at_once: Semaphore,
    /// Who works on which project.
    projects: Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>,
}

impl Runner {
    /// On files below the settings' directory, and on this Docker. Passwords that an agent left behind which was killed
    /// are removed.
    pub fn new(settings: &Settings, docker: &Docker) -> Self {
        registries::clear(&settings.state_dir);
        Self(Arc::new(Inner {
            docker: docker.clone(),
            stacks_dir: settings.stacks_dir.clone(),
            state_dir: settings.state_dir.clone(),
            bound: settings.compose_timeout.0,
            found: Mutex::default(),
            at_once: Semaphore::new(limits::COMPOSE_AT_ONCE),
            projects: Mutex::default(),
        }))
    }

    /// Whether there is such a command. What was found once is not looked for again.
    pub async fn is_there(&self) -> bool {
        self.0.command().await.is_some()
    }

    /// The same, and no where that takes too long. Looking goes on, for whoever asks next.
    pub async fn is_there_within(&self, patience: Duration) -> bool {
        let runner = self.clone();
        let look = tokio::spawn(async move { runner.is_there().await });
        matches!(timeout(patience, look).await, Ok(Ok(true)))
    }

    /// Does what `request` asks, a JSON object as servers send it. Where it wants its output as it comes, each line
    /// goes to `lines`. It goes on to its end also when nobody waits for it any more.
    pub async fn run(&self, request: &[u8], lines: Option<mpsc::Sender<Bytes>>) -> (StatusCode, Reply) {
        let order = match Order::parse(request) {
            Ok(order) => Arc::new(order),
            Err(error) => return (StatusCode::BAD_REQUEST, Reply::failed(&error.to_string())),
        };
        let inner = Arc::clone(&self.0);
        let run = tokio::spawn(async move {
            let reply = inner.run(&order, lines).await;
            let code = reply.exit_code;
            audit::compose(
                order.operation.word(),
                &order.project,
                &order.services,
                Some(code),
            );
            reply
        });
        let reply = run.await.unwrap_or_else(|_| Reply::failed("the agent is ending"));
        let status = if reply.success {
            StatusCode::OK
        } else {
            StatusCode::INTERNAL_SERVER_ERROR
        };
        (status, reply)
    }
}

/// What a command finds.
struct Laid {
    place: files::Place,
    deleted: Vec<String>,
    skipped: Vec<Skipped>,
    /// Passwords, as long as this lives.
    registries: Option<TempDir>,
}

/// Works with files beside everything else: thousands may come at once, to a disk that is slow.
async fn beside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err("the agent is ending".to_owned()))
}

impl Inner {
    async fn command(&self) -> Option<Command> {
        let known = self.found.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if known.is_some() {
            return known;
        }
        let found = Command::find().await;
        self.found
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone_from(&found);
        found
    }

    async fn run(self: &Arc<Self>, order: &Arc<Order>, lines: Option<mpsc::Sender<Bytes>>) -> Reply {
        let Some(command) = self.command().await else {
            return Reply::failed(
                "neither `docker compose` nor `docker-compose` is installed beside this agent",
            );
        };
        let Ok(_permit) = self.at_once.acquire().await else {
            return Reply::failed("the agent is ending");
        };
        // What looks on need not wait for what works.
        let project = self.project(&order.project);
        let _guard = match order.is_look() {
            true => None,
            false => Some(project.lock().await),
        };
        let lines = lines.filter(|_| order.stream_output);
        match self.prepared(order, command, lines).await {
            Ok(reply) => reply,
            Err(error) => Reply::failed(&error),
        }
    }

    /// Writes the files, runs the command, and takes away what is to go.
    async fn prepared(
        self: &Arc<Self>,
        order: &Arc<Order>,
        command: Command,
        lines: Option<mpsc::Sender<Bytes>>,
    ) -> Result<Reply, String> {
        let (inner, what) = (Arc::clone(self), Arc::clone(order));
        let Laid {
            place,
            deleted,
            skipped,
            registries,
        } = beside(move || inner.lay(&what)).await?;
        let call = command::Call {
            command,
            docker: self.docker.address().to_string(),
            config: registries.as_ref().map(|dir| dir.path().to_owned()),
            dir: place.dir().to_owned(),
            input: place.input().to_owned(),
            environment: order.environment.clone(),
            bound: self.bound,
            lines,
        };
        let mut outcome = Outcome::default();
        let is_legacy = call.command.is_legacy();
        for arguments in order.commands(&place.arguments(is_legacy), is_legacy) {
            outcome.join(call.run(&arguments).await);
            if outcome.code != 0 {
                break;
            }
        }
        let mut reply = Reply::of(outcome, order.operation);
        let is_over = reply.success && order.operation == Operation::Down && order.remove_files;
        beside(move || {
            drop(registries);
            if is_over {
                place
                    .remove()
                    .map_err(|error| format!("the stack is down, and its files are still there: {error}"))?;
            }
            Ok(())
        })
        .await?;
        reply.deleted_files = deleted;
        reply.skipped_files = skipped;
        Ok(reply)
    }

    /// Puts everything where the command looks for it, and takes away what a server wants gone.
    fn lay(&self, order: &Order) -> Result<Laid, String> {
        let place = files::Place::prepare(&self.stacks_dir, order).map_err(|error| error.to_string())?;
        let (deleted, skipped) = place.delete(&order.files_to_delete);
        let registries = match order.operation {
            Operation::Up | Operation::Pull => registries::write(&self.state_dir, &order.registries)
                .map_err(|error| format!("cannot keep registries' passwords for the command: {error}"))?,
            _ => None,
        };
        Ok(Laid {
            place,
            deleted,
            skipped,
            registries,
        })
    }

    /// What whoever works on a project holds.
    fn project(&self, name: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut projects = self.projects.lock().unwrap_or_else(PoisonError::into_inner);
        projects.retain(|_, project| project.strong_count() > 0);
        if let Some(project) = projects.get(name).and_then(Weak::upgrade) {
            return project;
        }
        let project = Arc::new(tokio::sync::Mutex::new(()));
        projects.insert(name.to_owned(), Arc::downgrade(&project));
        project
    }
}
