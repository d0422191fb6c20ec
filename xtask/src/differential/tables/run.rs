//! What a container sees of the options it was created with.

use super::{Group, Look, call, group};

/// Name, fields, and the shell command whose output is compared.
const RUNS: &[(&str, &str, &str)] = &[
    (
        "plain",
        "",
        "id; pwd; env | grep -v HOSTNAME | sort; umask; ls /",
    ),
    (
        "status",
        "",
        "grep -E '^(Cap|NoNew|Seccomp|Groups|Uid|Gid)' /proc/self/status",
    ),
    ("limits", "", "cat /proc/self/limits"),
    (
        "mounts",
        "",
        "cut -d' ' -f2,3,4 /proc/mounts | sort | grep -vE '^/(etc/(hosts|hostname|resolv.conf))? ' | sed -E 's/,?(lowerdir|upperdir|workdir)=[^ ]*//; s/,inode64//'",
    ),
    ("dev", "", "ls -l /dev | tr -s ' ' | cut -d' ' -f1-6,10-"),
    ("namespaces", "", "cd /proc/1/ns && ls"),
    (
        "masked",
        "",
        "for p in acpi kcore keys latency_stats timer_list sched_debug scsi interrupts asound; do stat -c '%n %F' /proc/$p 2>&1; done; stat -c '%n %F' /sys/firmware /sys/devices/virtual/powercap 2>&1; touch /proc/sys/x /proc/irq/x /proc/bus/x /proc/sysrq-trigger 2>&1",
    ),
    (
        "etc",
        "",
        "cat /etc/hostname | wc -c; ls -ln /etc/hosts /etc/hostname /etc/resolv.conf | tr -s ' ' | cut -d' ' -f1,3,4; grep -v 172 /etc/hosts",
    ),
    (
        "hostname",
        r#""Hostname":"web","Domainname":"example.org""#,
        "hostname; cat /etc/hostname /proc/sys/kernel/domainname; grep web /etc/hosts | cut -f2-",
    ),
    ("user", r#""User":"1000:1001""#, "id; pwd; echo $HOME"),
    ("user-name", r#""User":"nobody""#, "id; echo $HOME"),
    ("user-unknown", r#""User":"nonono""#, "id"),
    ("group-unknown", r#""User":"0:nonono""#, "id"),
    (
        "groups",
        r#""HostConfig":{"GroupAdd":["7","audio"]}"#,
        "id -G | tr ' ' '\\n' | sort -n",
    ),
    (
        "groups-unknown",
        r#""HostConfig":{"GroupAdd":["nonono"]}"#,
        "id",
    ),
    (
        "workdir",
        r#""WorkingDir":"/srv/new/one""#,
        "pwd; stat -c '%a %u %g' /srv/new",
    ),
    ("env", r#""Env":["A=1","PATH=/bin","A=2"]"#, "echo $A $PATH"),
    ("tty", r#""Tty":true"#, "echo $TERM; tty; stty size"),
    (
        "tty-size",
        r#""Tty":true,"HostConfig":{"ConsoleSize":[24,80]}"#,
        "stty size",
    ),
    (
        "caps",
        r#""HostConfig":{"CapAdd":["NET_ADMIN"],"CapDrop":["CHOWN"]}"#,
        "grep Cap /proc/self/status",
    ),
    (
        "caps-all",
        r#""HostConfig":{"CapAdd":["ALL"],"CapDrop":["NET_RAW"]}"#,
        "grep Cap /proc/self/status",
    ),
    (
        "caps-none",
        r#""HostConfig":{"CapDrop":["ALL"]}"#,
        "grep Cap /proc/self/status",
    ),
    (
        "caps-user",
        r#""User":"1000","HostConfig":{"CapAdd":["NET_ADMIN"]}"#,
        "grep Cap /proc/self/status",
    ),
    (
        "privileged",
        r#""HostConfig":{"Privileged":true}"#,
        "grep -E 'Cap|Seccomp' /proc/self/status; grep -E ' /(proc|sys|sys/fs/cgroup[^ ]*) ' /proc/mounts | cut -d' ' -f2,4 | sort; ls -d /dev/null /dev/loop-control /dev/mem 2>&1",
    ),
    (
        "privileged-drop",
        r#""HostConfig":{"Privileged":true,"CapDrop":["ALL"]}"#,
        "grep Cap /proc/self/status",
    ),
    (
        "nnp",
        r#""HostConfig":{"SecurityOpt":["no-new-privileges"]}"#,
        "grep NoNew /proc/self/status",
    ),
    (
        "seccomp-off",
        r#""HostConfig":{"SecurityOpt":["seccomp=unconfined"]}"#,
        "grep Seccomp: /proc/self/status",
    ),
    (
        "seccomp-profile",
        r#""HostConfig":{"SecurityOpt":["seccomp={\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"mkdir\",\"mkdirat\"],\"action\":\"SCMP_ACT_ERRNO\"}]}"]}"#,
        "mkdir /x; grep Seccomp: /proc/self/status",
    ),
    (
        "seccomp-broken",
        r#""HostConfig":{"SecurityOpt":["seccomp={"]}"#,
        "true",
    ),
    (
        "paths-off",
        r#""HostConfig":{"MaskedPaths":[],"ReadonlyPaths":[]}"#,
        "stat -c '%F' /proc/kcore; grep -c '^proc /proc/' /proc/mounts",
    ),
    (
        "paths",
        r#""HostConfig":{"MaskedPaths":["/etc/hosts","/usr","/nonono"],"ReadonlyPaths":["/var","/nonono2"]}"#,
        "wc -c < /etc/hosts; ls /usr; touch /var/x",
    ),
    (
        "readonly",
        r#""HostConfig":{"ReadonlyRootfs":true}"#,
        "touch /x; touch /dev/shm/x && echo shm; touch /etc/hosts && echo hosts",
    ),
    (
        "readonly-tmpfs",
        r#""HostConfig":{"ReadonlyRootfs":true,"Tmpfs":{"/run":"size=1m,mode=700,uid=5"}}"#,
        "touch /run/x && stat -c '%a %u' /run; grep ' /run ' /proc/mounts | sed 's/,inode64//'",
    ),
    (
        "shm",
        r#""HostConfig":{"ShmSize":1048576}"#,
        "grep ' /dev/shm ' /proc/mounts | sed 's/,inode64//'",
    ),
    (
        "ipc-none",
        r#""HostConfig":{"IpcMode":"none"}"#,
        "grep -c /dev/shm /proc/mounts; ls /dev/shm; grep mqueue /proc/mounts",
    ),
    (
        "ipc-host",
        r#""HostConfig":{"IpcMode":"host"}"#,
        "grep -cE '/dev/shm|/dev/mqueue' /proc/mounts",
    ),
    ("uts-host", r#""HostConfig":{"UTSMode":"host"}"#, "hostname"),
    (
        "pid-host",
        r#""HostConfig":{"PidMode":"host"}"#,
        "test $$ != 1 && echo host; test -d /proc/2 && echo two",
    ),
    (
        "cgroupns",
        r#""HostConfig":{"CgroupnsMode":"private"}"#,
        "cut -d: -f3 /proc/self/cgroup | sort -u",
    ),
    (
        "cgroupns-host",
        r#""HostConfig":{"CgroupnsMode":"host","CgroupParent":"/cdiff"}"#,
        "cut -d: -f3 /proc/self/cgroup | sort -u",
    ),
    (
        "cgroups",
        "",
        "cd /sys/fs/cgroup; ls; ls -l | tr -s ' ' | cut -d' ' -f1,9-; grep cgroup /proc/mounts | cut -d' ' -f2,4 | sort",
    ),
    (
        "cpu",
        r#""HostConfig":{"CpuShares":512,"CpuPeriod":50000,"CpuQuota":25000,"CpusetCpus":"0","CpusetMems":"0"}"#,
        "cd /sys/fs/cgroup; cat cpu/cpu.shares cpu/cpu.cfs_period_us cpu/cpu.cfs_quota_us cpuset/cpuset.cpus cpuset/cpuset.mems cpu.max cpu.weight; nproc",
    ),
    (
        "nano",
        r#""HostConfig":{"NanoCpus":1500000000}"#,
        "cd /sys/fs/cgroup; cat cpu/cpu.cfs_period_us cpu/cpu.cfs_quota_us cpu.max",
    ),
    (
        "memory",
        r#""HostConfig":{"Memory":67108864,"MemoryReservation":33554432,"MemorySwap":134217728,"MemorySwappiness":40}"#,
        "cd /sys/fs/cgroup/memory; cat memory.limit_in_bytes memory.soft_limit_in_bytes memory.memsw.limit_in_bytes memory.swappiness",
    ),
    (
        "memory-alone",
        r#""HostConfig":{"Memory":67108864}"#,
        "cd /sys/fs/cgroup/memory; cat memory.limit_in_bytes memory.memsw.limit_in_bytes",
    ),
    (
        "memory-noswap",
        r#""HostConfig":{"Memory":67108864,"MemorySwap":-1}"#,
        "cd /sys/fs/cgroup/memory; cat memory.limit_in_bytes memory.memsw.limit_in_bytes",
    ),
    (
        "kernel-tcp",
        r#""HostConfig":{"KernelMemoryTCP":67108864}"#,
        "cat /sys/fs/cgroup/memory/memory.kmem.tcp.limit_in_bytes",
    ),
    (
        "oom-kill",
        r#""HostConfig":{"OomKillDisable":true,"Memory":67108864}"#,
        "cat /sys/fs/cgroup/memory/memory.oom_control",
    ),
    (
        "oom-adj",
        r#""HostConfig":{"OomScoreAdj":321}"#,
        "cat /proc/self/oom_score_adj",
    ),
    (
        "pids",
        r#""HostConfig":{"PidsLimit":20}"#,
        "cat /sys/fs/cgroup/pids/pids.max",
    ),
    (
        "pids-none",
        r#""HostConfig":{"PidsLimit":-1}"#,
        "cat /sys/fs/cgroup/pids/pids.max",
    ),
    (
        "rt",
        r#""HostConfig":{"CpuRealtimePeriod":1000000,"CpuRealtimeRuntime":1000}"#,
        "cat /sys/fs/cgroup/cpu/cpu.rt_runtime_us",
    ),
    (
        "blkio",
        r#""HostConfig":{"BlkioWeight":500}"#,
        "cat /sys/fs/cgroup/blkio/blkio.weight /sys/fs/cgroup/blkio/blkio.bfq.weight",
    ),
    (
        "blkio-bps",
        r#""HostConfig":{"BlkioDeviceReadBps":[{"Path":"/dev/loop0","Rate":1048576}],"BlkioDeviceWriteBps":[{"Path":"/dev/loop0","Rate":1048577}],"BlkioDeviceReadIOps":[{"Path":"/dev/loop0","Rate":100}],"BlkioDeviceWriteIOps":[{"Path":"/dev/loop0","Rate":101}]}"#,
        "cd /sys/fs/cgroup/blkio; cat blkio.throttle.read_bps_device blkio.throttle.write_bps_device blkio.throttle.read_iops_device blkio.throttle.write_iops_device",
    ),
    (
        "blkio-missing",
        r#""HostConfig":{"BlkioDeviceReadBps":[{"Path":"/dev/nono","Rate":1048576}]}"#,
        "true",
    ),
    (
        "blkio-weight-device",
        r#""HostConfig":{"BlkioWeightDevice":[{"Path":"/dev/loop0","Weight":200}]}"#,
        "cat /sys/fs/cgroup/blkio/blkio.weight_device",
    ),
    (
        "ulimits",
        r#""HostConfig":{"Ulimits":[{"Name":"nofile","Soft":1024,"Hard":2048},{"Name":"core","Soft":0,"Hard":0},{"Name":"nproc","Soft":100,"Hard":-1}]}"#,
        "cat /proc/self/limits",
    ),
    (
        "sysctls",
        r#""HostConfig":{"Sysctls":{"net.ipv4.ip_forward":"0","kernel.shmmax":"123456","fs.mqueue.msg_max":"20","net.core.somaxconn":"77"}}"#,
        "cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmax /proc/sys/fs/mqueue/msg_max /proc/sys/net/core/somaxconn",
    ),
    (
        "sysctls-outside",
        r#""HostConfig":{"Sysctls":{"vm.swappiness":"1"}}"#,
        "true",
    ),
    (
        "sysctls-missing",
        r#""HostConfig":{"Sysctls":{"net.nono":"1"}}"#,
        "true",
    ),
    (
        "sysctls-host",
        r#""HostConfig":{"NetworkMode":"host","Sysctls":{"net.ipv4.ip_forward":"1"}}"#,
        "true",
    ),
    (
        "devices",
        r#""HostConfig":{"Devices":[{"PathOnHost":"/dev/zero","PathInContainer":"/dev/nothing","CgroupPermissions":"r"}]}"#,
        "stat -c '%F %t:%T' /dev/nothing; head -c 2 /dev/nothing | wc -c; echo > /dev/nothing",
    ),
    (
        "device-directory",
        r#""HostConfig":{"Devices":[{"PathOnHost":"/dev/net","PathInContainer":"/dev/net","CgroupPermissions":"rwm"}]}"#,
        "ls /dev/net",
    ),
    (
        "device-missing",
        r#""HostConfig":{"Devices":[{"PathOnHost":"/dev/nono","PathInContainer":"/dev/nono","CgroupPermissions":"rwm"}]}"#,
        "true",
    ),
    (
        "device-file",
        r#""HostConfig":{"Devices":[{"PathOnHost":"/etc/passwd","PathInContainer":"/dev/x","CgroupPermissions":"rwm"}]}"#,
        "true",
    ),
    (
        "device-access",
        r#""HostConfig":{"Devices":[{"PathOnHost":"/dev/zero","PathInContainer":"/dev/x","CgroupPermissions":"q"}]}"#,
        "true",
    ),
    (
        "device-rules",
        r#""HostConfig":{"DeviceCgroupRules":["b 7:0 rwm"]}"#,
        "mknod /x b 7 0 && echo made; mknod /y b 7 1; grep 'b 7' /sys/fs/cgroup/devices/devices.list",
    ),
    (
        "gpus",
        r#""HostConfig":{"DeviceRequests":[{"Driver":"","Count":-1,"Capabilities":[["gpu"]]}]}"#,
        "true",
    ),
    (
        "gpus-driver",
        r#""HostConfig":{"DeviceRequests":[{"Driver":"foo","Count":-1,"Capabilities":[["gpu"]]}]}"#,
        "true",
    ),
    (
        "cdi-missing",
        r#""HostConfig":{"DeviceRequests":[{"Driver":"cdi","DeviceIDs":["vendor.com/none=x"]}]}"#,
        "true",
    ),
    (
        "cdi-wrong",
        r#""HostConfig":{"DeviceRequests":[{"Driver":"cdi","DeviceIDs":["foo"]}]}"#,
        "true",
    ),
    (
        "init",
        r#""HostConfig":{"Init":true}"#,
        "test $$ != 1 && echo behind; wc -l < /proc/1/status >/dev/null && echo one",
    ),
    (
        "tmpfs-options",
        r#""HostConfig":{"Mounts":[{"Type":"tmpfs","Target":"/a","TmpfsOptions":{"SizeBytes":1048576,"Mode":448}}]}"#,
        "grep ' /a ' /proc/mounts | sed 's/,inode64//'",
    ),
    (
        "tmpfs-exec",
        r#""HostConfig":{"Mounts":[{"Type":"tmpfs","Target":"/a","ReadOnly":true,"TmpfsOptions":{"Options":[["exec"],["nr_inodes","100"]]}}]}"#,
        "grep ' /a ' /proc/mounts | sed 's/,inode64//'",
    ),
    (
        "bind-ro",
        r#""HostConfig":{"Binds":["/dev:/a:ro"]}"#,
        "grep ' /a' /proc/mounts | cut -d' ' -f2,4 | cut -d, -f1 | sort -u",
    ),
    (
        "bind-nonrecursive",
        r#""HostConfig":{"Mounts":[{"Type":"bind","Source":"/dev","Target":"/a","BindOptions":{"NonRecursive":true}}]}"#,
        "grep -c ' /a' /proc/mounts",
    ),
    (
        "bind-ro-writable",
        r#""HostConfig":{"Mounts":[{"Type":"bind","Source":"/dev","Target":"/a","ReadOnly":true,"BindOptions":{"ReadOnlyNonRecursive":true}}]}"#,
        "grep ' /a' /proc/mounts | cut -d' ' -f2,4 | cut -d, -f1 | sort -u",
    ),
    (
        "bind-ro-force",
        r#""HostConfig":{"Mounts":[{"Type":"bind","Source":"/dev","Target":"/a","ReadOnly":true,"BindOptions":{"Propagation":"rprivate","ReadOnlyForceRecursive":true}}]}"#,
        "grep ' /a' /proc/mounts | cut -d' ' -f2,4 | cut -d, -f1 | sort -u",
    ),
    (
        "bind-slave",
        r#""HostConfig":{"Mounts":[{"Type":"bind","Source":"/sys","Target":"/a","BindOptions":{"Propagation":"rslave"}}]}"#,
        "grep -c ' /a' /proc/mounts",
    ),
    (
        "bind-shared-not",
        r#""HostConfig":{"Mounts":[{"Type":"bind","Source":"/proc","Target":"/a","BindOptions":{"Propagation":"rshared"}}]}"#,
        "true",
    ),
    (
        "bind-file",
        r#""HostConfig":{"Binds":["/etc/passwd:/a"]}"#,
        "test -f /a && echo file",
    ),
    (
        "bind-over-directory",
        r#""HostConfig":{"Binds":["/etc/passwd:/etc"]}"#,
        "true",
    ),
    (
        "volume-copy",
        r#""HostConfig":{"Mounts":[{"Type":"volume","Target":"/etc"}]}"#,
        "ls /etc | head -3; grep -c ' /etc ' /proc/mounts",
    ),
    (
        "volume-nocopy",
        r#""HostConfig":{"Mounts":[{"Type":"volume","Target":"/usr","VolumeOptions":{"NoCopy":true}}]}"#,
        "ls /usr",
    ),
    (
        "mount-image",
        r#""HostConfig":{"Mounts":[{"Type":"image","Source":"$image","Target":"/a"}]}"#,
        "ls /a; touch /a/x",
    ),
    (
        "mount-image-subpath",
        r#""HostConfig":{"Mounts":[{"Type":"image","Source":"$image","Target":"/a","ImageOptions":{"Subpath":"etc"}}]}"#,
        "ls /a",
    ),
    (
        "mount-image-nosubpath",
        r#""HostConfig":{"Mounts":[{"Type":"image","Source":"$image","Target":"/a","ImageOptions":{"Subpath":"nono"}}]}"#,
        "ls /a",
    ),
    (
        "network-none",
        r#""HostConfig":{"NetworkMode":"none"}"#,
        "ls /sys/class/net; cat /etc/resolv.conf | grep -v '^#'; cat /etc/hosts",
    ),
    (
        "dns",
        r#""HostConfig":{"Dns":["127.0.0.1"],"DnsOptions":["ndots:1"],"DnsSearch":["example.org"]}"#,
        "grep -v '^#' /etc/resolv.conf",
    ),
    (
        "hosts",
        r#""HostConfig":{"ExtraHosts":["a:127.0.0.9","b=127.0.0.8"]}"#,
        "grep 127 /etc/hosts",
    ),
    ("exit", "", "exit 42"),
    ("missing", r#""Entrypoint":["/nonono"]"#, "true"),
    ("not-executable", r#""Entrypoint":["/etc/passwd"]"#, "true"),
    ("directory", r#""Entrypoint":["/etc"]"#, "true"),
    ("not-in-path", r#""Entrypoint":["nonono"]"#, "true"),
    (
        "annotations",
        r#""HostConfig":{"Annotations":{"a":"b"}}"#,
        "echo x",
    ),
    (
        "runtime",
        r#""HostConfig":{"Runtime":"io.containerd.runc.v2"}"#,
        "echo x",
    ),
    ("stdout-stderr", "", "echo out; echo err >&2"),
];

pub fn groups() -> Vec<Group> {
    RUNS.iter()
        .map(|(name, fields, command)| {
            let command = serde_json::Value::from(*command);
            let comma = if fields.is_empty() { "" } else { "," };
            let command = if fields.contains("Entrypoint") {
                "[]".to_owned()
            } else {
                format!(r#"["sh","-c",{command}]"#)
            };
            let body = format!(r#"{{"Image":"$image","Cmd":{command}{comma}{fields}}}"#);
            group(
                format!("run-{name}"),
                vec![
                    call("POST /containers/create?name=$name").json(body),
                    call("POST /containers/$name/start"),
                    call("POST /containers/$name/wait"),
                    call("GET /containers/$name/logs?stdout=1").look(Look::Text),
                    call("GET /containers/$name/logs?stderr=1").look(Look::Text),
                    call("GET /containers/$name/json"),
                ],
            )
        })
        .collect()
}
