//! The bytes of the tar: decompressed, counted, hashed.

use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Chain, Cursor, ErrorKind, Read};
use std::rc::Rc;

use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;
use nix::errno::Errno;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use sha2::{Digest, Sha256};

use super::fault::Fault;
use super::limits::{EXPANSION_FREE_BYTES, EXPANSION_MAX, Limits, WINDOW_BYTES_MAX};

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const XZ_MAGIC: &[u8] = &[0xfd, b'7', b'z', b'X', b'Z', 0];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// The last three bytes of a skippable frame, with which zstd streams may begin.
const ZSTD_SKIPPABLE: &[u8] = &[0x2a, 0x4d, 0x18];
const MAGIC_BYTES_MAX: usize = 6;

/// What is read from the sender at once, as much as a pipe holds.
const INPUT_BUFFER_BYTES: usize = 64 * 1024;

/// Counts what goes into the decompressor.
struct Counted<R> {
    inner: R,
    count: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        let more = u64::try_from(read).unwrap_or(u64::MAX);
        self.count.set(self.count.get().saturating_add(more));
        Ok(read)
    }
}

type Input<R> = BufReader<Chain<Cursor<Vec<u8>>, Counted<R>>>;

enum Decoder<R: Read> {
    Plain(Input<R>),
    Gzip(Box<MultiGzDecoder<Input<R>>>),
    Xz(Box<XzReader<Input<R>>>),
    Zstd(Box<Zstd<Input<R>>>),
}

/// A tar on its way in.
pub(super) struct Stream<R: Read> {
    decoder: Decoder<R>,
    compressed: Rc<Cell<u64>>,
    expanded: u64,
    bytes_max: u64,
    digest: Sha256,
}

impl<R: Read> Stream<R> {
    /// Looks at the first bytes and chooses the decompressor.
    ///
    /// # Errors
    /// [`Fault::Truncated`] when there is nothing at all, or what reading said.
    pub(super) fn open(mut inner: R, limits: Limits) -> Result<Self, Fault> {
        let mut magic = Vec::with_capacity(MAGIC_BYTES_MAX);
        let most = u64::try_from(MAGIC_BYTES_MAX).unwrap_or(0);
        inner
            .by_ref()
            .take(most)
            .read_to_end(&mut magic)
            .map_err(|error| read_fault("tar", &error))?;
        if magic.is_empty() {
            return Err(Fault::Truncated);
        }
        let compressed = Rc::new(Cell::new(u64::try_from(magic.len()).unwrap_or(most)));
        let counted = Counted {
            inner,
            count: Rc::clone(&compressed),
        };
        let is = |expected: &[u8]| magic.starts_with(expected);
        let skippable = magic.get(1..4) == Some(ZSTD_SKIPPABLE) && magic.first().is_some_and(|b| b >> 4 == 5);
        let choose: fn(Input<R>) -> Decoder<R> = if is(GZIP_MAGIC) {
            |input| Decoder::Gzip(Box::new(MultiGzDecoder::new(input)))
        } else if is(XZ_MAGIC) {
            |input| {
                let window_kib = WINDOW_BYTES_MAX / 1024;
                // The decoder counts its own tables on top of the window.
                Decoder::Xz(Box::new(XzReader::new_mem_limit(input, true, window_kib + 1024)))
            }
        } else if is(ZSTD_MAGIC) || skippable {
            |input| Decoder::Zstd(Box::new(Zstd::new(input)))
        } else {
            Decoder::Plain
        };
        Ok(Self {
            decoder: choose(BufReader::with_capacity(
                INPUT_BUFFER_BYTES,
                Cursor::new(magic).chain(counted),
            )),
            compressed,
            expanded: 0,
            bytes_max: limits.bytes,
            digest: Sha256::new(),
        })
    }

    /// Reads some bytes; none means the end.
    ///
    /// # Errors
    /// What is wrong with the stream, or a limit it passed.
    pub(super) fn read(&mut self, into: &mut [u8]) -> Result<usize, Fault> {
        let (format, read) = loop {
            let (format, read) = match &mut self.decoder {
                Decoder::Plain(input) => ("tar", input.read(into)),
                Decoder::Gzip(input) => ("gzip", input.read(into)),
                Decoder::Xz(input) => ("xz", input.read(into)),
                Decoder::Zstd(input) => ("zstd", input.read(into)),
            };
            match read {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break (format, read),
            }
        };
        let read = read.map_err(|error| read_fault(format, &error))?;
        self.expanded = self
            .expanded
            .saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        self.guard()?;
        self.digest.update(into.get(..read).unwrap_or_default());
        Ok(read)
    }

    fn guard(&self) -> Result<(), Fault> {
        if self.expanded > self.bytes_max {
            return Err(Fault::Limit {
                what: "bytes of the archive",
                max: self.bytes_max,
            });
        }
        let allowed = self.compressed.get().saturating_mul(EXPANSION_MAX);
        if self.expanded > allowed.max(EXPANSION_FREE_BYTES) {
            return Err(Fault::Limit {
                what: "bytes of the archive for each byte of its compressed form",
                max: EXPANSION_MAX,
            });
        }
        Ok(())
    }

    /// The SHA-256 of every byte that was read.
    pub(super) fn digest(self) -> [u8; 32] {
        self.digest.finalize().into()
    }
}

fn read_fault(format: &'static str, error: &io::Error) -> Fault {
    if let Some(errno) = error.raw_os_error() {
        return Fault::System {
            attempt: "read the archive",
            errno: Errno::from_raw(errno),
        };
    }
    match error.kind() {
        ErrorKind::UnexpectedEof => Fault::Truncated,
        _ => Fault::Compression(format),
    }
}

/// A zstd stream: any number of frames. The decoder underneath reads one.
struct Zstd<R> {
    input: R,
    frame: FrameDecoder,
    inside: bool,
}

impl<R: BufRead> Zstd<R> {
    fn new(input: R) -> Self {
        let mut frame = FrameDecoder::new();
        frame.set_max_window_size(WINDOW_BYTES_MAX.into());
        Self {
            input,
            frame,
            inside: false,
        }
    }

    /// Goes to the next frame with data; false at the end of the stream.
    fn begin_frame(&mut self) -> io::Result<bool> {
        while !self.input.fill_buf()?.is_empty() {
            match self.frame.reset(&mut self.input) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let length = u64::from(length);
                    if io::copy(&mut self.input.by_ref().take(length), &mut io::sink())? != length {
                        return Err(ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(zstd_error(error)),
            }
        }
        Ok(false)
    }

    fn end_frame(&self) -> io::Result<()> {
        match self.frame.get_checksum_from_data() {
            Some(stated) if self.frame.get_calculated_checksum() != Some(stated) => {
                Err(ErrorKind::InvalidData.into())
            }
            _ => Ok(()),
        }
    }
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.inside {
                if !self.begin_frame()? {
                    return Ok(0);
                }
                self.inside = true;
            }
            while self.frame.can_collect() == 0 && !self.frame.is_finished() {
                self.frame
                    .decode_blocks(&mut self.input, BlockDecodingStrategy::UptoBlocks(1))
                    .map_err(zstd_error)?;
            }
            let read = self.frame.read(into)?;
            if read > 0 || into.is_empty() {
                return Ok(read);
            }
            self.end_frame()?;
            self.inside = false;
        }
    }
}

/// Tells a frame that ends too early from one that is wrong, as far as the decoder does.
fn zstd_error(error: FrameDecoderError) -> io::Error {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(cause) = source {
        if let Some(cause) = cause.downcast_ref::<io::Error>()
            && cause.kind() == ErrorKind::UnexpectedEof
        {
            return ErrorKind::UnexpectedEof.into();
        }
        source = cause.source();
    }
    ErrorKind::InvalidData.into()
}
