//! How much of a log is kept, as asked.

use wire::files::LOG_FILES_MAX;
use wire::spec::Pair;

use crate::shim::failure::Failure;

/// Bytes of one file where nothing else is asked.
const FILE_BYTES_DEFAULT: u64 = 10 * 1024 * 1024;

/// Files where nothing else is asked.
const FILES_DEFAULT: usize = 2;

/// How much of a log is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogPlan {
    /// A file that has reached this many bytes is put aside. Stops a talkative container from
    /// filling the disk.
    pub file_bytes: u64,
    /// Files kept, the one being written included; at least one.
    pub files: usize,
}

impl Default for LogPlan {
    fn default() -> Self {
        Self {
            file_bytes: FILE_BYTES_DEFAULT,
            files: FILES_DEFAULT,
        }
    }
}

impl LogPlan {
    /// Reads `max-size` and `max-file`.
    ///
    /// # Errors
    /// A value that is none, and any other option: what is not done must not be thought done.
    pub fn new(options: &[Pair]) -> Result<Self, Failure> {
        let mut plan = Self::default();
        for Pair { key, value } in options {
            match key.as_str() {
                "max-size" => plan.file_bytes = bytes(value)?,
                "max-file" => plan.files = files(value)?,
                other => {
                    return Err(Failure::invalid(format_args!(
                        "unknown log opt '{other}': max-size and max-file are known"
                    )));
                }
            }
        }
        Ok(plan)
    }
}

/// A number and a unit of a thousand, a million and so on, as people give sizes of logs.
fn bytes(text: &str) -> Result<u64, Failure> {
    let invalid = || {
        Failure::invalid(format_args!(
            "invalid log opt max-size '{text}': a positive number is needed, with k, m or g behind it where bytes are not meant"
        ))
    };
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let unit: u64 = match lower.get(digits.len()..).unwrap_or_default().trim_start() {
        "" | "b" => 1,
        "k" | "kb" => 1_000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        _ => return Err(invalid()),
    };
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(invalid());
    }
    digits
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(unit))
        .filter(|&bytes| bytes > 0)
        .ok_or_else(invalid)
}

fn files(text: &str) -> Result<usize, Failure> {
    text.parse()
        .ok()
        .filter(|files| (1..=LOG_FILES_MAX).contains(files))
        .ok_or_else(|| {
            Failure::invalid(format_args!(
                "invalid log opt max-file '{text}': a number from 1 to {LOG_FILES_MAX} is needed"
            ))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(options: &[(&str, &str)]) -> Result<(u64, usize), String> {
        let options: Vec<Pair> = options
            .iter()
            .map(|(key, value)| Pair::new(*key, *value))
            .collect();
        LogPlan::new(&options)
            .map(|plan| (plan.file_bytes, plan.files))
            .map_err(|failure| failure.subject)
    }

    #[test]
    fn sizes_and_counts() {
        assert_eq!(planned(&[]), Ok((10 << 20, 2)));
        for (text, bytes) in [
            ("1", 1),
            ("7b", 7),
            ("3k", 3_000),
            ("10m", 10_000_000),
            ("10MB", 10_000_000),
            ("1 g", 1_000_000_000),
        ] {
            assert_eq!(
                planned(&[("max-size", text), ("max-file", "64")]),
                Ok((bytes, 64))
            );
        }
    }

    #[test]
    fn what_is_none_is_refused_in_words() {
        for text in [
            "",
            "0",
            "-1",
            "1.5m",
            "m",
            "10x",
            "1 0m",
            "99999999999999999999",
            "99999999999g",
        ] {
            let refused = planned(&[("max-size", text)]);
            assert!(
                refused.is_err_and(|sentence| sentence.contains("max-size")),
                "{text}"
            );
        }
        for text in ["", "0", "65", "-1", "two"] {
            let refused = planned(&[("max-file", text)]);
            assert!(
                refused.is_err_and(|sentence| sentence.contains("1 to 64")),
                "{text}"
            );
        }
        let refused = planned(&[("compress", "true")]);
        assert!(refused.is_err_and(|sentence| sentence.contains("unknown log opt 'compress'")));
    }
}
