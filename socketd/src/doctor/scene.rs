//! What is looked at, read once before anything is checked.

use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

use crate::config::{Home, Look, Place, Serve, Setup, SetupError};

/// What is looked at.
#[derive(Debug)]
pub(crate) struct Scene {
    /// Where packages put everything on this machine.
    pub(crate) home: Home,
    /// The `serve` that is looked at.
    pub(crate) serve: Serve,
    /// What it would do.
    pub(crate) setup: Result<Setup, SetupError>,
    /// The usual socket, where the configuration names none but those that only whoever serves is started with.
    usual: Option<Place>,
    /// Whether this process may look at everything.
    pub(crate) is_root: bool,
}

impl Scene {
    /// Reads the configuration file, where there is one.
    pub(crate) fn new(look: &Look) -> Self {
        let home = Home::of_this_machine();
        let serve = look.serve(home);
        let setup = Setup::read(&serve);
        let is_silent = setup.as_ref().is_ok_and(|setup| setup.places().next().is_none());
        Self {
            home,
            usual: is_silent.then(|| Place::Unix(home.socket.into())),
            setup,
            serve,
            is_root: geteuid().is_root(),
        }
    }

    /// Where it would listen; nowhere where what it is given cannot be read.
    pub(crate) fn places(&self) -> impl Iterator<Item = &Place> {
        self.setup.iter().flat_map(Setup::places).chain(&self.usual)
    }

    /// The bridge's state directory, by where its sockets are; none where those lie elsewhere.
    pub(crate) fn state_dir(&self) -> Option<PathBuf> {
        let sockets = self.serve.bridge.bridge_dir.as_ref()?;
        if sockets == Path::new(self.home.bridge_dir) {
            return Some(self.home.state_dir.into());
        }
        let run = sockets.parent().filter(|_| sockets.ends_with("run/bridge"))?;
        run.parent().map(Path::to_owned)
    }
}
