//! Build records in a file (`.dockerbuild`): an OCI layout in a compressed tar, a manifest for
//! each record, an index over them where there are several. The form is buildx's own
//! (`docker/buildx util/desktop/bundle`), so that either reads what the other writes.
//!
//! ```text
//! index.json ─▶ [index ─▶] manifest ─▶ config: the record as JSON
//!                                   └▶ layers: what it told, its trace, what is said about it
//! ```

use super::{BlobDescriptor, BuildHistoryRecord};
use corten_oci::{Digest, media_type};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    io::{self, Read},
};
use thiserror::Error;

/// Media type of a record.
const RECORD: &str = "application/vnd.buildkit.historyrecord.v0";
/// A result's own media type; as the blob's, others would go on to what it names.
const RESULT_TYPE: &str = "vnd.export-build.descriptor.mediatype";
/// Which build a manifest of several is.
const REFERENCE: &str = "vnd.buildkit.history.reference";
/// Where blobs are in the archive.
const BLOBS: &str = "blobs/sha256/";
/// Unpacked bytes of a bundle that is read, and of the builds that come of it, which may name
/// one blob many times. A hundred builds that told all they may have less.
const BYTES_MAX: u64 = 1 << 30;
/// Builds in a bundle that is read, and whatever else its indexes list.
const RECORDS_MAX: usize = 1000;
/// Bytes of one document of it; as much as the engine takes of a whole build.
const DOCUMENT_BYTES_MAX: usize = 16 << 20;

/// Why a bundle could not be read.
#[derive(Debug, Error)]
pub enum BundleError {
    /// It is no compressed tar, or is cut short.
    #[error("reading the bundle")]
    Archive(#[from] io::Error),
    /// One of its documents.
    #[error("{name} of the bundle is no such document")]
    Document {
        /// Which.
        name: String,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// A blob is missing, or has other bytes than its name tells.
    #[error("blob {0} of the bundle is missing or damaged")]
    Blob(String),
    /// More than any tool writes.
    #[error("the bundle has more than {BYTES_MAX} bytes or {RECORDS_MAX} records")]
    TooLarge,
}

/// A record with the blobs it names.
#[derive(Debug, Clone, PartialEq)]
pub struct Bundled {
    /// The build.
    pub record: BuildHistoryRecord,
    /// By digest.
    pub blobs: HashMap<String, Vec<u8>>,
}

/// Writes builds that ran on machines of `platform` into a bundle.
pub fn pack(builds: &[Bundled], platform: &str) -> io::Result<Vec<u8>> {
    let mut blobs = BTreeMap::new();
    let mut add = |media_type: &str, bytes: Vec<u8>| {
        let digest = Digest::of(&bytes);
        let size = bytes.len();
        blobs.insert(digest.hex().to_owned(), bytes);
        json!({"mediaType": media_type, "digest": digest.to_string(), "size": size})
    };
    let mut manifests = Vec::new();
    for build in builds {
        let mut record = serde_json::to_value(&build.record)?;
        record["DefaultPlatform"] = platform.into();
        let config = add(RECORD, serde_json::to_vec_pretty(&record)?);
        let mut seen = HashSet::new();
        let named = build.record.blobs().filter(|it| seen.insert(&it.digest));
        let mut layers = Vec::new();
        for blob in named {
            let bytes = build.blobs.get(&blob.digest);
            let mut layer = add(&blob.media_type, bytes.cloned().unwrap_or_default());
            let mut annotations = blob.annotations.clone();
            if is_result(&build.record, blob) {
                annotations.insert(RESULT_TYPE.into(), blob.media_type.clone());
                layer["mediaType"] = "application/json".into();
            }
            if !annotations.is_empty() {
                layer["annotations"] = serde_json::to_value(annotations)?;
            }
            layers.push(layer);
        }
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": media_type::OCI_MANIFEST,
            "config": config,
            "layers": layers,
        });
        let bytes = serde_json::to_vec_pretty(&manifest)?;
        manifests.push(add(media_type::OCI_MANIFEST, bytes));
    }
    if builds.len() > 1 {
        for (manifest, build) in manifests.iter_mut().zip(builds) {
            manifest["annotations"] = json!({REFERENCE: build.record.reference});
        }
        let index = json!({
            "schemaVersion": 2,
            "mediaType": media_type::OCI_INDEX,
            "manifests": manifests,
        });
        manifests = vec![add(
            media_type::OCI_INDEX,
            serde_json::to_vec_pretty(&index)?,
        )];
    }
    let index = json!({"schemaVersion": 2, "manifests": manifests});
    archive(&blobs, &serde_json::to_vec(&index)?)
}

fn is_result(record: &BuildHistoryRecord, blob: &BlobDescriptor) -> bool {
    let mut infos = record.results.values().chain(&record.result);
    infos.any(|it| it.results.values().any(|one| one.digest == blob.digest))
}

fn archive(blobs: &BTreeMap<String, Vec<u8>>, index: &[u8]) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    let mut add = |path: &str, bytes: Option<&[u8]>| {
        let mut header = tar::Header::new_ustar();
        header.set_mtime(0);
        header.set_mode(if bytes.is_some() { 0o444 } else { 0o755 });
        if bytes.is_none() {
            header.set_entry_type(tar::EntryType::Directory);
        }
        let bytes = bytes.unwrap_or_default();
        header.set_size(bytes.len() as u64);
        archive.append_data(&mut header, path, bytes)
    };
    add("blobs/", None)?;
    add(BLOBS, None)?;
    for (hex, bytes) in blobs {
        add(&format!("{BLOBS}{hex}"), Some(bytes))?;
    }
    add("index.json", Some(index))?;
    add("oci-layout", Some(br#"{"imageLayoutVersion":"1.0.0"}"#))?;
    archive.into_inner()?.finish()
}

/// Reads a bundle. Nothing of it is believed but what its digests say.
///
/// # Errors
/// It is no bundle, lacks something, or is larger than any.
pub fn unpack(from: impl Read) -> Result<Vec<Bundled>, BundleError> {
    unpack_within(from, BYTES_MAX)
}

fn unpack_within(from: impl Read, bytes_max: u64) -> Result<Vec<Bundled>, BundleError> {
    let files = Files::read(from, bytes_max)?;
    let index: Value = document("index.json", files.index.as_deref().unwrap_or_default())?;
    let mut builds = Vec::new();
    let (mut listed, mut bytes_left) = (0, bytes_max);
    // An index over several stands between at most once.
    let mut open: Vec<(Value, bool)> = vec![(index, true)];
    while let Some((index, may_nest)) = open.pop() {
        for entry in index["manifests"].as_array().into_iter().flatten() {
            listed += 1;
            if listed > RECORDS_MAX {
                return Err(BundleError::TooLarge);
            }
            let (name, bytes) = files.named(entry)?;
            let inner: Value = document(&name, bytes)?;
            if inner["manifests"].is_array() {
                if may_nest {
                    open.push((inner, false));
                }
            } else if inner["config"]["mediaType"] == RECORD {
                builds.push(files.build(&inner, &mut bytes_left)?);
            }
        }
    }
    Ok(builds)
}

fn document<T: serde::de::DeserializeOwned>(name: &str, bytes: &[u8]) -> Result<T, BundleError> {
    if bytes.len() > DOCUMENT_BYTES_MAX {
        return Err(BundleError::TooLarge);
    }
    serde_json::from_slice(bytes).map_err(|source| BundleError::Document {
        name: name.to_owned(),
        source,
    })
}

/// What an archive holds.
#[derive(Default)]
struct Files {
    index: Option<Vec<u8>>,
    blobs: HashMap<String, Vec<u8>>,
}

impl Files {
    fn read(from: impl Read, bytes_max: u64) -> Result<Self, BundleError> {
        // One byte more than there may be shows that there is more.
        let mut unpacked = GzDecoder::new(from).take(bytes_max + 1);
        let files = Self::read_unpacked(&mut unpacked);
        match unpacked.limit() {
            0 => Err(BundleError::TooLarge),
            _ => Ok(files?),
        }
    }

    fn read_unpacked(mut unpacked: impl Read) -> io::Result<Self> {
        let mut files = Self::default();
        let mut archive = tar::Archive::new(&mut unpacked);
        for entry in archive.entries()? {
            let mut entry = entry?;
            // One with holes could have any size.
            if !entry.header().entry_type().is_file() {
                continue;
            }
            let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let mut bytes = Vec::new();
            if path == "index.json" {
                entry.read_to_end(&mut bytes)?;
                files.index = Some(bytes);
            } else if let Some(hex) = path.strip_prefix(BLOBS).filter(|it| !it.is_empty()) {
                entry.read_to_end(&mut bytes)?;
                files.blobs.insert(hex.to_owned(), bytes);
            }
        }
        // To the end: behind the archive comes the checksum of it all.
        io::copy(&mut unpacked, &mut io::sink())?;
        Ok(files)
    }

    /// The blob of a digest, if its bytes are the digest's.
    fn blob(&self, digest: &str) -> Result<&[u8], BundleError> {
        let missing = || BundleError::Blob(digest.to_owned());
        let wanted: Digest = digest.parse().map_err(|_| missing())?;
        let found = self.blobs.get(wanted.hex()).ok_or_else(missing)?;
        match wanted.matches(found) {
            true => Ok(found),
            false => Err(missing()),
        }
    }

    fn named(&self, descriptor: &Value) -> Result<(String, &[u8]), BundleError> {
        let digest = descriptor["digest"].as_str().unwrap_or_default();
        Ok((digest.to_owned(), self.blob(digest)?))
    }

    /// The build of a manifest, whose blobs are taken from `bytes_left`.
    fn build(&self, manifest: &Value, bytes_left: &mut u64) -> Result<Bundled, BundleError> {
        let (name, bytes) = self.named(&manifest["config"])?;
        let record: BuildHistoryRecord = document(&name, bytes)?;
        let mut blobs = HashMap::new();
        for named in record.blobs() {
            if blobs.contains_key(&named.digest) {
                continue;
            }
            let bytes = self.blob(&named.digest)?;
            let left = bytes_left.checked_sub(bytes.len() as u64);
            *bytes_left = left.ok_or(BundleError::TooLarge)?;
            blobs.insert(named.digest.clone(), bytes.to_vec());
        }
        Ok(Bundled { record, blobs })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(name: &str, told: &[u8]) -> Bundled {
        let digest = Digest::of(told).to_string();
        let blob = BlobDescriptor {
            media_type: "application/vnd.buildkit.status.v0".into(),
            digest: digest.clone(),
            size: told.len() as i64,
            ..BlobDescriptor::default()
        };
        let record = BuildHistoryRecord {
            reference: name.into(),
            frontend_attrs: [("filename".to_owned(), "Dockerfile".to_owned())].into(),
            logs: Some(blob),
            num_total_steps: 3,
            ..BuildHistoryRecord::default()
        };
        Bundled {
            record,
            blobs: [(digest, told.to_vec())].into(),
        }
    }

    #[test]
    fn builds_come_out_as_they_went_in() {
        for builds in [
            vec![build("a", b"one")],
            vec![build("a", b"one"), build("b", b"two"), build("c", b"one")],
        ] {
            let bundle = pack(&builds, "linux/amd64").unwrap();
            assert_eq!(unpack(&bundle[..]).unwrap(), builds);
        }
    }

    #[test]
    fn what_lacks_something_is_no_bundle() {
        let bundle = pack(&[build("a", b"one")], "").unwrap();
        for length in [0, 20, bundle.len() / 2, bundle.len() - 9] {
            assert!(unpack(&bundle[..length]).is_err(), "{length}");
        }
        let mut without = build("a", b"one");
        without.blobs.clear();
        let bundle = pack(&[without], "").unwrap();
        assert!(matches!(unpack(&bundle[..]), Err(BundleError::Blob(_))));
        let other = archive(&BTreeMap::new(), br#"{"manifests":[]}"#).unwrap();
        assert!(unpack(&other[..]).unwrap().is_empty());
        let lying = BTreeMap::from([("0".repeat(64), b"{}".to_vec())]);
        let index = format!(r#"{{"manifests":[{{"digest":"sha256:{:064}"}}]}}"#, 0);
        let lying = archive(&lying, index.as_bytes()).unwrap();
        assert!(matches!(unpack(&lying[..]), Err(BundleError::Blob(_))));
    }
    /// A bundle whose index is `index` over what `build` consists of.
    fn of(build: &Bundled, times: usize) -> Vec<u8> {
        let bundle = pack(std::slice::from_ref(build), "").unwrap();
        let files = Files::read(&bundle[..], BYTES_MAX).unwrap();
        let mut index: Value = document("", files.index.as_deref().unwrap()).unwrap();
        let one = index["manifests"][0].clone();
        index["manifests"] = vec![one; times].into();
        let blobs = files.blobs.into_iter().collect();
        archive(&blobs, index.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn a_small_file_does_not_become_more_than_there_is_room_for() {
        let large = build("a", &[0; 100_000]);
        let twice = of(&large, 2);
        assert_eq!(unpack_within(&twice[..], 300_000).unwrap().len(), 2);
        let refused = |bundle: &[u8], bytes| {
            let read = unpack_within(bundle, bytes).map(|it| it.len());
            assert!(matches!(read, Err(BundleError::TooLarge)), "{read:?}");
        };
        refused(&of(&large, 20), 300_000);
        refused(&twice, 50_000);
        refused(&of(&build("a", b""), RECORDS_MAX + 1), BYTES_MAX);
    }

    #[test]
    fn a_file_with_holes_is_no_blob() {
        const BYTES: u64 = 1 << 20;
        let holes = build("a", &[0; BYTES as usize]);
        let digest: Digest = holes.blobs.keys().next().unwrap().parse().unwrap();
        let whole = pack(&[holes], "").unwrap();
        let files = Files::read(&whole[..], BYTES_MAX).unwrap();
        let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
        for (hex, bytes) in &files.blobs {
            let mut header = tar::Header::new_gnu();
            if hex == digest.hex() {
                header.set_entry_type(tar::EntryType::GNUSparse);
                header.set_size(0);
                let holes = header.as_gnu_mut().unwrap();
                holes.set_real_size(BYTES);
                // Nothing up to the end, in octal.
                holes.sparse[0].offset = *b"00004000000\0";
                holes.sparse[0].numbytes = *b"00000000000\0";
            } else {
                header.set_size(bytes.len() as u64);
            }
            let bytes: &[u8] = if hex == digest.hex() { b"" } else { bytes };
            let path = format!("{BLOBS}{hex}");
            archive.append_data(&mut header, path, bytes).unwrap();
        }
        let mut header = tar::Header::new_gnu();
        let index = files.index.unwrap();
        header.set_size(index.len() as u64);
        archive
            .append_data(&mut header, "index.json", &index[..])
            .unwrap();
        let sparse = archive.into_inner().unwrap().finish().unwrap();
        let read = unpack(&sparse[..]);
        let read = read.map(|it| it.len());
        assert!(matches!(read, Err(BundleError::Blob(_))), "{read:?}");
    }
}
