//! How the C library's allocator behaves.

#[cfg(target_env = "gnu")]
use nix::libc;

/// From now on all threads share one arena. Dozens of sessions that each keep one of their own would
/// hold more memory than what they serve. Does nothing where the C library has no arenas.
pub fn share_one_arena() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes two numbers and changes how later allocations are placed; mallopt locks for itself.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}
