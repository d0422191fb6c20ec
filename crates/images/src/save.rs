//! `docker save`: one tar that is an OCI layout and a `docker save` archive.

use crate::{
    Error, Result,
    archive_index::{DockerImage, NAME_ANNOTATION, REF_ANNOTATION, blob_path},
    artifact::Artifact,
    artifact_out,
    kept_index::of_name,
    layer_bytes::open_tar,
    messages,
    resolve::{is_id_prefix, lookup_key},
    rooms::Inner,
};
use corten_archive::{DiffOptions, diff, tar};
use corten_content::ContentStore;
use corten_oci::{
    Descriptor, Digest, ImageConfig, Index, Manifest, Platform, Reference,
    manifest::MANIFEST_BYTES_MAX, media_type,
};
use std::{
    collections::{BTreeMap, HashSet},
    io::{self, Read, Write},
    os::fd::AsFd,
    sync::Arc,
};

/// An image to save.
pub(crate) struct Saved {
    pub id: Digest,
    pub config: Arc<ImageConfig>,
    pub names: Vec<Reference>,
    /// The configuration of an image that is not in the store.
    pub bytes: Option<Vec<u8>>,
    /// What its names stand for, where that is more, or another platform's image.
    pub artifact: Option<Artifact>,
}

/// What shall be saved. A name of a repository means all its tags; an ID no name.
pub(crate) fn select(
    inner: &Inner,
    names: &[String],
    platform: Option<&Platform>,
) -> Result<Vec<Saved>> {
    let state = inner.state();
    let mut all: Vec<Saved> = Vec::new();
    for text in names {
        let found = match state.resolve(text) {
            // `docker save repository` without `latest` still means the repository.
            Err(Error::NotFound(sentence)) => {
                match text.parse::<Reference>() {
                    Ok(name) if name.is_name_only() => {
                        let tags = repository_tags(&state, &name);
                        if tags.is_empty() {
                            return Err(Error::NotFound(messages::no_such_image(text)));
                        }
                        tags
                    }
                    Ok(_) => return Err(Error::NotFound(messages::no_reference())),
                    // An ID: its own sentence fits.
                    Err(_) => return Err(Error::NotFound(sentence)),
                }
            }
            Err(error) => return Err(error),
            Ok(image) if is_id_prefix(&image.id, text) => vec![(image.id, None)],
            Ok(image) => {
                let name: Reference = text.parse()?;
                if name.is_name_only() {
                    repository_tags(&state, &name)
                } else {
                    let key = lookup_key(&name);
                    vec![(image.id, key.tag().is_some().then_some(key))]
                }
            }
        };
        for (id, name) in found {
            let Some(image) = state.image(&id) else {
                continue;
            };
            let kept = name.as_ref().and_then(|name| state.names.get(name));
            let kept = of_name(kept, &id);
            if let Some(kept) = kept.filter(|it| platform.is_none_or(|wanted| it.has(wanted))) {
                let names: Vec<Reference> = name.into_iter().collect();
                all.push(Saved {
                    id,
                    config: image.config,
                    artifact: Some(kept.open(inner, names.clone(), platform)?),
                    names,
                    bytes: None,
                });
                continue;
            }
            if platform.is_some_and(|wanted| !wanted.matches(&image.config.platform())) {
                continue;
            }
            let same = |saved: &&mut Saved| saved.id == id && saved.artifact.is_none();
            match all.iter_mut().find(same) {
                Some(saved) => saved.names.extend(name),
                None => {
                    let (config, names) = (image.config, name.into_iter().collect());
                    let bytes = None;
                    all.push(Saved {
                        id,
                        config,
                        names,
                        bytes,
                        artifact: None,
                    });
                }
            }
        }
    }
    match platform.filter(|_| all.is_empty()) {
        Some(platform) => Err(Error::Failed(messages::nothing_to_save(platform))),
        None => Ok(all),
    }
}

fn repository_tags(
    state: &crate::state::State,
    name: &Reference,
) -> Vec<(Digest, Option<Reference>)> {
    let repository = name.name();
    let tags = state
        .names
        .iter()
        .filter(|(n, _)| n.tag().is_some() && n.name() == repository);
    tags.map(|(name, record)| (record.image.clone(), Some(name.clone())))
        .collect()
}

/// Writes the archive. Blocking.
pub(crate) fn save(inner: &Inner, images: &[Saved], out: impl Write) -> Result<()> {
    let leases = crate::layer_stack::Leases::new(&inner.rooms);
    let mut archive = Archive::begin(out)?;
    let mut docker = Vec::new();
    let mut index = Vec::new();
    let mut repositories: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for image in images {
        if let Some(artifact) = &image.artifact {
            artifact_out::write(inner, artifact, &mut archive)?;
            index.extend(index_entries(&artifact.root, &image.names));
            let first = artifact.images.first();
            docker.extend(first.map(|it| artifact_out::docker_image(it, &image.names)));
            continue;
        }
        leases.blobs.hold(&image.id);
        let config = match &image.bytes {
            Some(bytes) => bytes.clone(),
            None => inner.rooms.content.read(&image.id, MANIFEST_BYTES_MAX)?,
        };
        let mut layers = Vec::new();
        let diff_ids = image.config.diff_ids();
        for index in 0..diff_ids.len() {
            layers.push(archive.layer(inner, &leases, &diff_ids[..=index])?);
        }
        let kind = media_type::OCI_CONFIG;
        archive.blob(&config)?;
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(media_type::OCI_MANIFEST.into()),
            config: Descriptor::of(kind, &config),
            layers: layers.clone(),
            subject: None,
            artifact_type: None,
            annotations: None,
        };
        let manifest = archive.json_blob(&manifest)?;
        index.extend(index_entries(&manifest, &image.names));
        for name in &image.names {
            if let (Some(tag), Some(top)) = (name.tag(), image.config.diff_ids().last()) {
                let tags = repositories.entry(name.familiar_name()).or_default();
                tags.insert(tag.to_owned(), top.hex().to_owned());
            }
        }
        docker.push(DockerImage {
            config: blob_path(&image.id),
            repo_tags: (!image.names.is_empty())
                .then(|| image.names.iter().map(Reference::familiar).collect()),
            layers: Some(
                layers
                    .iter()
                    .map(|layer| blob_path(&layer.digest))
                    .collect(),
            ),
            parent: None,
            layer_sources: Some(
                layers
                    .into_iter()
                    .map(|layer| (layer.digest.clone(), layer.into()))
                    .collect(),
            ),
        });
    }
    let index = Index {
        schema_version: 2,
        media_type: Some(media_type::OCI_INDEX.into()),
        manifests: index,
        annotations: None,
    };
    archive.json("index.json", &index)?;
    archive.json_line("manifest.json", &docker)?;
    archive.file("oci-layout", br#"{"imageLayoutVersion": "1.0.0"}"#)?;
    if !repositories.is_empty() {
        archive.json_line("repositories", &repositories)?;
    }
    finish(archive)
}

/// Ends the archive and brings all of it out.
pub(crate) fn finish<W: Write>(archive: Archive<W>) -> Result<()> {
    let mut out = archive.tar.finish()?;
    out.flush().map_err(|source| Error::Stream {
        operation: "writing the archive",
        source,
    })
}

/// One entry for each name, or one without.
pub(crate) fn index_entries(manifest: &Descriptor, names: &[Reference]) -> Vec<Descriptor> {
    if names.is_empty() {
        return vec![manifest.clone()];
    }
    let named = |name: &Reference| {
        let mut annotations = manifest.annotations.clone().unwrap_or_default();
        annotations.extend([
            (NAME_ANNOTATION.to_owned(), name.to_string()),
            (
                REF_ANNOTATION.to_owned(),
                name.tag().unwrap_or_default().to_owned(),
            ),
        ]);
        Descriptor {
            annotations: Some(annotations),
            ..manifest.clone()
        }
    };
    names.iter().map(named).collect()
}

/// An archive on its way; each blob is written once.
pub(crate) struct Archive<W: Write> {
    tar: tar::Writer<W>,
    written: HashSet<Digest>,
}

impl<W: Write> Archive<W> {
    /// An OCI layout without blobs.
    pub fn begin(out: W) -> Result<Self> {
        let mut archive = Self {
            tar: tar::Writer::new(out),
            written: HashSet::new(),
        };
        archive.directory("blobs/")?;
        archive.directory("blobs/sha256/")?;
        Ok(archive)
    }

    /// A blob of the content store, as it is.
    pub fn blob_file(&mut self, content: &ContentStore, blob: &Descriptor) -> Result<()> {
        if !self.written.insert(blob.digest.clone()) {
            return Ok(());
        }
        let mut file = content.open_blob(&blob.digest)?;
        let entry = tar::Entry::file(blob_path(&blob.digest), blob.size);
        Ok(self.tar.append(&entry, &mut file)?)
    }

    fn directory(&mut self, name: &str) -> Result<()> {
        Ok(self.tar.append_bytes(&tar::Entry::directory(name), b"")?)
    }

    pub fn file(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let entry = tar::Entry::file(name, bytes.len() as u64);
        Ok(self.tar.append_bytes(&entry, bytes)?)
    }

    pub fn json(&mut self, name: &str, value: &impl serde::Serialize) -> Result<()> {
        self.file(
            name,
            &serde_json::to_vec(value).expect("these documents are always JSON"),
        )
    }

    /// The same with the end of line that dockerd writes.
    pub fn json_line(&mut self, name: &str, value: &impl serde::Serialize) -> Result<()> {
        let mut bytes = serde_json::to_vec(value).expect("these documents are always JSON");
        bytes.push(b'\n');
        self.file(name, &bytes)
    }

    pub fn blob(&mut self, bytes: &[u8]) -> Result<()> {
        let digest = Digest::of(bytes);
        if self.written.insert(digest.clone()) {
            self.file(&blob_path(&digest), bytes)?;
        }
        Ok(())
    }

    fn json_blob(&mut self, value: &impl serde::Serialize) -> Result<Descriptor> {
        let bytes = serde_json::to_vec(value).expect("these documents are always JSON");
        self.blob(&bytes)?;
        Ok(Descriptor::of(media_type::OCI_MANIFEST, &bytes))
    }

    /// The uncompressed tar of the last layer of a chain, byte for byte what its diff ID
    /// names.
    fn layer(
        &mut self,
        inner: &Inner,
        leases: &crate::layer_stack::Leases,
        chain: &[Digest],
    ) -> Result<Descriptor> {
        let diff_id = &chain[chain.len() - 1];
        let record = inner.state().layers.get(diff_id).cloned();
        let Some(record) = record else {
            return self.directory_layer(inner, chain);
        };
        leases.blobs.hold(&record.blob.digest);
        let open = || open_tar(&inner.rooms, diff_id, &record.blob.digest);
        let size = match record.tar_bytes {
            Some(size) => size,
            None => io::copy(&mut open()?, &mut io::sink()).map_err(|source| Error::Stream {
                operation: "reading a layer",
                source,
            })?,
        };
        if self.written.insert(diff_id.clone()) {
            let mut checked = Checked {
                inner: open()?,
                hasher: diff_id.hasher(),
            };
            let entry = tar::Entry::file(blob_path(diff_id), size);
            self.tar.append(&entry, &mut checked)?;
            if checked.hasher.finish() != *diff_id {
                return Err(Error::LayerVerification(diff_id.clone()));
            }
        }
        Ok(Descriptor::new(
            media_type::OCI_LAYER,
            diff_id.clone(),
            size,
        ))
    }

    /// The same of a layer that has no blob: a build has just made it. Its directory is
    /// read twice, for its length first.
    fn directory_layer(&mut self, inner: &Inner, chain: &[Digest]) -> Result<Descriptor> {
        let diff_id = &chain[chain.len() - 1];
        let missing = || Error::NotFound(format!("layer {diff_id} has no bytes on this machine"));
        let found = inner.rooms.layers.find(chain)?.ok_or_else(missing)?;
        let directory = found.open()?;
        let options = DiffOptions::default();
        let Counted(size) = diff(directory.as_fd(), Counted(0), &options)?;
        let descriptor = Descriptor::new(media_type::OCI_LAYER, diff_id.clone(), size);
        if !self.written.insert(diff_id.clone()) {
            return Ok(descriptor);
        }
        let (reader, writer) = io::pipe().map_err(|source| Error::Stream {
            operation: "opening a pipe",
            source,
        })?;
        let mut checked = Checked {
            inner: reader,
            hasher: diff_id.hasher(),
        };
        std::thread::scope(|scope| {
            let packing = scope.spawn(|| diff(directory.as_fd(), writer, &options).map(drop));
            let entry = tar::Entry::file(blob_path(diff_id), size);
            let appended = self.tar.append(&entry, &mut checked);
            if appended.is_err() {
                // The packing thread must not wait for a reader.
                let _ = io::copy(&mut checked, &mut io::sink());
            }
            let packed = packing
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            appended?;
            Ok::<_, Error>(packed?)
        })?;
        match checked.hasher.finish() == *diff_id {
            true => Ok(descriptor),
            false => Err(Error::LayerVerification(diff_id.clone())),
        }
    }
}

/// Counts what is written.
struct Counted(u64);

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Hashes what is read.
struct Checked<R> {
    inner: R,
    hasher: corten_oci::Hasher,
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}
