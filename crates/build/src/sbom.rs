//! Which packages a result holds.

use crate::{BuildResult, Builder, Result};
use corten_base::Timestamp;
use corten_images::Attestation;
use corten_snapshot::open_root;
use corten_sys::root::Root;

/// in-toto's name for SPDX documents.
const PREDICATE: &str = "https://spdx.dev/Document";

impl Builder {
    /// An SPDX document of the packages in the result's files.
    ///
    /// # Errors
    /// The file system's; a tree that is larger than any image.
    pub async fn sbom(&self, result: &BuildResult) -> Result<Attestation> {
        let (inner, layers) = (self.0.clone(), result.layers.clone());
        let created = match result.source_date_epoch {
            Some(seconds) => Timestamp::from_unix(seconds, 0),
            None => Timestamp::now(),
        };
        let about = corten_sbom::About {
            name: "sbom".into(),
            created,
            tool: concat!("corten-", env!("CARGO_PKG_VERSION")).into(),
        };
        let work = move || {
            if layers.is_empty() {
                return Ok(corten_sbom::document(
                    &corten_sbom::Found::default(),
                    &about,
                ));
            }
            let root = Root::new(open_root(&inner.snapshots.view(&layers)?)?);
            let found = corten_sbom::scan(&root)?;
            Ok(corten_sbom::document(&found, &about))
        };
        Ok(Attestation {
            predicate_type: PREDICATE.into(),
            predicate: self.0.blocking(work).await?,
            step_layers: None,
        })
    }
}
