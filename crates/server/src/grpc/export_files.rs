//! Results as files of the client: one archive, or file by file into a directory. What is
//! said about a result is a file at its top.

use super::{
    BuildKit,
    attest::{Said, file_name},
    export::{Answer, told},
    export_options::{epoch, switch},
    jobs::{Job, Results},
    received,
    status::Status,
};
use corten_base::Timestamp;
use corten_build::{BuildResult, FileStat, TreeSend};
use corten_buildkit::{
    control::Exporter,
    fsutil::{self, Packet, Stat},
    session::BytesMessage,
};
use corten_engine::{ByteStream, TarPart};
use corten_grpc::{Client, Files};
use futures_util::StreamExt;
use std::{
    cmp::Ordering,
    collections::HashMap,
    fs::File,
    io::{self, Seek, Write},
    sync::Arc,
};

/// The client's service for what comes to it.
const SEND: &str = "/moby.filesync.v1.FileSend/DiffCopy";
/// The option by which `corten build` says that it unpacks the archive.
const DIRECTORY: &str = "corten-directory";
/// How an export to a directory is told.
const TO_DIRECTORY: &str = "exporting to client directory";
/// Mode of files that say something about a result, as BuildKit has it.
const SAID_MODE: u32 = 0o600;

/// Options of exporters of files.
#[derive(Default)]
struct FileOptions {
    /// The time that all files get (seconds since 1970), if one is given.
    epoch: Option<i64>,
    /// Before the names of files that say something about a result.
    prefix: String,
    /// Each platform in a directory of its own; as is usual, where nothing is said.
    split: Option<bool>,
    /// The client makes a directory of the archive.
    directory: bool,
}

impl FileOptions {
    /// The directory that each result goes to, if it does not go to the top. Results that
    /// share the top may not have files of the same name.
    async fn directories(
        &self,
        kit: &BuildKit,
        results: &Results,
    ) -> Result<Vec<Option<String>>, Status> {
        let split = self.split.unwrap_or(results.several);
        if !split && results.list.len() > 1 {
            let mut trees = Vec::new();
            for result in &results.list {
                trees.push((result.platform.to_string(), listed(kit, result).await?));
            }
            let lists: Vec<_> = trees
                .iter()
                .map(|(platform, tree)| (platform.as_str(), tree.files()))
                .collect();
            apart(&lists)?;
        }
        let directory = |result: &Arc<BuildResult>| split.then(|| directory_of(result));
        Ok(results.list.iter().map(directory).collect())
    }
}

/// Refuses trees that have a file in common, by BuildKit's sentence.
fn apart(trees: &[(&str, &[FileStat])]) -> Result<(), Status> {
    let mut seen: HashMap<&str, &str> = HashMap::new();
    for (platform, files) in trees {
        let is_file = |file: &&FileStat| file.mode & 0o170_000 != 0o040_000;
        for FileStat { path, .. } in files.iter().filter(is_file) {
            if let Some(other) = seen.insert(path, platform) {
                return Err(Status::unknown(format!(
                    "cannot overwrite {path} from {other} with {platform} when split option is disabled"
                )));
            }
        }
    }
    Ok(())
}

/// To the client, as one archive.
pub(super) async fn to_tar(
    kit: &BuildKit,
    job: &Job,
    results: &Results,
    index: usize,
    exporter: &Exporter,
) -> Result<Answer, Status> {
    let options = read(exporter)?;
    let session = kit.sessions.get(&job.session).await?;
    let mut parts = Vec::new();
    let directories = options.directories(kit, results).await?;
    for ((place, result), below) in results.list.iter().enumerate().zip(directories) {
        let mut files = Vec::new();
        if !results.said_about(place).is_empty() {
            let tree = listed(kit, result).await?;
            files = statements(tree, results.said_about(place), &options)
                .await?
                .1;
        }
        parts.push(TarPart {
            result: Arc::clone(result),
            below,
            files,
            epoch: options.epoch.or(result.source_date_epoch),
        });
    }
    let tar = kit.engine.build_export_tar(parts);
    let tar = tar.map_err(|error| Status::of(&error))?;
    let sending = async {
        let bytes = send_tar(session.client(), index, tar).await?;
        Ok(if options.directory { bytes } else { 0 })
    };
    let (title, piece) = match options.directory {
        true => (TO_DIRECTORY, "copying files"),
        false => ("exporting to client tarball", "sending tarball"),
    };
    told(job, &results.list, title, piece, sending).await?;
    Ok(HashMap::new())
}

/// To the client, file by file.
pub(super) async fn to_directory(
    kit: &BuildKit,
    job: &Job,
    results: &Results,
    index: usize,
    exporter: &Exporter,
) -> Result<Answer, Status> {
    let options = read(exporter)?;
    let session = kit.sessions.get(&job.session).await?;
    let sending = async {
        let mut bytes = 0;
        let directories = options.directories(kit, results).await?;
        for ((place, result), under) in results.list.iter().enumerate().zip(directories) {
            let tree = listed(kit, result).await?;
            let said = results.said_about(place);
            let (tree, files) = statements(tree, said, &options).await?;
            let epoch = options.epoch.or(result.source_date_epoch);
            let tree = Tree::new(tree, files, under, epoch)?;
            let (sender, incoming) = session
                .client()
                .stream::<Packet>(SEND, &metadata(index))
                .await?;
            bytes += corten_grpc::send_files(tree, sender, incoming).await?;
        }
        Ok(bytes)
    };
    told(job, &results.list, TO_DIRECTORY, "copying files", sending).await?;
    Ok(HashMap::new())
}

/// Where files of a platform go beside those of others.
fn directory_of(result: &BuildResult) -> String {
    corten_engine::platform_directory(&result.platform)
}

async fn listed(kit: &BuildKit, result: &Arc<BuildResult>) -> Result<TreeSend, Status> {
    let (ours, result) = (Arc::clone(&kit.engine), Arc::clone(result));
    let listing = tokio::task::spawn_blocking(move || ours.build_export_tree(&result));
    let tree = listing.await.map_err(|_| Status::cancelled())?;
    tree.map_err(|error| Status::of(&error))
}

/// Every option is honoured, or refused by name.
fn read(exporter: &Exporter) -> Result<FileOptions, Status> {
    let kind = exporter.kind.as_str();
    let mut options = FileOptions::default();
    for (key, value) in &exporter.attrs {
        match key.as_str() {
            "dest" => {}
            DIRECTORY if kind == "tar" => options.directory = switch(key, value)?,
            "source-date-epoch" => options.epoch = epoch(key, value)?,
            "attestation-prefix" => {
                file_name(&format!("{value}x"))?;
                options.prefix.clone_from(value);
            }
            "platform-split" => options.split = Some(switch(key, value)?),
            other => {
                return Err(Status::unimplemented(format!(
                    "the option {other:?} of exporter {kind:?} is not supported by Corten"
                )));
            }
        }
    }
    Ok(options)
}

/// Names and contents of the files that say something about a tree: of each of its files.
async fn statements(
    tree: TreeSend,
    said: &[Said],
    options: &FileOptions,
) -> Result<(TreeSend, Vec<(String, Vec<u8>)>), Status> {
    if said.is_empty() {
        return Ok((tree, Vec::new()));
    }
    let hashing = tokio::task::spawn_blocking(move || {
        let subjects = tree.digests()?;
        Ok::<_, corten_build::Error>((tree, subjects))
    });
    let hashed = hashing.await.map_err(|_| Status::cancelled())?;
    let (tree, subjects) = hashed.map_err(|error| Status::of(&error))?;
    let subject = |(name, digest): &(String, corten_oci::Digest)| serde_json::json!({"name": name, "digest": {"sha256": digest.hex()}});
    let subjects: Vec<_> = subjects.iter().map(subject).collect();
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for one in said {
        let name = format!("{}{}", options.prefix, one.filename);
        if files.iter().any(|(known, _)| *known == name) {
            let sentence = format!("duplicate attestation path name {name}");
            return Err(Status::unknown(sentence));
        }
        let statement = one.attestation.statement(&subjects);
        let text = serde_json::to_vec_pretty(&statement);
        files.push((
            name,
            text.map_err(|error| Status::internal(error.to_string()))?,
        ));
    }
    Ok((tree, files))
}

fn metadata(index: usize) -> [(String, String); 1] {
    [(
        "buildkit-attachable-exporter-id".to_owned(),
        index.to_string(),
    )]
}

pub(super) async fn send_tar(
    client: &Client,
    index: usize,
    mut tar: ByteStream,
) -> Result<u64, Status> {
    let (sender, mut incoming) = client
        .stream::<BytesMessage>(SEND, &metadata(index))
        .await?;
    let mut bytes = 0;
    while let Some(piece) = tar.next().await {
        let piece = piece.map_err(|error| Status::unknown(error.to_string()))?;
        let data = piece.to_vec();
        bytes += data.len() as u64;
        if sender.send(BytesMessage { data }).await.is_err() {
            break;
        }
    }
    drop(sender);
    while incoming.next::<BytesMessage>().await?.is_some() {}
    Ok(bytes)
}

/// A tree with what is said about it.
struct Tree {
    list: Vec<Stat>,
    /// Where each of the list is.
    places: Vec<Place>,
    tree: TreeSend,
}

enum Place {
    /// A directory that is only told.
    Above,
    /// A file of the tree, by its number.
    Tree(u32),
    /// In memory.
    Said(File),
}

impl Tree {
    /// Files of `tree` and `said`, in a directory of the client's if one is named. What is
    /// said goes before a file of the tree with the same name.
    fn new(
        tree: TreeSend,
        said: Vec<(String, Vec<u8>)>,
        under: Option<String>,
        epoch: Option<i64>,
    ) -> Result<Self, Status> {
        let hidden = |path: &str| said.iter().any(|(name, _)| name == path);
        let files = (0u32..).zip(tree.files().iter());
        let files = files.filter(|(_, file)| !hidden(&file.path));
        let mut all: Vec<(Stat, Place)> = files
            .map(|(number, file)| (received::stat(file), Place::Tree(number)))
            .collect();
        for (name, bytes) in said {
            let stat = Stat {
                path: name,
                mode: SAID_MODE,
                size: bytes.len() as i64,
                mod_time: Timestamp::now().unix_nanoseconds(),
                ..Stat::default()
            };
            let after = |it: &(Stat, Place)| order(&it.0.path, &stat.path) == Ordering::Less;
            let place = all.partition_point(after);
            let file = in_memory(&bytes).map_err(|error| Status::unknown(error.to_string()))?;
            all.insert(place, (stat, Place::Said(file)));
        }
        if let Some(directory) = &under {
            for (stat, _) in &mut all {
                stat.path = format!("{directory}/{}", stat.path);
                // The other name of a file, unless it is what a symbolic link points to.
                if !stat.linkname.is_empty() && stat.mode & fsutil::GO_SYMLINK == 0 {
                    stat.linkname = format!("{directory}/{}", stat.linkname);
                }
            }
            let stat = Stat {
                path: directory.clone(),
                mode: fsutil::GO_DIRECTORY | 0o755,
                ..Stat::default()
            };
            all.insert(0, (stat, Place::Above));
        }
        if let Some(epoch) = epoch {
            let at = epoch.saturating_mul(1_000_000_000);
            all.iter_mut().for_each(|(stat, _)| stat.mod_time = at);
        }
        let (list, places) = all.into_iter().unzip();
        Ok(Self { list, places, tree })
    }
}

/// The order in which trees are told: by components, not by bytes.
fn order(one: &str, other: &str) -> Ordering {
    one.split('/').cmp(other.split('/'))
}

fn in_memory(bytes: &[u8]) -> io::Result<File> {
    let flags = rustix::fs::MemfdFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::memfd_create("attestation", flags)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}

impl Files for Tree {
    fn list(&mut self, tell: &mut dyn FnMut(&Stat) -> bool) -> io::Result<()> {
        // Who does not listen any more has no use for the rest.
        let _heard = self.list.iter().all(tell);
        Ok(())
    }

    fn path(&self, number: u32) -> Option<&str> {
        let stat = self.list.get(number as usize);
        stat.map(|it| it.path.as_str())
    }

    fn open(&self, number: u32) -> io::Result<File> {
        match self.places.get(number as usize) {
            Some(Place::Tree(number)) => {
                let opened = self.tree.open(*number);
                opened.map_err(|error| io::Error::other(corten_base::chain(&error)))
            }
            Some(Place::Said(file)) => file.try_clone(),
            _ => Err(io::ErrorKind::IsADirectory.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_stands_where_a_tree_would_have_it() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["a", "provenance.json", "z"] {
            std::fs::write(directory.path().join(name), name).unwrap();
        }
        std::fs::create_dir(directory.path().join("p")).unwrap();
        std::fs::write(directory.path().join("p/x"), "x").unwrap();
        let opened = File::open(directory.path()).unwrap();
        let tree = TreeSend::list(opened.into()).unwrap();
        let said = vec![("provenance.json".to_owned(), b"said".to_vec())];
        let tree = Tree::new(tree, said, Some("linux_amd64".into()), Some(7)).unwrap();
        let paths: Vec<&str> = tree.list.iter().map(|it| it.path.as_str()).collect();
        let wanted = ["a", "p", "p/x", "provenance.json", "z"];
        let wanted = wanted.map(|name| format!("linux_amd64/{name}"));
        assert_eq!(paths[0], "linux_amd64");
        assert_eq!(paths[1..], wanted);
        let content = |number| {
            let mut text = String::new();
            io::Read::read_to_string(&mut tree.open(number).unwrap(), &mut text).unwrap();
            text
        };
        assert_eq!(
            (content(1), content(4), content(5)),
            ("a".into(), "said".into(), "z".into())
        );
        assert!(tree.open(0).is_err());
        assert!(tree.list.iter().all(|it| it.mod_time == 7_000_000_000));
    }
}
