//! The program that started this one, where `--with-parent` says that there is one.

use std::fmt::Display;
use std::io::{self, Write};
use std::os::fd::AsFd;

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;

/// Standard input, which must be a pipe: its end is the parent's.
///
/// # Errors
/// It is no pipe.
pub(crate) fn watch() -> io::Result<Receiver> {
    let input = io::stdin().as_fd().try_clone_to_owned()?;
    Receiver::from_owned_fd(input)
}

/// Tells where we listen.
///
/// # Errors
/// The parent no longer listens to us.
pub(crate) fn announce(addresses: &[impl Display]) -> io::Result<()> {
    let mut output = io::stdout().lock();
    for address in addresses {
        writeln!(output, "{address}")?;
    }
    writeln!(output)?;
    output.flush()
}

/// Completes when the parent is gone; never where there is none.
pub(crate) async fn gone(parent: Option<Receiver>) {
    let Some(mut parent) = parent else {
        return std::future::pending().await;
    };
    let mut said = [0; 64];
    // A parent has nothing to say. An error is as final as the end.
    while matches!(parent.read(&mut said).await, Ok(count) if count > 0) {}
}
