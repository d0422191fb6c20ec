//! The program's life: open, bind, serve, collect, end.

use crate::{
    config::{Config, ConfigError},
    limits::{CONNECTIONS, HEAD_TIME},
    listen::Listener,
    registry::Registry,
    reply, routes,
};
use http::{Response, StatusCode};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{convert::Infallible, io, path::PathBuf, sync::Arc, time::Duration};
use thiserror::Error;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::Semaphore,
    task::JoinSet,
    time::sleep,
};

/// Requests under way at the end may go on for this long.
const LAST_REQUESTS: Duration = Duration::from_secs(20);

/// The registry cannot be served.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The storage cannot be opened.
    #[error("opening the storage")]
    Storage(#[source] io::Error),
    /// A file the configuration names.
    #[error("reading {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file with a key or a certificate.
    #[error("{path}: {reason}")]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Tokens without a key to check them.
    #[error("token: no certificates and no keys to check tokens with")]
    NoKeys,
    /// An upstream's configuration.
    #[error("upstreams")]
    Upstream(#[source] corten_distribution::Error),
    /// An address cannot be served.
    #[error("listening on {address}")]
    Bind {
        /// As it was written.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// Signals or threads.
    #[error("starting")]
    Start(#[source] io::Error),
}

impl Registry {
    /// Serves an address until the future is dropped; connections that are open then end
    /// with it.
    pub async fn serve(&self, listener: Listener) {
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        let registry = Arc::new(self.clone());
        let mut connections = JoinSet::new();
        loop {
            let Ok(place) = Arc::clone(&room).acquire_owned().await else {
                return;
            };
            let accepted = listener.accept().await;
            let registry = Arc::clone(&registry);
            connections.spawn(async move {
                routes::serve_connection(registry, accepted).await;
                drop(place);
            });
            while connections.try_join_next().is_some() {}
        }
    }

    /// Serves `/metrics` and `/health` on an address of their own, in plain HTTP.
    async fn serve_metrics(&self, listener: Listener) {
        let mut connections = JoinSet::new();
        loop {
            let accepted = listener.accept().await;
            let registry = self.clone();
            connections.spawn(async move {
                let Ok((stream, _)) = accepted.handshake().await else {
                    return;
                };
                let service = service_fn(move |request: http::Request<Incoming>| {
                    let registry = registry.clone();
                    async move { Ok::<_, Infallible>(registry.figures(request.uri().path())) }
                });
                let served = hyper::server::conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEAD_TIME)
                    .serve_connection(TokioIo::new(stream), service);
                if let Err(error) = served.await {
                    tracing::debug!(%error, "connection ended");
                }
            });
            while connections.try_join_next().is_some() {}
        }
    }

    fn figures(&self, path: &str) -> Response<reply::Body> {
        match path {
            "/metrics" => {
                let metrics = &self.0.metrics;
                self.0.events.count_into(metrics);
                let kind = "text/plain; version=0.0.4; charset=utf-8";
                reply::bytes(StatusCode::OK, kind, metrics.text().into())
            }
            "/health" => reply::empty(StatusCode::OK),
            _ => reply::empty(StatusCode::NOT_FOUND),
        }
    }

    /// Requests whose answers are not over.
    pub fn requests_under_way(&self) -> u64 {
        let count = &self.0.metrics.in_flight;
        count.load(std::sync::atomic::Ordering::Relaxed)
    }

    async fn collect_forever(&self) {
        let pause = Duration::from_secs(self.0.config.collect_seconds);
        loop {
            sleep(pause).await;
            match self.collect().await {
                Ok(done) => tracing::info!(
                    tags = done.tags,
                    manifests = done.manifests,
                    blobs = done.blobs,
                    bytes = done.bytes,
                    uploads = done.uploads,
                    "collected"
                ),
                Err(error) => {
                    let error = corten_base::chain(&error);
                    tracing::error!(error, "a collection failed; the next one tries again");
                }
            }
        }
    }
}

/// Serves a registry until SIGTERM or SIGINT. `ready` hears the addresses bound.
pub async fn serve(config: Config, ready: impl FnOnce(&[String])) -> Result<(), ServeError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(ServeError::Start)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServeError::Start)?;
    let registry = Registry::open(config.clone())?;
    let mut doors = JoinSet::new();
    let mut addresses = Vec::new();
    for address in &config.listen {
        let listener = Listener::bind(address, config.tls.as_ref()).await?;
        addresses.push(listener.address().map_err(ServeError::Start)?.to_string());
        let registry = registry.clone();
        doors.spawn(async move { registry.serve(listener).await });
    }
    if let Some(address) = &config.metrics_listen {
        let listener = Listener::bind(address, None).await?;
        let registry = registry.clone();
        doors.spawn(async move { registry.serve_metrics(listener).await });
    }
    if config.collect_seconds > 0 {
        let registry = registry.clone();
        doors.spawn(async move { registry.collect_forever().await });
    }
    ready(&addresses);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("the registry ends");
    let deadline = tokio::time::Instant::now() + LAST_REQUESTS;
    while registry.requests_under_way() > 0 && tokio::time::Instant::now() < deadline {
        sleep(Duration::from_millis(50)).await;
    }
    doors.shutdown().await;
    Ok(())
}
