//! Builds of other engines, taken into the history of this one.

use super::{
    attachments::Attachment,
    records::{COMPLETE, Records},
    status::Status,
};
use corten_buildkit::control::BuildHistoryRecord;
use corten_oci::Digest;
use std::{collections::HashMap, fs, io};

/// Bytes of the name of a build that comes from elsewhere; buildx's have 25.
const REFERENCE_BYTES_MAX: usize = 256;

impl Records {
    /// Takes a build of elsewhere in, with the blobs that its record names. Answers whether
    /// one of its name was known already, which then stays. Blocking.
    pub fn import(&self, record: BuildHistoryRecord, blobs: Vec<Vec<u8>>) -> Result<bool, Status> {
        let reference = record.reference.clone();
        if reference.is_empty() || reference.len() > REFERENCE_BYTES_MAX {
            return Err(Status::invalid("a build record without a usable name"));
        }
        if self.known().iter().any(|it| it.reference == reference) {
            return Ok(true);
        }
        if record.created_at.is_none() || record.completed_at.is_none() {
            return Err(Status::invalid(format!("build {reference} is not over")));
        }
        let blobs: HashMap<String, Vec<u8>> = blobs
            .into_iter()
            .map(|bytes| (Digest::of(&bytes).to_string(), bytes))
            .collect();
        let mut attached: Vec<Attachment> = Vec::new();
        for named in record.blobs() {
            let bytes = blobs.get(&named.digest);
            let bytes = bytes.filter(|it| i64::try_from(it.len()) == Ok(named.size));
            let Some(bytes) = bytes else {
                let digest = &named.digest;
                let text = format!("blob {digest} of build {reference} did not come with it");
                return Err(Status::invalid(text));
            };
            attached.push(Attachment::of_build(&named.media_type, bytes.clone()));
        }
        let record = BuildHistoryRecord {
            // Whoever pinned it meant another engine.
            pinned: false,
            ..record
        };
        let gone = self.take_in(record.clone());
        gone.iter().for_each(|name| self.remove_files(name));
        let written = self.write(&record, &attached);
        if let Err(error) = written.and_then(|()| self.sync()) {
            self.known().retain(|it| it.reference != reference);
            self.remove_files(&reference);
            let text = format!("writing a build's record: {error}");
            return Err(Status::unknown(text));
        }
        self.tell(COMPLETE, record);
        Ok(false)
    }

    /// Everything that was written outlives a power cut.
    fn sync(&self) -> io::Result<()> {
        let directory = fs::File::open(&self.directory)?;
        Ok(rustix::fs::syncfs(directory)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_buildkit::control::{StatusResponse, Timestamp, Vertex};

    #[test]
    fn a_build_of_elsewhere_comes_with_all_that_its_record_names_or_not_at_all() {
        let directory = tempfile::tempdir().unwrap();
        let (there, here) = (
            directory.path().join("there"),
            directory.path().join("here"),
        );
        let records = Records::open(there);
        let at = |seconds| Some(Timestamp { seconds, nanos: 0 });
        let over = BuildHistoryRecord {
            reference: "a".into(),
            created_at: at(7),
            completed_at: at(9),
            pinned: true,
            ..BuildHistoryRecord::default()
        };
        let message = StatusResponse {
            vertexes: vec![Vertex::default()],
            ..StatusResponse::default()
        };
        records.take_in(over.clone());
        records
            .complete(over, std::slice::from_ref(&message), Vec::new())
            .unwrap();
        let taken = records.list().remove(0);
        let digests: Vec<_> = taken.blobs().map(|it| it.digest.clone()).collect();
        assert_eq!(digests.len(), 2);
        let blobs = digests.iter().map(|it| records.attachment(it).unwrap());
        let blobs: Vec<Vec<u8>> = blobs.map(Result::unwrap).collect();

        let records = Records::open(here.clone());
        let mut cut = blobs.clone();
        cut[1].pop();
        assert!(records.import(taken.clone(), cut).is_err());
        let running = BuildHistoryRecord {
            completed_at: None,
            ..taken.clone()
        };
        assert!(records.import(running, blobs.clone()).is_err());
        assert!(records.list().is_empty());
        assert!(!records.import(taken.clone(), blobs.clone()).unwrap());
        assert!(records.import(taken, Vec::new()).unwrap());
        let records = Records::open(here);
        assert_eq!(records.list().len(), 1);
        assert!(!records.list()[0].pinned);
        assert_eq!(records.log("a").unwrap(), [message]);
    }
}
