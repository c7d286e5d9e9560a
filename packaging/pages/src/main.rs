//! Writes the manual pages and the completions of the programs, as packages lay them out: `pages FOLDER`
//! makes `FOLDER/man/man1/` and `FOLDER/completions/{bash,zsh,fish}/`.

use std::env;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use crate::write::write;

mod write;

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    let (Some(folder), None) = (arguments.next(), arguments.next()) else {
        let _ = writeln!(io::stderr(), "usage: pages FOLDER");
        return ExitCode::from(2);
    };
    match write(Path::new(&folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "pages: {error}");
            ExitCode::FAILURE
        }
    }
}
