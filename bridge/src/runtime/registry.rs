//! Which runtimes there are. The only place that chooses between them.

use std::fmt;
use std::sync::Arc;

use wire::{ImageId, Refusal, RefusalCode};

use super::Runtime;

/// The runtimes of this bridge, the default first.
#[derive(Clone, Default)]
pub(crate) struct Registry {
    runtimes: Vec<Arc<dyn Runtime>>,
}

impl Registry {
    /// The runtimes, the default first.
    pub(crate) fn new(runtimes: Vec<Arc<dyn Runtime>>) -> Self {
        Self { runtimes }
    }

    /// All of them.
    pub(crate) fn all(&self) -> impl Iterator<Item = &dyn Runtime> {
        self.runtimes.iter().map(AsRef::as_ref)
    }

    /// Their names.
    pub(crate) fn names(&self) -> Vec<String> {
        self.all().map(|runtime| runtime.name().to_owned()).collect()
    }

    /// The runtime with this name.
    pub(crate) fn find(&self, name: &str) -> Result<Arc<dyn Runtime>, Refusal> {
        let found = self.runtimes.iter().find(|runtime| runtime.name() == name);
        found.cloned().ok_or_else(|| {
            Refusal::because(
                RefusalCode::Unsupported,
                format!("the runtime {name} is not part of this bridge"),
            )
        })
    }

    /// The runtime that new images go to: the first that takes any, or the first to say why it does not.
    pub(crate) fn for_images(&self) -> Result<Arc<dyn Runtime>, Refusal> {
        let none = || Refusal::because(RefusalCode::Unsupported, "this bridge has no runtime");
        let takes = self.runtimes.iter().find(|runtime| runtime.takes_images());
        takes.or(self.runtimes.first()).cloned().ok_or_else(none)
    }

    /// The runtime that holds an image.
    pub(crate) fn of_image(&self, id: &ImageId) -> Result<Arc<dyn Runtime>, Refusal> {
        let holds = |runtime: &&Arc<dyn Runtime>| runtime.images().iter().any(|image| image.id == *id);
        let found = self.runtimes.iter().find(holds);
        found
            .cloned()
            .ok_or_else(|| Refusal::about(RefusalCode::NoSuchImage, id.to_string()))
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}
