//! Builds of the past on disk: what was asked, what came of it, what was told meanwhile.
//!
//! A build is files named by the digest of its name: `.record`, written last and renamed into
//! its place, and what the record names by digest: what the build told, its trace, what is
//! said about its results. At most [`RECORDS`] builds are kept, and those that a user pinned.
//! (Records of the first versions name no log: it lies in `.log`, as gRPC's frames.)

use super::{attachments::Attachment, status::Status, told, trace, watch::Log};
use corten_buildkit::{
    Decoder, Message,
    control::{BuildHistoryEvent, BuildHistoryRecord, StatusResponse},
    history,
};
use corten_oci::Digest;
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::broadcast;

/// Builds remembered after their end.
const RECORDS: usize = 100;
/// Events that wait for a slow listener.
const EVENTS: usize = 256;

/// [`BuildHistoryEvent::kind`]: a build has begun.
pub(super) const STARTED: i32 = 0;
/// A build is over.
pub(super) const COMPLETE: i32 = 1;
/// A build is forgotten.
const DELETED: i32 = 2;

/// The builds of the past.
pub(crate) struct Records {
    pub(super) directory: PathBuf,
    // Lock: held for memory work only. The oldest first.
    known: Mutex<Vec<BuildHistoryRecord>>,
    // Lock: held for memory work only. Attachments that are not written yet.
    fresh: Mutex<Vec<Attachment>>,
    events: broadcast::Sender<BuildHistoryEvent>,
}

impl Records {
    /// Reads what is there; files that cannot be read are left out. Blocking.
    pub fn open(directory: PathBuf) -> Arc<Self> {
        let mut known: Vec<BuildHistoryRecord> = Vec::new();
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_none_or(|it| it != "record") {
                continue;
            }
            let record = fs::read(&path).ok();
            match record.and_then(|bytes| BuildHistoryRecord::decode(&bytes[..]).ok()) {
                Some(record) => known.push(record),
                None => tracing::warn!(path = %path.display(), "a build's record is unreadable"),
            }
        }
        known.sort_by_key(|it| it.created_at.as_ref().map(|at| (at.seconds, at.nanos)));
        Arc::new(Self {
            directory,
            known: Mutex::new(known),
            fresh: Mutex::default(),
            events: broadcast::Sender::new(EVENTS),
        })
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Vec<BuildHistoryRecord>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of them, the oldest first.
    pub fn list(&self) -> Vec<BuildHistoryRecord> {
        self.known().clone()
    }

    /// What happens from now on.
    pub fn follow(&self) -> broadcast::Receiver<BuildHistoryEvent> {
        self.events.subscribe()
    }

    /// Tells whoever listens.
    pub fn tell(&self, kind: i32, record: BuildHistoryRecord) {
        let record = Some(record);
        // Nobody may listen.
        let _ = self.events.send(BuildHistoryEvent { kind, record });
    }

    /// Keeps a build that is over; its messages are written when all of them are there.
    pub fn remember(
        self: &Arc<Self>,
        record: BuildHistoryRecord,
        log: Arc<Log>,
        attached: Vec<Attachment>,
    ) {
        let gone = self.take_in(record.clone());
        self.fresh().extend(attached.iter().cloned());
        let ours = Arc::clone(self);
        tokio::spawn(async move {
            let messages = log.all().await;
            let [cached, total, completed, warnings] = log.counts();
            let record = BuildHistoryRecord {
                num_cached_steps: cached,
                num_total_steps: total,
                num_completed_steps: completed,
                num_warnings: warnings,
                ..record
            };
            let written = tokio::task::spawn_blocking(move || {
                gone.iter().for_each(|name| ours.remove_files(name));
                ours.complete(record, &messages, attached)
            });
            if let Ok(Err(error)) = written.await {
                tracing::warn!(%error, "the record of a build could not be written");
            }
        });
    }

    /// Adds what a build has told to its record, tells whoever listens, and writes it. Blocking.
    pub(super) fn complete(
        &self,
        mut record: BuildHistoryRecord,
        messages: &[StatusResponse],
        mut attached: Vec<Attachment>,
    ) -> io::Result<()> {
        let log = Attachment::of_build(history::LOGS, told::written(messages));
        record.logs = Some(log.descriptor().clone());
        let trace = trace::of(&record, messages);
        let trace = trace.map(|bytes| Attachment::of_build(history::TRACE, bytes));
        record.trace = trace.as_ref().map(|it| it.descriptor().clone());
        let more = trace.into_iter().chain([log]);
        self.fresh().extend(more.clone());
        attached.extend(more);
        let named = |it: &&mut BuildHistoryRecord| it.reference == record.reference;
        if let Some(known) = self.known().iter_mut().find(named) {
            known.clone_from(&record);
        }
        self.tell(COMPLETE, record.clone());
        let written = self.write(&record, &attached);
        self.written(&attached);
        written
    }

    /// Counts a build among those that are known. Answers which are forgotten for it.
    pub(super) fn take_in(&self, record: BuildHistoryRecord) -> Vec<String> {
        let mut known = self.known();
        known.retain(|it| it.reference != record.reference);
        known.push(record);
        let mut gone = Vec::new();
        while known.len() > RECORDS {
            let Some(place) = known.iter().position(|it| !it.pinned) else {
                break;
            };
            gone.push(known.remove(place).reference);
        }
        gone
    }

    /// These are on disk now, or never will be.
    fn written(&self, attached: &[Attachment]) {
        let is_here = |it: &Attachment| attached.iter().any(|one| one.digest() == it.digest());
        self.fresh().retain(|it| !is_here(it));
    }

    fn path(&self, reference: &str, kind: &str) -> PathBuf {
        let name = Digest::of(reference.as_bytes());
        self.directory.join(format!("{}.{kind}", name.hex()))
    }

    pub(super) fn write(
        &self,
        record: &BuildHistoryRecord,
        attached: &[Attachment],
    ) -> io::Result<()> {
        fs::create_dir_all(&self.directory)?;
        let reference = &record.reference;
        for one in attached {
            fs::write(self.path(reference, hex(one.digest())), &one.bytes)?;
        }
        self.write_record(record)?;
        // Forgotten while it was written.
        if !self.known().iter().any(|it| it.reference == *reference) {
            self.remove_files(reference);
        }
        Ok(())
    }

    fn write_record(&self, record: &BuildHistoryRecord) -> io::Result<()> {
        let path = self.path(&record.reference, "record");
        let new = path.with_extension("new");
        let file = fs::File::create(&new)?;
        io::Write::write_all(&mut &file, &record.encode_to_vec())?;
        file.sync_all()?;
        fs::rename(&new, &path)
    }

    /// The record first: without it the others are nothing.
    pub(super) fn remove_files(&self, reference: &str) {
        let record = self.path(reference, "record");
        remove(&record);
        let name = record.file_stem().map(ToOwned::to_owned);
        for entry in fs::read_dir(&self.directory)
            .into_iter()
            .flatten()
            .flatten()
        {
            let path = entry.path();
            if path.file_stem() == name.as_deref() {
                remove(&path);
            }
        }
    }

    fn fresh(&self) -> MutexGuard<'_, Vec<Attachment>> {
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The name of a build with this blob, and how many bytes it has.
    pub fn attached(&self, digest: &str) -> Option<(String, i64)> {
        self.known().iter().find_map(|record| {
            let found = record.blobs().find(|it| it.digest == digest)?;
            Some((record.reference.clone(), found.size))
        })
    }

    /// A blob of a build. Blocking.
    pub fn attachment(&self, digest: &str) -> Option<io::Result<Vec<u8>>> {
        let (reference, _) = self.attached(digest)?;
        let fresh = self.fresh();
        let fresh = fresh.iter().find(|it| it.digest() == digest);
        if let Some(found) = fresh {
            return Some(Ok(found.bytes.clone()));
        }
        Some(fs::read(self.path(&reference, hex(digest))))
    }

    /// What a build told. Blocking.
    pub fn log(&self, reference: &str) -> Option<Vec<StatusResponse>> {
        let mut known = self.known().clone().into_iter();
        let record = known.find(|it| it.reference == reference)?;
        let Some(log) = &record.logs else {
            let bytes = fs::read(self.path(reference, "log")).ok()?;
            let mut decoder = Decoder::default();
            decoder.push(&bytes);
            let messages = std::iter::from_fn(|| decoder.message().ok().flatten());
            return Some(messages.collect());
        };
        let bytes = self.attachment(&log.digest)?.ok()?;
        Some(told::read(&bytes))
    }

    /// Forgets a build. Blocking.
    pub fn forget(&self, reference: &str) -> Result<(), Status> {
        let record = {
            let mut known = self.known();
            match known.iter().position(|it| it.reference == reference) {
                Some(place) => known.remove(place),
                // As with BuildKit: it is not there afterwards.
                None => return Ok(()),
            }
        };
        self.remove_files(reference);
        self.tell(DELETED, record);
        Ok(())
    }

    /// Lets a build stay whatever comes after it, or no longer. Blocking.
    pub fn pin(&self, reference: &str, pinned: bool) -> Result<(), Status> {
        let record = {
            let mut known = self.known();
            let found = known.iter_mut().find(|it| it.reference == reference);
            let found = found.ok_or_else(|| missing(reference))?;
            found.pinned = pinned;
            found.clone()
        };
        let written = self.write_record(&record);
        written.map_err(|error| Status::unknown(format!("writing a build's record: {error}")))?;
        self.tell(COMPLETE, record);
        Ok(())
    }
}

/// A digest without its algorithm: the kind of a file.
fn hex(digest: &str) -> &str {
    digest.rsplit(':').next().unwrap_or_default()
}

fn missing(reference: &str) -> Status {
    Status::not_found(format!("no build record with ref {reference}"))
}

fn remove(path: &Path) {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "a build's record stays");
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(reference: &str, seconds: i64) -> BuildHistoryRecord {
        BuildHistoryRecord {
            reference: reference.into(),
            created_at: Some(corten_buildkit::control::Timestamp { seconds, nanos: 0 }),
            ..BuildHistoryRecord::default()
        }
    }

    fn message() -> StatusResponse {
        StatusResponse {
            logs: vec![corten_buildkit::control::VertexLog {
                msg: b"hello".to_vec(),
                ..Default::default()
            }],
            ..StatusResponse::default()
        }
    }

    fn names(records: &Records) -> Vec<String> {
        records.list().into_iter().map(|it| it.reference).collect()
    }

    #[test]
    fn builds_are_there_after_a_restart_until_they_are_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let records = Records::open(directory.path().join("history"));
        let message = message();
        for (name, at) in [("b", 2), ("a/../a", 1)] {
            records.take_in(record(name, at));
            records
                .complete(record(name, at), std::slice::from_ref(&message), Vec::new())
                .unwrap();
        }
        let records = Records::open(directory.path().join("history"));
        assert_eq!(names(&records), ["a/../a", "b"]);
        assert_eq!(records.log("b").unwrap(), [message]);
        records.pin("b", true).unwrap();
        records.forget("a/../a").unwrap();
        // It is not there: that is what is wanted.
        records.forget("a/../a").unwrap();
        let records = Records::open(directory.path().join("history"));
        assert_eq!(names(&records), ["b"]);
        assert!(records.list()[0].pinned);
        assert!(records.log("a/../a").is_none());
    }
}
