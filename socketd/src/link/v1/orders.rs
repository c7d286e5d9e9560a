//! Starting, stopping and restarting.

use std::time::Duration;

use wire::request::{Nothing, Stop};
use wire::v1::limits::STOP_TIMEOUT_S;
use wire::v1::{self, Lifecycle, Opcode, Request, Status};
use wire::{Refusal, RefusalCode, Response};

use super::{LinkError, Stock, lists, refused, unsupported};
use crate::limits::{ACT_TIME_MAX, STOP_MARGIN};

/// The bridge's own timeout.
const OWN_TIMEOUT: i32 = -1;

impl Stock {
    pub(super) async fn start(&self, reference: &str) -> Result<Response, LinkError> {
        let start = |target| {
            Request::StartContainer(Lifecycle {
                target,
                timeout_s: OWN_TIMEOUT,
            })
        };
        self.act(reference, start, ACT_TIME_MAX).await
    }

    pub(super) async fn stop(&self, stop: Stop) -> Result<Response, LinkError> {
        let timeout_s = timeout_s(&stop)?;
        let order = |target| Request::StopContainer(Lifecycle { target, timeout_s });
        self.act(&stop.reference, order, stopping(timeout_s)).await
    }

    pub(super) async fn restart(&self, stop: Stop) -> Result<Response, LinkError> {
        let timeout_s = timeout_s(&stop)?;
        let order = |target| Request::RestartContainer(Lifecycle { target, timeout_s });
        let time_max = stopping(timeout_s) + ACT_TIME_MAX;
        self.act(&stop.reference, order, time_max).await
    }

    async fn act(
        &self,
        reference: &str,
        order: impl Fn(String) -> Request,
        time_max: Duration,
    ) -> Result<Response, LinkError> {
        let target = self.target(reference).await?;
        let request = order(target.clone());
        let opcode = request.opcode();
        let answer = match self.rpc.ask_for(&request, time_max).await? {
            // The bridge knows no identifier of a container without a UUID; we may.
            Err(Status::NotFound) => match self.by_identifier(reference).await? {
                Some(other) if other != target => self.rpc.ask_for(&order(other), time_max).await?,
                _ => Err(Status::NotFound),
            },
            other => other,
        };
        match answer {
            Ok(v1::Response::Done) => Ok(Response::Done(Nothing {})),
            Err(Status::InternalError) => Err(refused(Refusal::because(
                RefusalCode::RuntimeFailed,
                format!(
                    "{} of {reference} failed; the bridge does not say why, its log may",
                    verb(opcode)
                ),
            ))),
            other => Err(lists::failed(opcode, reference, &other)),
        }
    }
}

fn verb(opcode: Opcode) -> &'static str {
    match opcode {
        Opcode::StartContainer => "the start",
        Opcode::StopContainer => "the stop",
        _ => "the restart",
    }
}

/// How long a stop may take before the bridge must be stuck.
fn stopping(timeout_s: i32) -> Duration {
    let seconds = u64::try_from(timeout_s).unwrap_or(STOP_TIMEOUT_S.into());
    Duration::from_secs(seconds) + STOP_MARGIN
}

/// The timeout to send.
fn timeout_s(stop: &Stop) -> Result<i32, LinkError> {
    if stop.signal != 0 {
        return Err(unsupported(
            "the bridge speaks version 1 of its protocol, in which a stop has no signal of its own"
                .to_owned(),
        ));
    }
    match stop.timeout_s {
        None => Ok(OWN_TIMEOUT),
        Some(seconds) if seconds < 0 => Err(unsupported(
            "the bridge answers nobody while a container stops, so it does not wait for one without end"
                .to_owned(),
        )),
        Some(seconds) => {
            let most = i32::try_from(wire::limits::STOP_TIMEOUT_S_MAX).unwrap_or(i32::MAX);
            Ok(seconds.min(most))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(timeout: Option<i32>, signal: u32, expected: Option<i32>) {
        let stop = Stop {
            reference: "a".to_owned(),
            timeout_s: timeout,
            signal,
        };
        assert_eq!(timeout_s(&stop).ok(), expected, "{stop:?}");
    }

    #[test]
    fn timeouts() {
        check(None, 0, Some(-1));
        check(Some(0), 0, Some(0));
        check(Some(10), 0, Some(10));
        check(Some(i32::MAX), 0, Some(86_400));
        check(Some(-1), 0, None);
        check(Some(10), 15, None);
        assert_eq!(stopping(-1), Duration::from_secs(15) + STOP_MARGIN);
        assert_eq!(stopping(0), STOP_MARGIN);
    }
}
