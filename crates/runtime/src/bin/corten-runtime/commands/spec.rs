//! `spec` and `features`.

use crate::arguments::Arguments;
use crate::error::CommandError;
use serde_json::{Value, json};
use std::path::Path;

const CAPABILITIES: [&str; 3] = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];
const NAMESPACES: [&str; 6] = ["pid", "network", "ipc", "uts", "mount", "cgroup"];

/// Writes `config.json` for a shell in `rootfs`.
pub(super) fn spec(words: &[String]) -> Result<u8, CommandError> {
    let shapes = [("bundle", Some('b'), true), ("rootless", None, false)];
    let arguments = Arguments::parse(words, &shapes)?;
    let path = Path::new(arguments.value("bundle").unwrap_or(".")).join("config.json");
    let mut text = config();
    if arguments.has("rootless") {
        rootless(&mut text);
    }
    let mut file = std::fs::File::create_new(&path).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            CommandError::Usage("File config.json exists. Remove it first".to_owned())
        }
        _ => CommandError::file(&path)(error),
    })?;
    std::io::Write::write_all(&mut file, format!("{text:#}\n").as_bytes())
        .map_err(CommandError::file(&path))?;
    Ok(0)
}

fn mount(destination: &str, kind: &str, source: &str, options: &str) -> Value {
    let options: Vec<&str> = options.split(',').collect();
    json!({ "destination": destination, "type": kind, "source": source, "options": options })
}

fn config() -> Value {
    json!({
        "ociVersion": corten_oci::runtime::SPEC_VERSION,
        "process": {
            "terminal": true,
            "user": { "uid": 0, "gid": 0 },
            "args": ["sh"],
            "env": [
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "TERM=xterm",
            ],
            "cwd": "/",
            "capabilities": {
                "bounding": CAPABILITIES, "effective": CAPABILITIES, "permitted": CAPABILITIES,
            },
            "rlimits": [{ "type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024 }],
            "noNewPrivileges": true,
        },
        "root": { "path": "rootfs", "readonly": true },
        "hostname": "corten",
        "mounts": [
            { "destination": "/proc", "type": "proc", "source": "proc" },
            mount("/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k"),
            mount(
                "/dev/pts", "devpts", "devpts",
                "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5",
            ),
            mount("/dev/shm", "tmpfs", "shm", "nosuid,noexec,nodev,mode=1777,size=65536k"),
            mount("/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev"),
            mount("/sys", "sysfs", "sysfs", "nosuid,noexec,nodev,ro"),
            mount("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid,noexec,nodev,relatime,ro"),
        ],
        "linux": {
            "resources": { "devices": [{ "allow": false, "access": "rwm" }] },
            "namespaces": NAMESPACES.map(|kind| json!({ "type": kind })),
            "maskedPaths": [
                "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys",
                "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
                "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
                "/sys/devices/virtual/powercap",
            ],
            "readonlyPaths": [
                "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
            ],
        },
    })
}

/// The caller becomes root of a user namespace; what needs the host's root goes.
fn rootless(config: &mut Value) {
    let (uid, gid) = (
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    );
    let map = |id: u32| json!([{ "containerID": 0, "hostID": id, "size": 1 }]);
    let kinds = ["pid", "ipc", "uts", "mount", "cgroup", "user"];
    config["linux"]["namespaces"] = json!(kinds.map(|kind| json!({ "type": kind })));
    config["linux"]["uidMappings"] = map(uid);
    config["linux"]["gidMappings"] = map(gid);
    if let Some(linux) = config["linux"].as_object_mut() {
        linux.remove("resources");
    }
    let Some(mounts) = config["mounts"].as_array_mut() else {
        return;
    };
    mounts.retain(|mount| mount["destination"] != "/sys/fs/cgroup");
    for mount_entry in mounts {
        if mount_entry["destination"] == "/sys" {
            *mount_entry = mount("/sys", "none", "/sys", "rbind,nosuid,noexec,nodev,ro");
        } else if let Some(options) = mount_entry["options"].as_array_mut() {
            options.retain(|option| option != "gid=5");
        }
    }
}

/// What this runtime can do (features.md).
pub(super) fn features() -> Result<u8, CommandError> {
    let text = json!({
        "ociVersionMin": "1.0.0",
        "ociVersionMax": corten_oci::runtime::SPEC_VERSION,
        "hooks": [
            "prestart", "createRuntime", "createContainer", "startContainer", "poststart",
            "poststop",
        ],
        "mountOptions": corten_runtime::mount_option_names(),
        "linux": {
            "namespaces": ["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"],
            "capabilities": corten_runtime::capability_names(),
            "cgroup": { "v1": true, "v2": true, "systemd": false, "systemdUser": false,
                        "rdma": true },
            "seccomp": {
                "enabled": true,
                "actions": [
                    "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL",
                    "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG",
                    "SCMP_ACT_TRACE", "SCMP_ACT_TRAP",
                ],
                "operators": [
                    "SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_LE", "SCMP_CMP_LT",
                    "SCMP_CMP_MASKED_EQ", "SCMP_CMP_NE",
                ],
                "archs": [
                    "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM", "SCMP_ARCH_X32", "SCMP_ARCH_X86",
                    "SCMP_ARCH_X86_64",
                ],
            },
            "apparmor": { "enabled": true },
            "selinux": { "enabled": false },
            "intelRdt": { "enabled": false },
            "mountExtensions": { "idmap": { "enabled": true } },
        },
    });
    println!("{text:#}");
    Ok(0)
}
