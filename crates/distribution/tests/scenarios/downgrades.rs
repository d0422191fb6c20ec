//! Registries with TLS that lead to servers without, or whose certificates are no good.

use super::{
    Verb::{self, *},
    common::{Fake, answer},
    credentials, quick, seen_secrets,
};
use corten_distribution::{Config, Registries};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use std::{net::SocketAddr, sync::Arc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

/// A server with TLS: `answer` makes bytes of a request's head.
async fn secure(host: &str, answer: impl Fn(&str) -> String + Send + Sync + 'static) -> SocketAddr {
    let made = rcgen::generate_simple_self_signed(vec![host.to_owned()]).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((host, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, answer) = (acceptor.clone(), Arc::clone(&answer));
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    return;
                };
                let (mut head, mut byte) = (Vec::new(), [0]);
                while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).await.is_ok() {
                    head.push(byte[0]);
                }
                let said = answer(&String::from_utf8_lossy(&head));
                let _ = stream.write_all(said.as_bytes()).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    address
}

/// Asks for a password until there is one, then says `then`.
fn after_password(head: &str, then: &str) -> String {
    let shown = head.to_lowercase().contains("authorization: basic");
    let first = "HTTP/1.1 401 x\r\nWWW-Authenticate: Basic realm=\"r\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    match shown {
        true => then.to_owned(),
        false => first.to_owned(),
    }
}

#[tokio::test]
async fn nothing_leads_from_tls_to_plain_http() {
    let thief = Fake::start(|_| answer(200, &[], r#"{"token":"T"}"#)).await;
    let to = format!("http://{}/x", thief.address);
    let end = "Content-Length: 0\r\nConnection: close\r\n\r\n";
    let redirect = format!("HTTP/1.1 307 x\r\nLocation: {to}\r\n{end}");
    let upload = format!("HTTP/1.1 202 x\r\nLocation: {to}\r\n{end}");
    let token = format!("HTTP/1.1 401 x\r\nWWW-Authenticate: Bearer realm=\"{to}\"\r\n{end}");
    let rows: [(&str, Verb, &String); 5] = [
        ("a redirect of a manifest", Manifest, &redirect),
        ("a redirect of a blob", Blob, &redirect),
        ("an upload", Push, &upload),
        ("a token server", Manifest, &token),
        ("a token server of a login", Login, &token),
    ];
    for (name, verb, then) in rows {
        let (then, is_token) = (then.clone(), then.contains("Bearer"));
        let answer = move |head: &str| match is_token {
            true => then.clone(),
            false => after_password(head, &then),
        };
        // Loopback's certificates need nobody to vouch for them.
        let registry = secure("127.0.0.1", answer).await.to_string();
        let registries = Registries::with_timeouts(Config::default(), quick()).unwrap();
        let ended = super::act(&registries, &registry, verb, Some(credentials(false))).await;
        let error = ended.unwrap_err();
        let words = "refusing to follow a redirect from https to";
        assert!(error.contains(words), "{name}: {error}");
        assert!(thief.asked().is_empty(), "{name}: {:?}", thief.asked());
    }
}

/// A server that is not known to be insecure is spoken to with TLS that somebody vouches
/// for, or not at all: no request is sent to it either way.
#[test]
fn a_certificate_that_nobody_vouches_for_is_the_end_of_it() {
    let work = async {
        let heard: Arc<std::sync::Mutex<Vec<String>>> = Arc::default();
        let hears = Arc::clone(&heard);
        let tls = secure(super::PUBLIC, move |head| {
            hears.lock().unwrap().push(head.to_owned());
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}".to_owned()
        });
        let tls = tls.await.to_string();
        let plain = Fake::start_at(super::PUBLIC, |_| answer(200, &[], "{}")).await;
        for (address, words) in [
            (&tls, "certificate signed by unknown authority"),
            (&plain.address, "server gave HTTP response to HTTPS client"),
        ] {
            for verb in [Manifest, Blob, Push, Login, Search] {
                let registries = Registries::with_timeouts(Config::default(), quick()).unwrap();
                let acted = super::act(&registries, address, verb, Some(credentials(false)));
                let error = acted.await.unwrap_err();
                assert!(error.contains(words), "{verb:?}: {error}");
            }
        }
        // Nor is a file that is just downloaded.
        let registries = Registries::with_timeouts(super::insecure(), quick()).unwrap();
        let error = registries.download(&format!("https://{tls}/x")).await;
        let error = corten_base::chain(&error.map(drop).unwrap_err());
        assert!(error.contains("unknown authority"), "{error}");
        assert!(heard.lock().unwrap().is_empty());
        assert!(seen_secrets(&plain.asked()).is_empty());
        assert!(plain.asked().is_empty(), "{:?}", plain.asked());
    };
    super::in_network(
        "downgrades::a_certificate_that_nobody_vouches_for_is_the_end_of_it",
        work,
    );
}
