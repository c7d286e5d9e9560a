use serde_json::{Value, json};
use wire::Time;

use super::*;

fn check(asked: Value, image: Option<&HealthCheck>) -> Result<Option<HealthCheck>, ApiError> {
    let asked: Option<Healthcheck> = serde_json::from_value(asked).unwrap();
    parse_check(asked.as_ref(), image)
}

fn image() -> HealthCheck {
    HealthCheck {
        arguments: vec!["true".into()],
        interval_ns: 7_000_000,
        retries: 9,
        ..HealthCheck::default()
    }
}

#[test]
fn a_check_comes_back_as_it_was_asked() {
    for asked in [
        json!({"Test": ["CMD", "a", "b"], "Interval": 1_000_000, "Retries": 2}),
        json!({"Test": ["CMD-SHELL", "a || b"], "Timeout": 5_000_000_000_i64, "StartInterval": 1_000_000}),
        json!({"Test": ["NONE"]}),
        json!({"Test": ["CMD", "a"], "StartPeriod": 3_000_000}),
    ] {
        let parsed = check(asked.clone(), None).unwrap().unwrap();
        assert_eq!(serde_json::to_value(shown_check(&parsed)).unwrap(), asked);
    }
}

#[test]
fn the_image_gives_what_is_not_said() {
    assert_eq!(check(Value::Null, None), Ok(None));
    assert_eq!(check(Value::Null, Some(&image())), Ok(Some(image())));
    assert_eq!(check(json!({"Test": []}), None), Ok(None));
    assert_eq!(check(json!({"Test": null}), Some(&image())), Ok(Some(image())));
    let own = check(json!({"Test": ["CMD-SHELL", "x"], "Retries": 1}), Some(&image()));
    let own = own.unwrap().unwrap();
    assert_eq!((own.shell, own.retries, own.interval_ns), (true, 1, 7_000_000));
    assert_eq!(own.arguments, ["x"]);
    let none = check(json!({"Test": ["NONE"]}), Some(&image())).unwrap().unwrap();
    assert!(none.disabled && none.arguments.is_empty());
}

#[test]
fn what_cannot_be_is_refused_in_dockers_words() {
    #[track_caller]
    fn refused(asked: Value, expected: &str) {
        assert_eq!(check(asked, None), Err(ApiError::bad_request(expected)));
    }
    for field in ["Interval", "Timeout", "StartPeriod", "StartInterval"] {
        for value in [-1, 999_999, i64::MIN] {
            let expected = format!("{field} in Healthcheck cannot be less than 1ms");
            refused(json!({"Test": ["CMD", "a"], field: value}), &expected);
        }
    }
    refused(
        json!({"Test": ["CMD", "a"], "Retries": -1}),
        "Retries in Healthcheck cannot be negative",
    );
    refused(json!({"Test": ["CMD"]}), "CMD in Healthcheck has no command");
    refused(
        json!({"Test": ["EXEC", "a"]}),
        "Unknown probe type 'EXEC' (expected 'NONE', 'CMD' or 'CMD-SHELL') in Healthcheck",
    );
}

#[test]
fn an_instruction_of_a_dockerfile_is_read() {
    let read = parse_instruction(
        "--interval=5m --timeout=3s --start-period=1s --start-interval=2s --retries=4 CMD curl x",
    );
    let read = read.unwrap();
    assert_eq!(
        (read.interval_ns, read.timeout_ns),
        (300_000_000_000, 3_000_000_000)
    );
    assert_eq!(
        (read.start_period_ns, read.start_interval_ns),
        (1_000_000_000, 2_000_000_000)
    );
    assert_eq!((read.retries, read.shell), (4, true));
    assert_eq!(read.arguments, ["curl x"]);
    let read = parse_instruction(r#"cmd ["a", "b c"]"#).unwrap();
    assert_eq!(
        (read.shell, read.arguments),
        (false, vec!["a".to_owned(), "b c".into()])
    );
    assert!(parse_instruction("NONE").unwrap().disabled);
    #[track_caller]
    fn refused(text: &str, expected: &str) {
        assert_eq!(
            parse_instruction(text),
            Err(ApiError::bad_request(expected)),
            "{text}"
        );
    }
    refused("NONE x", "HEALTHCHECK NONE takes no arguments");
    refused("CMD", "Missing command after HEALTHCHECK CMD");
    refused("CMD []", "Missing command after HEALTHCHECK CMD");
    refused("RUN x", "Unknown type \"RUN\" in HEALTHCHECK (try CMD)");
    refused("--often=1s CMD x", "Unknown flag: often");
    refused("--interval CMD x", "Missing a value on flag: interval");
    refused("--interval=x CMD x", "time: invalid duration \"x\"");
    refused(
        "--interval=1us CMD x",
        "Interval \"interval\" cannot be less than 1ms",
    );
    refused("--retries=-1 CMD x", "--retries must be at least 0 (not -1)");
}

#[test]
fn a_health_is_shown_with_what_the_checks_wrote() {
    let mut state = State {
        started_at: Time(1_795_313_500_000_000_000),
        health: Some(Health {
            status: HealthStatus::Starting,
            ..Health::default()
        }),
        ..State::default()
    };
    let shown = |state: &State| serde_json::to_value(HealthShape::new(state)).unwrap();
    let start = "2026-11-22T02:11:40Z";
    assert_eq!(
        shown(&state),
        json!({"Status": "starting", "FailingStreak": 0, "Log": [
            {"Start": start, "End": start, "ExitCode": -1, "Output": "No check has been run yet."}
        ]})
    );
    let health = state.health.as_mut().unwrap();
    health.status = HealthStatus::Unhealthy;
    health.failing_streak = 3;
    health.log.push(Probe {
        started_at: Time(1_795_313_500_000_000_000),
        ended_at: Time(1_795_313_501_000_000_000),
        exit_code: 7,
        output: "no".into(),
    });
    assert_eq!(
        shown(&state),
        json!({"Status": "unhealthy", "FailingStreak": 3, "Log": [
            {"Start": start, "End": "2026-11-22T02:11:41Z", "ExitCode": 7, "Output": "no"}
        ]})
    );
    state.health = None;
    assert_eq!(shown(&state), Value::Null);
}
