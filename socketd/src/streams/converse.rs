//! Both directions of a stream that was taken over, until either side has enough.

use std::future::Future;
use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use wire::RefusalCode;

use super::{DetachKeys, Input, Output};
use crate::ending::Ending;
use crate::limits::{LINGER_MAX, STREAM_BYTES};
use crate::link::{Link, LinkError};

/// Where a client's bytes go.
#[derive(Debug)]
pub enum Way {
    /// Nowhere: nobody asked.
    Nowhere,
    /// There.
    Open(Input),
    /// To a container's standard input, once it runs.
    Container {
        /// Who opens it.
        link: Arc<Link>,
        /// The container's id.
        container: String,
        /// Tells of its start.
        rang: watch::Receiver<bool>,
    },
}

/// The direction from a client to a process.
#[derive(Debug)]
pub struct Inward {
    /// Where to.
    pub way: Way,
    /// Keys that let go; none where there is no terminal. With a terminal, a client whose input
    /// ends is gone; without one, only the process's input ends.
    pub keys: Option<DetachKeys>,
}

/// Why it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Nothing more will be written.
    Output,
    /// The client is gone.
    Left,
    /// The client let go.
    Detached,
    /// This process ends.
    Shutdown,
}

/// Serves a client until the end of either side. A client whose input has ended may have more to
/// read, or may be gone: `gone` is over when that is known. At the end of this process the client sees an
/// end in order as well, and what it was just saying does not turn that into a reset.
pub async fn converse<C>(
    client: C,
    gone: impl Future<Output = ()>,
    output: &mut Output,
    inward: Inward,
    ending: &mut Ending,
) -> End
where
    C: AsyncRead + AsyncWrite,
{
    let (mut reader, mut writer) = tokio::io::split(client);
    let outward = async {
        while let Some(bytes) = output.next().await {
            if writer.write_all(&bytes).await.is_err() || writer.flush().await.is_err() {
                return End::Left;
            }
        }
        End::Output
    };
    let end = tokio::select! {
        end = outward => end,
        end = inward.run(&mut reader, gone) => end,
        () = ending.told() => End::Shutdown,
    };
    if end != End::Left {
        // A client that is gone meanwhile does not hear it.
        let _ = writer.shutdown().await;
    }
    if end == End::Shutdown {
        let mut nowhere = tokio::io::sink();
        let rest = tokio::io::copy(&mut reader, &mut nowhere);
        let _ = tokio::time::timeout(LINGER_MAX, rest).await;
    }
    end
}

impl Way {
    /// Opens the way; none where there is none.
    async fn open(self) -> Option<Input> {
        let (link, container, mut rang) = match self {
            Self::Nowhere => return None,
            Self::Open(input) => return Some(input),
            Self::Container {
                link,
                container,
                rang,
            } => (link, container, rang),
        };
        loop {
            rang.mark_unchanged();
            match link.open_input(&container).await {
                Ok((told, descriptor)) => match Input::new(descriptor, told.terminal) {
                    Ok(input) => return Some(input),
                    Err(error) => {
                        tracing::warn!(%error, "an input cannot be used");
                        return None;
                    }
                },
                Err(LinkError::Refused(refusal)) if refusal.code == RefusalCode::NotRunning => {}
                Err(error) => {
                    tracing::debug!(%error, container, "no way to a standard input");
                    return None;
                }
            }
            // It does not run yet: its bell rings when it starts.
            rang.changed().await.ok()?;
        }
    }
}

impl Inward {
    /// Passes on what the client writes, until it is gone or lets go; else for ever.
    async fn run(self, reader: &mut (impl AsyncRead + Unpin), gone: impl Future<Output = ()>) -> End {
        let Self { way, keys } = self;
        // Who asked for no way in types nothing, and lets go of nothing.
        let mut keys = keys.filter(|_| !matches!(way, Way::Nowhere));
        let mut buffer = vec![0; STREAM_BYTES];
        let mut early = None;
        let mut input = {
            let mut opening = std::pin::pin!(way.open());
            loop {
                tokio::select! {
                    input = &mut opening => break input,
                    read = reader.read(&mut buffer), if early.is_none() => match read {
                        Err(_) => return End::Left,
                        Ok(0) if keys.is_some() => return End::Left,
                        Ok(count) => early = Some(count),
                    },
                }
            }
        };
        loop {
            let count = match early.take() {
                Some(count) => count,
                None => match reader.read(&mut buffer).await {
                    Ok(count) => count,
                    Err(_) => return End::Left,
                },
            };
            if count == 0 {
                if keys.is_some() {
                    return End::Left;
                }
                drop(input);
                gone.await;
                return End::Left;
            }
            let typed = buffer.get(..count).unwrap_or_default();
            if pass(&mut input, &mut keys, typed).await {
                return End::Detached;
            }
        }
    }
}

/// Passes bytes on; whether the client let go with them. A process that reads no more is no reason
/// to stop showing what it writes.
async fn pass(input: &mut Option<Input>, keys: &mut Option<DetachKeys>, typed: &[u8]) -> bool {
    let Some(open) = input else {
        return keys.as_mut().is_some_and(|keys| keys.pass(typed).1);
    };
    let (written, detached): (io::Result<()>, bool) = match keys {
        Some(keys) => {
            let (on, detached) = keys.pass(typed);
            (open.write_all(&on).await, detached)
        }
        None => (open.write_all(typed).await, false),
    };
    if written.is_err() {
        *input = None;
    }
    detached
}
