//! Images.

use serde::Serialize;
use wire::request::{ImportImage, RemoveImage, TagImage};
use wire::response::ImageRemoved;
use wire::{Image, Info, Summary};

use super::error::ApiError;
use super::query::Query;

/// Every image, found by any way of naming one.
#[derive(Debug, Default)]
pub struct ImageIndex {
    images: Vec<Image>,
}

impl ImageIndex {
    /// An index over images, newest first.
    #[must_use]
    pub fn new(images: Vec<Image>) -> Self {
        Self { images }
    }

    /// The images, newest first.
    #[must_use]
    pub fn images(&self) -> &[Image] {
        &self.images
    }

    /// The image a reference leads to.
    ///
    /// # Errors
    /// 404 `No such image: x:latest`, or 400 where the reference cannot be one.
    pub fn resolve(&self, reference: &str) -> Result<&Image, ApiError> {
        Err(ApiError::not_found(format!("No such image: {reference}")))
    }
}

/// `GET /images/json`.
///
/// # Errors
/// 400 for filters that are none, are not known, or name an image that is none.
pub fn list<'a>(
    _index: &'a ImageIndex,
    _query: &Query,
    _containers: impl Iterator<Item = &'a Summary>,
) -> Result<impl Serialize + 'a, ApiError> {
    Ok(Vec::<String>::new())
}

/// `GET /images/{name}/json`.
///
/// # Errors
/// 404 `no such image: ...`.
pub fn inspect<'a>(
    index: &'a ImageIndex,
    reference: &str,
    _info: &'a Info,
) -> Result<impl Serialize + 'a, ApiError> {
    index.resolve(reference).map(|image| image.comment.as_str())
}

/// `GET /images/{name}/history`.
///
/// # Errors
/// 404.
pub fn history<'a>(index: &'a ImageIndex, reference: &str) -> Result<impl Serialize + 'a, ApiError> {
    index.resolve(reference).map(|image| image.comment.as_str())
}

/// Reads `repo` and `tag` of a tag.
///
/// # Errors
/// 400 for a name that cannot be one, 404 for an image that is none.
pub fn parse_tag(index: &ImageIndex, reference: &str, _query: &Query) -> Result<TagImage, ApiError> {
    let image = index.resolve(reference)?;
    Ok(TagImage {
        image_id: image.id,
        ..TagImage::default()
    })
}

/// Reads `force` and `noprune` of a removal.
///
/// # Errors
/// 404 for an image that is none.
pub fn parse_remove(index: &ImageIndex, reference: &str, _query: &Query) -> Result<RemoveImage, ApiError> {
    let image = index.resolve(reference)?;
    Ok(RemoveImage {
        image_id: image.id,
        ..RemoveImage::default()
    })
}

/// What a removal answers: `[{"Untagged":...},{"Deleted":...}]`.
#[must_use]
pub fn removed(_request: &RemoveImage, _answer: &ImageRemoved) -> impl Serialize + use<> {
    Vec::<String>::new()
}

/// Reads `fromSrc`, `repo`, `tag`, `message`, `changes`, `platform` of an import.
///
/// # Errors
/// 400 for what cannot be, 501 for a source other than the request's body (a pull, a URL).
pub fn parse_import(_query: &Query) -> Result<ImportImage, ApiError> {
    Ok(ImportImage::default())
}

/// The one line an import answers (200).
#[must_use]
pub fn imported(image: &Image) -> impl Serialize + use<> {
    format!("sha256:{}", image.id)
}
