//! A workspace, and the real pair over it.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use harness::droidspaces::Workspace;
use harness::{Cli, Docker, Pair, World, pace, pair};
use serde_json::Value;

/// Longer than anything here takes.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// What a phone has: a workspace, a bridge, a socketd.
pub(crate) struct Phone {
    pub(crate) workspace: Option<Workspace>,
    pub(crate) pair: Option<Pair>,
    dir: PathBuf,
}

impl Phone {
    /// Starts the pair over what `prepare` has put into the workspace.
    pub(crate) fn new(prepare: impl FnOnce(&Workspace)) -> Self {
        Self::with(&[], prepare)
    }

    /// The same, with further arguments of the bridge.
    pub(crate) fn with(arguments: &[&str], prepare: impl FnOnce(&Workspace)) -> Self {
        Self::start(arguments, None, prepare)
    }

    /// The same, in this world.
    pub(crate) fn in_world(world: World, prepare: impl FnOnce(&Workspace)) -> Self {
        Self::start(&[], Some(world), prepare)
    }

    fn start(arguments: &[&str], world: Option<World>, prepare: impl FnOnce(&Workspace)) -> Self {
        let dir = pair::new_dir();
        let workspace = Workspace::new(&dir);
        prepare(&workspace);
        let (root, daemon) = (workspace.root().to_owned(), workspace.daemon_socket());
        let mut all = vec![
            "--runtime",
            "droidspaces",
            "--droidspaces-root",
            root.to_str().unwrap(),
            "--droidspaces-daemon",
            &daemon,
        ];
        all.extend(arguments);
        let pair = match world {
            Some(world) => Pair::start_in_world(world, &all),
            None => Pair::start_with(&all),
        };
        Self {
            workspace: Some(workspace),
            pair: Some(pair),
            dir,
        }
    }

    pub(crate) fn pair(&mut self) -> &mut Pair {
        self.pair.as_mut().unwrap()
    }

    pub(crate) fn docker(&self) -> Docker {
        self.pair.as_ref().unwrap().docker()
    }

    /// The real command.
    pub(crate) fn cli(&self) -> Cli {
        Cli::of(self.pair.as_ref().unwrap())
    }

    /// The list of all.
    pub(crate) fn list(&self) -> Vec<Value> {
        let list = self.docker().get("/containers/json?all=1").expect(200).json();
        list.as_array().unwrap().clone()
    }

    /// The state of a container, by the name that a path has it.
    pub(crate) fn state(&self, reference: &str) -> Value {
        self.docker().inspect(reference)["State"].clone()
    }

    /// Waits until a container is in this state.
    #[track_caller]
    pub(crate) fn until(&self, reference: &str, status: &str) -> Value {
        let what = format!("{reference} is {status}");
        pace::until(&what, LIMIT, || {
            let state = self.state(reference);
            (state["Status"] == status).then_some(state)
        })
    }

    /// Waits until the bridge has seen every change of the workspace up to now: changes are told to it in
    /// their order, and this makes one more, of a container called `fence`.
    #[track_caller]
    pub(crate) fn fence(&self) {
        static NUMBER: AtomicU64 = AtomicU64::new(1 << 20);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let fence = self.container("fence").rootfs_at(Path::new("/nowhere"));
        fence.set("memory_limit", &number.to_string()).write();
        pace::until("the bridge sees the workspace", LIMIT, || {
            let answer = self.docker().get("/containers/fence/json");
            let seen = answer.status == 200 && answer.json()["HostConfig"]["Memory"] == number;
            seen.then_some(())
        });
    }

    /// What happened to containers since this moment.
    pub(crate) fn past(&self, since: &str) -> Vec<Value> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let until = format!("{}.{:09}", now.as_secs(), now.subsec_nanos());
        let filter = "filters=%7B%22type%22:[%22container%22]%7D";
        self.docker()
            .events(&format!("since={since}&until={until}&{filter}"))
    }

    /// What happened so far to this container, as `action` or `die 3`.
    pub(crate) fn acts(&self, name: &str) -> Vec<String> {
        self.past("0")
            .iter()
            .filter(|event| event["Actor"]["Attributes"]["name"] == name)
            .map(|event| {
                let action = event["Action"].as_str().unwrap();
                match event["Actor"]["Attributes"]["exitCode"].as_str() {
                    Some(code) => format!("{action} {code}"),
                    None => action.to_owned(),
                }
            })
            .collect()
    }

    /// Waits until the last that happened to this container is this.
    #[track_caller]
    pub(crate) fn until_acts(&self, name: &str, last: &[&str]) {
        let what = format!("{name}: {last:?}");
        let mut acts = Vec::new();
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            pace::until(&what, LIMIT, || {
                acts = self.acts(name);
                acts.ends_with(&last.iter().map(|&act| act.to_owned()).collect::<Vec<_>>())
                    .then_some(())
            });
        }));
        assert!(found.is_ok(), "{what}, but {acts:?}");
    }
}

impl Deref for Phone {
    type Target = Workspace;

    fn deref(&self) -> &Workspace {
        self.workspace.as_ref().unwrap()
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        drop(self.pair.take());
        drop(self.workspace.take());
        fs::remove_dir_all(&self.dir).unwrap();
    }
}

/// An init that ends with this exit code when it is told to.
pub(crate) fn obedient(workspace: &Workspace, name: &str, exit: u8) {
    let script = format!("trap 'exit {exit}' TERM\necho up\nwhile :; do sleep 1000 & wait; done");
    let draft = workspace.container(name);
    draft.rootfs(|rootfs| rootfs.init(&script)).write();
}

/// Waits until an init that says `up` when it listens has said so: before, it is deaf.
#[track_caller]
pub(crate) fn listens(workspace: &Workspace, name: &str) {
    let what = format!("{name} listens");
    pace::until(&what, LIMIT, || {
        workspace.log(name, "console").contains("up").then_some(())
    });
}
