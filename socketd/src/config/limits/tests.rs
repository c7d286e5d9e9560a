use super::*;

const README: &str = include_str!("../../../../README.md");

#[track_caller]
fn check(text: &str, expected: Result<(&str, u64), &str>) {
    let got = text
        .parse::<Limit>()
        .map(|limit| (limit.number.name, limit.value));
    let expected = expected.map_err(str::to_owned);
    assert_eq!(got.map_err(|error| error.to_string()), expected, "{text}");
}

#[test]
fn one_by_one() {
    check("connections_max=16", Ok(("connections_max", 16)));
    check("idle_seconds_max=1", Ok(("idle_seconds_max", 1)));
    check(
        "idle_seconds_max=0",
        Err("idle_seconds_max must lie between 1 and 86400"),
    );
    check(
        "connections_max=99999",
        Err("connections_max must lie between 1 and 3584"),
    );
    check("connections_max", Err("it must be NAME=N, N a whole number"));
    check("connections_max=-1", Err("it must be NAME=N, N a whole number"));
    check("connections_max=1.5", Err("it must be NAME=N, N a whole number"));
    let error = "nothing=1".parse::<Limit>().unwrap_err().to_string();
    assert!(
        error.starts_with("there is no limit `nothing`; known are connections_max, "),
        "{error}"
    );
}

#[test]
fn every_number_has_a_place_of_its_own() {
    for number in &NUMBERS {
        assert!(number.range.contains(&number.default), "{}", number.name);
        let other = if number.default == *number.range.end() {
            number.default - 1
        } else {
            number.default + 1
        };
        let mut changed = Limits::default().with(&[Limit { number, value: other }]);
        assert_ne!(changed, Limits::default(), "{}", number.name);
        for one in &NUMBERS {
            let expected = if one.name == number.name {
                other
            } else {
                one.default
            };
            assert_eq!(
                *(one.place)(&mut changed),
                expected,
                "{} after {}",
                one.name,
                number.name
            );
        }
    }
}

#[test]
fn as_a_table() {
    let read = |text: &str| serde_json::from_str::<Limits>(text).map_err(|error| error.to_string());
    assert_eq!(read("{}"), Ok(Limits::default()));
    let limits = read(r#"{"head_seconds_max": 3, "streams_max": 7}"#).unwrap();
    assert_eq!(
        (limits.head_time(), limits.streams()),
        (Duration::from_secs(3), 7)
    );
    assert_eq!(limits.connections(), Limits::default().connections());
    let error = read(r#"{"head_seconds": 3}"#).unwrap_err();
    assert!(error.starts_with("there is no limit `head_seconds`"), "{error}");
    let error = read(r#"{"streams_max": 0}"#).unwrap_err();
    assert!(
        error.starts_with("streams_max must lie between 1 and 1024"),
        "{error}"
    );
    assert!(read(r#"{"streams_max": "7"}"#).is_err());
    assert!(read(r#"{"streams_max": -7}"#).is_err());
}

#[test]
fn every_number_stands_in_the_readme() {
    for number in &NUMBERS {
        let row = format!("| `{}` | {} | {} |", number.name, number.default, number.about);
        assert!(README.contains(&row), "README.md has no row: {row}");
    }
}
