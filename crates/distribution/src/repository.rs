//! One repository of one registry, for one piece of work: requests with authorization,
//! redirects, retries and the choice among several servers.

use crate::{
    answer,
    config::Credentials,
    connect::Reach,
    error::{Error, Result, TransportError},
    http::{Http, Payload, Request, Response},
    limits::{ATTEMPTS, REDIRECTS_MAX, RETRY_PAUSE_MAX},
    registries::{Endpoint, Shared},
    token::Authorizer,
    url::{Scheme, Url},
};
use bytes::Bytes;
use corten_oci::Reference;
use http::{HeaderMap, Method, StatusCode, header};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// What a session is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reading.
    Pull,
    /// Reading and writing.
    Push,
}

/// A repository on a registry and its mirrors.
pub struct Repository {
    pub(crate) shared: Arc<Shared>,
    pub(crate) http: Http,
    pub(crate) path: String,
    pub(crate) scope: String,
    servers: Vec<Server>,
    /// Index of the server that answered last.
    chosen: AtomicUsize,
}

pub(crate) struct Server {
    pub endpoint: Endpoint,
    authorizer: Authorizer,
}

/// A request to a server, as often as it must be sent.
pub(crate) struct Ask<'a> {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Option<Bytes>,
    pub scope: &'a str,
    /// The reach of the server that named the URL, when that was another one.
    pub from: Option<Reach>,
}

impl<'a> Ask<'a> {
    pub fn new(method: Method, url: Url, scope: &'a str) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: None,
            scope,
            from: None,
        }
    }
}

impl Repository {
    pub(crate) fn new(
        shared: Arc<Shared>,
        endpoints: Vec<Endpoint>,
        name: &Reference,
        credentials: Option<Credentials>,
        access: Access,
    ) -> Self {
        let path = name.path().to_owned();
        let rights = match access {
            Access::Pull => "pull",
            Access::Push => "pull,push",
        };
        let scope = format!("repository:{path}:{rights}");
        let server = |endpoint: Endpoint| {
            // What the user gave is for the registry, not for its mirrors.
            let credentials = if endpoint.mirror {
                None
            } else {
                credentials.clone()
            };
            Server {
                endpoint,
                authorizer: Authorizer::new(credentials),
            }
        };
        let servers = endpoints.into_iter().map(server).collect();
        Self {
            http: shared.http(),
            shared,
            path,
            scope,
            servers,
            chosen: AtomicUsize::new(0),
        }
    }

    /// Runs `work` on the server that answered last, then on those after it, until one
    /// does it. A mirror's failure is never final; a registry reached over the wrong scheme
    /// is tried over the other.
    pub(crate) async fn on_servers<'s, T, F>(&'s self, work: impl Fn(&'s Server) -> F) -> Result<T>
    where
        F: Future<Output = Result<T>> + 's,
    {
        let first = self.chosen.load(Ordering::Relaxed);
        let mut failure = None;
        let mut told_by_mirror = false;
        for (index, server) in self.servers.iter().enumerate().skip(first) {
            let endpoint = &server.endpoint;
            match self.with_retries(|| work(server)).await {
                Ok(done) => {
                    self.chosen.store(index, Ordering::Relaxed);
                    self.shared.remember(endpoint);
                    return Ok(done);
                }
                Err(error) => {
                    let error = error.at_endpoint(endpoint);
                    if !endpoint.mirror && !error.is_connection() {
                        return Err(error);
                    }
                    if endpoint.mirror {
                        tracing::warn!(mirror = %endpoint.base, error = %error, "a mirror failed");
                    }
                    // The registry itself has the last word after its mirrors; of an insecure
                    // one's two schemes Docker tells about plain HTTP.
                    let is_plain = endpoint.base.origin.scheme == Scheme::Http;
                    if failure.is_none() || told_by_mirror || is_plain {
                        failure = Some(error);
                        told_by_mirror = endpoint.mirror;
                    }
                }
            }
        }
        Err(failure.unwrap_or_else(|| Error::Protocol("the registry has no address".into())))
    }

    async fn with_retries<T, F: Future<Output = Result<T>>>(
        &self,
        work: impl Fn() -> F,
    ) -> Result<T> {
        let mut attempt = 1;
        loop {
            match work().await {
                Err(error)
                    if error.is_transient() && !error.is_unreachable() && attempt < ATTEMPTS =>
                {
                    tracing::debug!(%error, attempt, "a request to a registry is tried again");
                    tokio::time::sleep(self.pause(attempt)).await;
                    attempt += 1;
                }
                other => return other,
            }
        }
    }

    /// The pause after the given failed attempt: doubling up to a limit.
    pub(crate) fn pause(&self, attempt: u32) -> Duration {
        let pause = self.shared.timeouts.retry_pause;
        (pause * 2_u32.saturating_pow(attempt.saturating_sub(1).min(16))).min(RETRY_PAUSE_MAX)
    }

    pub(crate) fn url(&self, server: &Server, rest: &str) -> Url {
        let base = &server.endpoint.base;
        base.origin
            .url(format!("{}{}/{rest}", base.target, self.path))
    }

    /// Sends a request with authorization and follows redirects of GET and HEAD.
    /// Responses of other statuses than 2xx are errors.
    pub(crate) async fn ask(&self, server: &Server, ask: Ask<'_>) -> Result<Response> {
        let response = self.ask_any(server, ask).await?;
        if !response.status.is_success() {
            return Err(answer::refusal(response).await.into());
        }
        Ok(response)
    }

    /// As [`Repository::ask`], whatever the status.
    pub(crate) async fn ask_any(&self, server: &Server, ask: Ask<'_>) -> Result<Response> {
        let mut url = ask.url.clone();
        let mut from = ask.from;
        let mut answered = false;
        let home = &server.endpoint.base.origin;
        let mut authorization = server.authorizer.known(ask.scope);
        for _ in 0..=REDIRECTS_MAX {
            let mut headers = ask.headers.clone();
            // Credentials are the registry's own: never sent to another host, port or scheme.
            let at_home = url.origin == *home;
            if let Some(value) = authorization.as_ref().filter(|_| at_home) {
                headers.insert(header::AUTHORIZATION, value.clone());
            }
            let payload = ask.body.clone().map_or(Payload::Empty, Payload::Bytes);
            let request = Request {
                method: ask.method.clone(),
                url: url.clone(),
                headers,
                payload,
                from,
            };
            let tls = self.shared.tls_for(&url.origin).await?;
            let sent = self.http.send(request, &tls).await;
            let response = sent.map_err(|e| Error::transport(&ask.method, &url, e))?;
            if response.status == StatusCode::UNAUTHORIZED && at_home && !answered {
                answered = true;
                let authorizer = &server.authorizer;
                let answer = authorizer
                    .answer(&self.http, &self.shared, &response, &ask.method, ask.scope)
                    .await?;
                let Some(value) = answer else {
                    return Ok(response);
                };
                authorization = Some(value);
                continue;
            }
            let followed = matches!(ask.method, Method::GET | Method::HEAD)
                && response.status.is_redirection()
                && response.status != StatusCode::NOT_MODIFIED;
            if !followed {
                return Ok(response);
            }
            let location = response
                .header(header::LOCATION)
                .unwrap_or_default()
                .to_owned();
            let next = url.join(&location).filter(|_| !location.is_empty());
            let fail = |e| Error::transport(&ask.method, &url, e);
            let next = next.ok_or_else(|| fail(TransportError::Location(location)))?;
            if url.origin.scheme == Scheme::Https && next.origin.scheme == Scheme::Http {
                return Err(fail(TransportError::Downgrade(next.to_string())));
            }
            from = (next.origin != *home).then_some(response.reach);
            url = next;
        }
        Err(Error::transport(
            &ask.method,
            &ask.url,
            TransportError::Redirects,
        ))
    }

    /// The server that answered last.
    pub(crate) fn current_server(&self) -> Result<&Server> {
        let server = self.servers.get(self.chosen.load(Ordering::Relaxed));
        server.ok_or_else(|| Error::Protocol("the registry has no address".into()))
    }

    /// The authorization for a request whose body can be sent only once.
    pub(crate) fn authorization(
        &self,
        server: &Server,
        scope: &str,
        url: &Url,
    ) -> Option<http::HeaderValue> {
        let at_home = url.origin == server.endpoint.base.origin;
        server.authorizer.known(scope).filter(|_| at_home)
    }
}

impl Server {
    pub(crate) fn for_login(endpoint: Endpoint, credentials: Credentials) -> Self {
        Self {
            endpoint,
            authorizer: Authorizer::new(Some(credentials)),
        }
    }

    pub(crate) fn refresh_token(&self) -> Option<String> {
        self.authorizer.refresh_token()
    }
}

impl Error {
    /// A server that cannot be reached is told by its base URL, as Docker does.
    fn at_endpoint(self, endpoint: &Endpoint) -> Self {
        let is_connection = self.is_connection();
        match self {
            Self::Transport { source, .. } if is_connection => Self::Transport {
                method: Method::GET,
                url: endpoint.base.to_string(),
                source,
            },
            other => other,
        }
    }
}
