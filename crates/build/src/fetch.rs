//! Files from the network for `ADD`.

use crate::{Error, Result, vertex::HttpOp};
use corten_oci::Digest;
use std::path::Path;

/// Fetches files.
#[derive(Default)]
pub(crate) struct Fetch {}

impl Fetch {
    /// Puts the file of `http` into `directory` and answers its digest.
    pub async fn fetch(&self, http: &HttpOp, _directory: &Path) -> Result<Digest> {
        Err(Error::Unsupported(format!(
            "ADD of a URL is not supported: {}",
            http.url
        )))
    }
}
