//! Configurations of images: what is parsed is written and parsed to the same.
#![no_main]

use corten_oci::ImageConfig;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(config) = ImageConfig::parse(bytes) else {
        return;
    };
    let written = serde_json(&config);
    let again = ImageConfig::parse(&written).expect("our own text");
    assert_eq!(serde_json(&again), written);
});

fn serde_json(config: &ImageConfig) -> Vec<u8> {
    serde_json::to_vec(config).expect("a configuration is always JSON")
}
