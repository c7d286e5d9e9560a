//! The real `docker` command.

use harness::{Cli, Pair};

#[test]
fn what_is_there() {
    let pair = Pair::start_empty();
    let cli = Cli::of(&pair);
    let version = cli.run(&["version", "--format", "{{.Server.APIVersion}} {{.Server.Os}}"]);
    assert_eq!(version, "1.51 linux");
    assert!(cli.run(&["version"]).contains("Server:"));
    assert_eq!(
        cli.run(&[
            "info",
            "--format",
            "{{.Containers}} {{.Images}} {{.Swarm.LocalNodeState}}"
        ]),
        "0 0 inactive"
    );
    assert!(cli.run(&["info"]).contains("Storage Driver:"));
    assert_eq!(cli.run(&["ps", "-aq"]), "");
    assert_eq!(cli.run(&["images", "-q"]), "");
    let mut networks: Vec<_> = cli
        .run(&["network", "ls", "--format", "{{.Name}}"])
        .lines()
        .map(str::to_owned)
        .collect();
    networks.sort();
    assert_eq!(networks, ["bridge", "host", "none"]);
    assert_eq!(
        cli.run(&["network", "inspect", "host", "--format", "{{.Driver}}"]),
        "host"
    );
    assert_eq!(cli.run(&["volume", "ls", "-q"]), "");
    assert!(cli.run(&["system", "df"]).contains("Local Volumes"));
}

#[test]
fn images() {
    let pair = Pair::start_empty();
    let cli = Cli::of(&pair);
    let id = cli.import("bb:latest");
    assert!(id.starts_with("sha256:"), "{id}");
    assert_eq!(
        cli.run(&[
            "images",
            "--no-trunc",
            "--format",
            "{{.Repository}}:{{.Tag}} {{.ID}}"
        ]),
        format!("bb:latest {id}")
    );
    assert_eq!(
        cli.run(&["image", "inspect", "bb", "--format", "{{.Id}} {{.Os}}"]),
        format!("{id} linux")
    );
    assert!(cli.run(&["history", "bb"]).contains("IMAGE"));
    cli.run(&["tag", "bb", "other:one"]);
    assert_eq!(
        cli.run(&["images", "-q", "other:one"]),
        id["sha256:".len()..][..12]
    );
    assert!(cli.run(&["rmi", "other:one"]).contains("Untagged: other:one"));
    assert!(cli.run(&["rmi", "bb:latest"]).contains("Deleted: sha256:"));
    assert_eq!(cli.run(&["images", "-q"]), "");
    assert!(
        cli.fail(&["rmi", "bb:latest"])
            .contains("No such image: bb:latest")
    );
}

#[test]
fn a_container_s_life() {
    let pair = Pair::start();
    let cli = Cli::of(&pair);
    let begin = cli.run(&["info", "--format", "{{.SystemTime}}"]);
    let id = cli.run(&[
        "create",
        "--name",
        "web",
        "--label",
        "team=a",
        "bb",
        "/bin/sleep",
        "100000",
    ]);
    assert_eq!(id.len(), 64);
    let state = |name: &str| {
        cli.run(&[
            "inspect",
            name,
            "--format",
            "{{.State.Status}} {{.State.ExitCode}}",
        ])
    };
    assert_eq!(state("web"), "created 0");
    assert_eq!(cli.run(&["start", "web"]), "web");
    assert_eq!(state("web"), "running 0");
    let shown = cli.run(&["ps", "--format", "{{.Names}} {{.Image}} {{.Status}}"]);
    assert!(shown.starts_with("web bb Up "), "{shown}");
    assert_eq!(cli.run(&["stop", "-t", "0", "web"]), "web");
    assert_eq!(state("web"), "exited 137");
    assert_eq!(cli.run(&["restart", "-t", "0", "web"]), "web");
    assert_eq!(state("web"), "running 0");
    assert_eq!(cli.run(&["kill", "web"]), "web");
    assert_eq!(cli.run(&["wait", "web"]), "137");
    let shown = cli.run(&[
        "ps",
        "-a",
        "--filter",
        "label=team=a",
        "--format",
        "{{.Names}} {{.Status}}",
    ]);
    assert!(shown.starts_with("web Exited (137) "), "{shown}");
    cli.run(&["rename", "web", "site"]);
    assert!(cli.fail(&["start", "web"]).contains("No such container: web"));
    cli.run(&["start", "site"]);
    assert!(
        cli.fail(&["rm", "site"]).contains("cannot remove"),
        "one that runs"
    );
    assert_eq!(cli.run(&["rm", "-f", "site"]), "site");
    assert_eq!(cli.run(&["ps", "-aq"]), "");

    let end = cli.run(&["info", "--format", "{{.SystemTime}}"]);
    let events = cli.run(&[
        "events",
        "--since",
        &begin,
        "--until",
        &end,
        "--filter",
        "type=container",
        "--format",
        "{{.Action}}",
    ]);
    let events: Vec<_> = events.lines().collect();
    assert_eq!(events.first(), Some(&"create"));
    assert_eq!(events.last(), Some(&"destroy"));
    for action in ["start", "die", "stop", "restart", "kill", "rename"] {
        assert!(events.contains(&action), "{action}: {events:?}");
    }
}

#[test]
fn run_detached() {
    let pair = Pair::start();
    let cli = Cli::of(&pair);
    let id = cli.run(&["run", "-d", "--name", "job", "bb", "/bin/sh", "-c", "exit 9"]);
    assert_eq!(cli.run(&["wait", "job"]), "9");
    assert_eq!(cli.run(&["ps", "-aq", "--no-trunc"]), id);
    assert_eq!(
        cli.run(&["container", "prune", "-f"]).lines().nth(1),
        Some(id.as_str())
    );

    let error = cli.fail(&["run", "-d", "--name", "lost", "bb", "/nothere"]);
    assert!(error.contains("/nothere"), "{error}");
    assert_eq!(
        cli.run(&[
            "inspect",
            "lost",
            "--format",
            "{{.State.Status}} {{.State.ExitCode}}"
        ]),
        "created 127"
    );
    assert!(
        cli.fail(&["run", "-d", "--name", "lost", "bb", "/bin/true"])
            .contains("already in use")
    );
}
