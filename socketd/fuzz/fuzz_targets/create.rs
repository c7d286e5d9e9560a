//! What a container is asked to be, becomes, and is changed to: the JSON bodies.
#![no_main]

use libfuzzer_sys::fuzz_target;
use socketd::docker::containers::create::parse_create;
use socketd::docker::containers::create::update::parse_update;
use socketd::docker::images::{ImageIndex, parse_commit};
use socketd::docker::query::Query;
use wire::{Container, Image, ImageId, Info, Request};

fn images() -> ImageIndex {
    ImageIndex::new(vec![Image {
        id: ImageId([7; 32]),
        tags: vec!["bb:latest".to_owned()],
        ..Image::default()
    }])
}

fuzz_target!(|body: &[u8]| {
    let (images, query) = (images(), Query::parse(Some("name=web")));
    let json = Some("application/json");
    if let Ok((order, _)) = parse_create(&query, body, json, &images, &Info::default()) {
        // What does not fit a frame is refused there, and not by a panic.
        let _ = Request::Create(Box::new(order)).append_to(&mut Vec::new());
    }
    if let Ok((order, _)) = parse_update(body, json, &Container::default()) {
        let _ = Request::Update(Box::new(order)).append_to(&mut Vec::new());
    }
    let _ = parse_commit(&query, body, json, &Container::default(), &images);
});
