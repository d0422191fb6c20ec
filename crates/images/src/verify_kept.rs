//! What names keep for further platforms, and what is said about their images: every blob held
//! against its digest; what is damaged is fetched anew.

use crate::{
    Result, kept_index::KeptIndex, repair, rooms::blocking, verify::Verify,
    verify_layer::blob_problem,
};
use corten_oci::{Descriptor, Digest, Reference};
use std::collections::BTreeSet;

/// What a blob is, which says how a registry is asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A manifest or an index.
    Manifest,
    /// A configuration or a statement.
    Document,
    /// A layer in the form it is sent in.
    Layer,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Manifest => "manifest",
            Self::Document => "document",
            Self::Layer => "blob",
        }
    }
}

impl Verify<'_> {
    /// Checks what the names of these images keep, as far as it was not looked at already.
    pub async fn kept(&mut self, images: &BTreeSet<Digest>) -> Result<()> {
        let kept: Vec<(Reference, KeptIndex)> = {
            let state = self.inner.state();
            let names = state.names.iter();
            let names = names.filter(|(_, record)| images.contains(&record.image));
            let kept = names.filter_map(|(name, it)| Some((name.clone(), *it.index.clone()?)));
            kept.collect()
        };
        for (_, kept) in &kept {
            kept.blobs().for_each(|it| self.leases.blobs.hold(it));
        }
        for (name, index) in &kept {
            let text = format!("Verifying what {} keeps", name.familiar());
            self.progress.status(None, text).await;
            let here = |it: &Digest| self.inner.state().images.contains_key(it);
            let others = index.images.iter().map(|it| &it.config.digest);
            self.verified.images += others
                .filter(|it| !here(it) && !self.checked.contains(*it))
                .count();
            let manifests = index.manifests.iter().map(|it| &it.descriptor);
            let manifests = manifests.map(|it| (Kind::Manifest, it));
            let documents = index.documents.iter().map(|it| (Kind::Document, it));
            let layers = index.layers.iter().map(|it| (Kind::Layer, &it.0));
            for (kind, blob) in manifests.chain(documents).chain(layers) {
                let keeps = |(name, it): &(Reference, KeptIndex)| {
                    let is_own = it.blobs().any(|one| *one == blob.digest);
                    is_own.then(|| name.clone())
                };
                let names = || kept.iter().filter_map(keeps).collect();
                self.kept_blob(kind, blob, names).await?;
            }
        }
        Ok(())
    }

    async fn kept_blob(
        &mut self,
        kind: Kind,
        blob: &Descriptor,
        names: impl Fn() -> Vec<Reference>,
    ) -> Result<()> {
        if !self.checked.insert(blob.digest.clone()) {
            return Ok(());
        }
        if kind == Kind::Layer {
            self.verified.layers += 1;
        }
        let (rooms, wanted) = (self.inner.rooms.clone(), blob.clone());
        let problem = blocking(move || blob_problem(&rooms, &wanted)).await?;
        let Some(problem) = problem else {
            return Ok(());
        };
        let problem = format!("{} {}: {problem}", kind.word(), blob.digest);
        let mended = match self.request.repair {
            true => Some(repair::kept(self, &names(), kind, blob).await),
            false => None,
        };
        self.tell(blob.digest.short(), problem, mended).await;
        Ok(())
    }
}
