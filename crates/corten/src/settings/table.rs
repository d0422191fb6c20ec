//! The table: dockerd's names, shapes, and which of them mean something here.

use serde_json::Value;

/// What a setting's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A boolean.
    Flag,
    /// An integer.
    Number,
    /// A string.
    Text,
    /// Strings; the flag may stand several times.
    List,
    /// Strings by name.
    Map,
    /// `{"nofile": {"Name": …, "Soft": …, "Hard": …}}`; the flag is `nofile=soft:hard`.
    Ulimits,
    /// `[{"base": …, "size": …}]`; the flag is `base=…,size=…`.
    Pools,
    /// `{"bridge": {option: value}}`; the flag is `bridge=option=value`.
    MapMap,
    /// An object of another shape.
    Object,
}

impl Shape {
    /// As the usage shows it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Flag => "",
            Self::Number => "int",
            Self::Text => "string",
            Self::List => "list",
            Self::Map => "map",
            Self::Ulimits => "ulimit",
            Self::Pools => "pool-options",
            Self::MapMap => "mapmap",
            Self::Object => "map",
        }
    }

    /// Go's name of the type, for its complaints.
    pub(super) fn go_type(self) -> &'static str {
        match self {
            Self::Flag => "bool",
            Self::Number => "int",
            Self::Text => "string",
            Self::List | Self::Pools => "[]string",
            Self::Map | Self::Ulimits | Self::Object => "map[string]string",
            Self::MapMap => "map[string]map[string]string",
        }
    }

    pub(super) fn fits(self, value: &Value) -> bool {
        match self {
            Self::Flag => value.is_boolean(),
            Self::Number => value.is_i64(),
            Self::Text => value.is_string(),
            Self::List => value
                .as_array()
                .is_some_and(|list| list.iter().all(Value::is_string)),
            Self::Pools => value.is_array(),
            Self::Map => value
                .as_object()
                .is_some_and(|map| map.values().all(Value::is_string)),
            Self::MapMap => value
                .as_object()
                .is_some_and(|map| map.values().all(|value| Self::Map.fits(value))),
            Self::Ulimits | Self::Object => value.is_object(),
        }
    }
}

/// Whether a setting means something here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// It is done.
    Yes,
    /// dockerd knows it; only these values (as JSON) are done, mostly since
    /// they say what Corten does anyway.
    Only(&'static [&'static str]),
}

/// One row of the table.
#[derive(Debug, PartialEq, Eq)]
pub struct Setting {
    /// Without dashes; empty: only in daemon.json.
    pub flag: &'static str,
    /// One letter.
    pub short: Option<char>,
    /// In daemon.json.
    pub key: &'static str,
    /// The value.
    pub shape: Shape,
    /// Whether it means something here.
    pub support: Support,
    /// One line for the usage.
    pub help: &'static str,
}

macro_rules! settings {
    ($($flag:literal $($short:literal)?, $key:literal, $shape:ident, $support:expr, $help:literal;)*) => {
        /// Every setting that dockerd 28 has, by flag.
        pub const SETTINGS: &[Setting] = &[$(Setting {
            flag: $flag,
            short: settings!(@short $($short)?),
            key: $key,
            shape: Shape::$shape,
            support: $support,
            help: $help,
        },)*];
    };
    (@short $short:literal) => { Some($short) };
    (@short) => { None };
}

use Support::{Only, Yes};

/// What dockerd knows and Corten does not do yet.
const NO: Support = Only(&[]);
const NOT_ON: Support = Only(&["false"]);
const NOT_OFF: Support = Only(&["true"]);

settings! {
    "add-runtime", "runtimes", Object, Yes, "Register an additional OCI compatible runtime";
    "allow-direct-routing", "allow-direct-routing", Flag, Yes, "Allow remote access to published ports on container IP addresses";
    "authorization-plugin", "authorization-plugins", List, Only(&["[]"]), "Authorization plugins to load";
    "bip", "bip", Text, Yes, "IPv4 address for the default bridge";
    "bip6", "bip6", Text, Yes, "IPv6 address for the default bridge";
    "bridge" 'b', "bridge", Text, Yes, "Attach containers to a network bridge";
    "cdi-spec-dir", "cdi-spec-dirs", List, Yes, "CDI specification directories to use";
    "cgroup-parent", "cgroup-parent", Text, Yes, "Set parent cgroup for all containers";
    "containerd", "containerd", Text, NO, "containerd grpc address";
    "containerd-namespace", "containerd-namespace", Text, NO, "Containerd namespace to use";
    "containerd-plugins-namespace", "containerd-plugin-namespace", Text, NO, "Containerd namespace to use for plugins";
    "cpu-rt-period", "cpu-rt-period", Number, Only(&["0"]), "Limit the CPU real-time period of the parent cgroup";
    "cpu-rt-runtime", "cpu-rt-runtime", Number, Only(&["0"]), "Limit the CPU real-time runtime of the parent cgroup";
    "cri-containerd", "cri-containerd", Flag, NOT_ON, "Start containerd with cri";
    "data-root", "data-root", Text, Yes, "Root directory of persistent state (default \"/var/lib/corten\")";
    "debug" 'D', "debug", Flag, Yes, "Enable debug mode";
    "default-address-pool", "default-address-pools", Pools, Yes, "Default address pools for node specific local networks";
    "default-cgroupns-mode", "default-cgroupns-mode", Text, Yes, "Default mode for containers cgroup namespace (\"host\" | \"private\")";
    "default-gateway", "default-gateway", Text, Yes, "Default gateway IPv4 address for the default bridge network";
    "default-gateway-v6", "default-gateway-v6", Text, Yes, "Default gateway IPv6 address for the default bridge network";
    "default-ipc-mode", "default-ipc-mode", Text, Yes, "Default mode for containers ipc (\"shareable\" | \"private\")";
    "default-network-opt", "default-network-opts", MapMap, Yes, "Default network options";
    "default-runtime", "default-runtime", Text, Yes, "Default OCI runtime for containers (default \"runc\", which is Corten's own)";
    "default-shm-size", "default-shm-size", Text, Yes, "Default shm size for containers (default 64MiB)";
    "default-ulimit", "default-ulimits", Ulimits, Yes, "Default ulimits for containers";
    "dns", "dns", List, Yes, "DNS server to use";
    "dns-opt", "dns-opts", List, Yes, "DNS options to use";
    "dns-search", "dns-search", List, Yes, "DNS search domains to use";
    "exec-opt", "exec-opts", List, Only(&["[]", "[\"native.cgroupdriver=cgroupfs\"]"]), "Runtime execution options";
    "exec-root", "exec-root", Text, Yes, "Root directory for execution state files (default \"/run/corten\")";
    "experimental", "experimental", Flag, NOT_ON, "Enable experimental features";
    "feature", "features", Object, Only(&["{}", "{\"buildkit\":false}"]), "Enable feature in the daemon";
    "fixed-cidr", "fixed-cidr", Text, Yes, "IPv4 subnet for the default bridge network";
    "fixed-cidr-v6", "fixed-cidr-v6", Text, Yes, "IPv6 subnet for the default bridge network";
    "group" 'G', "group", Text, Yes, "Group for the unix socket (default \"docker\")";
    "host" 'H', "hosts", List, Yes, "Daemon socket(s) to connect to (default unix:///run/corten.sock)";
    "host-gateway-ip", "host-gateway-ips", List, Yes, "IP address that 'host-gateway' in --add-host resolves to";
    "http-proxy", "http-proxy", Text, Yes, "HTTP proxy URL to use for outgoing traffic";
    "https-proxy", "https-proxy", Text, Yes, "HTTPS proxy URL to use for outgoing traffic";
    "icc", "icc", Flag, Yes, "Enable inter-container communication for the default bridge network (default true)";
    "init", "init", Flag, Yes, "Run an init in the container to forward signals and reap processes";
    "init-path", "init-path", Text, Yes, "Path to the init binary";
    "insecure-registry", "insecure-registries", List, Yes, "Enable insecure registry communication";
    "ip", "ip", Text, Yes, "Host IP for port publishing from the default bridge network (default 0.0.0.0)";
    "ip-forward", "ip-forward", Flag, Yes, "Enable IP forwarding in system configuration (default true)";
    "ip-forward-no-drop", "ip-forward-no-drop", Flag, NOT_OFF, "Do not set the filter-FORWARD policy to DROP (always so)";
    "ip-masq", "ip-masq", Flag, Yes, "Enable IP masquerading for the default bridge network (default true)";
    "ip6tables", "ip6tables", Flag, NOT_OFF, "Firewall rules for IPv6 (with those for IPv4)";
    "iptables", "iptables", Flag, Yes, "Enable addition of firewall rules (default true)";
    "ipv6", "ipv6", Flag, Yes, "Enable IPv6 networking for the default bridge network";
    "label", "labels", List, Yes, "Set key=value labels to the daemon";
    "live-restore", "live-restore", Flag, NOT_OFF, "Containers live on without the daemon (always so)";
    "log-driver", "log-driver", Text, Yes, "Default driver for container logs (default \"json-file\")";
    "log-format", "log-format", Text, Yes, "Set the logging format (\"text\"|\"json\") (default \"text\")";
    "log-level" 'l', "log-level", Text, Yes, "Set the logging level (\"debug\"|\"info\"|\"warn\"|\"error\"|\"fatal\") (default \"info\")";
    "log-opt", "log-opts", Map, Yes, "Default log driver options for containers";
    "max-concurrent-downloads", "max-concurrent-downloads", Number, Yes, "Set the max concurrent downloads (default: a usual image at once)";
    "max-concurrent-uploads", "max-concurrent-uploads", Number, Yes, "Set the max concurrent uploads (default 5)";
    "max-download-attempts", "max-download-attempts", Number, Yes, "Set the max download attempts for each pull (default 5)";
    "metrics-addr", "metrics-addr", Text, Yes, "Set default address and port to serve the metrics api on";
    "mtu", "mtu", Number, Yes, "Set the MTU for the default \"bridge\" network (default 1500)";
    "network-control-plane-mtu", "network-control-plane-mtu", Number, Only(&["1500"]), "Network Control plane MTU";
    "no-new-privileges", "no-new-privileges", Flag, Yes, "Set no-new-privileges by default for new containers";
    "no-proxy", "no-proxy", Text, Yes, "Hosts for which the proxy is skipped";
    "node-generic-resource", "node-generic-resources", List, Only(&["[]"]), "Advertise user-defined resource";
    "pidfile" 'p', "pidfile", Text, Yes, "Path to use for daemon PID file (default \"/run/corten.pid\")";
    "port-firewall", "port-firewall", Text, Yes, "Who decides what reaches published ports: \"open\", or \"host\" (its INPUT rules) (default \"open\")";
    "raw-logs", "raw-logs", Flag, Only(&["true", "false"]), "Full timestamps without ANSI coloring (always so)";
    "registry-mirror", "registry-mirrors", List, Yes, "Preferred registry mirror";
    "rootless", "rootless", Flag, NOT_ON, "Enable rootless mode";
    "seccomp-profile", "seccomp-profile", Text, Yes, "Path to seccomp profile, or \"unconfined\" (default \"builtin\")";
    "selinux-enabled", "selinux-enabled", Flag, NOT_ON, "Enable selinux support";
    "shutdown-timeout", "shutdown-timeout", Number, Yes, "Accepted and of no use: containers live on when the daemon ends";
    "storage-driver" 's', "storage-driver", Text, Only(&["\"\"", "\"overlay2\"", "\"erofs\""]), "Storage driver to use: \"overlay2\", or \"erofs\" (Linux 6.15) (default \"overlay2\")";
    "storage-opt", "storage-opts", List, Only(&["[]"]), "Storage driver options";
    "swarm-default-advertise-addr", "swarm-default-advertise-addr", Text, Only(&["\"\""]), "Set default address for swarm";
    "tls", "tls", Flag, Yes, "Use TLS; implied by --tlsverify";
    "tlscacert", "tlscacert", Text, Yes, "Trust certs signed only by this CA";
    "tlscert", "tlscert", Text, Yes, "Path to TLS certificate file";
    "tlskey", "tlskey", Text, Yes, "Path to TLS key file";
    "tlsverify", "tlsverify", Flag, Yes, "Use TLS and verify the remote";
    "userland-proxy", "userland-proxy", Flag, Yes, "Publish ports on IPv6 of the host for networks without IPv6 (default true)";
    "userland-proxy-path", "userland-proxy-path", Text, Only(&["\"\""]), "Path to the userland proxy binary";
    "userns-remap", "userns-remap", Text, Yes, "User/Group setting for user namespaces";
    "", "builder", Object, Yes, "";
    "", "image-cleanup", Object, Yes, "";
    "", "keep-layer-blobs", Flag, Yes, "";
    "", "proxies", Object, Yes, "";
    "", "registries", Object, Yes, "";
}
