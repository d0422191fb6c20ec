//! Who may connect: modes of unix sockets, certificates on TCP.
#![allow(clippy::unwrap_used)]

use corten_engine::{Engine, EngineConfig};
use corten_server::{Listener, Server, ServerOptions, TlsFiles};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use std::{
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    sync::Arc,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::TlsConnector;

const PING: &[u8] = b"GET /_ping HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n";

async fn server(directory: &Path) -> Server {
    let mut config = EngineConfig {
        data_root: directory.join("data"),
        exec_root: directory.join("exec"),
        shim: Some("/bin/true".into()),
        ..EngineConfig::default()
    };
    config.network.bridge = "none".into();
    config.network.no_firewall = true;
    let engine = Engine::open(config).await.unwrap();
    let options = ServerOptions {
        version: "0".into(),
    };
    Server::new(engine, options)
}

async fn ping(mut io: impl AsyncRead + AsyncWrite + Unpin) -> std::io::Result<String> {
    io.write_all(PING).await?;
    let mut answer = Vec::new();
    io.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[tokio::test]
async fn a_unix_socket_is_for_root_and_its_group_and_replaces_a_dead_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run/corten.sock");
    std::fs::create_dir(directory.path().join("run")).unwrap();
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let listener = Listener::unix(&path, Some(7)).unwrap();
    let metadata = std::fs::metadata(&path).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o7777, 0o660);
    assert_eq!(metadata.gid(), 7);
    let left = std::fs::read_dir(directory.path().join("run")).unwrap();
    assert_eq!(left.count(), 1, "nothing but the socket is left");
    let server = server(directory.path()).await;
    let serving = tokio::spawn(async move { server.serve(listener).await });
    let answer = ping(UnixStream::connect(&path).await.unwrap())
        .await
        .unwrap();
    assert!(answer.ends_with("OK"), "{answer}");
    serving.abort();
}

/// An authority, and certificates for a server and a client that it has signed.
struct Certificates {
    authority: String,
    server: (String, String),
    client: (String, String),
    stranger: (String, String),
}

fn certificates() -> Certificates {
    let issuer = || {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    };
    let (ours, theirs) = (issuer(), issuer());
    let signed = |by: &CertifiedIssuer<'_, KeyPair>| {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, by).unwrap();
        (certificate.pem(), key.serialize_pem())
    };
    Certificates {
        authority: ours.pem(),
        server: signed(&ours),
        client: signed(&ours),
        stranger: signed(&theirs),
    }
}

fn client_config(authority: &str, identity: Option<&(String, String)>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    match identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => builder
            .with_client_auth_cert(
                vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
                PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
            )
            .unwrap(),
    }
}

#[tokio::test]
async fn with_tlsverify_only_certificates_of_the_authority_get_in() {
    let directory = tempfile::tempdir().unwrap();
    let made = certificates();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let files = TlsFiles {
        certificate: file("cert.pem", &made.server.0),
        key: file("key.pem", &made.server.1),
        client_authority: Some(file("ca.pem", &made.authority)),
    };
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let address = format!("127.0.0.1:{port}");
    let listener = Listener::tcp(&address, Some(&files)).await.unwrap();
    let server = server(directory.path()).await;
    let serving = tokio::spawn(async move { server.serve(listener).await });

    let try_with = async |identity: Option<&(String, String)>| {
        let connector = TlsConnector::from(Arc::new(client_config(&made.authority, identity)));
        let stream = TcpStream::connect(&address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        ping(connector.connect(name, stream).await?).await
    };
    let answer = try_with(Some(&made.client)).await.unwrap();
    assert!(answer.ends_with("OK"), "{answer}");
    assert!(try_with(None).await.is_err(), "without a certificate");
    assert!(
        try_with(Some(&made.stranger)).await.is_err(),
        "with a stranger's"
    );
    let plain = ping(TcpStream::connect(&address).await.unwrap()).await;
    assert!(!plain.unwrap_or_default().contains("OK"), "without TLS");
    serving.abort();
}
