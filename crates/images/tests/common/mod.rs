//! Images over rooms in a temporary directory, and images made by the test.

#![allow(clippy::unwrap_used, dead_code)]

use corten_archive::tar::{Entry, EntryKind, Writer};
use corten_content::ContentStore;
use corten_images::{Config, Images, Progress, ProgressSender, PullRequest, Pulled, Rooms};
use corten_oci::{Descriptor, Digest, ImageConfig, Manifest, Reference, RootFs, media_type};
use corten_snapshot::LayerStore;
use corten_store::Store;
use std::{path::Path, sync::Arc};

/// A data root of the test's own.
pub struct Root {
    pub directory: tempfile::TempDir,
    pub images: Images,
    pub rooms: Rooms,
}

impl Root {
    pub async fn new() -> Self {
        Self::with(Config::default()).await
    }

    pub async fn with(config: Config) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let rooms = rooms(directory.path());
        let images = Images::open(config, rooms.clone()).await.unwrap();
        Self {
            directory,
            images,
            rooms,
        }
    }

    /// The same directory after the engine ended.
    pub async fn reopened(self) -> Self {
        let Self {
            directory,
            images,
            rooms,
        } = self;
        drop((images, rooms));
        let rooms = rooms_of(directory.path());
        let images = Images::open(Config::default(), rooms.clone())
            .await
            .unwrap();
        Self {
            directory,
            images,
            rooms,
        }
    }

    pub async fn pull(&self, name: &str) -> Result<(Pulled, Vec<String>), String> {
        let request = PullRequest {
            reference: name.parse().unwrap(),
            all_tags: false,
            platform: None,
            keep_name: false,
            credentials: None,
        };
        let (result, lines) =
            listen(|progress| async move { self.images.pull(request, &progress).await }).await;
        result
            .map(|pulled| (pulled, lines))
            .map_err(|e| corten_base::error::chain(&e))
    }

    /// The file of an image, looked up through its layers as overlay would.
    pub fn file(&self, image: &str, path: &str) -> Option<Vec<u8>> {
        let image = self.images.resolve(image).unwrap();
        let directories = self.rooms.layers.directories(image.layers()).unwrap();
        directories
            .iter()
            .find_map(|layer| std::fs::read(layer.join(path)).ok())
    }

    /// The image of [`through_links`] is what its layers make in one tree.
    pub fn has_files_through_links(&self, image: &str) {
        let file = |path| self.file(image, path).map(String::from_utf8);
        assert_eq!(file("usr/bin/tool"), Some(Ok("tool".into())));
        assert_eq!(file("alias"), Some(Ok("tool".into())));
        let image = self.images.resolve(image).unwrap();
        for layer in self.rooms.layers.directories(image.layers()).unwrap() {
            assert!(!layer.join("bin").is_dir(), "{layer:?}");
        }
    }

    /// Blobs, unpacked layers and half-done things.
    pub fn counts(&self) -> (usize, usize) {
        (
            self.rooms.content.walk().unwrap().len(),
            self.rooms.layers.list().unwrap().len(),
        )
    }
}

fn rooms(directory: &Path) -> Rooms {
    rooms_of(directory)
}

fn rooms_of(directory: &Path) -> Rooms {
    Rooms {
        store: Arc::new(Store::open(&directory.join("state.db")).unwrap()),
        content: ContentStore::open(&directory.join("content")).unwrap(),
        layers: LayerStore::open(&directory.join("layers")).unwrap(),
        driver: "overlay2",
    }
}

/// Runs work and gathers what it tells: statuses as `id: text`, figures left out.
pub async fn listen<T, F: Future<Output = T>>(
    work: impl FnOnce(ProgressSender) -> F,
) -> (T, Vec<String>) {
    let (sender, mut receiver) = ProgressSender::channel();
    let gather = tokio::spawn(async move {
        let mut lines = Vec::new();
        while let Some(message) = receiver.recv().await {
            match message {
                Progress::Status { id, text, .. } => {
                    lines.push(id.map_or(text.clone(), |id| format!("{id}: {text}")));
                }
                Progress::Stream(text) => lines.push(text.trim_end().to_owned()),
                Progress::Aux(value) => lines.push(value.to_string()),
                Progress::Working { .. } => {}
            }
        }
        lines
    });
    let result = work(sender).await;
    (result, gather.await.unwrap())
}

/// A layer of regular files.
pub fn layer(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (path, bytes) in files {
        match path.strip_suffix('/') {
            Some(directory) => {
                writer
                    .append_bytes(&Entry::directory(directory), b"")
                    .unwrap();
            }
            None => {
                let entry = Entry {
                    mtime: Default::default(),
                    ..Entry::file(*path, 0)
                };
                writer.append_bytes(&entry, bytes).unwrap();
            }
        }
    }
    writer.finish().unwrap()
}

/// A layer with one entry of any kind.
pub fn odd_layer(path: &str, kind: EntryKind, link: &str) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    let entry = Entry {
        link: link.into(),
        ..Entry::new(path, kind)
    };
    writer.append_bytes(&entry, b"").unwrap();
    writer.finish().unwrap()
}

/// Layers that end up elsewhere than they say: a file below a link of a lower layer, and a
/// hard link to that file.
pub fn through_links() -> [Vec<u8>; 4] {
    [
        layer(&[("usr/", b""), ("usr/bin/", b"")]),
        odd_layer("bin", EntryKind::Symlink, "usr/bin"),
        layer(&[("bin/tool", b"tool")]),
        odd_layer("alias", EntryKind::HardLink, "bin/tool"),
    ]
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An image's documents and blobs.
pub struct Made {
    pub config: Vec<u8>,
    pub manifest: Vec<u8>,
    pub layers: Vec<Vec<u8>>,
}

impl Made {
    /// From uncompressed layers; they are sent gzipped.
    pub fn new(tars: &[Vec<u8>]) -> Self {
        let diff_ids = tars.iter().map(|tar| Digest::of(tar)).collect();
        let config = ImageConfig {
            architecture: "amd64".into(),
            os: "linux".into(),
            rootfs: RootFs {
                diff_ids,
                ..RootFs::default()
            },
            ..ImageConfig::default()
        };
        let config = serde_json::to_vec(&config).unwrap();
        Self::with_config(config, tars.iter().map(|tar| gzip(tar)).collect())
    }

    pub fn with_config(config: Vec<u8>, layers: Vec<Vec<u8>>) -> Self {
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(media_type::DOCKER_MANIFEST.into()),
            config: Descriptor::of(media_type::DOCKER_CONFIG, &config),
            layers: layers
                .iter()
                .map(|layer| Descriptor::of(media_type::DOCKER_LAYER_GZIP, layer))
                .collect(),
            subject: None,
            artifact_type: None,
            annotations: None,
        };
        let manifest = serde_json::to_vec(&manifest).unwrap();
        Self {
            config,
            manifest,
            layers,
        }
    }

    pub fn id(&self) -> Digest {
        Digest::of(&self.config)
    }

    /// Pushes the image with our own client.
    pub async fn push(&self, name: &str) {
        use corten_distribution::{Access, Begun, Registries, UploadBody};
        let reference: Reference = name.parse().unwrap();
        let registries = Registries::new(Default::default()).unwrap();
        let repository = registries.repository(&reference, None, Access::Push).await;
        for blob in self.layers.iter().chain([&self.config]) {
            let digest = Digest::of(blob);
            let Begun::Upload(at) = repository.begin_upload(&digest, None).await.unwrap() else {
                continue;
            };
            let body = || {
                let chunk = bytes::Bytes::copy_from_slice(blob);
                let size = chunk.len() as u64;
                Ok(UploadBody::new(
                    futures_util::stream::iter([Ok(chunk)]),
                    size,
                ))
            };
            repository.upload(at, &digest, body).await.unwrap();
        }
        let manifest = self.manifest.clone().into();
        let tag = reference.tag().unwrap_or("latest");
        repository
            .put_manifest(tag, media_type::DOCKER_MANIFEST, manifest)
            .await
            .unwrap();
    }
}
