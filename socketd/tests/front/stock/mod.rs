//! socketd on a stand-in for a stock bridge, which speaks version 1.

mod bridge;
mod dialer;
mod events;
mod lists;
mod orders;
mod trouble;

use std::fs;

use wire::v1::Inspect;

pub(crate) const UUID_1: &str = "d5d1e1acf44a0207bba262457d5e36f9";
pub(crate) const UUID_2: &str = "d5d1e1ac00000000bba262457d5e36f9";

/// One of version 1's golden frames.
fn golden(name: &str) -> Vec<u8> {
    fs::read(format!("../wire/golden/v1/{name}.bin")).unwrap()
}

/// A container that does not run.
fn stopped(name: &str, uuid: &str) -> Inspect {
    Inspect {
        name: name.to_owned(),
        uuid: uuid.to_owned(),
        rootfs: format!("/srv/{name}"),
        image: format!("/srv/{name}"),
        ..Inspect::default()
    }
}

/// One that does.
fn running(name: &str, uuid: &str) -> Inspect {
    Inspect {
        pid: 4242,
        started_at_s: 1_795_309_700,
        ..stopped(name, uuid)
    }
}

fn json(body: &str) -> serde_json::Value {
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"))
}
