//! That the process is to end, told once and known wherever something waits.

use tokio::sync::watch;

/// Tells everybody.
#[derive(Debug)]
pub struct Teller(watch::Sender<bool>);

/// Hears of it; cheap to clone.
#[derive(Debug, Clone)]
pub struct Ending(watch::Receiver<bool>);

/// One who tells, and the first of those who hear. A teller that is dropped tells, too.
#[must_use]
pub fn channel() -> (Teller, Ending) {
    let (sender, receiver) = watch::channel(false);
    (Teller(sender), Ending(receiver))
}

impl Teller {
    /// The process is to end.
    pub fn tell(&self) {
        self.0.send_replace(true);
    }
}

impl Ending {
    /// Returns once the process is to end.
    pub async fn told(&mut self) {
        // An error means that the teller is gone: the end as well.
        let _ = self.0.wait_for(|ending| *ending).await;
    }
}
