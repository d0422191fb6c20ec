//! Names of images: written, they lead back to themselves.
#![no_main]

use corten_oci::{Digest, Platform, Reference, reference::DEFAULT_DOMAIN};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let _ = text.parse::<Platform>();
    if let Ok(digest) = text.parse::<Digest>() {
        assert_eq!(digest.to_string(), text);
    }
    let Ok(name) = text.parse::<Reference>() else {
        return;
    };
    assert_eq!(name.to_string().parse::<Reference>().as_ref(), Ok(&name));
    // As Docker's, the familiar form of a name on its hub may read as one elsewhere.
    let familiar = name.familiar().parse::<Reference>();
    assert!(name.domain() == DEFAULT_DOMAIN || familiar.as_ref() == Ok(&name));
});
