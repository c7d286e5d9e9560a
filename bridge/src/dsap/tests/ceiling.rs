//! What the ceiling says holds behind this door as well.

use super::*;
use crate::ceiling::Access;

#[test]
fn this_door_has_the_same_ceiling() {
    let place = Place::under(Ceiling {
        access: Access::Read,
        ..Ceiling::default()
    });
    let id = place.create("web");
    let lifecycle = || Lifecycle {
        target: id.clone(),
        timeout_s: -1,
    };
    let desk = place.desk();
    for request in [
        Request::StartContainer(lifecycle()),
        Request::StopContainer(lifecycle()),
        Request::RestartContainer(lifecycle()),
    ] {
        assert_eq!(desk.answer(&request), Err(Status::Forbidden), "{request:?}");
    }
    for request in [
        Request::Ping,
        Request::Capabilities,
        Request::Info,
        Request::ListContainers { all: true },
        Request::ListImages,
        Request::InspectContainer { target: id.clone() },
        Request::PollEvents { since_s: 0 },
    ] {
        assert!(desk.answer(&request).is_ok(), "{request:?}");
    }
}
