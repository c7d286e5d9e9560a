//! The names of images, as `repository:tag`.
//!
//! Each image's record holds its own names, so moving a name writes two records, and a crash may
//! come between. The new holder is written first, and the later of two holders is right.

use std::collections::BTreeMap;

use wire::{Image, ImageId, Time};

use super::{Store, host, now};
use crate::runtime::RuntimeError;

/// Most names of one image. Stops a loop of renamings from growing its record without end.
pub(super) const TAGS_PER_IMAGE_MAX: usize = 1024;

/// Longest name, in bytes: Docker's 255 for the repository, 128 for the tag, and the colon.
pub(super) const TAG_BYTES_MAX: usize = 384;

impl Store {
    /// Gives an image one more name, durably, taking it from whichever image had it.
    ///
    /// # Errors
    /// [`RuntimeError::NoSuchImage`], [`RuntimeError::InvalidSpec`], [`RuntimeError::Unsupported`]
    /// for the demo image and its name, or what the system said. Names are as they were.
    pub fn tag(&self, id: &ImageId, tag: &str) -> Result<(), RuntimeError> {
        self.check_tag(tag)?;
        let _change = self.begin_change();
        let before = self.changeable(id, "given another name")?;
        let mut after = before.clone();
        if let Err(at) = after.tags.binary_search_by(|held| held.as_str().cmp(tag)) {
            after.tags.insert(at, tag.to_owned());
        }
        if after.tags.len() > TAGS_PER_IMAGE_MAX {
            return Err(RuntimeError::InvalidSpec(format!(
                "an image has at most {TAGS_PER_IMAGE_MAX} names"
            )));
        }
        after.tagged_at = self.next_time();
        // The new holder first: after a crash in between, the later of two holders keeps the name.
        self.write(&after)?;
        let loser = self.holder(tag).filter(|holder| holder.id != *id);
        let loser = loser.map(|loser| without_tag(loser, tag));
        if let Some(loser) = &loser
            && let Err(error) = self.write(loser)
        {
            if let Err(error) = self.write(&before) {
                tracing::warn!(%id, %error, "cannot take back a name; the next start settles it");
            }
            return Err(error);
        }
        self.show([Some(after), loser]);
        Ok(())
    }

    /// Takes a name from an image, durably. The image stays, nameless perhaps.
    ///
    /// # Errors
    /// [`RuntimeError::NoSuchImage`] also when the image does not have the name,
    /// [`RuntimeError::Unsupported`] for the demo image, or what the system said. Names are as
    /// they were.
    pub fn untag(&self, id: &ImageId, tag: &str) -> Result<(), RuntimeError> {
        let _change = self.begin_change();
        let image = self.changeable(id, "untagged")?;
        if !image.tags.iter().any(|held| held == tag) {
            return Err(RuntimeError::NoSuchImage(*id));
        }
        let image = without_tag(image, tag);
        self.write(&image)?;
        self.show([Some(image), None]);
        Ok(())
    }

    /// Whether an image can get this name: words of letters, digits, `.`, `_` and `-`, between slashes and
    /// colons, each beginning with none but a letter, a digit or `_`. So no name is a path that leads
    /// upwards, an option to some program, or something that a terminal obeys. What a name looks like
    /// beyond that is decided above.
    ///
    /// # Errors
    /// [`RuntimeError::InvalidSpec`], [`RuntimeError::Unsupported`].
    pub(super) fn check_tag(&self, tag: &str) -> Result<(), RuntimeError> {
        if self.options.demo && tag == host::TAG {
            return Err(RuntimeError::Unsupported(format!(
                "the name {} belongs to the machine itself",
                host::TAG
            )));
        }
        let word = |word: &str| {
            let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
            word.bytes().all(inner) && !word.is_empty() && !word.starts_with(['.', '-'])
        };
        if tag.len() > TAG_BYTES_MAX || !tag.split(['/', ':']).all(word) {
            return Err(RuntimeError::InvalidSpec("invalid reference format".to_owned()));
        }
        Ok(())
    }

    /// The image that has a name.
    pub(super) fn holder(&self, tag: &str) -> Option<Image> {
        let images = self.images();
        let holder = images
            .values()
            .find(|image| image.tags.iter().any(|held| held == tag));
        holder.cloned()
    }

    /// A time later than any name was given, so that the order of two is never in doubt.
    pub(super) fn next_time(&self) -> Time {
        let latest = self.images().values().map(|image| image.tagged_at.0).max();
        Time(now().0.max(latest.unwrap_or(0).saturating_add(1)))
    }

    /// After a crash between two records a name may be with two images: the later one keeps it.
    pub(super) fn settle_names(&self, images: &mut BTreeMap<ImageId, Image>) {
        let mut latest: BTreeMap<String, (Time, ImageId)> = BTreeMap::new();
        for image in images.values() {
            for tag in &image.tags {
                let held = latest.entry(tag.clone()).or_default();
                *held = (*held).max((image.tagged_at, image.id));
            }
        }
        for image in images.values_mut() {
            let before = image.tags.len();
            image
                .tags
                .retain(|tag| latest.get(tag).is_some_and(|(_, id)| *id == image.id));
            if image.tags.len() != before
                && let Err(error) = self.write(image)
            {
                tracing::warn!(id = %image.id, %error, "cannot settle the names of an image on disk");
            }
            // Not on the disk: without the demo, the name is the image's again.
            image.tags.retain(|tag| !self.options.demo || tag != host::TAG);
        }
    }
}

/// The image without one of its names.
pub(super) fn without_tag(mut image: Image, tag: &str) -> Image {
    image.tags.retain(|held| held != tag);
    image
}
