//! The verifier that believes authorities.
//!
//! A server's own certificate may be one of them: `openssl req -x509`, which Docker's
//! documentation uses for a registry of one's own, makes one that says it is an authority
//! (basicConstraints CA:TRUE), and users give it to the client as such. webpki refuses that
//! for a server; Go, OpenSSL and browsers take it where it is trusted itself.

use rustls::{
    CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime},
    server::ParsedCertificate,
};
use std::sync::Arc;

/// Believes what authorities have signed, and the authorities themselves.
#[derive(Debug)]
pub(crate) struct Authorities {
    pub roots: Arc<RootCertStore>,
    pub signed: Arc<WebPkiServerVerifier>,
}

impl Authorities {
    /// Whether this certificate's name and key are those of an authority that may vouch for
    /// every name: what limits one is checked of those whom it signs, so it is none here.
    fn is_one(&self, certificate: &CertificateDer<'_>) -> bool {
        let mut own = RootCertStore::empty();
        let taken = own.add(certificate.clone().into_owned());
        let believed = |it: &TrustAnchor<'_>| {
            it.name_constraints.is_none() && self.roots.roots.iter().any(|root| root == it)
        };
        taken.is_ok() && own.roots.iter().all(believed)
    }
}

/// webpki says so of a certificate that is valid today and says it is an authority.
fn is_authority(error: &Error) -> bool {
    let Error::InvalidCertificate(CertificateError::Other(other)) = error else {
        return false;
    };
    let reason = other.0.downcast_ref::<webpki::Error>();
    matches!(reason, Some(webpki::Error::CaUsedAsEndEntity))
}

impl ServerCertVerifier for Authorities {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let signed = &self.signed;
        let verified =
            signed.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            Err(error) if is_authority(&error) => {
                if !self.is_one(end_entity) {
                    return Err(CertificateError::UnknownIssuer.into());
                }
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signed
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signed
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signed.supported_verify_schemes()
    }
}
