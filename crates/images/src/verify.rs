//! `corten image verify`: every byte of an image held against its digest, and its unpacked
//! files against what its blobs unpack to; what is damaged is fetched or unpacked anew.
//!
//! ```text
//! configuration, manifest ── digest ──> from the registry
//! blob ── size, digest ──> from the registry, else made again of the layer's files
//! files without a blob ── the tar they give, its digest ──> the blob from the registry
//! files ── the layer unpacked once more, both trees compared ──> the fresh tree takes the place
//! what names keep for further platforms ── size, digest ──> from the registry (`verify_kept`)
//! ```

use crate::{
    Error, ImageUser, ProgressSender, PullRequest, Result, Verified, VerifyRequest,
    layer_stack::Leases,
    pull,
    record::NameRecord,
    repair,
    rooms::{Inner, blocking},
    state::Change,
    verify_layer::{self, Trouble},
};
use corten_oci::{Digest, Reference, manifest::MANIFEST_BYTES_MAX};
use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

/// An image whose configuration could not be read at start: it has its names on record and
/// nothing else.
#[derive(Debug, Clone)]
pub(crate) struct Lost {
    pub id: Digest,
    pub names: Vec<Reference>,
}

/// What one run works with.
pub(crate) struct Verify<'a> {
    pub inner: &'a Arc<Inner>,
    pub request: &'a VerifyRequest,
    pub progress: &'a ProgressSender,
    pub leases: Arc<Leases>,
    /// Layers that running containers stand on.
    in_use: HashSet<Digest>,
    pub verified: Verified,
    /// Blobs that were looked at.
    pub checked: HashSet<Digest>,
}

/// Verifies images one after the other, each layer once.
pub(crate) async fn verify(
    inner: &Arc<Inner>,
    request: VerifyRequest,
    users: &[ImageUser],
    progress: &ProgressSender,
) -> Result<Verified> {
    let mut ids = BTreeSet::new();
    for name in &request.names {
        ids.insert(inner.state().resolve(name)?.id);
    }
    if request.names.is_empty() {
        ids.extend(inner.state().images.keys().cloned());
    }
    let running = users.iter().filter(|user| user.running);
    let in_use = {
        let state = inner.state();
        running
            .filter_map(|user| state.images.get(&user.image))
            .flat_map(|entry| entry.config.diff_ids().to_vec())
            .collect()
    };
    let mut run = Verify {
        inner,
        request: &request,
        progress,
        leases: Arc::new(Leases::new(&inner.rooms)),
        in_use,
        verified: Verified::default(),
        checked: HashSet::new(),
    };
    let mut seen = HashSet::new();
    for id in &ids {
        run.image(id, &mut seen).await?;
    }
    run.kept(&ids).await?;
    if request.names.is_empty() {
        run.lost().await?;
    }
    Ok(run.verified)
}

impl Verify<'_> {
    async fn image(&mut self, id: &Digest, seen: &mut HashSet<Vec<Digest>>) -> Result<()> {
        let (name, diff_ids, manifest) = {
            let state = self.inner.state();
            // Removed since the list was made.
            let Some(entry) = state.images.get(id) else {
                return Ok(());
            };
            let mut names = state.names_of(id);
            let tagged = names.find(|name| name.tag().is_some());
            let name = tagged.or_else(|| state.names_of(id).next());
            let name = name.map(Reference::familiar);
            let diff_ids = entry.config.diff_ids().to_vec();
            (name, diff_ids, entry.record.manifest.clone())
        };
        let name = name.unwrap_or_else(|| id.to_string());
        self.leases.blobs.hold(id);
        manifest.iter().for_each(|it| self.leases.blobs.hold(it));
        diff_ids.iter().for_each(|it| self.leases.layers.hold(it));
        self.progress
            .status(None, format!("Verifying {name}"))
            .await;
        self.verified.images += 1;
        self.document(id, id, "configuration").await?;
        if let Some(manifest) = &manifest {
            self.document(id, manifest, "manifest").await?;
        }
        for end in 1..=diff_ids.len() {
            let chain = diff_ids[..end].to_vec();
            if seen.insert(chain.clone()) {
                self.layer(chain).await?;
            }
        }
        Ok(())
    }

    async fn document(&mut self, image: &Digest, digest: &Digest, what: &str) -> Result<()> {
        self.checked.insert(digest.clone());
        let (content, wanted) = (self.inner.rooms.content.clone(), digest.clone());
        let read = blocking(move || Ok(content.read(&wanted, MANIFEST_BYTES_MAX))).await?;
        let Err(error) = read else {
            return Ok(());
        };
        let problem = format!("{what}: {}", corten_base::chain(&error));
        let mended = match self.request.repair {
            true => Some(repair::document(self, image, digest).await),
            false => None,
        };
        self.tell(digest.short(), problem, mended).await;
        Ok(())
    }

    async fn layer(&mut self, chain: Vec<Digest>) -> Result<()> {
        let diff_id = chain[chain.len() - 1].clone();
        let id = diff_id.short().to_owned();
        self.progress.layer(&id, "Verifying").await;
        self.verified.layers += 1;
        let record = self.inner.state().layers.get(&diff_id).cloned();
        let Some(record) = record else {
            let problem = "nothing is on record about its blob".to_owned();
            self.tell(&id, problem, None).await;
            return Ok(());
        };
        self.leases.blobs.hold(&record.blob.digest);
        self.checked.insert(record.blob.digest.clone());
        let check = |blob: corten_oci::Descriptor| {
            let (rooms, chain) = (self.inner.rooms.clone(), chain.clone());
            blocking(move || verify_layer::check(&rooms, &chain, &blob))
        };
        let mut trouble = check(record.blob.clone()).await?;
        let broken = match &trouble {
            Some(Trouble::Blob(problem)) => Some(format!("blob {}: {problem}", record.blob.digest)),
            Some(Trouble::Tar(problem)) => Some(format!("files: {problem}")),
            _ => None,
        };
        if let Some(problem) = broken {
            if !self.request.repair {
                self.tell(&id, problem, None).await;
                return Ok(());
            }
            let mended = repair::blob(self, &chain, &record).await;
            let blob = mended.as_ref().ok().cloned();
            self.tell(&id, problem, Some(mended.map(drop))).await;
            let Some(blob) = blob else { return Ok(()) };
            trouble = check(blob).await?;
        }
        match trouble {
            None => self.progress.layer(&id, "Verified").await,
            Some(Trouble::Blob(problem) | Trouble::Tar(problem)) => {
                self.tell(&id, problem, None).await
            }
            Some(Trouble::Files { problem, fresh }) => {
                let mended = match self.request.repair {
                    true => Some(self.replace(&diff_id, *fresh).await),
                    false => None,
                };
                self.tell(&id, problem, mended).await;
            }
        }
        Ok(())
    }

    /// Puts fresh files in the place of damaged ones, unless somebody looks at them.
    async fn replace(&self, diff_id: &Digest, fresh: verify_layer::Fresh) -> Result<()> {
        let layers = &self.leases.layers;
        if self.in_use.contains(diff_id) || layers.is_held_elsewhere(diff_id) {
            return Err(Error::Conflict(
                "a running container or other work uses the layer: stop it and verify again".into(),
            ));
        }
        let rooms = self.inner.rooms.clone();
        blocking(move || Ok(rooms.layers.replace(fresh.pending, &fresh.layer)?)).await
    }

    /// Images that the start left out.
    async fn lost(&mut self) -> Result<()> {
        for lost in self.inner.lost() {
            if self.inner.state().images.contains_key(&lost.id) {
                continue;
            }
            self.verified.images += 1;
            // What a digest names cannot have become another image.
            let by_digest = lost.names.iter().find(|name| name.digest().is_some());
            let name = by_digest.or(lost.names.first());
            let known = name.map_or_else(|| lost.id.to_string(), Reference::familiar);
            let problem = format!("{known}: its configuration is lost");
            let mended = match name.filter(|_| self.request.repair) {
                Some(name) => {
                    let request = PullRequest {
                        reference: name.clone(),
                        all_tags: false,
                        platform: None,
                        keep_name: false,
                        credentials: self.request.credentials_for(name.domain()),
                    };
                    let pulled = pull::pull(self.inner, request, self.progress).await;
                    Some(pulled.and_then(|_| self.name_again(&lost)))
                }
                None => None,
            };
            self.tell(lost.id.short(), problem, mended).await;
        }
        Ok(())
    }

    /// Gives an image that is back the names it had, where nothing else has them now.
    fn name_again(&self, lost: &Lost) -> Result<()> {
        self.inner.change(|state| {
            let mut change = Change::default();
            let free = |name: &&Reference| !state.names.contains_key(*name);
            if state.images.contains_key(&lost.id) {
                for name in lost.names.iter().filter(free) {
                    let record = NameRecord {
                        image: lost.id.clone(),
                        descriptor: None,
                        index: None,
                    };
                    change.names.push((name.clone(), Some(record)));
                }
            }
            Ok((change, ()))
        })
    }

    pub async fn tell(&mut self, id: &str, problem: String, mended: Option<Result<()>>) {
        self.verified.damaged += 1;
        let text = match mended {
            None => format!("Damaged: {problem}"),
            Some(Ok(())) => {
                self.verified.repaired += 1;
                format!("Repaired: {problem}")
            }
            Some(Err(error)) => {
                let why = corten_base::chain(&error);
                format!("Damaged: {problem} (not repaired: {why})")
            }
        };
        self.progress.status(None, format!("{id}: {text}")).await;
    }
}
