//! The tables of the real `docker` command.

use harness::Cli;

use crate::scene::{self, BOX_UUID};

/// The lines that the command prints, sorted.
fn rows(cli: &Cli, words: &[&str]) -> Vec<String> {
    let mut rows: Vec<String> = cli.run(words).lines().map(str::to_owned).collect();
    rows.sort();
    rows
}

#[test]
fn containers_are_listed() {
    let phone = scene::everything();
    let cli = phone.cli();
    let ps = rows(
        &cli,
        &[
            "ps",
            "-a",
            "--format",
            "{{.Names}}|{{.Image}}|{{.Command}}|{{.State}}|{{.Networks}}",
        ],
    );
    let row = |name: &str, image: &str, init: &str, state: &str, net: &str| {
        format!("{name}|droidspaces/{image}:latest|\"{init}\"|{state}|{net}")
    };
    assert_eq!(
        ps,
        [
            row(
                "Media Box",
                "media-box",
                "/sbin/own",
                "exited",
                "droidspaces-bridge"
            ),
            row("alone", "alone", "/sbin/init", "running", "none"),
            row(
                "dmz guest",
                "dmz-guest",
                "/sbin/init",
                "created",
                "droidspaces-gateway-dmz-br-x"
            ),
            row("hub", "hub", "/sbin/init", "running", "droidspaces-bridge"),
            row(
                "lan-guest",
                "lan-guest",
                "/sbin/init",
                "running",
                "droidspaces-gateway-lan"
            ),
            row("twin", "alone", "/sbin/init", "created", "host"),
        ]
    );
    let shown = cli.run(&["ps", "-a", "--no-trunc"]);
    let line = shown.lines().find(|line| line.ends_with("hub")).unwrap();
    assert!(
        line.contains(" Up ") && line.contains("0.0.0.0:8029->109/tcp"),
        "{line}"
    );
    assert!(
        shown
            .lines()
            .any(|line| line.contains("Exited (255)") && line.ends_with("Media Box"))
    );
    let statuses = rows(
        &cli,
        &["ps", "-a", "--filter", "status=running", "--format", "{{.Names}}"],
    );
    assert_eq!(statuses, ["alone", "hub", "lan-guest"]);
    assert_eq!(rows(&cli, &["ps", "-q"]).len(), 3);
}

#[test]
fn everything_else_is_listed() {
    let phone = scene::everything();
    let cli = phone.cli();
    assert_eq!(
        rows(&cli, &["images", "--format", "{{.Repository}}:{{.Tag}}"]),
        ["alone", "dmz-guest", "hub", "lan-guest", "media-box"]
            .map(|name| format!("droidspaces/{name}:latest"))
    );
    assert_eq!(
        rows(
            &cli,
            &["network", "ls", "--format", "{{.Name}} {{.Driver}} {{.Scope}}"]
        ),
        [
            "droidspaces-bridge bridge local",
            "droidspaces-gateway-dmz-br-x bridge local",
            "droidspaces-gateway-lan bridge local",
            "host host local",
            "none null local"
        ]
    );
    let check = |words: &[&str], expected: &str| assert_eq!(cli.run(words), expected, "{words:?}");
    let members = "{{range .Containers}}{{.Name}} {{.IPv4Address}}{{end}}";
    check(
        &["network", "inspect", "droidspaces-bridge", "--format", members],
        "hub 172.28.5.6/16",
    );
    check(&["port", "hub", "80"], "0.0.0.0:8000");
    check(&["port", "hub", "9001/udp"], "0.0.0.0:9001");
    assert_eq!(cli.run(&["port", "hub"]).lines().count(), 42);
    check(&["port", "Media Box"], "");
    check(
        &["inspect", BOX_UUID, "--format", "{{.Name}} {{.Config.Hostname}}"],
        "/Media Box media",
    );
    check(
        &["inspect", "Media-Box", "--format", "{{.HostConfig.Memory}}"],
        "1610612736",
    );
    check(
        &["image", "inspect", "droidspaces/media-box", "--format", "{{.Os}}"],
        "linux",
    );
    check(&["volume", "ls", "-q"], "");
    let now = cli.run(&["info", "--format", "{{.SystemTime}}"]);
    let filter = [
        "--filter",
        "container=hub",
        "--filter",
        "type=container",
        "--format",
        "{{.Action}} {{.Actor.Attributes.name}}",
    ];
    let events = [&["events", "--since", "0", "--until", &now][..], &filter].concat();
    assert_eq!(cli.run(&events).lines().last(), Some("start hub"));
}
