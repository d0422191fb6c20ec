//! Operations on images, delegated to the images room; this floor knows who uses them and
//! tells of what happens.

mod cleanup;
pub(crate) mod convert;
mod import_url;
mod list;
mod pull;
mod registry;
mod remove;
mod transfer;
mod verify;

pub use cleanup::CleanupReport;
pub(crate) use convert::run_config;
pub(crate) use list::target;
pub(crate) use pull::credentials;

use crate::Engine;
use corten_images::ImageUser;
use corten_model::EventKind;
use std::collections::BTreeMap;

impl Engine {
    /// Every container, as far as removing images must know it.
    pub(crate) fn image_users(&self) -> Vec<ImageUser> {
        let handles = self.table.all();
        let users = handles.iter().filter_map(|handle| {
            let record = handle.record();
            Some(ImageUser {
                container_id: record.id.to_string(),
                image: record.image.as_str().parse().ok()?,
                running: record.state.is_running(),
            })
        });
        users.collect()
    }

    /// Tells of something that happened to an image; `id` is its ID or, for `pull`, `push`
    /// and `load`, its name.
    pub(crate) fn image_event(&self, action: &str, id: &str, name: &str) {
        let mut attributes = BTreeMap::new();
        if let Ok(image) = self.images.resolve(id) {
            attributes.extend(
                image
                    .config
                    .labels()
                    .map(|(k, v)| (k.to_owned(), v.to_owned())),
            );
        }
        if !name.is_empty() {
            attributes.insert("name".into(), name.to_owned());
        }
        self.events
            .publish(EventKind::Image, action, id, attributes);
    }
}
