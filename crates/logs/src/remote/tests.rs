use super::*;
use crate::Stream;
use std::os::unix::net::UnixStream;

fn pair(overflow: Overflow) -> (RemoteWriter, UnixStream) {
    let (near, far) = UnixStream::pair().unwrap();
    (RemoteWriter::new(near.into(), overflow).unwrap(), far)
}

type Seen = (String, Stream, Option<(u32, bool)>);

fn all(stream: UnixStream) -> Vec<Seen> {
    let mut receiver = Receiver::new(stream);
    let mut seen = Vec::new();
    while let Some(record) = receiver.receive().unwrap() {
        let line = String::from_utf8(record.line.to_vec()).unwrap();
        let part = record.part.map(|part| (part.ordinal, part.last));
        seen.push((line, record.stream, part));
    }
    seen
}

#[test]
fn records_arrive_as_lines_with_their_stream() {
    let (mut writer, far) = pair(Overflow::Wait);
    writer.write(Stream::Stdout, b"one\ntw");
    writer.write(Stream::Stderr, b"error\n");
    writer.write(Stream::Stdout, b"o\nlast");
    writer.close();
    let line = |text: &str, stream| (text.to_owned(), stream, None);
    let seen = all(far);
    assert_eq!(
        seen[..3],
        [
            line("one", Stream::Stdout),
            line("error", Stream::Stderr),
            line("two", Stream::Stdout)
        ]
    );
    // dockerd, too, calls a line without end partial.
    assert_eq!(
        seen[3],
        ("last".to_owned(), Stream::Stdout, Some((1, false)))
    );
}

#[test]
fn a_long_line_comes_in_numbered_parts() {
    let (mut writer, far) = pair(Overflow::Wait);
    let line = [vec![b'x'; 40_000], b"\nnext\n".to_vec()].concat();
    writer.write(Stream::Stdout, &line);
    writer.close();
    let parts: Vec<_> = all(far)
        .into_iter()
        .map(|(line, _, part)| (line.len(), part))
        .collect();
    assert_eq!(
        parts,
        [
            (16_384, Some((1, false))),
            (16_384, Some((2, false))),
            (7_232, Some((3, true))),
            (4, None)
        ]
    );
}

#[test]
fn a_slow_receiver_makes_a_blocking_container_wait_and_loses_nothing() {
    let (mut writer, far) = pair(Overflow::Wait);
    let mut written = 0;
    while !writer.is_full() {
        writer.write(Stream::Stdout, &[b"y".repeat(999), b"\n".to_vec()].concat());
        writer.flush();
        written += 1;
    }
    let reader = std::thread::spawn(move || all(far).len());
    writer.close();
    while writer.is_waiting() {
        rustix::event::poll(
            &mut [rustix::event::PollFd::new(
                writer.socket(),
                rustix::event::PollFlags::OUT,
            )],
            None,
        )
        .unwrap();
        writer.flush();
    }
    drop(writer);
    assert_eq!(reader.join().unwrap(), written);
}

#[test]
fn a_slow_receiver_costs_a_non_blocking_container_its_newest_records_only() {
    let (mut writer, far) = pair(Overflow::Drop {
        bytes: 10_000,
        records: u64::MAX,
    });
    for number in 0..10_000 {
        writer.write(Stream::Stdout, format!("{number:0999}\n").as_bytes());
        writer.flush();
        assert!(!writer.is_full());
        assert!(writer.waiting_bytes() < 11_000, "the buffer has a bound");
    }
    let reader = std::thread::spawn(move || all(far));
    writer.close();
    while writer.is_waiting() {
        writer.flush();
    }
    drop(writer);
    let seen = reader.join().unwrap();
    assert!(seen.len() > 10 && seen.len() < 10_000);
    for (number, (line, ..)) in seen.iter().enumerate() {
        assert_eq!(
            *line,
            format!("{number:0999}"),
            "the first ones, whole and in order"
        );
    }
}

#[test]
fn a_logger_that_is_gone_stops_nobody() {
    let (mut writer, far) = pair(Overflow::Wait);
    drop(far);
    for _ in 0..1000 {
        writer.write(Stream::Stdout, &[b'z'; 1000]);
        writer.flush();
        assert!(!writer.is_full());
    }
    assert!(!writer.is_waiting());
}
