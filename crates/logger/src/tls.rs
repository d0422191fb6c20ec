//! TLS to a receiver.

use crate::dial;
use crate::error::LoggerError;
use crate::wire::Wire;
use corten_logs::options::SyslogTls;
use corten_tls::Trust;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// A client's side of TLS, made once and used for every connection.
pub(crate) fn client(files: &SyslogTls) -> Result<Arc<ClientConfig>, LoggerError> {
    // `syslog-tls-skip-verify`.
    let trust = if files.skip_verify {
        Trust::Anybody
    } else {
        Trust::Authorities(roots(files.authority.as_deref())?)
    };
    let builder = corten_tls::client(trust).map_err(LoggerError::TlsFiles)?;
    let config = match (&files.certificate, &files.key) {
        (Some(certificate), Some(key)) => {
            let chain = certificates(certificate).map_err(|source| LoggerError::KeyPair {
                path: certificate.clone(),
                source,
            })?;
            let read = fs::read(key).and_then(|bytes| {
                PrivateKeyDer::from_pem_slice(&bytes)
                    .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))
            });
            let key = read.map_err(|source| LoggerError::KeyPair {
                path: key.clone(),
                source,
            })?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(LoggerError::TlsFiles)?
        }
        _ => builder.with_no_client_auth(),
    };
    Ok(Arc::new(config))
}

/// Connects and shakes hands.
pub(crate) fn connect(
    config: &Arc<ClientConfig>,
    host: &str,
    port: u16,
) -> Result<Wire, LoggerError> {
    let (mut stream, address) = dial::tcp(host, port)?;
    let failed = |source: io::Error| LoggerError::Handshake {
        address: address.to_string(),
        source,
    };
    let name = ServerName::try_from(host.to_owned()).map_err(|error| {
        failed(io::Error::new(
            io::ErrorKind::InvalidInput,
            error.to_string(),
        ))
    })?;
    let mut connection =
        ClientConnection::new(Arc::clone(config), name).map_err(LoggerError::TlsFiles)?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream).map_err(failed)?;
    }
    Ok(Wire::Tls(Box::new(rustls::StreamOwned::new(
        connection, stream,
    ))))
}

/// The system's authorities, and one more.
fn roots(more: Option<&Path>) -> Result<RootCertStore, LoggerError> {
    let mut roots = RootCertStore::empty();
    // Without any of the system's, the one given has to do.
    let _added = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = more {
        let failed = |source: io::Error| LoggerError::Authority {
            path: path.to_owned(),
            source,
        };
        for certificate in certificates(path).map_err(failed)? {
            roots.add(certificate).map_err(LoggerError::TlsFiles)?;
        }
    }
    Ok(roots)
}

fn certificates(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let bytes = fs::read(path)?;
    CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<_, _>>()
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))
}
