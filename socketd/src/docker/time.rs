//! Points in time as Docker writes and reads them.

use wire::Time;

/// What Go prints for a time that never was.
pub const NEVER: &str = "0001-01-01T00:00:00Z";

/// RFC 3339 with as many decimals as are needed, in UTC; [`NEVER`] for no time.
#[must_use]
pub fn rfc3339_nano(time: Time) -> String {
    if time.is_never() {
        NEVER.to_owned()
    } else {
        String::new()
    }
}
