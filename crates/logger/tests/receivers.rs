//! Real receivers on sockets of the test: what the logger sends is decoded here.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use corten_logs::Stream;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixListener};
use support::{Decoder, Logger, PATIENCE, fields, options};

#[test]
fn syslog_over_udp_reads_as_rfc_3164_says() {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    receiver.set_read_timeout(Some(PATIENCE)).unwrap();
    let address = format!("udp://{}", receiver.local_addr().unwrap());
    let mut logger = Logger::start(
        "syslog",
        &options(&[
            ("syslog-address", &address),
            ("syslog-format", "rfc3164"),
            ("syslog-facility", "local3"),
        ]),
    );
    logger.write(Stream::Stdout, "hello\n");
    logger.write(Stream::Stderr, "failed\n");
    let mut buffer = [0; 2048];
    let mut receive = || {
        let count = receiver.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..count].to_vec()).unwrap()
    };
    let host = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    let (out, error) = (receive(), receive());
    // local3 is 19; 19 * 8 + 6 and + 3.
    assert!(out.starts_with("<158>"), "{out}");
    assert!(error.starts_with("<155>"), "{error}");
    assert!(out.contains(&format!(" {host} web/0123[")), "{out}");
    assert!(out.ends_with("]: hello\n"), "{out}");
    assert!(error.ends_with("]: failed\n"), "{error}");
}

#[test]
fn syslog_over_tcp_reads_as_rfc_5424_says() {
    let receiver = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("tcp://{}", receiver.local_addr().unwrap());
    let mut logger = Logger::start(
        "syslog",
        &options(&[
            ("syslog-address", &address),
            ("syslog-format", "rfc5424micro"),
        ]),
    );
    let mut lines = support::lines(receiver.accept().unwrap().0);
    logger.write(Stream::Stdout, "hello\n");
    let line = lines.next().unwrap().unwrap();
    let words: Vec<&str> = line.splitn(8, ' ').collect();
    assert_eq!(words[0], "<30>1", "{line}");
    let fraction = words[1].split_once('.').unwrap().1;
    assert!(fraction[..6].bytes().all(|b| b.is_ascii_digit()), "{line}");
    assert_eq!(
        (words[3], words[5], words[6], words[7]),
        ("web/0123", "web/0123", "-", "hello")
    );
}

#[test]
fn syslog_over_tls_is_framed_and_the_receiver_is_verified() {
    let directory = tempfile::tempdir().unwrap();
    let server = support::TlsServer::new(directory.path());
    let address = format!("tcp+tls://localhost:{}", server.port());
    let authority = server.authority().to_owned();
    let given = options(&[
        ("syslog-address", &address),
        ("syslog-format", "rfc5424"),
        ("syslog-tls-ca-cert", &authority),
    ]);
    let handle = std::thread::spawn(move || server.read_one());
    let mut logger = Logger::start("syslog", &given);
    logger.write(Stream::Stdout, "secret\n");
    let message = handle.join().unwrap();
    // RFC 5425: a length, a space, and as many bytes.
    let (length, rest) = message.split_once(' ').unwrap();
    assert_eq!(length.parse::<usize>().unwrap(), rest.len(), "{message}");
    assert!(rest.ends_with(" - secret\n"), "{message}");
}

#[test]
fn a_syslog_receiver_that_nobody_vouches_for_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let server = support::TlsServer::new(directory.path());
    let address = format!("tcp+tls://localhost:{}", server.port());
    let handle = std::thread::spawn(move || server.read_one());
    let given = options(&[("syslog-address", &address)]);
    let refused = Logger::try_start("syslog", &given).unwrap_err();
    assert!(refused.contains("tls: "), "{refused}");
    assert!(refused.contains("certificate"), "{refused}");
    assert_eq!(handle.join().unwrap(), "");
}

#[test]
fn syslog_by_a_unix_socket_has_no_host_name() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let receiver = UnixDatagram::bind(&path).unwrap();
    receiver.set_read_timeout(Some(PATIENCE)).unwrap();
    let address = format!("unixgram://{}", path.display());
    let mut logger = Logger::start("syslog", &options(&[("syslog-address", &address)]));
    logger.write(Stream::Stdout, "local\n");
    let mut buffer = [0; 2048];
    let count = receiver.recv(&mut buffer).unwrap();
    let text = String::from_utf8_lossy(&buffer[..count]).into_owned();
    // <30>Nov 21 14:00:00 tag[pid]: …
    assert_eq!(text.as_bytes()[4 + 15], b' ', "{text}");
    assert!(text[4 + 16..].starts_with("web/0123["), "{text}");
}

#[test]
fn the_journal_gets_dockers_fields() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let receiver = UnixDatagram::bind(&path).unwrap();
    receiver.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut logger = Logger::start_journald(&path);
    logger.write(Stream::Stderr, "oops\n");
    logger.write(Stream::Stdout, &format!("{}\n", "x".repeat(20_000)));
    let mut buffer = vec![0; 64 << 10];
    let mut entry = || {
        let count = receiver.recv(&mut buffer).unwrap();
        fields(&buffer[..count])
    };
    let first = entry();
    for (name, value) in [
        ("MESSAGE", "oops"),
        ("PRIORITY", "3"),
        ("CONTAINER_ID", "0123456789ab"),
        ("CONTAINER_NAME", "web"),
        ("CONTAINER_TAG", "web/0123"),
        ("SYSLOG_IDENTIFIER", "web/0123"),
        ("IMAGE_NAME", "busybox"),
        ("COM_EXAMPLE_TEAM", "blue"),
    ] {
        assert_eq!(first.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert!(!first.contains_key("CONTAINER_PARTIAL_ID"));
    let (second, third) = (entry(), entry());
    assert_eq!(second["MESSAGE"].len(), 16_384);
    assert_eq!(second["CONTAINER_PARTIAL_MESSAGE"], "true");
    assert_eq!(second["CONTAINER_PARTIAL_ORDINAL"], "1");
    assert_eq!(third["CONTAINER_PARTIAL_ORDINAL"], "2");
    assert_eq!(third["CONTAINER_PARTIAL_LAST"], "true");
    assert_eq!(
        second["CONTAINER_PARTIAL_ID"],
        third["CONTAINER_PARTIAL_ID"]
    );
}

#[test]
fn fluentd_gets_messages_with_times_of_nanoseconds() {
    let receiver = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = receiver.local_addr().unwrap().to_string();
    let mut logger = Logger::start(
        "fluentd",
        &options(&[
            ("fluentd-address", &address),
            ("fluentd-sub-second-precision", "true"),
        ]),
    );
    logger.write(Stream::Stderr, "hello\n");
    let mut decoder = Decoder::new(receiver.accept().unwrap().0);
    let message = decoder.value();
    let [tag, time, record, option] = message.list() else {
        panic!("{message:?}");
    };
    assert_eq!(tag.text(), "web/0123");
    assert_eq!(time.extension().0, 0);
    assert_eq!(time.extension().1.len(), 8);
    assert_eq!(record.member("log").text(), "hello");
    assert_eq!(record.member("source").text(), "stderr");
    assert_eq!(record.member("container_name").text(), "/web");
    assert_eq!(record.member("com.example.team").text(), "blue");
    assert_eq!(record.member("container_id").text().len(), 64);
    assert_eq!(option.members(), 0);
}

#[test]
fn fluentd_is_waited_for_until_it_has_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fluent");
    let receiver = UnixListener::bind(&path).unwrap();
    let address = format!("unix://{}", path.display());
    let mut logger = Logger::start(
        "fluentd",
        &options(&[
            ("fluentd-address", &address),
            ("fluentd-request-ack", "true"),
            ("fluentd-retry-wait", "10ms"),
        ]),
    );
    logger.write(Stream::Stdout, "one\ntwo\n");
    let mut decoder = Decoder::new(receiver.accept().unwrap().0);
    let first = decoder.value();
    assert_eq!(first.list()[2].member("log").text(), "one");
    assert!(first.list()[1].seconds() > 1_700_000_000);
    // The connection breaks before the word: the record comes again.
    drop(decoder);
    let mut decoder = Decoder::new(receiver.accept().unwrap().0);
    let again = decoder.value();
    assert_eq!(again.list()[2].member("log").text(), "one");
    decoder.acknowledge(again.list()[3].member("chunk").text());
    let second = decoder.value();
    assert_eq!(second.list()[2].member("log").text(), "two");
    decoder.acknowledge(second.list()[3].member("chunk").text());
}

#[test]
fn an_asynchronous_fluentd_may_come_later() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fluent");
    let address = format!("unix://{}", path.display());
    let mut logger = Logger::start(
        "fluentd",
        &options(&[
            ("fluentd-address", &address),
            ("fluentd-async", "true"),
            ("fluentd-retry-wait", "10ms"),
        ]),
    );
    logger.write(Stream::Stdout, "early\n");
    let receiver = UnixListener::bind(&path).unwrap();
    let mut decoder = Decoder::new(receiver.accept().unwrap().0);
    assert_eq!(decoder.value().list()[2].member("log").text(), "early");
}

#[test]
fn a_synchronous_fluentd_that_is_not_there_fails_the_start() {
    let given = options(&[("fluentd-address", "127.0.0.1:1")]);
    assert_eq!(
        Logger::try_start("fluentd", &given).unwrap_err(),
        "dial tcp 127.0.0.1:1: connect: connection refused"
    );
    let given = options(&[("gelf-address", "tcp://127.0.0.1:1")]);
    assert_eq!(
        Logger::try_start("gelf", &given).unwrap_err(),
        "gelf: cannot connect to GELF endpoint: 127.0.0.1:1 dial tcp 127.0.0.1:1: connect: connection refused"
    );
    let given = options(&[
        ("syslog-address", "tcp+tls://127.0.0.1:1"),
        ("syslog-tls-ca-cert", "/nope"),
    ]);
    assert_eq!(
        Logger::try_start("syslog", &given).unwrap_err(),
        "could not read CA certificate \"/nope\": open /nope: no such file or directory"
    );
}

#[test]
fn gelf_over_udp_is_compressed_and_cut_in_chunks() {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    receiver.set_read_timeout(Some(PATIENCE)).unwrap();
    let address = format!("udp://{}", receiver.local_addr().unwrap());
    let mut logger = Logger::start("gelf", &options(&[("gelf-address", &address)]));
    logger.write(Stream::Stderr, "short\n");
    let message = support::gelf(&receiver);
    assert_eq!(message["version"], "1.1");
    assert_eq!(message["short_message"], "short");
    assert_eq!(message["level"], 3);
    assert_eq!(message["_container_name"], "web");
    assert_eq!(message["_image_name"], "busybox");
    assert_eq!(message["_com.example.team"], "blue");
    assert_eq!(message["_tag"], "web/0123");
    assert!(message["timestamp"].as_f64().unwrap() > 1.7e9);
    // What does not compress takes several datagrams.
    let noise: String = (0..8000_u32)
        .map(|n| char::from(33 + (n.wrapping_mul(2_654_435_761) >> 25) as u8 % 90))
        .collect();
    logger.write(Stream::Stdout, &format!("{noise}\n"));
    assert_eq!(support::gelf(&receiver)["short_message"], *noise);
}

#[test]
fn gelf_over_tcp_ends_messages_with_zero_and_connects_again() {
    let receiver = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("tcp://{}", receiver.local_addr().unwrap());
    let mut logger = Logger::start(
        "gelf",
        &options(&[
            ("gelf-address", &address),
            ("gelf-tcp-reconnect-delay", "0"),
        ]),
    );
    let first = receiver.accept().unwrap().0;
    logger.write(Stream::Stdout, "one\n");
    assert_eq!(support::until_zero(&first)["short_message"], "one");
    drop(first);
    // The first message after the break may vanish in the kernel's buffers.
    receiver.set_nonblocking(true).unwrap();
    let second = support::eventually(|| {
        logger.write(Stream::Stdout, "more\n");
        receiver.accept().ok()
    });
    second.0.set_nonblocking(false).unwrap();
    assert_eq!(support::until_zero(&second.0)["short_message"], "more");
}
