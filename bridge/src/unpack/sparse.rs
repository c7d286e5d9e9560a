//! Files with holes: which bytes of the archive go where.
//!
//! Two maps are read: the one in GNU headers (`tar --sparse`), and GNU's PAX form 1.0, where the
//! map stands before the data. The PAX forms 0.0 and 0.1, which no GNU tar since 2006 writes, are
//! refused: taken for plain files they would unpack as something else.

use tar::GnuSparseHeader;

use super::fault::Fault;
use super::limits::SEGMENTS_MAX;
use super::records::decimal;

/// A run of data in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    /// Where in the file it begins, in bytes.
    pub(super) offset: u64,
    /// How many bytes it has.
    pub(super) length: u64,
}

/// What a file consists of: runs of data in rising order, and its whole size.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Layout {
    /// The runs, in rising order, none overlapping.
    pub(super) segments: Vec<Segment>,
    /// The size of the file, in bytes.
    pub(super) size: u64,
}

impl Layout {
    /// A file without holes.
    pub(super) fn solid(size: u64) -> Self {
        Self {
            segments: vec![Segment {
                offset: 0,
                length: size,
            }],
            size,
        }
    }

    /// Adds the entries of one header of the GNU map.
    ///
    /// # Errors
    /// [`Fault::Sparse`], [`Fault::Limit`].
    pub(super) fn extend(&mut self, entries: &[GnuSparseHeader]) -> Result<(), Fault> {
        for entry in entries.iter().filter(|entry| !entry.is_empty()) {
            let offset = entry.offset().map_err(|_| Fault::Sparse)?;
            let length = entry.length().map_err(|_| Fault::Sparse)?;
            self.push(Segment { offset, length })?;
        }
        Ok(())
    }

    fn push(&mut self, segment: Segment) -> Result<(), Fault> {
        if self.segments.len() >= SEGMENTS_MAX {
            return Err(Fault::Limit {
                what: "pieces of a sparse file",
                max: u64::try_from(SEGMENTS_MAX).unwrap_or(u64::MAX),
            });
        }
        self.segments.push(segment);
        Ok(())
    }

    /// Checks that the runs rise, lie within the file, and make up `stored` bytes of data.
    ///
    /// # Errors
    /// [`Fault::Sparse`].
    pub(super) fn check(&self, stored: u64) -> Result<(), Fault> {
        let mut end = 0;
        let mut data: u64 = 0;
        for segment in &self.segments {
            if segment.offset < end {
                return Err(Fault::Sparse);
            }
            end = segment.offset.checked_add(segment.length).ok_or(Fault::Sparse)?;
            data = data.checked_add(segment.length).ok_or(Fault::Sparse)?;
        }
        if end > self.size || data != stored {
            return Err(Fault::Sparse);
        }
        Ok(())
    }
}

/// Reads the map of the PAX form 1.0, block by block: a count, then offset and length of each
/// run, each number on a line of its own, filled up to a whole block.
#[derive(Debug, Default)]
pub(super) struct MapReader {
    digits: Vec<u8>,
    expected: Option<u64>,
    numbers: Vec<u64>,
}

impl MapReader {
    /// Takes one block; the layout once the map is complete.
    ///
    /// # Errors
    /// [`Fault::Sparse`], [`Fault::Limit`].
    pub(super) fn block(&mut self, block: &[u8], size: u64) -> Result<Option<Layout>, Fault> {
        for byte in block {
            if *byte != b'\n' {
                // No number has more digits than u64::MAX.
                if self.digits.len() >= 20 {
                    return Err(Fault::Sparse);
                }
                self.digits.push(*byte);
                continue;
            }
            let number = decimal(&self.digits).ok_or(Fault::Sparse)?;
            self.digits.clear();
            match self.expected {
                None => self.expected = Some(number.checked_mul(2).ok_or(Fault::Sparse)?),
                Some(_) => self.numbers.push(number),
            }
            let count = u64::try_from(self.numbers.len()).unwrap_or(u64::MAX);
            if self.expected == Some(count) {
                return self.finish(size).map(Some);
            }
        }
        Ok(None)
    }

    fn finish(&self, size: u64) -> Result<Layout, Fault> {
        let mut layout = Layout {
            segments: Vec::new(),
            size,
        };
        for pair in self.numbers.chunks_exact(2) {
            let &[offset, length] = pair else { continue };
            layout.push(Segment { offset, length })?;
        }
        Ok(layout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(segments: &[(u64, u64)], size: u64, stored: u64, good: bool) {
        let segments = segments
            .iter()
            .map(|&(offset, length)| Segment { offset, length })
            .collect();
        assert_eq!(Layout { segments, size }.check(stored).is_ok(), good);
    }

    #[test]
    fn layouts() {
        check(&[], 0, 0, true);
        check(&[(0, 5)], 5, 5, true);
        check(&[(10, 5), (15, 5), (30, 0)], 30, 10, true);
        check(&[(10, 5), (14, 5)], 30, 10, false);
        check(&[(10, 5)], 14, 5, false);
        check(&[(10, 5)], 15, 6, false);
        check(&[(u64::MAX, 5)], u64::MAX, 5, false);
    }

    #[test]
    fn maps_before_the_data() {
        let mut block = b"2\n0\n3\n9\n1\n".to_vec();
        block.resize(512, 0);
        let layout = MapReader::default().block(&block, 10).unwrap().unwrap();
        assert_eq!(layout.segments.len(), 2);
        layout.check(4).unwrap();
        for bad in [
            "x\n",
            "\n",
            "99999999999999999999999",
            "18446744073709551615\n",
            "-1\n",
        ] {
            assert_eq!(
                MapReader::default().block(bad.as_bytes(), 10),
                Err(Fault::Sparse),
                "{bad}"
            );
        }
        assert_eq!(MapReader::default().block(b"2\n0\n", 10), Ok(None));
    }
}
