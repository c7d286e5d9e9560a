//! Images.

mod changes;
mod commit;
mod import;
mod index;
mod inspect;
mod list;
pub mod reference;

pub use commit::{Committed, commit_container, committed, parse_commit};
pub use import::{Imported, imported, parse_import};
pub use index::{ImageIndex, Removed, parse_remove, parse_tag, removed};
pub use inspect::{HistoryItem, history, inspect};
pub use list::{ImageItem, Uses, list};
