//! Images.

mod changes;
mod import;
mod index;
mod inspect;
mod list;
pub mod reference;

pub use import::{Imported, imported, parse_import};
pub use index::{ImageIndex, Removed, parse_remove, parse_tag, removed};
pub use inspect::{HistoryItem, history, inspect};
pub use list::{ImageItem, Uses, list};
