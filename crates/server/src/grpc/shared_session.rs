//! A session some of whose directories are those of other sessions: `docker buildx bake`
//! offers a context that several targets have once, and says in which session
//! (`local-sessionid:NAME`).

use super::{BuildKit, sessions::GrpcSession, status::Status};
use corten_build::{
    BlobStore, Credentials, Duplex, Inventory, LocalRequest, RequestSession, Result, Session,
    Synced,
};
use futures_util::future::BoxFuture;
use std::{collections::HashMap, path::Path, sync::Arc};
use tokio::io::AsyncRead;

/// What options that name other sessions begin with.
pub(super) const PREFIX: &str = "local-sessionid:";

/// A client's session and those it points to.
pub(super) struct SharedSession {
    own: Arc<dyn Session>,
    /// By the name of a directory.
    others: HashMap<String, Arc<GrpcSession>>,
}

impl SharedSession {
    /// Waits for every session that the options name.
    pub async fn open(
        kit: &BuildKit,
        session: &str,
        options: &HashMap<String, String>,
    ) -> std::result::Result<Self, Status> {
        // Who has none has sent all there is with the request.
        let own: Arc<dyn Session> = match session.is_empty() {
            true => Arc::new(RequestSession {
                credentials: Vec::new(),
            }),
            false => kit.sessions.get(session).await?,
        };
        let mut others = HashMap::new();
        for (key, id) in options {
            if let Some(name) = key.strip_prefix(PREFIX) {
                others.insert(name.to_owned(), kit.sessions.get(id).await?);
            }
        }
        Ok(Self { own, others })
    }
}

impl Session for SharedSession {
    fn key(&self) -> Option<String> {
        self.own.key()
    }

    fn sync<'a>(
        &'a self,
        request: LocalRequest,
        into: &'a Path,
        last: Option<Inventory>,
    ) -> BoxFuture<'a, Result<Synced>> {
        match self.others.get(&request.name) {
            Some(other) => other.sync(request, into, last),
            None => self.own.sync(request, into, last),
        }
    }

    fn secret<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>>> {
        self.own.secret(id)
    }

    fn agent<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Box<dyn Duplex>>>> {
        self.own.agent(id)
    }

    fn credentials<'a>(&'a self, domain: &'a str) -> BoxFuture<'a, Result<Option<Credentials>>> {
        self.own.credentials(domain)
    }

    fn store(&self, id: &str) -> Result<Arc<dyn BlobStore>> {
        self.own.store(id)
    }

    fn upload<'a>(
        &'a self,
        path: &'a str,
    ) -> BoxFuture<'a, Result<Box<dyn AsyncRead + Send + Unpin>>> {
        self.own.upload(path)
    }
}
