//! How a program of this crate is asked to end.

use tokio::signal::unix::{SignalKind, signal};

/// Ends when the system asks this process to: SIGTERM or SIGINT.
pub(crate) async fn asked() {
    let terminate = signal(SignalKind::terminate());
    let interrupt = signal(SignalKind::interrupt());
    match (terminate, interrupt) {
        (Ok(mut terminate), Ok(mut interrupt)) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        }
        // Without them the signal itself ends this process.
        _ => std::future::pending().await,
    }
    tracing::info!("asked to end");
}
