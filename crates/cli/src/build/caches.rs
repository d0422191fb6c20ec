//! `--cache-from` and `--cache-to`, and directories of this machine that hold blobs: caches
//! of `type=local` and contexts of `oci-layout://`.

use super::arguments::fields;
use crate::{app::Call, error::CliError};
use corten_client::build::{Build, Layout, Offer};
use corten_oci::Digest;
use std::collections::HashMap;

type Attrs = HashMap<String, String>;

/// The tag of a cache or an image in a directory where none is named.
const TAG: &str = "latest";

pub(super) fn read(call: &Call<'_>, build: &mut Build, offer: &mut Offer) -> Result<(), CliError> {
    for text in call.parsed.all("cache-from") {
        let (kind, mut attrs) = cache(text);
        match kind.as_str() {
            "local" => match source(&mut attrs, offer)? {
                Found::Here => build.cache_from.push((kind, attrs)),
                Found::Missing(why) => call.app.warn(&format!("WARNING: {why}")),
            },
            _ => build.cache_from.push((kind, attrs)),
        }
    }
    for text in call.parsed.all("cache-to") {
        let (kind, attrs) = cache(text);
        if kind == "local" {
            target(&attrs, offer)?;
        }
        build.cache_to.push((kind, attrs));
    }
    Ok(())
}

/// `user/app:cache` or `type=registry,ref=…`.
fn cache(text: &str) -> (String, HashMap<String, String>) {
    if !text.contains('=') {
        let attrs = HashMap::from([("ref".to_owned(), text.to_owned())]);
        return ("registry".into(), attrs);
    }
    let mut kind = "registry".to_owned();
    let mut attrs = HashMap::new();
    for (key, value) in fields(text) {
        match (key.as_str(), value) {
            ("type", Some(value)) => kind = value,
            (_, Some(value)) => drop(attrs.insert(key, value)),
            (_, None) => {}
        }
    }
    (kind, attrs)
}

/// What there is of a cache. One that is not there yet does not keep a build from being
/// done.
enum Found {
    Here,
    Missing(String),
}

/// `type=local,src=directory[,tag=name][,digest=sha256:…]`.
fn source(attrs: &mut Attrs, offer: &mut Offer) -> Result<Found, CliError> {
    let directory = attrs.get("src").cloned().unwrap_or_default();
    if directory.is_empty() {
        return Err(CliError::Text("local cache importer requires src".into()));
    }
    let missing = |why: &str| {
        let sentence = format!("local cache import at {directory} skipped: {why}");
        Ok(Found::Missing(sentence))
    };
    let layout = Layout::new(&directory);
    let digest = match (attrs.get("digest"), attrs.get("tag")) {
        (Some(digest), _) if !digest.is_empty() => {
            let parsed = digest.parse::<Digest>();
            parsed.map_err(|why| CliError::Text(format!("invalid digest {digest:?}: {why}")))?
        }
        (_, Some(tag)) if tag.is_empty() => {
            return Err(CliError::Text(
                "local cache importer requires either explicit digest, \"latest\" tag or custom tag on index.json".into(),
            ));
        }
        (_, tag) => {
            let tag = tag.map_or(TAG, String::as_str);
            match layout.named(tag) {
                Ok(Some(digest)) => digest,
                Ok(None) => return missing(&format!("no digest found for tag {tag}")),
                Err(why) => return missing(&corten_base::chain(&why)),
            }
        }
    };
    match layout.size(&digest) {
        Ok(Some(_)) => {}
        Ok(None) => return missing(&format!("digest {digest} unavailable")),
        Err(why) => return missing(&corten_base::chain(&why)),
    }
    attrs.insert("digest".into(), digest.to_string());
    offer.stores.insert(format!("local:{directory}"), layout);
    Ok(Found::Here)
}

/// `type=local,dest=directory[,tag=name]`.
fn target(attrs: &Attrs, offer: &mut Offer) -> Result<(), CliError> {
    let directory = attrs.get("dest").cloned().unwrap_or_default();
    if directory.is_empty() {
        return Err(CliError::Text("local cache exporter requires dest".into()));
    }
    if attrs.contains_key("reset") {
        return Err(CliError::Text(
            "the option reset of a local cache is not supported by corten build: remove the directory before".into(),
        ));
    }
    let layout = Layout::new(&directory);
    let made = layout.create();
    made.map_err(|why| CliError::Text(corten_base::chain(&why)))?;
    let tag = attrs.get("tag").map_or(TAG, String::as_str).to_owned();
    let store = format!("local:{directory}");
    offer.stores.insert(store, layout.clone());
    offer.caches.push((layout, tag));
    Ok(())
}

/// `oci-layout://directory[:tag][@digest]` as the engine gets it: the name of a store of
/// this session and the digest of the image in it.
pub(super) fn context(value: &str, place: &str, offer: &mut Offer) -> Result<String, CliError> {
    let (place, digest) = match place.split_once('@') {
        Some((place, digest)) => (place, Some(digest)),
        None => (place, None),
    };
    let (directory, tag) = place.split_once(':').unwrap_or((place, TAG));
    let layout = Layout::new(directory);
    let unresolved = |why: String| {
        CliError::Text(format!(
            "oci-layout reference {value:?} could not be resolved: {why}"
        ))
    };
    let digest = match digest {
        Some(digest) => digest
            .parse()
            .map(Some)
            .map_err(|_| "invalid digest".to_owned()),
        None => layout
            .named(tag)
            // A layout with one image only has no need of a name.
            .and_then(|found| match found {
                Some(found) => Ok(Some(found)),
                None => layout.single(),
            })
            .map_err(|why| corten_base::chain(&why)),
    };
    let digest: Digest = digest
        .and_then(|found| found.ok_or_else(|| "failed to resolve digest".to_owned()))
        .map_err(unresolved)?;
    let store = corten_base::Id::random().to_string();
    offer.stores.insert(format!("oci:{store}"), layout);
    Ok(format!("oci-layout://{store}:{tag}@{digest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_that_is_not_there_is_passed_over_and_one_without_a_place_is_refused() {
        let mut offer = Offer::default();
        let (kind, mut attrs) = cache("type=local,src=/nowhere/at/all");
        assert_eq!(kind, "local");
        let found = source(&mut attrs, &mut offer).unwrap();
        let Found::Missing(why) = found else {
            panic!("it is there")
        };
        assert!(
            why.starts_with("local cache import at /nowhere/at/all skipped: could not read"),
            "{why}"
        );
        assert!(offer.stores.is_empty());
        let (_, mut attrs) = cache("type=local");
        assert!(source(&mut attrs, &mut offer).is_err());
        assert!(target(&attrs, &mut offer).is_err());
    }
}
