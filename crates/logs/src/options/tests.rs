use super::*;

fn options(pairs: &[(&str, &str)]) -> Given {
    pairs
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect()
}

fn refusal(driver: &str, pairs: &[(&str, &str)]) -> (String, bool) {
    let error = parse(driver, &options(pairs)).unwrap_err();
    (error.to_string(), error.at_create())
}

#[test]
fn sizes_and_files_are_read_as_docker_reads_them() {
    let given = options(&[("max-size", "10k"), ("max-file", "3"), ("compress", "true")]);
    let Ok(LogOptions::JsonFile { files, .. }) = parse("", &given) else {
        panic!("it is json-file");
    };
    assert_eq!((files.max_size_bytes, files.max_files), (Some(10_000), 3));
    assert!(files.compress);
    let Ok(LogOptions::Local(files)) = parse("local", &Given::new()) else {
        panic!("it is local");
    };
    assert_eq!(files, FileOptions::local());
}

/// Each asked of dockerd 28.5.
#[test]
fn what_docker_refuses_is_refused_with_its_sentence_and_at_its_time() {
    for (driver, pair, sentence, at_create) in [
        (
            "json-file",
            ("foo", "x"),
            "unknown log opt 'foo' for json-file log driver",
            true,
        ),
        (
            "json-file",
            ("max-size", "0"),
            "max-size must be a positive number",
            false,
        ),
        ("json-file", ("max-size", "x"), "invalid size: 'x'", false),
        ("json-file", ("max-size", "-1"), "invalid size: '-1'", false),
        (
            "json-file",
            ("max-file", "0"),
            "max-file cannot be less than 1",
            false,
        ),
        (
            "json-file",
            ("max-file", "x"),
            "strconv.Atoi: parsing \"x\": invalid syntax",
            false,
        ),
        (
            "json-file",
            ("compress", "x"),
            "strconv.ParseBool: parsing \"x\": invalid syntax",
            false,
        ),
        (
            "json-file",
            ("compress", "true"),
            "compress cannot be true when max-file is less than 2 or max-size is not set",
            false,
        ),
        (
            "json-file",
            ("mode", "x"),
            "logger: logging mode not supported: x",
            true,
        ),
        (
            "json-file",
            ("max-buffer-size", "1m"),
            "logger: max-buffer-size option is only supported with 'mode=non-blocking'",
            true,
        ),
        (
            "json-file",
            ("cache-disabled", "x"),
            "invalid value for option cache-disabled: x",
            true,
        ),
        (
            "local",
            ("tag", "x"),
            "unknown log opt 'tag' for log driver local",
            true,
        ),
        (
            "local",
            ("max-size", "x"),
            "invalid value for max-size: x: invalid size: 'x'",
            false,
        ),
        (
            "local",
            ("max-file", "x"),
            "invalid value for max-file: x: strconv.Atoi: parsing \"x\": invalid syntax",
            false,
        ),
        (
            "local",
            ("max-file", "1"),
            "compression cannot be enabled when max file count is 1",
            false,
        ),
        (
            "local",
            ("compress", "x"),
            "error reading compress log option: strconv.ParseBool: parsing \"x\": invalid syntax",
            false,
        ),
        (
            "journald",
            ("max-size", "x"),
            "unknown log opt 'max-size' for journald log driver",
            true,
        ),
        (
            "syslog",
            ("syslog-address", "foo"),
            "unsupported scheme: ''",
            true,
        ),
        (
            "syslog",
            ("syslog-address", "foo://x"),
            "unsupported scheme: 'foo'",
            true,
        ),
        (
            "syslog",
            ("syslog-address", "unix:///nope"),
            "stat /nope: no such file or directory",
            true,
        ),
        (
            "syslog",
            ("syslog-facility", "99"),
            "invalid syslog facility",
            true,
        ),
        (
            "syslog",
            ("syslog-format", "foo"),
            "Invalid syslog format",
            true,
        ),
        (
            "fluentd",
            ("fluentd-address", "foo://x"),
            "invalid fluentd-address (foo://x): unsupported scheme: 'foo'",
            true,
        ),
        (
            "fluentd",
            ("fluentd-address", "tcp://127.0.0.1:x"),
            "invalid fluentd-address (tcp://127.0.0.1:x): parse \"tcp://127.0.0.1:x\": invalid port \":x\" after host",
            true,
        ),
        (
            "fluentd",
            ("fluentd-address", "tcp://127.0.0.1:1/path"),
            "invalid fluentd-address (tcp://127.0.0.1:1/path): should not contain a path element",
            true,
        ),
        (
            "fluentd",
            ("fluentd-address", "unix://"),
            "invalid fluentd-address (unix://): path is empty",
            true,
        ),
        (
            "fluentd",
            ("fluentd-async", "x"),
            "strconv.ParseBool: parsing \"x\": invalid syntax",
            true,
        ),
        (
            "fluentd",
            ("fluentd-buffer-limit", "x"),
            "invalid size: 'x'",
            true,
        ),
        (
            "fluentd",
            ("fluentd-retry-wait", "x"),
            "time: invalid duration \"x\"",
            true,
        ),
        (
            "fluentd",
            ("fluentd-max-retries", "x"),
            "strconv.ParseUint: parsing \"x\": invalid syntax",
            true,
        ),
        (
            "fluentd",
            ("fluentd-async-reconnect-interval", "1ms"),
            "invalid value for fluentd-async-reconnect-interval: value (\"1ms\") must be between 100ms and 10s",
            true,
        ),
        (
            "fluentd",
            ("fluentd-write-timeout", "x"),
            "invalid value for fluentd-write-timeout: value must be a duration: time: invalid duration \"x\"",
            true,
        ),
        (
            "gelf",
            ("foo", "x"),
            "gelf-address is a required parameter",
            true,
        ),
        (
            "gelf",
            ("gelf-address", "foo"),
            "gelf: endpoint needs to be TCP or UDP",
            true,
        ),
        (
            "gelf",
            ("gelf-address", "udp://127.0.0.1"),
            "gelf: please provide gelf-address as proto://host:port",
            true,
        ),
        (
            "splunk",
            ("foo", "x"),
            "error looking up logging plugin splunk: plugin \"splunk\" not found",
            true,
        ),
    ] {
        let seen = refusal(driver, &[pair]);
        assert_eq!(seen, (sentence.to_owned(), at_create), "{driver} {pair:?}");
    }
    for (address, pair, sentence) in [
        (
            "udp://127.0.0.1:1",
            ("gelf-compression-type", "x"),
            "unknown value \"x\" for log opt \"gelf-compression-type\" for gelf log driver",
        ),
        (
            "udp://127.0.0.1:1",
            ("gelf-compression-level", "11"),
            "unknown value \"11\" for log opt \"gelf-compression-level\" for gelf log driver",
        ),
        (
            "tcp://127.0.0.1:1",
            ("gelf-compression-level", "1"),
            "compression is only supported on UDP",
        ),
        (
            "udp://127.0.0.1:1",
            ("gelf-tcp-max-reconnect", "1"),
            "\"gelf-tcp-max-reconnect\" is only valid for TCP",
        ),
        (
            "tcp://127.0.0.1:1",
            ("gelf-tcp-reconnect-delay", "-1"),
            "\"gelf-tcp-reconnect-delay\" must be a positive integer",
        ),
        (
            "tcp://127.0.0.1:1",
            ("max-size", "1"),
            "unknown log opt 'max-size' for gelf log driver",
        ),
    ] {
        let seen = refusal("gelf", &[("gelf-address", address), pair]);
        assert_eq!(seen.0, sentence);
    }
}

#[test]
fn a_remote_driver_has_files_to_read_back_from_unless_told_otherwise() {
    let remote = |pairs: &[(&str, &str)]| match parse("syslog", &options(pairs)) {
        Ok(LogOptions::Remote(options)) => *options,
        other => panic!("{other:?}"),
    };
    assert_eq!(remote(&[]).cache, Some(FileOptions::local()));
    assert_eq!(remote(&[("cache-disabled", "true")]).cache, None);
    let cache = remote(&[("cache-max-size", "1m"), ("cache-max-file", "2")]).cache;
    let cache = cache.unwrap();
    assert_eq!(
        (cache.max_size_bytes, cache.max_files),
        (Some(1_000_000), 2)
    );
}

#[test]
fn only_a_container_in_non_blocking_mode_loses_records() {
    let buffer = |pairs: &[(&str, &str)]| match parse("journald", &options(pairs)) {
        Ok(LogOptions::Remote(options)) => options.max_buffer_bytes,
        other => panic!("{other:?}"),
    };
    assert_eq!(buffer(&[]), None);
    assert_eq!(buffer(&[("mode", "blocking")]), None);
    assert_eq!(buffer(&[("mode", "non-blocking")]), Some(1 << 20));
    assert_eq!(
        buffer(&[("mode", "non-blocking"), ("max-buffer-size", "4k")]),
        Some(4096)
    );
}
