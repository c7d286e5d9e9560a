//! Freezing containers and changing what they may use.

use wire::Refusal;
use wire::RefusalCode;
use wire::files::Update;

use super::Supervisor;

impl Supervisor {
    /// Freezes a container, or thaws it.
    pub(crate) fn freeze(&self, _reference: &str, _frozen: bool) -> Result<(), Refusal> {
        Err(Refusal::about(RefusalCode::Unsupported, ""))
    }

    /// Changes limits and policy; answers with what the user should know.
    pub(crate) fn update(&self, _update: &Update) -> Result<Vec<String>, Refusal> {
        Err(Refusal::about(RefusalCode::Unsupported, ""))
    }
}
