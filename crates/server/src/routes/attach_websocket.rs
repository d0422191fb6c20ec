//! `GET /containers/{id}/attach/ws`: each message of the client is standard input; output
//! comes as binary frames, standard output and error in one.

use crate::{
    error::ApiError,
    http::{Call, Reply, empty, websocket as ws},
    limits,
};
use corten_api::frame::{HEADER_BYTES, Header};
use corten_engine::{AttachOptions, AttachStream, Duplex};
use http::{HeaderValue, StatusCode, header};
use hyper_util::rt::TokioIo;
use std::{io, sync::Arc};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf},
    sync::Mutex,
};

pub(super) async fn attach(mut call: Call) -> Reply {
    let accept = ws::accept(&call.headers)?;
    let Some(upgrade) = call.upgrade.take() else {
        return Err(ApiError::invalid("not websocket protocol"));
    };
    // Below 1.42 the streams that are wanted could not be named: all were.
    let wanted = |name: &str| !call.since(42) || call.query.flag(name);
    let options = AttachOptions {
        logs: call.query.flag("logs"),
        stream: call.query.flag("stream"),
        stdin: wanted("stdin"),
        stdout: wanted("stdout"),
        stderr: wanted("stderr"),
        detach_keys: call.query.text("detachKeys").to_owned(),
    };
    let streams = call.engine.container_attach(&call.name, options).await?;
    // Text frames were what the oldest clients got.
    let opcode = if call.since(28) {
        ws::Opcode::Binary
    } else {
        ws::Opcode::Text
    };
    tokio::spawn(async move {
        match upgrade.await {
            Ok(client) => {
                let error = carry(TokioIo::new(client), streams, opcode).await.err();
                tracing::debug!(
                    error = error.map(tracing::field::display),
                    "WebSocket ended"
                );
            }
            Err(error) => tracing::debug!(%error, "the client left before the upgrade"),
        }
    });
    let mut response = empty(StatusCode::SWITCHING_PROTOCOLS);
    let headers = response.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    if let Ok(accept) = HeaderValue::try_from(accept) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    Ok(response)
}

/// Carries both ways until either side ends.
async fn carry(
    client: impl AsyncRead + AsyncWrite + Unpin,
    container: AttachStream,
    opcode: ws::Opcode,
) -> io::Result<()> {
    let (mut from_client, to_client) = tokio::io::split(client);
    // Output and the answers to pings share the client's direction.
    let to_client = Arc::new(Mutex::new(to_client));
    let (from_container, to_container) = tokio::io::split(container.io);
    let input = input(&mut from_client, to_container, &to_client);
    let output = output(from_container, container.tty, opcode, &to_client);
    tokio::select! {
        ended = input => ended,
        ended = output => {
            ended?;
            let mut to_client = to_client.lock().await;
            // 1000: a normal end.
            to_client.write_all(&ws::frame(ws::Opcode::Close, &1000_u16.to_be_bytes())).await?;
            to_client.shutdown().await
        }
    }
}

async fn input(
    from_client: &mut (impl AsyncRead + Unpin),
    mut to_container: WriteHalf<Box<dyn Duplex>>,
    to_client: &Mutex<impl AsyncWrite + Unpin>,
) -> io::Result<()> {
    while let Some(frame) = ws::read_frame(from_client).await? {
        match frame.opcode {
            ws::Opcode::Continuation | ws::Opcode::Text | ws::Opcode::Binary => {
                // A closed standard input is no reason to end the output.
                let _ = to_container.write_all(&frame.payload).await;
                let _ = to_container.flush().await;
            }
            ws::Opcode::Ping => {
                let pong = ws::frame(ws::Opcode::Pong, &frame.payload);
                to_client.lock().await.write_all(&pong).await?;
            }
            ws::Opcode::Pong => {}
            ws::Opcode::Close => {
                let close = ws::frame(ws::Opcode::Close, &frame.payload);
                to_client.lock().await.write_all(&close).await?;
                break;
            }
        }
    }
    let _ = to_container.shutdown().await;
    Ok(())
}

async fn output(
    mut from_container: ReadHalf<Box<dyn Duplex>>,
    tty: bool,
    opcode: ws::Opcode,
    to_client: &Mutex<impl AsyncWrite + Unpin>,
) -> io::Result<()> {
    let mut chunk = vec![0; limits::COPY_BYTES];
    loop {
        // Docker's frames are taken off: a message is a message.
        let mut left = if tty {
            u64::MAX
        } else {
            let mut header = [0; HEADER_BYTES];
            match from_container.read_exact(&mut header).await {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                Err(error) => return Err(error),
            }
            match Header::decode(header) {
                Some(header) => header.length_bytes.into(),
                None => return Err(io::ErrorKind::InvalidData.into()),
            }
        };
        while left > 0 {
            let most = chunk.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let length = from_container.read(&mut chunk[..most]).await?;
            if length == 0 {
                return Ok(());
            }
            left -= length as u64;
            let message = ws::frame(opcode, &chunk[..length]);
            to_client.lock().await.write_all(&message).await?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::frame::{Stream, append};
    use tokio::net::UnixStream;

    #[tokio::test]
    async fn messages_are_input_and_frames_are_output() -> io::Result<()> {
        let (mut client, served) = UnixStream::pair()?;
        let (mut container, engine) = UnixStream::pair()?;
        let streams = AttachStream {
            io: Box::new(engine),
            tty: false,
        };
        let carrying = tokio::spawn(carry(served, streams, ws::Opcode::Binary));
        // A masked "Hello", as the RFC has it.
        client
            .write_all(&[
                0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
            ])
            .await?;
        let mut input = [0; 5];
        container.read_exact(&mut input).await?;
        assert_eq!(&input, b"Hello");
        let mut frames = Vec::new();
        append(&mut frames, Stream::Stdout, b"out");
        append(&mut frames, Stream::Stderr, b"err");
        container.write_all(&frames).await?;
        drop(container);
        let mut output = Vec::new();
        client.read_to_end(&mut output).await?;
        assert_eq!(output, b"\x82\x03out\x82\x03err\x88\x02\x03\xe8");
        carrying.await?
    }
}
