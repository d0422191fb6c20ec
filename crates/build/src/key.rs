//! Keys: digests over definitions and contents, each part with its length, so that no two
//! lists of parts look alike.

use corten_oci::Digest;
use corten_oci::Hasher;

/// A key being made.
pub(crate) struct Key(Hasher);

impl Key {
    /// A key of one kind of thing; the version changes when its parts do.
    pub fn new(kind: &str) -> Self {
        let mut key = Self(Hasher::sha256());
        key.part(kind.as_bytes());
        key
    }

    pub fn part(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }

    pub fn text(&mut self, text: &str) -> &mut Self {
        self.part(text.as_bytes())
    }

    pub fn texts<'a>(&mut self, list: impl IntoIterator<Item = &'a str>) -> &mut Self {
        let list: Vec<&str> = list.into_iter().collect();
        self.number(list.len() as u64);
        for text in list {
            self.text(text);
        }
        self
    }

    pub fn number(&mut self, number: u64) -> &mut Self {
        self.part(&number.to_le_bytes())
    }

    pub fn digest(&mut self, digest: &Digest) -> &mut Self {
        self.part(digest.hex().as_bytes())
    }

    pub fn finish(self) -> Digest {
        self.0.finish()
    }
}
