//! Fields of HostConfig: namespaces, ports, logs, security, restart.

/// Name and body without its `Image` and `Cmd`.
pub const FIELDS: &[(&str, &str)] = &[
    ("binds", r#""HostConfig":{"Binds":["/tmp:/a:ro"]}"#),
    (
        "binds-volume",
        r#""HostConfig":{"Binds":["cdiff-volume:/b"]}"#,
    ),
    ("binds-wrong", r#""HostConfig":{"Binds":["/tmp:/a:foo"]}"#),
    ("binds-relative", r#""HostConfig":{"Binds":["./a:/a"]}"#),
    (
        "binds-twice",
        r#""HostConfig":{"Binds":["/tmp:/a","/var:/a"]}"#,
    ),
    ("binds-root", r#""HostConfig":{"Binds":["/tmp:/"]}"#),
    ("binds-empty", r#""HostConfig":{"Binds":[":/a"]}"#),
    ("cidfile", r#""HostConfig":{"ContainerIDFile":"/tmp/x"}"#),
    (
        "log",
        r#""HostConfig":{"LogConfig":{"Type":"json-file","Config":{"max-size":"1m","max-file":"2"}}}"#,
    ),
    ("log-none", r#""HostConfig":{"LogConfig":{"Type":"none"}}"#),
    (
        "log-unknown",
        r#""HostConfig":{"LogConfig":{"Type":"foo"}}"#,
    ),
    (
        "log-option",
        r#""HostConfig":{"LogConfig":{"Type":"json-file","Config":{"foo":"1"}}}"#,
    ),
    (
        "log-size",
        r#""HostConfig":{"LogConfig":{"Type":"json-file","Config":{"max-size":"x"}}}"#,
    ),
    (
        "log-file",
        r#""HostConfig":{"LogConfig":{"Type":"json-file","Config":{"max-file":"2"}}}"#,
    ),
    (
        "log-mode",
        r#""HostConfig":{"LogConfig":{"Type":"json-file","Config":{"mode":"foo"}}}"#,
    ),
    ("network-none", r#""HostConfig":{"NetworkMode":"none"}"#),
    ("network-host", r#""HostConfig":{"NetworkMode":"host"}"#),
    (
        "network-missing",
        r#""HostConfig":{"NetworkMode":"nonono"}"#,
    ),
    (
        "network-container",
        r#""HostConfig":{"NetworkMode":"container:"}"#,
    ),
    (
        "network-container-gone",
        r#""HostConfig":{"NetworkMode":"container:nonono"}"#,
    ),
    (
        "network-container-host",
        r#""Hostname":"a","HostConfig":{"NetworkMode":"container:nonono"}"#,
    ),
    (
        "network-container-ports",
        r#""HostConfig":{"NetworkMode":"container:nonono","PortBindings":{"80/tcp":[{"HostPort":"1"}]}}"#,
    ),
    (
        "network-host-links",
        r#""HostConfig":{"NetworkMode":"host","Links":["a:b"]}"#,
    ),
    (
        "ports",
        r#""HostConfig":{"PortBindings":{"80/tcp":[{"HostIp":"127.0.0.1","HostPort":"8080"}]}}"#,
    ),
    (
        "ports-range",
        r#""HostConfig":{"PortBindings":{"80/tcp":[{"HostPort":"8000-8010"}]}}"#,
    ),
    (
        "ports-wrong",
        r#""HostConfig":{"PortBindings":{"80/tcp":[{"HostPort":"x"}]}}"#,
    ),
    (
        "ports-proto",
        r#""HostConfig":{"PortBindings":{"80/foo":[{"HostPort":"8080"}]}}"#,
    ),
    (
        "restart-always",
        r#""HostConfig":{"RestartPolicy":{"Name":"always"}}"#,
    ),
    (
        "restart-failure",
        r#""HostConfig":{"RestartPolicy":{"Name":"on-failure","MaximumRetryCount":3}}"#,
    ),
    (
        "restart-no",
        r#""HostConfig":{"RestartPolicy":{"Name":"no"}}"#,
    ),
    (
        "restart-wrong",
        r#""HostConfig":{"RestartPolicy":{"Name":"foo"}}"#,
    ),
    (
        "restart-count",
        r#""HostConfig":{"RestartPolicy":{"Name":"always","MaximumRetryCount":3}}"#,
    ),
    (
        "restart-negative",
        r#""HostConfig":{"RestartPolicy":{"Name":"on-failure","MaximumRetryCount":-1}}"#,
    ),
    (
        "restart-empty-count",
        r#""HostConfig":{"RestartPolicy":{"MaximumRetryCount":3}}"#,
    ),
    (
        "autoremove-restart",
        r#""HostConfig":{"AutoRemove":true,"RestartPolicy":{"Name":"always"}}"#,
    ),
    ("autoremove", r#""HostConfig":{"AutoRemove":true}"#),
    (
        "volume-driver",
        r#""HostConfig":{"VolumeDriver":"foo","Binds":["cdiff-v2:/b"]}"#,
    ),
    (
        "volumes-from-gone",
        r#""HostConfig":{"VolumesFrom":["nonono"]}"#,
    ),
    (
        "volumes-from-mode",
        r#""HostConfig":{"VolumesFrom":["nonono:foo"]}"#,
    ),
    ("console", r#""HostConfig":{"ConsoleSize":[24,80]}"#),
    ("annotations", r#""HostConfig":{"Annotations":{"a":"b"}}"#),
    (
        "annotations-empty",
        r#""HostConfig":{"Annotations":{"":"b"}}"#,
    ),
    (
        "caps",
        r#""HostConfig":{"CapAdd":["NET_ADMIN"],"CapDrop":["CAP_CHOWN"]}"#,
    ),
    (
        "caps-lower",
        r#""HostConfig":{"CapAdd":["net_admin"],"CapDrop":["ALL"]}"#,
    ),
    ("caps-wrong", r#""HostConfig":{"CapAdd":["FOO"]}"#),
    ("caps-wrong-drop", r#""HostConfig":{"CapDrop":["FOO"]}"#),
    ("cgroupns-host", r#""HostConfig":{"CgroupnsMode":"host"}"#),
    (
        "cgroupns-private",
        r#""HostConfig":{"CgroupnsMode":"private"}"#,
    ),
    ("cgroupns-wrong", r#""HostConfig":{"CgroupnsMode":"foo"}"#),
    (
        "dns",
        r#""HostConfig":{"Dns":["127.0.0.1"],"DnsOptions":["ndots:1"],"DnsSearch":["example.org"]}"#,
    ),
    ("dns-wrong", r#""HostConfig":{"Dns":["foo"]}"#),
    (
        "hosts",
        r#""HostConfig":{"ExtraHosts":["a:127.0.0.1","b:host-gateway"]}"#,
    ),
    ("hosts-wrong", r#""HostConfig":{"ExtraHosts":["a"]}"#),
    ("hosts-address", r#""HostConfig":{"ExtraHosts":["a:b"]}"#),
    ("groups", r#""HostConfig":{"GroupAdd":["1","audio"]}"#),
    ("ipc-none", r#""HostConfig":{"IpcMode":"none"}"#),
    ("ipc-shareable", r#""HostConfig":{"IpcMode":"shareable"}"#),
    ("ipc-host", r#""HostConfig":{"IpcMode":"host"}"#),
    ("ipc-wrong", r#""HostConfig":{"IpcMode":"foo"}"#),
    (
        "ipc-container",
        r#""HostConfig":{"IpcMode":"container:nonono"}"#,
    ),
    (
        "ipc-container-empty",
        r#""HostConfig":{"IpcMode":"container:"}"#,
    ),
    ("cgroup", r#""HostConfig":{"Cgroup":"foo"}"#),
    ("oom-adj", r#""HostConfig":{"OomScoreAdj":500}"#),
    ("oom-adj-wrong", r#""HostConfig":{"OomScoreAdj":5000}"#),
    ("pid-host", r#""HostConfig":{"PidMode":"host"}"#),
    ("pid-wrong", r#""HostConfig":{"PidMode":"foo"}"#),
    (
        "pid-container",
        r#""HostConfig":{"PidMode":"container:nonono"}"#,
    ),
    (
        "pid-container-empty",
        r#""HostConfig":{"PidMode":"container:"}"#,
    ),
    ("privileged", r#""HostConfig":{"Privileged":true}"#),
    (
        "publish-all",
        r#""ExposedPorts":{"80/tcp":{}},"HostConfig":{"PublishAllPorts":true}"#,
    ),
    ("readonly", r#""HostConfig":{"ReadonlyRootfs":true}"#),
    (
        "security",
        r#""HostConfig":{"SecurityOpt":["no-new-privileges","seccomp=unconfined"]}"#,
    ),
    (
        "security-colon",
        r#""HostConfig":{"SecurityOpt":["no-new-privileges:true"]}"#,
    ),
    (
        "security-wrong",
        r#""HostConfig":{"SecurityOpt":["foo=bar"]}"#,
    ),
    ("security-bare", r#""HostConfig":{"SecurityOpt":["foo"]}"#),
    (
        "security-nnp",
        r#""HostConfig":{"SecurityOpt":["no-new-privileges=maybe"]}"#,
    ),
    (
        "security-paths",
        r#""HostConfig":{"SecurityOpt":["systempaths=unconfined"]}"#,
    ),
    ("storage", r#""HostConfig":{"StorageOpt":{"size":"1G"}}"#),
    (
        "storage-unknown",
        r#""HostConfig":{"StorageOpt":{"foo":"1G"}}"#,
    ),
    (
        "storage-size",
        r#""HostConfig":{"StorageOpt":{"size":"x"}}"#,
    ),
    (
        "tmpfs",
        r#""HostConfig":{"Tmpfs":{"/a":"size=1m,exec","/b":""}}"#,
    ),
    ("tmpfs-wrong", r#""HostConfig":{"Tmpfs":{"/a":"foo"}}"#),
    ("tmpfs-relative", r#""HostConfig":{"Tmpfs":{"a":""}}"#),
    ("uts-host", r#""HostConfig":{"UTSMode":"host"}"#),
    ("uts-wrong", r#""HostConfig":{"UTSMode":"foo"}"#),
    (
        "uts-host-name",
        r#""Hostname":"a","HostConfig":{"UTSMode":"host"}"#,
    ),
    ("userns-host", r#""HostConfig":{"UsernsMode":"host"}"#),
    ("userns-wrong", r#""HostConfig":{"UsernsMode":"foo"}"#),
    ("shm", r#""HostConfig":{"ShmSize":1048576}"#),
    ("shm-negative", r#""HostConfig":{"ShmSize":-1}"#),
    (
        "sysctls",
        r#""HostConfig":{"Sysctls":{"net.ipv4.ip_forward":"1","kernel.shmmax":"1000"}}"#,
    ),
    (
        "sysctls-host",
        r#""HostConfig":{"NetworkMode":"host","Sysctls":{"net.ipv4.ip_forward":"1"}}"#,
    ),
    ("runtime", r#""HostConfig":{"Runtime":"runc"}"#),
    ("runtime-wrong", r#""HostConfig":{"Runtime":"foo"}"#),
    ("isolation", r#""HostConfig":{"Isolation":"default"}"#),
    ("isolation-wrong", r#""HostConfig":{"Isolation":"hyperv"}"#),
];
