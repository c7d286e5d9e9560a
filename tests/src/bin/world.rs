//! `world NAME PROGRAM ARGUMENT...`: runs a program in one of the worlds of `harness::world`.

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let complaint = harness::world::run(std::env::args_os().skip(1));
    let _ = writeln!(std::io::stderr(), "world: {complaint}");
    ExitCode::from(2)
}
