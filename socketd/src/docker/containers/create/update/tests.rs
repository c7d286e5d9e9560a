use serde_json::{Value, json};
use wire::ContainerId;
use wire::spec::RestartPolicy;

use super::*;

const ID: ContainerId = ContainerId([0xa7; 32]);

fn container(resources: Resources) -> Container {
    let mut container = Container {
        id: ID,
        ..Container::default()
    };
    container.spec.resources = resources;
    container
}

fn update(body: &Value, has: &Container) -> Result<(Update, Vec<String>), ApiError> {
    parse_update(body.to_string().as_bytes(), Some("application/json"), has)
}

#[test]
fn what_is_not_said_stays() {
    let has = container(Resources::default());
    let nothing = Update {
        reference: ID.to_string(),
        ..Update::default()
    };
    for body in [
        json!({}),
        json!(null),
        json!({"Memory": 0, "CpuShares": 0, "CpusetCpus": "", "PidsLimit": null, "RestartPolicy": {"Name": ""}}),
    ] {
        assert_eq!(update(&body, &has), Ok((nothing.clone(), Vec::new())), "{body}");
    }
}

#[test]
fn what_is_said_is_ordered() {
    let body = json!({
        "Memory": 67_108_864, "MemorySwap": -1, "MemoryReservation": 33_554_432, "NanoCpus": 500_000_000,
        "CpuShares": 512, "CpusetCpus": "0-1", "CpusetMems": "0", "PidsLimit": -1, "BlkioWeight": 10,
        "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3}
    });
    let (order, warnings) = update(&body, &container(Resources::default())).unwrap();
    let expected = Update {
        reference: ID.to_string(),
        memory_bytes: Some(67_108_864),
        memory_swap_bytes: Some(-1),
        memory_reservation_bytes: Some(33_554_432),
        nano_cpus: Some(500_000_000),
        cpu_shares: Some(512),
        cpuset_cpus: Some("0-1".into()),
        cpuset_mems: Some("0".into()),
        pids_max: Some(-1),
        restart: Some(RestartPolicy {
            kind: RestartKind::OnFailure,
            retries_max: 3,
        }),
        ..Update::default()
    };
    assert_eq!(order, expected);
    assert_eq!(warnings, ["Block I/O weight is not enforced. Weight discarded."]);
    let shown = |warnings| serde_json::to_string(&updated(warnings)).unwrap();
    assert_eq!(shown(Vec::new()), r#"{"Warnings":null}"#);
    assert_eq!(shown(vec!["w".into()]), r#"{"Warnings":["w"]}"#);
}

#[test]
fn what_cannot_be_is_refused() {
    #[track_caller]
    fn check(body: Value, has: Resources, status: u16, expected: &str) {
        let error = update(&body, &container(has)).unwrap_err();
        assert_eq!((error.status, error.message.as_str()), (status, expected));
    }
    let none = Resources::default;
    check(
        json!({"Memory": 1}),
        none(),
        400,
        "Minimum memory limit allowed is 6MB",
    );
    check(
        json!({"CpuShares": -1}),
        none(),
        400,
        "invalid CpuShares: -1 is negative",
    );
    check(
        json!({"RestartPolicy": {"Name": "now"}}),
        none(),
        400,
        "invalid restart policy: unknown policy 'now'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'",
    );
    check(
        json!({"CgroupParent": "/x"}),
        none(),
        501,
        "HostConfig.CgroupParent is set, which is not served",
    );
    let swap = Resources {
        memory_swap_bytes: 67_108_864,
        ..none()
    };
    let words = "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time";
    check(
        json!({"Memory": 134_217_728}),
        swap,
        409,
        &format!("Cannot update container {ID}: {words}"),
    );
    let quota = Resources {
        cpu_quota_us: 5000,
        ..none()
    };
    let words = "Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set";
    check(
        json!({"NanoCpus": 1}),
        quota,
        409,
        &format!("Cannot update container {ID}: {words}"),
    );
    let mut removed = container(none());
    removed.spec.auto_remove = true;
    let body = json!({"RestartPolicy": {"Name": "always"}});
    let error = update(&body, &removed).unwrap_err();
    assert_eq!(error.status, 409, "{}", error.message);
    let error = parse_update(b"", None, &removed).unwrap_err();
    assert_eq!(error.message, "invalid JSON: got EOF while reading request body");
}
