//! As much of an ELF file as says what it needs to run.

use std::fs;
use std::path::Path;

/// The kind of program header that names an interpreter, which loads what the program is linked with.
const PT_INTERP: u32 = 3;
/// Where the C library of GNU looks which modules to load to look up a name.
const NAME_SERVICE: &[u8] = b"nsswitch.conf";

/// What a program is made for, and what it asks for.
struct Program {
    bytes: Vec<u8>,
}

impl Program {
    fn read(path: &Path) -> Self {
        let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        // 64 bits, lowest byte first.
        assert_eq!(&bytes[..6], b"\x7fELF\x02\x01", "{}", path.display());
        Self { bytes }
    }

    fn number(&self, at: usize, width: usize) -> u64 {
        let bytes = self.bytes[at..at + width].iter().rev();
        bytes.fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    fn machine(&self) -> u64 {
        self.number(18, 2)
    }

    /// The kinds of its program headers.
    fn segments(&self) -> Vec<u64> {
        let size = |at, width| usize::try_from(self.number(at, width)).unwrap();
        let (begin, each, count) = (size(32, 8), size(54, 2), size(56, 2));
        (0..count).map(|at| self.number(begin + at * each, 4)).collect()
    }

    fn holds(&self, text: &[u8]) -> bool {
        self.bytes.windows(text.len()).any(|part| part == text)
    }
}

#[test]
fn programs_need_no_other_file() {
    let Some(dist) = super::dist() else { return };
    for (architecture, machine) in [("x86_64", 62), ("aarch64", 183)] {
        for name in super::PROGRAMS {
            let path = dist.join(architecture).join(name);
            let program = Program::read(&path);
            assert_eq!(program.machine(), machine, "{}", path.display());
            let asks = program.segments().contains(&u64::from(PT_INTERP));
            assert!(!asks, "{} asks for an interpreter", path.display());
            assert!(!program.holds(NAME_SERVICE), "{} looks up names", path.display());
        }
    }
}

#[test]
fn an_interpreter_is_seen() {
    // This test is linked as programs usually are.
    let own = Program::read(&std::env::current_exe().unwrap());
    assert!(own.segments().contains(&u64::from(PT_INTERP)));
    assert!(own.holds(b"libc.so"));
}
