//! Requests to a login server that is no registry: forms, and what a token is shown to.

use crate::{
    error::{Error, Result, TransportError},
    http::{Payload, Request},
    limits::TOKEN_BODY_MAX,
    registries::Registries,
    url::{Scheme, Url},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};

/// What is sent.
#[derive(Debug, Clone, Copy)]
pub enum Message<'a> {
    /// Fields of a form.
    Form(&'a [(&'a str, &'a str)]),
    /// Nothing but a token that gives the right to ask.
    Bearer(&'a str),
}

/// What a login server said.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP's status.
    pub status: u16,
    /// The document.
    pub body: Bytes,
}

impl Registries {
    /// Sends `message` to `url`, and follows no redirect. Certificates are those of the
    /// system.
    ///
    /// # Errors
    /// No URL, no connection, an answer that is too long; plain HTTP to another host than
    /// this one. A status of refusal is none.
    pub async fn post(&self, url: &str, message: Message<'_>) -> Result<Answer> {
        let method = Method::POST;
        let failed = |error| Error::transport(&method, url, error);
        let parsed = Url::parse(url).ok_or_else(|| {
            let reason = TransportError::Location(url.to_owned());
            failed(reason)
        })?;
        if parsed.origin.scheme == Scheme::Http && !is_loopback(&parsed.origin.host) {
            return Err(failed(TransportError::Downgrade(url.to_owned())));
        }
        let mut headers = HeaderMap::new();
        let (kind, payload) = match message {
            Message::Form(fields) => {
                let mut form = form_urlencoded::Serializer::new(String::new());
                form.extend_pairs(fields);
                let payload = Payload::Bytes(form.finish().into());
                ("application/x-www-form-urlencoded", payload)
            }
            Message::Bearer(token) => {
                let value = HeaderValue::from_str(&format!("Bearer {token}"));
                let mut value = value
                    .map_err(|_| Error::Protocol("the token is not one of a header".into()))?;
                value.set_sensitive(true);
                headers.insert(header::AUTHORIZATION, value);
                ("application/json", Payload::Bytes(Bytes::new()))
            }
        };
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        let request = Request {
            method: method.clone(),
            url: parsed,
            headers,
            payload,
            from: None,
        };
        let shared = self.shared();
        let tls = shared.tls_of_the_system()?;
        let response = shared.http().send(request, &tls).await.map_err(failed)?;
        let status = response.status.as_u16();
        let body = response.bytes(TOKEN_BODY_MAX).await.map_err(failed)?;
        Ok(Answer { status, body })
    }
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let address = host.parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|it| it.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_host_only() {
        assert!(is_loopback("127.0.0.1") && is_loopback("[::1]") && is_loopback("localhost"));
        assert!(!is_loopback("10.0.0.1") && !is_loopback("localhost.example.com"));
    }
}
