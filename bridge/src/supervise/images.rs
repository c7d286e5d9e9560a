//! Bringing, naming and removing images.

use std::os::fd::OwnedFd;
use std::sync::{Arc, PoisonError};

use wire::request::{ImportImage, RemoveImage, TagImage};
use wire::response::ImageRemoved;
use wire::{Action, ContainerId, Image, ImageId, Refusal, RefusalCode};

use super::run::{is_up, refusal};
use super::{Supervisor, events};
use crate::runtime::{Runtime, RuntimeError};

impl Supervisor {
    /// Makes an image of a tar.
    pub(crate) fn import_image(&self, import: &ImportImage, tar: OwnedFd) -> Result<Image, Refusal> {
        self.ledger.writable()?;
        let runtime = self.runtimes.for_images()?;
        self.ceiling.judge_runtime(runtime.name())?;
        let image = runtime.import_image(import, tar).map_err(image_refusal)?;
        let mut told = vec![events::image(&image.id, Action::Import, &image.id.to_string())];
        if !import.tag.is_empty() {
            told.push(events::image(&image.id, Action::Tag, &import.tag));
        }
        self.record_images(told)?;
        Ok(image)
    }

    /// Gives an image one more name.
    pub(crate) fn tag_image(&self, tag: &TagImage) -> Result<(), Refusal> {
        self.ledger.writable()?;
        let runtime = self.runtimes.of_image(&tag.image_id)?;
        self.ceiling.judge_runtime(runtime.name())?;
        runtime
            .tag_image(&tag.image_id, &tag.tag)
            .map_err(image_refusal)?;
        self.record_images(vec![events::image(&tag.image_id, Action::Tag, &tag.tag)])
    }

    /// Takes a name from an image, and the image with its last name.
    ///
    /// An image that a container was made from stays, without a name, when it is forced away: the
    /// container's files stand on it.
    pub(crate) fn remove_image(&self, remove: &RemoveImage) -> Result<ImageRemoved, Refusal> {
        self.ledger.writable()?;
        let _image_use = self.image_use.write().unwrap_or_else(PoisonError::into_inner);
        let id = &remove.image_id;
        let runtime = self.runtimes.of_image(id)?;
        self.ceiling.judge_runtime(runtime.name())?;
        let image = runtime.images().into_iter().find(|image| image.id == *id);
        let image = image.ok_or_else(|| Refusal::about(RefusalCode::NoSuchImage, id.to_string()))?;
        let going: Vec<String> = if remove.tag.is_empty() {
            image.tags.clone()
        } else {
            image
                .tags
                .iter()
                .filter(|tag| **tag == remove.tag)
                .cloned()
                .collect()
        };
        let last = going.len() == image.tags.len();
        if remove.tag.is_empty() && image.tags.len() > 1 && !remove.force {
            return Err(Refusal::about(RefusalCode::ImageHasTags, id.to_string()));
        }
        let user = if last { self.user_of(id) } else { None };
        if let Some((container, running)) = user
            && (running || !remove.force)
        {
            return Err(Refusal::about(RefusalCode::ImageInUse, id.to_string())
                .held_by(container.to_string())
                .with_detail(if running { "running" } else { "stopped" }));
        }
        self.take_away(runtime.as_ref(), id, going, last && user.is_none())
    }

    fn take_away(
        &self,
        runtime: &dyn Runtime,
        id: &ImageId,
        going: Vec<String>,
        delete: bool,
    ) -> Result<ImageRemoved, Refusal> {
        let mut told = Vec::new();
        for tag in &going {
            runtime.untag_image(id, tag).map_err(image_refusal)?;
            told.push(events::image(id, Action::Untag, tag));
        }
        if delete {
            runtime.remove_image(id).map_err(image_refusal)?;
            told.push(events::image(id, Action::Delete, &id.to_string()));
        }
        self.record_images(told)?;
        Ok(ImageRemoved {
            untagged: going,
            deleted: delete,
        })
    }

    /// A container made from the image, one that runs if there is one.
    fn user_of(&self, id: &ImageId) -> Option<(ContainerId, bool)> {
        let mut found = None;
        self.inventory.each(|unit| {
            let container = &unit.container;
            if container.image_id == *id && !matches!(found, Some((_, true))) {
                found = Some((container.id, is_up(&container.state)));
            }
        });
        found
    }

    /// Records events of images and shows the images as they are now.
    pub(super) fn record_images(&self, told: Vec<wire::Event>) -> Result<(), Refusal> {
        let (inventory, images) = (Arc::clone(&self.inventory), self.all_images());
        self.ledger
            .record_or_owe(told, move || inventory.set_images(images));
        Ok(())
    }

    /// Shows the images as they are now.
    pub(super) fn refresh_images(&self) {
        self.inventory.set_images(self.all_images());
    }

    fn all_images(&self) -> Vec<Image> {
        self.runtimes.all().flat_map(Runtime::images).collect()
    }
}

pub(super) fn image_refusal(error: RuntimeError) -> Refusal {
    refusal(&ContainerId::default(), &error)
}
