//! Options of the log, checked with Docker's sentences.

use std::collections::BTreeMap;

use crate::docker::error::ApiError;

/// Options that Docker's `json-file` driver has and that change nothing here.
const NOT_APPLIED: &[&str] = &[
    "compress",
    "env",
    "env-regex",
    "labels",
    "labels-regex",
    "max-buffer-size",
    "mode",
    "tag",
];

/// Checks the options; answers what the user should know.
///
/// # Errors
/// 400 for an option that is none, or a value that cannot be.
pub(super) fn check(options: &BTreeMap<String, String>) -> Result<Vec<String>, ApiError> {
    let mut warnings = Vec::new();
    for (key, value) in options {
        match key.as_str() {
            "max-size" if is_size(value) => {}
            "max-size" => return Err(ApiError::bad_request(format!("invalid size: '{value}'"))),
            "max-file" => match value.parse::<u32>() {
                Ok(1..) => {}
                Ok(0) => return Err(ApiError::bad_request("max-file cannot be less than 1")),
                Err(_) => {
                    return Err(ApiError::bad_request(format!(
                        "strconv.Atoi: parsing {value:?}: invalid syntax"
                    )));
                }
            },
            other if NOT_APPLIED.contains(&other) => warnings.push(format!(
                "The log option {other} is not applied. {other} discarded."
            )),
            other => {
                return Err(ApiError::bad_request(format!(
                    "unknown log opt '{other}' for json-file log driver"
                )));
            }
        }
    }
    Ok(warnings)
}

/// `10m`, `1.5GiB`, `100`; `-1` for no limit.
fn is_size(text: &str) -> bool {
    if text == "-1" {
        return true;
    }
    let digits = text
        .find(|letter: char| !letter.is_ascii_digit() && letter != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits).unwrap_or_default();
    let unit = unit.trim_start().to_ascii_lowercase();
    let unit = unit.strip_suffix('b').unwrap_or(&unit);
    let unit = unit.strip_suffix('i').unwrap_or(unit);
    number.parse::<f64>().is_ok() && matches!(unit, "" | "k" | "m" | "g" | "t" | "p")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(key: &str, value: &str) -> Result<usize, ApiError> {
        let options = BTreeMap::from([(key.to_owned(), value.to_owned())]);
        check(&options).map(|warnings| warnings.len())
    }

    #[test]
    fn options_are_those_of_the_driver() {
        for size in ["10m", "1.5GiB", "100", "100 kB", "-1", "7b"] {
            assert_eq!(checked("max-size", size), Ok(0), "{size}");
        }
        assert_eq!(checked("max-file", "3"), Ok(0));
        assert_eq!(checked("compress", "true"), Ok(1));
        #[track_caller]
        fn refused(key: &str, value: &str, expected: &str) {
            assert_eq!(checked(key, value), Err(ApiError::bad_request(expected)));
        }
        for size in ["", "m", "10x", "-5m", "1.2.3", "1e3"] {
            refused("max-size", size, &format!("invalid size: '{size}'"));
        }
        refused("max-file", "0", "max-file cannot be less than 1");
        refused("max-file", "x", "strconv.Atoi: parsing \"x\": invalid syntax");
        refused(
            "max-lines",
            "1",
            "unknown log opt 'max-lines' for json-file log driver",
        );
    }
}
