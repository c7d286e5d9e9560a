//! One value, one encoding.

use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};
use proptest::sample::Index;
use wire::record::Value;
use wire::{Container, Event, Image, Summary};

use crate::generate::{Generate, Source};
use crate::message::Message;

#[test]
fn full_messages_come_back_whole() {
    for message in Message::each(&mut Source::Full(0)) {
        assert_eq!(Message::decode_frame(&message.frame()), Ok(message));
    }
}

#[test]
fn empty_messages_are_two_bytes() {
    for message in Message::each(&mut Source::Bytes(&[])) {
        assert_eq!(message.payload(), [0, 0], "{message:?}");
        assert_eq!(message.decode_alike(&[0, 0]), Ok(message));
    }
}

/// Whatever these bytes are, they decode to nothing, or to a value that encodes to them.
fn check_canonical<T: Value>(bytes: &[u8]) {
    if let Ok(value) = T::decode(bytes, wire::reader::Unknown::Refuse) {
        assert_eq!(value.encode(), bytes);
    }
    // What a later version may have written must at least not panic.
    let _ = T::decode(bytes, wire::reader::Unknown::Skip);
}

fn check_round_trip<T: Value + Generate + std::fmt::Debug>(source: &mut Source<'_>) {
    let value = T::generate(source);
    assert_eq!(
        T::decode(&value.encode(), wire::reader::Unknown::Refuse),
        Ok(value)
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_message_comes_back_whole(choices in vec(any::<u8>(), 0..2048)) {
        for message in Message::each(&mut Source::Bytes(&choices)) {
            prop_assert_eq!(Message::decode_frame(&message.frame()), Ok(message));
        }
    }

    #[test]
    fn any_record_of_the_journal_comes_back_whole(choices in vec(any::<u8>(), 0..1024)) {
        check_round_trip::<Event>(&mut Source::Bytes(&choices));
        check_round_trip::<Container>(&mut Source::Bytes(&choices));
        check_round_trip::<Summary>(&mut Source::Bytes(&choices));
        check_round_trip::<Image>(&mut Source::Bytes(&choices));
    }

    #[test]
    fn a_damaged_message_is_refused_or_means_its_bytes(
        choices in vec(any::<u8>(), 0..1024),
        wounds in vec((any::<Index>(), any::<u8>()), 1..4),
    ) {
        for message in Message::each(&mut Source::Bytes(&choices)) {
            let mut payload = message.payload();
            for (place, byte) in &wounds {
                let at = place.index(payload.len());
                payload[at] = *byte;
            }
            if let Ok(other) = message.decode_alike(&payload) {
                prop_assert_eq!(other.payload(), payload);
            }
        }
    }

    #[test]
    fn arbitrary_bytes_are_refused_or_mean_themselves(bytes in vec(any::<u8>(), 0..512)) {
        for message in Message::each(&mut Source::Bytes(&[])) {
            if let Ok(other) = message.decode_alike(&bytes) {
                prop_assert_eq!(other.payload(), bytes.clone());
            }
        }
        check_canonical::<Event>(&bytes);
        check_canonical::<Container>(&bytes);
        check_canonical::<Option<String>>(&bytes);
        check_canonical::<Vec<bool>>(&bytes);
    }

    #[test]
    fn arbitrary_frames_never_panic(bytes in vec(any::<u8>(), 12..64)) {
        let (header, _) = bytes.split_first_chunk().unwrap();
        if let Ok(parsed) = wire::Header::parse(header, 64) {
            prop_assert_eq!(&parsed.to_bytes(), header);
        }
    }
}
