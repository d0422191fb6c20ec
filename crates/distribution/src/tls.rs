//! TLS settings for one registry: system roots, its own directory of certificates, or
//! no verification where the machine's owner said so.

use crate::error::{Error, Result};
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

/// Builds TLS settings; the system's roots are read once, at the first need.
#[derive(Default)]
pub(crate) struct Tls {
    roots: OnceLock<RootCertStore>,
}

impl Tls {
    /// Settings for a registry whose certificates may lie in `directory`.
    pub fn config(&self, directory: Option<&Path>, insecure: bool) -> Result<Arc<ClientConfig>> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|e| config_error("TLS", Path::new("versions"), e))?;
        let files = directory.map(files).unwrap_or_default();
        let builder = if insecure {
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        } else {
            builder.with_root_certificates(self.roots(&files)?)
        };
        let client = files.iter().find(|path| has_extension(path, "cert"));
        let mut config = match client {
            None => builder.with_no_client_auth(),
            Some(cert) => {
                let chain = certificates(cert)?;
                let key = PrivateKeyDer::from_pem_file(cert.with_extension("key"))
                    .map_err(|e| config_error("client key of", cert, e))?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|e| config_error("client certificate", cert, e))?
            }
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    fn roots(&self, files: &[PathBuf]) -> Result<RootCertStore> {
        let mut roots = self
            .roots
            .get_or_init(|| {
                let mut roots = RootCertStore::empty();
                let found = rustls_native_certs::load_native_certs();
                for error in &found.errors {
                    tracing::warn!(%error, "a system certificate cannot be read");
                }
                roots.add_parsable_certificates(found.certs);
                roots
            })
            .clone();
        for path in files.iter().filter(|path| has_extension(path, "crt")) {
            for certificate in certificates(path)? {
                roots
                    .add(certificate)
                    .map_err(|e| config_error("CA certificate", path, e))?;
            }
        }
        Ok(roots)
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.path()).collect();
    files.sort();
    files
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found == extension)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|e| config_error("certificate", path, e))
}

fn config_error(what: &'static str, path: &Path, reason: impl ToString) -> Error {
    Error::Config {
        what,
        value: path.display().to_string(),
        reason: reason.to_string(),
    }
}

/// Accepts every certificate, for registries configured insecure. The handshake's
/// signature is still checked.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
