use super::*;

/// One on its way in, and the end through which it speaks.
fn on_its_way() -> (Exec, OwnedFd) {
    let (ours, theirs) = socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        SockFlag::SOCK_CLOEXEC,
    )
    .expect("a pair of sockets");
    let exec = Exec {
        peer: None,
        channel: Some(ours),
        helper: None,
        pid: None,
        started_ticks: 0,
        started_at: now(),
        ends: Ends::default(),
        drained: None,
        detach: false,
        abandoned: false,
        failure: None,
        end: None,
    };
    (exec, theirs)
}

fn says(exec: &mut Exec, channel: &OwnedFd, pid: u32, unclaimed: &[Ended]) -> Option<i32> {
    let word = Word { pid, failure: None };
    record::send_message(channel, &word).expect("it is heard");
    exec.hear(unclaimed);
    exec.pid.map(Pid::as_raw)
}

#[test]
fn a_number_is_that_of_a_child_or_none() {
    let (mut exec, channel) = on_its_way();
    for strange in [0, 1, std::process::id(), u32::MAX] {
        assert_eq!(says(&mut exec, &channel, strange, &[]), None, "{strange}");
    }
    let mut children = [0, 1].map(|_| {
        let mut command = std::process::Command::new("sleep");
        command.arg("600").spawn().expect("a child")
    });
    let [first, second] = [&children[0], &children[1]].map(std::process::Child::id);
    let heard = [first, second].map(|pid| says(&mut exec, &channel, pid, &[]));
    for child in &mut children {
        child.kill().expect("it is killed");
        child.wait().expect("it ends");
    }
    let first = i32::try_from(first).ok();
    assert_eq!(heard, [first, first], "a first word stands");
    // One that was reaped before its number was told.
    let (mut exec, channel) = on_its_way();
    let ended = Ended {
        pid: Pid::from_raw(4711),
        code: 0,
        signal: None,
    };
    assert_eq!(says(&mut exec, &channel, 4711, &[ended]), Some(4711));
}
