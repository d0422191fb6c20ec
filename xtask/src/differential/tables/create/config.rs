//! Fields of Config: what the program is.

/// Name and body without its `Image` and `Cmd`.
pub const FIELDS: &[(&str, &str)] = &[
    ("plain", r#""Tty":false"#),
    ("hostname", r#""Hostname":"web","Domainname":"example.org""#),
    ("user", r#""User":"1000:1000""#),
    (
        "attach",
        r#""AttachStdin":true,"AttachStdout":true,"AttachStderr":true,"OpenStdin":true,"StdinOnce":true"#,
    ),
    ("exposed", r#""ExposedPorts":{"80/tcp":{},"53/udp":{}}"#),
    ("exposed-wrong", r#""ExposedPorts":{"http":{}}"#),
    ("tty", r#""Tty":true,"OpenStdin":true"#),
    ("env", r#""Env":["A=1","B","C="]"#),
    ("env-wrong", r#""Env":["=1"]"#),
    (
        "health",
        r#""Healthcheck":{"Test":["CMD-SHELL","true"],"Interval":1000000000,"Timeout":2000000000,"StartPeriod":3000000000,"StartInterval":4000000000,"Retries":5}"#,
    ),
    ("health-none", r#""Healthcheck":{"Test":["NONE"]}"#),
    (
        "health-short",
        r#""Healthcheck":{"Test":["CMD","true"],"Interval":1}"#,
    ),
    (
        "health-short-timeout",
        r#""Healthcheck":{"Test":["CMD","true"],"Timeout":1}"#,
    ),
    (
        "health-short-start",
        r#""Healthcheck":{"Test":["CMD","true"],"StartPeriod":1}"#,
    ),
    (
        "health-short-interval",
        r#""Healthcheck":{"Test":["CMD","true"],"StartInterval":1}"#,
    ),
    (
        "health-retries",
        r#""Healthcheck":{"Test":["CMD","true"],"Retries":-1}"#,
    ),
    ("args-escaped", r#""ArgsEscaped":true"#),
    ("volumes", r#""Volumes":{"/data":{}}"#),
    ("volumes-relative", r#""Volumes":{"data":{}}"#),
    ("volumes-colon", r#""Volumes":{"/a:/b":{}}"#),
    ("workdir", r#""WorkingDir":"/srv/x""#),
    ("workdir-relative", r#""WorkingDir":"srv""#),
    ("entrypoint", r#""Entrypoint":["/bin/echo","a"]"#),
    ("entrypoint-text", r#""Entrypoint":"/bin/echo""#),
    ("network-disabled", r#""NetworkDisabled":true"#),
    ("mac", r#""MacAddress":"02:42:ac:11:00:99""#),
    ("mac-wrong", r#""MacAddress":"zz""#),
    ("labels", r#""Labels":{"a":"b","c":""}"#),
    ("stop", r#""StopSignal":"SIGINT","StopTimeout":3"#),
    ("stop-wrong", r#""StopSignal":"SIGFOO""#),
    ("shell", r#""Shell":["/bin/sh","-c"]"#),
    ("onbuild", r#""OnBuild":["RUN true"]"#),
];
