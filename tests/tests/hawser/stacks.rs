//! Stacks, sent over the WebSocket and run by the real `docker-compose`.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use harness::dockhand::{Body, Environment, Options, Reply};
use harness::fuse::HungFiles;
use harness::{Agent, Dockhand, pace, pair};
use serde_json::{Value, json};

use crate::engine::{self, Engine};
use crate::scene::Scene;

const LIMIT: Duration = Duration::from_secs(20);

const STACK: &str = "
services:
  web:
    image: bb:latest
    command: [sh, -c, 'cat /conf/a.txt; echo $$GREETING; exec sleep 1000']
    network_mode: host
    stop_grace_period: 0s
    environment:
      GREETING: ${GREETING}
      TOKEN:
      TOKEN_FILE:
      STATE_DIR:
    volumes: ['./conf:/conf:ro']
";

/// Has compose do something with the stack `st1`.
#[track_caller]
fn compose(environment: &Environment, operation: &str, fields: &Value) -> Reply {
    let mut order = json!({ "operation": operation, "projectName": "st1" });
    order
        .as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    environment.ask("POST", "/_hawser/compose", Body::Json(order))
}

/// The same, where it ends well; gives what was streamed, and what the answer says was written.
#[track_caller]
fn composed(environment: &Environment, operation: &str, fields: &Value) -> (String, String) {
    let reply = compose(environment, operation, fields).expect(200);
    let told = reply.json();
    assert_eq!(
        (&told["success"], &told["exitCode"]),
        (&json!(true), &json!(0)),
        "{told}"
    );
    let streamed = String::from_utf8(reply.pieces.concat()).unwrap();
    (streamed, told["output"].as_str().unwrap().to_owned())
}

fn scene() -> Scene {
    Scene::start_with(Options::quick(), |agent| {
        let stacks = agent.state().with_file_name("stacks");
        agent
            .with("PATH", &env::var("PATH").unwrap())
            .with("STACKS_DIR", stacks.to_str().unwrap())
    })
}

#[test]
fn up_and_down() {
    let scene = scene();
    let (docker, environment) = (scene.docker(), scene.environment());
    let files = json!({ "compose.yaml": STACK, "conf/a.txt": "from a file\n", ".env": "GREETING=hello\n" });
    let (streamed, output) = composed(
        &environment,
        "up",
        &json!({ "files": files, "streamOutput": true }),
    );
    let list = docker.get("/containers/json").expect(200).json();
    assert_eq!(list.as_array().unwrap().len(), 1, "{list}");
    assert_eq!(list[0]["Labels"]["com.docker.compose.project"], "st1");
    let name = list[0]["Names"][0].as_str().unwrap().trim_start_matches('/');
    // What was streamed is what the answer says once more.
    assert!(
        streamed.contains(name) && output.contains(name),
        "{streamed} {output}"
    );
    // Through the agent it is the same, and the server was told.
    let through = environment.get("/containers/json").expect(200).json();
    assert_eq!(through[0]["Id"], list[0]["Id"]);
    let variables = docker.inspect(name)["Config"]["Env"].to_string();
    assert!(variables.contains("GREETING=hello"), "{variables}");
    for word in ["hawser_1_", "TOKEN=", "TOKEN_FILE=", "STATE_DIR="] {
        assert!(!variables.contains(word), "{word}: {variables}");
    }
    // Nothing is streamed where nobody asked for it.
    let (streamed, output) = composed(&environment, "ps", &json!({}));
    assert!(
        streamed.is_empty() && output.contains(name),
        "{streamed} {output}"
    );
    let (_, output) = composed(&environment, "logs", &json!({ "options": { "tail": 10 } }));
    for line in ["from a file", "hello"] {
        assert!(output.contains(line), "{line}: {output}");
    }
    composed(&environment, "stop", &json!({}));
    assert_eq!(docker.inspect(name)["State"]["Running"], false);
    composed(&environment, "down", &json!({ "removeFiles": true }));
    assert_eq!(docker.get("/containers/json?all=1").expect(200).json(), json!([]));
    let stacks = scene.how.state().with_file_name("stacks");
    assert_eq!(fs::read_dir(stacks).unwrap().count(), 0);
    scene.server.until("what happened to it", |seen| {
        let acts = seen.acts(1);
        let has = |action: &str| acts.contains(&format!("{action} {name}"));
        ["create", "start", "die", "destroy"]
            .into_iter()
            .all(has)
            .then_some(())
    });
    // It was found by now, however slowly: the next hello says so.
    scene.server.cut_now(1);
    scene
        .server
        .until("it is back", |seen| (seen.welcomes() == 2).then_some(()));
    let seen = scene.server.seen();
    let capabilities = seen.hellos[1].hello["capabilities"].as_array().unwrap();
    assert!(capabilities.contains(&json!("compose")), "{capabilities:?}");
    assert_eq!(seen.strays.len() + seen.threw.len(), 0, "{seen:?}");
}

/// What goes wrong is an answer, and what the command says of it is in there.
#[test]
fn what_fails_says_why() {
    let scene = scene();
    let environment = scene.environment();
    let check = |operation: &str, fields: Value, status: u16, code: i64, part: &str| {
        let reply = compose(&environment, operation, &fields);
        let told = reply.json();
        assert_eq!(
            (reply.status, &told["success"], &told["exitCode"]),
            (status, &json!(false), &json!(code)),
            "{told}"
        );
        assert!(told["error"].as_str().unwrap().contains(part), "{part}: {told}");
    };
    check("up", json!({ "composeFile": "services: [" }), 500, 1, "yaml");
    check(
        "up",
        json!({ "files": { "../x": "y" } }),
        500,
        -1,
        "no path below",
    );
    check("--help", json!({}), 400, -1, "an operation is");
    check(
        "up",
        json!({ "envVars": { "LD_PRELOAD": "/x" } }),
        400,
        -1,
        "LD_PRELOAD",
    );
    assert_eq!(scene.server.seen().threw, [""; 0]);
}

/// Files are written beside everything else: a disk that hangs holds up the stacks on it, and nothing else.
#[test]
fn a_disk_that_hangs_holds_up_its_stacks_alone() {
    let dir = pair::new_dir();
    let files = HungFiles::mount(&dir.join("hung"));
    let engine = Engine::start(&dir.join("engine.sock"), |_, out| engine::version(out));
    let program = dir.join("docker-compose");
    fs::write(&program, "#!/bin/sh\n[ \"$2\" != --short ] || echo 2.99.0\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let server = Dockhand::start(Options::quick());
    let token = server.make_token(1);
    let how = Agent::new(engine.address(), &server.url(), &token, &dir.join("agent"));
    let how = how
        .with("PATH", dir.to_str().unwrap())
        .with("STACKS_DIR", dir.join("hung").to_str().unwrap());
    let mut agent = how.start();
    let environment = server.connected(1);
    // As many as may run.
    let calls: Vec<_> = (1..=4)
        .map(|number| {
            let order = json!({
                "operation": "up", "projectName": format!("st{number}"), "files": { "compose.yaml": STACK }
            });
            environment
                .begin("POST", "/_hawser/compose", Body::Json(order))
                .unwrap()
        })
        .collect();
    pace::until("all of them hang", LIMIT, || {
        (files.untold() >= calls.len()).then_some(())
    });
    environment.get("/version").expect(200);
    drop(files);
    for call in calls {
        let told = call.reply().unwrap().expect(500).json();
        assert_eq!(told["exitCode"], -1, "{told}");
    }
    assert!(agent.end().success());
    fs::remove_dir_all(dir).unwrap();
}
