//! TLS towards an engine: own authority, client certificate, or no check at all.

use crate::ClientError;
use corten_tls::Trust;
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use std::{path::PathBuf, sync::Arc};
use tokio_rustls::TlsConnector;

/// The files that `--tlscacert`, `--tlscert`, `--tlskey` and `--tlsverify` name.
#[derive(Debug, Clone, Default)]
pub struct TlsFiles {
    /// Authority that signed the engine's certificate; the system's own when absent.
    pub authority: Option<PathBuf>,
    /// The client's certificate.
    pub certificate: Option<PathBuf>,
    /// The client's key.
    pub key: Option<PathBuf>,
    /// Whether the engine's certificate is checked.
    pub verify: bool,
}

fn refused(path: impl std::fmt::Display, why: impl std::fmt::Display) -> ClientError {
    ClientError::Tls {
        path: path.to_string(),
        why: why.to_string(),
    }
}

pub(crate) fn server_name(host: &str) -> Result<ServerName<'static>, ClientError> {
    ServerName::try_from(host.to_owned()).map_err(|error| refused(host, error))
}

fn certificates(path: &PathBuf) -> Result<Vec<CertificateDer<'static>>, ClientError> {
    CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| refused(path.display(), error))
}

fn roots(files: &TlsFiles) -> Result<RootCertStore, ClientError> {
    let mut roots = RootCertStore::empty();
    match &files.authority {
        Some(path) => {
            for certificate in certificates(path)? {
                roots
                    .add(certificate)
                    .map_err(|error| refused(path.display(), error))?;
            }
        }
        None => {
            let native = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(native.certs);
        }
    }
    Ok(roots)
}

pub(crate) fn connector(files: &TlsFiles) -> Result<TlsConnector, ClientError> {
    let trust = if files.verify {
        Trust::Authorities(roots(files)?)
    } else {
        // `--tls` without `--tlsverify`: encrypted, to whoever answers.
        Trust::Anybody
    };
    let builder = corten_tls::client(trust).map_err(|error| refused("protocol versions", error))?;
    let config = match (&files.certificate, &files.key) {
        (Some(certificate), Some(key)) => {
            let parsed =
                PrivateKeyDer::from_pem_file(key).map_err(|error| refused(key.display(), error))?;
            builder
                .with_client_auth_cert(certificates(certificate)?, parsed)
                .map_err(|error| refused(certificate.display(), error))?
        }
        _ => builder.with_no_client_auth(),
    };
    Ok(TlsConnector::from(Arc::new(config)))
}
