//! Attacks on the real pair: by a front that somebody else has taken over, and by clients.
//!
//! `SOCKETD_ATTACK_SECONDS` says how long the front attacks (20 by default), `SOCKETD_ATTACK_SEED` throws the
//! dice of an earlier run again. How to run it for hours: `tests/FUZZING.md`.

mod front;
mod honest;
mod http;
mod strangers;
mod vitals;
