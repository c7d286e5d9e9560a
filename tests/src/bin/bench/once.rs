//! What happens once: starting up, and a container's whole life.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::thread;
use std::time::{Duration, Instant};

use harness::binaries::binaries;
use harness::daemon::Daemon;
use harness::pair::{IMAGE, down, new_dir};
use harness::{Address, Connection, Pair, leftovers};
use serde_json::json;

/// How often each is done.
const TIMES: usize = 30;

pub(crate) fn report(out: &mut impl Write) -> io::Result<()> {
    print(
        out,
        "process start to the first /_ping",
        (0..TIMES).map(|_| start()).collect(),
    )?;
    let pair = Pair::start();
    print(
        out,
        "create + start + exit of /bin/true",
        (0..TIMES).map(|number| life(&pair, number)).collect(),
    )
}

fn print(out: &mut impl Write, what: &str, mut times: Vec<Duration>) -> io::Result<()> {
    times.sort_unstable();
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
    writeln!(
        out,
        "{what:<40} median {:>7.1} ms   worst of {TIMES} {:>7.1} ms",
        ms(median),
        ms(worst)
    )
}

/// From the start of `socketd-bridge up` to its first answer.
fn start() -> Duration {
    let dir = new_dir();
    let socket = dir.join("run/socketd/docker.sock");
    let listen = format!("unix://{}", socket.display());
    let arguments: [&OsStr; 5] = [
        "up".as_ref(),
        "--state-dir".as_ref(),
        dir.as_ref(),
        "--listen".as_ref(),
        listen.as_ref(),
    ];
    // Built now, if need be, and not while the clock runs.
    let program = &binaries().bridge;
    let begin = Instant::now();
    let mut up = Daemon::spawn("up", program, &arguments);
    let address = Address::Unix(socket);
    while !answers(&address) {
        assert!(!up.has_ended(), "up ended:\n{}", up.log());
        // Finer than any pause would be; one of the machine's processors is ours meanwhile.
        thread::yield_now();
    }
    let time = begin.elapsed();
    up.end();
    assert!(down(&dir), "down failed");
    assert_eq!(leftovers::remove(&dir, &[]), Vec::<String>::new());
    time
}

fn answers(address: &Address) -> bool {
    let answer = Connection::open(address).and_then(|mut connection| connection.ask("GET", "/_ping", None));
    answer.is_ok_and(|answer| answer.status == 200)
}

/// From asking for a container to knowing how it ended.
fn life(pair: &Pair, number: usize) -> Duration {
    let docker = pair.docker();
    let name = format!("life{number}");
    let (mut waiting, mut acting) = (docker.connect(), docker.connect());
    let body = json!({ "Image": IMAGE, "Cmd": ["/bin/true"] }).to_string();
    let begin = Instant::now();
    let create = format!("/containers/create?name={name}");
    let answer = acting
        .ask("POST", &create, Some(("application/json", body.as_bytes())))
        .expect("create");
    assert_eq!(answer.status, 201, "{answer}");
    waiting
        .send(
            "POST",
            &format!("/containers/{name}/wait?condition=next-exit"),
            None,
        )
        .expect("wait");
    waiting.head(false).expect("wait");
    let answer = acting
        .ask("POST", &format!("/containers/{name}/start"), None)
        .expect("start");
    assert_eq!(answer.status, 204, "{answer}");
    let ended: serde_json::Value = serde_json::from_reader(&mut waiting).expect("exit");
    let time = begin.elapsed();
    assert_eq!(ended["StatusCode"], 0);
    docker.delete(&format!("/containers/{name}")).expect(204);
    time
}
