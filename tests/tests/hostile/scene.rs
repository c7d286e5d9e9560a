//! One well-behaved container, and whether it is looked after while another is not.

use std::time::{Duration, Instant};

use harness::Docker;
use serde_json::json;

/// Longest that anything may take that is asked of somebody else, on a machine that is busy.
pub(crate) const PROMPT: Duration = Duration::from_secs(10);

/// How often everything is asked.
const ROUNDS: usize = 5;

/// Asks for what clients ask of a container that runs, again and again; each answer comes soon.
#[track_caller]
pub(crate) fn is_looked_after(docker: &Docker, name: &str) {
    for _ in 0..ROUNDS {
        promptly("a list", || {
            docker.get("/containers/json?all=1").expect(200);
        });
        promptly("an inspection", || {
            docker.get(&format!("/containers/{name}/json")).expect(200);
        });
        promptly("statistics", || {
            docker
                .get(&format!("/containers/{name}/stats?stream=false&one-shot=true"))
                .expect(200);
        });
        promptly("processes", || {
            docker.get(&format!("/containers/{name}/top")).expect(200);
        });
        promptly("a file", || {
            docker
                .get(&format!("/containers/{name}/archive?path=/etc/plain"))
                .expect(200);
        });
        promptly("a further process", || {
            assert_eq!(further(docker, name, "exit 7"), 7);
        });
        promptly("sizes", || {
            docker.get("/system/df").expect(200);
        });
    }
    promptly("a life", || {
        docker.run("passer-by", "exit 3");
        assert_eq!(docker.wait("passer-by"), 3);
        docker.delete("/containers/passer-by").expect(204);
    });
}

/// Does it, and says when it took too long.
#[track_caller]
pub(crate) fn promptly(what: &str, act: impl FnOnce()) {
    let begun = Instant::now();
    act();
    let took = begun.elapsed();
    assert!(took < PROMPT, "{what} took {took:?}");
}

/// Runs a script as a further process to its end; gives its code.
#[track_caller]
pub(crate) fn further(docker: &Docker, name: &str, script: &str) -> i64 {
    let ask = json!({ "Cmd": ["sh", "-c", script], "AttachStdout": true });
    let made = docker
        .post_json(&format!("/containers/{name}/exec"), &ask)
        .expect(201);
    let id = made.json()["Id"].as_str().unwrap().to_owned();
    docker
        .post_json(&format!("/exec/{id}/start"), &json!({ "Detach": false }))
        .expect(200);
    // Its end is told a moment after its last word.
    harness::pace::until("the end of a further process", PROMPT, || {
        let seen = docker.get(&format!("/exec/{id}/json")).expect(200).json();
        (seen["Running"] == false).then(|| seen["ExitCode"].as_i64().unwrap())
    })
}

/// The resident memory of a process, in bytes.
pub(crate) fn memory_of(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse::<u64>()
        .unwrap()
        * 1024
}

/// The parent of a process: the shim, of a container's first.
pub(crate) fn parent_of(pid: i64) -> i32 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let rest = stat.rsplit(')').next().unwrap();
    rest.split_whitespace().nth(1).unwrap().parse().unwrap()
}
