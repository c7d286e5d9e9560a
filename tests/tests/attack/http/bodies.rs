//! JSON that is large, deep, or not quite JSON.

use harness::Pair;

use super::is_well;

#[test]
fn bodies_that_are_too_much() {
    let mut pair = Pair::start();
    let docker = pair.docker();
    let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
    let keys: String = (0..1_000_000).map(|key| format!("\"k{key}\":1,")).collect();
    let bodies: Vec<Vec<u8>> = vec![
        deep("[", "]").into(),
        deep("{\"a\":", "}").into(),
        format!("{{\"Image\":\"bb\",\"Labels\":{}}}", deep("{\"a\":", "}")).into(),
        format!("{{{keys}\"Image\":\"bb\"}}").into(),
        b"{\"Image\":\"bb\",\"HostConfig\":{\"Memory\":1e999999}}".to_vec(),
        format!(
            "{{\"Image\":\"bb\",\"HostConfig\":{{\"Memory\":{}}}}}",
            "9".repeat(100_000)
        )
        .into(),
        b"{\"Image\":\"bb\",\"HostConfig\":{\"Memory\":-9223372036854775809}}".to_vec(),
        b"{\"Image\":\"bb\",\"StopTimeout\":4294967296}".to_vec(),
        b"{\"Image\":\"b\xff\xfe\"}".to_vec(),
        b"{\"Image\":\"\\ud800\"}".to_vec(),
        b"{\"Image\":\"bb\",\"Image\":\"bb\"".to_vec(),
        b"\xef\xbb\xbf{\"Image\":\"bb\"}".to_vec(),
        b"{\"Image\":\"bb\"}{\"Image\":\"bb\"}".to_vec(),
        b"{\"Image\":\"bb\",\"Cmd\":[\"a\\u0000b\"]}".to_vec(),
        b"{\"Image\":\"bb\",\"Env\":[\"A=\\u0000\"]}".to_vec(),
        vec![b'['; 600 * 1024],
        vec![0; 100_000],
    ];
    for path in [
        "/containers/create",
        "/containers/create?name=web",
        "/commit?container=none",
    ] {
        for body in &bodies {
            // It may refuse before all of it was sent.
            let Ok(answer) = docker
                .connect()
                .ask("POST", path, Some(("application/json", body)))
            else {
                continue;
            };
            let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
            assert!((400..500).contains(&answer.status), "{path} {shown}: {answer}");
            assert!(
                answer.body.len() < 4096,
                "{path} {shown}: {} bytes",
                answer.body.len()
            );
        }
    }
    assert_eq!(docker.get("/containers/json?all=1").json(), serde_json::json!([]));
    is_well(&mut pair);
    super::say_count("hostile bodies", 3 * bodies.len());
}
