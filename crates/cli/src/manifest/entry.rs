//! One manifest of a list, as the stock client keeps and prints it.

use crate::{error::CliError, output::Json};
use base64::{Engine, engine::general_purpose::STANDARD};
use corten_oci::{Digest, Platform, Reference, media_type};

/// A manifest, where it came from and for which platform it is.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// With a tag or a digest.
    pub reference: Reference,
    /// Media type of the manifest.
    pub kind: String,
    /// Of [`Entry::raw`].
    pub digest: Digest,
    /// The manifest's bytes.
    pub raw: Vec<u8>,
    /// The same, parsed, in the order of its keys.
    document: Json,
    /// What it is for.
    pub platform: Option<Platform>,
}

impl Entry {
    /// Of a manifest's bytes.
    pub fn new(reference: Reference, kind: String, raw: Vec<u8>) -> Result<Self, CliError> {
        let document = serde_json::from_slice(&raw)
            .map_err(|error| CliError::Text(format!("{reference}: {error}")))?;
        Ok(Self {
            reference,
            kind,
            digest: Digest::of(&raw),
            raw,
            document,
            platform: None,
        })
    }

    /// The name of the member that holds the manifest.
    fn member(&self) -> &'static str {
        if self.kind == media_type::DOCKER_MANIFEST {
            "SchemaV2Manifest"
        } else {
            "OCIManifest"
        }
    }

    /// Digests of configuration and layers.
    pub fn blobs(&self) -> Result<Vec<Digest>, CliError> {
        let config = self.document.text(&["config", "digest"]);
        let layers = self.document.list(&["layers"]).iter();
        let layers = layers.map(|layer| layer.text(&["digest"]));
        std::iter::once(config)
            .chain(layers)
            .map(|digest| {
                digest
                    .parse()
                    .map_err(|error| CliError::Text(format!("{}: {error}", self.reference)))
            })
            .collect()
    }

    /// What the file holds and `inspect -v` prints.
    pub fn json(&self) -> Json {
        let mut descriptor = vec![
            ("mediaType".to_owned(), self.kind.as_str().into()),
            ("digest".into(), self.digest.to_string().into()),
            ("size".into(), Json::Uint(self.raw.len() as u64)),
        ];
        if let Some(platform) = &self.platform {
            descriptor.push(("platform".into(), platform_json(platform)));
        }
        Json::Object(vec![
            ("Ref".into(), self.reference.to_string().into()),
            ("Descriptor".into(), Json::Object(descriptor)),
            ("Raw".into(), STANDARD.encode(&self.raw).into()),
            (self.member().into(), self.document.clone()),
        ])
    }

    /// The manifest alone.
    pub fn document(&self) -> &Json {
        &self.document
    }

    /// From what [`Entry::json`] wrote, or the stock client.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let json: Json = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        let reference = json.text(&["Ref"]).parse::<Reference>();
        let raw = STANDARD
            .decode(json.text(&["Raw"]))
            .map_err(|error| error.to_string())?;
        let kind = json.text(&["Descriptor", "mediaType"]).to_owned();
        let reference = reference.map_err(|error| error.to_string())?;
        let mut entry = Self::new(reference, kind, raw).map_err(|error| error.to_string())?;
        let recorded = json.text(&["Descriptor", "digest"]);
        if recorded != entry.digest.to_string() {
            return Err(format!(
                "image manifest digest mismatch ({recorded} != {})",
                entry.digest
            ));
        }
        entry.platform = json.at(&["Descriptor", "platform"]).map(platform);
        Ok(entry)
    }

    /// The entry of the list that is pushed. The platform has its place even where nothing
    /// is known of it.
    pub fn list_entry(&self) -> Json {
        let unknown = Platform::default();
        let platform = self.platform.as_ref().unwrap_or(&unknown);
        Json::Object(vec![
            ("mediaType".into(), self.kind.as_str().into()),
            ("size".into(), Json::Uint(self.raw.len() as u64)),
            ("digest".into(), self.digest.to_string().into()),
            ("platform".into(), platform_json(platform)),
        ])
    }
}

/// A list for the entries of one repository's registry, indented as the stock client does:
/// its digest depends on it.
pub(super) fn list(target: &Reference, entries: &[Entry]) -> Result<(String, String), CliError> {
    for entry in entries {
        let (from, to) = (entry.reference.domain(), target.domain());
        if from != to {
            return Err(CliError::Text(format!(
                "cannot use source images from a different registry than the target image: \
                 {from} != {to}"
            )));
        }
    }
    let is_oci = entries
        .first()
        .is_some_and(|entry| entry.kind == media_type::OCI_MANIFEST);
    let kind = if is_oci {
        media_type::OCI_INDEX
    } else {
        media_type::DOCKER_INDEX
    };
    let list = Json::Object(vec![
        ("schemaVersion".into(), Json::Int(2)),
        ("mediaType".into(), kind.into()),
        (
            "manifests".into(),
            Json::List(entries.iter().map(Entry::list_entry).collect()),
        ),
    ]);
    Ok((kind.to_owned(), list.pretty("   ")))
}

/// The keys come in the order in which the stock client writes them.
fn platform_json(platform: &Platform) -> Json {
    let text = serde_json::to_string(platform).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or(Json::Null)
}

/// Of a descriptor's platform or an image's configuration: the keys are the same.
pub(super) fn platform(json: &Json) -> Platform {
    serde_json::from_str(&json.compact(false)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAW: &str = r#"{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json","config":{"mediaType":"application/vnd.docker.container.image.v1+json","size":2,"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"},"layers":[]}"#;

    fn entry(name: &str) -> Entry {
        let kind = media_type::DOCKER_MANIFEST.to_owned();
        let mut entry = Entry::new(name.parse().unwrap(), kind, RAW.into()).unwrap();
        entry.platform = Some("linux/arm/v7".parse().unwrap());
        entry
    }

    #[test]
    fn what_is_kept_is_read_again_and_a_changed_file_is_refused() {
        let mut kept = entry("example.com/a:1");
        let platform = kept.platform.as_mut().unwrap();
        platform.os_features = Some(vec!["sse".into()]);
        platform.os_version = Some("9".into());
        let text = kept.json().compact(true);
        assert!(text.contains(
            r#""platform":{"architecture":"arm","os":"linux","os.version":"9","os.features":["sse"],"variant":"v7"}"#
        ));
        let read = Entry::parse(text.as_bytes()).unwrap();
        assert_eq!(read.platform, kept.platform);
        assert_eq!(read.json(), kept.json());
        let changed = text.replace("\"Raw\":\"eyJ", "\"Raw\":\"eyB");
        assert!(Entry::parse(changed.as_bytes()).is_err());
    }

    #[test]
    fn images_of_another_registry_are_refused() {
        let target: Reference = "example.com/list:1".parse().unwrap();
        assert!(list(&target, &[entry("example.com/a:1")]).is_ok());
        let error = list(&target, &[entry("busybox:1")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot use source images from a different registry than the target image: \
             docker.io != example.com"
        );
    }
}
