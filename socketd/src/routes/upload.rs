//! Sending a request's body on to the bridge as it comes.

use axum::body::Body;
use futures_util::StreamExt;
use tokio::time::timeout;

use super::answer::failed;
use crate::docker::error::{Act, ApiError};
use crate::limits::UPLOAD_SILENCE_MAX;
use crate::link::{Appetite, LinkError, Upload, UploadError};

/// Sends the body on, if it is not longer than `bytes_max`. An upload that is not whole is dropped, which the bridge sees as a failure.
pub(super) async fn pump(
    body: Body,
    mut upload: Upload,
    bytes_max: u64,
    act: Act<'_>,
) -> Result<Upload, ApiError> {
    let mut body = body.into_data_stream();
    let mut sent: u64 = 0;
    loop {
        let bytes = match timeout(UPLOAD_SILENCE_MAX, body.next()).await {
            Ok(None) => return Ok(upload),
            Ok(Some(Ok(bytes))) => bytes,
            Ok(Some(Err(_))) => return Err(ApiError::bad_request("unexpected EOF")),
            Err(_) => return Err(ApiError::new(408, "the upload stalled")),
        };
        sent = sent.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if sent > bytes_max {
            let message = format!("the upload is longer than {bytes_max} bytes");
            return Err(ApiError::new(413, message));
        }
        match timeout(UPLOAD_SILENCE_MAX, upload.send(&bytes)).await {
            Ok(Appetite::More) => {}
            Ok(Appetite::Enough) => return Ok(upload),
            Err(_) => return Err(failed(&LinkError::Late, act)),
        }
    }
}

/// What a client is told when an upload failed on our side, or the bridge's.
pub(super) fn upload_failed(error: UploadError, act: Act<'_>) -> ApiError {
    match error {
        UploadError::Link(LinkError::Lost) => {
            ApiError::unavailable("socketd-bridge went away before the upload was complete")
        }
        UploadError::Link(error) => failed(&error, act),
        UploadError::Local(kind) => {
            tracing::error!(%kind, "an upload cannot be passed on");
            ApiError::internal(format!("the upload cannot be passed on: {kind}"))
        }
    }
}
