//! `WWW-Authenticate` headers of a registry.
#![no_main]

use corten_distribution::challenges;
use http::{HeaderMap, HeaderValue, header};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n').take(4) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(header::WWW_AUTHENTICATE, value);
        }
    }
    for challenge in challenges(&headers) {
        assert_eq!(challenge.scheme, challenge.scheme.to_ascii_lowercase());
    }
});
