//! The beginning of every TLS client here: which cryptography, and whom to believe.
//!
//! Purpose: registries, engines and receivers of logs are spoken to with the same
//! versions and ciphers, and the one verifier that believes anybody stands in one place,
//! where it can be found.
//!
//! Entry point: [`client`], which gives rustls' builder before the client's own
//! certificate.
//!
//! Invariants: whoever is believed, the signature of the handshake is checked, so that
//! nobody in between can change what is sent after it.
//!
//! Never knows: files, hosts, and who asked for what.
//!
//! Documentation: <https://docs.rs/rustls>
#![forbid(unsafe_code)]

mod authorities;

use authorities::Authorities;
use rustls::{
    ClientConfig, ConfigBuilder, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WantsClientCert, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use std::sync::Arc;

/// Whose certificate is believed.
#[derive(Debug)]
pub enum Trust {
    /// One that an authority has signed, or an authority's own, for the name that was asked
    /// for.
    Authorities(RootCertStore),
    /// Anybody's: somebody has said so for this very server.
    Anybody,
}

/// A client's settings up to its own certificate.
///
/// # Errors
/// Only if the cryptography had none of the protocol's versions.
pub fn client(trust: Trust) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, rustls::Error> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    Ok(match trust {
        Trust::Authorities(roots) => {
            let roots = Arc::new(roots);
            let signed = WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots), provider);
            match signed.build() {
                Ok(signed) => builder
                    .dangerous()
                    .with_custom_certificate_verifier(Arc::new(Authorities { roots, signed })),
                // There are none, and nobody is believed.
                Err(_) => builder.with_root_certificates(roots),
            }
        }
        Trust::Anybody => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody(provider))),
    })
}

/// Believes every certificate.
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
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
