//! Twenty agents at once, and what hosts say of themselves.

use std::time::Duration;

use harness::dockhand::{Body, Options, Piece, Said};
use harness::{Agent, Dockhand, Pair, pace};

use crate::scene::{Scene, Takes};

const AGENTS: u64 = 20;
const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn twenty_agents() {
    let pair = Pair::start();
    let server = Dockhand::start(Options::quick());
    pair.docker().run("web", "exec sleep 100000");
    let mut agents: Vec<_> = (1..=AGENTS)
        .map(|number| {
            let token = server.make_token(number);
            let dir = pair.dir().join(format!("agent{number}"));
            Agent::new(pair.unix(), &server.url(), &token, &dir).start()
        })
        .collect();
    let environments: Vec<_> = (1..=AGENTS).map(|number| server.connected(number)).collect();
    let mut shells: Vec<_> = environments
        .iter()
        .map(|environment| environment.exec("web", "/bin/cat", ""))
        .collect();
    let calls: Vec<_> = environments
        .iter()
        .flat_map(|environment| {
            (0..5).map(|_| environment.begin("GET", "/containers/json", Body::None).unwrap())
        })
        .collect();
    for (number, shell) in shells.iter_mut().enumerate() {
        shell.type_in(&format!("I am {number}\n"));
    }
    for (number, shell) in shells.iter_mut().enumerate() {
        shell.until(&format!("I am {number}\r\n"));
    }
    for call in calls {
        assert_eq!(
            call.reply().unwrap().expect(200).json().as_array().unwrap().len(),
            1
        );
    }
    // Everybody at once, as when the server starts again.
    for number in 1..=AGENTS {
        server.cut_now(number);
    }
    // Those that were cut first may be back before the last.
    server.until("all are cut", |seen| {
        (seen.ends.len() as u64 >= AGENTS).then_some(())
    });
    for number in 1..=AGENTS {
        server.connected(number).get("/_ping").expect(200);
    }
    // What ran in the terminals is gone with them.
    pace::until("the shells are gone", LIMIT, || {
        let list = pair.docker().get("/containers/web/top").expect(200).json();
        (list["Processes"].as_array()?.len() == 1).then_some(())
    });
    for agent in &mut agents {
        agent.signal(nix::sys::signal::Signal::SIGTERM);
    }
    for agent in &mut agents {
        assert!(agent.wait().success(), "{}", agent.log());
    }
}

/// Killed, it leaves neither a reader of a log nor a shell behind; whoever comes next is the same agent.
#[test]
fn a_killed_agent_leaves_nothing() {
    let mut scene = Scene::start();
    scene.docker().run("web", "exec sleep 100000");
    let processes = |scene: &Scene| {
        let list = scene.docker().get("/containers/web/top").expect(200).json();
        list["Processes"].as_array().unwrap().len()
    };
    let round = |scene: &mut Scene| {
        let environment = scene.environment();
        // A shell would not hear that it is to end, and be waited for.
        let mut shell = environment.exec("web", "/bin/cat", "");
        shell.type_in("here\n");
        shell.until("here\r\n");
        let path = "/containers/web/logs?stdout=true&follow=true";
        let stream = environment.stream("GET", path, Body::None);
        assert_eq!(processes(scene), 2);
        let welcomes = scene.server.seen().welcomes();
        scene.crash_agent();
        scene
            .server
            .until("it is back", |seen| (seen.welcomes() > welcomes).then_some(()));
        let (_, end) = shell.end();
        assert_eq!(end, Said::Lost("Agent disconnected".to_owned()));
        assert_eq!(stream.hear(), Piece::Lost("Agent disconnected".to_owned()));
        pace::until("the shell is gone", LIMIT, || {
            (processes(scene) == 1).then_some(())
        });
    };
    for _ in 0..3 {
        round(&mut scene);
    }
    let pid = scene.pair.socketd().pid();
    pace::until("the readers are gone", LIMIT, || {
        (Takes::of(pid).logs == 0).then_some(())
    });
    let seen = scene.server.seen();
    assert!(
        seen.hellos
            .iter()
            .all(|hello| hello.hello["agentId"] == seen.hellos[0].hello["agentId"])
    );
    assert_eq!(seen.strays.len(), 0, "{:?}", seen.strays);
}

/// Idle it is small, and says at once that it is there.
#[test]
fn what_an_idle_one_takes() {
    let scene = Scene::start();
    scene.environment().get("/version").expect(200);
    scene.server.until("it has answered pings", |seen| {
        (seen.count("pong") >= 5).then_some(())
    });
    scene.server.until("it has sent its own", |seen| {
        (seen.count("ping") >= 2).then_some(())
    });
    let takes = Takes::of(scene.agent.pid());
    // Its program is an unoptimized one here; `hawser_load` looks at all of a release.
    assert!(takes.own_kib < 8 << 10, "{takes:?}");
    assert!(takes.threads <= 4, "{takes:?}");
}
