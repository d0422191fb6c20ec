//! The client's side of a build: its files, secrets, agents and credentials.

use crate::{Error, Inventory, Result, Synced};
use corten_images::{BlobStore, Credentials};
use futures_util::future::{BoxFuture, FutureExt};
use std::{path::Path, sync::Arc};
use tokio::io::{AsyncRead, AsyncWrite};

/// Both directions of a connection.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Files that the builder wants.
#[derive(Debug, Clone, Default)]
pub struct LocalRequest {
    /// The client's name for the directory: `context`, `dockerfile`, or a named context.
    pub name: String,
    /// Only these, if any (patterns of `.dockerignore`).
    pub include: Vec<String>,
    /// Not these.
    pub exclude: Vec<String>,
    /// Paths whose symbolic links are followed, so that their targets come along.
    pub follow: Vec<String>,
}

/// What a client offers. Everything may be asked several times and at the same time.
pub trait Session: Send + Sync {
    /// Which directories of which client these are, so that files which look unchanged are
    /// not brought over again; none when the client does not tell them apart.
    fn key(&self) -> Option<String>;

    /// Brings `into` in line with the client's directory: files there that are unchanged
    /// are kept, others removed. `last` is what it was brought in line with before, if that
    /// is known. Owners become 0.
    fn sync<'a>(
        &'a self,
        request: LocalRequest,
        into: &'a Path,
        last: Option<Inventory>,
    ) -> BoxFuture<'a, Result<Synced>>;

    /// A secret's bytes, none if the client does not have it.
    fn secret<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>>>;

    /// A connection to an agent, none if the client offers none of this name.
    fn agent<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Box<dyn Duplex>>>>;

    /// Credentials for a registry.
    fn credentials<'a>(&'a self, domain: &'a str) -> BoxFuture<'a, Result<Option<Credentials>>>;

    /// Blobs that the client keeps; whether there is such a store shows when it is asked.
    fn store(&self, _id: &str) -> Result<Arc<dyn BlobStore>> {
        Err(Error::Unsupported(
            "this client has no stores of blobs".into(),
        ))
    }

    /// A stream that the client sends once, such as a context read from its standard input.
    fn upload<'a>(
        &'a self,
        path: &'a str,
    ) -> BoxFuture<'a, Result<Box<dyn AsyncRead + Send + Unpin>>> {
        async move {
            Err(Error::Session {
                operation: format!("reading {path:?} of the client"),
                reason: "it sends no streams".into(),
            })
        }
        .boxed()
    }
}

/// A session of a client that sends its files with its request: a classic build's.
pub struct RequestSession {
    /// Credentials by registry.
    pub credentials: Vec<(String, Credentials)>,
}

impl Session for RequestSession {
    fn key(&self) -> Option<String> {
        None
    }

    fn sync<'a>(
        &'a self,
        request: LocalRequest,
        _into: &'a Path,
        _last: Option<Inventory>,
    ) -> BoxFuture<'a, Result<Synced>> {
        async move {
            Err(Error::Session {
                operation: format!("no local sources enabled for {:?}", request.name),
                reason: "the context came with the request".into(),
            })
        }
        .boxed()
    }

    fn secret<'a>(&'a self, _id: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>>> {
        async { Ok(None) }.boxed()
    }

    fn agent<'a>(&'a self, _id: &'a str) -> BoxFuture<'a, Result<Option<Box<dyn Duplex>>>> {
        async { Ok(None) }.boxed()
    }

    fn credentials<'a>(&'a self, domain: &'a str) -> BoxFuture<'a, Result<Option<Credentials>>> {
        async move {
            let found = self.credentials.iter().find(|(known, _)| known == domain);
            Ok(found.map(|(_, it)| it.clone()))
        }
        .boxed()
    }
}
