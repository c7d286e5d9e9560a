//! A file system that hangs: it says that its root is a directory, and takes every other question without
//! ever answering it. Whoever asks waits in the kernel where no signal reaches it, until this goes.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

/// What the kernel sends at most at once, and more than it is told.
const REQUEST_BYTES: usize = 256 * 1024;

const FORGET: u32 = 2;
const GETATTR: u32 = 3;
const INIT: u32 = 26;
const INTERRUPT: u32 = 36;
const BATCH_FORGET: u32 = 42;
const ROOT: u64 = 1;
/// Who looks a name up waits for its own answer only, and not for those before.
const PARALLEL_DIROPS: u32 = 1 << 18;

/// One, mounted where only the calling thread and what it starts can see it.
#[derive(Debug)]
pub struct HungFiles {
    place: PathBuf,
    untold: Arc<AtomicUsize>,
    server: Option<JoinHandle<()>>,
}

impl HungFiles {
    /// Mounts one at `place`, which is made. To be dropped by the same thread.
    ///
    /// # Panics
    /// When this machine has no such file systems, or this is not root.
    pub fn mount(place: &Path) -> Self {
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(None::<&str>, "/", None::<&str>, private, None::<&str>).unwrap();
        fs::create_dir_all(place).unwrap();
        let device = OpenOptions::new().read(true).write(true).open("/dev/fuse");
        let device = device.expect("this test needs /dev/fuse (modprobe fuse)");
        let options = format!(
            "fd={},rootmode=40755,user_id=0,group_id=0,allow_other",
            device.as_raw_fd()
        );
        let flags = MsFlags::MS_NODEV | MsFlags::MS_NOSUID;
        mount(Some("hung"), place, Some("fuse"), flags, Some(options.as_str())).unwrap();
        let untold = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&untold);
        Self {
            place: place.to_owned(),
            untold,
            server: Some(thread::spawn(move || serve(device, &counter))),
        }
    }

    /// How many questions wait for an answer for ever.
    pub fn untold(&self) -> usize {
        self.untold.load(Ordering::Relaxed)
    }
}

impl Drop for HungFiles {
    fn drop(&mut self) {
        // By force: every question is answered with an error, and the server's next reading too.
        let forced = umount2(&self.place, MntFlags::MNT_FORCE | MntFlags::MNT_DETACH);
        if forced.is_ok()
            && let Some(server) = self.server.take()
        {
            let _ = server.join();
        }
    }
}

fn number(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

fn serve(mut device: File, untold: &AtomicUsize) {
    let mut request = vec![0; REQUEST_BYTES];
    // Unmounted, it can be read no more.
    while let Ok(length) = device.read(&mut request) {
        // Length, what is asked, the question's own number, whose file it is about.
        let asked = &request[..length];
        let kind = u32::from_le_bytes(asked[4..8].try_into().unwrap());
        let answer = match (kind, number(asked, 16)) {
            (INIT, _) => initial(),
            (GETATTR, ROOT) => directory(),
            // No questions.
            (FORGET | INTERRUPT | BATCH_FORGET, _) => continue,
            _ => {
                untold.fetch_add(1, Ordering::Relaxed);
                continue;
            }
        };
        let mut bytes = u32::try_from(16 + answer.len()).unwrap().to_le_bytes().to_vec();
        bytes.extend_from_slice(&0_u32.to_le_bytes());
        bytes.extend_from_slice(&number(asked, 8).to_le_bytes());
        bytes.extend_from_slice(&answer);
        if device.write_all(&bytes).is_err() {
            return;
        }
    }
}

/// `fuse_init_out`: version 7.31, 4 KiB written at once.
fn initial() -> Vec<u8> {
    let words: [u32; 16] = [7, 31, 0, PARALLEL_DIROPS, 0, 4096, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// `fuse_attr_out`: a directory of root's, not to be remembered.
fn directory() -> Vec<u8> {
    let mut bytes = vec![0; 16];
    for word in [ROOT, 0, 0, 0, 0, 0] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    // Three parts of times, mode, links, owner, group, device, size of a block, nothing.
    for word in [0_u32, 0, 0, 0o040_755, 2, 0, 0, 0, 4096, 0] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes
}
