//! Findings, as people or programs read them.

use std::fmt::Write as _;

use serde::Serialize;

use super::finding::{Finding, Verdict};
use crate::config::Format;

/// All of it, for programs.
#[derive(Serialize)]
struct Report<'a> {
    version: &'static str,
    verdict: Verdict,
    findings: &'a [Finding],
}

/// The worst of them: wrong where anything is, else ok.
pub(super) fn verdict(findings: &[Finding]) -> Verdict {
    if findings.iter().any(|finding| finding.verdict == Verdict::Wrong) {
        Verdict::Wrong
    } else {
        Verdict::Ok
    }
}

/// The whole text.
pub(super) fn write(findings: &[Finding], format: Format) -> String {
    match format {
        Format::Text => text(findings),
        Format::Json => {
            let report = Report {
                version: env!("CARGO_PKG_VERSION"),
                verdict: verdict(findings),
                findings,
            };
            // Texts and words alone: nothing in it can fail to be written.
            let mut json = serde_json::to_string_pretty(&report).unwrap_or_default();
            json.push('\n');
            json
        }
    }
}

/// A line for each.
fn text(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let _ = write!(
            text,
            "{:<9} {:<13} {}",
            finding.verdict.word(),
            finding.check,
            printable(&finding.says)
        );
        if let Some(fix) = &finding.fix {
            let _ = write!(text, "; to mend it: {}", printable(fix));
        }
        text.push('\n');
    }
    text
}

/// Names and sentences of others, without what would move a terminal's cursor or begin a new line.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|char| if char.is_control() { '?' } else { char })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings() -> Vec<Finding> {
        vec![
            Finding::ok("6.1").by("kernel"),
            Finding::wrong("held by \u{1b}[31mx\n", "stop it").by("port"),
        ]
    }

    #[test]
    fn one_line_each_and_nothing_that_moves_a_cursor() {
        assert_eq!(
            write(&findings(), Format::Text),
            "ok        kernel        6.1\nwrong     port          held by ?[31mx?; to mend it: stop it\n"
        );
    }

    #[test]
    fn the_worst_decides() {
        fn check(findings: &[Finding], expected: Verdict) {
            assert_eq!(verdict(findings), expected, "{findings:?}");
        }
        check(&findings(), Verdict::Wrong);
        check(&findings()[..1], Verdict::Ok);
        check(
            &[Finding::fallback("no landlock"), Finding::unknown("not root")],
            Verdict::Ok,
        );
    }

    #[test]
    fn programs_read_it_too() {
        let json = write(&findings(), Format::Json);
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["verdict"], "wrong");
        assert_eq!(value["findings"][0]["check"], "kernel");
        assert_eq!(value["findings"][0].get("fix"), None);
        assert_eq!(value["findings"][1]["fix"], "stop it");
    }
}
