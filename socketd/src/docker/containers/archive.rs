//! `GET`, `HEAD` and `PUT /containers/{id}/archive`, and `GET /containers/{id}/changes`.

use serde::Serialize;
use wire::files::{ChangeKind, ContainerPath, PathChange, PathStat, WriteArchive};

use super::operate::reference;
use crate::docker::error::ApiError;
use crate::docker::query::Query;
use crate::docker::time::rfc3339_nano;

/// Name of the header that says what a path is.
pub const STAT_HEADER: &str = "x-docker-container-path-stat";

/// Reads `path`.
///
/// # Errors
/// 400 with Docker's sentence where there is none.
pub fn parse_path(reference_text: &str, query: &Query) -> Result<ContainerPath, ApiError> {
    match query.text("path") {
        // Docker's sentence has no blank there.
        None | Some("") => Err(ApiError::bad_request("bad parameter: pathcannot be empty")),
        Some(path) if path.contains('\0') => {
            Err(ApiError::bad_request("bad parameter: path holds a NUL character"))
        }
        Some(path) => Ok(ContainerPath {
            reference: reference(reference_text).to_owned(),
            path: path.to_owned(),
        }),
    }
}

/// Reads `path` and `noOverwriteDirNonDir` of an upload. Owners are as the tar says until
/// [`owners_given`] says otherwise.
///
/// # Errors
/// As [`parse_path`].
pub fn parse_write(reference_text: &str, query: &Query) -> Result<WriteArchive, ApiError> {
    let to = parse_path(reference_text, query)?;
    Ok(WriteArchive {
        reference: to.reference,
        path: to.path,
        keep_kinds: query.flag("noOverwriteDirNonDir"),
        keep_owners: true,
    })
}

/// Whether what is uploaded is to belong to the container's user: `copyUIDGID`. In Docker that
/// changes something only where the container has a user of its own.
#[must_use]
pub fn owners_given(query: &Query) -> bool {
    query.flag("copyUIDGID")
}

/// What a path is, as the header says it: JSON in base64.
#[must_use]
pub fn stat_header(stat: &PathStat) -> String {
    let shape = StatShape {
        name: &stat.name,
        size: stat.size,
        mode: file_mode(stat.mode),
        mtime: rfc3339_nano(stat.modified_at),
        link_target: &stat.link_target,
    };
    base64(&serde_json::to_vec(&shape).unwrap_or_default())
}

#[derive(Debug, Serialize)]
struct StatShape<'a> {
    name: &'a str,
    size: u64,
    mode: u32,
    mtime: String,
    #[serde(rename = "linkTarget")]
    link_target: &'a str,
}

/// `st_mode` as Go's `FileMode`: the same nine bits of permissions, but kinds and the rest elsewhere.
fn file_mode(mode: u32) -> u32 {
    const DIRECTORY: u32 = 1 << 31;
    const SYMLINK: u32 = 1 << 27;
    const DEVICE: u32 = 1 << 26;
    const PIPE: u32 = 1 << 25;
    const SOCKET: u32 = 1 << 24;
    const SET_UID: u32 = 1 << 23;
    const SET_GID: u32 = 1 << 22;
    const CHARACTER: u32 = 1 << 21;
    const STICKY: u32 = 1 << 20;
    let kind = match mode & 0o170_000 {
        0o040_000 => DIRECTORY,
        0o120_000 => SYMLINK,
        0o060_000 => DEVICE,
        0o020_000 => DEVICE | CHARACTER,
        0o010_000 => PIPE,
        0o140_000 => SOCKET,
        _ => 0,
    };
    let set = |bit: u32, shown: u32| if mode & bit == 0 { 0 } else { shown };
    (mode & 0o777) | kind | set(0o4000, SET_UID) | set(0o2000, SET_GID) | set(0o1000, STICKY)
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The standard alphabet, padded.
fn base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let mut bits = group
            .iter()
            .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        bits <<= 8 * (3 - group.len());
        for at in 0..4 {
            let six = usize::try_from(bits >> (18 - 6 * at) & 63).unwrap_or_default();
            let letter = BASE64.get(six).filter(|_| at <= group.len());
            out.push(letter.map_or('=', |letter| char::from(*letter)));
        }
    }
    out
}

/// A path that differs from the image.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Change {
    path: String,
    kind: u8,
}

/// What differs from the image; `null` where nothing does, as Docker says it.
#[must_use]
pub fn changes(changes: Vec<PathChange>) -> Option<Vec<Change>> {
    let shown: Vec<Change> = changes
        .into_iter()
        .filter_map(|change| {
            let kind = match change.kind {
                ChangeKind::Modified => 0,
                ChangeKind::Added => 1,
                ChangeKind::Deleted => 2,
                ChangeKind::Unknown(_) => return None,
            };
            Some(Change {
                path: change.path,
                kind,
            })
        })
        .collect();
    (!shown.is_empty()).then_some(shown)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wire::Time;

    use super::*;

    #[test]
    fn a_path_is_needed() {
        for text in ["", "path="] {
            let error = parse_path("web", &Query::parse(Some(text))).unwrap_err();
            assert_eq!(error, ApiError::bad_request("bad parameter: pathcannot be empty"));
        }
        let error = parse_path("web", &Query::parse(Some("path=a%00b"))).unwrap_err();
        assert_eq!(error.status, 400);
        let text = "path=%2Ftmp%2F&noOverwriteDirNonDir=true&copyUIDGID=1";
        let query = Query::parse(Some(text));
        let write = parse_write("/web", &query).unwrap();
        assert_eq!((write.reference.as_str(), write.path.as_str()), ("web", "/tmp/"));
        assert!(write.keep_kinds && write.keep_owners && owners_given(&query));
    }

    #[test]
    fn modes_are_gos() {
        #[track_caller]
        fn check(mode: u32, expected: u32) {
            assert_eq!(file_mode(mode), expected, "{mode:o}");
        }
        check(0o100_644, 0o644);
        check(0o040_755, 0x8000_01ed);
        check(0o120_777, 0x0800_01ff);
        check(0o041_777, 0x8010_01ff);
        check(0o104_755, 0x0080_01ed);
        check(0o102_755, 0x0040_01ed);
        check(0o020_666, 0x0420_01b6);
        check(0o060_660, 0x0400_01b0);
        check(0o010_600, 0x0200_0180);
        check(0o140_700, 0x0100_01c0);
    }

    /// Go's own way back, as its archive package writes it.
    fn st_mode(go: u32) -> u32 {
        let is = |bit: u32| go >> bit & 1 == 1;
        let kind = match () {
            () if is(31) => 0o040_000,
            () if is(27) => 0o120_000,
            () if is(21) => 0o020_000,
            () if is(26) => 0o060_000,
            () if is(25) => 0o010_000,
            () if is(24) => 0o140_000,
            () => 0o100_000,
        };
        let special = u32::from(is(23)) << 11 | u32::from(is(22)) << 10 | u32::from(is(20)) << 9;
        kind | special | go & 0o777
    }

    proptest! {
        #[test]
        fn every_mode_comes_back(kind in 0_usize..7, rest in 0_u32..0o10000) {
            let kinds = [0o100_000, 0o040_000, 0o120_000, 0o060_000, 0o020_000, 0o010_000, 0o140_000];
            let mode = kinds[kind] | rest;
            prop_assert_eq!(st_mode(file_mode(mode)), mode);
        }

        #[test]
        fn base64_comes_back(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let text = base64(&bytes);
            prop_assert_eq!(text.len() % 4, 0);
            let digits = text.trim_end_matches('=');
            let mut bits = digits.bytes().flat_map(|letter| {
                let six = BASE64.iter().position(|known| *known == letter).unwrap();
                (0..6).rev().map(move |bit| six >> bit & 1)
            });
            let back: Vec<u8> = (0..bytes.len())
                .map(|_| bits.by_ref().take(8).fold(0, |byte, bit| byte << 1 | u8::try_from(bit).unwrap()))
                .collect();
            prop_assert_eq!(back, bytes);
        }
    }

    #[test]
    fn the_header_is_what_docker_sends() {
        assert_eq!(base64(b"ab"), "YWI=");
        let stat = PathStat {
            name: "etc".into(),
            size: 4096,
            mode: 0o040_755,
            modified_at: Time(1_795_313_500_000_000_000),
            link_target: String::new(),
        };
        let json =
            r#"{"name":"etc","size":4096,"mode":2147484141,"mtime":"2026-11-22T02:11:40Z","linkTarget":""}"#;
        assert_eq!(stat_header(&stat), base64(json.as_bytes()));
    }

    #[test]
    fn changes_are_numbered_from_nought() {
        let change = |path: &str, kind| PathChange {
            path: path.into(),
            kind,
        };
        let shown = changes(vec![
            change("/a", ChangeKind::Modified),
            change("/b", ChangeKind::Added),
            change("/c", ChangeKind::Deleted),
        ]);
        let text = serde_json::to_string(&shown).unwrap();
        assert_eq!(
            text,
            r#"[{"Path":"/a","Kind":0},{"Path":"/b","Kind":1},{"Path":"/c","Kind":2}]"#
        );
        assert_eq!(serde_json::to_string(&changes(Vec::new())).unwrap(), "null");
    }
}
