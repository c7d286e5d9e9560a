//! Security options, as asked.

use crate::shim::failure::Failure;

/// What the options come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecurityOptions {
    /// Whether system calls are filtered.
    pub filtered: bool,
    /// Whether kernel files are masked.
    pub masked: bool,
}

impl SecurityOptions {
    /// Reads options; key and value stand apart by `=` or, as in older clients, by `:`.
    ///
    /// # Errors
    /// An option whose protection this runtime cannot give. It is never left out in silence.
    pub fn new(options: &[String]) -> Result<Self, Failure> {
        let mut parsed = Self {
            filtered: true,
            masked: true,
        };
        for option in options {
            let (key, value) = option.split_once(['=', ':']).unwrap_or((option, ""));
            match (key, value) {
                ("seccomp", "unconfined") => parsed.filtered = false,
                ("systempaths", "unconfined") => parsed.masked = false,
                // New privileges are always given up, so both are true of every container.
                ("no-new-privileges", "" | "true")
                | ("seccomp", "builtin" | "default")
                | ("apparmor", "unconfined")
                | ("label", "disable") => {}
                _ => {
                    return Err(Failure::unsupported(format_args!(
                        "security option {option:?} is not supported"
                    )));
                }
            }
        }
        Ok(parsed)
    }
}
