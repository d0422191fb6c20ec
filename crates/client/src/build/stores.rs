//! The service of a session that reads and writes blobs of this machine's layouts. The
//! engine says by a header which one it means; others than the offered are not there.

use super::{
    layout::{Layout, LayoutError, Writing},
    session::beside,
};
use corten_buildkit::content::{
    COMMIT, Info, InfoRequest, InfoResponse, ReadRequest, ReadResponse, STAT, STORE_HEADER, WRITE,
    WriteRequest, WriteResponse,
};
use corten_grpc::{Answer, Call, Failure, answers, one};
use corten_oci::Digest;
use std::{collections::HashMap, error::Error as _, io::Read};
use tokio::sync::mpsc;

/// gRPC's codes.
const INVALID_ARGUMENT: i32 = 3;
const ALREADY_EXISTS: i32 = 6;
const FAILED_PRECONDITION: i32 = 9;
/// Bytes of a blob in one message.
const PIECE_BYTES: usize = 1 << 20;
/// Messages that wait to be sent.
const QUEUE: usize = 4;

/// Answers a call; none where it is not of this service.
pub(super) async fn answer(
    stores: &HashMap<String, Layout>,
    call: Call,
) -> Result<Answer, Failure> {
    let id = call.metadata(STORE_HEADER).pop();
    let id = id.ok_or_else(|| {
        let sentence = format!("request lacks metadata {STORE_HEADER:?}: invalid argument");
        Failure::new(INVALID_ARGUMENT, sentence)
    })?;
    let store = stores.get(&id).cloned().ok_or_else(|| {
        Failure::new(Failure::NOT_FOUND, format!("unknown store {id}: not found"))
    })?;
    match call.path.rsplit('/').next() {
        Some("Info") => info(&store, call).await,
        Some("Read") => read(store, call).await,
        Some("Write") => Ok(write(store, call)),
        _ => Err(Failure::new(
            Failure::UNIMPLEMENTED,
            format!("unknown method {}", call.path),
        )),
    }
}

fn digest(text: &str) -> Result<Digest, Failure> {
    let wrong = |why| {
        Failure::new(
            INVALID_ARGUMENT,
            format!("{text:?} failed validation: {why}"),
        )
    };
    text.parse::<Digest>().map_err(|why| wrong(why.to_string()))
}

fn broken(why: &LayoutError) -> Failure {
    let code = match why {
        LayoutError::Digest { .. } => FAILED_PRECONDITION,
        LayoutError::Missing(_) => Failure::NOT_FOUND,
        _ => Failure::UNKNOWN,
    };
    let cause = why.source().map(|it| format!(": {it}")).unwrap_or_default();
    Failure::new(code, format!("{why}{cause}"))
}

/// Bytes of a blob that is here.
fn size(store: &Layout, digest: &Digest) -> Result<u64, Failure> {
    let size = store.size(digest).map_err(|why| broken(&why))?;
    size.ok_or_else(|| broken(&LayoutError::Missing(digest.to_string())))
}

async fn info(store: &Layout, mut call: Call) -> Result<Answer, Failure> {
    let request: InfoRequest = call.message().await?;
    let size = size(store, &digest(&request.digest)?)?;
    Ok(one(&InfoResponse {
        info: Some(Info {
            digest: request.digest,
            size: i64::try_from(size).unwrap_or(i64::MAX),
        }),
    }))
}

async fn read(store: Layout, mut call: Call) -> Result<Answer, Failure> {
    let request: ReadRequest = call.message().await?;
    let digest = digest(&request.digest)?;
    let size = size(&store, &digest)?;
    let place = |it: i64| u64::try_from(it).ok();
    let (offset, wanted) = place(request.offset)
        .zip(place(request.size))
        .filter(|(offset, _)| *offset <= size)
        .ok_or_else(|| Failure::new(INVALID_ARGUMENT, "read past the end of a blob"))?;
    let wanted = match wanted {
        0 => size - offset,
        wanted => wanted,
    };
    let mut blob = store
        .open(&digest, offset, wanted)
        .map_err(|why| broken(&why))?;
    let (sender, receiver) = mpsc::channel(QUEUE);
    let reading = tokio::task::spawn_blocking(move || {
        let mut at = offset;
        loop {
            let mut data = Vec::new();
            let piece = (&mut blob)
                .take(PIECE_BYTES as u64)
                .read_to_end(&mut data)?;
            let message = ReadResponse {
                offset: i64::try_from(at).unwrap_or(i64::MAX),
                data,
            };
            at += piece as u64;
            if piece == 0 || sender.blocking_send(message).is_err() {
                return Ok::<_, std::io::Error>(());
            }
        }
    });
    let work = async move {
        let read = reading
            .await
            .unwrap_or_else(|why| Err(std::io::Error::other(why)));
        read.map_err(|why| Failure::new(Failure::UNKNOWN, format!("reading a blob: {why}")))
    };
    Ok(answers(beside(receiver, work)))
}

/// A conversation: each message has its answer.
fn write(store: Layout, mut call: Call) -> Answer {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let work = async move {
        let mut writing: Option<Writing> = None;
        while let Some(request) = call.messages.next::<WriteRequest>().await? {
            let answer = step(&store, &mut writing, request)?;
            if sender.send(answer).await.is_err() {
                break;
            }
        }
        Ok(())
    };
    answers(beside(receiver, work))
}

fn step(
    store: &Layout,
    writing: &mut Option<Writing>,
    request: WriteRequest,
) -> Result<WriteResponse, Failure> {
    let expected = match request.expected.as_str() {
        "" => None,
        text => Some(digest(text)?),
    };
    if let Some(expected) = &expected
        && writing.is_none()
        && store.size(expected).map_err(|why| broken(&why))?.is_some()
    {
        let sentence = format!("content {expected}: already exists");
        return Err(Failure::new(ALREADY_EXISTS, sentence));
    }
    let mut open = match writing.take() {
        Some(open) => open,
        None => store.begin().map_err(|why| broken(&why))?,
    };
    let mut answer = WriteResponse {
        action: request.action,
        ..WriteResponse::default()
    };
    let place = u64::try_from(request.offset).unwrap_or(u64::MAX);
    if matches!(request.action, WRITE | COMMIT) && !request.data.is_empty() {
        let written = open.write(place, &request.data);
        written.map_err(|why| broken(&why))?;
    }
    answer.offset = i64::try_from(open.written()).unwrap_or(i64::MAX);
    match request.action {
        STAT | WRITE => *writing = Some(open),
        COMMIT => {
            if request.total > 0 && request.total != answer.offset {
                let sentence = format!(
                    "unexpected commit size {}, expected {}: failed precondition",
                    answer.offset, request.total
                );
                return Err(Failure::new(FAILED_PRECONDITION, sentence));
            }
            let expected = expected.ok_or_else(|| {
                Failure::new(INVALID_ARGUMENT, "a blob is written without its digest")
            })?;
            let done = store.commit(open, &expected);
            done.map_err(|why| broken(&why))?;
            answer.digest = expected.to_string();
        }
        other => {
            let sentence = format!("unknown action {other} of a write");
            return Err(Failure::new(INVALID_ARGUMENT, sentence));
        }
    }
    Ok(answer)
}
