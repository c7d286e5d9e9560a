//! Finding images, naming them, removing them.

use std::collections::HashMap;

use serde::Serialize;
use wire::request::{RemoveImage, TagImage};
use wire::response::ImageRemoved;
use wire::{Image, ImageId};

use super::reference::{Name, is_hex, is_hex_prefix};
use crate::docker::error::ApiError;
use crate::docker::query::Query;

/// Every image, found by any way of naming one.
#[derive(Debug, Default)]
pub struct ImageIndex {
    images: Vec<Image>,
    by_tag: HashMap<String, usize>,
}

impl ImageIndex {
    /// An index over images, newest first.
    #[must_use]
    pub fn new(images: Vec<Image>) -> Self {
        let by_tag = images
            .iter()
            .enumerate()
            .flat_map(|(at, image)| image.tags.iter().map(move |tag| (tag.clone(), at)))
            .collect();
        Self { images, by_tag }
    }

    /// The images, newest first.
    #[must_use]
    pub fn images(&self) -> &[Image] {
        &self.images
    }

    /// The image a reference leads to: a name with or without tag, an id, or the beginning of an
    /// id that no other image shares. A name comes before an id that reads like it, as with Docker.
    ///
    /// # Errors
    /// 404 `No such image: x:latest`, or 400 where the reference cannot be one.
    pub fn resolve(&self, reference: &str) -> Result<&Image, ApiError> {
        self.lookup(reference).map(|(image, _)| image)
    }

    /// Whether a container that names its image so still has the image the name leads to.
    #[must_use]
    pub fn leads_to(&self, reference: &str, id: ImageId) -> bool {
        self.resolve(reference).is_ok_and(|image| image.id == id)
    }

    /// The image, and the tag that led to it where one did.
    fn lookup(&self, reference: &str) -> Result<(&Image, Option<String>), ApiError> {
        let digits = reference.strip_prefix("sha256:").unwrap_or(reference);
        if is_hex(digits, 64) {
            let found = self.images.iter().find(|image| image.id.hex().as_str() == digits);
            return found
                .map(|image| (image, None))
                .ok_or_else(|| no_such_image(&format!("sha256:{digits}")));
        }
        let name = Name::parse(reference)?;
        if name.digest.is_none() {
            let tagged = name.tagged();
            if let Some(image) = self.by_tag.get(&tagged).and_then(|at| self.images.get(*at)) {
                return Ok((image, Some(tagged)));
            }
        }
        self.by_prefix(digits)
            .map(|image| (image, None))
            .ok_or_else(|| no_such_image(&name.shown()))
    }

    fn by_prefix(&self, digits: &str) -> Option<&Image> {
        if !is_hex_prefix(digits) {
            return None;
        }
        let mut found = self
            .images
            .iter()
            .filter(|image| image.id.hex().as_str().starts_with(digits));
        found.next().filter(|_| found.next().is_none())
    }
}

/// The sentence for an image that is none: 404.
#[must_use]
fn no_such_image(shown: &str) -> ApiError {
    ApiError::not_found(format!("No such image: {shown}"))
}

/// Reads `repo` and `tag` of a tag.
///
/// # Errors
/// 400 for a name that cannot be one, 404 for an image that is none.
pub fn parse_tag(index: &ImageIndex, reference: &str, query: &Query) -> Result<TagImage, ApiError> {
    let image = index.resolve(reference)?;
    let tag = repo_and_tag(query)?.ok_or_else(|| ApiError::bad_request("invalid reference format"))?;
    Ok(TagImage {
        image_id: image.id,
        tag,
    })
}

/// The name that `repo` and `tag` make together, as `repository:tag`; none without `repo`.
/// The tag may also stand in `repo`, which is how the `docker` command sends it.
pub(super) fn repo_and_tag(query: &Query) -> Result<Option<String>, ApiError> {
    let Some(repo) = query.text("repo").filter(|repo| !repo.is_empty()) else {
        return Ok(None);
    };
    let name = Name::parse(repo)?;
    if name.digest.is_some() {
        return Err(ApiError::bad_request("cannot use digest reference"));
    }
    match query.text("tag").filter(|tag| !tag.is_empty()) {
        Some(tag) => Name::parse(&format!("{}:{tag}", name.repository)).map(|name| Some(name.tagged())),
        None => Ok(Some(name.tagged())),
    }
}

/// Reads `force` and `noprune` of a removal. By name, that name goes; by id, all names.
/// Images here have no parents, so `noprune` changes nothing.
///
/// # Errors
/// 404 for an image that is none.
pub fn parse_remove(index: &ImageIndex, reference: &str, query: &Query) -> Result<RemoveImage, ApiError> {
    let (image, tag) = index.lookup(reference)?;
    Ok(RemoveImage {
        image_id: image.id,
        tag: tag.unwrap_or_default(),
        force: query.flag("force"),
    })
}

/// One line of what a removal did.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub enum Removed {
    /// A name that went.
    Untagged(String),
    /// An image that went.
    Deleted(String),
}

/// What a removal answers: `[{"Untagged":...},{"Deleted":...}]`.
#[must_use]
pub fn removed(request: &RemoveImage, answer: &ImageRemoved) -> Vec<Removed> {
    let deleted = answer
        .deleted
        .then(|| Removed::Deleted(format!("sha256:{}", request.image_id)));
    answer
        .untagged
        .iter()
        .cloned()
        .map(Removed::Untagged)
        .chain(deleted)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index() -> ImageIndex {
        let image = |byte: u8, tags: &[&str]| Image {
            id: ImageId([byte; 32]),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            ..Image::default()
        };
        ImageIndex::new(vec![
            image(0x12, &["bb:latest", "ghcr.io/a/b:1"]),
            image(0x1a, &["1212:latest"]),
            image(0x34, &[]),
        ])
    }

    #[test]
    fn every_way_of_naming_an_image_leads_to_it() {
        #[track_caller]
        fn check(reference: &str, expected: u8) {
            assert_eq!(index().resolve(reference).unwrap().id, ImageId([expected; 32]));
        }
        check("bb", 0x12);
        check("bb:latest", 0x12);
        check("docker.io/library/bb", 0x12);
        check("ghcr.io/a/b:1", 0x12);
        check("12", 0x12);
        check("121212", 0x12);
        check("sha256:1212", 0x12);
        check(&"12".repeat(32), 0x12);
        check(&format!("sha256:{}", "12".repeat(32)), 0x12);
        check("1212", 0x1a);
        check("34", 0x34);
    }

    #[test]
    fn what_leads_nowhere_is_not_found() {
        #[track_caller]
        fn check(reference: &str, status: u16, expected: &str) {
            assert_eq!(
                index().resolve(reference).unwrap_err(),
                ApiError::new(status, expected)
            );
        }
        check("nosuch", 404, "No such image: nosuch:latest");
        check("nosuch:tag", 404, "No such image: nosuch:tag");
        check("bb:other", 404, "No such image: bb:other");
        check("1", 404, "No such image: 1:latest");
        check("56", 404, "No such image: 56:latest");
        let id = format!("sha256:{}", "56".repeat(32));
        check(&id, 404, &format!("No such image: {id}"));
        check(
            "BB",
            400,
            "invalid reference format: repository name must be lowercase",
        );
    }

    #[test]
    fn a_name_is_made_of_repo_and_tag() {
        #[track_caller]
        fn check(query: &str, expected: Result<&str, &str>) {
            let tag = parse_tag(&index(), "bb", &Query::parse(Some(query)));
            let got = tag.map(|tag| tag.tag).map_err(|error| error.message);
            assert_eq!(got, expected.map(str::to_owned).map_err(str::to_owned));
        }
        check("repo=x", Ok("x:latest"));
        check("repo=x&tag=y", Ok("x:y"));
        check("repo=x%3Ay", Ok("x:y"));
        check("repo=docker.io/library/x&tag=", Ok("x:latest"));
        check(
            "repo=UPPER&tag=x",
            Err("invalid reference format: repository name must be lowercase"),
        );
        check("", Err("invalid reference format"));
        check("repo=x&tag=!", Err("invalid reference format"));
    }

    #[test]
    fn a_removal_takes_one_name_or_the_image() {
        let parse = |reference| parse_remove(&index(), reference, &Query::parse(Some("force=1"))).unwrap();
        assert_eq!(parse("bb").tag, "bb:latest");
        assert!(parse("bb").force);
        assert_eq!(parse("12").tag, "");
        let answer = ImageRemoved {
            untagged: vec!["bb:latest".into()],
            deleted: true,
        };
        let text = serde_json::to_string(&removed(&parse("12"), &answer)).unwrap();
        let id = "12".repeat(32);
        assert_eq!(
            text,
            format!(r#"[{{"Untagged":"bb:latest"}},{{"Deleted":"sha256:{id}"}}]"#)
        );
    }
}
