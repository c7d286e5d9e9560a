//! A file system that hangs, mounted into a container: what asks for it fails within a named time, and what
//! asks for anything else does not wait.

use std::thread;
use std::time::{Duration, Instant};

use harness::fuse::HungFiles;
use harness::{Docker, Pair, pace};
use serde_json::json;

use crate::scene::{PROMPT, further, is_looked_after};

/// Longer than the bridge waits for a look at files (30 s), a further process (30 s), a start (45 s) and the
/// end of what was killed (30 s), and what a busy machine adds.
const LIMIT: Duration = Duration::from_secs(75);

/// Asks, and says what came of it and whether in time.
fn outcome(docker: &Docker, method: &str, path: &str) -> u16 {
    let begun = Instant::now();
    let status = docker.ask(method, path, None).status;
    let took = begun.elapsed();
    assert!(took < LIMIT, "{method} {path} took {took:?}");
    status
}

/// Everything that leads into the file system that hangs; each fails, and in time.
fn hung_asks(docker: &Docker) {
    thread::scope(|scope| {
        for method in ["GET", "HEAD"] {
            let path = "/containers/hung/archive?path=/hung/x";
            scope.spawn(move || assert_eq!(outcome(docker, method, path), 500, "{method} {path}"));
        }
        scope.spawn(|| assert_eq!(outcome(docker, "POST", "/containers/unborn/start"), 500));
        scope.spawn(|| {
            let ask = json!({ "Cmd": ["true"], "WorkingDir": "/hung/x" });
            let made = docker.post_json("/containers/hung/exec", &ask).expect(201);
            let path = format!("/exec/{}/start", made.json()["Id"].as_str().unwrap());
            let begun = Instant::now();
            let answer = docker.post_json(&path, &json!({ "Detach": true }));
            assert_eq!(answer.status, 500, "{answer}");
            assert!(begun.elapsed() < LIMIT);
        });
        scope.spawn(|| is_looked_after(docker, "other"));
    });
}

#[test]
fn a_file_system_that_hangs_holds_up_its_container_alone() {
    let mut files = None;
    let pair = Pair::start_in(|dir| files = Some(HungFiles::mount(&dir.join("hung"))));
    let files = files.unwrap();
    let docker = pair.docker();
    docker.import("bb:latest", &harness::rootfs::busybox());
    docker.run("other", "exec sleep 100000");
    let place = pair.dir().join("hung").to_str().unwrap().to_owned();
    let make = |name: &str, bind: String| {
        let host = json!({ "Binds": [bind] });
        let body =
            json!({ "Image": "bb:latest", "Cmd": ["sleep", "100000"], "StopTimeout": 1, "HostConfig": host });
        docker.create_from(name, &body);
    };
    make("hung", format!("{place}:/hung"));
    make("unborn", format!("{place}/below:/hung"));
    docker.start("hung");
    // What does not lead there works, in the same container too.
    assert_eq!(further(&docker, "hung", "exit 4"), 4);
    for path in [
        "changes",
        "json?size=1",
        "top",
        "archive?path=/etc/plain",
        "export",
    ] {
        docker.get(&format!("/containers/hung/{path}")).expect(200);
    }
    hung_asks(&docker);
    assert!(files.untold() > 0, "nothing hung");

    // One that hangs inside, where no signal reaches it: the container does not end, which is said in time.
    let ask = json!({ "Cmd": ["cat", "/hung/y"] });
    let made = docker.post_json("/containers/hung/exec", &ask).expect(201);
    let start = format!("/exec/{}/start", made.json()["Id"].as_str().unwrap());
    let before = files.untold();
    docker.post_json(&start, &json!({ "Detach": true })).expect(200);
    pace::until("it hangs", PROMPT, || (files.untold() > before).then_some(()));
    thread::scope(|scope| {
        let ended = scope.spawn(|| outcome(&docker, "POST", "/containers/hung/stop?t=0"));
        is_looked_after(&docker, "other");
        assert_eq!(ended.join().unwrap(), 500);
    });
    // Released, everything comes to its end by itself.
    drop(files);
    pace::until("the container ends", LIMIT, || {
        (docker.inspect("hung")["State"]["Running"] == false).then_some(())
    });
    for name in ["hung", "unborn"] {
        docker.delete(&format!("/containers/{name}?force=1")).expect(204);
    }
    is_looked_after(&docker, "other");
}

/// Places for looks at files are counted for each container: one that hangs takes its own, and no others'.
#[test]
fn looks_that_hang_take_nobody_elses_places() {
    let mut files = None;
    let pair = Pair::start_in(|dir| files = Some(HungFiles::mount(&dir.join("hung"))));
    let files = files.unwrap();
    let docker = pair.docker();
    docker.import("bb:latest", &harness::rootfs::busybox());
    docker.run("other", "exec sleep 100000");
    let bind = format!("{}:/hung", pair.dir().join("hung").display());
    let body = json!({ "Image": "bb:latest", "Cmd": ["sleep", "100000"], "StopTimeout": 1,
        "HostConfig": { "Binds": [bind] } });
    docker.create_from("hung", &body);
    docker.start("hung");
    thread::scope(|scope| {
        let looks: Vec<_> = (0..40)
            .map(|number| {
                let path = format!("/containers/hung/archive?path=/hung/{number}");
                let docker = &docker;
                scope.spawn(move || outcome(docker, "GET", &path))
            })
            .collect();
        pace::until("they hang", PROMPT, || (files.untold() >= 8).then_some(()));
        is_looked_after(&docker, "other");
        let statuses: Vec<u16> = looks.into_iter().map(|look| look.join().unwrap()).collect();
        assert!(statuses.iter().all(|status| *status == 500), "{statuses:?}");
    });
    assert_eq!(files.untold(), 8, "more looked than have places");
    // Killed they hang still, and their places are taken.
    assert_eq!(
        outcome(&docker, "GET", "/containers/hung/archive?path=/etc/plain"),
        500
    );
    drop(files);
    pace::until("the places are free again", PROMPT, || {
        (docker.get("/containers/hung/archive?path=/etc/plain").status == 200).then_some(())
    });
}
