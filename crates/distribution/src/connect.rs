//! Connections: addresses, proxies, TLS.

use crate::{
    config::ProxyConfig,
    error::TransportError,
    limits::Timeouts,
    url::{Origin, Scheme, Url},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustls::{ClientConfig, pki_types::ServerName};
use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

/// Bytes of a proxy's answer to CONNECT.
const PROXY_HEAD_MAX: usize = 8 << 10;

/// A byte stream to a server.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection and how it was made.
pub(crate) struct Connected {
    pub stream: Box<dyn Stream>,
    /// Plain HTTP through a proxy: requests carry the whole URL, and this header.
    pub through_http_proxy: Option<Option<String>>,
    /// The server's address; none behind a proxy.
    pub address: Option<IpAddr>,
}

/// How far an address reaches. A URL that a remote gives may not lead nearer than the
/// registry itself is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    Loopback,
    LinkLocal,
    Private,
    Public,
}

impl Reach {
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(a) if a.is_loopback() || a.is_unspecified() => Self::Loopback,
            IpAddr::V4(a) if a.is_link_local() => Self::LinkLocal,
            IpAddr::V4(a) if a.is_private() || a.is_broadcast() => Self::Private,
            // Shared address space, RFC 6598.
            IpAddr::V4(a) if a.octets()[0] == 100 && a.octets()[1] & 0xc0 == 64 => Self::Private,
            IpAddr::V6(a) if a.is_loopback() || a.is_unspecified() => Self::Loopback,
            IpAddr::V6(a) if a.is_unicast_link_local() => Self::LinkLocal,
            IpAddr::V6(a) if a.is_unique_local() => Self::Private,
            _ => Self::Public,
        }
    }

    /// Whether a server of this reach may send us to `target`.
    pub fn may_lead_to(self, target: Self) -> bool {
        match target {
            Self::Public => true,
            Self::LinkLocal => matches!(self, Self::LinkLocal | Self::Loopback),
            Self::Private => self != Self::Public,
            Self::Loopback => self == Self::Loopback,
        }
    }
}

/// Connects to `origin`. `from` is the reach of the server that named it, if one did.
pub(crate) async fn connect(
    origin: &Origin,
    tls: &Arc<ClientConfig>,
    proxies: &ProxyConfig,
    timeouts: &Timeouts,
    from: Option<Reach>,
) -> Result<Connected, TransportError> {
    let Some(proxy) = proxy_for(origin, proxies) else {
        let (stream, address) = dial(&origin.host, origin.port, timeouts, from).await?;
        let stream: Box<dyn Stream> = match origin.scheme {
            Scheme::Http => Box::new(stream),
            Scheme::Https => handshake(stream, origin, tls, timeouts).await?,
        };
        return Ok(Connected {
            stream,
            through_http_proxy: None,
            address: Some(address),
        });
    };
    let url = proxy_url(&proxy).ok_or_else(|| TransportError::Proxy("invalid proxy URL".into()))?;
    let (stream, _) = dial(&url.origin.host, url.origin.port, timeouts, None)
        .await
        .map_err(|error| TransportError::ProxyUnreachable(Box::new(error)))?;
    let mut stream: Box<dyn Stream> = match url.origin.scheme {
        Scheme::Http => Box::new(stream),
        Scheme::Https => handshake(stream, &url.origin, tls, timeouts).await?,
    };
    let authorization = proxy_authorization(&proxy);
    if origin.scheme == Scheme::Http {
        return Ok(Connected {
            stream,
            through_http_proxy: Some(authorization),
            address: None,
        });
    }
    let tunnel = tunnel(&mut stream, origin, authorization);
    timeout(timeouts.handshake, tunnel)
        .await
        .map_err(|_| TransportError::Proxy("i/o timeout".into()))??;
    let stream = handshake(stream, origin, tls, timeouts).await?;
    Ok(Connected {
        stream,
        through_http_proxy: None,
        address: None,
    })
}

async fn dial(
    host: &str,
    port: u16,
    timeouts: &Timeouts,
    from: Option<Reach>,
) -> Result<(TcpStream, IpAddr), TransportError> {
    let lookup = tokio::net::lookup_host((host, port));
    let addresses: Vec<SocketAddr> = match timeout(timeouts.connect, lookup).await {
        Ok(Ok(addresses)) => addresses.collect(),
        _ => Vec::new(),
    };
    let mut failure = TransportError::Lookup(host.to_owned());
    for address in addresses {
        if from.is_some_and(|from| !from.may_lead_to(Reach::of(address.ip()))) {
            failure = TransportError::ForbiddenAddress(address);
            continue;
        }
        match timeout(timeouts.connect, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                let _ = stream.set_nodelay(true);
                return Ok((stream, address.ip()));
            }
            Ok(Err(error)) => failure = TransportError::Dial { address, error },
            Err(_) => failure = TransportError::DialTimeout(address),
        }
    }
    Err(failure)
}

async fn handshake<S: Stream + 'static>(
    stream: S,
    origin: &Origin,
    tls: &Arc<ClientConfig>,
    timeouts: &Timeouts,
) -> Result<Box<dyn Stream>, TransportError> {
    let name = ServerName::try_from(origin.host.clone())
        .map_err(|_| TransportError::Tls(format!("invalid server name {:?}", origin.host)))?;
    let connecting = TlsConnector::from(Arc::clone(tls)).connect(name, stream);
    match timeout(timeouts.handshake, connecting).await {
        Ok(Ok(stream)) => Ok(Box::new(stream)),
        Ok(Err(error)) => Err(tls_error(&error)),
        Err(_) => Err(TransportError::Tls("handshake timeout".into())),
    }
}

fn tls_error(error: &io::Error) -> TransportError {
    use rustls::{CertificateError as Certificate, Error as Tls};
    let inner = error.get_ref().and_then(|e| e.downcast_ref::<Tls>());
    match inner {
        Some(Tls::InvalidMessage(_)) => TransportError::NotTls,
        Some(Tls::InvalidCertificate(reason)) => TransportError::Certificate(match reason {
            Certificate::UnknownIssuer => "certificate signed by unknown authority".into(),
            Certificate::Expired | Certificate::ExpiredContext { .. } => {
                "certificate has expired or is not yet valid".into()
            }
            other => other.to_string(),
        }),
        Some(other) => TransportError::Tls(other.to_string()),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            TransportError::Handshake("EOF".into())
        }
        None => TransportError::Handshake(crate::error::go_errno("read", error)),
    }
}

/// RFC 9110 § 9.3.6.
async fn tunnel(
    stream: &mut Box<dyn Stream>,
    origin: &Origin,
    authorization: Option<String>,
) -> Result<(), TransportError> {
    let broken = |error: io::Error| TransportError::Proxy(error.to_string());
    let host = if origin.host.contains(':') {
        format!("[{}]:{}", origin.host, origin.port)
    } else {
        format!("{}:{}", origin.host, origin.port)
    };
    let credentials = authorization
        .map(|value| format!("Proxy-Authorization: {value}\r\n"))
        .unwrap_or_default();
    let request = format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n{credentials}\r\n");
    stream.write_all(request.as_bytes()).await.map_err(broken)?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == PROXY_HEAD_MAX {
            return Err(TransportError::Proxy("response header too large".into()));
        }
        head.push(stream.read_u8().await.map_err(broken)?);
    }
    let line = String::from_utf8_lossy(&head);
    let line = line.lines().next().unwrap_or_default();
    match line.split_once(' ') {
        Some((_, status)) if status.starts_with('2') => Ok(()),
        Some((_, status)) => Err(TransportError::Proxy(status.to_owned())),
        None => Err(TransportError::Proxy("malformed response".into())),
    }
}

fn proxy_for(origin: &Origin, proxies: &ProxyConfig) -> Option<String> {
    let proxy = match origin.scheme {
        Scheme::Http => proxies.http.as_ref(),
        Scheme::Https => proxies.https.as_ref(),
    }?;
    (!bypasses_proxy(origin, &proxies.no_proxy)).then(|| proxy.expose().clone())
}

/// Go's rules (golang.org/x/net/http/httpproxy): loopback is always direct.
fn bypasses_proxy(origin: &Origin, no_proxy: &str) -> bool {
    let host = origin.host.as_str();
    let address: Option<IpAddr> = host.parse().ok();
    if host == "localhost" || address.is_some_and(|a| a.is_loopback()) {
        return true;
    }
    no_proxy
        .split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .any(|entry| {
            let entry = entry.to_ascii_lowercase();
            if entry == "*" {
                return true;
            }
            if let (Some(address), Ok(network)) =
                (address, entry.parse::<crate::InsecureRegistry>())
                && network.contains(address)
            {
                return true;
            }
            let (name, port) = match entry.rsplit_once(':') {
                Some((name, port)) if !name.contains(':') => (name, port.parse().ok()),
                _ => (entry.as_str(), None),
            };
            let name = name.strip_prefix('*').unwrap_or(name);
            let fits = match name.strip_prefix('.') {
                Some(_) => host.ends_with(name),
                None => {
                    host == name
                        || host
                            .strip_suffix(name)
                            .is_some_and(|rest| rest.ends_with('.'))
                }
            };
            fits && port.is_none_or(|port: u16| port == origin.port)
        })
}

/// A proxy's URL without its user information; `host:port` means http.
fn proxy_url(text: &str) -> Option<Url> {
    let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    Url::parse(&format!("{scheme}://{rest}"))
}

fn proxy_authorization(text: &str) -> Option<String> {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let (user, _) = rest.rsplit_once('@')?;
    let decoded = percent_encoding::percent_decode_str(user).collect::<Vec<u8>>();
    Some(format!("Basic {}", STANDARD.encode(decoded)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_registry_may_not_lead_into_the_local_network() {
        let reach = |text: &str| Reach::of(text.parse().unwrap());
        let public = reach("93.184.216.34");
        for inside in [
            "127.0.0.1",
            "10.1.2.3",
            "169.254.169.254",
            "::1",
            "fe80::1",
            "fd00::1",
            "::ffff:127.0.0.1",
        ] {
            assert!(!public.may_lead_to(reach(inside)), "{inside}");
        }
        assert!(public.may_lead_to(reach("2001:db8:85a3::1")) && public.may_lead_to(public));
        assert!(reach("10.0.0.1").may_lead_to(reach("192.168.1.1")));
        assert!(!reach("10.0.0.1").may_lead_to(reach("169.254.169.254")));
        assert!(!reach("10.0.0.1").may_lead_to(reach("127.0.0.1")));
    }

    #[test]
    fn no_proxy_reads_names_domains_networks_and_ports() {
        let origin = |text| Origin::parse(Scheme::Https, text).unwrap();
        let list = "example.com, .corp.net,10.0.0.0/8,host.io:8443";
        for (host, direct) in [
            ("example.com", true),
            ("www.example.com", true),
            ("notexample.com", false),
            ("a.corp.net", true),
            ("corp.net", false),
            ("10.9.8.7", true),
            ("11.9.8.7", false),
            ("host.io:8443", true),
            ("host.io", false),
            ("localhost:5000", true),
            ("127.0.0.1", true),
        ] {
            assert_eq!(bypasses_proxy(&origin(host), list), direct, "{host}");
        }
        assert!(bypasses_proxy(&origin("x.y"), "*"));
        assert_eq!(
            proxy_authorization("http://u:p%40@px:1").unwrap(),
            "Basic dTpwQA=="
        );
        assert_eq!(
            proxy_url("http://u:p@px:3128").unwrap().to_string(),
            "http://px:3128/"
        );
    }
}
