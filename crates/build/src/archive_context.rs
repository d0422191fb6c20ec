//! A context that came as one stream: kept as it came, known by its digest, and unpacked
//! only when a step reads files of it for which no record answers.
//!
//! The Dockerfile and `.dockerignore` are read from the stream itself. Whatever is unusual
//! about them, a link or a path that leaves the tree, is left to unpacking, which has the
//! last word about what a path means.

use crate::{
    Builder, Error, Result,
    context::{Contexts, Temporary, private},
    key::Key,
    put::{is_archive, set_mode},
};
use corten_archive::{
    Decoder, ExtractOptions, Limits,
    tar::{EntryKind, Reader},
};
use corten_oci::{Digest, Hasher};
use corten_sys::root::Root;
use rustix::fs::{Mode, OFlags};
use std::{
    collections::{HashMap, HashSet},
    fmt,
    fs::File,
    io::{self, BufRead, BufReader, Read, Write},
    os::{fd::AsFd, unix::fs::OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// Contexts that come in fewer bytes stay in memory, also unpacked: most are source code,
/// of which making the files is the dear part.
const SMALL_BYTES: usize = 32 << 20;
/// Bytes that such a context may have, unpacked, before the disk is taken.
const UNPACKED_IN_MEMORY_BYTES: u64 = 128 << 20;
/// Bytes of one context.
const BYTES_MAX: u64 = 64 << 30;
/// Bytes read of a stream at a time.
const CHUNK_BYTES: usize = 256 << 10;

/// Such a context. Cheap to clone; what it takes of memory and disk goes with the last one.
#[derive(Clone)]
pub struct ArchiveContext(Arc<Held>);

struct Held {
    stored: Stored,
    digest: Digest,
    kind: ArchiveKind,
    /// Texts that were read before, none where there is no such file.
    // Lock: held for memory work only.
    texts: Mutex<HashMap<String, Option<String>>>,
    /// Where it is unpacked.
    // Lock: held while it is being unpacked.
    unpacked: Mutex<Option<Temporary>>,
    contexts: Arc<Contexts>,
}

/// The bytes.
enum Stored {
    Memory(Vec<u8>),
    /// In a directory that goes with it.
    File(
        PathBuf,
        #[expect(dead_code, reason = "goes with the value")] Temporary,
    ),
}

/// What a stream may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArchiveKind {
    /// An archive; everything in it belongs to root, as in a classic build with dockerd.
    Rooted,
    /// An archive with the owners that it tells, as BuildKit takes one.
    AsSent,
    /// The same, or else the Dockerfile itself, under this path.
    OrDockerfile(String),
}

impl fmt::Debug for ArchiveContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Held { digest, kind, .. } = &*self.0;
        f.debug_tuple("ArchiveContext")
            .field(digest)
            .field(kind)
            .finish()
    }
}

impl PartialEq for ArchiveContext {
    fn eq(&self, other: &Self) -> bool {
        (&self.0.digest, &self.0.kind) == (&other.0.digest, &other.0.kind)
    }
}

impl Eq for ArchiveContext {}

impl Builder {
    /// Takes a context off a stream. Blocking.
    ///
    /// # Errors
    /// A stream that breaks off; one that is longer than a context may be; the disk's.
    pub fn take_context(&self, mut stream: impl Read, kind: ArchiveKind) -> Result<ArchiveContext> {
        let mut coming = Coming::new(self.contexts());
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            match stream.read(&mut chunk) {
                Ok(0) => return Ok(coming.finish(kind)),
                Ok(length) => coming.push(&chunk[..length])?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(corten_archive::Error::Read(error).into()),
            }
        }
    }
}

/// A context on its way.
pub(crate) struct Coming {
    contexts: Arc<Contexts>,
    hasher: Hasher,
    first: Vec<u8>,
    /// Everything, once that is too much for memory.
    file: Option<(File, PathBuf, Temporary)>,
    bytes: u64,
}

impl Coming {
    pub fn new(contexts: &Arc<Contexts>) -> Self {
        Self {
            contexts: contexts.clone(),
            hasher: Hasher::sha256(),
            first: Vec::new(),
            file: None,
            bytes: 0,
        }
    }

    /// The next bytes. Blocking where there are many.
    pub fn push(&mut self, bytes: &[u8]) -> Result<()> {
        self.bytes += bytes.len() as u64;
        if self.bytes > BYTES_MAX {
            return Err(Error::Invalid(format!(
                "a context of more than {BYTES_MAX} bytes"
            )));
        }
        self.hasher.update(bytes);
        if self.file.is_none() && self.first.len() + bytes.len() <= SMALL_BYTES {
            self.first.extend_from_slice(bytes);
            return Ok(());
        }
        if self.file.is_none() {
            let directory = self.contexts.temporary()?;
            let path = directory.0.join("context");
            let file = File::options()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)
                .map_err(|error| Error::path("creating", &path, error))?;
            self.file = Some((file, path, directory));
        }
        let first = std::mem::take(&mut self.first);
        if let Some((file, path, _)) = &mut self.file {
            let mut write = |bytes: &[u8]| file.write_all(bytes);
            write(&first)
                .and_then(|()| write(bytes))
                .map_err(|error| Error::path("writing", &*path, error))?;
        }
        Ok(())
    }

    pub fn finish(self, kind: ArchiveKind) -> ArchiveContext {
        let stored = match self.file {
            Some((_, path, directory)) => Stored::File(path, directory),
            None => Stored::Memory(self.first),
        };
        ArchiveContext(Arc::new(Held {
            stored,
            digest: self.hasher.finish(),
            kind,
            texts: Mutex::default(),
            unpacked: Mutex::default(),
            contexts: self.contexts,
        }))
    }
}

impl ArchiveContext {
    /// Puts into a key what the files are.
    pub(crate) fn add_to(&self, key: &mut Key) {
        key.text("archive").digest(&self.0.digest);
        key.text(&format!("{:?}", self.0.kind));
    }

    /// Of the stream as it came.
    pub(crate) fn digest(&self) -> &Digest {
        &self.0.digest
    }

    /// Small files of it, none where it does not have them. Blocking.
    pub(crate) fn read(&self, names: &[String]) -> Result<Vec<Option<String>>> {
        let known = || {
            let texts = self.texts();
            let found = names.iter().map(|name| texts.get(name).cloned());
            found.collect::<Option<Vec<_>>>()
        };
        if let Some(found) = known() {
            return Ok(found);
        }
        // It is asked for next, most of the time.
        let wanted = names.iter().map(String::as_str).chain([".dockerignore"]);
        if let Some(found) = self.scan(wanted)? {
            self.texts().extend(found);
        }
        if let Some(found) = known() {
            return Ok(found);
        }
        let root = self.root()?;
        names.iter().map(|name| read_text(&root, name)).collect()
    }

    fn texts(&self) -> std::sync::MutexGuard<'_, HashMap<String, Option<String>>> {
        self.0.texts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Files as the archive has them; none at all when they can be told only by unpacking.
    fn scan<'n>(
        &self,
        wanted: impl Iterator<Item = &'n str>,
    ) -> Result<Option<HashMap<String, Option<String>>>> {
        if !is_archive(self.stream()?) {
            return Ok(None);
        }
        let mut places: HashMap<Vec<Vec<u8>>, &str> = HashMap::new();
        let mut found = HashMap::new();
        for name in wanted {
            let Some(place) = components(name.as_bytes()) else {
                return Ok(None);
            };
            places.insert(place, name);
            found.insert(name.to_owned(), None);
        }
        let decoder = Decoder::new(self.stream()?)?;
        let buffered = BufReader::with_capacity(CHUNK_BYTES, decoder);
        let mut reader = Reader::new(buffered, Limits::default());
        let mut links = HashSet::new();
        while let Some(entry) = reader.next_entry()? {
            let Some(place) = components(&entry.path) else {
                return Ok(None);
            };
            // What is put below a link is somewhere else.
            if !links.is_empty() && (1..place.len()).any(|end| links.contains(&place[..end])) {
                return Ok(None);
            }
            if entry.kind == EntryKind::Symlink {
                links.insert(place.clone());
            }
            let Some(name) = places.get(&place) else {
                let above = places.keys().any(|wanted| wanted.starts_with(&place));
                match above && entry.kind != EntryKind::Directory {
                    true => return Ok(None),
                    false => continue,
                }
            };
            if entry.kind != EntryKind::Regular
                || entry.sparse.is_some()
                || entry.size > corten_dockerfile::FILE_BYTES_MAX as u64
            {
                return Ok(None);
            }
            let text = reader.read_all(entry.size)?;
            let text = String::from_utf8_lossy(&text).into_owned();
            found.insert((*name).to_owned(), Some(text));
        }
        Ok(Some(found))
    }

    /// Where its files are, unpacked by the first who asks. Blocking.
    pub(crate) fn files(&self) -> Result<PathBuf> {
        let held = &*self.0;
        let mut unpacked = held.unpacked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(directory) = &*unpacked {
            return Ok(directory.0.join("files"));
        }
        let in_memory = match &held.stored {
            Stored::Memory(_) => self.unpack_in_memory(),
            Stored::File(..) => None,
        };
        let directory = match in_memory {
            Some(directory) => directory,
            None => {
                let directory = held.contexts.temporary()?;
                self.unpack(&directory, Limits::default())?;
                directory
            }
        };
        let files = directory.0.join("files");
        *unpacked = Some(directory);
        Ok(files)
    }

    /// Whatever is in the way, a lack of memory or the archive itself: the disk has the
    /// last word.
    fn unpack_in_memory(&self) -> Option<Temporary> {
        let directory = self.0.contexts.memory().ok()?;
        let limits = Limits {
            total_bytes: UNPACKED_IN_MEMORY_BYTES,
            ..Limits::default()
        };
        self.unpack(&directory, limits).ok()?;
        Some(directory)
    }

    fn root(&self) -> Result<Root> {
        let path = self.files()?;
        Root::open(&path).map_err(|error| Error::path("opening", path, error))
    }

    fn stream(&self) -> Result<Box<dyn BufRead + Send + '_>> {
        Ok(match &self.0.stored {
            Stored::Memory(bytes) => Box::new(bytes.as_slice()),
            Stored::File(path, _) => {
                let file = File::open(path).map_err(|error| Error::path("opening", path, error))?;
                Box::new(BufReader::with_capacity(CHUNK_BYTES, file))
            }
        })
    }

    fn unpack(&self, directory: &Temporary, limits: Limits) -> Result<()> {
        let into = directory.0.join("files");
        private(&into)?;
        // Copied as a whole, it gives its mode to what is made of it.
        set_mode(&into, 0o755)?;
        let root = Root::open(&into).map_err(|error| Error::path("opening", &into, error))?;
        if let ArchiveKind::OrDockerfile(path) = &self.0.kind
            && !is_archive(self.stream()?)
        {
            return self.put_dockerfile(&root, Path::new(path));
        }
        let options = ExtractOptions {
            owner: (self.0.kind == ArchiveKind::Rooted)
                .then_some(corten_archive::Owner { uid: 0, gid: 0 }),
            limits,
            ..ExtractOptions::default()
        };
        corten_archive::extract(self.stream()?, root.as_fd(), Path::new("/"), &options)?;
        Ok(())
    }

    fn put_dockerfile(&self, root: &Root, path: &Path) -> Result<()> {
        let name = path.file_name().unwrap_or_default();
        let parent = path.parent().unwrap_or(Path::new("/"));
        let (directory, _) = crate::copy::make_directories(root, parent, None, 0o755)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let made = rustix::fs::openat(&directory, name, flags, Mode::from_raw_mode(0o600));
        let made = made.map_err(|error| Error::path("creating", path, error))?;
        io::copy(&mut self.stream()?, &mut File::from(made))
            .map_err(|error| Error::path("writing", path, error))?;
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let unpacked = self.unpacked.get_mut().map_or(None, Option::take);
        // Thousands of files, which nobody waits for.
        if let Some(directory) = unpacked {
            let removing = std::thread::Builder::new().name("context-removal".into());
            // Without a thread the directory goes right here.
            let _ = removing.spawn(move || drop(directory));
        }
    }
}

/// A text of a tree, none where there is none.
pub(crate) fn read_text(root: &Root, name: &str) -> Result<Option<String>> {
    let limit = corten_dockerfile::FILE_BYTES_MAX as u64;
    match root.read_regular(Path::new(name), limit) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::path("reading", name, error)),
    }
}

/// The words of a path, none where it goes upwards.
fn components(path: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    for word in path.split(|byte| *byte == b'/') {
        match word {
            b"" | b"." => {}
            b".." => return None,
            word => words.push(word.to_vec()),
        }
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_archive::tar::{Entry, Writer};

    struct Room {
        directory: tempfile::TempDir,
        contexts: Arc<Contexts>,
    }

    impl Room {
        fn open() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let at = |name: &str| directory.path().join(name);
            let contexts = Arc::new(Contexts::open(&at("disk"), &at("memory")).unwrap());
            Self {
                directory,
                contexts,
            }
        }

        fn take(&self, bytes: &[u8], kind: ArchiveKind) -> ArchiveContext {
            let mut coming = Coming::new(&self.contexts);
            coming.push(bytes).unwrap();
            coming.finish(kind)
        }

        fn unpacked(&self) -> usize {
            let count = |name: &str| {
                let path = self.directory.path().join(name);
                std::fs::read_dir(path).unwrap().count()
            };
            count("memory") + count("disk/tmp")
        }
    }

    fn tar(entries: &[(Entry, &[u8])]) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new());
        for (entry, data) in entries {
            writer.append_bytes(entry, data).unwrap();
        }
        writer.finish().unwrap()
    }

    fn file(path: &str, text: &'static str) -> (Entry, &'static [u8]) {
        (Entry::file(path, text.len() as u64), text.as_bytes())
    }

    fn link(path: &str, target: &str) -> (Entry, &'static [u8]) {
        let mut entry = Entry::new(path, EntryKind::Symlink);
        entry.link = target.into();
        (entry, b"")
    }

    fn names() -> Vec<String> {
        ["d/Dockerfile", "d/Dockerfile.dockerignore"]
            .map(str::to_owned)
            .to_vec()
    }

    #[test]
    fn a_dockerfile_is_read_without_unpacking() {
        let room = Room::open();
        let bytes = tar(&[
            file("./d/Dockerfile", "FROM a\n"),
            file("x", ""),
            file("d//Dockerfile", "FROM b\n"),
            file(".dockerignore", "x\n"),
        ]);
        let context = room.take(&bytes, ArchiveKind::AsSent);
        let found = context.read(&names()).unwrap();
        assert_eq!(found, [Some("FROM b\n".to_owned()), None]);
        let found = context.read(&[".dockerignore".to_owned()]).unwrap();
        assert_eq!(found, [Some("x\n".to_owned())]);
        assert_eq!(room.unpacked(), 0);
    }

    #[test]
    fn a_dockerfile_behind_links_is_what_unpacking_makes_of_it() {
        let room = Room::open();
        for entries in [
            vec![file("real", "FROM a\n"), link("d/Dockerfile", "../real")],
            vec![file("e/Dockerfile", "FROM a\n"), link("d", "e")],
            vec![
                file("d/Dockerfile", "FROM b\n"),
                link("e", "d"),
                file("e/Dockerfile", "FROM a\n"),
            ],
            vec![file("x/../d/Dockerfile", "FROM a\n")],
        ] {
            let Ok(found) = room
                .take(&tar(&entries), ArchiveKind::AsSent)
                .read(&names())
            else {
                // An archive that is refused is refused as a whole.
                assert!(entries.len() == 1);
                continue;
            };
            assert_eq!(found, [Some("FROM a\n".to_owned()), None], "{entries:?}");
        }
    }

    #[test]
    fn a_single_file_becomes_the_dockerfile() {
        let room = Room::open();
        let kind = ArchiveKind::OrDockerfile("d/Dockerfile".into());
        let context = room.take(b"FROM scratch\n", kind);
        let found = context.read(&names()).unwrap();
        assert_eq!(found, [Some("FROM scratch\n".to_owned()), None]);
    }

    #[test]
    fn what_is_unpacked_goes_with_the_context() {
        let room = Room::open();
        let context = room.take(&tar(&[file("a/b", "text")]), ArchiveKind::Rooted);
        let files = context.files().unwrap();
        assert_eq!(std::fs::read_to_string(files.join("a/b")).unwrap(), "text");
        assert_eq!(context.files().unwrap(), files);
        drop(context);
        let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while room.unpacked() > 0 {
            assert!(std::time::Instant::now() < end);
            std::thread::yield_now();
        }
    }

    #[test]
    fn equal_streams_are_one_content_and_owners_tell_them_apart() {
        let room = Room::open();
        let key = |bytes: &[u8], kind| {
            let mut key = Key::new("test");
            room.take(bytes, kind).add_to(&mut key);
            key.finish()
        };
        let (one, other) = (tar(&[file("a", "1")]), tar(&[file("a", "2")]));
        assert_eq!(
            key(&one, ArchiveKind::AsSent),
            key(&one, ArchiveKind::AsSent)
        );
        assert_ne!(
            key(&one, ArchiveKind::AsSent),
            key(&other, ArchiveKind::AsSent)
        );
        assert_ne!(
            key(&one, ArchiveKind::AsSent),
            key(&one, ArchiveKind::Rooted)
        );
    }
}
