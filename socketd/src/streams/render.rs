//! From entries to what a client reads: raw, or in frames with one line each.

use wire::log::{EntryHeader, Stream};

use crate::docker::attach::{FRAME_HEADER_BYTES, frame_header};
use crate::docker::logs::Stamper;
use crate::limits::FRAME_BYTES_MAX;

/// What a client wants to see, and how.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Whether bytes go out without frames: from a terminal, and over a websocket.
    pub raw: bool,
    /// Whether each line begins with its time.
    pub timestamps: bool,
    /// Whether standard output is wanted.
    pub output: bool,
    /// Whether standard error is wanted.
    pub error: bool,
}

/// Renders entries one after the other.
#[derive(Debug)]
pub(super) struct Render {
    shape: Shape,
    stamper: Stamper,
    within: Within,
    /// The frame that the next part of the same line still goes into.
    open: Option<Frame>,
}

/// Streams whose last entry did not end its line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Within {
    output: bool,
    error: bool,
}

impl Within {
    fn of(&mut self, stream: Stream) -> &mut bool {
        match stream {
            Stream::Output => &mut self.output,
            Stream::Error => &mut self.error,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Frame {
    stream: Stream,
    /// Where it begins in what is being made.
    at: usize,
    before: Within,
}

/// Where a frame begins that may yet grow, to come back to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    within: Within,
    /// Length of what was made before it.
    pub(super) out: usize,
}

impl Render {
    pub(super) fn new(shape: Shape) -> Self {
        Self {
            shape,
            stamper: Stamper::default(),
            within: Within::default(),
            open: None,
        }
    }

    /// Appends an entry. Whether a frame began with it.
    pub(super) fn push(&mut self, header: &EntryHeader, text: &[u8], out: &mut Vec<u8>) -> bool {
        let before = self.within;
        let goes_on = std::mem::replace(self.within.of(header.stream), header.partial);
        let wanted = match header.stream {
            Stream::Output => self.shape.output,
            Stream::Error => self.shape.error,
        };
        if !wanted || text.is_empty() {
            return false;
        }
        if self.shape.raw {
            if self.shape.timestamps && !goes_on {
                self.stamper.append(header.time, out);
            }
            out.extend_from_slice(text);
            return false;
        }
        let room = self.open.filter(|frame| {
            let length = out.len().saturating_sub(frame.at).saturating_add(text.len());
            goes_on && frame.stream == header.stream && length <= FRAME_BYTES_MAX
        });
        let frame = room.unwrap_or(Frame {
            stream: header.stream,
            at: out.len(),
            before,
        });
        if room.is_none() {
            out.extend_from_slice(&[0; FRAME_HEADER_BYTES]);
            if self.shape.timestamps && !goes_on {
                self.stamper.append(header.time, out);
            }
        }
        out.extend_from_slice(text);
        close(frame, out);
        self.open = header.partial.then_some(frame);
        room.is_none()
    }

    /// What is made from now on goes elsewhere: an open frame ends here. Where it may be undone
    /// instead, its mark.
    pub(super) fn cut(&mut self) -> Option<Mark> {
        self.open.take().map(|frame| Mark {
            within: frame.before,
            out: frame.at,
        })
    }

    /// Forgets what was pushed since a mark.
    pub(super) fn back_to(&mut self, mark: Mark) {
        self.within = mark.within;
    }
}

/// Writes the header of a frame that reaches to the end.
fn close(frame: Frame, out: &mut [u8]) {
    let length = out
        .len()
        .saturating_sub(frame.at.saturating_add(FRAME_HEADER_BYTES));
    let header = frame_header(frame.stream, length);
    if let Some(space) = out
        .get_mut(frame.at..)
        .and_then(|rest| rest.get_mut(..header.len()))
    {
        space.copy_from_slice(&header);
    }
}
