//! Processes that are started in a running container.

use std::io::Read;
use std::time::{Duration, Instant};

use harness::Docker;
use serde_json::json;

/// Lives that are measured of each daemon.
const LIVES: usize = 100;
/// Lives before them: the first ones fill caches.
const BEFORE: usize = 5;

/// How long a whole life takes, time after time, one after the other.
pub(super) fn lives(docker: &Docker) -> Vec<Duration> {
    super::run(docker, "execs");
    for _ in 0..BEFORE {
        life(docker, "execs");
    }
    let times = (0..LIVES)
        .map(|_| {
            let begin = Instant::now();
            life(docker, "execs");
            begin.elapsed()
        })
        .collect();
    super::remove(docker, "execs");
    times
}

/// Creates, starts and reads to its end, and asks how it ended, as `docker exec` does.
pub(super) fn life(docker: &Docker, container: &str) {
    let body = json!({ "Cmd": ["/bin/true"], "AttachStdout": true, "AttachStderr": true });
    let created = docker.post_json(&format!("/containers/{container}/exec"), &body);
    let created = created.expect(201).json();
    let id = created["Id"].as_str().expect("an id");
    let body = r#"{"Detach":false,"Tty":false}"#;
    let request = format!(
        "POST /exec/{id}/start HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut connection = docker.connect();
    connection.send_raw(request.as_bytes()).expect("a start");
    assert_eq!(connection.head(false).expect("an answer").status, 101);
    let mut output = Vec::new();
    connection.read_to_end(&mut output).expect("a stream");
    assert_eq!(output, b"", "true says nothing");
    let ended = docker.get(&format!("/exec/{id}/json")).expect(200).json();
    assert_eq!(ended["ExitCode"], 0, "{ended}");
}
