//! Every field of a create request.

use State::{Client, Honoured, Recorded, Refused};

/// What becomes of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It does what Docker's documentation says.
    Honoured,
    /// Kept and shown, as dockerd does; it has no effect on Linux with dockerd either.
    Recorded,
    /// A request with a value in it is refused by a sentence that names it.
    Refused,
    /// The client's own affair: the engine shows it and does nothing.
    Client,
}

/// One field: object, name, state, and what a reader should know.
pub type Field = (&'static str, &'static str, State, &'static str);

/// Object by object, in the order of the API's documentation.
pub const FIELDS: &[Field] = &[
    ("Config", "Hostname", Honoured, ""),
    ("Config", "Domainname", Honoured, ""),
    ("Config", "User", Honoured, ""),
    ("Config", "AttachStdin", Client, ""),
    ("Config", "AttachStdout", Client, ""),
    ("Config", "AttachStderr", Client, ""),
    (
        "Config",
        "ExposedPorts",
        Honoured,
        "a port that is none is refused; dockerd fails at start",
    ),
    ("Config", "Tty", Honoured, ""),
    ("Config", "OpenStdin", Honoured, ""),
    ("Config", "StdinOnce", Honoured, ""),
    ("Config", "Env", Honoured, ""),
    ("Config", "Cmd", Honoured, ""),
    ("Config", "Healthcheck", Honoured, ""),
    ("Config", "ArgsEscaped", Recorded, "of Windows images"),
    ("Config", "Image", Honoured, ""),
    ("Config", "Volumes", Honoured, ""),
    ("Config", "WorkingDir", Honoured, ""),
    ("Config", "Entrypoint", Honoured, ""),
    ("Config", "NetworkDisabled", Honoured, ""),
    (
        "Config",
        "MacAddress",
        Honoured,
        "deprecated: belongs to the endpoint",
    ),
    (
        "Config",
        "OnBuild",
        Recorded,
        "kept for images committed from the container",
    ),
    ("Config", "Labels", Honoured, ""),
    (
        "Config",
        "StopSignal",
        Honoured,
        "a signal that the kernel does not have is refused; dockerd takes any number",
    ),
    ("Config", "StopTimeout", Honoured, ""),
    (
        "Config",
        "Shell",
        Honoured,
        "the shell of health checks in shell form",
    ),
    ("HealthConfig", "Test", Honoured, ""),
    ("HealthConfig", "Interval", Honoured, ""),
    ("HealthConfig", "Timeout", Honoured, ""),
    ("HealthConfig", "StartPeriod", Honoured, ""),
    ("HealthConfig", "StartInterval", Honoured, ""),
    ("HealthConfig", "Retries", Honoured, ""),
    ("HostConfig", "Binds", Honoured, ""),
    ("HostConfig", "ContainerIDFile", Client, ""),
    ("HostConfig", "LogConfig", Honoured, ""),
    ("HostConfig", "NetworkMode", Honoured, ""),
    ("HostConfig", "PortBindings", Honoured, ""),
    (
        "HostConfig",
        "RestartPolicy",
        Honoured,
        "Docker's four, and `on-unhealthy[:N]`: as `on-failure`, and a container whose health check fails starts anew",
    ),
    ("HostConfig", "AutoRemove", Honoured, ""),
    (
        "HostConfig",
        "VolumeDriver",
        Honoured,
        "`local` or a plugin that runs; others are refused",
    ),
    ("HostConfig", "VolumesFrom", Honoured, ""),
    ("HostConfig", "ConsoleSize", Honoured, ""),
    (
        "HostConfig",
        "Annotations",
        Honoured,
        "handed to the OCI runtime",
    ),
    ("HostConfig", "CapAdd", Honoured, ""),
    ("HostConfig", "CapDrop", Honoured, ""),
    ("HostConfig", "CgroupnsMode", Honoured, ""),
    ("HostConfig", "Dns", Honoured, ""),
    ("HostConfig", "DnsOptions", Honoured, ""),
    ("HostConfig", "DnsSearch", Honoured, ""),
    ("HostConfig", "ExtraHosts", Honoured, ""),
    ("HostConfig", "GroupAdd", Honoured, ""),
    ("HostConfig", "IpcMode", Honoured, ""),
    (
        "HostConfig",
        "Cgroup",
        Refused,
        "left from the time of links; dockerd keeps it without effect",
    ),
    (
        "HostConfig",
        "Links",
        Honoured,
        "on the default bridge, as dockerd: hosts and environment",
    ),
    (
        "HostConfig",
        "OomScoreAdj",
        Honoured,
        "a value that the kernel refuses ends `run` with 126, with dockerd 125",
    ),
    ("HostConfig", "PidMode", Honoured, ""),
    ("HostConfig", "Privileged", Honoured, ""),
    ("HostConfig", "PublishAllPorts", Honoured, ""),
    ("HostConfig", "ReadonlyRootfs", Honoured, ""),
    (
        "HostConfig",
        "SecurityOpt",
        Honoured,
        "`apparmor` where the host has AppArmor; `label` (but `disable`) is refused where it has SELinux, and without effect elsewhere",
    ),
    (
        "HostConfig",
        "StorageOpt",
        Honoured,
        "`size`, where the data root's file system has project quotas (dockerd: xfs only)",
    ),
    (
        "HostConfig",
        "Tmpfs",
        Honoured,
        "an option that tmpfs does not know is refused at creation",
    ),
    ("HostConfig", "UTSMode", Honoured, ""),
    (
        "HostConfig",
        "UsernsMode",
        Honoured,
        "`host`, and beyond Docker `auto`: a range of IDs of its own; else as `userns-remap` says",
    ),
    ("HostConfig", "ShmSize", Honoured, ""),
    ("HostConfig", "Sysctls", Honoured, ""),
    (
        "HostConfig",
        "Runtime",
        Honoured,
        "our own runtime, under its name and runc's, and those that daemon.json registers",
    ),
    (
        "HostConfig",
        "Isolation",
        Honoured,
        "`default`, as on every Linux",
    ),
    (
        "HostConfig",
        "CpuShares",
        Honoured,
        "what the kernel refuses is told in other words than dockerd's",
    ),
    ("HostConfig", "Memory", Honoured, ""),
    (
        "HostConfig",
        "NanoCpus",
        Honoured,
        "what the kernel refuses is told in other words than dockerd's",
    ),
    ("HostConfig", "CgroupParent", Honoured, ""),
    (
        "HostConfig",
        "BlkioWeight",
        Honoured,
        "where the kernel has it; else a warning, as dockerd",
    ),
    (
        "HostConfig",
        "BlkioWeightDevice",
        Honoured,
        "where the kernel has it",
    ),
    ("HostConfig", "BlkioDeviceReadBps", Honoured, ""),
    ("HostConfig", "BlkioDeviceWriteBps", Honoured, ""),
    ("HostConfig", "BlkioDeviceReadIOps", Honoured, ""),
    ("HostConfig", "BlkioDeviceWriteIOps", Honoured, ""),
    ("HostConfig", "CpuPeriod", Honoured, ""),
    ("HostConfig", "CpuQuota", Honoured, ""),
    (
        "HostConfig",
        "CpuRealtimePeriod",
        Honoured,
        "cgroup v1 only",
    ),
    (
        "HostConfig",
        "CpuRealtimeRuntime",
        Honoured,
        "cgroup v1 only",
    ),
    ("HostConfig", "CpusetCpus", Honoured, ""),
    ("HostConfig", "CpusetMems", Honoured, ""),
    ("HostConfig", "Devices", Honoured, ""),
    ("HostConfig", "DeviceCgroupRules", Honoured, ""),
    (
        "HostConfig",
        "DeviceRequests",
        Honoured,
        "CDI devices; GPUs where a vendor's CDI files describe them, else refused at start",
    ),
    (
        "HostConfig",
        "KernelMemory",
        Refused,
        "Linux has no such limit any more",
    ),
    (
        "HostConfig",
        "KernelMemoryTCP",
        Honoured,
        "with cgroup v2 discarded with a warning; dockerd drops it in silence",
    ),
    ("HostConfig", "MemoryReservation", Honoured, ""),
    ("HostConfig", "MemorySwap", Honoured, ""),
    (
        "HostConfig",
        "MemorySwappiness",
        Honoured,
        "with cgroup v2 discarded with a warning, as dockerd",
    ),
    (
        "HostConfig",
        "OomKillDisable",
        Honoured,
        "with cgroup v2 discarded with a warning, as dockerd",
    ),
    ("HostConfig", "PidsLimit", Honoured, ""),
    ("HostConfig", "Ulimits", Honoured, ""),
    (
        "HostConfig",
        "CpuCount",
        Refused,
        "Windows only; dockerd drops it without a word",
    ),
    (
        "HostConfig",
        "CpuPercent",
        Refused,
        "Windows only; dockerd drops it without a word",
    ),
    ("HostConfig", "IOMaximumIOps", Refused, "Windows only"),
    ("HostConfig", "IOMaximumBandwidth", Refused, "Windows only"),
    ("HostConfig", "Mounts", Honoured, ""),
    ("HostConfig", "MaskedPaths", Honoured, ""),
    ("HostConfig", "ReadonlyPaths", Honoured, ""),
    ("HostConfig", "Init", Honoured, ""),
    (
        "Mount",
        "Type",
        Honoured,
        "`bind`, `volume`, `tmpfs`, `image`; `npipe` and `cluster` are refused",
    ),
    ("Mount", "Source", Honoured, ""),
    ("Mount", "Target", Honoured, ""),
    ("Mount", "ReadOnly", Honoured, ""),
    (
        "Mount",
        "Consistency",
        Recorded,
        "for virtual machines of desktops",
    ),
    ("Mount", "BindOptions", Honoured, ""),
    ("Mount", "VolumeOptions", Honoured, ""),
    ("Mount", "ImageOptions", Honoured, ""),
    ("Mount", "TmpfsOptions", Honoured, ""),
    ("Mount", "ClusterOptions", Refused, "volumes of a cluster"),
    ("EndpointSettings", "IPAMConfig", Honoured, ""),
    ("EndpointSettings", "Links", Honoured, ""),
    ("EndpointSettings", "Aliases", Honoured, ""),
    ("EndpointSettings", "MacAddress", Honoured, ""),
    ("EndpointSettings", "DriverOpts", Honoured, ""),
    ("EndpointSettings", "GwPriority", Honoured, ""),
    (
        "EndpointSettings",
        "NetworkID",
        Recorded,
        "the engine's answer",
    ),
    (
        "EndpointSettings",
        "EndpointID",
        Recorded,
        "the engine's answer",
    ),
    (
        "EndpointSettings",
        "Gateway",
        Recorded,
        "the engine's answer",
    ),
    (
        "EndpointSettings",
        "IPAddress",
        Recorded,
        "the engine's answer",
    ),
    (
        "EndpointSettings",
        "IPPrefixLen",
        Recorded,
        "the engine's answer",
    ),
    (
        "EndpointSettings",
        "IPv6Gateway",
        Recorded,
        "the engine's answer",
    ),
    (
        "EndpointSettings",
        "GlobalIPv6Address",
        Recorded,
        "the engine's answer",
    ),
    (
        "EndpointSettings",
        "GlobalIPv6PrefixLen",
        Recorded,
        "the engine's answer",
    ),
    (
        "EndpointSettings",
        "DNSNames",
        Recorded,
        "the engine's answer",
    ),
];

/// The row of `object.name`.
pub fn find(object: &str, name: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|it| it.0 == object && it.1 == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::container as wire;
    use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error, Visitor};
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    /// Takes note of the names that a wire type reads, and reads nothing.
    struct Names<'a>(&'a RefCell<Vec<&'static str>>);

    impl<'de> Deserializer<'de> for Names<'_> {
        type Error = serde_json::Error;

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
            Err(Error::custom("not a struct"))
        }

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, Self::Error> {
            self.0.borrow_mut().extend(fields);
            Err(Error::custom("only the names are wanted"))
        }

        serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option
            unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier
            ignored_any
        }
    }

    fn names<T: DeserializeOwned>() -> BTreeSet<&'static str> {
        let names = RefCell::new(Vec::new());
        let read = <T as Deserialize>::deserialize(Names(&names));
        assert!(read.is_err(), "nothing can be read");
        names.into_inner().into_iter().collect()
    }

    fn told(object: &str) -> BTreeSet<&'static str> {
        let rows = FIELDS.iter().filter(|it| it.0 == object);
        rows.map(|it| it.1).collect()
    }

    #[test]
    fn the_table_has_every_field_that_the_server_reads() {
        assert_eq!(told("Config"), names::<wire::Config>());
        assert_eq!(told("HealthConfig"), names::<wire::HealthConfig>());
        assert_eq!(told("HostConfig"), names::<wire::HostConfig>());
        assert_eq!(told("Mount"), names::<wire::Mount>());
        assert_eq!(told("EndpointSettings"), names::<wire::EndpointSettings>());
    }

    #[test]
    fn a_field_stands_once_and_a_refusal_has_a_reason() {
        let all: BTreeSet<_> = FIELDS.iter().map(|it| (it.0, it.1)).collect();
        assert_eq!(all.len(), FIELDS.len());
        for (object, name, state, note) in FIELDS {
            assert!(*state != Refused || !note.is_empty(), "{object}.{name}");
        }
    }
}
