//! Names and IDs to images, by Docker's rules.

use crate::{Error, Image, Result, messages, state::State};
use corten_oci::{Digest, Reference, reference::is_full_id};

impl State {
    /// The image of a name, a full ID or the start of one. A name goes before an ID.
    pub fn resolve(&self, text: &str) -> Result<Image> {
        let not_found = |shown: &str| Error::NotFound(messages::no_such_image(shown));
        // A full ID or a digest alone is never a name.
        let full = if is_full_id(text) {
            Digest::from_sha256_hex(text)
        } else {
            text.parse()
        };
        if let Ok(id) = full {
            return self.image(&id).ok_or_else(|| not_found(&id.to_string()));
        }
        let reference: Reference = text.parse()?;
        let named = self.named(&reference).or_else(|| self.by_id_prefix(text));
        named
            .and_then(|id| self.image(id))
            .ok_or_else(|| not_found(&messages::familiar_with_tag(&reference)))
    }

    /// The image of a name. With tag and digest the digest decides.
    pub fn named(&self, reference: &Reference) -> Option<&Digest> {
        let key = lookup_key(reference);
        self.names.get(&key).map(|record| &record.image)
    }

    /// The only image whose ID starts so.
    fn by_id_prefix(&self, text: &str) -> Option<&Digest> {
        let digits = text.strip_prefix("sha256:").unwrap_or(text);
        let is_hex = digits
            .bytes()
            .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if digits.is_empty() || !is_hex {
            return None;
        }
        let mut found = self.images.keys().filter(|id| id.hex().starts_with(digits));
        let first = found.next()?;
        found.next().is_none().then_some(first)
    }
}

/// The form in which a name is recorded: with a digest or a tag.
pub(crate) fn lookup_key(reference: &Reference) -> Reference {
    match reference.digest() {
        Some(digest) => reference.with_digest(digest.clone()),
        None => reference.clone().or_latest(),
    }
}

/// Whether `text` is (the start of) this ID rather than a name.
pub(crate) fn is_id_prefix(id: &Digest, text: &str) -> bool {
    id.to_string().starts_with(text) || id.hex().starts_with(text)
}

#[cfg(test)]
mod tests {
    use crate::state::tests::state_of;

    #[test]
    fn names_go_before_ids_and_ambiguous_ids_are_nothing() {
        let state = state_of(&[
            ("a1", &["nginx:latest", "abc:1"]),
            ("a2", &[]),
            ("bc", &["r.io/x:t"]),
        ]);
        let hex = |text: &str| {
            state
                .resolve(text)
                .map(|image| image.id.hex()[..2].to_owned())
        };
        assert_eq!(hex("nginx").unwrap(), "a1");
        assert_eq!(hex("docker.io/library/nginx:latest").unwrap(), "a1");
        assert_eq!(hex("r.io/x:t").unwrap(), "bc");
        assert_eq!(hex("bc").unwrap(), "bc");
        assert_eq!(hex("sha256:bc").unwrap(), "bc");
        assert_eq!(hex("a10").unwrap(), "a1");
        for (text, sentence) in [
            ("a", "No such image: a:latest"),
            ("nginx:1", "No such image: nginx:1"),
            ("r.io/y", "No such image: r.io/y:latest"),
            (
                "NGINX",
                "invalid reference format: repository name (library/NGINX) must be lowercase",
            ),
            ("", "invalid reference format"),
        ] {
            assert_eq!(hex(text).unwrap_err().to_string(), sentence, "{text}");
        }
        let missing = "f".repeat(64);
        let sentence = format!("No such image: sha256:{missing}");
        assert_eq!(hex(&missing).unwrap_err().to_string(), sentence);
    }
}
