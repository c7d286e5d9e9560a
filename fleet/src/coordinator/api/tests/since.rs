//! `since` of any value: a moment is taken, and anything else is a 400.

use super::scene::Scene;
use crate::access::unescaped;
use crate::coordinator::api::since::moment;

/// Each as it stands in a query.
const VALUES: &[&str] = &[
    "0",
    "-0",
    "-1",
    "1700000000",
    "1700000000.5",
    "1700000000.123456789",
    "1700000000.1234567890",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "99999999999999999999999999999999",
    "1e9",
    "1E309",
    "0x10",
    "1_000",
    "NaN",
    "inf",
    "-inf",
    "infinity",
    "+1",
    "%2B1",
    "1.",
    ".5",
    ".",
    "-",
    "--1",
    "1-1",
    "10m",
    "10M",
    "-10m",
    "10m10",
    "1h30m15s",
    "1.5h",
    "1.5.5h",
    ".h",
    "1.h",
    "99999999999999999999h",
    "9999999999h9999999999h",
    "1ns1us1ms",
    "1%C2%B5s",
    "h",
    "2023-11-14T22:13:20Z",
    "2023-11-14T22:13:20%2B01:00",
    "2023-11-14T22:13:20",
    "2023-11-14",
    "2023-02-30T00:00:00Z",
    "0000-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999999Z",
    "-009999-01-01T00:00:00Z",
    "10000-01-01T00:00:00Z",
    "2023-11-14T25:00:00Z",
    "2023-11-14T22:13:60Z",
    "yesterday",
    "now",
    "null",
    "true",
    "[]",
    "%7B%7D",
    "%00",
    "%0a0",
    "0%0d%0aX:%201",
    "%20",
    "+0",
    "0+",
    "%D9%A3",
    "%F0%9F%98%80",
    "%ff",
    "%C3%28",
    "%",
    "%zz",
    "0%26x=1",
    "0;1",
    "'%20or%201=1",
    "../../etc/passwd",
    "$(id)",
];

#[tokio::test]
async fn of_any_value() {
    let scene = Scene::start().await;
    let long = ["9".repeat(5000), "1h".repeat(2000), "x".repeat(5000)];
    let mut good = 0;
    for value in VALUES.iter().copied().chain(long.iter().map(String::as_str)) {
        let text = unescaped(&value.replace('+', " "));
        let is_moment = text.is_some_and(|text| moment("since", &text, 0).is_ok());
        good += usize::from(is_moment);
        for name in ["since", "until"] {
            let events = scene.owner(&format!("GET /api/events?{name}={value}")).await;
            let expected = if is_moment { 200 } else { 400 };
            assert_eq!(events.status, expected, "{name}={value}");
            let logs = scene
                .owner(&format!("GET /api/containers/web/logs?{name}={value}"))
                .await;
            // The node's Docker follows no script, so it is asked, and knows no such container.
            let expected = if is_moment { 404 } else { 400 };
            assert_eq!(logs.status, expected, "{name}={value}");
            assert_eq!(
                scene.script.asked().len(),
                usize::from(is_moment),
                "{name}={value}"
            );
        }
    }
    assert!(good > 15 && good < VALUES.len() / 2, "{good}");
    let twice = scene.owner("GET /api/events?since=0&since=0").await;
    assert_eq!(twice.status, 400);
}
