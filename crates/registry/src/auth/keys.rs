//! Keys that sign tokens: certificates, public keys, JWK sets; and the check of a
//! signature. RFC 7515, 7517, 7518, 8037.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm};
use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer, UnixTime, pem::PemObject};
use serde::Deserialize;
use std::path::Path;

/// A key that may sign tokens.
pub(crate) struct Key {
    /// Its name, if it has one.
    pub id: Option<String>,
    kind: Kind,
}

enum Kind {
    /// Modulus and exponent, big-endian.
    Rsa(Vec<u8>, Vec<u8>),
    /// A point of P-256, uncompressed.
    P256(Vec<u8>),
    /// A point of P-384, uncompressed.
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

/// Object identifiers as they stand in a subject public key info. RFC 5480, 8017, 8410.
const OID_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
const OID_EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const OID_P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
const OID_P384: &[u8] = &[0x2b, 0x81, 0x04, 0, 0x22];
const OID_ED25519: &[u8] = &[0x2b, 0x65, 0x70];

impl Key {
    /// Whether `signature` over `message` is this key's, made as `algorithm` says. A key
    /// of another kind never fits, whatever the token claims.
    pub fn fits(&self, algorithm: &str, message: &[u8], signature: &[u8]) -> bool {
        let plain = |kind: &'static dyn VerificationAlgorithm, key: &[u8]| {
            UnparsedPublicKey::new(kind, key)
                .verify(message, signature)
                .is_ok()
        };
        match (&self.kind, algorithm) {
            (Kind::P256(key), "ES256") => plain(&signature::ECDSA_P256_SHA256_FIXED, key),
            (Kind::P384(key), "ES384") => plain(&signature::ECDSA_P384_SHA384_FIXED, key),
            (Kind::Ed25519(key), "EdDSA") => plain(&signature::ED25519, key),
            (Kind::Rsa(n, e), _) => {
                let kind = match algorithm {
                    "RS256" => &signature::RSA_PKCS1_2048_8192_SHA256,
                    "RS384" => &signature::RSA_PKCS1_2048_8192_SHA384,
                    "RS512" => &signature::RSA_PKCS1_2048_8192_SHA512,
                    "PS256" => &signature::RSA_PSS_2048_8192_SHA256,
                    "PS384" => &signature::RSA_PSS_2048_8192_SHA384,
                    "PS512" => &signature::RSA_PSS_2048_8192_SHA512,
                    _ => return false,
                };
                let key = RsaPublicKeyComponents { n, e };
                key.verify(kind, message, signature).is_ok()
            }
            _ => false,
        }
    }

    /// From a subject public key info.
    fn from_spki(spki: &[u8], id: Option<String>) -> Option<Self> {
        let (whole, _) = der(spki, 0x30)?;
        let (algorithm, rest) = der(whole, 0x30)?;
        let (bits, _) = der(rest, 0x03)?;
        // The first byte counts unused bits: none in a key.
        let key = bits.strip_prefix(&[0])?;
        let (oid, parameters) = der(algorithm, 0x06)?;
        let kind = match oid {
            OID_RSA => {
                let (pair, _) = der(key, 0x30)?;
                let (modulus, rest) = der(pair, 0x02)?;
                let (exponent, _) = der(rest, 0x02)?;
                Kind::Rsa(unsigned(modulus), unsigned(exponent))
            }
            OID_EC => match der(parameters, 0x06)?.0 {
                OID_P256 => Kind::P256(key.to_vec()),
                OID_P384 => Kind::P384(key.to_vec()),
                _ => return None,
            },
            OID_ED25519 => Kind::Ed25519(key.to_vec()),
            _ => return None,
        };
        Some(Self { id, kind })
    }

    /// From a certificate.
    pub fn from_certificate(certificate: &CertificateDer<'_>) -> Option<Self> {
        let parsed = webpki::EndEntityCert::try_from(certificate).ok()?;
        Self::from_spki(parsed.subject_public_key_info().as_ref(), None)
    }
}

/// Certificates and public keys of a PEM file.
pub(crate) fn read_pem(
    path: &Path,
    keys: &mut Vec<Key>,
    roots: &mut Vec<CertificateDer<'static>>,
) -> Result<(), String> {
    let text = std::fs::read(path).map_err(|error| error.to_string())?;
    let before = keys.len();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|error| error.to_string())?;
        let key = Key::from_certificate(&certificate);
        keys.push(key.ok_or("a certificate with a key of an unknown kind")?);
        roots.push(certificate);
    }
    for key in SubjectPublicKeyInfoDer::pem_slice_iter(&text) {
        let key = key.map_err(|error| error.to_string())?;
        let key = Key::from_spki(key.as_ref(), None);
        keys.push(key.ok_or("a public key of an unknown kind")?);
    }
    match keys.len() > before {
        true => Ok(()),
        false => Err("neither a certificate nor a public key".into()),
    }
}

/// The keys of a JWK set; those of kinds we do not know are left out.
pub(crate) fn read_jwks(path: &Path) -> Result<Vec<Key>, String> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<Jwk>,
    }
    let text = std::fs::read(path).map_err(|error| error.to_string())?;
    let set: Set = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    let keys: Vec<Key> = set.keys.into_iter().filter_map(Jwk::key).collect();
    match keys.is_empty() {
        true => Err("no key of a known kind".into()),
        false => Ok(keys),
    }
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    crv: String,
    #[serde(default)]
    n: String,
    #[serde(default)]
    e: String,
    #[serde(default)]
    x: String,
    #[serde(default)]
    y: String,
}

impl Jwk {
    fn key(self) -> Option<Key> {
        let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok();
        let point = || Some([&[4][..], &bytes(&self.x)?, &bytes(&self.y)?].concat());
        let kind = match (self.kty.as_str(), self.crv.as_str()) {
            ("RSA", _) => Kind::Rsa(bytes(&self.n)?, bytes(&self.e)?),
            ("EC", "P-256") => Kind::P256(point()?),
            ("EC", "P-384") => Kind::P384(point()?),
            ("OKP", "Ed25519") => Kind::Ed25519(bytes(&self.x)?),
            _ => return None,
        };
        Some(Key { id: self.kid, kind })
    }
}

/// The key of a chain of certificates that a token carries (`x5c`), if one of `roots`
/// vouches for it now.
pub(crate) fn chained(chain: &[String], roots: &[CertificateDer<'static>]) -> Option<Key> {
    let decoded: Option<Vec<CertificateDer<'static>>> = chain
        .iter()
        .map(|text| STANDARD.decode(text).ok().map(CertificateDer::from))
        .collect();
    let decoded = decoded?;
    let (own, between) = decoded.split_first()?;
    let anchors: Vec<_> = roots
        .iter()
        .filter_map(|root| webpki::anchor_from_trusted_cert(root).ok())
        .collect();
    let certificate = webpki::EndEntityCert::try_from(own).ok()?;
    // A root itself is its own proof.
    let is_root = roots.iter().any(|root| root == own);
    let verified = certificate.verify_for_usage(
        webpki::ALL_VERIFICATION_ALGS,
        &anchors,
        between,
        UnixTime::now(),
        webpki::KeyUsage::client_auth(),
        None,
        None,
    );
    match is_root || verified.is_ok() {
        true => Key::from_certificate(own),
        false => None,
    }
}

/// One element of DER with this tag, and what follows it. ITU-T X.690 § 8.1.
fn der(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    if found != tag {
        return None;
    }
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 | 0x82 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let length = digits
                .iter()
                .fold(0, |n, digit| n << 8 | usize::from(*digit));
            (length, rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// A DER integer's bytes without the zero that keeps it positive.
fn unsigned(bytes: &[u8]) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes[zeros..].to_vec()
}
