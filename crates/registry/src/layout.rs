//! Which object holds what.
//!
//! ```text
//! blobs/<2 digits>/<digest>                    a blob's bytes
//! removing/<digest>/<collector>                a collector is about to remove something of it
//! catalog/<repository>                         the repository has had a manifest
//! repositories/<repository>/blobs/<digest>     the repository has that blob
//! repositories/<repository>/manifests/<digest> a manifest: a line of JSON, then its bytes
//! repositories/<repository>/tags/<tag>         the digest it stands for, as JSON
//! repositories/<repository>/referrers/<subject>/<digest>   a descriptor, as JSON
//! uploads/<identifier>/…                       an upload under way
//! multiparts/<number>                          in a bucket: an object that is written in parts
//! ```
//! Digests are written `sha256-<hex>`, repositories with `+` for `/`.

use crate::name::{RepositoryName, Tag, digest_key};
use corten_oci::Digest;

pub(crate) const CATALOG: &str = "catalog";
pub(crate) const BLOBS: &str = "blobs";
pub(crate) const UPLOADS: &str = "uploads";
pub(crate) const MULTIPARTS: &str = "multiparts";
pub(crate) const REPOSITORIES: &str = "repositories";

pub(crate) fn blob(digest: &Digest) -> String {
    format!("{BLOBS}/{}/{}", &digest.hex()[..2], digest_key(digest))
}

pub(crate) const REMOVING: &str = "removing";

pub(crate) fn removing(digest: &Digest) -> String {
    format!("{REMOVING}/{}", digest_key(digest))
}

pub(crate) fn catalog(repository: &RepositoryName) -> String {
    format!("{CATALOG}/{}", repository.key())
}

pub(crate) fn links(repository: &RepositoryName) -> String {
    format!("{REPOSITORIES}/{}/blobs", repository.key())
}

pub(crate) fn link(repository: &RepositoryName, digest: &Digest) -> String {
    format!("{}/{}", links(repository), digest_key(digest))
}

pub(crate) fn manifests(repository: &RepositoryName) -> String {
    format!("{REPOSITORIES}/{}/manifests", repository.key())
}

pub(crate) fn manifest(repository: &RepositoryName, digest: &Digest) -> String {
    format!("{}/{}", manifests(repository), digest_key(digest))
}

pub(crate) fn tags(repository: &RepositoryName) -> String {
    format!("{REPOSITORIES}/{}/tags", repository.key())
}

pub(crate) fn tag(repository: &RepositoryName, tag: &Tag) -> String {
    format!("{}/{tag}", tags(repository))
}

pub(crate) fn referrers(repository: &RepositoryName, subject: &Digest) -> String {
    format!(
        "{REPOSITORIES}/{}/referrers/{}",
        repository.key(),
        digest_key(subject)
    )
}

pub(crate) fn referrer(repository: &RepositoryName, subject: &Digest, digest: &Digest) -> String {
    format!("{}/{}", referrers(repository, subject), digest_key(digest))
}

pub(crate) fn upload(identifier: &str) -> String {
    format!("{UPLOADS}/{identifier}")
}
