//! What a server is told of a run.

use serde::Serialize;

use super::command::Outcome;
use super::order::Operation;

/// What came of a run, as servers read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reply {
    /// Whether the command ended well.
    pub success: bool,
    /// What it wrote to its standard output.
    pub output: String,
    /// Why it did not end well: what it wrote to its standard error, or why it did not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What it ended with; -1 where it did not run, or was ended.
    pub exit_code: i32,
    /// Files that were to go and went.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deleted_files: Vec<String>,
    /// Files that were to go and did not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skipped_files: Vec<Skipped>,
}

/// A file that was to go and did not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// As it was asked for.
    pub path: String,
    /// Why, in one of the words that servers know.
    pub reason: &'static str,
}

impl Reply {
    /// That of a run that was none.
    pub fn failed(why: &str) -> Self {
        Self {
            success: false,
            output: String::new(),
            error: Some(why.to_owned()),
            exit_code: -1,
            deleted_files: Vec::new(),
            skipped_files: Vec::new(),
        }
    }

    pub(super) fn of(outcome: Outcome, operation: Operation) -> Self {
        let success = outcome.code == 0;
        // The command tells of its progress on standard error, and nothing besides; what is read by programs stays as
        // it is.
        let is_told = success && outcome.output.is_empty() && !operation.is_read_by_programs();
        let (output, error) = match is_told {
            true => (outcome.error, None),
            false => (outcome.output, (!success).then_some(outcome.error)),
        };
        Self {
            success,
            output,
            error,
            exit_code: outcome.code,
            deleted_files: Vec::new(),
            skipped_files: Vec::new(),
        }
    }

    /// As JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}
