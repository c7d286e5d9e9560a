//! Stacks, by the real `docker-compose`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use crate::scene::Scene;

const STACK: &str = "
services:
  web:
    image: bb:latest
    command: [sleep, '1000']
    network_mode: host
    stop_grace_period: 0s
    environment:
      GREETING: ${GREETING}
      TOKEN:
      TOKEN_FILE:
      DOCKER_CONFIG:
    volumes: ['./conf:/conf:ro']
";

#[test]
fn up_and_down() {
    let scene = Scene::start(&[]);
    let info = scene.get("/_hawser/info").expect(200).json();
    let capabilities = info["capabilities"].as_array().unwrap();
    assert!(
        capabilities.contains(&json!("compose")),
        "docker-compose is not installed: {info}"
    );
    let files = json!({ "compose.yaml": STACK, "conf/a.txt": "from a file\n", ".env": "GREETING=hello\n" });
    let registries = json!([{ "url": "ghcr.io", "username": "me", "password": "s3cret" }]);
    let (status, reply) = scene.compose("up", json!({ "files": files, "registries": registries }));
    assert_eq!((status, &reply["success"]), (200, &json!(true)), "{reply}");
    let docker = scene.pair.docker();
    let list = docker.get("/containers/json").expect(200).json();
    let names: Vec<_> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["Names"][0].clone())
        .collect();
    assert_eq!(names.len(), 1, "{list}");
    let name = names[0].as_str().unwrap().trim_start_matches('/').to_owned();
    assert_eq!(
        scene.run(&["exec", &name, "sh", "-c", "cat /conf/a.txt; echo $GREETING"]),
        "from a file\nhello"
    );
    // What containers see has nothing of ours.
    let environment = docker.inspect(&name)["Config"]["Env"].to_string();
    for word in ["s3cret", "bWU6czNjcmV0", crate::scene::TOKEN, "TOKEN="] {
        assert!(!environment.contains(word), "{word}: {environment}");
    }
    assert!(!scene.agent.log().contains("s3cret"));
    let left: Vec<_> = fs::read_dir(scene.dir.join("state"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["agent-id"], "the password is gone");
    let (status, reply) = scene.compose("ps", json!({}));
    assert!(
        status == 200 && reply["output"].as_str().unwrap().contains(&name),
        "{reply}"
    );
    let (status, reply) = scene.compose("down", json!({ "removeFiles": true }));
    assert_eq!((status, &reply["success"]), (200, &json!(true)), "{reply}");
    assert_eq!(docker.get("/containers/json?all=1").expect(200).json(), json!([]));
    assert_eq!(fs::read_dir(scene.dir.join("stacks")).unwrap().count(), 0);
}

#[test]
fn what_fails_says_why() {
    let scene = Scene::start(&[]);
    let (status, reply) = scene.compose("up", json!({ "composeFile": "services: [" }));
    assert_eq!((status, &reply["success"]), (500, &json!(false)), "{reply}");
    assert!(
        !reply["error"].as_str().unwrap().is_empty() && reply["exitCode"] != 0,
        "{reply}"
    );
    let (status, reply) = scene.compose("up", json!({ "files": {"../x": "y"} }));
    assert_eq!((status, &reply["exitCode"]), (500, &json!(-1)), "{reply}");
    let (status, reply) = scene.compose("up", json!({ "envVars": {"LD_PRELOAD": "/x"} }));
    assert_eq!((status, &reply["exitCode"]), (400, &json!(-1)), "{reply}");
    let (status, _) = scene.compose("--help", json!({}));
    assert_eq!(status, 400);
}

/// A command in the command's place, to look at what it is given.
#[test]
fn what_the_command_is_given() {
    let bin = harness::pair::new_dir();
    let script = format!(
        "#!/bin/sh\n[ \"$2\" = --short ] && echo 2.99.0 && exit\n\
         {{ echo \"$@\"; env; cat; stat -c %a $DOCKER_CONFIG $DOCKER_CONFIG/config.json; \
         cat $DOCKER_CONFIG/config.json; }} >{0}/seen\necho done\n",
        bin.display()
    );
    let program = bin.join("docker-compose");
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", bin.display());
    let scene = Scene::start_with(&[], &[("PATH", &path), ("TOKEN", "t0ken-2")]);
    let order = json!({
        "composeFile": "services: {}\n", "envVars": {"A": "b c"}, "pullPolicy": "always",
        "registries": [{ "url": "https://ghcr.io/", "username": "me", "password": "s3cret" }],
    });
    let (status, reply) = scene.compose("up", order);
    assert_eq!(
        (status, &reply),
        (
            200,
            &json!({ "success": true, "output": "done\n", "exitCode": 0 })
        )
    );
    let seen = fs::read_to_string(bin.join("seen")).unwrap();
    let line = "--project-name st1 -f - up -d --remove-orphans --pull always\n";
    assert!(seen.starts_with(line), "{seen}");
    for part in ["A=b c\n", "services: {}\n", "700\n600\n", "bWU6czNjcmV0"] {
        assert!(seen.contains(part), "{part}: {seen}");
    }
    assert!(
        seen.contains(&format!("DOCKER_HOST={}\n", scene.pair.unix())),
        "{seen}"
    );
    for part in ["s3cret", "t0ken-2", crate::scene::TOKEN, "TOKEN", "STATE_DIR"] {
        assert!(!seen.contains(part), "{part}: {seen}");
    }
    drop(scene);
    fs::remove_dir_all(bin).unwrap();
}
