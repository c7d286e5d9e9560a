//! `old_kernel LAST PROGRAM ARGUMENT...`: runs a program as on a kernel that knows no call above this number.
//!
//! A filter answers ENOSYS to all others, for the program and everything it starts. Numbers are those of
//! x86_64: 332 is Linux 4.14, 313 is Linux 3.10. Control groups and file systems stay those of this kernel.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use seccompiler::{apply_filter, sock_filter};

/// The program of the filter: load the number; above the last, ENOSYS (38); else go on.
fn filter(last: u32) -> Vec<sock_filter> {
    let instruction = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    vec![
        instruction(0x20, 0, 0, 0),
        instruction(0x25, 0, 1, last),
        instruction(0x06, 0, 0, 0x0005_0000 | 38),
        instruction(0x06, 0, 0, 0x7fff_0000),
    ]
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let last = arguments.next().and_then(|text| text.to_str()?.parse().ok());
    let (Some(last), Some(program)) = (last, arguments.next()) else {
        return ExitCode::from(2);
    };
    if apply_filter(&filter(last)).is_err() {
        return ExitCode::from(3);
    }
    let error = Command::new(program).args(arguments).exec();
    ExitCode::from(if error.raw_os_error().is_some() { 4 } else { 5 })
}
