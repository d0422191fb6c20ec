//! The attributes of a service.

use super::Emit::{Always, Given, GivenOrNull, Never, Struct};
use super::Merge::{Replace, SameDriver, Unique};
use super::Path::{Context, Followed, Host};
use super::Shape::{
    Bool, Build, Bytes, Command, Count, DependsOn, Devices, Duration, EnvFiles, Environment,
    Extends, Float, Gpus, Grants, Hosts, Int, Label, Labels, ListOf, ManyOptions, MapOrNames,
    Mapping, Mode, Object, OneOrTexts, Options, Ports, Ssh, Switch, Test, Text, Texts, Ulimits,
    Volumes,
};
use super::{Field, Shape, Table};

const fn f(name: &'static str, shape: Shape) -> Field {
    Field::new(name, shape)
}

/// `services.<name>`.
pub(crate) const SERVICE: Table = &[
    f("profiles", Texts).merge(Unique),
    f("annotations", Mapping),
    f("attach", Bool).emit(Given),
    f("build", Build(BUILD)),
    f("develop", Object(DEVELOP)),
    f("blkio_config", Object(BLKIO)),
    f("cap_add", Texts).merge(Unique),
    f("cap_drop", Texts).merge(Unique),
    f("cgroup_parent", Text),
    f("cgroup", Text),
    f("cpu_count", Int),
    f("cpu_percent", Float),
    f("cpu_period", Int),
    f("cpu_quota", Int),
    f("cpu_rt_period", Int),
    f("cpu_rt_runtime", Int),
    f("cpus", Float),
    f("cpuset", Text),
    f("cpu_shares", Int),
    f("command", Command).merge(Replace).emit(GivenOrNull),
    f("configs", Grants(GRANT)).merge(Unique),
    f("container_name", Text),
    f("credential_spec", Object(CREDENTIAL_SPEC)),
    f("depends_on", DependsOn(DEPENDENCY)),
    f("deploy", Object(DEPLOY)),
    f("device_cgroup_rules", Texts),
    f("devices", Devices(DEVICE)).merge(Unique),
    f("dns", OneOrTexts).merge(Unique),
    f("dns_opt", Texts).merge(Unique),
    f("dns_search", OneOrTexts).merge(Unique),
    f("domainname", Text),
    f("entrypoint", Command).merge(Replace).emit(GivenOrNull),
    f("provider", Object(PROVIDER)),
    f("environment", Environment),
    f("env_file", EnvFiles(ENV_FILE)).merge(Unique),
    f("expose", Labels).merge(Unique),
    f("extends", Extends(EXTENDS)).emit(Never),
    f("external_links", Texts),
    f("extra_hosts", Hosts),
    f("group_add", Labels),
    f("gpus", Gpus(DEVICE_REQUEST)),
    f("hostname", Text),
    f("healthcheck", Object(HEALTHCHECK)),
    f("image", Text),
    f("init", Bool).emit(Given),
    f("ipc", Text),
    f("isolation", Text),
    f("labels", Mapping),
    f("label_file", OneOrTexts).path(Host),
    f("links", Texts).merge(Unique),
    f("logging", Object(LOGGING)).merge(SameDriver),
    f("mem_limit", Bytes),
    f("mem_reservation", Bytes),
    f("memswap_limit", Bytes),
    f("mem_swappiness", Bytes),
    f("mac_address", Text),
    f("models", MapOrNames(SERVICE_MODEL)),
    f("network_mode", Text),
    f("networks", MapOrNames(SERVICE_NETWORK)),
    f("oom_kill_disable", Bool),
    f("oom_score_adj", Int),
    f("pid", Text),
    f("pids_limit", Int),
    f("platform", Text),
    f("ports", Ports(PORT)).merge(Unique),
    f("privileged", Bool),
    f("pull_policy", Text),
    f("pull_refresh_after", Text).emit(Never),
    f("read_only", Bool),
    f("restart", Text),
    f("runtime", Text),
    f("scale", Int).emit(Given),
    f("secrets", Grants(GRANT)).merge(Unique),
    f("security_opt", Texts),
    f("shm_size", Bytes),
    f("stdin_open", Bool),
    f("stop_grace_period", Duration).emit(Given),
    f("stop_signal", Text),
    f("storage_opt", Options),
    f("sysctls", Mapping),
    f("tmpfs", OneOrTexts).merge(Unique),
    f("tty", Bool),
    f("ulimits", Ulimits(ULIMIT)),
    f("use_api_socket", Bool),
    f("user", Text),
    f("userns_mode", Text),
    f("uts", Text),
    f("volumes", Volumes(VOLUME)).merge(Unique),
    f("volumes_from", Texts),
    f("working_dir", Text),
    f("post_start", ListOf(HOOK)),
    f("pre_stop", ListOf(HOOK)),
];

const BUILD: Table = &[
    f("context", Text).path(Context),
    f("dockerfile", Text),
    f("dockerfile_inline", Text),
    f("entitlements", Texts),
    f("args", Environment),
    f("provenance", Switch),
    f("sbom", Switch),
    f("ssh", Ssh).path(Host),
    f("labels", Mapping),
    f("cache_from", OneOrTexts),
    f("cache_to", OneOrTexts),
    f("no_cache", Bool),
    f("additional_contexts", Mapping).path(Context),
    f("pull", Bool),
    f("extra_hosts", Hosts),
    f("isolation", Text),
    f("network", Text),
    f("target", Text),
    f("secrets", Grants(GRANT)),
    f("shm_size", Bytes),
    f("tags", Texts).merge(Unique),
    f("ulimits", Ulimits(ULIMIT)),
    f("platforms", Texts).merge(Unique),
    f("privileged", Bool),
];

const DEVELOP: Table = &[f("watch", ListOf(WATCH))];

const WATCH: Table = &[
    f("path", Text).emit(Always).path(Followed),
    f("action", Text).emit(Always),
    f("target", Text),
    f("exec", Object(HOOK)).emit(Struct),
    f("include", OneOrTexts),
    f("ignore", OneOrTexts),
    f("initial_sync", Bool),
];

const HOOK: Table = &[
    f("command", Command).merge(Replace).emit(GivenOrNull),
    f("user", Text),
    f("privileged", Bool),
    f("working_dir", Text),
    f("environment", Environment),
];

const BLKIO: Table = &[
    f("weight", Int),
    f("weight_device", ListOf(WEIGHT_DEVICE)),
    f("device_read_bps", ListOf(RATE_DEVICE)),
    f("device_read_iops", ListOf(RATE_DEVICE)),
    f("device_write_bps", ListOf(RATE_DEVICE)),
    f("device_write_iops", ListOf(RATE_DEVICE)),
];

const WEIGHT_DEVICE: Table = &[
    f("path", Text).emit(Always).json("Path"),
    f("weight", Int).emit(Always).json("Weight"),
];

const RATE_DEVICE: Table = &[
    f("path", Text).emit(Always).json("Path"),
    f("rate", Bytes).emit(Always).json("Rate"),
];

const GRANT: Table = &[
    f("source", Text),
    f("target", Text),
    f("uid", Text),
    f("gid", Text),
    f("mode", Mode).emit(Given),
];

const CREDENTIAL_SPEC: Table = &[f("config", Text), f("file", Text), f("registry", Text)];

const DEPENDENCY: Table = &[
    f("condition", Text),
    f("restart", Bool),
    f("required", Bool).emit(Always),
];

const DEPLOY: Table = &[
    f("mode", Text),
    f("replicas", Int).emit(Given),
    f("labels", Mapping),
    f("update_config", Object(UPDATE)),
    f("rollback_config", Object(UPDATE)),
    f("resources", Object(RESOURCES)).emit(Struct),
    f("restart_policy", Object(RESTART_POLICY)),
    f("placement", Object(PLACEMENT)).emit(Struct),
    f("endpoint_mode", Text),
];

const UPDATE: Table = &[
    f("parallelism", Int).emit(Given),
    f("delay", Duration),
    f("failure_action", Text),
    f("monitor", Duration),
    f("max_failure_ratio", Float),
    f("order", Text),
];

const RESOURCES: Table = &[
    f("limits", Object(RESOURCE)),
    f("reservations", Object(RESOURCE)),
];

const RESOURCE: Table = &[
    f("cpus", Float),
    f("memory", Bytes),
    f("pids", Int),
    f("devices", ListOf(DEVICE_REQUEST)),
    f("generic_resources", ListOf(GENERIC_RESOURCE)),
];

const GENERIC_RESOURCE: Table = &[f("discrete_resource_spec", Object(DISCRETE_RESOURCE))];

const DISCRETE_RESOURCE: Table = &[f("kind", Text).emit(Always), f("value", Int).emit(Always)];

const RESTART_POLICY: Table = &[
    f("condition", Text),
    f("delay", Duration).emit(Given),
    f("max_attempts", Int).emit(Given),
    f("window", Duration).emit(Given),
];

const PLACEMENT: Table = &[
    f("constraints", Texts),
    f("preferences", ListOf(PREFERENCE)),
    f("max_replicas_per_node", Int),
];

const PREFERENCE: Table = &[f("spread", Text)];

const DEVICE: Table = &[f("source", Text), f("target", Text), f("permissions", Text)];

const DEVICE_REQUEST: Table = &[
    f("capabilities", Texts),
    f("driver", Text),
    f("count", Count),
    f("device_ids", Texts),
    f("options", Mapping),
];

const PROVIDER: Table = &[f("type", Text), f("options", ManyOptions)];

const ENV_FILE: Table = &[
    f("path", Text).path(Host),
    f("required", Bool).emit(Always),
    f("format", Text),
];

const EXTENDS: Table = &[f("file", Text).path(Host), f("service", Text)];

const HEALTHCHECK: Table = &[
    f("test", Test).merge(Replace),
    f("timeout", Duration).emit(Given),
    f("interval", Duration).emit(Given),
    f("retries", Int).emit(Given),
    f("start_period", Duration).emit(Given),
    f("start_interval", Duration).emit(Given),
    f("disable", Bool),
];

const LOGGING: Table = &[f("driver", Text), f("options", Options)];

const SERVICE_MODEL: Table = &[f("endpoint_var", Text), f("model_var", Text)];

const SERVICE_NETWORK: Table = &[
    f("aliases", Texts).merge(Unique),
    f("driver_opts", Options),
    f("gw_priority", Int),
    f("interface_name", Text),
    f("ipv4_address", Text),
    f("ipv6_address", Text),
    f("link_local_ips", Texts).merge(Unique),
    f("mac_address", Text),
    f("priority", Int),
];

const PORT: Table = &[
    f("name", Text),
    f("mode", Text),
    f("host_ip", Text),
    f("target", Int),
    f("published", Label),
    f("protocol", Text),
    f("app_protocol", Text),
];

const ULIMIT: Table = &[f("soft", Int), f("hard", Int)];

const VOLUME: Table = &[
    f("type", Text),
    f("source", Text),
    f("target", Text),
    f("read_only", Bool),
    f("consistency", Text),
    f("bind", Object(VOLUME_BIND)),
    f("volume", Object(VOLUME_VOLUME)),
    f("tmpfs", Object(VOLUME_TMPFS)),
    f("image", Object(VOLUME_IMAGE)),
];

const VOLUME_BIND: Table = &[
    f("selinux", Text),
    f("propagation", Text),
    f("create_host_path", Bool),
    f("recursive", Text),
];

const VOLUME_VOLUME: Table = &[f("labels", Mapping), f("nocopy", Bool), f("subpath", Text)];

const VOLUME_TMPFS: Table = &[f("size", Bytes), f("mode", Int)];

const VOLUME_IMAGE: Table = &[f("subpath", Text)];
