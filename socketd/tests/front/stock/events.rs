//! Events: heard while somebody listens, each once, whatever the bridge's file is like.

use wire::v1::{Event, Opcode, events};

use super::bridge::StockBridge;
use super::{UUID_1, golden, json, running, stopped};
use crate::client::{Raw, Served, ask};

/// Action and name of each event in an NDJSON body.
fn told(body: &str) -> Vec<String> {
    let lines = body.lines().filter(|line| line.starts_with('{'));
    lines
        .map(|line| {
            let event = json(line);
            let name = event["Actor"]["Attributes"]["name"].as_str().unwrap().to_owned();
            format!("{} {name}", event["Action"].as_str().unwrap())
        })
        .collect()
}

async fn reader(served: &Served, query: &str) -> Raw {
    let mut raw = served.connect().await;
    raw.write(&format!("GET /events{query} HTTP/1.1\r\nHost: x\r\n\r\n"))
        .await;
    let head = raw.expect("\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    raw
}

#[tokio::test]
async fn a_torn_file_tells_what_is_whole() {
    let bridge = StockBridge::with(vec![running("tiny", UUID_1)]);
    bridge.world(|world| {
        world.events = golden("events-file-torn");
        // Something else than a container, and something that no bridge says.
        let other = Event {
            time_ns: 1_795_309_650_000_000_000,
            action: "explode".to_owned(),
            ..Event::default()
        };
        events::append(&other, &mut world.events);
        let image = world.events.len();
        events::append(&other, &mut world.events);
        world.events[image + 16..][..9].copy_from_slice(b"image\0\0\0\0");
    });
    let (entry, _teller) = bridge.entry();
    ask(&entry, "GET", "/containers/json").await;
    for _ in 0..2 {
        let reply = ask(&entry, "GET", "/events?since=0&until=1795309700").await;
        assert_eq!(
            told(&reply.body),
            ["start tiny", "die tiny", "restart web server", "start container"]
        );
        let first = json(reply.body.lines().next().unwrap());
        assert!(first["Actor"]["ID"].as_str().unwrap().starts_with(UUID_1));
        assert_eq!(first["Actor"]["Attributes"]["image"], "droidspaces/tiny:latest");
        assert_eq!(first["timeNano"], 1_795_309_630_204_501_482_i64);
        // What is shown where nobody saw how it ended.
        let die = json(reply.body.lines().nth(1).unwrap());
        assert_eq!(die["Actor"]["Attributes"]["exitCode"], "255", "{die}");
    }
    let part = ask(&entry, "GET", "/events?since=1795309640&until=1795309640.5").await;
    assert_eq!(told(&part.body), ["die tiny"]);
}

#[tokio::test]
async fn readers_hear_what_happens_each_once_and_over_the_bridges_restart() {
    let mut bridge = StockBridge::with(vec![stopped("c", UUID_1)]);
    bridge.world(|world| {
        let one = world.containers[0].clone();
        world.happen("start", &one);
    });
    let served = Served::over(bridge.link()).await;
    let mut live = reader(&served, "").await;
    let mut past = reader(&served, "?since=1").await;
    assert_eq!(told(&past.expect("}\n").await.replace('\r', "")), ["start c"]);
    let happen = |action: &str| {
        bridge.world(|world| {
            let one = world.containers[0].clone();
            world.happen(action, &one);
        });
    };
    happen("die");
    for raw in [&mut live, &mut past] {
        let seen = raw.expect("}\n").await;
        assert_eq!(told(&seen), ["die c"]);
    }
    // The runtime cuts its file down to the last records, and another bridge reads it.
    bridge.down();
    bridge.world(|world| {
        let one = world.containers[0].clone();
        world.happen("start", &one);
        world.events.drain(..events::EVENT_BYTES);
    });
    bridge.up();
    for raw in [&mut live, &mut past] {
        let seen = raw.expect("}\n").await;
        assert_eq!(told(&seen), ["start c"]);
    }
    drop(live);
    drop(past);
    served.end().await;
}

#[tokio::test]
async fn nobody_listens_and_nothing_is_asked() {
    let bridge = StockBridge::with(vec![stopped("c", UUID_1)]);
    let served = Served::over(bridge.link()).await;
    let live = reader(&served, "").await;
    let begun = bridge.count(Opcode::PollEvents);
    bridge
        .until(|world| world.count(Opcode::PollEvents) > begun + 2)
        .await;
    drop(live);
    // Ends the reader, and with it the subscription; both are gone when the front is.
    served.end().await;
    let before = bridge.count(Opcode::PollEvents);
    tokio::time::pause();
    for _ in 0..600 {
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(bridge.count(Opcode::PollEvents), before);
}
