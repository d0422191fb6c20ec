//! Whether what a service's configs and secrets hold has changed since its containers were
//! made. The hash in the label `com.docker.compose.config-hash` is stock Compose's and
//! counts only where they come from; so containers bear a mark of the contents, too.
//!
//! The mark is an annotation, which stock Compose makes nothing of, and keyed by the
//! engine's ID: who sees a container's description alone cannot try words against it.

use crate::body::View;
use crate::node::{Node, Value};
use crate::project::Project;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The annotation.
pub(crate) const ANNOTATION: &str = "corten.contents";

/// A file that is larger is no secret: only where it comes from counts.
const BYTES_MAX: u64 = 16 << 20;

/// The services of a project that are granted configs or secrets.
pub(crate) fn granted(project: &Project) -> impl Iterator<Item = (&String, &Node)> {
    let has = |service: &Node| {
        let view = View(service);
        ["secrets", "configs"]
            .iter()
            .any(|kind| view.objects(kind).next().is_some())
    };
    let services = project.services().iter();
    services.filter(move |(_, service)| has(service))
}

/// The mark of what a service is granted, 32 hexadecimal digits; `None` when some of it
/// cannot be read now, so that nothing can be said. Reads the files of the project.
pub(crate) fn mark(project: &Project, service: &Node, key: &str) -> Option<String> {
    let mut hash = Sha256::new();
    let mut add = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    add(key.as_bytes());
    let view = View(service);
    for (kind, section) in [
        ("secrets", project.secrets()),
        ("configs", project.configs()),
    ] {
        for grant in view.objects(kind) {
            let Some(defined) = section.get(grant.str("source")) else {
                continue;
            };
            add(kind.as_bytes());
            add(grant.str("source").as_bytes());
            add(&held(project, defined)?);
        }
    }
    let digest = hash.finalize();
    Some(digest[..16].iter().map(|it| format!("{it:02x}")).collect())
}

fn held(project: &Project, defined: &Node) -> Option<Vec<u8>> {
    let view = View(defined);
    let (file, variable) = (view.str("file"), view.str("environment"));
    if !file.is_empty() {
        return read(Path::new(file)).ok();
    }
    if !variable.is_empty() {
        return project.env.get(variable).map(|it| it.clone().into_bytes());
    }
    match defined.get("content").map(|node| &node.value) {
        Some(Value::Text(text)) => Some(text.clone().into_bytes()),
        _ => None,
    }
}

/// A file's bytes; of a directory, a pipe or a device there are none.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let is_fit = |found: &std::fs::Metadata| found.is_file() && found.len() <= BYTES_MAX;
    // Before it is opened: to open a pipe is to wait.
    if !is_fit(&std::fs::metadata(path)?) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}
