//! Limits and devices.

/// Name and body without its `Image` and `Cmd`.
pub const FIELDS: &[(&str, &str)] = &[
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
];
