//! The measure: an axum server, in a process of its own, that returns bytes it was given.

use std::fs;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use harness::daemon::Daemon;
use harness::{Address, Docker, pace};

/// The argument that makes this program the static server.
pub(crate) const WORD: &str = "static-route";
/// Name of the file that holds the bytes.
const BODY: &str = "static-body";

/// A running static server.
#[derive(Debug)]
pub(crate) struct StaticRoute {
    _server: Daemon,
    address: Address,
}

impl StaticRoute {
    /// Starts one that returns what `docker` returns for a path now; gives also how many bytes that is.
    pub(crate) fn of(docker: &Docker, dir: &Path, path: &str) -> (Self, usize) {
        let body = docker.get(path).expect(200).body;
        fs::write(dir.join(BODY), &body).expect("cannot write the body");
        let socket: PathBuf = dir.join("static.sock");
        // Of the one before.
        let _ = fs::remove_file(&socket);
        let program = std::env::current_exe().expect("no path to myself");
        let arguments = [WORD.as_ref(), socket.as_os_str(), dir.as_os_str()];
        let server = Daemon::spawn("the static route", &program, &arguments);
        pace::until("the static route answers", Duration::from_secs(10), || {
            UnixStream::connect(&socket).ok()
        });
        (
            Self {
                _server: server,
                address: Address::Unix(socket),
            },
            body.len(),
        )
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }
}

/// Serves until ended.
pub(crate) fn serve(socket: &Path, folder: &Path, paths: &[&str]) -> io::Result<()> {
    let body = Bytes::from(fs::read(folder.join(BODY))?);
    let mut router = Router::new();
    for path in paths {
        let body = body.clone();
        let path = path.split('?').next().unwrap_or(path);
        let answer = async move || ([(CONTENT_TYPE, "application/json")], body.clone());
        router = router.route(path, get(answer));
    }
    // What tokio gives to whoever asks for nothing in particular.
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let listener = {
            let listener = std::os::unix::net::UnixListener::bind(socket)?;
            listener.set_nonblocking(true)?;
            tokio::net::UnixListener::from_std(listener)?
        };
        axum::serve(listener, router).await
    })
}
