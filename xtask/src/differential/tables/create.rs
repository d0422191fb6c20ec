//! `create` with every field of Config and HostConfig, right and wrong, and what
//! `inspect` makes of it.

use super::{Group, call, group};

/// Name and body without its `Image` and `Cmd`.
const FIELDS: &[(&str, &str)] = &[
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
    (
        "cpu",
        r#""HostConfig":{"CpuShares":512,"CpuPeriod":50000,"CpuQuota":25000,"CpusetCpus":"0","CpusetMems":"0"}"#,
    ),
    ("cpu-shares-negative", r#""HostConfig":{"CpuShares":-1}"#),
    ("cpu-shares-small", r#""HostConfig":{"CpuShares":1}"#),
    ("cpu-period", r#""HostConfig":{"CpuPeriod":10}"#),
    ("cpu-period-negative", r#""HostConfig":{"CpuPeriod":-1}"#),
    ("cpu-quota", r#""HostConfig":{"CpuQuota":10}"#),
    ("cpu-quota-negative", r#""HostConfig":{"CpuQuota":-5}"#),
    ("cpuset", r#""HostConfig":{"CpusetCpus":"7-9"}"#),
    ("cpuset-wrong", r#""HostConfig":{"CpusetCpus":"a"}"#),
    ("cpuset-mems", r#""HostConfig":{"CpusetMems":"7"}"#),
    ("cpuset-mems-wrong", r#""HostConfig":{"CpusetMems":"x"}"#),
    ("nano", r#""HostConfig":{"NanoCpus":500000000}"#),
    ("nano-many", r#""HostConfig":{"NanoCpus":500000000000}"#),
    ("nano-negative", r#""HostConfig":{"NanoCpus":-1}"#),
    (
        "nano-period",
        r#""HostConfig":{"NanoCpus":500000000,"CpuPeriod":10000}"#,
    ),
    (
        "nano-quota",
        r#""HostConfig":{"NanoCpus":500000000,"CpuQuota":10000}"#,
    ),
    (
        "rt",
        r#""HostConfig":{"CpuRealtimePeriod":1000000,"CpuRealtimeRuntime":950000}"#,
    ),
    (
        "rt-more",
        r#""HostConfig":{"CpuRealtimePeriod":1000,"CpuRealtimeRuntime":2000}"#,
    ),
    (
        "memory",
        r#""HostConfig":{"Memory":67108864,"MemoryReservation":33554432,"MemorySwap":134217728}"#,
    ),
    ("memory-small", r#""HostConfig":{"Memory":1000}"#),
    ("memory-negative", r#""HostConfig":{"Memory":-1}"#),
    (
        "memory-swap-less",
        r#""HostConfig":{"Memory":67108864,"MemorySwap":33554432}"#,
    ),
    (
        "memory-swap-alone",
        r#""HostConfig":{"MemorySwap":33554432}"#,
    ),
    (
        "memory-swap-none",
        r#""HostConfig":{"Memory":67108864,"MemorySwap":-1}"#,
    ),
    (
        "memory-reservation-small",
        r#""HostConfig":{"MemoryReservation":1}"#,
    ),
    (
        "memory-reservation-more",
        r#""HostConfig":{"Memory":33554432,"MemoryReservation":67108864}"#,
    ),
    ("swappiness", r#""HostConfig":{"MemorySwappiness":50}"#),
    ("swappiness-zero", r#""HostConfig":{"MemorySwappiness":0}"#),
    (
        "swappiness-wrong",
        r#""HostConfig":{"MemorySwappiness":500}"#,
    ),
    ("kernel-memory", r#""HostConfig":{"KernelMemory":67108864}"#),
    (
        "kernel-memory-tcp",
        r#""HostConfig":{"KernelMemoryTCP":67108864}"#,
    ),
    ("oom-kill", r#""HostConfig":{"OomKillDisable":true}"#),
    (
        "oom-kill-limit",
        r#""HostConfig":{"OomKillDisable":true,"Memory":67108864}"#,
    ),
    ("pids", r#""HostConfig":{"PidsLimit":20}"#),
    ("pids-none", r#""HostConfig":{"PidsLimit":-1}"#),
    ("pids-zero", r#""HostConfig":{"PidsLimit":0}"#),
    ("pids-null", r#""HostConfig":{"PidsLimit":null}"#),
    ("blkio", r#""HostConfig":{"BlkioWeight":500}"#),
    ("blkio-wrong", r#""HostConfig":{"BlkioWeight":5}"#),
    (
        "blkio-device",
        r#""HostConfig":{"BlkioWeightDevice":[{"Path":"/dev/null","Weight":200}]}"#,
    ),
    (
        "blkio-bps",
        r#""HostConfig":{"BlkioDeviceReadBps":[{"Path":"/dev/loop0","Rate":1000}],"BlkioDeviceWriteBps":[{"Path":"/dev/loop0","Rate":1000}]}"#,
    ),
    (
        "blkio-iops",
        r#""HostConfig":{"BlkioDeviceReadIOps":[{"Path":"/dev/loop0","Rate":1000}],"BlkioDeviceWriteIOps":[{"Path":"/dev/loop0","Rate":1000}]}"#,
    ),
    (
        "devices",
        r#""HostConfig":{"Devices":[{"PathOnHost":"/dev/null","PathInContainer":"/dev/nothing","CgroupPermissions":"r"}]}"#,
    ),
    (
        "device-missing",
        r#""HostConfig":{"Devices":[{"PathOnHost":"/dev/nono","PathInContainer":"/dev/nono","CgroupPermissions":"rwm"}]}"#,
    ),
    (
        "device-rules",
        r#""HostConfig":{"DeviceCgroupRules":["c 1:3 rwm"]}"#,
    ),
    (
        "device-rules-wrong",
        r#""HostConfig":{"DeviceCgroupRules":["foo"]}"#,
    ),
    (
        "device-requests",
        r#""HostConfig":{"DeviceRequests":[{"Driver":"","Count":-1,"Capabilities":[["gpu"]]}]}"#,
    ),
    (
        "device-requests-both",
        r#""HostConfig":{"DeviceRequests":[{"Count":1,"DeviceIDs":["0"],"Capabilities":[["gpu"]]}]}"#,
    ),
    (
        "device-requests-driver",
        r#""HostConfig":{"DeviceRequests":[{"Driver":"nvidia","Count":1,"Capabilities":[["gpu"]]}]}"#,
    ),
    (
        "device-requests-cdi",
        r#""HostConfig":{"DeviceRequests":[{"Driver":"cdi","DeviceIDs":["vendor.com/none=x"]}]}"#,
    ),
    (
        "ulimits",
        r#""HostConfig":{"Ulimits":[{"Name":"nofile","Soft":1024,"Hard":2048}]}"#,
    ),
    (
        "ulimits-order",
        r#""HostConfig":{"Ulimits":[{"Name":"nofile","Soft":4096,"Hard":2048}]}"#,
    ),
    (
        "ulimits-wrong",
        r#""HostConfig":{"Ulimits":[{"Name":"foo","Soft":1,"Hard":2}]}"#,
    ),
    (
        "windows",
        r#""HostConfig":{"CpuCount":2,"CpuPercent":50,"IOMaximumIOps":100,"IOMaximumBandwidth":1000}"#,
    ),
    (
        "mount-bind",
        r#""HostConfig":{"Mounts":[{"Type":"bind","Source":"/tmp","Target":"/a","ReadOnly":true,"BindOptions":{"Propagation":"rslave"}}]}"#,
    ),
    (
        "mount-bind-missing",
        r#""HostConfig":{"Mounts":[{"Type":"bind","Source":"/nonono","Target":"/a"}]}"#,
    ),
    (
        "mount-bind-options",
        r#""HostConfig":{"Mounts":[{"Type":"bind","Source":"/tmp","Target":"/a","ReadOnly":true,"BindOptions":{"NonRecursive":true,"ReadOnlyNonRecursive":true}}]}"#,
    ),
    (
        "mount-bind-force",
        r#""HostConfig":{"Mounts":[{"Type":"bind","Source":"/tmp","Target":"/a","ReadOnly":true,"BindOptions":{"ReadOnlyForceRecursive":true}}]}"#,
    ),
    (
        "mount-bind-force-private",
        r#""HostConfig":{"Mounts":[{"Type":"bind","Source":"/tmp","Target":"/a","ReadOnly":true,"BindOptions":{"Propagation":"rprivate","ReadOnlyForceRecursive":true}}]}"#,
    ),
    (
        "mount-bind-force-rw",
        r#""HostConfig":{"Mounts":[{"Type":"bind","Source":"/tmp","Target":"/a","BindOptions":{"ReadOnlyForceRecursive":true}}]}"#,
    ),
    (
        "mount-bind-nonrec-rw",
        r#""HostConfig":{"Mounts":[{"Type":"bind","Source":"/tmp","Target":"/a","BindOptions":{"ReadOnlyNonRecursive":true}}]}"#,
    ),
    (
        "mount-bind-both",
        r#""HostConfig":{"Mounts":[{"Type":"bind","Source":"/tmp","Target":"/a","ReadOnly":true,"BindOptions":{"ReadOnlyNonRecursive":true,"ReadOnlyForceRecursive":true}}]}"#,
    ),
    (
        "mount-bind-propagation",
        r#""HostConfig":{"Mounts":[{"Type":"bind","Source":"/tmp","Target":"/a","BindOptions":{"Propagation":"foo"}}]}"#,
    ),
    (
        "mount-bind-relative",
        r#""HostConfig":{"Mounts":[{"Type":"bind","Source":"tmp","Target":"/a"}]}"#,
    ),
    (
        "mount-bind-nosource",
        r#""HostConfig":{"Mounts":[{"Type":"bind","Target":"/a"}]}"#,
    ),
    (
        "mount-bind-volumeoptions",
        r#""HostConfig":{"Mounts":[{"Type":"bind","Source":"/tmp","Target":"/a","VolumeOptions":{"NoCopy":true}}]}"#,
    ),
    (
        "mount-consistency",
        r#""HostConfig":{"Mounts":[{"Type":"bind","Source":"/tmp","Target":"/a","Consistency":"cached"}]}"#,
    ),
    (
        "mount-volume",
        r#""HostConfig":{"Mounts":[{"Type":"volume","Source":"cdiff-mv","Target":"/a","VolumeOptions":{"NoCopy":true,"Labels":{"x":"y"},"DriverConfig":{"Name":"local","Options":{"type":"tmpfs","device":"tmpfs","o":"size=1m"}}}}]}"#,
    ),
    (
        "mount-volume-anonymous",
        r#""HostConfig":{"Mounts":[{"Type":"volume","Target":"/a"}]}"#,
    ),
    (
        "mount-volume-subpath-up",
        r#""HostConfig":{"Mounts":[{"Type":"volume","Source":"cdiff-v","Target":"/a","VolumeOptions":{"Subpath":"../x"}}]}"#,
    ),
    (
        "mount-volume-subpath-anonymous",
        r#""HostConfig":{"Mounts":[{"Type":"volume","Target":"/a","VolumeOptions":{"Subpath":"x"}}]}"#,
    ),
    (
        "mount-tmpfs",
        r#""HostConfig":{"Mounts":[{"Type":"tmpfs","Target":"/a","TmpfsOptions":{"SizeBytes":1048576,"Mode":448,"Options":[["exec"]]}}]}"#,
    ),
    (
        "mount-tmpfs-source",
        r#""HostConfig":{"Mounts":[{"Type":"tmpfs","Source":"/x","Target":"/a"}]}"#,
    ),
    (
        "mount-tmpfs-option",
        r#""HostConfig":{"Mounts":[{"Type":"tmpfs","Target":"/a","TmpfsOptions":{"Options":[["foo"]]}}]}"#,
    ),
    (
        "mount-tmpfs-size",
        r#""HostConfig":{"Mounts":[{"Type":"tmpfs","Target":"/a","TmpfsOptions":{"SizeBytes":-1}}]}"#,
    ),
    (
        "mount-image",
        r#""HostConfig":{"Mounts":[{"Type":"image","Source":"$image","Target":"/a","ImageOptions":{"Subpath":"bin"}}]}"#,
    ),
    (
        "mount-image-missing",
        r#""HostConfig":{"Mounts":[{"Type":"image","Source":"nonono:1","Target":"/a"}]}"#,
    ),
    (
        "mount-image-nosource",
        r#""HostConfig":{"Mounts":[{"Type":"image","Target":"/a"}]}"#,
    ),
    (
        "mount-image-up",
        r#""HostConfig":{"Mounts":[{"Type":"image","Source":"$image","Target":"/a","ImageOptions":{"Subpath":"../x"}}]}"#,
    ),
    (
        "mount-image-foreign",
        r#""HostConfig":{"Mounts":[{"Type":"image","Source":"$image","Target":"/a","BindOptions":{"NonRecursive":true}}]}"#,
    ),
    (
        "mount-cluster",
        r#""HostConfig":{"Mounts":[{"Type":"cluster","Source":"x","Target":"/a"}]}"#,
    ),
    (
        "mount-npipe",
        r#""HostConfig":{"Mounts":[{"Type":"npipe","Source":"x","Target":"/a"}]}"#,
    ),
    (
        "mount-unknown",
        r#""HostConfig":{"Mounts":[{"Type":"foo","Source":"x","Target":"/a"}]}"#,
    ),
    (
        "mount-notype",
        r#""HostConfig":{"Mounts":[{"Source":"/tmp","Target":"/a"}]}"#,
    ),
    (
        "mount-notarget",
        r#""HostConfig":{"Mounts":[{"Type":"tmpfs"}]}"#,
    ),
    (
        "mount-root",
        r#""HostConfig":{"Mounts":[{"Type":"tmpfs","Target":"/"}]}"#,
    ),
    (
        "mount-relative",
        r#""HostConfig":{"Mounts":[{"Type":"tmpfs","Target":"a"}]}"#,
    ),
    (
        "masked",
        r#""HostConfig":{"MaskedPaths":["/proc/kcore"],"ReadonlyPaths":["/proc/sys"]}"#,
    ),
    (
        "masked-none",
        r#""HostConfig":{"MaskedPaths":[],"ReadonlyPaths":[]}"#,
    ),
    ("init", r#""HostConfig":{"Init":true}"#),
    ("init-off", r#""HostConfig":{"Init":false}"#),
    (
        "cgroup-parent",
        r#""HostConfig":{"CgroupParent":"/cdiff-parent"}"#,
    ),
    (
        "endpoints",
        r#""NetworkingConfig":{"EndpointsConfig":{"bridge":{"MacAddress":"02:42:ac:11:00:55"}}}"#,
    ),
    (
        "endpoints-mac",
        r#""NetworkingConfig":{"EndpointsConfig":{"bridge":{"MacAddress":"zz"}}}"#,
    ),
    (
        "endpoints-alias",
        r#""NetworkingConfig":{"EndpointsConfig":{"bridge":{"Aliases":["a"]}}}"#,
    ),
    (
        "endpoints-ip",
        r#""NetworkingConfig":{"EndpointsConfig":{"bridge":{"IPAMConfig":{"IPv4Address":"172.17.0.99"}}}}"#,
    ),
    (
        "endpoints-missing",
        r#""NetworkingConfig":{"EndpointsConfig":{"nonono":{}}}"#,
    ),
];

/// Whole bodies that are wrong in themselves.
const BODIES: &[(&str, &str, &str)] = &[
    ("no-image", "", r#"{"Cmd":["true"]}"#),
    (
        "image-missing",
        "",
        r#"{"Image":"nonono:1","Cmd":["true"]}"#,
    ),
    ("image-wrong", "", r#"{"Image":"No_No:1 2","Cmd":["true"]}"#),
    (
        "no-command",
        "",
        r#"{"Image":"$image","Cmd":[],"Entrypoint":[""]}"#,
    ),
    ("empty", "", "{}"),
    ("broken", "", r#"{"Image":"#),
    ("type", "", r#"{"Image":"$image","Tty":"yes"}"#),
    ("list", "", "[]"),
    ("twice", "", r#"{"Image":"$image"}{"Image":"$image"}"#),
    ("platform", "&platform=linux/s390x", r#"{"Image":"$image"}"#),
    (
        "platform-wrong",
        "&platform=a/b/c/d",
        r#"{"Image":"$image"}"#,
    ),
    (
        "platform-right",
        "&platform=linux/amd64",
        r#"{"Image":"$image"}"#,
    ),
];

pub fn groups() -> Vec<Group> {
    let mut list = Vec::new();
    for (name, fields) in FIELDS {
        let body = format!(r#"{{"Image":"$image","Cmd":["sleep","60"],{fields}}}"#);
        list.push(group(
            format!("create-{name}"),
            vec![
                call("POST /containers/create?name=$name").json(body),
                call("GET /containers/$name/json?size=0"),
            ],
        ));
    }
    for (name, query, body) in BODIES {
        list.push(group(
            format!("create-{name}"),
            vec![
                call(format!("POST /containers/create?name=$name{query}")).json(*body),
                call("GET /containers/$name/json"),
            ],
        ));
    }
    for (label, name) in [
        ("short", "a"),
        ("slash", "/a/b"),
        ("space", "a%20b"),
        ("dots", ".."),
    ] {
        list.push(group(
            format!("create-name-{label}"),
            vec![
                call(format!("POST /containers/create?name={name}")).json(r#"{"Image":"$image"}"#),
                call(format!("DELETE /containers/{name}")),
            ],
        ));
    }
    list
}
