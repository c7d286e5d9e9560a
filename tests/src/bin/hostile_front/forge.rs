//! Frames that were good once.

use harness::dice::Dice;

/// Changes a frame in one to four places.
pub(crate) fn mutate(dice: &mut Dice, frame: &mut Vec<u8>, others: &[Vec<u8>]) {
    for _ in 0..=dice.below(4) {
        mutate_once(dice, frame, others);
    }
}

fn mutate_once(dice: &mut Dice, frame: &mut Vec<u8>, others: &[Vec<u8>]) {
    let at = dice.place(frame.len());
    match dice.below(9) {
        0 | 1 if !frame.is_empty() => frame[at] ^= 1 << dice.below(8),
        2 if !frame.is_empty() => frame[at] = dice.byte(),
        3 => frame.insert(at, dice.byte()),
        4 => frame.truncate(at),
        // A piece twice.
        5 => {
            let length = dice.place(64.min(frame.len() - at) + 1);
            let piece = frame[at..at + length].to_vec();
            frame.splice(at..at, piece);
        }
        // A piece gone.
        6 => {
            let end = at + dice.place(64.min(frame.len() - at) + 1);
            frame.drain(at..end);
        }
        // The length of the payload is right again, so that the decoder is reached; the opcode perhaps another.
        7 if frame.len() >= 12 => {
            let length = u32::try_from(frame.len() - 12).unwrap();
            frame[8..12].copy_from_slice(&length.to_le_bytes());
            if dice.below(4) == 0 {
                frame[6..8].copy_from_slice(&[u8::try_from(dice.below(80)).unwrap(), 0]);
            }
        }
        // The head of one and the tail of another.
        _ => {
            let other = &others[dice.place(others.len())];
            frame.truncate(at);
            frame.extend_from_slice(&other[dice.place(other.len())..]);
        }
    }
}
