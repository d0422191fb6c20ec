//! Sentences that Docker's users know, to the letter (dockerd 28.5), and Corten's own.

use std::fmt;

/// A whole sentence for a user. Only this file makes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sentence(String);

impl fmt::Display for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// Warnings of a limit that is discarded, or unwise. The third is Corten's own.
pub(crate) const NO_SWAP_LIMIT: &str = "Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.";
pub(crate) const NO_SWAPPINESS: &str = "Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. Memory swappiness discarded.";
pub(crate) const NO_KERNEL_MEMORY_TCP: &str = "Your kernel does not support kernel memory TCP limit capabilities or the cgroup is not mounted. Limitation discarded.";
pub(crate) const NO_OOM_KILL_DISABLE: &str =
    "Your kernel does not support OomKillDisable. OomKillDisable discarded.";
pub(crate) const OOM_KILL_DISABLE_WITHOUT_LIMIT: &str = "OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.";
pub(crate) const NO_BLOCK_WEIGHT: &str =
    "Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.";

/// dockerd's warning of weights of devices.
pub(crate) const NO_BLOCK_WEIGHT_DEVICE: &str = "Your kernel does not support Block I/O weight_device or the cgroup is not mounted. Weight-device discarded.";

macro_rules! sentences {
    ($($(#[$doc:meta])* $name:ident($($argument:ident),*) = $text:literal;)*) => {
        $(
            $(#[$doc])*
            pub(crate) fn $name($($argument: impl fmt::Display),*) -> Sentence {
                Sentence(format!($text))
            }
        )*
    };
}

sentences! {
    // AppArmor and SELinux. The first is dockerd's.
    apparmor_default(name, reason) = "AppArmor enabled on system but the {name} profile could not be loaded: {reason}";
    label_unsupported(option) = "security option \"{option}\" is not supported by Corten on a host with SELinux: leave it out, or use label=disable";

    /// A field that is not honoured.
    unsupported(field, value) = "{field}={value} is not supported by Corten yet: leave it out";

    // User namespaces.
    invalid_userns_mode(mode) = "invalid userns mode: {mode}";
    users_privileged() = "privileged mode is incompatible with user namespaces.  You must run the container in the host namespace when running privileged mode";
    users_host_network() = "cannot share the host's network namespace when user namespaces are enabled";
    users_host_pid() = "cannot share the host PID namespace when user namespaces are enabled";
    users_auto_joins() = "userns mode auto gives a container a user namespace of its own: it cannot share the namespaces of another container";
    users_external_runtime(name) = "runtime {name} is not supported by Corten with user namespaces yet: use Corten's own, or the host's user namespace (--userns=host)";
    users_old_kernel(release) = "user namespaces need Linux 5.19 or later (idmapped layers), and this is {release}: use the host's user namespace (--userns=host)";
    users_writable_cgroups() = "security option writable-cgroups is not supported by Corten with user namespaces yet: use the host's user namespace (--userns=host)";
    remap_root() = "User namespaces: root cannot be remapped with itself; user namespaces are OFF";
    remap_default_taken(first) = "userns-remap: the IDs from {first} on, which stand for \"default\", are somebody's on this host: name a user who has ranges in /etc/subuid and /etc/subgid";
    users_no_range() = "no range of user IDs is left for userns mode auto: remove containers that have one";
    users_of_host(name) = "container {name} is in the host's user namespace: to share its namespaces, use the host's user namespace as well (--userns=host)";
    users_differ() = "the containers whose namespaces are to be shared are in different user namespaces";
    users_id_map(path) = "IDMap of the mount at {path} names users whom the container does not have";
    remap_format(setting) = "Invalid user/group specification in --userns-remap: \"{setting}\"";
    remap_no_uid(number, error) = "Uid {number} has no entry in /etc/passwd: {error}";
    remap_no_user(name, error) = "Error during uid lookup for \"{name}\": {error}";
    remap_no_gid(number, error) = "Gid {number} has no entry in /etc/group: {error}";
    remap_no_gid_given(number, error) = "Gid {number} has no entry in /etc/passwd: {error}";
    remap_no_group(what, name, error) = "Error during {what} lookup for \"{name}\": {error}";
    remap_no_ranges(kind, name) = "Can't create ID mappings: no {kind} ranges found for user \"{name}\"";

    // Registries.
    no_manifest_for_id() = "no manifest found for full image ID";
    search_limit(limit, maximum) = "limit {limit} is outside the range of [1, {maximum}]";
    search_scheme(term) = "invalid repository name: repository name ({term}) should not have a scheme";
    invalid_stars(value) = "invalid filter 'stars={value}': strconv.Atoi: parsing \"{value}\": invalid syntax";

    // Clean-up.
    no_cleanup_policy() = "no clean-up of images is declared: set \"image-cleanup\" in daemon.json";

    // Verification.
    verified(images, layers, damaged, repaired) = "Verified {images} images, {layers} layers: {damaged} damaged, {repaired} repaired";
    damaged(count) = "damaged parts: {count}; `corten image verify --repair` mends what it can";
    not_repaired(count) = "damaged parts that could not be repaired: {count}";

    /// A setting of the daemon that cannot be read.
    invalid_setting(field, value) = "invalid {field}: \"{value}\"";

    // Names.
    name_in_use(name, id) = "Conflict. The container name \"/{name}\" is already in use by container \"{id}\". You have to remove (or rename) that container to be able to reuse that name.";
    invalid_name(name) = "Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed";
    rename_failed(reason) = "Error when allocating new name: {reason}";
    rename_empty() = "Neither old nor new names may be empty";
    rename_same() = "Renaming a container with the same name as its current name";
    ambiguous_id(prefix) = "Multiple IDs found with provided prefix: {prefix}";

    // Create.
    cannot_make_directory(path) = "Cannot mkdir: {path} is not a directory";
    no_command() = "no command specified";
    platform_mismatch(image, found, wanted) = "image with reference {image} was found but its platform ({found}) does not match the specified platform ({wanted})";
    relative_working_directory(path) = "the working directory '{path}' is invalid, it needs to be an absolute path";
    invalid_signal(signal) = "invalid signal: {signal}";
    invalid_environment(variable) = "invalid environment variable: {variable}";
    health_too_short(field) = "{field} in Healthcheck cannot be less than 1ms";
    health_negative_retries() = "Retries in Healthcheck cannot be negative";
    auto_remove_with_restart() = "can't create 'AutoRemove' container with restart policy";
    restart_count_needs_on_failure() = "invalid restart policy: maximum retry count can only be used with 'on-failure'";
    restart_count_negative() = "invalid restart policy: maximum retry count cannot be negative";
    restart_count_neither() = "invalid restart policy: maximum retry count can only be used with 'on-failure' and cannot be negative";
    invalid_port_firewall(name, value) = "invalid Annotations: {name}={value}: the name is corten.port_firewall or corten.port_firewall.PORT/PROTOCOL, the value \"open\" or \"host\"";
    invalid_predecessor(id) = "invalid Annotations: corten.succeeds={id}: the value is the whole ID of the container whose place this one takes";
    empty_annotation() = "invalid Annotations: the empty string is not permitted as an annotation key";
    unknown_capability(field, capability) = "invalid {field}: unknown capability: \"{capability}\"";
    invalid_isolation(isolation) = "invalid isolation ({isolation}): linux only supports 'default'";
    invalid_runtime(name) = "unknown or invalid runtime name: {name}";
    invalid_pid_mode(mode) = "invalid PID mode: {mode}";
    invalid_ipc_mode(mode) = "invalid IPC mode: {mode}";
    invalid_uts_mode(mode) = "invalid UTS mode: {mode}";
    invalid_cgroupns_mode(mode) = "invalid cgroup namespace mode: {mode}";
    invalid_container_mode() = "invalid network mode: invalid container format container:<name|id>";
    invalid_add_host(entry) = "bad format for add-host: \"{entry}\"";
    invalid_add_host_address(address) = "invalid IP address in add-host: \"{address}\"";
    invalid_port(port) = "invalid port specification: \"{port}\"";
    invalid_mac(network, address) = "invalid config for network {network}: invalid MAC address {address}";
    container_network_conflict(what) = "conflicting options: {what} and the container type network mode";
    network_mode_conflict(what) = "conflicting options: {what} and the network mode";
    links_and_container_network() = "conflicting options: container type network can't be used with links. This would result in undefined behavior";
    hostname_and_uts_mode() = "conflicting options: hostname and the UTS mode";
    mac_address_deprecated() = "The container-wide MacAddress field is now deprecated. It should be specified in EndpointsConfig instead.";
    unknown_storage_option(name) = "Unknown option {name}";
    quality_of_service(what) = "invalid option: QoS maximum {what} configuration is not supported on linux";
    storage_options() = "--storage-opt is supported only for overlay over xfs with 'pquota' mount option";
    invalid_size(text) = "invalid size: '{text}'";
    invalid_security_option(count, option) = "invalid --security-opt {count}: \"{option}\"";
    no_such_container(name) = "No such container: {name}";

    // Resources.
    memory_too_small() = "Minimum memory limit allowed is 6MB";
    swap_below_memory() = "Minimum memoryswap limit should be larger than memory limit, see usage";
    swap_without_memory() = "You should always set the Memory limit when using Memoryswap limit, see usage";
    swappiness_out_of_range(value) = "Invalid value: {value}, valid memory swappiness range is 0-100";
    reservation_too_small() = "Minimum memory reservation allowed is 6MB";
    memory_below_reservation() = "Minimum memory limit can not be less than memory reservation limit, see usage";
    cpus_out_of_range(count) = "range of CPUs is from 0.01 to {count}.00, as there are only {count} CPUs available";
    nano_cpus_conflict(other) = "Conflicting options: Nano CPUs and {other} cannot both be set";
    invalid_cpu_shares(value) = "invalid CPU shares ({value}): value must be a positive integer";
    cpu_period_out_of_range() = "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)";
    realtime_runtime_too_large() = "cpu real-time runtime cannot be higher than cpu real-time period";
    update_conflict(id, reason) = "Cannot update container {id}: {reason}";
    update_nano_cpus(other) = "Conflicting options: Nano CPUs cannot be updated as {other} has already been set";
    update_after_nano_cpus(other) = "Conflicting options: {other} cannot be updated as NanoCPUs has already been set";
    cpu_quota_too_small() = "CPU cfs quota can not be less than 1ms (i.e. 1000)";
    invalid_cpuset(value, field) = "Invalid value {value} for {field}: invalid format: {value}";
    cpus_unavailable(wanted, available) = "Requested CPUs are not available - requested {wanted}, available: {available}";
    memory_nodes_unavailable(wanted, available) = "Requested memory nodes are not available - requested {wanted}, available: {available}";
    oom_score_out_of_range(value) = "Invalid value {value}, range for oom score adj is [-1000, 1000]";
    negative_shm_size() = "SHM size can not be less than 0";
    swap_limit_first(id) = "Cannot update container {id}: Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time";
    update_removing(id) = "Cannot update container {id}: container is marked for removal and cannot be \"update\"";
    update_restart_of_auto_remove() = "Restart policy cannot be updated because AutoRemove is enabled for the container";

    // Mounts.
    invalid_volume(spec) = "invalid volume specification: '{spec}'";
    invalid_volume_because(spec, reason) = "invalid volume specification: '{spec}': {reason}";
    invalid_mode(mode) = "invalid mode: {mode}";
    invalid_mount(kind, reason) = "invalid mount config for type \"{kind}\": {reason}";
    duplicate_mount(path) = "Duplicate mount point: {path}";
    options_of_other_kind(options, kind) = "{options} must not be specified on mount type \"{kind}\"";
    relative_mount_path(path) = "invalid mount path: '{path}' mount path must be absolute";
    mount_at_root() = "invalid specification: destination can't be '/'";
    empty_volumes_from() = "volumes-from specification cannot be an empty string";
    subpath_missing(path) = "cannot access path {path}: lstat {path}: no such file or directory";
    subpath_escapes(base, subpath) = "path concatenation escapes the base directory, base: {base}, subpath: {subpath}";
    no_such_image(name) = "No such image: {name}";
    image_mount_experimental() = "Image mount is an experimental feature";
    unexpected_in_cdi(what) = "unexpected {what} in CDI device request";
    no_device_driver(driver, capabilities) = "could not select device driver \"{driver}\" with capabilities: {capabilities}";
    unknown_mount_type(kind) = "invalid mount config for type \"{kind}\": mount type unknown";
    bad_tmpfs_option(option) = "invalid tmpfs option \"{option}\"";

    // Start.
    start_paused() = "cannot start a paused container, try unpause instead";
    start_removing() = "container is marked for removal and cannot be started";
    start_dead() = "container is dead and cannot be started";
    no_checkpoints() = "checkpoint is only supported in experimental mode";
    network_setup(reason) = "failed to set up container networking: {reason}";
    join_network_missing(reason) = "joining network namespace of container: {reason}";
    join_network_stopped(name, state) = "cannot join network namespace of a non running container: container {name} is {state}";
    join_pid(reason) = "failed to join PID namespace: {reason}";
    join_ipc(reason) = "failed to join IPC namespace: {reason}";
    ipc_not_shareable(id) = "container {id}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)";
    device_missing(path, reason) = "error gathering device information while adding custom device \"{path}\": {reason}";
    stat_failed(path, reason) = "stat {path}: {reason}";
    seccomp_profile(reason) = "Decoding seccomp profile failed: {reason}";
    invalid_rlimit(name) = "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: wrong rlimit value: {name}";
    sysctl_of_host_ipc(name) = "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: sysctl \"{name}\" is not allowed in the hosts ipc namespace";
    sysctl_outside(name) = "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: sysctl \"{name}\" is not in a separate kernel namespace";
    sysctl_of_host(name) = "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: sysctl \"{name}\" not allowed in host network namespace";
    not_shared(path, mount) = "path {path} is mounted on {mount} but it is not a shared mount";
    not_shared_or_slave(path, mount) = "path {path} is mounted on {mount} but it is not a shared or slave mount";
    no_such_group(name) = "unable to find group {name}: no matching entries in group file";
    task_failed(reason) = "failed to create task for container: failed to create shim task: OCI runtime create failed: {reason}";
    mount_source_missing(path) = "invalid mount config for type \"bind\": bind source path does not exist: {path}";

    // Volumes, beyond Docker.
    import_not_empty(name) = "import {name}: the volume has files: import into a new one";
    copy_needs_name() = "clone: the new volume needs a name";

    // Networks of a container.
    static_address_on_predefined() = "user specified IP address is supported on user defined networks only";
    alias_on_predefined() = "network-scoped alias is supported only for containers in user defined networks";
    invalid_family_address(family, address) = "invalid {family} address: {address}";
    invalid_link_local(address) = "invalid link-local IP address: {address}";
    invalid_mac_address(address) = "invalid MAC address {address}";
    invalid_endpoint(network, problems) = "invalid config for network {network}: {problems}";
    empty_link() = "empty string specified for links";
    bad_link(link) = "bad format for links: {link}";
    links_and_host_network() = "conflicting options: host type networking can't be used with links. This would result in undefined behavior";
    link_missing(name, reason) = "could not get container for {name}: {reason}";
    link_not_running(name, parent, alias) = "Cannot link to a non running container: /{name} AS /{parent}/{alias}";
    empty_name() = "invalid name or ID supplied: \"\"";
    connect_removing(id) = "container {id} is marked for removal and cannot be connected or disconnected to the network";
    connect_shared() = "container sharing network namespace with another container or host cannot be connected to any other network";
    connect_to_host() = "cannot connect container to host network - container must be created in host network mode";
    connect_private() = "container cannot be connected to multiple networks with one of the networks in private (none) mode";
    already_connected(name, network) = "endpoint with name {name} already exists in network {network}";
    disconnect_from_host() = "cannot disconnect container from host network - container was created in host network mode";
    not_connected(id, network) = "container {id} is not connected to network {network}";
    not_connected_stopped(id, network) = "container {id} is not connected to the network {network}";
    no_endpoint(name) = "endpoint {name} not found";
    network_filter_bool(key) = "invalid value for filter '{key}', must be \"true\" (or \"1\"), or \"false\" (or \"0\")";
    build_prune_failed(reason) = "failed to prune build cache: {reason}";
    several_until() = "more than one until filter specified";
    network_filter_type(value) = "invalid filter: 'type'='{value}'";

    invalid_dns(address) = "invalid DNS server address: \"{address}\"";
    invalid_address(address) = "invalid IP address: {address}";
    log_driver(reason) = "failed to create task for container: failed to initialize logging driver: {reason}";
    plain(sentence) = "{sentence}";
    not_stopped(id) = "container {id} is already running";

    // A container that runs or does not.
    not_running(id) = "container {id} is not running";
    no_successor(id) = "no container waits to take the place of {id}";
    restarting(id) = "Container {id} is restarting, wait until the container is running";
    already_paused(id) = "Container {id} is already paused";
    not_paused(id) = "Container {id} is not paused";
    exec_paused(name) = "Container {name} is paused, unpause the container before exec";
    stop_failed(name, reason) = "cannot stop container: {name}: {reason}";
    restart_failed(name, reason) = "Cannot restart container {name}: {reason}";
    maximum_io() = "Invalid QoS settings: linux does not support Maximum IO Bandwidth or Maximum IO IOps";
    unsupported_signal(signal) = "the linux daemon does not support signal {signal}";
    kill_failed(name, reason) = "cannot kill container: {name}: {reason}";
    remove_running(name) = "cannot remove container \"{name}\": container is running: stop the container before removing or force remove";
    remove_paused(name) = "cannot remove container \"{name}\": container is paused and must be unpaused first";
    remove_restarting(name) = "cannot remove container \"{name}\": container is restarting: stop the container before removing or force remove";
    removal_in_progress(id) = "removal of container {id} is already in progress";
    remove_link() = "Conflict, cannot remove the default link name of the container";
    not_stopped_in_time(id) = "container {id} did not exit after SIGKILL within the time";
    attach_paused(name) = "container {name} is paused, unpause the container before attach";
    attach_restarting(name) = "container {name} is restarting, wait until the container is running";
    invalid_exec_keys(keys) = "Invalid escape keys ({keys}) provided";
    invalid_detach_keys(keys) = "Invalid detach keys ({keys}) provided";
    choose_stream() = "Bad parameters: you must choose at least one stream";
    no_log_reading() = "configured logging driver does not support reading";

    // Exec.
    no_exec_command() = "No exec command specified";
    exec_already_run(id) = "exec command {id} has already run";
    exec_running(id) = "exec command {id} is already running";
    runtime_exec_failed(reason) = "OCI runtime exec failed: {reason}";
    exec_failed(reason) = "OCI runtime exec failed: exec failed: unable to start container process: {reason}";
    exec_not_running(id) = "exec {id} is not running";

    // Filters.
    invalid_filter(key, value, reason) = "invalid filter '{key}={value}': {reason}";
    invalid_time(value) = "failed to parse value as time or duration: \"{value}\"";
    invalid_port_filter(key, value, reason) = "error while looking up for {key} {value}: {reason}";
    colon_in_port_filter(key, value) = "filter for '{key}' should not contain ':': {value}";

    // Archive.
    empty_container_name() = "invalid name or ID supplied: \"\"";
    invalid_entry_name(name) = "invalid entry name \"{name}\"";
    directory_by_other(path, root) = "cannot overwrite directory \"{path}\" with non-directory \"{root}\"";
    other_by_directory(path, root) = "cannot overwrite non-directory \"{path}\" with directory \"{root}\"";
    no_such_path(path, name) = "Could not find the file {path} in container {name}";
    read_only_root() = "container rootfs is marked read-only";
    read_only_volume() = "mounted volume is marked read-only";

    // Import, and dockerd says the first of tags and commits, too.
    import_to_digest() = "cannot import digest reference";
    failed_get(url, status, text) = "failed to GET {url} with status {status}: {text}";

    // Top.
    top_needs_pid() = "Couldn't find PID field in ps output";
    ps_failed(reason) = "ps: {reason}";
}

/// A cache mount of the builder that is not there.
pub(crate) fn no_cache_mount(id: &str) -> Sentence {
    Sentence(format!("no such cache mount: {id}"))
}
