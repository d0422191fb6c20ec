//! The calls of S3 that the registry makes, answered from memory: objects, ranges, lists,
//! copies, multipart uploads, bulk deletes. Every request must be signed for our key.

#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::SystemTime,
};
use tokio::net::TcpListener;

pub const BUCKET: &str = "images";
pub const KEY: &str = "test-key";

#[derive(Default)]
pub struct Objects {
    pub objects: BTreeMap<String, (Bytes, SystemTime)>,
    pub uploads: BTreeMap<String, (String, BTreeMap<u32, Bytes>)>,
    next: u64,
}

/// A service that ends with the runtime it was started in.
#[derive(Clone)]
pub struct S3 {
    pub address: SocketAddr,
    pub state: Arc<Mutex<Objects>>,
}

impl S3 {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let this = Self {
            address: listener.local_addr().unwrap(),
            state: Arc::default(),
        };
        let service = this.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let service = service.clone();
                let answer = service_fn(move |request| {
                    let service = service.clone();
                    async move { Ok::<_, Infallible>(service.answer(request).await) }
                });
                let builder = hyper::server::conn::http1::Builder::new();
                tokio::spawn(builder.serve_connection(TokioIo::new(stream), answer));
            }
        });
        this
    }

    /// Makes every object look `age` older.
    pub fn make_old(&self, age: std::time::Duration) {
        for (_, time) in self.state.lock().unwrap().objects.values_mut() {
            *time -= age;
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let signed = parts
            .headers
            .get("authorization")
            .and_then(|v| v.to_str().ok());
        if !signed.is_some_and(|v| v.contains(&format!("Credential={KEY}/"))) {
            return plain(
                StatusCode::FORBIDDEN,
                "<Error><Code>AccessDenied</Code></Error>",
            );
        }
        let body = body
            .collect()
            .await
            .map(|b| b.to_bytes())
            .unwrap_or_default();
        let query = parts.uri.query().unwrap_or_default().as_bytes();
        let query: BTreeMap<String, String> = form_urlencoded::parse(query).into_owned().collect();
        let path = percent_encoding::percent_decode_str(parts.uri.path()).decode_utf8_lossy();
        let key = path
            .trim_start_matches('/')
            .strip_prefix(BUCKET)
            .unwrap_or_default();
        let key = key.trim_start_matches('/').to_owned();
        let header = |name: &str| parts.headers.get(name)?.to_str().ok().map(str::to_owned);
        let mut state = self.state.lock().unwrap();
        match (&parts.method, key.as_str()) {
            (&Method::GET, "") => list(&state, &query),
            (&Method::POST, "") if query.contains_key("delete") => {
                let text = String::from_utf8_lossy(&body);
                let mut answer = String::from("<DeleteResult>");
                for part in text.split("<Key>").skip(1) {
                    let key = part.split("</Key>").next().unwrap();
                    state.objects.remove(key);
                    answer += &format!("<Deleted><Key>{key}</Key></Deleted>");
                }
                plain(StatusCode::OK, &(answer + "</DeleteResult>"))
            }
            (&Method::POST, _) if query.contains_key("uploads") => {
                state.next += 1;
                let id = state.next.to_string();
                state
                    .uploads
                    .insert(id.clone(), (key.clone(), BTreeMap::new()));
                let text = format!(
                    "<InitiateMultipartUploadResult><Bucket>{BUCKET}</Bucket><Key>{key}</Key><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
                );
                plain(StatusCode::OK, &text)
            }
            (&Method::PUT, _) if query.contains_key("partNumber") => {
                let number = query["partNumber"].parse().unwrap();
                let Some(upload) = state.uploads.get_mut(&query["uploadId"]) else {
                    return plain(StatusCode::NOT_FOUND, "");
                };
                upload.1.insert(number, body);
                etag(plain(StatusCode::OK, ""))
            }
            (&Method::POST, _) if query.contains_key("uploadId") => {
                let Some((key, parts)) = state.uploads.remove(&query["uploadId"]) else {
                    return plain(StatusCode::NOT_FOUND, "");
                };
                let small = parts
                    .values()
                    .rev()
                    .skip(1)
                    .any(|part| part.len() < 5 << 20);
                if small {
                    return plain(
                        StatusCode::BAD_REQUEST,
                        "<Error><Code>EntityTooSmall</Code></Error>",
                    );
                }
                let whole = parts.values().flat_map(|p| p.to_vec()).collect::<Vec<u8>>();
                state
                    .objects
                    .insert(key.clone(), (whole.into(), SystemTime::now()));
                let text = format!(
                    "<CompleteMultipartUploadResult><Key>{key}</Key><ETag>\"x\"</ETag></CompleteMultipartUploadResult>"
                );
                plain(StatusCode::OK, &text)
            }
            (&Method::DELETE, _) if query.contains_key("uploadId") => {
                state.uploads.remove(&query["uploadId"]);
                plain(StatusCode::NO_CONTENT, "")
            }
            (&Method::PUT, _) => {
                let bytes = match header("x-amz-copy-source") {
                    None => body,
                    Some(from) => {
                        let from = percent_encoding::percent_decode_str(&from).decode_utf8_lossy();
                        let from = from.trim_start_matches('/').strip_prefix(BUCKET).unwrap();
                        match state.objects.get(from.trim_start_matches('/')) {
                            Some((bytes, _)) => bytes.clone(),
                            None => return missing(),
                        }
                    }
                };
                state.objects.insert(key, (bytes, SystemTime::now()));
                let text = "<CopyObjectResult><ETag>\"x\"</ETag></CopyObjectResult>";
                etag(plain(StatusCode::OK, text))
            }
            (&Method::DELETE, _) => {
                state.objects.remove(&key);
                plain(StatusCode::NO_CONTENT, "")
            }
            (&Method::GET | &Method::HEAD, _) => match state.objects.get(&key) {
                None => missing(),
                Some(object) => read(object, header("range"), parts.method == Method::HEAD),
            },
            _ => plain(StatusCode::METHOD_NOT_ALLOWED, ""),
        }
    }
}

fn read(
    object: &(Bytes, SystemTime),
    range: Option<String>,
    is_head: bool,
) -> Response<Full<Bytes>> {
    let (bytes, time) = object;
    let range = range.and_then(|text| {
        let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
        Some((first.parse::<usize>().ok()?, last.parse::<usize>().ok()?))
    });
    let mut response = Response::builder().header("Last-Modified", http_date(*time));
    let part = match range {
        None => bytes.clone(),
        Some((first, last)) => {
            let last = last.min(bytes.len() - 1);
            let text = format!("bytes {first}-{last}/{}", bytes.len());
            response = response.status(206).header("Content-Range", text);
            bytes.slice(first..last + 1)
        }
    };
    response = response
        .header("ETag", "\"x\"")
        .header("Content-Length", part.len());
    let body = if is_head { Bytes::new() } else { part };
    response.body(Full::new(body)).unwrap()
}

fn list(state: &Objects, query: &BTreeMap<String, String>) -> Response<Full<Bytes>> {
    let prefix = query.get("prefix").cloned().unwrap_or_default();
    let delimited = query.contains_key("delimiter");
    let (mut objects, mut prefixes) = (String::new(), BTreeSet::new());
    for (key, (bytes, time)) in state.objects.range(prefix.clone()..) {
        let Some(rest) = key.strip_prefix(&prefix) else {
            break;
        };
        match rest.split_once('/').filter(|_| delimited) {
            Some((first, _)) => drop(prefixes.insert(format!("{prefix}{first}/"))),
            None => {
                let time = corten_base::Timestamp::from(*time);
                objects += &format!(
                    "<Contents><Key>{key}</Key><LastModified>{time}</LastModified><ETag>\"x\"</ETag><Size>{}</Size></Contents>",
                    bytes.len()
                );
            }
        }
    }
    for prefix in prefixes {
        objects += &format!("<CommonPrefixes><Prefix>{prefix}</Prefix></CommonPrefixes>");
    }
    let text =
        format!("<ListBucketResult><IsTruncated>false</IsTruncated>{objects}</ListBucketResult>");
    plain(StatusCode::OK, &text)
}

fn http_date(time: SystemTime) -> String {
    let seconds = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs() as i64;
    let text = corten_base::Timestamp::from_unix(seconds, 0).to_string();
    let number = |range: std::ops::Range<usize>| text[range].to_owned();
    let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let month = months[number(5..7).parse::<usize>().unwrap() - 1];
    let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let day = days[(seconds / 86_400 % 7) as usize];
    format!(
        "{day}, {} {month} {} {} GMT",
        number(8..10),
        number(0..4),
        number(11..19)
    )
}

fn missing() -> Response<Full<Bytes>> {
    plain(
        StatusCode::NOT_FOUND,
        "<Error><Code>NoSuchKey</Code></Error>",
    )
}

fn etag(mut response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
    response
        .headers_mut()
        .insert("ETag", "\"x\"".parse().unwrap());
    response
}

fn plain(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text.to_owned())));
    *response.status_mut() = status;
    response
}
