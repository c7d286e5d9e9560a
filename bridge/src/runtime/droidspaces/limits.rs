//! Every maximum of this runtime, each with the abuse or mishap it stops.

use std::time::Duration;

/// Longest pidfile, lock, or other small file that is read, in bytes. Stops a file that was put in
/// its place from filling memory.
pub(super) const SIDECAR_BYTES_MAX: u64 = 4096;

/// Most of the monitor's log that is read for how a container ended, in bytes from its end.
pub(super) const MONITOR_LOG_BYTES_MAX: u64 = 64 * 1024;

/// Longest file of earlier events that is taken over, in bytes: the runtime itself keeps 47,601.
pub(super) const HISTORY_BYTES_MAX: u64 = 1024 * 1024;

/// Most ports that the ranges of one container become. Stops one line from making a list of all ports
/// of every container longer than an answer may be; the ranges themselves are in a label.
pub(super) const PORTS_MAX: usize = 4096;

/// Most keys of a configuration that are not known and become labels. Stops a file of nothing but keys.
pub(super) const UNKNOWN_KEYS_MAX: usize = 64;

/// How long an end waits for its reason: the monitor's note, or the next run. Keeps what is told of it
/// within 50 milliseconds.
pub(super) const SETTLE_MAX: Duration = Duration::from_millis(40);

/// How long an end waits on a machine that is so busy that the monitor has not even been woken.
pub(super) const NOTICED_MAX: Duration = Duration::from_secs(1);

/// How often the reason is looked for meanwhile.
pub(super) const SETTLE_TICK: Duration = Duration::from_millis(4);

/// How long a container may take from its pidfile to its mark. The runtime gives it five seconds.
pub(super) const BOOT_MAX: Duration = Duration::from_secs(6);

/// How often the mark is looked for meanwhile. A run that is shorter goes unnoticed.
pub(super) const BOOT_TICK: Duration = Duration::from_millis(4);

/// A start so long after an end that nobody gave a reason for is one of its own, not the same container
/// starting again from within. The runtime gives a boot five seconds.
pub(super) const REBOOT_MAX: Duration = Duration::from_secs(10);

/// How often runs are looked after on a kernel that tells of no process's end: once a minute at most.
pub(super) const LOOK_AFTER: Duration = Duration::from_secs(60);

/// How often sizes are told of while many root file systems are measured.
pub(super) const MEASURES_TOLD: Duration = Duration::from_secs(2);

/// How long the runtime's own command waits for a container to end before it kills it.
pub(super) const OWN_PATIENCE: Duration = Duration::from_secs(15);

/// How long a command may take beyond what is asked of it before nobody waits for it any more. It goes
/// on: one that is cut off half way leaves worse behind than one that is slow.
pub(super) const COMMAND_MARGIN: Duration = Duration::from_secs(60);

/// What a command says, as far as it is repeated, in bytes.
pub(super) const WORDS_BYTES_MAX: usize = 1024;

/// What a command says, as far as it is read, in bytes.
pub(super) const OUTPUT_BYTES_MAX: u64 = 64 * 1024;

/// Followers of consoles at once. Stops clients from filling the bridge's table of descriptors.
pub(super) const BELLS_MAX: usize = 512;

/// Events of the file system that are taken at once.
pub(super) const EVENTS_AT_ONCE: usize = 32;
