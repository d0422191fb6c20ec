//! What is written is read back: whole, in order, once.
#![forbid(unsafe_code)]
// A test has nobody to hand an error to.
#![allow(clippy::unwrap_used)]

use corten_base::Timestamp;
use corten_logs::{JsonFileConfig, JsonFileWriter, Progress, ReadOptions, Reader, Stream};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

struct Log {
    _directory: tempfile::TempDir,
    config: JsonFileConfig,
}

impl Log {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = JsonFileConfig {
            path: directory.path().join("x-json.log"),
            max_size_bytes: None,
            max_files: 1,
            compress: false,
            attributes: BTreeMap::new(),
        };
        Self {
            _directory: directory,
            config,
        }
    }

    fn rotating(bytes: u64, files: u32, compress: bool) -> Self {
        let mut log = Self::new();
        log.config.max_size_bytes = Some(bytes);
        log.config.max_files = files;
        log.config.compress = compress;
        log
    }

    fn path(&self) -> &Path {
        &self.config.path
    }

    fn writer(&self) -> JsonFileWriter {
        JsonFileWriter::open(self.config.clone()).unwrap()
    }

    fn write_lines(&self, range: std::ops::Range<usize>) {
        let mut writer = self.writer();
        for number in range {
            let line = format!("line {number}\n");
            writer.write(Stream::Stdout, line.as_bytes()).unwrap();
            writer.flush().unwrap();
        }
    }

    fn read(&self, options: ReadOptions) -> Vec<String> {
        read_all(&mut Reader::open(self.path(), options).unwrap())
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path().parent().unwrap()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn read_all(reader: &mut Reader) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        let progress = reader.read(&mut |record| {
            lines.push(String::from_utf8(record.line.to_vec()).unwrap());
        });
        if progress.unwrap() != Progress::More {
            return lines;
        }
    }
}

fn lines(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| format!("line {number}\n")).collect()
}

fn tail(count: u64) -> ReadOptions {
    ReadOptions {
        tail: Some(count),
        ..ReadOptions::default()
    }
}

#[test]
fn a_line_reads_in_the_file_as_docker_writes_it() {
    let mut log = Log::new();
    log.config.attributes = [("x", "<y>&\""), ("a", "b")]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into();
    let mut writer = log.writer();
    writer.write(Stream::Stderr, b"a\tb\r\nno newline").unwrap();
    writer.end(Stream::Stderr).unwrap();
    drop(writer);
    let text = std::fs::read_to_string(log.path()).unwrap();
    let expected = "{\"log\":\"a\\u0009b\\r\\n\",\"stream\":\"stderr\",\
                    \"attrs\":{\"a\":\"b\",\"x\":\"\\u003cy\\u003e\\u0026\\\"\"},\"time\":\"20";
    assert!(text.starts_with(expected), "{text}");
    assert!(
        text.lines()
            .nth(1)
            .unwrap()
            .starts_with("{\"log\":\"no newline\",\"stream\"")
    );
    assert!(text.ends_with("Z\"}\n"));
}

#[test]
fn every_byte_that_is_text_comes_back() {
    let log = Log::new();
    let text: String = (0..0x3000).filter_map(char::from_u32).collect();
    let mut writer = log.writer();
    writer.write(Stream::Stdout, text.as_bytes()).unwrap();
    writer.end(Stream::Stdout).unwrap();
    drop(writer);
    // A cut in the middle of a letter costs that letter, as with Docker.
    let read = log.read(ReadOptions::default()).concat();
    assert_eq!(read.replace('\u{fffd}', "").len() / 10, text.len() / 10);
    let first: String = text.chars().take(5000).collect();
    assert!(read.starts_with(&first));
}

#[test]
fn the_last_records_are_found_in_every_file() {
    for compress in [false, true] {
        let log = Log::rotating(2000, 50, compress);
        log.write_lines(0..500);
        assert!(log.names().len() > 5, "{:?}", log.names());
        assert_eq!(log.read(ReadOptions::default()), lines(0..500));
        for count in [0, 1, 2, 20, 23, 24, 25, 26, 27, 28, 100, 499, 500, 501] {
            let wanted = lines(500 - count.min(500)..500);
            assert_eq!(log.read(tail(count as u64)), wanted, "{count}");
        }
    }
}

#[test]
fn no_more_files_are_kept_than_asked_for() {
    let log = Log::rotating(1000, 3, false);
    log.write_lines(0..200);
    assert_eq!(log.names(), ["x-json.log", "x-json.log.1", "x-json.log.2"]);
    let kept = log.read(ReadOptions::default());
    assert_eq!(kept, lines(200 - kept.len()..200));
    let log = Log::rotating(1000, 3, true);
    log.write_lines(0..200);
    assert_eq!(
        log.names(),
        ["x-json.log", "x-json.log.1.gz", "x-json.log.2.gz"]
    );
    let log = Log::rotating(1000, 1, false);
    log.write_lines(0..200);
    assert_eq!(log.names(), ["x-json.log"]);
}

#[test]
fn since_and_until_bound_what_is_shown() {
    let log = Log::new();
    let mut file = std::fs::File::create(log.path()).unwrap();
    for second in 0..10 {
        let record = format!(
            "{{\"log\":\"line {second}\\n\",\"stream\":\"stdout\",\
             \"time\":\"2026-01-01T00:00:0{second}Z\"}}\n"
        );
        file.write_all(record.as_bytes()).unwrap();
    }
    let at = |text: &str| Some(text.parse::<Timestamp>().unwrap());
    let since = at("2026-01-01T00:00:03Z");
    let until = at("2026-01-01T00:00:06.5Z");
    let options = ReadOptions {
        since,
        ..ReadOptions::default()
    };
    assert_eq!(log.read(options), lines(3..10));
    let options = ReadOptions {
        since,
        until,
        ..ReadOptions::default()
    };
    assert_eq!(log.read(options), lines(3..7));
    let options = ReadOptions {
        since,
        tail: Some(2),
        ..ReadOptions::default()
    };
    assert_eq!(log.read(options), lines(8..10));
}

#[test]
fn a_torn_last_record_is_not_shown_and_cut_off_at_the_next_start() {
    let log = Log::new();
    log.write_lines(0..3);
    let torn = b"{\"log\":\"half a li";
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .open(log.path())
        .unwrap();
    file.write_all(torn).unwrap();
    assert_eq!(log.read(ReadOptions::default()), lines(0..3));
    assert_eq!(log.read(tail(1)), lines(2..3));
    log.write_lines(3..5);
    assert_eq!(log.read(ReadOptions::default()), lines(0..5));
}

#[test]
fn damage_in_the_middle_costs_only_itself() {
    let log = Log::new();
    log.write_lines(0..2);
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .open(log.path())
        .unwrap();
    file.write_all(&[0; 5000]).unwrap();
    file.write_all(b"\n{\"log\":5}\n\xff\xfe\n").unwrap();
    log.write_lines(2..4);
    assert_eq!(log.read(ReadOptions::default()), lines(0..4));
}

/// Follows until `count` lines were seen.
fn follow(path: PathBuf, count: usize) -> Vec<String> {
    let options = ReadOptions {
        follow: true,
        ..ReadOptions::default()
    };
    let mut reader = Reader::open(&path, options).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut seen = Vec::new();
    while seen.len() < count {
        assert!(Instant::now() < deadline, "only {} lines came", seen.len());
        seen.extend(read_all(&mut reader));
        if seen.len() < count {
            reader.wait(Duration::from_millis(200)).unwrap();
        }
    }
    seen
}

#[test]
fn a_follower_sees_every_line_once_across_rotation() {
    for (files, compress) in [(100, false), (100, true)] {
        let log = Log::rotating(2000, files, compress);
        let path = log.path().to_owned();
        let follower = std::thread::spawn(move || follow(path, 300));
        let mut writer = log.writer();
        for number in 0..300 {
            let line = format!("line {number}\n");
            // In two pieces: a record is never shown before it is whole.
            let (one, two) = line.as_bytes().split_at(3);
            writer.write(Stream::Stdout, one).unwrap();
            writer.flush().unwrap();
            writer.write(Stream::Stdout, two).unwrap();
            writer.flush().unwrap();
            if writer.has_background_work() {
                writer.compress_some();
            }
        }
        let seen = follower.join().unwrap();
        assert_eq!(seen, lines(0..300), "{files} files, compressed: {compress}");
    }
}

#[test]
fn a_follower_of_a_single_file_reads_what_was_rotated_away() {
    let log = Log::rotating(500, 1, false);
    let options = ReadOptions {
        follow: true,
        ..ReadOptions::default()
    };
    let mut reader = Reader::open(log.path(), options).unwrap();
    let mut writer = log.writer();
    let mut seen = Vec::new();
    for number in 0..100 {
        writer
            .write(Stream::Stdout, format!("line {number}\n").as_bytes())
            .unwrap();
        writer.flush().unwrap();
        // One turn behind: the last line of a file is read after it has been unlinked.
        if number % 3 == 0 {
            seen.extend(read_all(&mut reader));
        }
    }
    seen.extend(read_all(&mut reader));
    assert_eq!(seen, lines(0..100));
}

#[test]
fn a_follower_goes_on_when_the_owner_empties_the_file() {
    let log = Log::new();
    log.write_lines(0..50);
    let options = ReadOptions {
        follow: true,
        ..ReadOptions::default()
    };
    let mut reader = Reader::open(log.path(), options).unwrap();
    assert_eq!(read_all(&mut reader), lines(0..50));
    std::fs::OpenOptions::new()
        .write(true)
        .truncate(true)
        .open(log.path())
        .unwrap();
    log.write_lines(50..53);
    reader.wait(Duration::from_secs(10)).unwrap();
    assert_eq!(read_all(&mut reader), lines(50..53));
}

#[test]
fn a_log_that_does_not_exist_yet_is_empty_and_can_be_followed() {
    let log = Log::new();
    assert!(log.read(ReadOptions::default()).is_empty());
    assert!(log.read(tail(5)).is_empty());
    let options = ReadOptions {
        follow: true,
        tail: Some(5),
        ..ReadOptions::default()
    };
    let mut reader = Reader::open(log.path(), options).unwrap();
    assert!(read_all(&mut reader).is_empty());
    log.write_lines(0..2);
    reader.wait(Duration::from_secs(10)).unwrap();
    assert_eq!(read_all(&mut reader), lines(0..2));
}
