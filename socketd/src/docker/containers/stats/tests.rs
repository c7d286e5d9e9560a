use serde_json::{Value, json};
use wire::stats::Counter;

use super::*;

const ID: ContainerId = ContainerId([0xa7; 32]);

fn stats(group_version: u32) -> Stats {
    let counters = if group_version == 1 {
        [("cache", 622_592), ("total_inactive_file", 520_192)]
    } else {
        [("anon", 53_248), ("inactive_file", 520_192)]
    };
    Stats {
        read_at: Time(1_795_313_502_769_904_467),
        running: true,
        cpu: CpuStats {
            total_ns: 29_728_838,
            user_ns: 10_000_000,
            kernel_ns: 9_000_000,
            per_cpu_ns: vec![8_025_758, 21_703_080],
            machine_ns: 9_440_040_000_000,
            online: 2,
            periods: 3,
            throttled_periods: 1,
            throttled_ns: 17,
        },
        memory: Some(MemoryStats {
            usage: 999_424,
            usage_max: if group_version == 1 { 3_547_136 } else { 0 },
            limit: 67_108_864,
            failures: 0,
            counters: counters
                .iter()
                .map(|(name, value)| Counter {
                    name: (*name).into(),
                    value: *value,
                })
                .collect(),
        }),
        pids: 1,
        pids_max: 0,
        block: vec![
            BlockCounter {
                kind: BlockKind::Bytes,
                major: 254,
                minor: 1,
                operation: "Read".into(),
                value: 4096,
            },
            BlockCounter {
                kind: BlockKind::Operations,
                major: 254,
                minor: 1,
                operation: "Read".into(),
                value: 1,
            },
        ],
        interfaces: vec![InterfaceStats {
            name: "eth0".into(),
            rx_bytes: 1,
            tx_dropped: 9,
            ..InterfaceStats::default()
        }],
        group_version,
    }
}

fn shown(now: Option<&Stats>, before: Option<&Stats>) -> Value {
    serde_json::to_value(sample(ID, "web", now, before)).unwrap()
}

#[test]
fn samples_are_chosen() {
    let of = |text| parse_samples(&Query::parse(Some(text)));
    assert_eq!(of(""), Samples::Stream);
    assert_eq!(of("stream=1&one-shot=1"), Samples::Stream);
    assert_eq!(of("stream=false"), Samples::Pair);
    assert_eq!(of("stream=0&one-shot=true"), Samples::One);
}

#[test]
fn the_first_version_of_control_groups_has_dockers_shape() {
    let mut before = stats(1);
    before.read_at = Time(1_795_313_501_000_000_000);
    before.cpu.total_ns = 5;
    let expected: Value = serde_json::from_str(include_str!("version1.json")).unwrap();
    assert_eq!(shown(Some(&stats(1)), Some(&before)), expected);
    let read: bollard_stubs::models::ContainerStatsResponse = serde_json::from_value(expected).unwrap();
    assert_eq!(read.pids_stats.unwrap().current, Some(1));
}

#[test]
fn the_second_version_of_control_groups_has_dockers_shape() {
    let expected: Value = serde_json::from_str(include_str!("version2.json")).unwrap();
    assert_eq!(shown(Some(&stats(2)), None), expected);
    let read: bollard_stubs::models::ContainerStatsResponse = serde_json::from_value(expected).unwrap();
    assert_eq!(read.memory_stats.unwrap().usage, Some(999_424));
}

/// As a real engine printed it.
#[test]
fn what_does_not_run_uses_nothing() {
    let cpu = json!({
        "cpu_usage": {"total_usage": 0, "usage_in_kernelmode": 0, "usage_in_usermode": 0},
        "throttling_data": {"periods": 0, "throttled_periods": 0, "throttled_time": 0}
    });
    let expected = json!({
        "read": "0001-01-01T00:00:00Z", "preread": "0001-01-01T00:00:00Z",
        "pids_stats": {},
        "blkio_stats": {
            "io_service_bytes_recursive": null, "io_serviced_recursive": null,
            "io_queue_recursive": null, "io_service_time_recursive": null,
            "io_wait_time_recursive": null, "io_merged_recursive": null,
            "io_time_recursive": null, "sectors_recursive": null
        },
        "num_procs": 0, "storage_stats": {}, "cpu_stats": cpu, "precpu_stats": cpu,
        "memory_stats": {}, "name": "/web", "id": ID.to_string()
    });
    assert_eq!(shown(None, None), expected);
    let stopped = Stats {
        running: false,
        ..stats(1)
    };
    assert_eq!(shown(Some(&stopped), Some(&stats(1))), expected);
}
