//! Blob stores that a client serves in its session: directories in the form of OCI layouts,
//! for caches of `type=local` and contexts of `oci-layout://`.

use corten_build::{BlobStore, BlobStream, ImagesError};
use corten_buildkit::content::{
    COMMIT, InfoRequest, InfoResponse, ReadRequest, ReadResponse, STAT, STORE_HEADER, WRITE,
    WriteRequest, WriteResponse,
};
use corten_grpc::{Client, Failure, Incomings};
use corten_oci::{Descriptor, Digest};
use futures_util::future::{BoxFuture, FutureExt};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
};

const SERVICE: &str = "/containerd.services.content.v1.Content";
/// gRPC's code of something that is there already.
const ALREADY_EXISTS: i32 = 6;
/// And of a conversation that broke.
const UNAVAILABLE: i32 = 14;
/// Bytes of a blob in one message; clients take at most 4 MiB.
const PIECE_BYTES: usize = 512 << 10;
/// Bytes of a blob on the way.
const BUFFER_BYTES: usize = 2 << 20;

/// One store.
pub(super) struct ClientStore {
    client: Client,
    metadata: [(String, String); 1],
}

impl ClientStore {
    pub fn new(client: Client, store: &str) -> Self {
        Self {
            client,
            metadata: [(STORE_HEADER.to_owned(), store.to_owned())],
        }
    }

    async fn write_blob(&self, blob: &Descriptor, mut bytes: BlobStream) -> Result<(), Failed> {
        let path = format!("{SERVICE}/Write");
        let opened = self.client.stream::<WriteRequest>(&path, &self.metadata);
        let (sender, answers) = opened.await?;
        let mut writing = Writing { sender, answers };
        let reference = format!("corten-{}", blob.digest);
        let about = WriteRequest {
            reference,
            total: blob.size as i64,
            expected: blob.digest.to_string(),
            ..WriteRequest::default()
        };
        let there = match writing
            .ask(WriteRequest {
                action: STAT,
                ..about.clone()
            })
            .await
        {
            Ok(answer) => answer.offset.max(0) as u64,
            Err(failure) if failure.code == ALREADY_EXISTS => return Ok(()),
            Err(failure) => return Err(failure.into()),
        };
        // What an earlier write of the same blob has left is passed over.
        let (mut known, mut nowhere) = ((&mut bytes).take(there), tokio::io::sink());
        let skipped = tokio::io::copy(&mut known, &mut nowhere).await;
        let mut offset = skipped.map_err(Failed::Read)?;
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let count = bytes.read(&mut piece).await.map_err(Failed::Read)?;
            if count == 0 {
                break;
            }
            let answer = writing.ask(WriteRequest {
                action: WRITE,
                offset: offset as i64,
                data: piece[..count].to_vec(),
                ..about.clone()
            });
            answer.await?;
            offset += count as u64;
        }
        let commit = WriteRequest {
            action: COMMIT,
            offset: offset as i64,
            ..about
        };
        match writing.ask(commit).await {
            Err(failure) if failure.code != ALREADY_EXISTS => Err(failure.into()),
            _ => Ok(()),
        }
    }
}

/// A conversation in which each message has its answer.
struct Writing {
    sender: mpsc::Sender<WriteRequest>,
    answers: Incomings,
}

impl Writing {
    async fn ask(&mut self, request: WriteRequest) -> Result<WriteResponse, Failure> {
        let ended = || Failure {
            code: UNAVAILABLE,
            message: "the client's store ended a write early".into(),
            details: Vec::new(),
        };
        // A sender that is gone has left its reason among the answers.
        let _ = self.sender.send(request).await;
        self.answers.next().await?.ok_or_else(ended)
    }
}

enum Failed {
    Client(Failure),
    Read(std::io::Error),
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        Self::Client(failure)
    }
}

fn of_client(operation: &'static str) -> impl FnOnce(Failure) -> ImagesError {
    move |failure| ImagesError::Failed(format!("{operation}: {}", failure.message))
}

impl BlobStore for ClientStore {
    fn size<'a>(&'a self, digest: &'a Digest) -> BoxFuture<'a, Result<Option<u64>, ImagesError>> {
        async move {
            let request = InfoRequest {
                digest: digest.to_string(),
            };
            let path = format!("{SERVICE}/Info");
            let asked = self
                .client
                .unary_with(&path, &self.metadata, &request)
                .await;
            match asked {
                Ok(InfoResponse { info }) => Ok(info.map(|it| it.size.max(0) as u64)),
                Err(failure) if failure.is_missing() => Ok(None),
                Err(failure) => Err(of_client("asking the client's store for a blob")(failure)),
            }
        }
        .boxed()
    }

    fn read<'a>(&'a self, digest: &'a Digest) -> BoxFuture<'a, Result<BlobStream, ImagesError>> {
        async move {
            let request = ReadRequest {
                digest: digest.to_string(),
                ..ReadRequest::default()
            };
            let path = format!("{SERVICE}/Read");
            let asked = self.client.ask_with(&path, &self.metadata, &request);
            let operation = "reading a blob of the client's store";
            let mut answers = asked.map_err(of_client(operation))?;
            // The first piece tells whether there is such a blob.
            let first = answers.next::<ReadResponse>().await;
            let mut next = first.map_err(of_client(operation))?;
            let (near, mut far) = tokio::io::duplex(BUFFER_BYTES);
            tokio::spawn(async move {
                // A client that breaks off leaves a blob that is not its digest's.
                while let Some(piece) = next {
                    if far.write_all(&piece.data).await.is_err() {
                        return;
                    }
                    next = answers.next().await.unwrap_or_default();
                }
            });
            Ok(Box::new(near) as BlobStream)
        }
        .boxed()
    }

    fn write<'a>(
        &'a self,
        blob: &'a Descriptor,
        bytes: BlobStream,
    ) -> BoxFuture<'a, Result<(), ImagesError>> {
        async move {
            let operation = "writing a blob to the client's store";
            self.write_blob(blob, bytes)
                .await
                .map_err(|failed| match failed {
                    Failed::Client(failure) => of_client(operation)(failure),
                    Failed::Read(source) => ImagesError::Stream { operation, source },
                })
        }
        .boxed()
    }
}
