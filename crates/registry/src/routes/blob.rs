//! `/v2/<name>/blobs/<digest>`

use super::{Call, not_here};
use crate::{
    error::{Code, Error},
    events::Target,
    metrics::add,
    name::{RepositoryName, parse_digest},
    proxy::Fetched,
    reply::{self, Body, DIGEST, Reply, set},
};
use corten_oci::Digest;
use http::{Method, Response, StatusCode, header};
use std::ops::Range;

/// Up to this many bytes an answer is copied, head and all in one write.
const COPIED_BYTES: u64 = 64 << 10;
const OCTETS: &str = "application/octet-stream";

impl Call {
    pub(super) async fn blob(self, name: &RepositoryName, digest: &str) -> Reply {
        let digest = parse_digest(digest)?;
        match self.method {
            Method::GET | Method::HEAD => self.read_blob(name, &digest).await,
            Method::DELETE => {
                self.registry.delete_blob(name, &digest).await?;
                let target = Target::new(name, "", &digest, 0);
                self.registry
                    .0
                    .events
                    .happened("delete", target, self.cause());
                Ok(reply::empty(StatusCode::ACCEPTED))
            }
            _ => not_here("GET, HEAD, DELETE"),
        }
    }

    async fn read_blob(self, name: &RepositoryName, digest: &Digest) -> Reply {
        let registry = &self.registry;
        let cached = registry.0.upstreams.serves(name);
        let mut size = registry.blob_size(name, digest).await?;
        if cached && size.is_some() {
            add(&registry.0.metrics.cache_hits, 1);
        }
        if size.is_none() && cached {
            if self.method == Method::HEAD {
                size = registry.upstream_blob_size(name, digest).await?;
            } else {
                match registry.fetch_blob(name, digest).await? {
                    None => {}
                    Some(Fetched::Here) => size = registry.blob_size(name, digest).await?,
                    Some(Fetched::Coming(stream, size)) => {
                        let mut response = reply::stream(StatusCode::OK, stream, size);
                        describe(&mut response, digest);
                        return Ok(response);
                    }
                }
            }
        }
        let Some(size) = size else {
            return Err(Error::blob_unknown(digest));
        };
        if is_known(&self, digest) {
            let mut response = reply::empty(StatusCode::NOT_MODIFIED);
            response.headers_mut().remove(header::CONTENT_LENGTH);
            describe(&mut response, digest);
            return Ok(response);
        }
        let range = match self.range(digest, size) {
            Asked::Whole => None,
            Asked::Part(range) => Some(range),
            Asked::Nothing => {
                let mut response = reply::error(&Error::code(Code::RangeInvalid));
                set(
                    &mut response,
                    header::CONTENT_RANGE,
                    &format!("bytes */{size}"),
                );
                return Ok(response);
            }
        };
        let status = match range {
            None => StatusCode::OK,
            Some(_) => StatusCode::PARTIAL_CONTENT,
        };
        let part = range.clone().unwrap_or(0..size);
        let mut response = if self.method == Method::HEAD {
            let mut response = reply::empty(status);
            let length = (part.end - part.start).into();
            response
                .headers_mut()
                .insert(header::CONTENT_LENGTH, length);
            response
        } else {
            let length = part.end - part.start;
            add(&registry.0.metrics.sent_bytes, length);
            let mut file = None;
            if length > COPIED_BYTES && self.files.is_some() {
                file = registry.open_blob_file(digest).await?;
            }
            let response = match (&self.files, file) {
                (Some(files), Some(file)) => {
                    reply::frames(status, files.frames(file, part.clone()), length)
                }
                _ => {
                    let stream = registry.open_blob(digest, part.clone()).await?;
                    reply::stream(status, stream, length)
                }
            };
            let target = Target::new(name, OCTETS, digest, size);
            registry.0.events.happened("pull", target, self.cause());
            response
        };
        describe(&mut response, digest);
        if range.is_some() {
            let text = format!("bytes {}-{}/{size}", part.start, part.end - 1);
            set(&mut response, header::CONTENT_RANGE, &text);
        }
        Ok(response)
    }

    fn range(&self, digest: &Digest, size: u64) -> Asked {
        let etag = format!("\"{digest}\"");
        let current = self
            .header(header::IF_RANGE)
            .is_none_or(|value| value == etag);
        match self.header(header::RANGE).filter(|_| current) {
            None => Asked::Whole,
            Some(text) => parse_range(text, size),
        }
    }
}

/// What a client wants of a blob.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Whole,
    Part(Range<u64>),
    /// A range past the end.
    Nothing,
}

/// RFC 9110 § 14.2. Several ranges, other units and nonsense mean the whole;
/// a range that ends before it begins is refused.
fn parse_range(text: &str, size: u64) -> Asked {
    let Some(spec) = text
        .strip_prefix("bytes=")
        .filter(|spec| !spec.contains(','))
    else {
        return Asked::Whole;
    };
    let Some((first, last)) = spec.trim().split_once('-') else {
        return Asked::Whole;
    };
    let number = |text: &str| text.parse::<u64>().ok();
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if !digits(first) || !digits(last) {
        return Asked::Whole;
    }
    let range = match (number(first), number(last)) {
        (Some(first), Some(last)) if first > last => return Asked::Nothing,
        (Some(first), Some(last)) => first..last.saturating_add(1).min(size),
        (Some(first), None) if last.is_empty() => first..size,
        (None, Some(count)) if first.is_empty() => size.saturating_sub(count)..size,
        _ => return Asked::Whole,
    };
    match range.start < range.end {
        true => Asked::Part(range),
        false => Asked::Nothing,
    }
}

/// The headers every answer about a blob has. Its bytes never change.
fn describe(response: &mut Response<Body>, digest: &Digest) {
    set(response, DIGEST, &digest.to_string());
    set(response, header::CONTENT_TYPE, OCTETS);
    set(response, header::ETAG, &format!("\"{digest}\""));
    set(response, header::ACCEPT_RANGES, "bytes");
    set(response, header::CACHE_CONTROL, "max-age=31536000");
}

/// Whether the client has it already.
pub(super) fn is_known(call: &Call, digest: &Digest) -> bool {
    let given = call.header(header::IF_NONE_MATCH).unwrap_or_default();
    let etag = format!("\"{digest}\"");
    given
        .split(',')
        .any(|one| one.trim().trim_start_matches("W/") == etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_http_says() {
        for (text, expected) in [
            ("bytes=0-4", Asked::Part(0..5)),
            ("bytes=5-", Asked::Part(5..10)),
            ("bytes=-3", Asked::Part(7..10)),
            ("bytes=-30", Asked::Part(0..10)),
            ("bytes=8-99", Asked::Part(8..10)),
            ("bytes=10-", Asked::Nothing),
            ("bytes=10-12", Asked::Nothing),
            ("bytes=-0", Asked::Nothing),
            ("bytes=5-2", Asked::Nothing),
            ("bytes=0-1,3-4", Asked::Whole),
            ("bytes=a-b", Asked::Whole),
            ("bytes=+1-2", Asked::Whole),
            ("items=0-4", Asked::Whole),
            ("bytes=0-18446744073709551615", Asked::Part(0..10)),
            ("bytes=99999999999999999999-", Asked::Whole),
            ("", Asked::Whole),
        ] {
            assert_eq!(parse_range(text, 10), expected, "{text}");
        }
        assert_eq!(parse_range("bytes=0-", 0), Asked::Nothing);
    }
}
