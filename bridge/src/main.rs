use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("unpack") => bridge::unpack::run(),
        _ => ExitCode::FAILURE,
    }
}
