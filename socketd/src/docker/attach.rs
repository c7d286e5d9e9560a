//! Streams of a container as clients ask for them and read them.

use wire::log::Stream;

use super::endpoints::ApiVersion;
use super::error::ApiError;
use super::query::{Query, integer};

/// Bytes before the text of a frame.
pub const FRAME_HEADER_BYTES: usize = 8;

/// Content type of a stream without frames.
pub const RAW: &str = "application/vnd.docker.raw-stream";

/// Content type of a stream in frames.
pub const MULTIPLEXED: &str = "application/vnd.docker.multiplexed-stream";

/// The first version that tells the two apart.
const MULTIPLEXED_SINCE: ApiVersion = ApiVersion(1, 42);

/// What stands before so many bytes of a stream.
#[must_use]
pub fn frame_header(stream: Stream, length: usize) -> [u8; FRAME_HEADER_BYTES] {
    let number = match stream {
        Stream::Output => 1,
        Stream::Error => 2,
    };
    let [a, b, c, d] = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    [number, 0, 0, 0, a, b, c, d]
}

/// The type of a stream, as a client of this version knows it.
#[must_use]
pub fn content_type(raw: bool, version: ApiVersion) -> &'static str {
    if raw || version < MULTIPLEXED_SINCE {
        RAW
    } else {
        MULTIPLEXED
    }
}

/// `POST /containers/{id}/attach` and its websocket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachQuery {
    /// Whether what was written before is wanted.
    pub logs: bool,
    /// Whether what is written from now on is wanted.
    pub stream: bool,
    /// Whether the client writes standard input.
    pub stdin: bool,
    /// Whether standard output is wanted.
    pub stdout: bool,
    /// Whether standard error is wanted.
    pub stderr: bool,
    /// What lets go of a terminal.
    pub detach_keys: Vec<u8>,
}

impl AttachQuery {
    /// Reads it.
    ///
    /// # Errors
    /// 400 where the keys are none.
    pub fn parse(query: &Query) -> Result<Self, ApiError> {
        Ok(Self {
            logs: query.flag("logs"),
            stream: query.flag("stream"),
            stdin: query.flag("stdin"),
            stdout: query.flag("stdout"),
            stderr: query.flag("stderr"),
            detach_keys: detach_keys(query.text("detachKeys").unwrap_or_default())?,
        })
    }
}

/// Ctrl-P, ctrl-Q.
const DETACH_KEYS: [u8; 2] = [16, 17];

/// Keys as `ctrl-p,ctrl-q`, `a`, `ctrl-@`; empty means the usual ones.
///
/// # Errors
/// 400 with Docker's sentence for what is no key.
pub fn detach_keys(text: &str) -> Result<Vec<u8>, ApiError> {
    if text.is_empty() {
        return Ok(DETACH_KEYS.to_vec());
    }
    text.split(',')
        .map(|key| {
            one_key(key)
                .ok_or_else(|| ApiError::bad_request(format!("Invalid detach keys ({text}) provided")))
        })
        .collect()
}

fn one_key(key: &str) -> Option<u8> {
    if let &[letter] = key.as_bytes() {
        return Some(letter);
    }
    match key.strip_prefix("ctrl-")?.as_bytes() {
        &[letter @ b'a'..=b'z'] => Some(letter - b'a' + 1),
        b"@" => Some(0),
        b"[" => Some(27),
        b"\\" => Some(28),
        b"]" => Some(29),
        b"^" => Some(30),
        b"_" => Some(31),
        _ => None,
    }
}

/// A terminal's rows and columns, from `h` and `w`.
///
/// # Errors
/// 400 with the sentence of Docker's own number parser.
pub fn parse_size(query: &Query) -> Result<(u16, u16), ApiError> {
    let side = |key| {
        let text = query.text(key).unwrap_or_default();
        u16::try_from(integer(text)?)
            .map_err(|_| ApiError::bad_request(format!("strconv.Atoi: parsing {text:?}: value out of range")))
    };
    Ok((side("h")?, side("w")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_docker_reads_them() {
        #[track_caller]
        fn check(text: &str, expected: &[u8]) {
            assert_eq!(detach_keys(text).as_deref(), Ok(expected), "{text}");
        }
        check("", &[16, 17]);
        check("ctrl-a", &[1]);
        check("ctrl-@,ctrl-z,a", &[0, 26, b'a']);
        check("ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_", &[27, 28, 29, 30, 31]);
        for text in ["ctrl-", "ctrl-A", "abc", "a,,b", "ctrl-ab"] {
            assert_eq!(
                detach_keys(text),
                Err(ApiError::bad_request(format!(
                    "Invalid detach keys ({text}) provided"
                )))
            );
        }
    }

    #[test]
    fn sizes_are_numbers_within_reason() {
        #[track_caller]
        fn check(text: &str, expected: Result<(u16, u16), &str>) {
            let size = parse_size(&Query::parse(Some(text)));
            assert_eq!(size, expected.map_err(ApiError::bad_request), "{text}");
        }
        check("h=40&w=120", Ok((40, 120)));
        check("h=0&w=0", Ok((0, 0)));
        check("w=1", Err("strconv.Atoi: parsing \"\": invalid syntax"));
        check("h=x&w=1", Err("strconv.Atoi: parsing \"x\": invalid syntax"));
        check(
            "h=-1&w=1",
            Err("strconv.Atoi: parsing \"-1\": value out of range"),
        );
        check(
            "h=1&w=65536",
            Err("strconv.Atoi: parsing \"65536\": value out of range"),
        );
    }

    #[test]
    fn frames_say_their_stream_and_length() {
        assert_eq!(frame_header(Stream::Output, 6), [1, 0, 0, 0, 0, 0, 0, 6]);
        assert_eq!(frame_header(Stream::Error, 65_537), [2, 0, 0, 0, 0, 1, 0, 1]);
        assert_eq!(content_type(false, ApiVersion(1, 41)), RAW);
        assert_eq!(content_type(false, ApiVersion(1, 42)), MULTIPLEXED);
        assert_eq!(content_type(true, ApiVersion(1, 51)), RAW);
    }
}
