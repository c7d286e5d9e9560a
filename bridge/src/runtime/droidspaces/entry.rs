//! One container of the workspace, and what is known of it.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use wire::container::Exit;
use wire::{Container, ContainerId, ImageId, Time};

use super::NAME;
use super::chain::Chain;
use super::config::{Config, safe_name};
use super::limits::BOOT_MAX;
use super::living::Run;
use super::monitor_log::Mark;
use super::shape;
use super::workspace::Workspace;
use crate::runtime::Also;

/// What the files of the workspace say of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    /// Its configuration.
    pub(super) config: Config,
    /// Its variables.
    pub(super) env: Vec<String>,
    /// The kind of init that the runtime found in it; empty before its first start.
    pub(super) init: String,
}

impl Facts {
    /// Reads them; none where there is no configuration.
    pub(super) fn read(workspace: &Workspace, directory: &str) -> Option<Self> {
        let config = workspace.config(directory)?;
        let safe = safe_name(named(&config, directory));
        Some(Self {
            env: workspace.env(&config),
            init: workspace.note(&safe, "init"),
            config,
        })
    }
}

/// A container's name: what its configuration says, or its directory's.
pub(super) fn named<'a>(config: &'a Config, directory: &'a str) -> &'a str {
    if config.name.is_empty() {
        directory
    } else {
        &config.name
    }
}

/// A run that has ended, while it is not yet known how.
#[derive(Debug)]
pub(super) struct Ending {
    /// What the kernel said of memory.
    pub(super) oom: bool,
    /// Whether somebody held the container's lock then, and so has ended it.
    pub(super) locked: bool,
    /// When it ended.
    pub(super) at: Time,
    /// When it had started, in nanoseconds since the machine did.
    pub(super) since_boot_ns: u64,
    /// Who has to notice it before the monitor can.
    pub(super) chain: Chain,
    /// When it is told, whatever is known by then, unless the monitor cannot know yet.
    pub(super) deadline: Instant,
    /// When it is told in any case.
    pub(super) last: Instant,
}

/// The end before, for as long as the next start may be its second half.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended {
    /// When it was told.
    pub(super) at: Instant,
    /// Whether the monitor had noted it as an end, or somebody had ended it.
    pub(super) by_others: bool,
}

/// One container.
#[derive(Debug)]
pub(super) struct Entry {
    /// Its directory's name.
    pub(super) directory: String,
    /// What its files say.
    pub(super) facts: Facts,
    /// Its id.
    pub(super) id: ContainerId,
    /// The id it has without a UUID.
    pub(super) former: ContainerId,
    /// Its root file system.
    pub(super) image: ImageId,
    /// What that is called.
    pub(super) tag: String,
    /// When it was made.
    pub(super) made_at: Time,
    /// What runs.
    pub(super) run: Option<Run>,
    /// When the last run counts as having started: see [`Run::since_boot_ns`].
    pub(super) since_boot_ns: u64,
    /// A number for the run, by which its end is told.
    pub(super) token: u64,
    /// Where the monitor's log ended when the run began.
    pub(super) mark: Mark,
    /// A run that has just ended.
    pub(super) ending: Option<Ending>,
    /// The end before.
    pub(super) ended: Option<Ended>,
    /// How often the kernel had killed for want of memory when the run began.
    pub(super) oom_kills: u64,
    /// A process that its pidfile names wrongly, as far as that was said already.
    pub(super) stranger: Option<u32>,
    /// A process that may become its first: it boots, and until when that may take.
    pub(super) booting: Option<(u32, Instant)>,
    /// Held by whoever starts or ends it.
    pub(super) turn: Arc<Mutex<()>>,
}

impl Entry {
    /// Its name.
    pub(super) fn name(&self) -> &str {
        named(&self.facts.config, &self.directory)
    }

    /// Its name as files have it.
    pub(super) fn safe_name(&self) -> String {
        safe_name(self.name())
    }

    /// Its pidfile names a process that is not its own, or not yet: a container gets its mark while it
    /// boots.
    pub(super) fn doubt(&mut self, pid: u32, why: &'static str) {
        if self.stranger == Some(pid) {
            return;
        }
        let now = Instant::now();
        match self.booting {
            Some((booting, until)) if booting == pid => {
                if until <= now {
                    tracing::warn!(container = self.name(), pid, "a stale pidfile: {why}");
                    self.stranger = Some(pid);
                    self.booting = None;
                }
            }
            _ => self.booting = Some((pid, now + BOOT_MAX)),
        }
    }

    /// What else leads to it.
    pub(super) fn also(&self) -> Also {
        let (safe, former) = (self.safe_name(), self.former);
        Also {
            ids: if former == self.id {
                Vec::new()
            } else {
                vec![former]
            },
            names: if safe == self.name() {
                Vec::new()
            } else {
                vec![safe]
            },
        }
    }

    /// Everything about it in neutral words, but its state.
    pub(super) fn container(&self, workspace: &Workspace, is_image: bool) -> Container {
        let facts = &self.facts;
        let safe = self.safe_name();
        let text = |path: std::path::PathBuf| path.to_string_lossy().into_owned();
        Container {
            id: self.id,
            name: self.name().to_owned(),
            runtime: NAME.to_owned(),
            created_at: self.made_at,
            image_id: self.image,
            spec: shape::spec(&facts.config, self.name(), &self.tag, &facts.env, &facts.init),
            lower_dirs: vec![facts.config.rootfs_path.clone()],
            log_path: text(workspace.console(&safe)),
            storage: if is_image { "image" } else { "directory" }.to_owned(),
            ..Container::default()
        }
    }
}

/// How a run ended of which the monitor has noted this.
pub(super) fn exit(noted: Option<u32>, oom: bool) -> Exit {
    Exit {
        code: noted.unwrap_or(0),
        unknown: noted.is_none(),
        oom,
    }
}
