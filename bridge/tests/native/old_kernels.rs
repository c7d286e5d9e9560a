//! Kernels that do not know younger calls. A filter answers ENOSYS above a number, for a process and
//! all that it starts: a bridge and its shims as they would be on such a kernel.
//! (Control groups and file systems stay those of this kernel.)

#![cfg(target_arch = "x86_64")]

use std::process::Command;

use bridge::runtime::{ExecOrder, Runtime};
use bridge::sys::filter::irrevocably_filter;
use seccompiler::sock_filter;
use wire::ExecSpec;

use crate::scene::Scene;

/// Runs the test `live` of this file in a process of its own that knows calls up to `last`.
fn with_calls_up_to(last: u32) {
    let instruction = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    let program = vec![
        instruction(0x20, 0, 0, 0),                // load the number
        instruction(0x25, 0, 1, last),             // greater than the last?
        instruction(0x06, 0, 0, 0x0005_0000 | 38), // ENOSYS
        instruction(0x06, 0, 0, 0x7fff_0000),      // allow
    ];
    // A filter is of one thread, and of what that thread starts.
    let thread = std::thread::spawn(move || {
        irrevocably_filter(&program).unwrap();
        Command::new("/proc/self/exe")
            .args(["--exact", "old_kernels::live", "--nocapture"])
            .output()
            .unwrap()
    });
    let output = thread.join().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "with calls up to {last}: {text}"
    );
}

#[test]
fn live() {
    let mut scene = Scene::new();
    let mut spec = Scene::shell(
        "grep Seccomp: /proc/self/status; id -u; trap 'exit 4' TERM; echo ready; while :; do sleep 1; done",
    );
    spec.process.user = "ana".to_owned();
    spec.process.tty = true;
    spec.process.init = true;
    spec.resources.memory_bytes = 64 << 20;
    let (id, _) = scene.start(spec);
    scene.await_output(&id, "ready");
    assert!(scene.log(&id).0.contains("1000"));
    let exec = ExecSpec {
        arguments: ["sh", "-c", "grep Seccomp: /proc/self/status; exit 9"]
            .map(str::to_owned)
            .to_vec(),
        tty: true,
        ..ExecSpec::default()
    };
    let order = ExecOrder {
        id: "it",
        spec: &exec,
        detach: true,
    };
    scene.runtime.exec(&id, order).unwrap();
    assert_eq!(scene.exec_end("it").code, 9);
    scene.runtime.resize(&id, 10, 20).unwrap();
    scene.restart();
    scene.runtime.signal(&id, nix::libc::SIGTERM).unwrap();
    assert_eq!(scene.end(&id).code, 4);
    assert_eq!(scene.run(Scene::shell("echo $0; exit 3")).exit.code, 3);
}

#[test]
fn as_linux_4_14() {
    with_calls_up_to(332);
}

#[test]
fn as_linux_3_10() {
    with_calls_up_to(313);
}
