//! gzip by as many cores as there are: one member whose deflate blocks are made side by
//! side, each with the end of the one before it as its dictionary. What is written does not
//! depend on the number of cores, nor on how the input was cut.
//!
//! Formats: RFC 1951, RFC 1952. A block ends at a byte (a sync flush), so that blocks made
//! apart can stand after each other.

use std::{
    collections::VecDeque,
    io::{self, Write},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, Sender, SyncSender, channel, sync_channel},
    },
    thread,
};
use zlib_rs::{Deflate, DeflateFlush, Status, crc32::crc32};

/// Bytes of a block. A larger one compresses hardly better, a smaller one costs more for its
/// end and the dictionary.
const BLOCK_BYTES: usize = 512 << 10;
/// How far back deflate looks.
const WINDOW_BYTES: usize = 32 << 10;
/// Threads of one stream; layers are compressed side by side, too.
const WORKERS_MAX: usize = 8;
/// ID, deflate, no flags, no time, nothing said about the effort, Unix.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];

/// Compresses to `out`. A stream of one block is compressed on the caller's thread.
pub(crate) struct Gzip<W> {
    out: W,
    level: i32,
    /// The end of the last block, and what is known of the next.
    block: Block,
    crc: u32,
    length: u32,
    workers: Option<Workers>,
    /// Blocks that are being compressed, in their order.
    pending: VecDeque<Receiver<io::Result<Vec<u8>>>>,
    begun: bool,
}

/// What is compressed at once.
#[derive(Default)]
struct Block {
    /// The dictionary, and then the data.
    bytes: Vec<u8>,
    dictionary: usize,
}

struct Job {
    block: Block,
    done: SyncSender<io::Result<Vec<u8>>>,
}

/// Threads that end when this is dropped and nothing is left to do.
struct Workers {
    jobs: Sender<Job>,
    count: usize,
}

impl Block {
    /// An empty one that goes on after this one.
    fn next(&self) -> Self {
        let from = self.bytes.len().saturating_sub(WINDOW_BYTES);
        let mut bytes = Vec::with_capacity(WINDOW_BYTES + BLOCK_BYTES);
        bytes.extend_from_slice(&self.bytes[from..]);
        Self {
            dictionary: bytes.len(),
            bytes,
        }
    }

    fn room(&self) -> usize {
        BLOCK_BYTES - (self.bytes.len() - self.dictionary)
    }

    /// The deflate stream of the data; with `Finish` the last of all.
    fn deflated(&self, level: i32, flush: DeflateFlush) -> io::Result<Vec<u8>> {
        let failed = |text: &'static str| io::Error::other(text);
        // A new one each time: what zlib-rs 0.6 finds after a reset depends on what it was
        // used for before.
        let mut deflate = Deflate::new(level, false, 15);
        let (dictionary, data) = self.bytes.split_at(self.dictionary);
        if !dictionary.is_empty() {
            let set = deflate.set_dictionary(dictionary);
            set.map_err(|error| failed(error.as_str()))?;
        }
        // More than the format's worst case, so that one call is enough.
        let mut out = vec![0; data.len() + data.len() / 4 + 1024];
        let status = deflate.compress(data, &mut out, flush);
        let status = status.map_err(|error| failed(error.as_str()))?;
        let ended = flush != DeflateFlush::Finish || status == Status::StreamEnd;
        let length = deflate.total_out() as usize;
        if deflate.total_in() != data.len() as u64 || length == out.len() || !ended {
            return Err(failed(
                "a block did not fit into what was made ready for it",
            ));
        }
        out.truncate(length);
        Ok(out)
    }
}

impl Workers {
    fn start(level: i32) -> io::Result<Self> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let count = cores.min(WORKERS_MAX);
        let (jobs, waiting) = channel::<Job>();
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..count {
            let waiting = Arc::clone(&waiting);
            let work = move || {
                loop {
                    let next = waiting
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .recv();
                    let Ok(Job { block, done }) = next else {
                        return;
                    };
                    let made = block.deflated(level, DeflateFlush::SyncFlush);
                    // Who asked may have given up.
                    let _unheard = done.send(made);
                }
            };
            thread::Builder::new().name("gzip".into()).spawn(work)?;
        }
        Ok(Self { jobs, count })
    }
}

impl<W: Write> Gzip<W> {
    /// `level`: 1 to 9.
    pub fn new(out: W, level: i32) -> Self {
        Self {
            out,
            level,
            block: Block::default(),
            crc: 0,
            length: 0,
            workers: None,
            pending: VecDeque::new(),
            begun: false,
        }
    }

    /// Writes what is left, and the end.
    pub fn finish(mut self) -> io::Result<W> {
        while !self.pending.is_empty() {
            self.take()?;
        }
        // What stands before it has been written, or there is nothing.
        self.begin()?;
        let last = self.block.deflated(self.level, DeflateFlush::Finish)?;
        self.out.write_all(&last)?;
        self.out.write_all(&self.crc.to_le_bytes())?;
        self.out.write_all(&self.length.to_le_bytes())?;
        Ok(self.out)
    }

    fn begin(&mut self) -> io::Result<()> {
        match std::mem::replace(&mut self.begun, true) {
            true => Ok(()),
            false => self.out.write_all(&HEADER),
        }
    }

    /// Gives a full block away.
    fn give(&mut self) -> io::Result<()> {
        let next = self.block.next();
        let block = std::mem::replace(&mut self.block, next);
        let workers = match &self.workers {
            Some(workers) => workers,
            None => self.workers.insert(Workers::start(self.level)?),
        };
        let most = workers.count + 2;
        let (done, made) = sync_channel(1);
        let given = workers.jobs.send(Job { block, done });
        given.map_err(|_| io::Error::other("the threads that compress have ended"))?;
        self.pending.push_back(made);
        while self.pending.len() > most {
            self.take()?;
        }
        Ok(())
    }

    /// Writes the oldest block that is pending, when it is ready.
    fn take(&mut self) -> io::Result<()> {
        self.begin()?;
        let Some(made) = self.pending.pop_front() else {
            return Ok(());
        };
        let made = made.recv();
        let made = made.map_err(|_| io::Error::other("a thread that compresses has failed"))?;
        self.out.write_all(&made?)
    }
}

impl<W: Write> Write for Gzip<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let mut rest = data;
        while !rest.is_empty() {
            // A full block is given away when there is more: the last one is another's end.
            if self.block.room() == 0 {
                self.give()?;
            }
            let (now, later) = rest.split_at(rest.len().min(self.block.room()));
            self.block.bytes.extend_from_slice(now);
            rest = later;
        }
        self.crc = crc32(self.crc, data);
        // The format's length counts to 4 GiB and begins anew.
        self.length = self.length.wrapping_add(data.len() as u32);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn sample(bytes: usize) -> Vec<u8> {
        let words = (0..bytes as u32 / 4 + 1).map(|n| (n / 7).wrapping_mul(2_654_435_761));
        let mut all: Vec<u8> = words.flat_map(u32::to_le_bytes).collect();
        all.truncate(bytes);
        all
    }

    fn packed(data: &[u8], level: i32, pieces: usize) -> Vec<u8> {
        let mut gzip = Gzip::new(Vec::new(), level);
        for piece in data.chunks(pieces) {
            gzip.write_all(piece).unwrap();
        }
        gzip.finish().unwrap()
    }

    /// By another implementation's rules: one member, its sums right.
    fn unpacked(bytes: &[u8]) -> Vec<u8> {
        let mut data = Vec::new();
        let mut reader = flate2::bufread::GzDecoder::new(bytes);
        reader.read_to_end(&mut data).unwrap();
        assert!(reader.into_inner().is_empty(), "one member is all");
        data
    }

    #[test]
    fn whatever_the_length_it_comes_back() {
        let exact = BLOCK_BYTES;
        for length in [
            0,
            1,
            WINDOW_BYTES,
            exact - 1,
            exact,
            exact + 1,
            2 * exact,
            5 * exact + 7,
        ] {
            let data = sample(length);
            for level in [1, 4, 6, 9] {
                let bytes = packed(&data, level, 100_000);
                assert_eq!(unpacked(&bytes), data, "{length} at {level}");
            }
        }
    }

    #[test]
    fn what_cannot_be_compressed_hardly_grows() {
        let mut state = 1_u64;
        let mut random = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as u8
        };
        let data: Vec<u8> = (0..3 * BLOCK_BYTES).map(|_| random()).collect();
        for level in 1..=9 {
            let bytes = packed(&data, level, BLOCK_BYTES);
            assert_eq!(unpacked(&bytes), data);
            // The first level has fixed codes only.
            let most = if level == 1 { 8 } else { 100 };
            let grown = bytes.len().saturating_sub(data.len());
            assert!(grown < data.len() / most, "{level}: {grown}");
        }
    }

    #[test]
    fn the_bytes_depend_on_the_data_alone() {
        // Words in a random order: there is always more than one match to be found.
        let mut state = 7_u64;
        let mut word = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let number = (state >> 33) % 5000;
            format!("{:x} ", number * number * number)
        };
        let mut data = String::new();
        while data.len() < 20 * BLOCK_BYTES + 11 {
            data += &word();
        }
        let whole = packed(data.as_bytes(), 4, data.len());
        for pieces in [1000, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES] {
            assert!(packed(data.as_bytes(), 4, pieces) == whole, "{pieces}");
        }
    }

    #[test]
    fn a_block_knows_the_end_of_the_one_before() {
        // 32 KiB that nothing in it repeats, over and over.
        let part: Vec<u8> = sample(7 * WINDOW_BYTES)
            .chunks(28)
            .map(|it| it[0] ^ it[3])
            .collect();
        let part = &part[..WINDOW_BYTES / 4];
        let data = part.repeat(1 + 4 * BLOCK_BYTES / part.len());
        let apart: usize = data
            .chunks(BLOCK_BYTES)
            .map(|it| packed(it, 6, it.len()).len())
            .sum();
        assert!(packed(&data, 6, data.len()).len() < apart);
    }

    #[test]
    fn a_failure_of_the_output_is_told() {
        struct Full(usize);
        impl Write for Full {
            fn write(&mut self, data: &[u8]) -> io::Result<usize> {
                self.0 = self
                    .0
                    .checked_sub(data.len())
                    .ok_or(io::ErrorKind::StorageFull)?;
                Ok(data.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let data = sample(40 * BLOCK_BYTES);
        let mut gzip = Gzip::new(Full(BLOCK_BYTES), 1);
        let written = gzip.write_all(&data);
        let ended = written.and_then(|()| gzip.finish().map(drop));
        assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}
