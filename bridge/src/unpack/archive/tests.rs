use super::*;

/// Reads an archive of empty directories to its end; the count of them, or what stopped it.
fn check(directories: usize, limits: Limits, expected: Result<usize, Fault>) {
    let mut header = Header::new_ustar();
    header.set_path("d").unwrap();
    header.set_entry_type(EntryType::Directory);
    header.set_size(0);
    header.set_mode(0o755);
    header.set_cksum();
    let mut bytes = header.as_bytes().repeat(directories);
    bytes.resize(bytes.len() + 2 * BLOCK_BYTES, 0);
    let read = || -> Result<usize, Fault> {
        let mut archive = Archive::new(Stream::open(bytes.as_slice(), limits)?, limits);
        let mut count = 0;
        while archive.next_member()?.is_some() {
            count += 1;
        }
        Ok(count)
    };
    assert_eq!(read(), expected);
}

#[test]
fn limits_of_a_whole_archive() {
    let limits = Limits {
        bytes: 5 * BLOCK,
        headers: 3,
    };
    check(0, limits, Ok(0));
    check(3, limits, Ok(3));
    check(
        4,
        Limits {
            bytes: 100 * BLOCK,
            ..limits
        },
        Err(Fault::Limit {
            what: "entries",
            max: 3,
        }),
    );
    let bytes = Fault::Limit {
        what: "bytes of the archive",
        max: 4 * BLOCK,
    };
    check(
        3,
        Limits {
            bytes: 4 * BLOCK,
            ..limits
        },
        Err(bytes),
    );
}
