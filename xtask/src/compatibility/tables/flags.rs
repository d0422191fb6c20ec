//! Every flag of `docker run`, and the field it sets.

/// A flag and the field behind it (`Object.Field`), or what the client does with it.
pub const FLAGS: &[(&str, &str)] = &[
    ("add-host", "HostConfig.ExtraHosts"),
    ("annotation", "HostConfig.Annotations"),
    ("attach", "Config.AttachStdout"),
    ("blkio-weight", "HostConfig.BlkioWeight"),
    ("blkio-weight-device", "HostConfig.BlkioWeightDevice"),
    ("cap-add", "HostConfig.CapAdd"),
    ("cap-drop", "HostConfig.CapDrop"),
    ("cgroup-parent", "HostConfig.CgroupParent"),
    ("cgroupns", "HostConfig.CgroupnsMode"),
    ("cidfile", "HostConfig.ContainerIDFile"),
    ("cpu-count", "HostConfig.CpuCount"),
    ("cpu-percent", "HostConfig.CpuPercent"),
    ("cpu-period", "HostConfig.CpuPeriod"),
    ("cpu-quota", "HostConfig.CpuQuota"),
    ("cpu-rt-period", "HostConfig.CpuRealtimePeriod"),
    ("cpu-rt-runtime", "HostConfig.CpuRealtimeRuntime"),
    ("cpu-shares", "HostConfig.CpuShares"),
    ("cpus", "HostConfig.NanoCpus"),
    ("cpuset-cpus", "HostConfig.CpusetCpus"),
    ("cpuset-mems", "HostConfig.CpusetMems"),
    ("detach", "does not attach and prints the ID"),
    ("detach-keys", "goes with the attach request"),
    ("device", "HostConfig.Devices"),
    ("device-cgroup-rule", "HostConfig.DeviceCgroupRules"),
    ("device-read-bps", "HostConfig.BlkioDeviceReadBps"),
    ("device-read-iops", "HostConfig.BlkioDeviceReadIOps"),
    ("device-write-bps", "HostConfig.BlkioDeviceWriteBps"),
    ("device-write-iops", "HostConfig.BlkioDeviceWriteIOps"),
    (
        "disable-content-trust",
        "content trust is gone from Docker, too",
    ),
    ("dns", "HostConfig.Dns"),
    ("dns-opt", "HostConfig.DnsOptions"),
    ("dns-option", "HostConfig.DnsOptions"),
    ("dns-search", "HostConfig.DnsSearch"),
    ("domainname", "Config.Domainname"),
    ("entrypoint", "Config.Entrypoint"),
    ("env", "Config.Env"),
    ("env-file", "Config.Env"),
    ("expose", "Config.ExposedPorts"),
    ("gpus", "HostConfig.DeviceRequests"),
    ("group-add", "HostConfig.GroupAdd"),
    ("health-cmd", "HealthConfig.Test"),
    ("health-interval", "HealthConfig.Interval"),
    ("health-retries", "HealthConfig.Retries"),
    ("health-start-interval", "HealthConfig.StartInterval"),
    ("health-start-period", "HealthConfig.StartPeriod"),
    ("health-timeout", "HealthConfig.Timeout"),
    ("help", "prints the help"),
    ("hostname", "Config.Hostname"),
    ("init", "HostConfig.Init"),
    ("interactive", "Config.OpenStdin"),
    ("io-maxbandwidth", "HostConfig.IOMaximumBandwidth"),
    ("io-maxiops", "HostConfig.IOMaximumIOps"),
    ("ip", "EndpointSettings.IPAMConfig"),
    ("ip6", "EndpointSettings.IPAMConfig"),
    ("ipc", "HostConfig.IpcMode"),
    ("isolation", "HostConfig.Isolation"),
    ("kernel-memory", "HostConfig.KernelMemory"),
    ("label", "Config.Labels"),
    ("label-file", "Config.Labels"),
    ("link", "HostConfig.Links"),
    ("link-local-ip", "EndpointSettings.IPAMConfig"),
    ("log-driver", "HostConfig.LogConfig"),
    ("log-opt", "HostConfig.LogConfig"),
    ("mac-address", "EndpointSettings.MacAddress"),
    ("memory", "HostConfig.Memory"),
    ("memory-reservation", "HostConfig.MemoryReservation"),
    ("memory-swap", "HostConfig.MemorySwap"),
    ("memory-swappiness", "HostConfig.MemorySwappiness"),
    ("mount", "HostConfig.Mounts"),
    ("name", "goes with the create request"),
    ("net", "HostConfig.NetworkMode"),
    ("net-alias", "EndpointSettings.Aliases"),
    ("network", "HostConfig.NetworkMode"),
    ("network-alias", "EndpointSettings.Aliases"),
    ("no-healthcheck", "HealthConfig.Test"),
    ("oom-kill-disable", "HostConfig.OomKillDisable"),
    ("oom-score-adj", "HostConfig.OomScoreAdj"),
    ("pid", "HostConfig.PidMode"),
    ("pids-limit", "HostConfig.PidsLimit"),
    ("platform", "goes with the create request"),
    ("privileged", "HostConfig.Privileged"),
    ("publish", "HostConfig.PortBindings"),
    ("publish-all", "HostConfig.PublishAllPorts"),
    ("pull", "pulls before creating"),
    ("quiet", "pulls without progress"),
    ("read-only", "HostConfig.ReadonlyRootfs"),
    ("restart", "HostConfig.RestartPolicy"),
    ("rm", "HostConfig.AutoRemove"),
    ("runtime", "HostConfig.Runtime"),
    ("security-opt", "HostConfig.SecurityOpt"),
    ("shm-size", "HostConfig.ShmSize"),
    ("sig-proxy", "sends the client's signals on"),
    ("stop-signal", "Config.StopSignal"),
    ("stop-timeout", "Config.StopTimeout"),
    ("storage-opt", "HostConfig.StorageOpt"),
    ("sysctl", "HostConfig.Sysctls"),
    ("tmpfs", "HostConfig.Tmpfs"),
    ("tty", "Config.Tty"),
    ("ulimit", "HostConfig.Ulimits"),
    (
        "use-api-socket",
        "binds the engine's socket and copies credentials into the container",
    ),
    ("user", "Config.User"),
    ("userns", "HostConfig.UsernsMode"),
    ("uts", "HostConfig.UTSMode"),
    ("volume", "HostConfig.Binds"),
    ("volume-driver", "HostConfig.VolumeDriver"),
    ("volumes-from", "HostConfig.VolumesFrom"),
    ("workdir", "Config.WorkingDir"),
];

#[cfg(test)]
mod tests {
    use super::super::fields;
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_table_has_every_flag_that_run_knows() {
        let words = ["run".to_owned()];
        let (found, _) = corten_cli::tables::find(&words).expect("run is a command");
        let corten_cli::tables::Found::Command(run) = found else {
            panic!("run is no group");
        };
        let known: BTreeSet<&str> = run.flags.iter().map(|it| it.name).collect();
        let told: BTreeSet<&str> = FLAGS.iter().map(|it| it.0).chain(["help"]).collect();
        let missing: Vec<_> = known.difference(&told).collect();
        assert!(missing.is_empty(), "not in the table: {missing:?}");
        let gone: Vec<_> = told
            .difference(&known)
            .filter(|it| **it != "help")
            .collect();
        assert!(gone.is_empty(), "not among the flags: {gone:?}");
    }

    #[test]
    fn each_flag_points_at_a_field_of_the_table() {
        for (flag, target) in FLAGS {
            if let Some((object, field)) = target.split_once('.') {
                assert!(fields::find(object, field).is_some(), "{flag}: {target}");
            }
        }
    }
}
