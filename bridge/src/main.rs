//! The root side's one program.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next() {
        Some(first) if first == "shim" => bridge::shim::run(arguments),
        Some(first) if first == "unpack" => bridge::unpack::run(),
        _ => ExitCode::FAILURE,
    }
}
