//! The server's end of a WebSocket: handshake and frames. RFC 6455.
//!
//! ```text
//! byte 0          1              2..                  then
//! FIN 0 0 0 op    MASK length7   length16 | length64  mask (from clients), payload
//! ```

use crate::{error::ApiError, limits};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, header};
use sha1::{Digest, Sha1};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt};

/// RFC 6455, section 1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// Payload of a control frame, in bytes.
const CONTROL_BYTES: u64 = 125;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opcode {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

/// A frame from a client, unmasked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub opcode: Opcode,
    pub payload: Vec<u8>,
}

/// `Sec-WebSocket-Accept` for a request that asks for a WebSocket.
pub(crate) fn accept(headers: &HeaderMap) -> Result<String, ApiError> {
    let text = |name: header::HeaderName| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().trim().to_ascii_lowercase()
    };
    let key = headers.get(header::SEC_WEBSOCKET_KEY);
    match key {
        Some(key)
            if text(header::UPGRADE) == "websocket"
                && text(header::CONNECTION).contains("upgrade")
                && text(header::SEC_WEBSOCKET_VERSION) == "13" =>
        {
            let digest = Sha1::new()
                .chain_update(key.as_bytes())
                .chain_update(GUID)
                .finalize();
            Ok(STANDARD.encode(digest))
        }
        _ => Err(ApiError::invalid("not websocket protocol")),
    }
}

/// A whole frame with `payload`, as a server sends it: not masked.
pub(crate) fn frame(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 10);
    out.push(0x80 | opcode as u8);
    match payload.len() {
        length @ 0..=125 => out.push(length as u8),
        length @ 126..=0xffff => {
            out.push(126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
    out
}

/// Reads a client's next frame; `None` at the end of the connection. A frame that is not
/// masked, too long or of an unknown kind is an error: the connection must end.
pub(crate) async fn read_frame(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Frame>> {
    let wrong = |what: &'static str| Err(io::Error::new(io::ErrorKind::InvalidData, what));
    let mut head = [0; 2];
    match from.read_exact(&mut head).await {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let opcode = match head[0] & 0x0f {
        0 => Opcode::Continuation,
        1 => Opcode::Text,
        2 => Opcode::Binary,
        8 => Opcode::Close,
        9 => Opcode::Ping,
        10 => Opcode::Pong,
        _ => return wrong("unknown frame"),
    };
    if head[0] & 0x70 != 0 || head[1] & 0x80 == 0 {
        return wrong("a frame of an extension, or not masked");
    }
    let length = match head[1] & 0x7f {
        126 => u64::from(from.read_u16().await?),
        127 => from.read_u64().await?,
        length => u64::from(length),
    };
    let control = !matches!(opcode, Opcode::Continuation | Opcode::Text | Opcode::Binary);
    let limit = if control {
        CONTROL_BYTES
    } else {
        limits::FRAME_BYTES as u64
    };
    if length > limit {
        return wrong("a frame that is too long");
    }
    let mut mask = [0; 4];
    from.read_exact(&mut mask).await?;
    let mut payload = vec![0; length as usize];
    from.read_exact(&mut payload).await?;
    for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
    Ok(Some(Frame { opcode, payload }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn the_handshake_of_the_rfc_is_answered() {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::CONNECTION,
            HeaderValue::from_static("keep-alive, Upgrade"),
        );
        headers.insert(header::UPGRADE, HeaderValue::from_static("WebSocket"));
        headers.insert(
            header::SEC_WEBSOCKET_VERSION,
            HeaderValue::from_static("13"),
        );
        assert!(accept(&headers).is_err());
        headers.insert(
            header::SEC_WEBSOCKET_KEY,
            HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ=="),
        );
        let accepted = accept(&headers).expect("it is a handshake");
        assert_eq!(accepted, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[tokio::test]
    async fn frames_are_read_and_written_as_in_the_rfc() -> io::Result<()> {
        // RFC 6455, section 5.7: a masked "Hello".
        let bytes = [
            0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
        ];
        let hello = Frame {
            opcode: Opcode::Text,
            payload: b"Hello".to_vec(),
        };
        assert_eq!(read_frame(&mut bytes.as_slice()).await?, Some(hello));
        assert_eq!(frame(Opcode::Binary, b"Hi"), [0x82, 2, b'H', b'i']);
        assert_eq!(frame(Opcode::Binary, &[0; 256])[..4], [0x82, 0x7e, 1, 0]);
        assert_eq!(read_frame(&mut [].as_slice()).await?, None);
        for wrong in [
            [0x81, 5].as_slice(),
            &[0x83, 0x80],
            &[0xc1, 0x80],
            &[0x89, 0xfe, 1, 0],
            &[0x82, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0],
        ] {
            assert!(read_frame(&mut &*wrong).await.is_err(), "{wrong:?}");
        }
        Ok(())
    }
}
