//! A file at any URL, for who builds images: a server that is no registry.

use crate::{
    error::{Error, Result, TransportError},
    http::{Payload, Request, Response},
    limits::REDIRECTS_MAX,
    registries::Registries,
    url::{Scheme, Url},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use percent_encoding::percent_decode_str;

/// An answer whose body is still to be read.
pub struct Download {
    response: Response,
    url: Url,
}

impl Registries {
    /// Asks for `url` (`http` or `https`, maybe with `user:password@`) and follows redirects.
    /// Certificates are those of the system; user and password go to their own host only.
    ///
    /// # Errors
    /// No URL, no connection. A status of refusal is none: ask [`Download::status`].
    pub async fn download(&self, url: &str) -> Result<Download> {
        let method = Method::GET;
        let invalid = || {
            let reason = TransportError::Location(url.to_owned());
            Error::transport(&method, url, reason)
        };
        let (url, authorization) = without_user(url);
        let mut at = Url::parse(&url).ok_or_else(invalid)?;
        let home = at.origin.clone();
        let shared = self.shared();
        let http = shared.http();
        let mut from = None;
        for _ in 0..=REDIRECTS_MAX {
            let mut headers = HeaderMap::new();
            if let Some(value) = authorization.as_ref().filter(|_| at.origin == home) {
                headers.insert(header::AUTHORIZATION, value.clone());
            }
            let request = Request {
                method: method.clone(),
                url: at.clone(),
                headers,
                payload: Payload::Empty,
                from,
            };
            let tls = shared.tls_of_the_system()?;
            let failed = |error| Error::transport(&method, &at, error);
            let response = http.send(request, &tls).await.map_err(failed)?;
            if !response.status.is_redirection() {
                return Ok(Download { response, url: at });
            }
            let location = response
                .header(header::LOCATION)
                .unwrap_or_default()
                .to_owned();
            let next = at.join(&location).filter(|_| !location.is_empty());
            let next = next.ok_or_else(|| failed(TransportError::Location(location)))?;
            if at.origin.scheme == Scheme::Https && next.origin.scheme == Scheme::Http {
                return Err(failed(TransportError::Downgrade(next.to_string())));
            }
            from = (next.origin != home).then_some(response.reach);
            at = next;
        }
        Err(Error::transport(&method, &at, TransportError::Redirects))
    }
}

/// The URL without `user:password@`, and these as a header.
fn without_user(url: &str) -> (String, Option<HeaderValue>) {
    let plain = || (url.to_owned(), None);
    let Some((scheme, rest)) = url.split_once("://") else {
        return plain();
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let Some((user, host)) = rest[..end].rsplit_once('@') else {
        return plain();
    };
    let user = percent_decode_str(user).decode_utf8_lossy();
    let user = if user.contains(':') {
        user.into_owned()
    } else {
        format!("{user}:")
    };
    let value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(user)));
    let value = value.ok().map(|mut value| {
        value.set_sensitive(true);
        value
    });
    (format!("{scheme}://{host}{}", &rest[end..]), value)
}

impl Download {
    /// HTTP's status.
    pub fn status(&self) -> u16 {
        self.response.status.as_u16()
    }

    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.response.header(name)
    }

    /// The next bytes; `None` after the last.
    ///
    /// # Errors
    /// A connection that broke or stalled.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        let url = &self.url;
        let failed = |error| Error::transport(&Method::GET, url, error);
        self.response.chunk().await.map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_password_become_a_header_and_leave_the_url() {
        let (url, header) = without_user("https://me:p%40ss@host:8/x@y");
        assert_eq!(url, "https://host:8/x@y");
        let expected = format!("Basic {}", STANDARD.encode("me:p@ss"));
        assert_eq!(header.unwrap().to_str().unwrap(), expected);
        assert_eq!(without_user("http://host/a@b").0, "http://host/a@b");
        assert!(without_user("http://host/a@b").1.is_none());
    }
}
