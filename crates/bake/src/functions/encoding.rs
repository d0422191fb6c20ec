//! Encodings and hashes.

use super::{Answer, Entry, collections, said, text, whole};
use crate::value::Value;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

pub(super) const TABLE: &[Entry] = &[
    ("base64decode", "str:string", |it| {
        let bytes = STANDARD.decode(text(&it[0]));
        let bytes = bytes.map_err(|_| "failed to decode base64 data".to_owned())?;
        let text = String::from_utf8(bytes);
        text.map(Value::Text)
            .map_err(|_| "the result of decoding the provided string is not valid UTF-8".into())
    }),
    ("base64encode", "str:string", |it| {
        said(STANDARD.encode(text(&it[0])))
    }),
    ("bcrypt", "str:string *cost:number", |it| {
        let cost = it.get(1).map_or(Ok(10), whole)?;
        let cost = u32::try_from(cost).ok().filter(|it| (4..=31).contains(it));
        let cost = cost.ok_or("error occurred generating password: the cost must be 4 to 31")?;
        let hash = bcrypt::hash(text(&it[0]), cost);
        hash.map(Value::Text)
            .map_err(|error| format!("error occurred generating password {error}"))
    }),
    ("byteslen", "buf:bytes", |_| Err("bytes required".into())),
    (
        "bytesslice",
        "buf:bytes offset:number length:number",
        |_| Err("bytes required".into()),
    ),
    ("csvdecode", "str:string", collections::csv_table),
    ("jsondecode", "str:string", |it| {
        let read = serde_json::from_str(text(&it[0]));
        read.map(|it| Value::from_json(&it))
            .map_err(|error| error.to_string())
    }),
    ("jsonencode", "val:any?", |it| said(it[0].json())),
    ("md5", "str:string", |it| {
        said(hex::encode(Md5::digest(text(&it[0]))))
    }),
    ("rsadecrypt", "ciphertext:string privatekey:string", |_| {
        Err("it is not supported by Corten".into())
    }),
    ("sha1", "str:string", |it| {
        said(hex::encode(Sha1::digest(text(&it[0]))))
    }),
    ("sha256", "str:string", |it| {
        said(hex::encode(Sha256::digest(text(&it[0]))))
    }),
    ("sha512", "str:string", |it| {
        said(hex::encode(Sha512::digest(text(&it[0]))))
    }),
    ("urlencode", "str:string", |it| said(url(text(&it[0])))),
    ("uuidv4", "", |_| random_uuid()),
    ("uuidv5", "namespace:string name:string", named_uuid),
];

/// Go's `url.QueryEscape`.
fn url(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            b' ' => out.push('+'),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

fn uuid(mut bytes: [u8; 16], version: u8) -> String {
    // RFC 9562 § 4: version and variant.
    bytes[6] = (bytes[6] & 0x0f) | (version << 4);
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex = hex::encode(bytes);
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

fn random_uuid() -> Answer {
    let mut bytes = [0; 16];
    let read = rustix::rand::getrandom(&mut bytes[..], rustix::rand::GetRandomFlags::empty());
    read.map_err(|error| format!("reading random bytes: {error}"))?;
    said(uuid(bytes, 4))
}

fn named_uuid(it: Vec<Value>) -> Answer {
    let namespace = match text(&it[0]) {
        "dns" => "6ba7b8109dad11d180b400c04fd430c8".to_owned(),
        "url" => "6ba7b8119dad11d180b400c04fd430c8".to_owned(),
        "oid" => "6ba7b8129dad11d180b400c04fd430c8".to_owned(),
        "x500" => "6ba7b8149dad11d180b400c04fd430c8".to_owned(),
        other => other.replace('-', ""),
    };
    let bytes = hex::decode(namespace).ok().filter(|it| it.len() == 16);
    let bytes = bytes.ok_or_else(|| format!("invalid namespace UUID {:?}", text(&it[0])))?;
    let mut hash = Sha1::new();
    hash.update(bytes);
    hash.update(text(&it[1]));
    let mut first = [0; 16];
    first.copy_from_slice(&hash.finalize()[..16]);
    said(uuid(first, 5))
}
