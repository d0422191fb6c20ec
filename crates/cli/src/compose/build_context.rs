//! The directory that an image is built from, as a tar stream: without what its
//! `.dockerignore` leaves out, owned by root.

use crate::{error::CliError, files};
use bytes::Bytes;
use corten_dockerfile::Patterns;
use futures_util::Stream;
use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

/// The context's name for a Dockerfile that is not one of its files.
const FOREIGN: &str = ".dockerfile.compose";

/// What is sent to the builder.
pub struct Context {
    directory: PathBuf,
    ignored: Patterns,
    /// The Dockerfile's path in the context.
    pub dockerfile: String,
    /// Its text, where it is no file of the context.
    foreign: Option<String>,
}

impl Context {
    /// A directory of this machine and its Dockerfile: a path below it or elsewhere, or
    /// the text itself.
    pub fn new(directory: &str, dockerfile: &str, inline: Option<&str>) -> Result<Self, CliError> {
        let found = fs::canonicalize(directory)
            .ok()
            .filter(|path| path.is_dir());
        let Some(found) = found else {
            return Err(CliError::Text(format!(
                "unable to prepare context: path {directory:?} not found"
            )));
        };
        let path = found.join(dockerfile);
        let (dockerfile, foreign) = match inline {
            Some(text) => (FOREIGN.to_owned(), Some(text.to_owned())),
            None => place(&found, &path)?,
        };
        let ignored = ignored(&found, &path, inline.is_none())?;
        Ok(Self {
            directory: found,
            ignored,
            dockerfile,
            foreign,
        })
    }

    /// The tar, packed as it is read.
    pub fn stream(self) -> io::Result<impl Stream<Item = io::Result<Bytes>> + Send + 'static> {
        let (reader, writer) = io::pipe()?;
        std::thread::spawn(move || {
            // A tar that ends early is one the builder refuses.
            if let Err(error) = self.pack(io::BufWriter::new(writer)) {
                let _ = writeln!(io::stderr(), "packing the build context: {error}");
            }
        });
        Ok(files::pieces(reader))
    }

    fn pack(&self, out: impl Write) -> io::Result<()> {
        let mut tar = tar::Builder::new(out);
        tar.follow_symlinks(false);
        self.append(&mut tar, "")?;
        if let Some(text) = &self.foreign {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o600);
            tar.append_data(&mut header, FOREIGN, text.as_bytes())?;
        }
        tar.into_inner()?.flush()
    }

    /// Adds what is in the directory `below`, a path in the context.
    fn append(&self, tar: &mut tar::Builder<impl Write>, below: &str) -> io::Result<()> {
        let mut entries: Vec<_> =
            fs::read_dir(self.directory.join(below))?.collect::<Result<_, _>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let file = entry.file_name();
            let file = file.to_string_lossy();
            let name = match below {
                "" => file.into_owned(),
                below => format!("{below}/{file}"),
            };
            let meta = entry.metadata()?;
            // The builder reads these two even where they are left out for `COPY`.
            let needed = name == self.dockerfile || name == ".dockerignore";
            let left_out = !needed && self.ignored.excludes(&name);
            if meta.is_dir() {
                let dockerfile_below = self.dockerfile.starts_with(&format!("{name}/"));
                if left_out && !dockerfile_below && !self.ignored.may_take_back_below(&name) {
                    continue;
                }
                if !left_out {
                    tar.append_data(&mut header(&meta), &name, io::empty())?;
                }
                self.append(tar, &name)?;
            } else if left_out {
                continue;
            } else if meta.is_symlink() {
                let mut header = header(&meta);
                header.set_size(0);
                tar.append_link(&mut header, &name, fs::read_link(entry.path())?)?;
            } else if meta.is_file() {
                let opened = fs::File::open(entry.path())?;
                let mut header = header(&meta);
                let size = opened.metadata()?.len();
                header.set_size(size);
                tar.append_data(&mut header, &name, io::Read::take(opened, size))?;
            }
        }
        Ok(())
    }
}

fn header(meta: &fs::Metadata) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_metadata(meta);
    header.set_uid(0);
    header.set_gid(0);
    header
}

/// A Dockerfile's path in the context, or its text if it is elsewhere.
fn place(context: &Path, path: &Path) -> Result<(String, Option<String>), CliError> {
    let shown = path.display().to_string();
    let found = fs::canonicalize(path)
        .map_err(|error| CliError::path("unable to prepare context: open", &shown, &error))?;
    match found.strip_prefix(context) {
        Ok(inside) => Ok((inside.to_string_lossy().into_owned(), None)),
        Err(_) => {
            let text =
                fs::read_to_string(&found).map_err(|error| CliError::open(&shown, &error))?;
            Ok((FOREIGN.to_owned(), Some(text)))
        }
    }
}

/// `NAME.dockerignore` beside the Dockerfile, or the context's `.dockerignore`.
fn ignored(context: &Path, dockerfile: &Path, is_file: bool) -> Result<Patterns, CliError> {
    let mut own = dockerfile.as_os_str().to_owned();
    own.push(".dockerignore");
    let candidates = [
        is_file.then(|| PathBuf::from(own)),
        Some(context.join(".dockerignore")),
    ];
    for path in candidates.into_iter().flatten() {
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        return Patterns::parse_file(&text)
            .map_err(|error| CliError::Text(format!("error reading {}: {error}", path.display())));
    }
    Patterns::parse_file("").map_err(|error| CliError::Text(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(context: &Context) -> Vec<String> {
        let mut bytes = Vec::new();
        context.pack(&mut bytes).unwrap();
        let mut tar = tar::Archive::new(bytes.as_slice());
        let entries = tar.entries().unwrap();
        entries
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect()
    }

    #[test]
    fn what_is_left_out_stays_here_and_the_dockerfile_goes_all_the_same() {
        let context = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = context.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(".dockerignore", "node_modules\nbuild\n*.log\n!keep.log\n");
        write("build/Dockerfile", "FROM scratch\n");
        write("build/other", "");
        write("node_modules/a/b", "");
        write("a.log", "");
        write("keep.log", "");
        write("src/main", "");
        let directory = context.path().to_str().unwrap();
        let found = Context::new(directory, "build/Dockerfile", None).unwrap();
        assert_eq!(
            names(&found),
            [
                ".dockerignore",
                "build/Dockerfile",
                "keep.log",
                "src",
                "src/main"
            ]
        );
        let inline = Context::new(directory, "Dockerfile", Some("FROM scratch")).unwrap();
        assert!(names(&inline).contains(&FOREIGN.to_owned()));
    }
}
