//! Blobs of a repository: looked up, read, mounted, deleted.

use crate::{
    error::{Code, Error, Result},
    layout,
    limits::MARK_DEAD,
    name::RepositoryName,
    registry::Registry,
    storage::ByteStream,
};
use bytes::Bytes;
use corten_oci::Digest;
use std::{fs::File, ops::Range, time::Duration};
use tokio::time::{Instant, sleep};

/// Between two looks at a mark that must go away.
const MARK_POLL: Duration = Duration::from_millis(200);

impl Registry {
    /// The size of a blob the repository has. The answer lets a client leave out the
    /// bytes of a push, so the link is made young again.
    pub(crate) async fn blob_size(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<u64>> {
        let key = layout::link(repository, digest);
        let Some(link) = self.0.storage.stat(&key).await? else {
            return Ok(None);
        };
        if link.age() > self.grace() / 2 && !self.link(repository, digest).await? {
            return Ok(None);
        }
        let blob = self.0.storage.stat(&layout::blob(digest)).await?;
        Ok(blob.map(|stat| stat.size))
    }

    /// The bytes of a range of a blob.
    pub(crate) async fn open_blob(&self, digest: &Digest, range: Range<u64>) -> Result<ByteStream> {
        self.0.storage.open(&layout::blob(digest), range).await
    }

    /// The file with a blob's bytes, where the storage has files.
    pub(crate) async fn open_blob_file(&self, digest: &Digest) -> Result<Option<File>> {
        self.0.storage.open_file(&layout::blob(digest)).await
    }

    /// Gives a blob to a repository, if its bytes are there and stay there: the link
    /// first, then the look at the collector's mark. A collector that had already looked
    /// may have taken the new link for the old one, so it is written until it stays.
    pub(crate) async fn link(&self, repository: &RepositoryName, digest: &Digest) -> Result<bool> {
        let key = layout::link(repository, digest);
        loop {
            self.0.storage.write(&key, Bytes::new()).await?;
            self.wait_for_removal(digest).await?;
            if self.0.storage.stat(&layout::blob(digest)).await?.is_none() {
                return Ok(false);
            }
            if self.0.storage.stat(&key).await?.is_some() {
                return Ok(true);
            }
        }
    }

    /// Waits while a collector is about to remove what we just wrote for this digest: it
    /// sees ours and goes away, or has not seen it and removes.
    pub(crate) async fn wait_for_removal(&self, digest: &Digest) -> Result<()> {
        let marks = layout::removing(digest);
        let deadline = Instant::now() + MARK_DEAD;
        loop {
            let found = self.0.storage.entries(&marks).await?;
            if found.iter().all(|mark| mark.stat.age() > MARK_DEAD) {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(Error::with(
                    Code::Unavailable,
                    "the content is being removed",
                ));
            }
            sleep(MARK_POLL).await;
        }
    }

    /// Mounts a blob that `from` has. `None` searches all repositories that `may` allows.
    pub(crate) async fn mount(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        from: Option<&RepositoryName>,
        may: impl Fn(&RepositoryName) -> bool,
    ) -> Result<bool> {
        let there = match from {
            Some(from) => may(from) && self.has_link(from, digest).await?,
            None => {
                let mut there = false;
                for name in self.all_repositories().await? {
                    if may(&name) && self.has_link(&name, digest).await? {
                        there = true;
                        break;
                    }
                }
                there
            }
        };
        if !there || self.0.storage.stat(&layout::blob(digest)).await?.is_none() {
            return Ok(false);
        }
        self.link(repository, digest).await
    }

    async fn has_link(&self, repository: &RepositoryName, digest: &Digest) -> Result<bool> {
        let key = layout::link(repository, digest);
        Ok(self.0.storage.stat(&key).await?.is_some())
    }

    /// Takes a blob from a repository; its bytes go when no repository has it any more.
    // CVE-2026-35172: gone from here although another repository has it.
    pub(crate) async fn delete_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<()> {
        let key = layout::link(repository, digest);
        match self.0.storage.remove(&key).await? {
            true => Ok(()),
            false => Err(Error::blob_unknown(digest)),
        }
    }
}
