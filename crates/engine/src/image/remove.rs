//! `DELETE /images/{name}`, `POST /images/prune`.

use super::list::list_request;
use crate::{Engine, ImagePruneReport, ImageRemoveOptions, Result};
use corten_images::{RemoveOptions, Removed};
use corten_model::{EventKind, Filters, ImageDeleteItem};
use corten_oci::Platform;
use std::{collections::BTreeMap, sync::Arc};

impl Engine {
    /// `DELETE /images/{name}`.
    pub async fn image_remove(
        self: &Arc<Self>,
        name: &str,
        options: ImageRemoveOptions,
    ) -> Result<Vec<ImageDeleteItem>> {
        let platforms = options.platforms.iter().map(|it| it.parse());
        let platforms = platforms.collect::<std::result::Result<Vec<Platform>, _>>()?;
        let options = RemoveOptions {
            force: options.force,
            prune: !options.no_prune,
        };
        let (images, users) = (&self.images, self.image_users());
        let removed = match platforms.is_empty() {
            true => images.remove(name, options, &users).await?,
            false => {
                let removing = images.remove_platforms(name, platforms, options, &users);
                removing.await?
            }
        };
        Ok(self.tell(removed))
    }

    /// `POST /images/prune`: images without names, or all that nobody uses with
    /// `dangling=false`.
    pub async fn image_prune(self: &Arc<Self>, filters: Filters) -> Result<ImagePruneReport> {
        filters.validate(&["dangling", "label", "label!", "until"])?;
        let mut request = list_request(&filters)?;
        request.dangling = Some(filters.flag("dangling", true)?);
        let pruned = self.images.prune(&request, &self.image_users()).await?;
        let report = ImagePruneReport {
            deleted: self.tell(pruned.removed),
            space_reclaimed: pruned.reclaimed_bytes,
        };
        let reclaimed = BTreeMap::from([("reclaimed".into(), report.space_reclaimed.to_string())]);
        self.events
            .publish(EventKind::Image, "prune", "", reclaimed);
        Ok(report)
    }

    pub(super) fn tell(&self, removed: Vec<Removed>) -> Vec<ImageDeleteItem> {
        let items = removed.into_iter().map(|item| match item {
            Removed::Untagged {
                name,
                image,
                labels: mut attributes,
            } => {
                let id = image.to_string();
                attributes.insert("name".into(), id.clone());
                self.events
                    .publish(EventKind::Image, "untag", id, attributes);
                ImageDeleteItem::Untagged(name)
            }
            Removed::Image(id) => {
                let id = id.to_string();
                self.image_event("delete", &id, &id);
                ImageDeleteItem::Deleted(id)
            }
            Removed::Manifest(digest) => ImageDeleteItem::Deleted(digest.to_string()),
            Removed::Layer(chain) => ImageDeleteItem::Deleted(chain.to_string()),
        });
        items.collect()
    }
}
