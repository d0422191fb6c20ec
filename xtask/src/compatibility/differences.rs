//! Answers that differ from dockerd's and are meant to.

/// A difference, with patterns in which `*` stands for anything.
pub struct Known {
    /// `group: METHOD /path`.
    pub call: &'static str,
    /// `status`, `text`, or a field of the answer.
    pub place: &'static str,
    /// Why it is so.
    pub reason: &'static str,
}

/// Every difference that `cargo xtask differential` lets pass.
pub const DIFFERENCES: &[Known] = &[
    Known {
        call: "system: GET *version",
        place: "BuildTime",
        reason: "the time of a build would make builds differ",
    },
    Known {
        call: "system: GET *info",
        place: "Containerd",
        reason: "there is no containerd",
    },
    Known {
        call: "system: GET *info",
        place: "Runtimes.*.status",
        reason: "the features of the one runtime are not shown",
    },
    Known {
        call: "system: GET *info",
        place: "RuncCommit.Expected",
        reason: "there is no runc to expect",
    },
    Known {
        call: "system: GET /system/df*",
        place: "*",
        reason: "what is stored beside the test on this machine",
    },
    Known {
        call: "errors: GET /events?filters=*foo*",
        place: "status",
        reason: "an unknown filter is refused by name; dockerd lets it pass and shows nothing",
    },
    Known {
        call: "create-exposed-wrong: *",
        place: "status",
        reason: "a port that is none is refused at once",
    },
    Known {
        call: "create-volumes-relative: *",
        place: "Mounts.0.Destination",
        reason: "the path is shown as it is mounted, below the root",
    },
    Known {
        call: "create-network-host-links: *",
        place: "status",
        reason: "links are refused by name",
    },
    Known {
        call: "create-ports-proto: *",
        place: "status",
        reason: "a protocol that is none is refused at once, not at start",
    },
    Known {
        call: "create-ipc-container-empty: *",
        place: "status",
        reason: "refused at once, not at start",
    },
    Known {
        call: "create-cgroup: *",
        place: "status",
        reason: "without effect in dockerd, refused here",
    },
    Known {
        call: "create-tmpfs-wrong: *",
        place: "status",
        reason: "dockerd's own sentence, at creation and not at start",
    },
    Known {
        call: "create-userns-wrong: *",
        place: "status",
        reason: "without remapping dockerd keeps any word; here only `host` and `auto` pass",
    },
    Known {
        call: "create-windows: *",
        place: "*",
        reason: "Windows' limits are refused, those that dockerd drops, too",
    },
    Known {
        call: "*mount-image*",
        place: "Mounts.0.Source",
        reason: "paths of the store",
    },
    Known {
        call: "run-mount-image-nosubpath: *",
        place: "*",
        reason: "paths of the store, in the sentence",
    },
    Known {
        call: "create-endpoints: *",
        place: "Config.MacAddress",
        reason: "dockerd repeats the endpoint's address in the deprecated field",
    },
    Known {
        call: "create-endpoints-missing: *",
        place: "NetworkSettings.Networks.bridge",
        reason: "the network of `NetworkMode` is joined, too",
    },
    Known {
        call: "create-no-image: *",
        place: "Config.Labels",
        reason: "an empty list of labels is `{}`",
    },
    Known {
        call: "create-name-slash: *",
        place: "status",
        reason: "no redirects to cleaned paths: the name is not found",
    },
    Known {
        call: "run-mounts: *",
        place: "text",
        reason: "masks are the host's null device and empty read-only directories, the directory of control groups is read-only",
    },
    Known {
        call: "run-cgroups: *",
        place: "text",
        reason: "the directory of control groups is read-only",
    },
    Known {
        call: "run-seccomp-broken: *",
        place: "*",
        reason: "the sentence of another JSON parser",
    },
    Known {
        call: "run-cgroupns-host: *",
        place: "text",
        reason: "on a hybrid host the container is in the version 2 hierarchy's root, too",
    },
    Known {
        call: "run-kernel-tcp: *",
        place: "text",
        reason: "honoured; dockerd drops it",
    },
    Known {
        call: "run-rt: *",
        place: "*",
        reason: "the path of the control group differs, and how an error is worded",
    },
    Known {
        call: "run-blkio-missing: *",
        place: "*",
        reason: "names the operation before the path",
    },
    Known {
        call: "run-sysctls-missing: *",
        place: "*",
        reason: "names the sysctl and the reason without Go's library in between",
    },
    Known {
        call: "run-device-access: *",
        place: "*",
        reason: "access that is none is refused, not dropped",
    },
    Known {
        call: "run-bind-s*: GET /containers/$name/json",
        place: "*Path",
        reason: "no file is written before a mount is refused",
    },
    Known {
        call: "run-bind-over-directory: *",
        place: "*",
        reason: "without descriptors' numbers and flags",
    },
    Known {
        call: "life: GET /containers/$name/stats?stream=0",
        place: "blkio_stats.*",
        reason: "of a container that does not run: empty lists for null",
    },
    Known {
        call: "update: POST /containers/$name/update",
        place: "status",
        reason: "what dockerd drops without a word is refused: kernel memory, devices, ulimits, a real-time budget that the kernel refuses",
    },
    Known {
        call: "update: GET /containers/$name/json",
        place: "HostConfig.CpuRealtimeRuntime",
        reason: "what the kernel refused is not shown as set",
    },
    Known {
        call: "exec: POST /exec/$exec/resize*",
        place: "status",
        reason: "said at once, not after ten seconds",
    },
    Known {
        call: "exec: GET /containers/$name/json",
        place: "ExecIDs",
        reason: "those that ended are not shown",
    },
    Known {
        call: "archive*: GET *path=/etc/passwd/",
        place: "status",
        reason: "404: it is not there, as a directory",
    },
    Known {
        call: "archive*: PUT *path=/proc",
        place: "status",
        reason: "in a running container /proc is the kernel's",
    },
    Known {
        call: "archive-stopped: GET *hostname",
        place: "status",
        reason: "the engine's own files are there while the container runs",
    },
    Known {
        call: "archive*: GET *changes",
        place: "*",
        reason: "follows from the former",
    },
    Known {
        call: "archive-stopped: GET *export",
        place: "text",
        reason: "no empty stand-ins for the engine's own files",
    },
    Known {
        call: "commit: GET /images/*",
        place: "Config.Env.*",
        reason: "the container's variables before those of `changes`",
    },
    Known {
        call: "commit: GET /images/*",
        place: "DockerVersion",
        reason: "our own",
    },
    Known {
        call: "commit: GET /images/*",
        place: "GraphDriver.Data.*",
        reason: "paths of the store",
    },
    Known {
        call: "commit: GET /images/*",
        place: "RootFS.Layers",
        reason: "a commit has a layer even if nothing was changed",
    },
    Known {
        call: "stats: GET *",
        place: "memory_stats.stats.*",
        reason: "every line of the kernel's memory.stat",
    },
    Known {
        call: "stats: GET *one-shot=1",
        place: "id",
        reason: "always there",
    },
    Known {
        call: "stats: GET *one-shot=1",
        place: "name",
        reason: "always there",
    },
];

/// The reason of a difference, if it is meant.
pub fn reason(call: &str, place: &str) -> Option<&'static str> {
    let found = DIFFERENCES
        .iter()
        .find(|known| fits(known.call, call) && fits(known.place, place));
    found.map(|known| known.reason)
}

/// Whether `text` is `pattern`, with `*` for anything.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, tail)) => text.strip_prefix(head).is_some_and(|rest| {
            rest.char_indices()
                .map(|(at, _)| at)
                .chain([rest.len()])
                .any(|at| fits(tail, &rest[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        assert!(fits("a*", "a") && fits("a*c", "abc") && fits("*", ""));
        assert!(!fits("a*c", "abcd") && !fits("a", "ab"));
    }
}
