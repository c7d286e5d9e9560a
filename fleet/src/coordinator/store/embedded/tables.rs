//! The tables of the file.

use redb::{Database, ReadableTable as _, TableDefinition};

/// What the tables are, and mean. A file of another version is not touched.
pub(super) const VERSION: u32 = 1;

/// Numbers that there is one of.
pub(super) const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");
/// Of [`NUMBERS`]: [`VERSION`].
pub(super) const NUMBER_VERSION: &str = "version";
/// Of [`NUMBERS`]: the newest entry's sequence number.
pub(super) const NUMBER_LAST: &str = "last";
/// Of [`NUMBERS`]: bytes of all entries.
pub(super) const NUMBER_BYTES: &str = "bytes";

/// Nodes by id.
pub(super) const NODES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("nodes");
/// When a node was last there, by its id.
pub(super) const SEEN: TableDefinition<'_, &str, i64> = TableDefinition::new("seen");
/// Enrolments by their tokens' hashes.
pub(super) const ENROLMENTS: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("enrolments");
/// Keys by name.
pub(super) const KEYS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("keys");
/// Names of keys by hash.
pub(super) const KEY_NAMES: TableDefinition<'_, &[u8; 32], &str> = TableDefinition::new("key_names");
/// Ports by address.
pub(super) const PORTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("ports");

/// The log: its node's number, and what happened.
pub(super) const LOG: TableDefinition<'_, u64, (u32, &[u8])> = TableDefinition::new("log");
/// Short numbers of nodes, by id, for the tables below.
pub(super) const NODE_NUMBERS: TableDefinition<'_, &str, u32> = TableDefinition::new("node_numbers");
/// Events in the log: its time, its node, and what tells it from others of both. With the time in front, what happens at
/// once stands together, and a transaction of many nodes writes few pages.
pub(super) const KNOWN: TableDefinition<'_, (i64, u32, u64), ()> = TableDefinition::new("known");
/// Of a node, the times of the event that was told last, and of the one that was forgotten last.
pub(super) const TOLD: TableDefinition<'_, u32, (i64, Option<i64>)> = TableDefinition::new("told");
/// Since when a node's line is there, by its id: of those whose end was not noted, the coordinator was killed.
pub(super) const PRESENT: TableDefinition<'_, &str, i64> = TableDefinition::new("present");
/// Containers of a node, by id.
pub(super) const CONTAINERS: TableDefinition<'_, (u32, &str), &[u8]> = TableDefinition::new("containers");

/// Makes what is not there, and gives the version of what is.
pub(super) fn prepare(database: &Database) -> Result<u32, redb::Error> {
    let transaction = database.begin_write()?;
    let version = {
        let mut numbers = transaction.open_table(NUMBERS)?;
        let kept = numbers.get(NUMBER_VERSION)?.map(|kept| kept.value());
        if kept.is_none() {
            numbers.insert(NUMBER_VERSION, u64::from(VERSION))?;
        }
        kept.map_or(VERSION, |kept| u32::try_from(kept).unwrap_or(u32::MAX))
    };
    if version != VERSION {
        transaction.abort()?;
        return Ok(version);
    }
    transaction.open_table(NODES)?;
    transaction.open_table(SEEN)?;
    transaction.open_table(ENROLMENTS)?;
    transaction.open_table(KEYS)?;
    transaction.open_table(KEY_NAMES)?;
    transaction.open_table(PORTS)?;
    transaction.open_table(LOG)?;
    transaction.open_table(NODE_NUMBERS)?;
    transaction.open_table(KNOWN)?;
    transaction.open_table(TOLD)?;
    transaction.open_table(PRESENT)?;
    transaction.open_table(CONTAINERS)?;
    transaction.commit()?;
    Ok(version)
}
