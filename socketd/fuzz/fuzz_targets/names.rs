//! Names, references, ports and signals.
#![no_main]

use libfuzzer_sys::fuzz_target;
use socketd::docker::containers::ports::parse_port;
use socketd::docker::containers::{operate, signal};
use socketd::docker::endpoints;
use socketd::docker::images::ImageIndex;
use socketd::docker::images::reference::Name;
use wire::{Image, ImageId};

fn images() -> ImageIndex {
    ImageIndex::new(vec![Image {
        id: ImageId([7; 32]),
        tags: vec!["bb:latest".to_owned()],
        ..Image::default()
    }])
}

fuzz_target!(|text: &str| {
    let _ = operate::container_ref(text);
    if let Ok(name) = operate::parse_name(text) {
        assert!(!name.contains(['/', '\0', '\n', '\u{1b}']) && name != "..", "{name:?}");
    }
    if let Ok(name) = Name::parse(text) {
        let again = Name::parse(&name.tagged()).expect("a name that was read is one");
        assert_eq!(again.tagged(), name.tagged());
        let tagged = name.tagged();
        assert!(tagged.is_ascii() && !tagged.split(['/', ':']).any(|part| part.starts_with('.')), "{tagged}");
    }
    let _ = images().resolve(text);
    let _ = parse_port(text);
    let _ = signal::parse_signal(text);
    let _ = endpoints::strip_version(text);
    let _ = endpoints::version(text);
    let _ = endpoints::lookup("GET", text);
});
