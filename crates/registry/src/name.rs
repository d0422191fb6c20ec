//! Names, tags and what stands behind `manifests/`: checked once, safe as parts of a path
//! afterwards.

use crate::error::{Code, Error, Result};
use corten_oci::Digest;
use std::fmt;

/// Bytes of a repository's name.
const NAME_MAX: usize = 255;
/// Bytes of a tag.
const TAG_MAX: usize = 128;

/// A repository: path components of lower-case letters, digits and separators, joined by
/// slashes (OCI distribution-spec 1.1 § Pull).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepositoryName(String);

impl RepositoryName {
    /// Checks a name.
    pub fn parse(text: &str) -> Result<Self> {
        let is_name = text.len() <= NAME_MAX && text.split('/').all(is_component);
        match is_name {
            true => Ok(Self(text.to_owned())),
            false => Err(Error::code(Code::NameInvalid)),
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as one component of a path: `+` stands in no name.
    pub(crate) fn key(&self) -> String {
        self.0.replace('/', "+")
    }

    /// Back from [`RepositoryName::key`].
    pub(crate) fn from_key(key: &str) -> Option<Self> {
        Self::parse(&key.replace('+', "/")).ok()
    }
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(text: &str) -> bool {
    let alphanumeric = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    if !bytes.first().is_some_and(alphanumeric) || !bytes.last().is_some_and(alphanumeric) {
        return false;
    }
    bytes
        .split(alphanumeric)
        .all(|gap| matches!(gap, b"" | b"." | b"_" | b"__") || gap.iter().all(|b| *b == b'-'))
}

/// A tag: a letter, digit or underscore, then up to 127 of those, dots and dashes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(String);

impl Tag {
    /// Checks a tag.
    pub fn parse(text: &str) -> Result<Self> {
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let bytes = text.as_bytes();
        let is_tag = bytes.len() <= TAG_MAX
            && bytes.first().is_some_and(|b| word(*b))
            && bytes.iter().all(|b| word(*b) || matches!(b, b'.' | b'-'));
        match is_tag {
            true => Ok(Self(text.to_owned())),
            false => Err(Error::with(Code::TagInvalid, "invalid tag format")),
        }
    }

    /// The tag.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What names a manifest within its repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A tag.
    Tag(Tag),
    /// A digest.
    Digest(Digest),
}

impl Target {
    /// Checks a reference: whatever has a colon is a digest.
    pub fn parse(text: &str) -> Result<Self> {
        match text.contains(':') {
            true => parse_digest(text).map(Self::Digest),
            false => Tag::parse(text).map(Self::Tag),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => tag.fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

/// A digest, or the refusal.
pub(crate) fn parse_digest(text: &str) -> Result<Digest> {
    text.parse()
        .map_err(|error| Error::with(Code::DigestInvalid, format!("{error}: {text:?}")))
}

/// A digest as one component of a path.
pub(crate) fn digest_key(digest: &Digest) -> String {
    format!("{}-{}", digest.algorithm().as_str(), digest.hex())
}

/// Back from [`digest_key`].
pub(crate) fn digest_from_key(key: &str) -> Option<Digest> {
    key.replacen('-', ":", 1).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_grammar_and_nothing_else_passes() {
        for good in ["a", "library/nginx", "a-b/c__d/e.f", "a---b", "0/1/2/3"] {
            let name = RepositoryName::parse(good).unwrap();
            assert_eq!(RepositoryName::from_key(&name.key()), Some(name));
        }
        let long = "a".repeat(256);
        for bad in [
            "", "/", "a/", "/a", "a//b", "..", "a/../b", "A", "a+b", "a___b", "a..b", "-a", "a-",
            "a b", "a\0b", "ä", "a%2fb", "_catalog", "a/.", &long,
        ] {
            assert!(RepositoryName::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn tags_and_digests_are_told_apart_by_the_colon() {
        assert!(matches!(Target::parse("v1.0-x"), Ok(Target::Tag(_))));
        let digest = Digest::of(b"");
        assert!(matches!(
            Target::parse(&digest.to_string()),
            Ok(Target::Digest(_))
        ));
        assert_eq!(digest_from_key(&digest_key(&digest)), Some(digest));
        let long = "a".repeat(129);
        for bad in [
            "",
            ".hidden",
            "-x",
            "a/b",
            "..",
            "sha256:abc",
            "md5:00",
            "a:b",
            &long,
        ] {
            assert!(Target::parse(bad).is_err(), "{bad}");
        }
    }
}
