//! Tar streams, plain and behind every decoder: read to their end or refused.
#![no_main]

use corten_archive::{Decoder, Limits, tar::Reader, without_xz_and_bzip2};
use std::io::{BufReader, Read};

/// Bytes that a small archive may become.
const OUT_BYTES_MAX: u64 = 64 << 20;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    let mut plain = Vec::new();
    if let Ok(mut decoder) = Decoder::new(bytes) {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(count) = decoder.read_some(&mut buffer) {
            if count == 0 || plain.len() as u64 > OUT_BYTES_MAX {
                break;
            }
            plain.extend_from_slice(&buffer[..count]);
        }
    }
    if let Ok(stream) = without_xz_and_bzip2(bytes) {
        let _ = stream.take(OUT_BYTES_MAX).read_to_end(&mut plain);
    }
    read(&plain);
});

fn read(bytes: &[u8]) {
    let mut reader = Reader::new(BufReader::new(bytes), Limits::default());
    while let Ok(Some(_)) = reader.next_entry() {
        if reader.drain().is_err() {
            return;
        }
    }
}
