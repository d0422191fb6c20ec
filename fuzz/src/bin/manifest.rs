//! Manifests and indexes, with every media type a registry may claim.
#![no_main]

use corten_oci::{ManifestOrIndex, media_type};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let claims = [
        None,
        Some(media_type::OCI_MANIFEST),
        Some(media_type::OCI_INDEX),
        Some(media_type::DOCKER_MANIFEST),
        Some(media_type::DOCKER_INDEX),
        Some("text/plain"),
    ];
    for claim in claims {
        let Ok(document) = ManifestOrIndex::parse(claim, bytes) else {
            continue;
        };
        // What was understood is understood again.
        let (text, kind) = match &document {
            ManifestOrIndex::Manifest(it) => (format!("{it:?}"), media_type::OCI_MANIFEST),
            ManifestOrIndex::Index(it) => (format!("{it:?}"), media_type::OCI_INDEX),
        };
        assert!(!text.is_empty() && !kind.is_empty());
    }
});
