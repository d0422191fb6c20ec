//! `GET /containers/{id}/logs`.

use crate::{Engine, EngineError, LogsOptions, LogsStream, Result, handle::Handle, messages};
use bytes::Bytes;
use corten_base::Timestamp;
use corten_logs::{Progress, ReadOptions, Reader, Record, Stream};
use corten_model::Status;
use futures_util::{StreamExt, stream};
use std::{io, sync::Arc, time::Duration};
use tokio::sync::mpsc;

/// Pieces of logs that may wait for a slow client.
const QUEUE: usize = 16;

/// A piece is handed on when it has this size, or when there is no more at the moment.
const PIECE_BYTES: usize = 64 << 10;

/// How long a follower sleeps in the kernel before it looks whether its client has left
/// and whether the container still runs.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(200);

impl Engine {
    /// `GET /containers/{id}/logs`.
    pub async fn container_logs(
        self: &Arc<Self>,
        name: &str,
        options: LogsOptions,
    ) -> Result<LogsStream> {
        if !options.stdout && !options.stderr {
            return Err(EngineError::Invalid(messages::choose_stream()));
        }
        let handle = self.table.find(name)?;
        self.read_logs(&handle, options)
    }

    /// Reads on a thread of its own; the stream ends with the log, or (following) with the
    /// container.
    pub(crate) fn read_logs(
        self: &Arc<Self>,
        handle: &Arc<Handle>,
        options: LogsOptions,
    ) -> Result<LogsStream> {
        let record = handle.record();
        let tty = record.config.tty;
        // Where it has never been started, there is no file.
        let path = self
            .log_file(&record)
            .ok_or_else(|| EngineError::Unsupported(messages::no_log_reading()))?;
        let (sender, receiver) = mpsc::channel::<io::Result<Bytes>>(QUEUE);
        let life = handle.life.subscribe();
        // A follower stays to the end of this run; whoever comes between two runs of the
        // restart policy reads what there is, as with dockerd.
        let run = life.borrow().exits;
        let follow = options.follow && record.state.status != Status::Restarting;
        let mut writer = Writer {
            options: options.clone(),
            tty,
            piece: Vec::new(),
            sender,
        };
        let pool = self.streams.clone();
        tokio::spawn(async move {
            let errors = writer.sender.clone();
            let reading = pool.run(move || {
                let read = ReadOptions {
                    tail: options.tail,
                    since: options.since,
                    until: options.until,
                    follow,
                };
                let mut reader = Reader::open(&path, read)?;
                loop {
                    // Before reading: what was written before the end is read after this.
                    let running = {
                        let life = life.borrow();
                        life.running && life.exits == run
                    };
                    let progress = reader.read(&mut |record| writer.write(record))?;
                    if writer.sender.is_closed() || progress == Progress::Done {
                        break;
                    }
                    if progress == Progress::More {
                        continue;
                    }
                    writer.flush();
                    let follow = follow
                        && running
                        && options.until.is_none_or(|until| Timestamp::now() < until);
                    if !follow {
                        break;
                    }
                    reader.wait(FOLLOW_INTERVAL)?;
                }
                writer.flush();
                Ok(())
            });
            if let Err(error) = reading.await {
                let error = io::Error::other(corten_base::chain(&error));
                // The client has left: nobody wants to know.
                drop(errors.send(Err(error)).await);
            }
        });
        let body = stream::unfold(receiver, |mut receiver| async {
            receiver.recv().await.map(|piece| (piece, receiver))
        });
        Ok(LogsStream {
            body: body.boxed(),
            tty,
        })
    }
}

/// Turns records into what the client reads.
struct Writer {
    options: LogsOptions,
    tty: bool,
    piece: Vec<u8>,
    sender: mpsc::Sender<io::Result<Bytes>>,
}

impl Writer {
    fn write(&mut self, record: &Record<'_>) {
        let stream = match record.stream {
            Stream::Stdout if self.options.stdout => corten_shim_proto::Stream::Stdout,
            Stream::Stderr if self.options.stderr => corten_shim_proto::Stream::Stderr,
            _ => return,
        };
        let mut line = Vec::new();
        if self.options.timestamps {
            record.push_fixed_time(&mut line);
            line.push(b' ');
        }
        if self.options.details {
            let details: Vec<String> = record
                .attributes()
                .iter()
                .map(|(key, value)| format!("{}={}", query_escape(key), query_escape(value)))
                .collect();
            line.extend_from_slice(details.join(",").as_bytes());
            line.push(b' ');
        }
        line.extend_from_slice(record.line);
        if !self.tty {
            self.piece
                .extend_from_slice(&corten_shim_proto::header(stream, line.len() as u32));
        }
        self.piece.extend_from_slice(&line);
        if self.piece.len() >= PIECE_BYTES {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if self.piece.is_empty() {
            return;
        }
        let piece = Bytes::from(std::mem::take(&mut self.piece));
        // The client has left: the loop sees the closed channel.
        drop(self.sender.blocking_send(Ok(piece)));
    }
}

/// As Go's url.QueryEscape, so that details can be told apart.
fn query_escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            b' ' => out.push('+'),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
