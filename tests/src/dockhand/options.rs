//! How patient it is, and how strict.

use std::time::Duration;

use super::certificates::Certificates;

/// How patient a server is, and how strict. [`Default`] is what the real one does.
#[derive(Debug, Clone)]
pub struct Options {
    /// Between two of its pings.
    pub ping: Duration,
    /// Between two looks for agents that have gone silent.
    pub sweep: Duration,
    /// How long an agent may be silent.
    pub silence_max: Duration,
    /// How long an address is locked out after a token that was wrong.
    pub lockout: Duration,
    /// How often an environment's agent may connect within [`connects_window`](Self::connects_window).
    pub connects_max: usize,
    /// See [`connects_max`](Self::connects_max).
    pub connects_window: Duration,
    /// Seconds that it asks an agent to wait which connects more often: the first time, the second and so on.
    pub retry_after: [u64; 4],
    /// How long it takes to look at a token.
    pub check: Duration,
    /// Largest message that it takes, in bytes.
    pub message_bytes_max: usize,
    /// How long a request may take.
    pub request_limit: Duration,
    /// How long `_ping` may take.
    pub ping_limit: Duration,
    /// How long a request may take that streams, prunes or composes.
    pub long_limit: Duration,
    /// Whether what streams is decoded. A measure of how fast it comes has enough of its length.
    pub decodes: bool,
    /// Certificates, where it listens with TLS.
    pub tls: Option<Certificates>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ping: Duration::from_secs(5),
            sweep: Duration::from_secs(30),
            silence_max: Duration::from_secs(90),
            lockout: Duration::from_secs(5 * 60),
            connects_max: 10,
            connects_window: Duration::from_secs(2 * 60),
            retry_after: [30, 60, 120, 300],
            check: Duration::from_millis(200),
            message_bytes_max: 100 << 20,
            request_limit: Duration::from_secs(30),
            ping_limit: Duration::from_secs(20),
            long_limit: Duration::from_secs(300),
            decodes: true,
            tls: None,
        }
    }
}

impl Options {
    /// The same, but for tests that connect over and over, or wait for pings: those come several times a second,
    /// and nobody is throttled.
    pub fn quick() -> Self {
        Self {
            ping: Duration::from_millis(200),
            check: Duration::ZERO,
            connects_max: usize::MAX,
            ..Self::default()
        }
    }
}
