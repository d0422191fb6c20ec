//! `Control.Session`: a session whose connection is carried by the messages of a call, as
//! clients open one that have only BuildKit's gRPC (`buildx bake` for what targets share).

use super::{BuildKit, call::streamed, sessions};
use crate::http::Body;
use corten_buildkit::{Decoder, session::BytesMessage};
use futures_util::stream;
use http::{HeaderMap, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Bytes on the way in one direction, and of one message.
const BYTES: usize = 32 << 10;

pub(super) fn open(kit: Arc<BuildKit>, headers: &HeaderMap, body: Incoming) -> Response<Body> {
    let (near, far) = tokio::io::duplex(BYTES);
    let (id, shared_key) = sessions::named(headers);
    tokio::spawn(async move { sessions::attach(&kit, id, shared_key, far).await });
    let (reader, writer) = tokio::io::split(near);
    tokio::spawn(bring(body, writer));
    streamed(stream::unfold(reader, |mut reader| async move {
        let mut data = vec![0; BYTES];
        match reader.read(&mut data).await {
            Ok(count) if count > 0 => {
                data.truncate(count);
                Some((BytesMessage { data }, reader))
            }
            _ => None,
        }
    }))
}

/// What the client sends, until it ends the call.
async fn bring(mut body: Incoming, mut writer: impl AsyncWrite + Unpin) {
    let mut decoder = Decoder::default();
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(bytes) = frame.into_data() else {
            continue;
        };
        decoder.push(&bytes);
        while let Ok(Some(BytesMessage { data })) = decoder.message() {
            if writer.write_all(&data).await.is_err() {
                return;
            }
        }
    }
    // The other side sees the end.
    let _ = writer.shutdown().await;
}
