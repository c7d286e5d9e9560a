//! Thirty-two bytes as people write them.

use std::fmt;

/// Reads 64 digits, of either case, with a colon between bytes or without.
#[must_use]
pub fn bytes(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u32> = text
        .chars()
        .filter(|character| *character != ':')
        .map(|character| character.to_digit(16))
        .collect::<Option<_>>()?;
    let pairs: Vec<u8> = digits
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => u8::try_from(high * 16 + low).ok(),
            _ => None,
        })
        .collect::<Option<_>>()?;
    pairs.try_into().ok()
}

/// Writes them, in small letters.
pub(super) fn write(bytes: &[u8; 32], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits() {
        let expected = Some([0xAB; 32]);
        assert_eq!(bytes(&"ab".repeat(32)), expected);
        assert_eq!(bytes(&"AB".repeat(32)), expected);
        assert_eq!(bytes(&["aB"; 32].join(":")), expected);
        assert_eq!(bytes(&"ab".repeat(31)), None);
        assert_eq!(bytes(&"ab".repeat(33)), None);
        assert_eq!(bytes(&format!("{}a", "ab".repeat(31))), None);
        assert_eq!(bytes(&"ag".repeat(32)), None);
        assert_eq!(bytes(""), None);
    }
}
