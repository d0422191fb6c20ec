//! Files from the network: one at a URL, or a whole context.

use crate::{
    Error, Result,
    build::Inner,
    context::{Temporary, private, told},
    git::{self, GitSource},
    key::Key,
    progress::ProgressSender,
    put::{is_archive, set_mode},
    session::Session,
};
use corten_archive::ExtractOptions;
use corten_oci::{Digest, Hasher};
use corten_sys::root::Root;
use futures_util::future::BoxFuture;
use rustix::fs::{Timespec, Timestamps};
use std::{
    fs::File,
    io::Write,
    os::{fd::AsFd, unix::fs::OpenOptionsExt},
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
        let failed = |error: corten_images::Error| Error::Remote(corten_base::chain(&error));
        let mut download = self.images.download(url).await.map_err(failed)?;
        if !(200..300).contains(&download.status()) {
            let status = download.status();
            return Err(Error::Remote(format!("invalid response status {status}")));
        }
        let modified = download.header("last-modified").and_then(http_time);
        let modified = modified.unwrap_or(0);
        let mut growing = Growing::create(directory.join(name))?;
        while let Some(chunk) = download
            .chunk()
            .await
            .map_err(|error| failed(error.into()))?
        {
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
    /// Dockerfile, which is then called `dockerfile`. Answers the directory, which may be
    /// one inside of the temporary one.
    pub fn fetch_context<'a>(
        &'a self,
        url: &'a str,
        dockerfile: &'a str,
        keep_git_dir: bool,
        session: &'a dyn Session,
        progress: &'a ProgressSender,
    ) -> BoxFuture<'a, Result<(Temporary, PathBuf)>> {
        Box::pin(async move {
            let mut key = Key::new("remote context");
            key.text(url);
            let digest = key.finish();
            let temporary = self.contexts.temporary()?;
            let directory = temporary.0.join("files");
            private(&directory)?;
            // Copied as a whole, it gives its mode to what is made of it.
            set_mode(&directory, 0o755)?;
            match GitSource::parse(url, true) {
                Some(source) => {
                    let source = source?;
                    let title = format!("[internal] load git source {}", source.shown());
                    let work = self.fetch_git(&source, keep_git_dir, session, &directory);
                    told(progress, &title, &digest, work).await?;
                    let inside = match source.subdir.trim_matches('/') {
                        "" => directory,
                        subdir => crate::exec::inside(&directory, subdir)?,
                    };
                    Ok((temporary, inside))
                }
                None => {
                    let file = temporary.0.join("context");
                    let title = "[internal] load remote build context";
                    let work = self.download(url, session, &temporary.0);
                    told(progress, title, &digest, work).await?;
                    let (into, name) = (directory.clone(), dockerfile.to_owned());
                    self.blocking(move || unpack(&file, &into, &name)).await?;
                    Ok((temporary, directory))
                }
            }
        })
    }

    /// The file `context` in `directory`, from a URL or from the client.
    async fn download(&self, url: &str, session: &dyn Session, directory: &Path) -> Result<()> {
        let Some(path) = url.strip_prefix(SESSION) else {
            self.fetch_file(url, directory, "context").await?;
            return Ok(());
        };
        let mut stream = session.upload(&format!("/{path}")).await?;
        let mut growing = Growing::create(directory.join("context"))?;
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let length = stream
                .read(&mut chunk)
                .await
                .map_err(|error| Error::path("reading", url, error))?;
            if length == 0 {
                return Ok(());
            }
            growing.push(&chunk[..length])?;
        }
    }
}

/// An archive's files, or the file itself as the Dockerfile. Blocking.
fn unpack(file: &Path, into: &Path, dockerfile: &str) -> Result<()> {
    let open = || File::open(file).map_err(|error| Error::path("opening", file, error));
    let root = Root::open(into).map_err(|error| Error::path("opening", into, error))?;
    if is_archive(open()?) {
        let options = ExtractOptions::default();
        corten_archive::extract(open()?, root.as_fd(), Path::new("/"), &options)?;
        return Ok(());
    }
    let target = Path::new(dockerfile);
    let name = target.file_name().unwrap_or_default();
    let parent = target.parent().unwrap_or(Path::new("/"));
    let (directory, _) = crate::copy::make_directories(&root, parent, None, 0o755)?;
    let flags = rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::CREATE | rustix::fs::OFlags::EXCL;
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    let made = rustix::fs::openat(&directory, name, flags | rustix::fs::OFlags::CLOEXEC, mode);
    let made = made.map_err(|error| Error::path("creating", target, error))?;
    std::io::copy(&mut open()?, &mut File::from(made))
        .map_err(|error| Error::path("writing", target, error))?;
    Ok(())
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

    #[test]
    fn a_single_file_becomes_the_dockerfile_and_an_archive_the_context() {
        let directory = tempfile::tempdir().unwrap();
        let (file, into) = (directory.path().join("f"), directory.path().join("into"));
        std::fs::create_dir(&into).unwrap();
        std::fs::write(&file, "FROM scratch\n").unwrap();
        unpack(&file, &into, "d/Dockerfile").unwrap();
        let text = std::fs::read_to_string(into.join("d/Dockerfile")).unwrap();
        assert_eq!(text, "FROM scratch\n");
        let root = Root::open(&into).unwrap();
        let options = corten_archive::PackOptions::default();
        let tar = corten_archive::pack(root.as_fd(), Path::new("/"), Vec::new(), &options).unwrap();
        std::fs::write(&file, tar).unwrap();
        let other = directory.path().join("other");
        std::fs::create_dir(&other).unwrap();
        unpack(&file, &other, "Dockerfile").unwrap();
        assert!(other.join("d/Dockerfile").exists());
    }
}
