//! Where the last lines of such a log begin, found from its end.

use std::io;

use crate::limits::LOG_TAIL_BYTES;
use crate::streams::entries::{OpenFile, read_at, wide};

/// An index into the files, and a place in that file, from which on there are so many lines, at
/// least one. A line that is not finished counts, and one may reach over files.
pub(super) fn last_lines(files: &[OpenFile], lines: u64) -> io::Result<(usize, u64)> {
    let mut left = lines;
    // The very last line feed ends a line, and none begins behind it.
    let mut is_last = true;
    let mut buffer = vec![0; LOG_TAIL_BYTES];
    for (index, file) in files.iter().enumerate().rev() {
        let mut end = file.bytes;
        while end > 0 {
            let start = end.saturating_sub(wide(buffer.len()));
            let length = usize::try_from(end.saturating_sub(start)).unwrap_or_default();
            let piece = buffer.get_mut(..length).unwrap_or_default();
            if read_at(&file.file, piece, start)? < length {
                // It was cut meanwhile: whatever is in it now belongs to the end.
                return Ok((index, 0));
            }
            for (offset, byte) in piece.iter().enumerate().rev() {
                if !std::mem::take(&mut is_last) && *byte == b'\n' {
                    left = left.saturating_sub(1);
                    if left == 0 {
                        return Ok((index, start.saturating_add(wide(offset)).saturating_add(1)));
                    }
                }
            }
            end = start;
        }
    }
    Ok((0, 0))
}
