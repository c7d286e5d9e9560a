#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use super::*;

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("socketd-log-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
    fn log(&self) -> PathBuf {
        self.0.join("log")
    }
    fn open(&self) -> Log {
        Log::open(self.log(), LogPlan::default())
    }
    fn numbers(&self) -> Vec<Option<u64>> {
        (0..4)
            .map(|age| number_of(&File::open(path_of(&self.log(), age)).ok()?))
            .collect()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

type Entry = (u64, u8, u8, Vec<u8>);

fn entries(path: &Path) -> Vec<Entry> {
    let bytes = fs::read(path).unwrap();
    let mut rest = &bytes[FILE_HEADER_BYTES..];
    assert!(number_of(&File::open(path).unwrap()).is_some());
    let mut entries = Vec::new();
    while !rest.is_empty() {
        let length = u32::from_le_bytes(rest[12..16].try_into().unwrap());
        let text = rest[16..].split_at(usize::try_from(length).unwrap()).0;
        let trailer = &rest[16 + text.len()..20 + text.len()];
        assert_eq!(trailer, length.to_le_bytes());
        entries.push((
            u64::from_le_bytes(rest[..8].try_into().unwrap()),
            rest[8],
            rest[9],
            text.to_vec(),
        ));
        rest = &rest[20 + text.len()..];
    }
    entries
}

#[test]
fn lines_and_parts_of_lines() {
    let scratch = Scratch::new("lines");
    let mut log = scratch.open();
    log.append(Time(5), Stream::Output, b"one\ntwo\n\nthr");
    log.append(Time(6), Stream::Error, b"\xff\0");
    assert_eq!(
        entries(&scratch.log()),
        [
            (5, 1, 0, b"one\n".to_vec()),
            (5, 1, 0, b"two\n".to_vec()),
            (5, 1, 0, b"\n".to_vec()),
            (5, 1, 1, b"thr".to_vec()),
            (6, 2, 1, b"\xff\0".to_vec()),
        ]
    );
}

#[test]
fn a_long_line_is_several_entries() {
    let scratch = Scratch::new("long");
    let mut log = scratch.open();
    let line = vec![b'x'; 2 * TEXT_BYTES_MAX + 1];
    log.append(Time(1), Stream::Output, &line);
    let lengths: Vec<_> = entries(&scratch.log())
        .iter()
        .map(|entry| (entry.2, entry.3.len()))
        .collect();
    assert_eq!(lengths, [(1, TEXT_BYTES_MAX), (1, TEXT_BYTES_MAX), (1, 1)]);
}

#[test]
fn the_disk_it_takes_is_bounded() {
    let scratch = Scratch::new("bounded");
    let mut log = scratch.open();
    let line = vec![b'x'; TEXT_BYTES_MAX];
    for _ in 0..1500 {
        log.append(Time(1), Stream::Output, &line);
    }
    let length = |path| fs::metadata(path).unwrap().len();
    let slack = 64 * 1024;
    assert!(length(scratch.log()) <= LogPlan::default().file_bytes + slack);
    assert!(length(scratch.0.join("log.1")) <= LogPlan::default().file_bytes + slack);
    assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 2);
}

#[test]
fn a_new_start_goes_on_where_the_last_ended() {
    let scratch = Scratch::new("again");
    scratch.open().append(Time(1), Stream::Output, b"one\n");
    scratch.open().append(Time(2), Stream::Output, b"two\n");
    assert_eq!(entries(&scratch.log()).len(), 2);
}

#[test]
fn a_torn_file_is_put_aside_whole() {
    for cut in 1..24 {
        let scratch = Scratch::new(&format!("torn-{cut}"));
        scratch.open().append(Time(1), Stream::Output, b"one\n");
        let whole = fs::metadata(scratch.log()).unwrap().len();
        OpenOptions::new()
            .write(true)
            .open(scratch.log())
            .unwrap()
            .set_len(whole - cut)
            .unwrap();
        scratch.open().append(Time(2), Stream::Output, b"two\n");
        assert_eq!(
            entries(&scratch.log()),
            [(2, 1, 0, b"two\n".to_vec())],
            "cut by {cut}"
        );
        assert_eq!(fs::metadata(scratch.0.join("log.1")).unwrap().len(), whole - cut);
    }
}

#[test]
fn a_failed_write_leaves_whole_entries() {
    let scratch = Scratch::new("full");
    let mut log = scratch.open();
    log.append(Time(1), Stream::Output, b"one\n");
    // A file that refuses writing stands for a disk that is full.
    log.file = Some(File::open(scratch.log()).unwrap());
    log.append(Time(2), Stream::Output, b"lost\n");
    log.append(Time(3), Stream::Output, b"three\n");
    let texts: Vec<_> = entries(&scratch.log()).into_iter().map(|entry| entry.3).collect();
    assert_eq!(texts, [b"one\n".to_vec(), b"three\n".to_vec()]);
}

#[test]
fn files_are_numbered_and_the_oldest_goes() {
    let scratch = Scratch::new("numbered");
    let plan = LogPlan {
        file_bytes: 100,
        files: 3,
    };
    let mut log = Log::open(scratch.log(), plan);
    for line in 0..4 {
        log.append(Time(1), Stream::Output, &[b'0' + line; 90]);
    }
    assert_eq!(scratch.numbers(), [Some(4), Some(3), Some(2), None]);
    // A new start goes on counting, and with the number of files that is asked then.
    drop(log);
    let mut log = Log::open(scratch.log(), LogPlan { files: 2, ..plan });
    log.append(Time(1), Stream::Output, &[b'4'; 90]);
    assert_eq!(scratch.numbers(), [Some(5), Some(4), None, None]);
    drop(log);
    let mut log = Log::open(scratch.log(), LogPlan { files: 1, ..plan });
    log.append(Time(1), Stream::Output, &[b'5'; 90]);
    assert_eq!(scratch.numbers(), [Some(6), None, None, None]);
}

#[test]
fn a_file_deleted_or_emptied_by_hand_is_begun_anew() {
    let scratch = Scratch::new("by-hand");
    let mut log = scratch.open();
    log.append(Time(1), Stream::Output, b"one\n");
    fs::remove_file(scratch.log()).unwrap();
    log.append(Time(2), Stream::Output, b"two\n");
    assert_eq!(entries(&scratch.log()), [(2, 1, 0, b"two\n".to_vec())]);
    assert_eq!(scratch.numbers()[..2], [Some(2), None]);
    let emptied = OpenOptions::new().write(true).open(scratch.log()).unwrap();
    emptied.set_len(0).unwrap();
    log.append(Time(3), Stream::Output, b"three\n");
    assert_eq!(entries(&scratch.log()), [(3, 1, 0, b"three\n".to_vec())]);
    assert_eq!(scratch.numbers()[0], Some(3));
}

#[test]
fn a_file_of_somebody_else_is_put_aside() {
    let scratch = Scratch::new("foreign");
    fs::write(scratch.log(), "no log of ours").unwrap();
    scratch.open().append(Time(1), Stream::Output, b"one\n");
    assert_eq!(scratch.numbers()[..2], [Some(1), None]);
    assert_eq!(fs::read(scratch.0.join("log.1")).unwrap(), b"no log of ours");
}
