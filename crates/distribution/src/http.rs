//! HTTP/1.1 requests over pooled connections, with a limit on every wait.

use crate::{
    config::ProxyConfig,
    connect::{self, Connected, Reach},
    error::TransportError,
    limits::{HEAD_BYTES_MAX, HEADERS_MAX, STALL_BYTES, Timeouts},
    pool::{Connection, Pool, Route},
    upload_body::{UploadBody, UploadState},
    url::Url,
};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt, Empty, Full, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, client::conn::http1::Builder};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::timeout;

pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// What a request carries.
pub(crate) enum Payload {
    Empty,
    Bytes(Bytes),
    /// A stream of known length; sent once.
    Upload(UploadBody),
}

/// A request, ready to be sent to its origin.
pub(crate) struct Request {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub payload: Payload,
    /// The reach of the server that gave us the URL, if one did.
    pub from: Option<Reach>,
}

/// A response whose body has not been read yet.
pub(crate) struct Response {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// Where it came from, after redirects.
    pub url: Url,
    pub reach: Reach,
    body: Incoming,
    stall: Duration,
    waited: Duration,
    in_window: u64,
}

/// Requests of one piece of work.
pub(crate) struct Http {
    pub proxies: ProxyConfig,
    pub timeouts: Timeouts,
    pub user_agent: HeaderValue,
    pool: Pool,
}

impl Http {
    /// Over connections of `pool`, which have gone by the same proxies.
    pub fn new(proxies: ProxyConfig, timeouts: Timeouts, user_agent: &str, pool: Pool) -> Self {
        let user_agent = HeaderValue::from_str(user_agent)
            .unwrap_or_else(|_| HeaderValue::from_static("corten"));
        Self {
            proxies,
            timeouts,
            user_agent,
            pool,
        }
    }

    /// Sends a request to its origin, without following redirects.
    pub async fn send(
        &self,
        request: Request,
        tls: &Arc<ClientConfig>,
    ) -> Result<Response, TransportError> {
        let Request {
            method,
            url,
            headers,
            payload,
            from,
        } = request;
        let upload = match &payload {
            Payload::Upload(body) => Some(body.state()),
            _ => None,
        };
        let bytes = match &payload {
            Payload::Bytes(bytes) => Some(bytes.clone()),
            _ => None,
        };
        let reusable = !matches!(payload, Payload::Upload(_));
        let mut body = Some(payload.into_body());
        if reusable && let Some(idle) = self.pool.take(&url.origin, tls, from) {
            let body = body.take().unwrap_or_else(empty);
            let sent = self
                .send_on(idle, &method, &url, &headers, body, None)
                .await;
            match sent {
                // The server closed the connection while it was idle.
                Err(TransportError::Http(error))
                    if error.is_canceled()
                        || error.is_incomplete_message()
                        || error.is_closed() => {}
                other => return other,
            }
        }
        let body = body
            .take()
            .unwrap_or_else(|| bytes.map_or_else(empty, full));
        let connected =
            connect::connect(&url.origin, tls, &self.proxies, &self.timeouts, from).await?;
        let idle = start(connected, tls).await?;
        self.send_on(idle, &method, &url, &headers, body, upload)
            .await
    }

    async fn send_on(
        &self,
        mut idle: Connection,
        method: &Method,
        url: &Url,
        headers: &HeaderMap,
        body: Body,
        upload: Option<Arc<UploadState>>,
    ) -> Result<Response, TransportError> {
        let mut request = http::Request::new(body);
        *request.method_mut() = method.clone();
        *request.headers_mut() = headers.clone();
        let host = HeaderValue::from_str(&url.origin.authority())
            .map_err(|_| TransportError::Location(url.to_string()))?;
        request.headers_mut().insert(header::HOST, host);
        request
            .headers_mut()
            .insert(header::USER_AGENT, self.user_agent.clone());
        let target = match &idle.route.through_http_proxy {
            None => url.target.clone(),
            Some(authorization) => {
                if let Some(value) = authorization.as_deref().and_then(|v| v.try_into().ok()) {
                    request
                        .headers_mut()
                        .insert(header::PROXY_AUTHORIZATION, value);
                }
                url.to_string()
            }
        };
        *request.uri_mut() = target
            .parse()
            .map_err(|_| TransportError::Location(url.to_string()))?;
        let answer = idle.sender.send_request(request);
        let answer = match upload {
            None => timeout(self.timeouts.response, answer)
                .await
                .map_err(|_| TransportError::ResponseTimeout)?,
            Some(state) => state.watch(answer, &self.timeouts).await?,
        };
        let (head, body) = answer.map_err(TransportError::Http)?.into_parts();
        let reach = idle.route.reach;
        self.pool.put(&url.origin, idle);
        Ok(Response {
            status: head.status,
            headers: head.headers,
            url: url.clone(),
            reach,
            body,
            stall: self.timeouts.stall,
            waited: Duration::ZERO,
            in_window: 0,
        })
    }
}

async fn start(
    connected: Connected,
    tls: &Arc<ClientConfig>,
) -> Result<Connection, TransportError> {
    let Connected {
        stream,
        through_http_proxy,
        address,
    } = connected;
    let (sender, connection) = Builder::new()
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(TransportError::Http)?;
    // Ends with the connection, which ends when its sender is dropped.
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection to a registry ended");
        }
    });
    let reach = address.map_or(Reach::Public, Reach::of);
    Ok(Connection {
        sender,
        route: Route {
            reach,
            through_http_proxy,
        },
        tls: Arc::clone(tls),
    })
}

fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

fn full(bytes: Bytes) -> Body {
    Full::new(bytes)
        .map_err(|never| match never {})
        .boxed_unsync()
}

impl Payload {
    fn into_body(self) -> Body {
        match self {
            Self::Empty => empty(),
            Self::Bytes(bytes) => full(bytes),
            Self::Upload(body) => body.boxed_unsync(),
        }
    }
}

impl Response {
    /// A header's text.
    pub fn header(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The next bytes of the body. Fails when fewer than [`STALL_BYTES`] came in the stall
    /// limit; only time spent waiting here counts.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, TransportError> {
        loop {
            let left = self.stall.saturating_sub(self.waited);
            let began = Instant::now();
            let frame = match timeout(left, self.body.frame()).await {
                Err(_) => return Err(TransportError::Stalled(self.stall)),
                Ok(None) => return Ok(None),
                Ok(Some(frame)) => frame.map_err(TransportError::Http)?,
            };
            self.waited += began.elapsed();
            let Ok(data) = frame.into_data() else {
                continue;
            };
            self.in_window += data.len() as u64;
            if self.in_window >= STALL_BYTES {
                (self.waited, self.in_window) = (Duration::ZERO, 0);
            }
            if !data.is_empty() {
                return Ok(Some(data));
            }
        }
    }

    /// The whole body, at most `limit` bytes.
    pub async fn bytes(mut self, limit: usize) -> Result<Bytes, TransportError> {
        let mut whole = BytesMut::new();
        while let Some(chunk) = self.chunk().await? {
            if whole.len() + chunk.len() > limit {
                return Err(TransportError::TooLarge(limit));
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }

    /// The body up to `limit` bytes, whatever follows; nothing when it breaks.
    pub async fn text(mut self, limit: usize) -> String {
        let mut whole = Vec::new();
        while let Ok(Some(chunk)) = self.chunk().await {
            whole.extend_from_slice(&chunk[..chunk.len().min(limit - whole.len())]);
            if whole.len() == limit {
                break;
            }
        }
        String::from_utf8_lossy(&whole).into_owned()
    }
}
