//! Which files there are (landlock): those that are read again, and the way to take one's own away.

use std::fs;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetError, RulesetStatus, Scope, path_beneath_rules,
};

use super::SandboxError;

/// The youngest version whose restrictions were tried here. An older kernel leaves out those that it
/// does not have: TCP before the 4th, signals and abstract sockets before the 6th.
const VERSION: ABI = ABI::V6;

/// What stays open.
#[derive(Debug, Clone, Default)]
pub struct Openings {
    /// Files that are read again later: all else that lies beside them can be read as well, as far as its
    /// own rights go, because who renews a file may put another in its place.
    pub read_again: Vec<PathBuf>,
    /// Files that are taken away at the end.
    pub removed: Vec<PathBuf>,
    /// Whether abstract sockets of others are connected to.
    pub abstract_sockets: bool,
}

/// Puts everything else out of reach. No TCP socket can be bound or connected any more, and no process
/// outside be signalled. Answers whether the kernel can do that.
///
/// # Errors
/// [`SandboxError::Files`].
pub(super) fn irrevocably_restrict(openings: &Openings) -> Result<bool, SandboxError> {
    restrict(openings).map_err(SandboxError::Files)
}

fn restrict(openings: &Openings) -> Result<bool, RulesetError> {
    let scope = if openings.abstract_sockets {
        Scope::Signal.into()
    } else {
        Scope::from_all(VERSION)
    };
    let read = openings.read_again.iter().flat_map(|path| directories(path));
    let removed = openings.removed.iter().filter_map(|path| path.parent());
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(VERSION))?
        .handle_access(AccessNet::from_all(VERSION))?
        .scope(scope)?
        .create()?
        .add_rules(path_beneath_rules(read, AccessFs::ReadFile))?
        .add_rules(path_beneath_rules(removed, AccessFs::RemoveFile))?
        .restrict_self()?;
    Ok(status.ruleset != RulesetStatus::NotEnforced)
}

/// Where a file lies, and where what it is a link to lies: the kernel goes by the latter.
fn directories(path: &Path) -> Vec<PathBuf> {
    let end = fs::canonicalize(path).ok();
    let parents = [Some(path), end.as_deref()].into_iter().flatten();
    parents.filter_map(Path::parent).map(Path::to_owned).collect()
}

/// The youngest version, of those that are used here, that the kernel has; none where it has none. Restricts
/// nothing.
#[must_use]
pub fn landlock_version() -> Option<i32> {
    let tried = [ABI::V6, ABI::V5, ABI::V4, ABI::V3, ABI::V2, ABI::V1];
    let has = |version: &ABI| all_of(*version).is_ok();
    tried.into_iter().find(has).map(|version| version as i32)
}

/// Made, and left unused: everything that a version restricts.
fn all_of(version: ABI) -> Result<(), RulesetError> {
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(version))?;
    if version >= ABI::V4 {
        rules = rules.handle_access(AccessNet::from_all(version))?;
    }
    if version >= ABI::V6 {
        rules = rules.scope(Scope::from_all(version))?;
    }
    rules.create().map(drop)
}
