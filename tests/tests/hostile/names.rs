//! Names, labels, logs and processes made to be misread, by whoever reads what is said of them.

use harness::{Cli, Pair};
use serde_json::{Value, json};

/// Moves a terminal's cursor, clears it, ends a line, and looks like the end of a JSON text.
const FORGED: &str = "\u{1b}[2J\u{1b}]0;owned\u{7}\r\n\"}]}\t\u{202e}x\u{0}";

/// The same without what no argument can hold.
fn forged() -> String {
    FORGED.replace('\0', "")
}

#[test]
fn names_that_could_be_misread_are_refused() {
    let pair = Pair::start();
    let docker = pair.docker();
    for name in [
        "a b",
        "a%0Ab",
        "a%1B%5B2J",
        "..%2F..%2Fetc",
        "a%00",
        ".",
        "-a",
        "%E2%80%AEx",
        "a%2Fb",
    ] {
        let body = json!({ "Image": "bb:latest", "Cmd": ["true"] });
        let answer = docker.post_json(&format!("/containers/create?name={name}"), &body);
        assert_eq!(answer.status, 400, "{name}: {answer}");
    }
    for hostname in ["a\nb", "a\u{1b}[2J", "a b"] {
        let body = json!({ "Image": "bb:latest", "Cmd": ["true"], "Hostname": hostname });
        let answer = docker.post_json("/containers/create", &body);
        if answer.status == 201 {
            // Taken as it is: then it is one line of its file and one word of its container, and no more.
            let id = answer.json()["Id"].as_str().unwrap().to_owned();
            let started = docker.post(&format!("/containers/{id}/start"));
            assert_eq!(started.status, 204, "{started}");
        } else {
            assert_eq!(answer.status, 400, "{hostname:?}: {answer}");
        }
    }
}

#[test]
fn labels_and_words_of_a_container_come_back_as_they_were_and_break_nothing() {
    let pair = Pair::start();
    let docker = pair.docker();
    let forged = forged();
    let body = json!({
        "Image": "bb:latest",
        "Cmd": ["sh", "-c", "printf '\\033[2J\\r\\n\"}]}\\000\\377 end\\n'; while :; do sleep 1000; done", forged],
        "Labels": { "team": forged, forged.as_str(): "x" },
        "Env": [format!("A={forged}")],
        "StopTimeout": 1,
    });
    docker.create_from("forger", &body);
    docker.start("forger");
    let listed = docker.listed("forger").unwrap();
    assert_eq!(listed["Labels"]["team"], forged.as_str());
    assert_eq!(listed["Labels"][&forged], "x");
    let seen = docker.inspect("forger");
    assert_eq!(seen["Config"]["Labels"]["team"], forged.as_str());
    assert_eq!(seen["Config"]["Env"][0], format!("A={forged}").as_str());
    // One event a line, whatever is in it.
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let events = docker.events(&format!("since=0&until={}", now + 1));
    let attributes = |event: &Value| event["Actor"]["Attributes"]["team"].clone();
    assert!(
        events.iter().any(|event| attributes(event) == forged.as_str()),
        "{events:?}"
    );
    // A log is what was written, byte for byte.
    let logs = harness::pace::until("it wrote", crate::scene::PROMPT, || {
        let logs = docker.get("/containers/forger/logs?stdout=1").expect(200).body;
        logs.ends_with(b"end\n").then_some(logs)
    });
    let text = b"\x1b[2J\r\n\"}]}\0\xff end\n";
    assert!(logs.windows(5).any(|part| part == b"\x1b[2J\r"), "{logs:?}");
    assert!(logs.ends_with(&text[6..]), "{logs:?}");
    // Arguments of processes are one cell of their table each.
    let top = docker.get("/containers/forger/top").expect(200).json();
    let columns = top["Titles"].as_array().unwrap().len();
    for row in top["Processes"].as_array().unwrap() {
        assert_eq!(row.as_array().unwrap().len(), columns, "{row}");
        let cells = row.as_array().unwrap().iter();
        let texts: Vec<&str> = cells.map(|cell| cell.as_str().unwrap()).collect();
        assert!(
            texts.iter().all(|text| !text.chars().any(char::is_control)),
            "{row}"
        );
    }
    // Found by its label, and by no other.
    let filters = json!({ "label": [format!("team={forged}")] }).to_string();
    let escaped: String = filters.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let found = docker
        .get(&format!("/containers/json?filters={escaped}"))
        .expect(200)
        .json();
    assert_eq!(found.as_array().unwrap().len(), 1);
}

/// What the container puts where others look for facts about it is looked at by nobody.
#[test]
fn files_made_to_look_like_facts_are_not_believed() {
    let pair = Pair::start();
    let docker = pair.docker();
    let script = "mkdir -p /proc2 /run/secrets; echo '0::/../../..' > /proc2/cgroup; \
        printf 'root:x:0:0::/:/bin/sh\\nana:x:0:0::/:/bin/sh\\n7:x:0:0::/:/bin/sh\\n' > /etc/passwd; \
        printf 'forged\\n127.0.0.1 docker.sock\\n' > /etc/hostname 2>/dev/null; \
        printf '1.2.3.4 evil\\n' > /etc/hosts 2>/dev/null; touch /.dockerenv; echo ready; exec sleep 100000";
    docker.run("liar", script);
    harness::pace::until("it is ready", crate::scene::PROMPT, || {
        let logs = docker.get("/containers/liar/logs?stdout=1").expect(200).body;
        logs.ends_with(b"ready\n").then_some(())
    });
    let before = docker.inspect("liar");
    assert_eq!(before["Config"]["Hostname"], before["Id"].as_str().unwrap()[..12]);
    // A number is a number, whoever has it for a name.
    let whoami = |user: &str| {
        let ask = json!({ "Cmd": ["id", "-u"], "User": user, "AttachStdout": true, "Tty": true });
        let made = docker.post_json("/containers/liar/exec", &ask).expect(201);
        let start = format!("/exec/{}/start", made.json()["Id"].as_str().unwrap());
        let answer = docker
            .post_json(&start, &json!({ "Detach": false, "Tty": true }))
            .expect(200);
        String::from_utf8_lossy(&answer.body).trim().to_owned()
    };
    assert_eq!(whoami("7"), "7");
    // A new bridge knows no less, and no more.
    let mut pair = pair;
    pair.bridge().crash();
    pair.restart_bridge();
    let mut after = docker.inspect("liar");
    let mut before = before;
    // Further processes are forgotten with the bridge that started them.
    before["ExecIDs"].take();
    after["ExecIDs"].take();
    assert_eq!(before, after);
    let listed = Cli::of(&pair).command(&["ps", "--no-trunc"]).output().unwrap();
    assert!(String::from_utf8_lossy(&listed.stdout).contains("liar"));
}
