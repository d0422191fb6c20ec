//! Requests of our own, to an object store and to web hooks: HTTP/1.1 over plain TCP or
//! TLS, with the system's certificates and those of a file.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use std::{error::Error as StdError, io, path::Path, sync::Arc, time::Duration};

/// Idle connections are kept this long; object stores close them after a little more.
const IDLE: Duration = Duration::from_secs(15);
/// For a connection to stand.
const CONNECT: Duration = Duration::from_secs(10);

pub(crate) type OutboundBody = UnsyncBoxBody<Bytes, Box<dyn StdError + Send + Sync>>;

/// A client with its pool of connections. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Outbound(Client<HttpsConnector<HttpConnector>, OutboundBody>);

impl Outbound {
    /// A client that trusts the system's certificates and those of `authority`, a PEM file.
    pub fn new(authority: Option<&Path>) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        let system = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(system.certs);
        if let Some(path) = authority {
            let file = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
            let certificates: Vec<_> = file.map_err(io::Error::other)?;
            for certificate in certificates {
                roots.add(certificate).map_err(io::Error::other)?;
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut tcp = HttpConnector::new();
        tcp.set_connect_timeout(Some(CONNECT));
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .pool_timer(TokioTimer::new())
            .build(connector);
        Ok(Self(client))
    }

    /// Sends a request; the response's head must come within `time`.
    pub async fn send<B>(
        &self,
        request: Request<B>,
        time: Duration,
    ) -> io::Result<Response<Incoming>>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: StdError + Send + Sync + 'static,
    {
        let request = request.map(|body| {
            body.map_err(|e| -> Box<dyn StdError + Send + Sync> { Box::new(e) })
                .boxed_unsync()
        });
        match tokio::time::timeout(time, self.0.request(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) if error.is_connect() => {
                Err(io::Error::new(io::ErrorKind::NotConnected, error))
            }
            Ok(Err(error)) => Err(io::Error::new(io::ErrorKind::ConnectionAborted, error)),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}
