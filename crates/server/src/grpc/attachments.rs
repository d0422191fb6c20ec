//! What is kept beside a build's record: what is said about its results, as blobs that
//! clients read by digest (`buildx history inspect attachment`).

use super::{
    BuildKit,
    jobs::{Job, Results},
    status::Status,
};
use corten_build::{Attestation, Invocation, ProvenanceRequest, Slsa};
use corten_buildkit::{
    content::{Info, InfoRequest, InfoResponse, ReadRequest, ReadResponse},
    control::{BlobDescriptor, BuildHistoryRecord, BuildResultInfo},
};
use corten_oci::Digest;
use futures_util::{Stream, stream};
use std::{collections::HashMap, sync::Arc};

const STATEMENT: &str = "application/vnd.in-toto+json";
const PREDICATE: &str = "in-toto.io/predicate-type";
/// Bytes of a blob in one message; clients take at most 4 MiB.
const PIECE_BYTES: usize = 1 << 20;

/// Something that is kept.
#[derive(Debug, Clone)]
pub(crate) struct Attachment {
    /// None where the build was for one platform that nobody named.
    platform: Option<String>,
    descriptor: BlobDescriptor,
    pub bytes: Vec<u8>,
}

impl Attachment {
    fn new(platform: Option<String>, said: &Attestation, layers: &[Digest]) -> Self {
        // With line ends, as BuildKit keeps it.
        let bytes = format!("{:#}", said.predicate_with(layers)).into_bytes();
        let descriptor = BlobDescriptor {
            media_type: STATEMENT.into(),
            digest: Digest::of(&bytes).to_string(),
            size: i64::try_from(bytes.len()).unwrap_or(i64::MAX),
            annotations: [(PREDICATE.to_owned(), said.predicate_type.clone())].into(),
        };
        Self {
            platform,
            descriptor,
            bytes,
        }
    }

    /// What belongs to a build as a whole: not among what is said about its results.
    pub fn of_build(media_type: &str, bytes: Vec<u8>) -> Self {
        let descriptor = BlobDescriptor {
            media_type: media_type.into(),
            digest: Digest::of(&bytes).to_string(),
            size: i64::try_from(bytes.len()).unwrap_or(i64::MAX),
            annotations: HashMap::new(),
        };
        Self {
            platform: None,
            descriptor,
            bytes,
        }
    }

    /// How records name it.
    pub fn descriptor(&self) -> &BlobDescriptor {
        &self.descriptor
    }

    /// Its name among the blobs.
    pub fn digest(&self) -> &str {
        &self.descriptor.digest
    }

    /// Puts it on the record of its build.
    pub fn list(&self, record: &mut BuildHistoryRecord) {
        let info: &mut BuildResultInfo = match &self.platform {
            Some(platform) => record.results.entry(platform.clone()).or_default(),
            None => record.result.get_or_insert_default(),
        };
        info.attestations.push(self.descriptor.clone());
    }
}

/// What is kept of results: what the client wanted to be said, and how they came about.
pub(super) fn of(job: &Job, results: &Results) -> Vec<Attachment> {
    let several = results.several || results.list.len() > 1;
    let call = Invocation {
        id: job.reference.clone(),
        started: job.started,
        options: job.options.clone(),
    };
    let mut all = Vec::new();
    for (place, result) in results.list.iter().enumerate() {
        let platform = several.then(|| result.platform.normalised().to_string());
        let layers = &result.layers;
        let said = results.said_about(place).iter().map(|it| &it.attestation);
        all.extend(
            said.clone()
                .map(|it| Attachment::new(platform.clone(), it, layers)),
        );
        let is_provenance = |it: &Attestation| it.predicate_type.contains("/provenance/");
        if !said.clone().any(is_provenance) {
            // The form that BuildKit in dockerd 28 keeps.
            let form = ProvenanceRequest {
                max: true,
                version: Slsa::V02,
                ..ProvenanceRequest::default()
            };
            let own = result.provenance(&form, &call);
            all.push(Attachment::new(platform, &own, layers));
        }
    }
    all
}

fn missing(digest: &str) -> Status {
    Status::not_found(format!("content {digest}: not found"))
}

/// `Info` of a blob.
pub(super) async fn info(kit: &BuildKit, request: InfoRequest) -> Result<InfoResponse, Status> {
    let found = kit.records.attached(&request.digest);
    let (_, size) = found.ok_or_else(|| missing(&request.digest))?;
    Ok(InfoResponse {
        info: Some(Info {
            digest: request.digest,
            size,
        }),
    })
}

/// A blob, in pieces.
pub(super) async fn read(
    kit: &BuildKit,
    request: ReadRequest,
) -> Result<impl Stream<Item = ReadResponse> + Send + 'static, Status> {
    let (records, digest) = (Arc::clone(&kit.records), request.digest.clone());
    let reading = tokio::task::spawn_blocking(move || records.attachment(&digest)).await;
    let bytes = reading.map_err(|_| Status::cancelled())?;
    let bytes = bytes.ok_or_else(|| missing(&request.digest))?;
    let bytes = bytes.map_err(|error| Status::unknown(format!("reading a blob: {error}")))?;
    let place = |it: i64| usize::try_from(it).ok();
    let range = place(request.offset)
        .zip(place(request.size))
        .map(|(from, size)| match size {
            0 => from..bytes.len(),
            size => from..from.saturating_add(size).min(bytes.len()),
        });
    let range = range.filter(|it| it.start <= bytes.len());
    let range = range.ok_or_else(|| Status::invalid("read past the end of a blob"))?;
    let (from, bytes) = (range.start, Arc::<[u8]>::from(&bytes[range]));
    let starts = (0..bytes.len()).step_by(PIECE_BYTES);
    Ok(stream::iter(starts.map(move |at| {
        let end = bytes.len().min(at + PIECE_BYTES);
        ReadResponse {
            offset: i64::try_from(from + at).unwrap_or(i64::MAX),
            data: bytes[at..end].to_vec(),
        }
    })))
}
