//! Calls of BuildKit's `Control` service: disk usage, pruning, builds of the past.

use super::solve::failed;
use crate::{Client, ClientError};
use corten_buildkit::{
    Message,
    content::{ReadRequest, ReadResponse},
    history::{IMPORT_SERVICE, ImportRequest, ImportResponse},
};
use corten_grpc::Failure;
use futures_util::future::BoxFuture;

/// The service, on a connection of its own.
pub struct Control {
    client: corten_grpc::Client,
    connection: BoxFuture<'static, ()>,
}

impl Client {
    /// Connects to the engine's builder.
    ///
    /// # Errors
    /// The connection's.
    pub async fn control(&self) -> Result<Control, ClientError> {
        let io = self.post("/grpc").hijack_as("h2c").await?;
        let (client, connection) = corten_grpc::Client::connect(io).await.map_err(failed)?;
        Ok(Control {
            client,
            connection: Box::pin(connection),
        })
    }
}

impl Control {
    /// One question, one answer. `method` is the bare name (`DiskUsage`).
    ///
    /// # Errors
    /// The engine's, or the connection's.
    pub async fn ask<Q: Message, A: Message + Default>(
        &mut self,
        method: &str,
        request: &Q,
    ) -> Result<A, ClientError> {
        let path = format!("/moby.buildkit.v1.Control/{method}");
        tokio::select! {
            answer = self.client.unary(&path, request) => answer.map_err(failed),
            () = &mut self.connection => Err(failed(gone())),
        }
    }

    /// One question, and every answer until the engine has told all.
    ///
    /// # Errors
    /// The engine's, or the connection's.
    pub async fn list<Q: Message, A: Message + Default>(
        &mut self,
        method: &str,
        request: &Q,
        each: impl FnMut(A),
    ) -> Result<(), ClientError> {
        let path = format!("/moby.buildkit.v1.Control/{method}");
        self.stream(&path, request, each).await
    }

    /// A blob of the engine by its digest: an attachment of a build of the past.
    ///
    /// # Errors
    /// There is no such blob; the engine's, or the connection's.
    pub async fn blob(&mut self, digest: &str) -> Result<Vec<u8>, ClientError> {
        let request = ReadRequest {
            digest: digest.to_owned(),
            ..ReadRequest::default()
        };
        let mut bytes = Vec::new();
        let each = |piece: ReadResponse| bytes.extend(piece.data);
        let path = "/containerd.services.content.v1.Content/Read";
        self.stream(path, &request, each).await?;
        Ok(bytes)
    }

    /// Has the engine remember a build of elsewhere.
    ///
    /// # Errors
    /// The engine's, or the connection's.
    pub async fn import(&mut self, request: &ImportRequest) -> Result<ImportResponse, ClientError> {
        let path = format!("/{IMPORT_SERVICE}/Import");
        tokio::select! {
            answer = self.client.unary(&path, request) => answer.map_err(failed),
            () = &mut self.connection => Err(failed(gone())),
        }
    }

    async fn stream<Q: Message, A: Message + Default>(
        &mut self,
        path: &str,
        request: &Q,
        mut each: impl FnMut(A),
    ) -> Result<(), ClientError> {
        let mut answers = self.client.ask(path, request).map_err(failed)?;
        let reading = async {
            while let Some(answer) = answers.next::<A>().await? {
                each(answer);
            }
            Ok(())
        };
        tokio::select! {
            done = reading => done.map_err(failed),
            () = &mut self.connection => Err(failed(gone())),
        }
    }
}

fn gone() -> Failure {
    Failure::new(Failure::UNAVAILABLE, "the engine ended the connection")
}
