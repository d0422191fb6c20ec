//! What an exporter makes of built images: manifests, and an index where there are several
//! or attestations, over blobs in the content store.
//!
//! ```text
//! index ─┬─ manifest linux/amd64 ── configuration, layers
//!        ├─ manifest linux/arm64 ── configuration, layers
//!        └─ manifest unknown/unknown ── in-toto statements about one of the above
//! ```
//!
//! Sources: OCI image-spec 1.1; BuildKit's docs/attestations/attestation-storage.md.

use crate::{
    Error, Result,
    artifact_layer::{Wanted, layer},
    layer_stack::Leases,
    rooms::Inner,
};
use corten_archive::Compression;
use corten_oci::{
    Descriptor, Digest, ImageConfig, Index, Manifest, Platform, Reference, media_type,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};

/// The media type of a statement.
const IN_TOTO: &str = "application/vnd.in-toto+json";

/// Beside a manifest of what is said: of what kind it is, and what it is about.
pub(crate) const REFERENCE_TYPE: &str = "vnd.docker.reference.type";
pub(crate) const REFERENCE_DIGEST: &str = "vnd.docker.reference.digest";

/// Annotations by key.
pub type Annotations = BTreeMap<String, String>;

/// How the layers of an artifact are compressed.
#[derive(Debug, Clone, Copy, Default)]
pub struct LayerCompression {
    /// gzip, zstd or none; gzip where nothing is said.
    pub format: Option<Compression>,
    /// The format's own level.
    pub level: Option<i32>,
    /// Also layers that a registry has in another form.
    pub force: bool,
}

/// What is said about an image.
#[derive(Debug, Clone)]
pub struct Attestation {
    /// `https://slsa.dev/provenance/v1` and the like.
    pub predicate_type: String,
    /// What is said.
    pub predicate: Value,
    /// What it says of the image's layers, which have digests only when their blobs are made.
    pub step_layers: Option<StepLayers>,
}

/// Which layers are the results of which steps (BuildKit's `slsa-definitions.md`, `layers`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepLayers {
    /// The object of the predicate that tells them (RFC 6901).
    pub at: &'static str,
    /// Outputs of steps, each with how many of the image's layers it has, from the lowest on.
    pub outputs: Vec<(String, usize)>,
}

/// One image of an artifact; the caller holds its layers.
#[derive(Debug, Clone)]
pub struct ArtifactImage {
    /// The configuration.
    pub config: ImageConfig,
    /// What it is made for.
    pub platform: Platform,
    /// In its manifest.
    pub annotations: Annotations,
    /// Beside its manifest, in the index.
    pub descriptor_annotations: Annotations,
    /// What is said about it.
    pub attestations: Vec<Attestation>,
}

impl Attestation {
    /// The statement that says it of these subjects, `{"name", "digest"}` each (in-toto
    /// Attestation Framework 0.1).
    pub fn statement(&self, subjects: &[Value]) -> Value {
        json!({
            "_type": "https://in-toto.io/Statement/v0.1",
            "predicateType": self.predicate_type,
            "subject": subjects,
            "predicate": self.predicate,
        })
    }

    /// The same, of an image with these layers.
    fn statement_with(&self, subjects: &[Value], blobs: &[Descriptor]) -> Value {
        let mut statement = self.statement(subjects);
        let one = |it: &Descriptor| json!({"mediaType": it.media_type, "digest": it.digest.to_string(), "size": it.size});
        let blobs: Vec<Value> = blobs.iter().map(one).collect();
        self.tell_layers(&mut statement["predicate"], &blobs);
        statement
    }

    /// The predicate of an image of which there is no manifest: its layers by diff IDs.
    pub fn predicate_with(&self, diff_ids: &[Digest]) -> Value {
        let mut predicate = self.predicate.clone();
        // BuildKit's words for a layer that is no blob.
        let one = |it: &Digest| json!({"mediaType": "application/vnd.docker.image.rootfs.diff.tar", "digest": it.to_string(), "size": -1});
        let layers: Vec<Value> = diff_ids.iter().map(one).collect();
        self.tell_layers(&mut predicate, &layers);
        predicate
    }

    fn tell_layers(&self, predicate: &mut Value, blobs: &[Value]) {
        let Some(told) = &self.step_layers else {
            return;
        };
        let outputs = told.outputs.iter();
        let outputs = outputs.filter_map(|(name, count)| {
            let blobs = blobs.get(..*count).filter(|it| !it.is_empty())?;
            // Each list is one way to come by the output; there is one.
            Some((name.clone(), json!([blobs])))
        });
        let outputs: serde_json::Map<String, Value> = outputs.collect();
        let at = predicate.pointer_mut(told.at);
        if let Some(at) = at.filter(|_| !outputs.is_empty()) {
            at["layers"] = Value::Object(outputs);
        }
    }
}

/// What is to be made.
#[derive(Debug, Clone, Default)]
pub struct ArtifactRequest {
    /// Images, at least one.
    pub images: Vec<ArtifactImage>,
    /// Names, for the subjects of attestations.
    pub names: Vec<Reference>,
    /// An index even of one image.
    pub index: bool,
    /// In the index.
    pub index_annotations: Annotations,
    /// Beside the index, where something lists it.
    pub index_descriptor_annotations: Annotations,
    /// Docker's media types instead of OCI's.
    pub docker_types: bool,
    /// Layers.
    pub compression: LayerCompression,
}

/// A finished artifact. Its blobs stay until it is dropped.
pub struct Artifact {
    /// The index, or the one manifest.
    pub root: Descriptor,
    /// The configuration of the first image.
    pub config: Digest,
    /// Names it was made for.
    pub names: Vec<Reference>,
    /// Manifests, each with the blobs it lists; the root is the last.
    pub(crate) manifests: Vec<Document>,
    /// Small blobs: configurations and statements.
    pub(crate) documents: Vec<(Descriptor, Vec<u8>)>,
    /// Layers, each once, with their diff IDs; in the content store, or where they are pushed.
    pub(crate) layers: Vec<(Descriptor, Digest)>,
    /// The configuration, the layers and the platform of each image.
    pub(crate) images: Vec<(Descriptor, Vec<Descriptor>)>,
    pub(crate) leases: Leases,
}

impl Artifact {
    /// What was written, in BuildKit's words, with the digests.
    pub fn documents_made(&self) -> Vec<(&'static str, Digest)> {
        let mut list = Vec::new();
        for document in &self.manifests {
            let kind = match document.descriptor.media_type.as_str() {
                media_type::OCI_INDEX | media_type::DOCKER_INDEX => "manifest list",
                _ if document.is_attestation => "attestation manifest",
                _ => "manifest",
            };
            list.push((kind, document.descriptor.digest.clone()));
        }
        for (config, _) in &self.images {
            list.push(("config", config.digest.clone()));
        }
        list
    }
}

/// A manifest or an index.
pub(crate) struct Document {
    pub descriptor: Descriptor,
    pub bytes: Vec<u8>,
    pub is_attestation: bool,
}

/// Makes the artifact. The blobs `elsewhere` are listed without being here. Blocking: layers
/// are compressed where they have to be.
pub(crate) fn make(
    inner: &Inner,
    request: ArtifactRequest,
    elsewhere: &HashSet<Digest>,
) -> Result<Artifact> {
    let mut making = Making {
        inner,
        elsewhere,
        leases: Leases::new(&inner.rooms),
        manifests: Vec::new(),
        documents: Vec::new(),
        layers: Vec::new(),
        images: Vec::new(),
    };
    let index = request.index
        || request.images.len() > 1
        || request.images.iter().any(|it| !it.attestations.is_empty())
        || !request.index_annotations.is_empty();
    let mut listed = Vec::new();
    let mut said = Vec::new();
    for image in &request.images {
        let descriptor = making.image(image, &request)?;
        if !image.attestations.is_empty() {
            said.push(making.attestations(image, &descriptor, &request.names));
        }
        listed.push(descriptor);
    }
    listed.append(&mut said);
    let mut root = match index {
        false => {
            let one = listed.into_iter().next();
            one.ok_or_else(|| Error::Invalid("an artifact of no image".into()))?
        }
        true => {
            let kind = kind(&request, media_type::DOCKER_INDEX, media_type::OCI_INDEX);
            let index = Index {
                schema_version: 2,
                media_type: Some(kind.into()),
                manifests: listed,
                annotations: some(&request.index_annotations),
            };
            making.manifest(kind, &index)
        }
    };
    if index {
        root.annotations = some(&request.index_descriptor_annotations);
    }
    let config = making
        .images
        .first()
        .map(|(config, _)| config.digest.clone());
    let config = config.ok_or_else(|| Error::Invalid("an artifact of no image".into()))?;
    corten_base::step("artifact.made");
    Ok(Artifact {
        root,
        config,
        names: request.names,
        manifests: making.manifests,
        documents: making.documents,
        layers: making.layers,
        images: making.images,
        leases: making.leases,
    })
}

fn kind(request: &ArtifactRequest, docker: &'static str, oci: &'static str) -> &'static str {
    match request.docker_types {
        true => docker,
        false => oci,
    }
}

fn some(annotations: &Annotations) -> Option<Annotations> {
    (!annotations.is_empty()).then(|| annotations.clone())
}

struct Making<'a> {
    inner: &'a Inner,
    elsewhere: &'a HashSet<Digest>,
    leases: Leases,
    manifests: Vec<Document>,
    documents: Vec<(Descriptor, Vec<u8>)>,
    layers: Vec<(Descriptor, Digest)>,
    images: Vec<(Descriptor, Vec<Descriptor>)>,
}

impl Making<'_> {
    fn document(&mut self, kind: &str, bytes: Vec<u8>) -> Descriptor {
        let descriptor = Descriptor::of(kind, &bytes);
        self.documents.push((descriptor.clone(), bytes));
        descriptor
    }

    fn manifest(&mut self, kind: &str, value: &impl serde::Serialize) -> Descriptor {
        let bytes = serde_json::to_vec_pretty(value).expect("a manifest is always JSON");
        let descriptor = Descriptor::of(kind, &bytes);
        self.manifests.push(Document {
            descriptor: descriptor.clone(),
            bytes,
            is_attestation: false,
        });
        descriptor
    }

    fn image(&mut self, image: &ArtifactImage, request: &ArtifactRequest) -> Result<Descriptor> {
        let diff_ids = image.config.diff_ids();
        let wanted = Wanted {
            compression: request.compression,
            docker_types: request.docker_types,
            elsewhere: self.elsewhere,
        };
        diff_ids.iter().for_each(|it| self.leases.layers.hold(it));
        // All at the same time: compression is what takes long.
        let (inner, leases) = (self.inner, &self.leases);
        let blobs = std::thread::scope(|scope| {
            let begin =
                |end: usize| scope.spawn(move || layer(inner, leases, &diff_ids[..=end], wanted));
            let running: Vec<_> = (0..diff_ids.len()).map(begin).collect();
            let end = |it: std::thread::ScopedJoinHandle<'_, Result<Descriptor>>| {
                it.join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            running.into_iter().map(end).collect::<Result<Vec<_>>>()
        })?;
        for (blob, diff_id) in blobs.iter().zip(diff_ids) {
            if !self
                .layers
                .iter()
                .any(|(known, _)| known.digest == blob.digest)
            {
                self.layers.push((blob.clone(), diff_id.clone()));
            }
        }
        let config = serde_json::to_vec(&image.config).expect("a configuration is always JSON");
        let of_config = kind(request, media_type::DOCKER_CONFIG, media_type::OCI_CONFIG);
        let config = self.document(of_config, config);
        self.images.push((config.clone(), blobs.clone()));
        let kind = kind(
            request,
            media_type::DOCKER_MANIFEST,
            media_type::OCI_MANIFEST,
        );
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(kind.into()),
            config,
            layers: blobs,
            subject: None,
            artifact_type: None,
            annotations: some(&image.annotations),
        };
        Ok(Descriptor {
            platform: Some(image.platform.clone()),
            annotations: some(&image.descriptor_annotations),
            ..self.manifest(kind, &manifest)
        })
    }

    /// The manifest of what is said about the image that was made last.
    fn attestations(
        &mut self,
        image: &ArtifactImage,
        about: &Descriptor,
        names: &[Reference],
    ) -> Descriptor {
        let subjects: Vec<Value> = subjects(names, &image.platform)
            .into_iter()
            .map(|name| json!({"name": name, "digest": {"sha256": about.digest.hex()}}))
            .collect();
        let blobs = self.images.last().map_or_else(Vec::new, |it| it.1.clone());
        let mut layers = Vec::new();
        for attestation in &image.attestations {
            let statement = attestation.statement_with(&subjects, &blobs);
            let bytes = serde_json::to_vec(&statement).expect("a statement is always JSON");
            let key = "in-toto.io/predicate-type".to_owned();
            layers.push(Descriptor {
                annotations: Some([(key, attestation.predicate_type.clone())].into()),
                ..self.document(IN_TOTO, bytes)
            });
        }
        let diff_ids: Vec<&Digest> = layers.iter().map(|it| &it.digest).collect();
        let config = json!({
            "architecture": "unknown",
            "os": "unknown",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        let config = serde_json::to_vec(&config).expect("a configuration is always JSON");
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(media_type::OCI_MANIFEST.into()),
            config: self.document(media_type::OCI_CONFIG, config),
            layers,
            subject: None,
            artifact_type: None,
            annotations: None,
        };
        let annotations = [
            (REFERENCE_DIGEST, about.digest.to_string()),
            (REFERENCE_TYPE, "attestation-manifest".into()),
        ];
        let annotations = annotations.map(|(key, value)| (key.to_owned(), value));
        let listed = self.manifest(media_type::OCI_MANIFEST, &manifest);
        if let Some(document) = self.manifests.last_mut() {
            document.is_attestation = true;
        }
        Descriptor {
            platform: Some(Platform::new("unknown", "unknown", "")),
            annotations: Some(annotations.into()),
            ..listed
        }
    }
}

fn subjects(names: &[Reference], platform: &Platform) -> Vec<String> {
    match names {
        [] => vec!["_".into()],
        names => names.iter().map(|it| package_url(it, platform)).collect(),
    }
}

/// The package URL of a name (purl-spec, type docker).
pub fn package_url(name: &Reference, platform: &Platform) -> String {
    let mut url = format!("pkg:docker/{}", name.familiar_name());
    match (name.tag(), name.digest()) {
        (Some(tag), _) => url += &format!("@{tag}"),
        (None, None) => url += "@latest",
        (None, Some(_)) => {}
    }
    let platform = platform.to_string().replace('/', "%2F");
    match name.digest() {
        Some(digest) => url + &format!("?digest={digest}&platform={platform}"),
        None => url + &format!("?platform={platform}"),
    }
}
