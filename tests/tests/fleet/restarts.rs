//! Whoever is killed comes back, and nothing that happened is lost or told twice.

use std::process::Command;

use crate::scene::{Scene, program};

/// How often each is killed.
const ROUNDS: usize = 3;

#[test]
fn killed_again_and_again() {
    let scene = Scene::start();
    let docker = scene.pair.docker();
    let (mut coordinator, listening) = scene.local_coordinator();
    let ports = listening.map(|address| address.rsplit(':').next().unwrap().to_owned());
    let again = ["--grpc-port", &ports[0], "--api-port", &ports[1]];
    let url = format!("http://127.0.0.1:{}", ports[0]);
    let mut node = scene.node(Command::new(program()), &url);
    let id = scene.connected();
    for round in 0..ROUNDS {
        docker.run(&format!("a{round}"), "exit 0");
        coordinator.crash();
        docker.run(&format!("b{round}"), "exit 0");
        coordinator = scene.coordinator(Command::new(program()), &again);
        docker.run(&format!("c{round}"), "exit 0");
        assert_eq!(scene.connected(), id);
        docker.run(&format!("d{round}"), "exit 0");
        node.crash();
        docker.run(&format!("e{round}"), "exit 0");
        node = scene.node(Command::new(program()), &url);
        assert_eq!(scene.connected(), id);
    }
    let last = docker.run("last", "exit 0");
    assert!(!last.is_empty());
    docker.wait("last");
    let mut heard = scene.heard("die last");
    heard.retain(|what, _| !what.starts_with("changed "));
    assert_eq!(heard, scene.happened());
    // Whoever goes has gone, once, before it is back: a coordinator that was killed says so when it begins again.
    let told = scene.admin().get("/api/events?after=0").expect(200).json();
    let actions = told["events"].as_array().unwrap().iter().filter_map(|line| {
        let action = line["event"]["action"].as_str()?;
        (line["event"]["type"] == "node" && action.contains("connected")).then_some(action)
    });
    let actions: Vec<&str> = actions.collect();
    for (at, action) in actions.iter().enumerate() {
        assert_eq!(*action, ["connected", "disconnected"][at % 2], "{actions:?}");
    }
    assert!(
        actions.len() > 4 * ROUNDS && actions.len() % 2 == 1,
        "{actions:?}"
    );
}
