//! `--annotation`: `[scope[platform],…:]key=value`.

use crate::{buildx::error, error::CliError};
use corten_oci::Platform;

/// What is annotated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Nothing was said.
    Unsaid,
    Index,
    IndexDescriptor,
    Manifest,
    /// The index's entries, of one platform where one is named.
    ManifestDescriptor(Option<Platform>),
}

/// One annotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    pub scope: Scope,
    pub key: String,
    pub value: String,
}

/// Reads all annotations of a line, one for each scope that they name.
pub fn read<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Vec<Annotation>, CliError> {
    let mut all = Vec::new();
    for text in texts.filter(|it| !it.is_empty()) {
        one(text, &mut all).map_err(|why| error(&format!("failed to parse annotations: {why}")))?;
    }
    Ok(all)
}

fn one(text: &str, all: &mut Vec<Annotation>) -> Result<(), String> {
    let (key, value) = text
        .split_once('=')
        .ok_or_else(|| format!("invalid annotation {text:?}, expected key=value"))?;
    let (scopes, key) = match key.split_once(':') {
        Some((scopes, key)) => (scopes.split(',').collect(), key),
        None => (Vec::new(), key),
    };
    let mut put = |scope| {
        all.push(Annotation {
            scope,
            key: key.to_owned(),
            value: value.to_owned(),
        });
    };
    if scopes.is_empty() {
        put(Scope::Unsaid);
    }
    for scope in scopes {
        put(self::scope(scope)?);
    }
    Ok(())
}

fn scope(text: &str) -> Result<Scope, String> {
    let malformed = || {
        format!(
            "invalid annotation type {text:?}, expected type and optional platform in square brackets"
        )
    };
    let (kind, platform) = match text.split_once('[') {
        Some((kind, rest)) => (kind, Some(rest.strip_suffix(']').ok_or_else(malformed)?)),
        None => (text, None),
    };
    let is_kind = |c: char| c.is_ascii_lowercase() || c == '-';
    let is_platform = |c: char| c.is_ascii_alphanumeric() || "_/-".contains(c);
    let is_right = !kind.is_empty()
        && kind.chars().all(is_kind)
        && platform.is_none_or(|it| !it.is_empty() && it.chars().all(is_platform));
    if !is_right {
        return Err(malformed());
    }
    let platform = match platform {
        Some(text) => Some(
            text.parse::<Platform>()
                .map_err(|why| format!("invalid platform {text:?}: {why}"))?,
        ),
        None => None,
    };
    match kind {
        "index" => Ok(Scope::Index),
        "index-descriptor" => Ok(Scope::IndexDescriptor),
        "manifest" => Ok(Scope::Manifest),
        "manifest-descriptor" => Ok(Scope::ManifestDescriptor(platform)),
        other => Err(format!("unknown annotation type {other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_stand_before_the_key_and_may_name_a_platform() {
        let texts = ["a=b=c", "index,manifest-descriptor[linux/arm64]:org.x=y"];
        let all = read(texts.into_iter()).unwrap();
        let scopes: Vec<&Scope> = all.iter().map(|it| &it.scope).collect();
        let arm = Scope::ManifestDescriptor(Some("linux/arm64".parse().unwrap()));
        assert_eq!(scopes, [&Scope::Unsaid, &Scope::Index, &arm]);
        assert_eq!((all[0].key.as_str(), all[0].value.as_str()), ("a", "b=c"));
        for (text, why) in [
            (
                "nothing",
                "invalid annotation \"nothing\", expected key=value",
            ),
            ("bogus:a=b", "unknown annotation type \"bogus\""),
            (
                "index[:a=b",
                "invalid annotation type \"index[\", expected type and optional platform in square brackets",
            ),
        ] {
            let refused = read([text].into_iter()).unwrap_err().to_string();
            assert_eq!(
                refused,
                format!("ERROR: failed to parse annotations: {why}")
            );
        }
    }
}
