//! Names of images: Docker's grammar, its defaults and its two ways of writing them.
//!
//! ```text
//! [domain[:port]/]path[/path…][:tag][@algorithm:hex]
//! ```
//! A name without a domain means `docker.io`, one without a slash there `library/…`.
//! The grammar is that of the distribution project's reference package, which every
//! Docker client uses; so are the sentences of [`ReferenceError`].

use crate::{Digest, DigestError};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use thiserror::Error;

/// The domain of names that have none.
pub const DEFAULT_DOMAIN: &str = "docker.io";
/// The tag of names that have neither tag nor digest, once one is needed.
pub const DEFAULT_TAG: &str = "latest";
const LEGACY_DEFAULT_DOMAIN: &str = "index.docker.io";
const OFFICIAL_PREFIX: &str = "library/";
const PATH_LENGTH_MAX: usize = 255;
const TAG_LENGTH_MAX: usize = 128;
const DIGEST_HEX_MIN: usize = 32;

/// A normalised image name. `Display` writes the canonical form
/// (`docker.io/library/nginx:1.27`), [`Reference::familiar`] the short one (`nginx:1.27`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    domain: String,
    path: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// A text that is no image name. The sentences are Docker's.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ReferenceError {
    /// The grammar is not met.
    #[error("invalid reference format")]
    Format,
    /// A tag given apart from the name does not meet the grammar.
    #[error("invalid tag format")]
    Tag,
    /// Upper-case letters in the repository.
    #[error("invalid reference format: repository name ({0}) must be lowercase")]
    Uppercase(String),
    /// 64 hexadecimal digits alone mean an ID.
    #[error("invalid repository name ({0}), cannot specify 64-byte hexadecimal strings")]
    LooksLikeId(String),
    /// The repository without its domain is too long.
    #[error("repository name must not be more than {PATH_LENGTH_MAX} characters")]
    TooLong,
    /// The part after `@` is no digest that is supported.
    #[error(transparent)]
    Digest(#[from] DigestError),
}

impl Reference {
    /// The registry's domain, with its port if the name has one: `docker.io`, `localhost:5000`.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The repository within the registry: `library/nginx`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The tag, if written.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if written.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// Whether neither tag nor digest is written.
    pub fn is_name_only(&self) -> bool {
        self.tag.is_none() && self.digest.is_none()
    }

    /// Domain and repository, canonical: `docker.io/library/nginx`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.domain, self.path)
    }

    /// Domain and repository as people write them: `nginx`, `localhost:5000/nginx`.
    pub fn familiar_name(&self) -> String {
        if self.domain != DEFAULT_DOMAIN {
            return self.name();
        }
        match self.path.strip_prefix(OFFICIAL_PREFIX) {
            Some(official) if !official.contains('/') => official.to_owned(),
            _ => self.path.clone(),
        }
    }

    /// The whole reference as people write it: `nginx:1.27`, `nginx@sha256:…`.
    pub fn familiar(&self) -> String {
        self.with_suffix(self.familiar_name())
    }

    /// The same repository without tag and digest.
    pub fn without_tag_and_digest(&self) -> Self {
        Self {
            tag: None,
            digest: None,
            ..self.clone()
        }
    }

    /// With [`DEFAULT_TAG`] where neither tag nor digest is written.
    pub fn or_latest(mut self) -> Self {
        if self.is_name_only() {
            self.tag = Some(DEFAULT_TAG.to_owned());
        }
        self
    }

    /// The same repository with this tag and no digest.
    pub fn with_tag(&self, tag: &str) -> Result<Self, ReferenceError> {
        if !is_tag(tag) {
            return Err(ReferenceError::Tag);
        }
        Ok(Self {
            tag: Some(tag.to_owned()),
            digest: None,
            ..self.clone()
        })
    }

    /// The same repository with this digest and no tag.
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self {
            tag: None,
            digest: Some(digest),
            ..self.clone()
        }
    }

    fn with_suffix(&self, mut name: String) -> String {
        if let Some(tag) = &self.tag {
            name.push(':');
            name.push_str(tag);
        }
        if let Some(digest) = &self.digest {
            name.push('@');
            name.push_str(&digest.to_string());
        }
        name
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.with_suffix(self.name()))
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        if is_full_id(text) {
            return Err(ReferenceError::LooksLikeId(text.to_owned()));
        }
        let (domain, remainder) = split_domain(text);
        let name_end = remainder.find(':').unwrap_or(remainder.len());
        let unchecked = &remainder[..name_end];
        if unchecked.chars().any(char::is_uppercase) {
            return Err(ReferenceError::Uppercase(unchecked.to_owned()));
        }
        let (rest, digest) = match remainder.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (remainder.as_str(), None),
        };
        let (path, tag) = match rest.split_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (rest, None),
        };
        let well_formed = is_domain(&domain)
            && path.split('/').all(is_path_component)
            && tag.is_none_or(is_tag)
            && digest.is_none_or(looks_like_digest);
        if !well_formed {
            return Err(ReferenceError::Format);
        }
        if path.len() > PATH_LENGTH_MAX {
            return Err(ReferenceError::TooLong);
        }
        let digest = digest.map(str::parse).transpose()?;
        Ok(Self {
            path: path.to_owned(),
            tag: tag.map(str::to_owned),
            domain,
            digest,
        })
    }
}

impl Serialize for Reference {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Whether `text` is a full ID: 64 lower-case hexadecimal digits.
pub fn is_full_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// The domain and the rest, with Docker's defaults filled in. The first component is a
/// domain when it has a dot, a colon or an upper-case letter, or is `localhost`.
fn split_domain(text: &str) -> (String, String) {
    let (domain, remainder) = match text.split_once('/') {
        None => (DEFAULT_DOMAIN, text),
        Some((LEGACY_DEFAULT_DOMAIN, rest)) => (DEFAULT_DOMAIN, rest),
        Some((first, rest))
            if first == "localhost"
                || first.contains(['.', ':'])
                || first.chars().any(char::is_uppercase) =>
        {
            (first, rest)
        }
        Some(_) => (DEFAULT_DOMAIN, text),
    };
    let official = domain == DEFAULT_DOMAIN && !remainder.contains('/');
    let prefix = if official { OFFICIAL_PREFIX } else { "" };
    (domain.to_owned(), format!("{prefix}{remainder}"))
}

fn is_domain(text: &str) -> bool {
    let (host, port) = match (text.strip_prefix('['), text.split_once(':')) {
        (Some(rest), _) => {
            let Some((address, port)) = rest.split_once(']') else {
                return false;
            };
            let is_address =
                !address.is_empty() && address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':');
            return is_address && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port));
        }
        (None, Some((host, port))) => (host, Some(port)),
        (None, None) => (text, None),
    };
    port.is_none_or(is_port)
        && host.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        })
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// Lower-case letters and digits, separated by one dot, one or two underscores, or any
/// number of hyphens.
fn is_path_component(text: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    let ends_are_words =
        bytes.first().is_some_and(|b| is_word(*b)) && bytes.last().is_some_and(|b| is_word(*b));
    ends_are_words
        && text
            .split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            .all(|s| matches!(s, "" | "." | "_" | "__") || s.bytes().all(|b| b == b'-'))
}

fn is_tag(text: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    (1..=TAG_LENGTH_MAX).contains(&text.len())
        && is_word(text.as_bytes()[0])
        && text.bytes().all(|b| is_word(b) || matches!(b, b'.' | b'-'))
}

fn looks_like_digest(text: &str) -> bool {
    let Some((algorithm, hex)) = text.split_once(':') else {
        return false;
    };
    hex.len() >= DIGEST_HEX_MIN
        && hex.bytes().all(|b| b.is_ascii_hexdigit())
        && algorithm.split(['-', '_', '+', '.']).all(|part| {
            part.as_bytes().first().is_some_and(u8::is_ascii_alphabetic)
                && part.bytes().all(|b| b.is_ascii_alphanumeric())
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn names_are_completed_and_shortened_as_docker_does() {
        for (text, canonical, familiar) in [
            ("nginx", "docker.io/library/nginx", "nginx"),
            ("nginx:1.27", "docker.io/library/nginx:1.27", "nginx:1.27"),
            ("user/app", "docker.io/user/app", "user/app"),
            ("docker.io/nginx", "docker.io/library/nginx", "nginx"),
            (
                "index.docker.io/library/nginx",
                "docker.io/library/nginx",
                "nginx",
            ),
            (
                "docker.io/library/a/b",
                "docker.io/library/a/b",
                "library/a/b",
            ),
            ("localhost/app", "localhost/app", "localhost/app"),
            (
                "localhost:5000/a/b:t",
                "localhost:5000/a/b:t",
                "localhost:5000/a/b:t",
            ),
            ("[::1]:5000/app", "[::1]:5000/app", "[::1]:5000/app"),
            ("Registry/app", "Registry/app", "Registry/app"),
            ("a__b/c--d.e_f", "docker.io/a__b/c--d.e_f", "a__b/c--d.e_f"),
            (
                "library/nginx:V1.0-x_",
                "docker.io/library/nginx:V1.0-x_",
                "nginx:V1.0-x_",
            ),
            ("nginx:5000", "docker.io/library/nginx:5000", "nginx:5000"),
        ] {
            let reference: Reference = text.parse().unwrap();
            assert_eq!(reference.to_string(), canonical);
            assert_eq!(reference.familiar(), familiar);
        }
        let both: Reference = format!("r.io/app:t@{DIGEST}").parse().unwrap();
        assert_eq!(
            (both.tag(), both.digest()),
            (Some("t"), Some(&DIGEST.parse().unwrap()))
        );
        assert_eq!(both.familiar(), format!("r.io/app:t@{DIGEST}"));
        let latest = "nginx".parse::<Reference>().unwrap().or_latest();
        assert_eq!(latest.tag(), Some("latest"));
        assert_eq!(
            latest.with_tag("-x").unwrap_err().to_string(),
            "invalid tag format"
        );
    }

    #[test]
    fn malformed_names_get_dockers_sentences() {
        let id = "a".repeat(64);
        let long = format!("r.io/{}", "a".repeat(256));
        let bad_digest = format!("nginx@sha256:{}", "a".repeat(40));
        for (text, sentence) in [
            ("", "invalid reference format"),
            ("-nginx", "invalid reference format"),
            ("nginx:", "invalid reference format"),
            ("nginx:-x", "invalid reference format"),
            ("a//b", "invalid reference format"),
            ("a/../b", "invalid reference format"),
            ("nginx@sha256:abc", "invalid reference format"),
            ("a___b", "invalid reference format"),
            ("https://r.io/app", "invalid reference format"),
            ("r.io:port/app", "invalid reference format"),
            ("-r.io/app", "invalid reference format"),
            (
                "NGINX",
                "invalid reference format: repository name (library/NGINX) must be lowercase",
            ),
            (
                "r.io/App:t",
                "invalid reference format: repository name (App) must be lowercase",
            ),
            (
                &long,
                "repository name must not be more than 255 characters",
            ),
            (&bad_digest, "invalid checksum digest length"),
        ] {
            assert_eq!(
                text.parse::<Reference>().unwrap_err().to_string(),
                sentence,
                "{text}"
            );
        }
        assert_eq!(
            id.parse::<Reference>(),
            Err(ReferenceError::LooksLikeId(id))
        );
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused_and_the_canonical_form_is_stable(text in "[a-zA-Z0-9._:/@\\[\\]-]{0,40}") {
            if let Ok(reference) = text.parse::<Reference>() {
                prop_assert_eq!(reference.to_string().parse(), Ok(reference.clone()));
                prop_assert_eq!(reference.familiar().parse(), Ok(reference));
            }
        }
    }
}
