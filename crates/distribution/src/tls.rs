//! TLS settings for one registry: system roots, its own directory of certificates, or
//! no verification where the machine's owner said so.

use crate::error::{Error, Result};
use corten_tls::Trust;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use std::{
    collections::HashMap,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

/// Settings kept for the next request.
const SETTINGS_MAX: usize = 64;

/// Builds TLS settings; the system's roots are read once, at the first need. As long as a
/// registry's files stay as they are it has the same settings, and with them the sessions
/// that its servers offered to go on with.
#[derive(Default)]
pub(crate) struct Tls {
    roots: OnceLock<RootCertStore>,
    // Lock: held for look-ups only.
    made: Mutex<HashMap<Inputs, Arc<ClientConfig>>>,
}

/// What settings are made from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Inputs {
    insecure: bool,
    authorities: Vec<Stamp>,
    client: Option<(Stamp, Stamp)>,
}

/// A file, and what changes when somebody writes to it or puts another in its place.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Stamp {
    path: PathBuf,
    inode: u64,
    bytes: u64,
    /// Seconds and nanoseconds of its last change.
    changed: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self {
            path: path.to_owned(),
            inode: metadata.ino(),
            bytes: metadata.len(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

/// The files that count for one registry.
#[derive(Debug, Default)]
pub(crate) struct TlsFiles {
    /// Directories of its own: `*.crt` vouches for it, `*.cert` and `*.key` are the client's.
    pub directories: Vec<PathBuf>,
    /// Further certificates that vouch for it.
    pub authorities: Vec<PathBuf>,
    /// The client's certificate and key; before those of the directories.
    pub client: Option<(PathBuf, PathBuf)>,
}

impl Tls {
    /// Settings for a registry that these files belong to.
    pub fn config(&self, own: &TlsFiles, insecure: bool) -> Result<Arc<ClientConfig>> {
        let files: Vec<PathBuf> = own.directories.iter().flat_map(|it| files(it)).collect();
        let authorities = files.iter().filter(|path| has_extension(path, "crt"));
        let authorities: Vec<&PathBuf> = authorities.chain(&own.authorities).collect();
        let found = files.iter().find(|path| has_extension(path, "cert"));
        let found = found.map(|cert| (cert.clone(), cert.with_extension("key")));
        let client = own.client.clone().or(found);
        // Taken before the files are read: what changes meanwhile is read anew next time.
        let inputs = inputs(&authorities, client.as_ref(), insecure);
        let made = || self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = inputs.as_ref().and_then(|it| made().get(it).cloned()) {
            return Ok(config);
        }
        let config = Arc::new(self.make(&authorities, client, insecure)?);
        if let Some(inputs) = inputs {
            let mut made = made();
            if made.len() == SETTINGS_MAX {
                made.clear();
            }
            made.insert(inputs, Arc::clone(&config));
        }
        Ok(config)
    }

    fn make(
        &self,
        authorities: &[&PathBuf],
        client: Option<(PathBuf, PathBuf)>,
        insecure: bool,
    ) -> Result<ClientConfig> {
        let trust = if insecure {
            Trust::Anybody
        } else {
            Trust::Authorities(self.roots(authorities)?)
        };
        let builder =
            corten_tls::client(trust).map_err(|e| config_error("TLS", Path::new("versions"), e))?;
        let mut config = match client {
            None => builder.with_no_client_auth(),
            Some((cert, key)) => {
                let chain = certificates(&cert)?;
                let key = PrivateKeyDer::from_pem_file(key)
                    .map_err(|e| config_error("client key of", &cert, e))?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|e| config_error("client certificate", &cert, e))?
            }
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }

    fn roots(&self, files: &[&PathBuf]) -> Result<RootCertStore> {
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
        for path in files {
            for certificate in certificates(path)? {
                roots
                    .add(certificate)
                    .map_err(|e| config_error("CA certificate", path, e))?;
            }
        }
        Ok(roots)
    }
}

/// None when one of the files is not there: that is for whoever reads it to say.
fn inputs(
    authorities: &[&PathBuf],
    client: Option<&(PathBuf, PathBuf)>,
    insecure: bool,
) -> Option<Inputs> {
    let stamps = authorities.iter().map(|path| Stamp::of(path));
    let pair = |(cert, key): &(PathBuf, PathBuf)| Some((Stamp::of(cert)?, Stamp::of(key)?));
    Some(Inputs {
        insecure,
        authorities: stamps.collect::<Option<_>>()?,
        client: match client {
            Some(files) => Some(pair(files)?),
            None => None,
        },
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::ProxyConfig,
        connect::connect,
        error::TransportError,
        limits::Timeouts,
        url::{Origin, Scheme},
    };
    use rcgen::{BasicConstraints, CertificateParams, GeneralSubtree, IsCa, NameConstraints};
    use rustls::{ServerConfig, crypto::ring, pki_types::PrivatePkcs8KeyDer};
    use tokio::net::TcpListener;

    /// A TLS server on loopback with a certificate of its own making, in PEM; `is_ca`: as
    /// `openssl req -x509` makes them.
    async fn server(name: &str, is_ca: IsCa) -> (Origin, String) {
        let mut made = CertificateParams::new(vec![name.into()]).unwrap();
        made.is_ca = is_ca;
        server_with(made).await
    }

    async fn server_with(made: CertificateParams) -> (Origin, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let made = made.self_signed(&key).unwrap();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.der().clone()], key.into())
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(acceptor.accept(stream));
            }
        });
        (Origin::parse(Scheme::Https, &address).unwrap(), made.pem())
    }

    #[tokio::test]
    async fn a_certificate_is_trusted_when_it_lies_in_the_registrys_directory() {
        let (origin, pem) = server("127.0.0.1", IsCa::NoCa).await;
        let directory = tempfile::tempdir().unwrap();
        let own = TlsFiles {
            directories: vec![directory.path().to_owned()],
            ..TlsFiles::default()
        };
        let (tls, proxies, timeouts) =
            (Tls::default(), ProxyConfig::default(), Timeouts::default());
        let try_it = async |config: Arc<ClientConfig>| {
            connect(&origin, &config, &proxies, &timeouts, None)
                .await
                .map(drop)
        };
        let unknown = try_it(tls.config(&own, false).unwrap()).await;
        assert!(
            matches!(unknown, Err(TransportError::Certificate(_))),
            "{unknown:?}"
        );
        try_it(tls.config(&own, true).unwrap()).await.unwrap();
        let same = |one: &Arc<ClientConfig>| Arc::ptr_eq(one, &tls.config(&own, false).unwrap());
        let without = tls.config(&own, false).unwrap();
        assert!(same(&without), "nothing has changed");
        std::fs::write(directory.path().join("ca.crt"), &pem).unwrap();
        assert!(!same(&without), "a file has come");
        try_it(tls.config(&own, false).unwrap()).await.unwrap();
        // A file named for this registry, wherever it lies.
        let elsewhere = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(elsewhere.path(), pem).unwrap();
        let own = TlsFiles {
            authorities: vec![elsewhere.path().to_owned()],
            ..TlsFiles::default()
        };
        try_it(tls.config(&own, false).unwrap()).await.unwrap();
    }

    #[tokio::test]
    async fn a_servers_own_certificate_may_be_the_authority() {
        let is_ca = || IsCa::Ca(BasicConstraints::Unconstrained);
        let (proxies, timeouts) = (ProxyConfig::default(), Timeouts::default());
        let directory = tempfile::tempdir().unwrap();
        let own = TlsFiles {
            directories: vec![directory.path().to_owned()],
            ..TlsFiles::default()
        };
        let said = async |origin: &Origin| {
            let config = Tls::default().config(&own, false).unwrap();
            let connected = connect(origin, &config, &proxies, &timeouts, None).await;
            connected.map(drop).map_err(|error| error.to_string())
        };
        let (origin, pem) = server("127.0.0.1", is_ca()).await;
        let (_, others) = server("127.0.0.1", is_ca()).await;
        let file = directory.path().join("ca.crt");
        std::fs::write(&file, others).unwrap();
        let unknown =
            "tls: failed to verify certificate: x509: certificate signed by unknown authority";
        assert_eq!(said(&origin).await, Err(unknown.into()));
        std::fs::write(&file, pem).unwrap();
        assert_eq!(said(&origin).await, Ok(()));
        // Trusted, and not this server's.
        let (origin, pem) = server("other.example", is_ca()).await;
        std::fs::write(&file, pem).unwrap();
        let error = said(&origin).await.unwrap_err();
        assert!(error.contains("not valid for"), "{error}");
        // An authority for some names is none for its own server of another name.
        let mut limited = CertificateParams::new(vec!["127.0.0.1".into()]).unwrap();
        limited.is_ca = is_ca();
        limited.name_constraints = Some(NameConstraints {
            permitted_subtrees: vec![GeneralSubtree::DnsName("corp.example".into())],
            excluded_subtrees: Vec::new(),
        });
        let (origin, pem) = server_with(limited).await;
        std::fs::write(&file, pem).unwrap();
        assert_eq!(said(&origin).await, Err(unknown.into()));
    }

    #[tokio::test]
    async fn a_server_without_tls_is_told_from_a_bad_certificate() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let answer = b"HTTP/1.0 400 Bad Request\r\n\r\n";
                let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, answer).await;
            }
        });
        let origin = Origin::parse(Scheme::Https, &address).unwrap();
        let config = Tls::default().config(&TlsFiles::default(), true).unwrap();
        let result = connect(
            &origin,
            &config,
            &ProxyConfig::default(),
            &Timeouts::default(),
            None,
        )
        .await;
        assert!(matches!(result, Err(TransportError::NotTls)));
    }
}
