//! Files from the network: one at a URL, or a whole context.

use crate::{
    ArchiveContext, ArchiveKind, Error, Result,
    archive_context::Coming,
    build::Inner,
    context::{Temporary, private, told},
    git::{self, GitSource},
    key::Key,
    materials::{Material, redacted},
    progress::ProgressSender,
    put::set_mode,
    session::Session,
};
use corten_images::Download;
use corten_oci::{Digest, Hasher};
use futures_util::future::BoxFuture;
use rustix::fs::{Timespec, Timestamps};
use std::{
    fs::File,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};
use tokio::io::AsyncReadExt;

/// Bytes of one file from the network.
const FILE_BYTES_MAX: u64 = 64 << 30;
/// Bytes of a client's stream read at a time.
const CHUNK_BYTES: usize = 256 << 10;
/// The host in the URL of a context that the client sends in its session.
const SESSION: &str = "http://buildkit-session/";

/// A file that has been fetched.
pub(crate) struct Fetched {
    pub digest: Digest,
    /// Seconds since 1970; 0 when the server did not say.
    pub modified: i64,
}

/// The files of a context from the network.
pub(crate) enum RemoteContext {
    Archive(ArchiveContext),
    /// A repository: a directory that goes with the first one.
    Checkout(Temporary, PathBuf),
}

/// A file that grows, with its digest.
struct Growing {
    path: PathBuf,
    file: File,
    hasher: Hasher,
    bytes: u64,
}

impl Growing {
    fn create(path: PathBuf) -> Result<Self> {
        let file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| Error::path("creating", &path, error))?;
        Ok(Self {
            path,
            file,
            hasher: Hasher::sha256(),
            bytes: 0,
        })
    }

    fn push(&mut self, bytes: &[u8]) -> Result<()> {
        self.bytes += bytes.len() as u64;
        if self.bytes > FILE_BYTES_MAX {
            return Err(Error::Invalid(format!(
                "a file of more than {FILE_BYTES_MAX} bytes"
            )));
        }
        self.hasher.update(bytes);
        self.file
            .write_all(bytes)
            .map_err(|error| Error::path("writing", &self.path, error))
    }
}

impl Inner {
    /// Puts the file at `url` as `name` into `directory`, for root alone, with the server's
    /// `Last-Modified` as its time.
    pub async fn fetch_file(&self, url: &str, directory: &Path, name: &str) -> Result<Fetched> {
        let mut download = self.begin_download(url).await?;
        let modified = download.header("last-modified").and_then(http_time);
        let modified = modified.unwrap_or(0);
        let mut growing = Growing::create(directory.join(name))?;
        while let Some(chunk) = download.chunk().await.map_err(remote)? {
            growing.push(&chunk)?;
        }
        let time = Timespec {
            tv_sec: modified,
            tv_nsec: 0,
        };
        let times = Timestamps {
            last_access: time,
            last_modification: time,
        };
        rustix::fs::futimens(&growing.file, &times)
            .map_err(|error| Error::path("setting the times of", &growing.path, error))?;
        Ok(Fetched {
            digest: growing.hasher.finish(),
            modified,
        })
    }

    async fn begin_download(&self, url: &str) -> Result<Download> {
        let download = self.images.download(url).await.map_err(remote)?;
        match download.status() {
            200..300 => Ok(download),
            status => Err(Error::RemoteStatus {
                url: redacted(url),
                status,
            }),
        }
    }

    /// Checks a repository out into `directory`; answers the commit.
    pub async fn fetch_git(
        &self,
        source: &GitSource,
        keep_git_dir: bool,
        session: &dyn Session,
        directory: &Path,
    ) -> Result<String> {
        let scratch = self.contexts.temporary()?;
        let keep = source.keep_git_dir.unwrap_or(keep_git_dir);
        let work = git::checkout(source, keep, session, &scratch.0, directory);
        Box::pin(work).await
    }

    /// Brings the files of a remote context here: a repository, an archive, or a single
    /// Dockerfile, which is then called `dockerfile`.
    pub fn fetch_context<'a>(
        &'a self,
        url: &'a str,
        dockerfile: &'a str,
        keep_git_dir: bool,
        session: &'a dyn Session,
        progress: &'a ProgressSender,
    ) -> BoxFuture<'a, Result<(RemoteContext, Option<Material>)>> {
        Box::pin(async move {
            let mut key = Key::new("remote context");
            key.text(url);
            let digest = key.finish();
            let Some(source) = GitSource::parse(url, true) else {
                let title = "[internal] load remote build context";
                let coming = told(progress, title, &digest, self.download(url, session)).await?;
                let kind = ArchiveKind::OrDockerfile(dockerfile.to_owned());
                let archive = coming.finish(kind);
                // What the client sends is known to nobody else.
                let material = (!url.starts_with(SESSION))
                    .then(|| Material::sha256(redacted(url), archive.digest()));
                return Ok((RemoteContext::Archive(archive), material));
            };
            let temporary = self.contexts.temporary()?;
            let directory = temporary.0.join("files");
            private(&directory)?;
            // Copied as a whole, it gives its mode to what is made of it.
            set_mode(&directory, 0o755)?;
            let source = source?;
            let title = format!("[internal] load git source {}", source.shown());
            let work = self.fetch_git(&source, keep_git_dir, session, &directory);
            let commit = told(progress, &title, &digest, work).await?;
            let material = Material::commit(&source.remote, &commit);
            let inside = match source.subdir.trim_matches('/') {
                "" => directory,
                subdir => crate::exec::inside(&directory, subdir)?,
            };
            Ok((RemoteContext::Checkout(temporary, inside), Some(material)))
        })
    }

    /// A context from a URL or from the client.
    async fn download(&self, url: &str, session: &dyn Session) -> Result<Coming> {
        let mut coming = Coming::new(&self.contexts);
        let Some(path) = url.strip_prefix(SESSION) else {
            let mut download = self.begin_download(url).await?;
            while let Some(chunk) = download.chunk().await.map_err(remote)? {
                coming.push(&chunk)?;
            }
            return Ok(coming);
        };
        let mut stream = session.upload(&format!("/{path}")).await?;
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let length = stream
                .read(&mut chunk)
                .await
                .map_err(|error| Error::path("reading", url, error))?;
            if length == 0 {
                return Ok(coming);
            }
            coming.push(&chunk[..length])?;
        }
    }
}

fn remote(error: impl Into<corten_images::Error>) -> Error {
    Error::Remote(corten_base::chain(&error.into()))
}

/// `Last-Modified`: RFC 9110 § 5.6.7, its preferred form.
fn http_time(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let rest = text.split_once(", ")?.1;
    let words: Vec<&str> = rest.split(' ').collect();
    let [day, month, year, time, "GMT"] = words[..] else {
        return None;
    };
    let month = MONTHS.iter().position(|it| *it == month)? as i64 + 1;
    let (day, year): (i64, i64) = (day.parse().ok()?, year.parse().ok()?);
    let clock: Vec<i64> = time.split(':').filter_map(|it| it.parse().ok()).collect();
    let [hours, minutes, seconds] = clock[..] else {
        return None;
    };
    let ranges = (1..=31).contains(&day) && (0..=9999).contains(&year);
    if !ranges || hours > 23 || minutes > 59 || seconds > 60 {
        return None;
    }
    // Days from the civil calendar, with years that begin in March.
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let of_era = shifted.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Some(days * 86_400 + hours * 3600 + minutes * 60 + seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_file_is_read_as_http_writes_it() {
        assert_eq!(
            http_time("Sun, 06 Nov 1994 08:49:37 GMT"),
            Some(784_111_777)
        );
        assert_eq!(http_time("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(
            http_time("Tue, 29 Feb 2000 12:00:00 GMT"),
            Some(951_825_600)
        );
        for bad in [
            "",
            "yesterday",
            "Sun, 06 Nov 1994 08:49 GMT",
            "x, 1 y 2 3 GMT",
        ] {
            assert_eq!(http_time(bad), None, "{bad}");
        }
    }
}
