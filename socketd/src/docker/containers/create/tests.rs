use serde_json::{Value, json};
use wire::network::NetworkInfo;
use wire::spec::{MountKind, NetworkMode, Port, RestartKind};
use wire::{Container, ImageId, Info};

use super::*;
use crate::docker::containers::inspect::inspect;

/// What the `docker` command 28 sends for a `run` with many flags.
const COMMAND_LINE: &str = include_str!("docker-run.json");
/// What a browser's create form sends when hardly anything is filled in.
const FORM: &str = include_str!("form.json");

fn images() -> ImageIndex {
    ImageIndex::new(vec![Image {
        id: ImageId([0x12; 32]),
        tags: vec!["bb:latest".into()],
        architecture: "amd64".into(),
        config: ImageConfig {
            entrypoint: vec!["/entry".into()],
            command: vec!["serve".into()],
            env: vec!["PATH=/bin".into(), "A=image".into()],
            labels: vec![Pair::new("from", "image"), Pair::new("team", "image")],
            exposed: vec![Port {
                container_port: 443,
                protocol: "tcp".into(),
                ..Port::default()
            }],
            user: "1000".into(),
            ..ImageConfig::default()
        },
        ..Image::default()
    }])
}

fn host() -> Info {
    let network = |name: &str| NetworkInfo {
        name: name.into(),
        ..NetworkInfo::default()
    };
    Info {
        runtimes: vec!["embedded".into(), "other".into()],
        networks: ["bridge", "pool"].map(network).into(),
        ..Info::default()
    }
}

fn create(query: &str, body: &str) -> Result<(Create, Vec<String>), ApiError> {
    parse_create(
        &Query::parse(Some(query)),
        body.as_bytes(),
        Some("application/json"),
        &images(),
        &host(),
    )
}

/// A body with an image and a part of a host configuration.
fn with_host(host: Value) -> Result<(Create, Vec<String>), ApiError> {
    create("", &json!({"Image": "bb", "HostConfig": host}).to_string())
}

fn with_config(mut config: Value) -> Result<Spec, ApiError> {
    config["Image"] = json!("bb");
    create("", &config.to_string()).map(|(order, _)| order.spec)
}

#[test]
fn the_docker_command_is_understood() {
    let (order, warnings) = create("name=web", COMMAND_LINE).unwrap();
    let spec = order.spec;
    assert_eq!(
        (order.name.as_str(), order.image_id),
        ("web", ImageId([0x12; 32]))
    );
    assert_eq!(spec.process.entrypoint, ["sh"]);
    assert_eq!(spec.process.command, ["-c", "echo hi"]);
    assert_eq!(spec.process.env, ["A=b", "PATH=/bin"]);
    assert_eq!(spec.process.user, "1000");
    assert!(spec.process.init && spec.process.attach_stdout);
    assert_eq!(spec.network.mode, NetworkMode::Host);
    assert_eq!(spec.network.published[0].host_port, 8080);
    assert_eq!(spec.network.exposed.len(), 2);
    assert_eq!(
        (spec.restart.kind, spec.restart.retries_max),
        (RestartKind::OnFailure, 3)
    );
    assert_eq!(spec.resources.memory_swap_bytes, 134_217_728);
    assert_eq!(spec.resources.nano_cpus, 500_000_000);
    assert_eq!(
        (spec.resources.ulimits[0].soft, spec.resources.ulimits[0].hard),
        (1024, 2048)
    );
    let mounts: Vec<_> = spec
        .mounts
        .iter()
        .map(|mount| (mount.kind, mount.target.as_str()))
        .collect();
    let expected = [
        (MountKind::Bind, "/mnt/etc"),
        (MountKind::Bind, "/t"),
        (MountKind::Tmpfs, "/run"),
    ];
    assert_eq!(mounts, expected);
    assert_eq!(spec.labels, [Pair::new("from", "image"), Pair::new("team", "a")]);
    let check = spec.health_check.unwrap();
    assert_eq!((check.arguments, check.shell), (vec!["true".to_owned()], true));
    assert_eq!(
        warnings,
        [
            "Memory swappiness is not enforced. Memory swappiness discarded.",
            "Published ports are discarded when using host network mode",
        ]
    );
}

#[test]
fn empty_texts_and_lists_of_a_form_mean_unset() {
    let (order, warnings) = create("name=/new", FORM).unwrap();
    assert_eq!(order.name, "new");
    assert_eq!(order.spec.process.entrypoint, ["/entry"]);
    assert_eq!(order.spec.process.command, ["serve"]);
    assert_eq!(order.spec.process.user, "1000");
    assert_eq!(order.spec.hostname, "");
    assert_eq!(order.spec.security.capabilities_added.len(), 14);
    assert_eq!(warnings, [""; 0]);
}

#[test]
fn what_an_inspection_shows_can_be_created_again() {
    let (order, _) = create(
        "",
        &COMMAND_LINE.replace("\"MemorySwappiness\":10", "\"MemorySwappiness\":null"),
    )
    .unwrap();
    let mut container = Container {
        runtime: "embedded".into(),
        spec: order.spec.clone(),
        ..Container::default()
    };
    container.spec.hostname = "kept".into();
    let info = Info::default();
    let shown = serde_json::to_value(inspect(&container, &info, &Networks::new(&info), None)).unwrap();
    let mut body = shown["Config"].clone();
    body["HostConfig"] = shown["HostConfig"].clone();
    let networks = shown["NetworkSettings"]["Networks"].clone();
    body["NetworkingConfig"] = json!({ "EndpointsConfig": networks });
    let (again, _) = create("", &body.to_string()).unwrap();
    assert_eq!(again.spec, container.spec);
}

#[test]
fn a_body_must_be_json_and_say_so() {
    #[track_caller]
    fn check(body: &str, content_type: Option<&str>, expected: &str) {
        let error = parse_create(
            &Query::default(),
            body.as_bytes(),
            content_type,
            &images(),
            &host(),
        )
        .unwrap_err();
        assert_eq!((error.status, error.message.as_str()), (400, expected));
    }
    let json = Some("application/json; charset=utf-8");
    check("", json, "invalid JSON: got EOF while reading request body");
    check(
        "{}",
        json,
        "Config cannot be empty in order to create a container",
    );
    check(
        "null",
        json,
        "Config cannot be empty in order to create a container",
    );
    check("{}", None, "Content-Type specified () must be 'application/json'");
    check(
        "{}",
        Some("text/plain"),
        "Content-Type specified (text/plain) must be 'application/json'",
    );
    check(
        "{not json",
        json,
        "invalid JSON: key must be a string at line 1 column 2",
    );
    check(
        "{} x",
        json,
        "invalid JSON: trailing characters at line 1 column 4",
    );
    check(
        r#"{"Image":"a\u0000"}"#,
        json,
        "invalid JSON: a text holds a NUL character",
    );
    check(
        r#"{"Tty":"yes"}"#,
        json,
        "invalid JSON: invalid type: string \"yes\", expected a boolean at line 1 column 12",
    );
}

#[test]
fn an_escaped_backslash_is_no_nul() {
    let spec = with_config(json!({"Cmd": ["printf", "\\u0000"]})).unwrap();
    assert_eq!(spec.process.command, ["printf", "\\u0000"]);
}

#[test]
fn images_and_names_are_found_or_refused() {
    #[track_caller]
    fn check(query: &str, body: &str, status: u16, expected: &str) {
        let error = create(query, body).unwrap_err();
        assert_eq!((error.status, error.message.as_str()), (status, expected));
    }
    check("", r#"{"Image":"nosuch:tag"}"#, 404, "No such image: nosuch:tag");
    check(
        "",
        r#"{"Image":"BB"}"#,
        400,
        "invalid reference format: repository name must be lowercase",
    );
    check(
        "name=-bad-",
        r#"{"Image":"bb"}"#,
        400,
        "Invalid container name (-bad-), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
    );
    check(
        "platform=linux/arm64",
        r#"{"Image":"bb"}"#,
        404,
        "image with reference bb was found but does not match the specified platform: wanted linux/arm64, actual: linux/amd64",
    );
    assert!(create("platform=linux/amd64", r#"{"Image":"bb"}"#).is_ok());
}

#[test]
fn the_image_gives_what_the_body_leaves_open() {
    #[track_caller]
    fn check(config: Value, entrypoint: &[&str], command: &[&str]) {
        let spec = with_config(config).unwrap();
        assert_eq!(
            (spec.process.entrypoint, spec.process.command),
            (
                entrypoint.iter().map(|word| (*word).to_owned()).collect(),
                command.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()
            )
        );
    }
    check(json!({}), &["/entry"], &["serve"]);
    check(json!({"Cmd": ["x"]}), &["/entry"], &["x"]);
    check(json!({"Cmd": "x y"}), &["/entry"], &["x y"]);
    check(json!({"Entrypoint": ["e"]}), &["e"], &[]);
    check(json!({"Entrypoint": "e"}), &["e"], &[]);
    check(json!({"Entrypoint": []}), &[], &["serve"]);
    check(json!({"Entrypoint": [""], "Cmd": ["x"]}), &[], &["x"]);
    let error = with_config(json!({"Entrypoint": [""]})).unwrap_err();
    assert_eq!(error, ApiError::bad_request("no command specified"));
}

#[test]
fn variables_of_the_body_come_first_and_win() {
    let env = |env: Value| with_config(json!({ "Env": env })).map(|spec| spec.process.env);
    assert_eq!(env(json!(null)).unwrap(), ["PATH=/bin", "A=image"]);
    assert_eq!(env(json!(["A=", "B=c"])).unwrap(), ["A=", "B=c", "PATH=/bin"]);
    assert_eq!(env(json!(["A"])).unwrap(), ["PATH=/bin"]);
    assert_eq!(
        env(json!(["=x"])).unwrap_err().message,
        "invalid environment variable: =x"
    );
}

#[test]
fn values_that_cannot_be_are_refused_in_dockers_words() {
    #[track_caller]
    fn check(host: Value, expected: &str) {
        let error = with_host(host).unwrap_err();
        assert_eq!((error.status, error.message.as_str()), (400, expected));
    }
    check(json!({"Memory": 1024}), "Minimum memory limit allowed is 6MB");
    check(json!({"Memory": -1}), "invalid memory limit: -1 is negative");
    check(
        json!({"MemorySwap": 1024}),
        "You should always set the Memory limit when using Memoryswap limit, see usage",
    );
    check(
        json!({"Memory": 10_000_000, "MemorySwap": 9_000_000}),
        "Minimum memoryswap limit should be larger than memory limit, see usage",
    );
    check(
        json!({"Memory": 10_000_000, "MemoryReservation": 20_000_000}),
        "Minimum memory limit can not be less than memory reservation limit, see usage",
    );
    check(
        json!({"NanoCpus": 1_000_000_000, "CpuPeriod": 1000}),
        "Conflicting options: Nano CPUs and CPU Period cannot both be set",
    );
    check(
        json!({"CpuQuota": 5}),
        "CPU cfs quota can not be less than 1ms (i.e. 1000)",
    );
    check(
        json!({"OomScoreAdj": 1001}),
        "Invalid value 1001, range for oom score adj is [-1000, 1000]",
    );
    check(
        json!({"RestartPolicy": {"Name": "sometimes"}}),
        "invalid restart policy: unknown policy 'sometimes'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'",
    );
    check(
        json!({"RestartPolicy": {"Name": "always", "MaximumRetryCount": -1}}),
        "invalid restart policy: maximum retry count can only be used with 'on-failure' and cannot be negative",
    );
    check(
        json!({"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": -1}}),
        "invalid restart policy: maximum retry count cannot be negative",
    );
    check(
        json!({"AutoRemove": true, "RestartPolicy": {"Name": "always"}}),
        "can't create 'AutoRemove' container with restart policy",
    );
    check(
        json!({"CapAdd": ["FLY"]}),
        "invalid CapAdd: unknown capability: \"CAP_FLY\"",
    );
    check(json!({"Ulimits": [{"Name": "x"}]}), "invalid ulimit type: x");
    check(
        json!({"Ulimits": [{"Name": "nofile", "Soft": 5, "Hard": 4}]}),
        "ulimit soft limit must be less than or equal to hard limit: 5 > 4",
    );
    check(json!({"ShmSize": -1}), "SHM size can not be less than 0");
    check(
        json!({"Isolation": "hyperv"}),
        "invalid isolation \"hyperv\" on linux",
    );
    check(
        json!({"Runtime": "runc"}),
        "unknown or invalid runtime name: runc",
    );
    check(json!({"ExtraHosts": ["x"]}), "bad format for add-host: \"x\"");
    check(
        json!({"PortBindings": {"x/tcp": []}}),
        "invalid port specification: \"x/tcp\"",
    );
}

#[test]
fn what_is_not_served_is_named() {
    #[track_caller]
    fn check(host: Value, status: u16, part: &str) {
        let error = with_host(host).unwrap_err();
        assert_eq!(error.status, status, "{}", error.message);
        assert!(error.message.contains(part), "{}", error.message);
    }
    check(json!({"Binds": ["data:/x"]}), 501, "a named volume (data)");
    check(
        json!({"Mounts": [{"Type": "volume", "Target": "/x"}]}),
        501,
        "volumes are not served yet",
    );
    check(json!({"PidMode": "host"}), 501, "HostConfig.PidMode is \"host\"");
    check(json!({"IpcMode": "host"}), 501, "HostConfig.IpcMode");
    check(json!({"CgroupnsMode": "host"}), 501, "HostConfig.CgroupnsMode");
    check(
        json!({"DeviceRequests": [{"Driver": "nvidia"}]}),
        501,
        "HostConfig.DeviceRequests",
    );
    check(
        json!({"BlkioDeviceReadIOps": [{}]}),
        501,
        "HostConfig.BlkioDeviceReadIOps",
    );
    check(
        json!({"LogConfig": {"Type": "syslog"}}),
        501,
        "HostConfig.LogConfig.Type",
    );
    check(json!({"MaskedPaths": []}), 501, "HostConfig.MaskedPaths");
    check(json!({"Runtime": "other"}), 501, "choosing a runtime");
    check(
        json!({"NetworkMode": "container:web"}),
        501,
        "sharing the network of another container",
    );
    check(json!({"NetworkMode": "mine"}), 404, "network mine not found");
    check(
        json!({"NetworkMode": "pool"}),
        501,
        "network pool belongs to a runtime that creates no containers",
    );
    assert!(with_host(json!({"MaskedPaths": [], "ReadonlyPaths": [], "Privileged": true})).is_ok());
    let error = with_config(json!({"Volumes": {"/data": {}}})).unwrap_err();
    assert_eq!(error.status, 501);
    let covered = json!({"Volumes": {"/data": {}, "/tmp/": {}}, "HostConfig": {
        "Binds": ["/srv:/data/:ro"], "Mounts": [{"Type": "tmpfs", "Target": "/tmp"}],
    }});
    assert_eq!(with_config(covered).unwrap().mounts.len(), 2);
    let partly = json!({"Volumes": {"/data": {}, "/more": {}}, "HostConfig": {"Binds": ["/srv:/data"]}});
    assert_eq!(with_config(partly).unwrap_err().status, 501);
    let endpoints = json!({"NetworkingConfig": {"EndpointsConfig": {"host": null}}});
    assert_eq!(with_config(endpoints).unwrap_err().status, 501);
    let address = json!({"NetworkingConfig": {"EndpointsConfig": {"bridge": {"IPAMConfig": {"IPv4Address": "10.0.0.2"}}}}});
    assert_eq!(with_config(address).unwrap_err().status, 400);
}

#[test]
fn the_rest_of_the_process() {
    let spec =
        with_config(json!({"StopSignal": "SIGINT", "StopTimeout": 3, "WorkingDir": "/w", "User": "0"}))
            .unwrap();
    assert_eq!(spec.process.stop_signal, "SIGINT");
    assert_eq!(spec.process.stop_timeout_s, Some(3));
    assert_eq!(
        (spec.process.working_dir.as_str(), spec.process.user.as_str()),
        ("/w", "0")
    );
    let message = |config| with_config(config).unwrap_err().message;
    assert_eq!(message(json!({"StopSignal": "X"})), "Invalid signal: X");
    assert_eq!(
        message(json!({"WorkingDir": "w"})),
        "the working directory 'w' is invalid, it needs to be an absolute path"
    );
    assert_eq!(with_config(json!({"StopTimeout": -1})).unwrap_err().status, 501);
}
