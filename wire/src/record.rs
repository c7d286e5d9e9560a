//! Values and records.
//!
//! A record is a count of fields, then each field as number, length and value, numbers rising.
//! A field that holds its default is left out, so a record has exactly one encoding, small when
//! little is set, and a later version may add fields without disturbing an earlier reader.

use crate::Invalid;
use crate::limits::{LIST_ITEMS_MAX, STRING_BYTES_MAX};
use crate::reader::{Reader, Unknown};

/// Something with one encoding.
pub trait Value: Sized + Default + PartialEq {
    /// Appends the encoding to `out`.
    fn write(&self, out: &mut Vec<u8>);

    /// Reads one value.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    fn read(reader: &mut Reader<'_>) -> Result<Self, Invalid>;

    /// Reads one value that fills `bytes` exactly.
    ///
    /// # Errors
    /// What is wrong with the bytes, [`Invalid::TrailingBytes`] included.
    fn decode(bytes: &[u8], unknown: Unknown) -> Result<Self, Invalid> {
        let mut reader = Reader::new(bytes, unknown);
        let value = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(value)
    }

    /// The encoding, on its own.
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }
}

macro_rules! integers {
    ($($ty:ty),*) => {$(
        impl Value for $ty {
            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
            fn read(reader: &mut Reader<'_>) -> Result<Self, Invalid> {
                Ok(Self::from_le_bytes(reader.array()?))
            }
        }
    )*};
}
integers!(u8, u16, u32, u64, i32, i64);

impl Value for bool {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
    fn read(reader: &mut Reader<'_>) -> Result<Self, Invalid> {
        match u8::read(reader)? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(Invalid::Bool(other)),
        }
    }
}

fn write_count(count: usize, out: &mut Vec<u8>) {
    u32::try_from(count).unwrap_or(u32::MAX).write(out);
}

fn read_count(reader: &mut Reader<'_>, what: &'static str, max: u32) -> Result<usize, Invalid> {
    let count = u32::read(reader)?;
    if count > max {
        return Err(Invalid::TooMany { what, count, max });
    }
    usize::try_from(count).map_err(|_| Invalid::TooMany { what, count, max })
}

impl Value for String {
    fn write(&self, out: &mut Vec<u8>) {
        write_count(self.len(), out);
        out.extend_from_slice(self.as_bytes());
    }
    fn read(reader: &mut Reader<'_>) -> Result<Self, Invalid> {
        let length = read_count(reader, "string", STRING_BYTES_MAX)?;
        let bytes = reader.take(length)?;
        let text = core::str::from_utf8(bytes).map_err(|_| Invalid::Text)?;
        // No path, name or argument of Linux can hold a NUL; one here means mischief.
        if text.contains('\0') {
            return Err(Invalid::Text);
        }
        Ok(text.to_owned())
    }
}

impl<T: Value> Value for Vec<T> {
    fn write(&self, out: &mut Vec<u8>) {
        write_count(self.len(), out);
        for item in self {
            item.write(out);
        }
    }
    fn read(reader: &mut Reader<'_>) -> Result<Self, Invalid> {
        let count = read_count(reader, "list", LIST_ITEMS_MAX)?;
        // No item is shorter than a byte, so a count beyond what is left is a lie.
        if count > reader.remaining() {
            return Err(Invalid::Truncated);
        }
        let mut items = Vec::with_capacity(count.min(64));
        for _ in 0..count {
            items.push(T::read(reader)?);
        }
        Ok(items)
    }
}

impl<T: Value> Value for Option<T> {
    fn write(&self, out: &mut Vec<u8>) {
        self.is_some().write(out);
        if let Some(value) = self {
            value.write(out);
        }
    }
    fn read(reader: &mut Reader<'_>) -> Result<Self, Invalid> {
        Ok(if bool::read(reader)? {
            Some(T::read(reader)?)
        } else {
            None
        })
    }
}

/// Writes the fields of one record. Used by [`record!`](crate::record!).
#[derive(Debug)]
pub struct FieldWriter<'a> {
    out: &'a mut Vec<u8>,
    count_at: usize,
    count: u16,
}

impl<'a> FieldWriter<'a> {
    /// Begins a record.
    pub fn begin(out: &'a mut Vec<u8>) -> Self {
        let count_at = out.len();
        0u16.write(out);
        Self {
            out,
            count_at,
            count: 0,
        }
    }

    /// Writes one field, unless it holds its default.
    pub fn field<T: Value>(&mut self, tag: u16, value: &T) {
        if *value == T::default() {
            return;
        }
        tag.write(self.out);
        let length_at = self.out.len();
        0u32.write(self.out);
        value.write(self.out);
        let length = u32::try_from(self.out.len() - length_at - 4).unwrap_or(u32::MAX);
        patch(self.out, length_at, &length.to_le_bytes());
        self.count += 1;
    }

    /// Ends the record.
    pub fn finish(self) {
        patch(self.out, self.count_at, &self.count.to_le_bytes());
    }
}

fn patch(out: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(slot) = out.get_mut(at..at + bytes.len()) {
        slot.copy_from_slice(bytes);
    }
}

/// Walks the fields of one record. Used by [`record!`](crate::record!).
#[derive(Debug)]
pub struct FieldReader {
    record: &'static str,
    left: u16,
    previous: Option<u16>,
}

impl FieldReader {
    /// Begins a record.
    ///
    /// # Errors
    /// [`Invalid::Truncated`].
    pub fn begin(reader: &mut Reader<'_>, record: &'static str) -> Result<Self, Invalid> {
        Ok(Self {
            record,
            left: u16::read(reader)?,
            previous: None,
        })
    }

    /// The next field's number and a reader over its value; `None` after the last.
    ///
    /// # Errors
    /// [`Invalid::Truncated`], [`Invalid::FieldOrder`].
    pub fn advance<'a>(&mut self, reader: &mut Reader<'a>) -> Result<Option<(u16, Reader<'a>)>, Invalid> {
        let Some(left) = self.left.checked_sub(1) else {
            return Ok(None);
        };
        self.left = left;
        let tag = u16::read(reader)?;
        if self.previous.is_some_and(|previous| previous >= tag) {
            return Err(Invalid::FieldOrder {
                record: self.record,
                tag,
            });
        }
        self.previous = Some(tag);
        let length = usize::try_from(u32::read(reader)?).map_err(|_| Invalid::Truncated)?;
        Ok(Some((tag, reader.part(length)?)))
    }

    /// Reads a known field's value: all of it, and not the encoding of its default.
    ///
    /// A record of which only fields of a later version are set reads as its default, yet its
    /// bytes are not the default's: such a field is passed over like any other unknown one.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn value<T: Value>(&self, tag: u16, mut reader: Reader<'_>) -> Result<T, Invalid> {
        let bytes = reader.rest();
        let value = T::read(&mut reader)?;
        reader.finish()?;
        if value == T::default() && bytes == T::default().encode() {
            return Err(Invalid::Redundant {
                record: self.record,
                tag,
            });
        }
        Ok(value)
    }

    /// A field of a later version.
    ///
    /// # Errors
    /// [`Invalid::UnknownField`] where such fields are refused.
    pub fn unknown(&self, tag: u16, reader: &Reader<'_>) -> Result<(), Invalid> {
        match reader.unknown() {
            Unknown::Refuse => Err(Invalid::UnknownField {
                record: self.record,
                tag,
            }),
            Unknown::Skip => Ok(()),
        }
    }
}

/// Declares a record: a struct whose fields carry their numbers on the wire and on disk.
/// A number, once released, never means anything else.
#[macro_export]
macro_rules! record {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $( $(#[$field_meta:meta])* $tag:literal => $field:ident : $ty:ty ),* $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Default)]
        pub struct $name {
            $( $(#[$field_meta])* pub $field: $ty ),*
        }

        impl $crate::record::Value for $name {
            #[allow(unused_mut)]
            fn write(&self, out: &mut Vec<u8>) {
                let mut fields = $crate::record::FieldWriter::begin(out);
                $( fields.field($tag, &self.$field); )*
                fields.finish();
            }

            #[allow(unused_mut)]
            fn read(reader: &mut $crate::reader::Reader<'_>) -> Result<Self, $crate::Invalid> {
                let mut record = Self::default();
                let mut fields = $crate::record::FieldReader::begin(reader, stringify!($name))?;
                while let Some((tag, value)) = fields.advance(reader)? {
                    match tag {
                        $( $tag => record.$field = fields.value(tag, value)?, )*
                        _ => fields.unknown(tag, &value)?,
                    }
                }
                Ok(record)
            }
        }
    };
}

/// Declares a number with names. A number without one survives decoding as `Unknown`,
/// so that the caller can refuse it by name. The first name is the default.
#[macro_export]
macro_rules! numbers {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $(#[$first_meta:meta])* $first:ident = $first_number:literal,
            $( $(#[$item_meta:meta])* $item:ident = $number:literal ),* $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
        pub enum $name {
            $(#[$first_meta])* #[default] $first,
            $( $(#[$item_meta])* $item, )*
            /// A number of a later version.
            Unknown(u16),
        }

        impl $name {
            /// Every name this version knows.
            pub const ALL: &'static [Self] = &[Self::$first, $( Self::$item ),*];

            /// The number on the wire and on disk.
            #[must_use]
            pub const fn number(self) -> u16 {
                match self {
                    Self::$first => $first_number,
                    $( Self::$item => $number, )*
                    Self::Unknown(number) => number,
                }
            }

            /// The name of a number.
            #[must_use]
            pub const fn from_number(number: u16) -> Self {
                match number {
                    $first_number => Self::$first,
                    $( $number => Self::$item, )*
                    other => Self::Unknown(other),
                }
            }
        }

        impl $crate::record::Value for $name {
            fn write(&self, out: &mut Vec<u8>) {
                self.number().write(out);
            }
            fn read(reader: &mut $crate::reader::Reader<'_>) -> Result<Self, $crate::Invalid> {
                Ok(Self::from_number(u16::read(reader)?))
            }
        }
    };
}
