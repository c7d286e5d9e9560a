//! An engine on a unix socket that does what a test says: it can go away and come back, and it remembers its events as
//! engines do.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::docker::{Address, Docker};

#[derive(Debug, Default)]
struct Held {
    /// Their states, by id.
    containers: BTreeMap<String, String>,
    /// Lines, with their times in nanoseconds.
    events: Vec<(i64, String)>,
    /// Paths that were asked for.
    asked: Vec<String>,
    /// What inspecting a container answers instead of it.
    inspected: BTreeMap<String, (u16, String)>,
}

/// The engine.
#[derive(Debug)]
pub(super) struct Engine {
    path: PathBuf,
    held: Arc<Mutex<Held>>,
    count: watch::Sender<usize>,
    running: Option<(JoinHandle<()>, watch::Sender<bool>)>,
}

impl Engine {
    pub(super) fn start(dir: &Path) -> Self {
        let mut engine = Self {
            path: dir.join("docker.sock"),
            held: Arc::default(),
            count: watch::Sender::new(0),
            running: None,
        };
        engine.resume();
        engine
    }

    pub(super) fn docker(&self) -> Docker {
        Docker::new(Address::Unix(self.path.clone()))
    }

    /// Comes back.
    pub(super) fn resume(&mut self) {
        let _ = std::fs::remove_file(&self.path);
        let listener = UnixListener::bind(&self.path).unwrap();
        let (held, count) = (Arc::clone(&self.held), self.count.clone());
        let (end, ended) = watch::channel(false);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (held, count, mut ended) = (Arc::clone(&held), count.subscribe(), ended.clone());
                tokio::spawn(async move {
                    tokio::select! {
                        _ = serve(stream, &held, count) => {}
                        _ = ended.wait_for(|ended| *ended) => {}
                    }
                });
            }
        });
        self.running = Some((accepting, end));
    }

    /// Goes away, with every connection.
    pub(super) fn stop(&mut self) {
        let (accepting, end) = self.running.take().unwrap();
        accepting.abort();
        end.send_replace(true);
        std::fs::remove_file(&self.path).unwrap();
    }

    /// A container is in another state, and nobody is told; none where it is gone.
    pub(super) fn set(&self, id: &str, state: Option<&str>) {
        let containers = &mut self.held.lock().unwrap().containers;
        match state {
            Some(state) => containers.insert(id.to_owned(), state.to_owned()),
            None => containers.remove(id),
        };
    }

    /// Answers so when this container is inspected.
    pub(super) fn answer(&self, id: &str, status: u16, body: &str) {
        self.held
            .lock()
            .unwrap()
            .inspected
            .insert(id.to_owned(), (status, body.to_owned()));
    }

    /// Tells of something that happened to a container.
    pub(super) fn tell(&self, time: i64, id: &str, action: &str) {
        let line = serde_json::json!({
            "Type": "container", "Action": action, "Actor": { "ID": id, "Attributes": { "image": "x" } },
            "scope": "local", "time": time / 1_000_000_000, "timeNano": time,
        });
        self.say(time, &line.to_string());
    }

    /// Tells a line.
    pub(super) fn say(&self, time: i64, line: &str) {
        let mut held = self.held.lock().unwrap();
        held.events.push((time, format!("{line}\n")));
        self.count.send_replace(held.events.len());
    }

    /// Paths that were asked for, and begin so.
    pub(super) fn asked(&self, prefix: &str) -> Vec<String> {
        let held = self.held.lock().unwrap();
        held.asked
            .iter()
            .filter(|path| path.starts_with(prefix))
            .cloned()
            .collect()
    }
}

async fn serve(stream: UnixStream, held: &Mutex<Held>, count: watch::Receiver<usize>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while stream.read_line(&mut head).await? > 2 {}
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    held.lock().unwrap().asked.push(path.clone());
    let plain = path.strip_prefix("/v1.47").unwrap_or(&path).to_owned();
    if let Some(since) = plain.strip_prefix("/events?since=") {
        return tell(stream, since, held, count).await;
    }
    let (status, body) = answer(&plain, &held.lock().unwrap());
    let length = body.len();
    let text = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
    stream.write_all(text.as_bytes()).await
}

fn answer(path: &str, held: &Held) -> (u16, String) {
    let inspect = path
        .strip_prefix("/containers/")
        .and_then(|rest| rest.strip_suffix("/json"));
    match (path, inspect) {
        ("/version", _) => (200, r#"{"Version":"28.0.0","ApiVersion":"1.47"}"#.to_owned()),
        ("/info", _) => (200, r#"{"Name":"phone","NCPU":8,"MemTotal":1024}"#.to_owned()),
        ("/containers/json?all=true", _) => {
            let ids: Vec<_> = held
                .containers
                .keys()
                .map(|id| serde_json::json!({ "Id": id }))
                .collect();
            (200, serde_json::json!(ids).to_string())
        }
        (_, Some(id)) => match (held.inspected.get(id), held.containers.get(id)) {
            (Some(answer), _) => answer.clone(),
            (None, Some(state)) => {
                let body =
                    serde_json::json!({ "Id": id, "Name": format!("/{id}"), "State": { "Status": state } });
                (200, body.to_string())
            }
            (None, None) => (404, r#"{"message":"No such container"}"#.to_owned()),
        },
        _ => (400, r#"{"message":"what?"}"#.to_owned()),
    }
}

/// Every event since then, and all that follow.
async fn tell(
    mut stream: BufReader<UnixStream>,
    since: &str,
    held: &Mutex<Held>,
    mut count: watch::Receiver<usize>,
) -> std::io::Result<()> {
    let (seconds, nanoseconds) = since.split_once('.').unwrap();
    let since: i64 = format!("{seconds}{nanoseconds}").parse().unwrap();
    stream
        .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await?;
    let mut told = 0;
    let live = held.lock().unwrap().events.len();
    loop {
        let lines: Vec<(usize, i64, String)> = {
            let held = held.lock().unwrap();
            let new = held.events.iter().enumerate().skip(told);
            new.map(|(at, (time, line))| (at, *time, line.clone())).collect()
        };
        for (at, time, line) in lines {
            told = at + 1;
            // What happens now is told whatever its time.
            if time >= since || at >= live {
                let chunk = format!("{:x}\r\n{line}\r\n", line.len());
                stream.write_all(chunk.as_bytes()).await?;
            }
        }
        if count.wait_for(|count| *count > told).await.is_err() {
            return Ok(());
        }
    }
}
