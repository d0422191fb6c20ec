//! Cache mounts of the builder as archives: taken out here, put in there.

use crate::{
    ByteStream, Engine, EngineError, Result, messages,
    streams::{BodyReader, from_blocking_writer},
};
use corten_archive::{ExtractOptions, PackOptions};
use std::{fs::File, os::fd::AsFd, path::Path, sync::Arc};

fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(|source| EngineError::File {
        operation: "opening",
        path: path.to_owned(),
        source,
    })
}

impl Engine {
    /// The files of a cache mount as a tar stream. Steps that have it may change it
    /// meanwhile; it is not removed.
    pub async fn cache_mount_export(self: &Arc<Self>, id: &str) -> Result<ByteStream> {
        let (engine, owned) = (self.clone(), id.to_owned());
        let found = self.pool.run(move || {
            let missing = || EngineError::NotFound(messages::no_cache_mount(&owned));
            let used = engine.builder().cache_mounts().find(&owned);
            let used = used.ok_or_else(missing)?;
            Ok((open(used.path())?, used))
        });
        let (root, used) = found.await?;
        Ok(from_blocking_writer(self.streams.clone(), move |writer| {
            let options = PackOptions::default();
            corten_archive::pack(root.as_fd(), Path::new("/"), writer, &options)?;
            drop(used);
            Ok(())
        }))
    }

    /// Makes a cache mount of a tar stream, which may be compressed. There must be none of
    /// this name.
    pub async fn cache_mount_import(self: &Arc<Self>, id: &str, body: ByteStream) -> Result<()> {
        let (engine, owned) = (self.clone(), id.to_owned());
        let reader = BodyReader::new(body);
        let imported = self.streams.run(move || {
            let mounts = engine.builder().cache_mounts();
            mounts.import(&owned, |directory| {
                let root = open(directory)?;
                let options = ExtractOptions::default();
                corten_archive::extract(reader, root.as_fd(), Path::new("/"), &options)?;
                Ok::<_, EngineError>(())
            })
        });
        imported.await
    }
}
