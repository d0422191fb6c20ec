use super::*;
use corten_base::Timestamp;
use corten_model::{ContainerConfig, ContainerId, HostConfig, ImageId, State};

fn container() -> Container {
    Container {
        id: ContainerId::random(),
        name: "web".into(),
        created: Timestamp::ZERO,
        path: "sh".into(),
        args: vec!["-c".into(), "true".into()],
        image: ImageId::default(),
        platform: "linux".into(),
        platform_request: String::new(),
        config: ContainerConfig {
            hostname: "abc".into(),
            ..ContainerConfig::default()
        },
        host_config: HostConfig {
            shm_size: 64 << 20,
            masked_paths: Some(vec!["/proc/kcore".into()]),
            readonly_paths: Some(vec!["/proc/sys".into()]),
            ..HostConfig::default()
        },
        network_settings: Default::default(),
        mounts: Vec::new(),
        layers: Vec::new(),
        state: State::default(),
        restart_count: 0,
        stopped_by_user: false,
        files_directory: PathBuf::new(),
        log_path: PathBuf::new(),
        image_manifest_descriptor: None,
        id_map: None,
        app_armor_profile: String::new(),
    }
}

fn spec(container: &Container) -> Result<Spec> {
    runtime_spec(&SpecInput {
        users: None,
        container,
        settings: &EngineConfig::default(),
        kernel: KernelVersion {
            major: 6,
            minor: 18,
        },
        files: &ContainerFiles {
            hosts: Some("/c/hosts".into()),
            ..ContainerFiles::default()
        },
        devices: &[],
        network: NetworkNamespace::Given,
        network_is_shared: false,
        ipc: IpcNamespace::Own,
        pid: PidNamespace::Own,
        init: None,
        images: &ImageLayers::new(),
        block_device: &|_| Ok((8, 0)),
    })
}

fn options<'a>(spec: &'a Spec, destination: &str) -> Option<&'a [String]> {
    let found = spec
        .mounts
        .iter()
        .find(|it| it.destination == Path::new(destination));
    found.map(|it| it.options.as_slice())
}

#[test]
fn a_plain_container_gets_dockers_defaults() {
    let container = container();
    let spec = spec(&container).expect("a specification");
    let linux = spec.linux.as_ref().expect("linux");
    let kinds: Vec<&str> = linux.namespaces.iter().map(|it| it.kind.as_str()).collect();
    assert_eq!(kinds, ["mount", "network", "uts", "pid", "ipc"]);
    assert_eq!(linux.cgroups_path, format!("/corten/{}", container.id));
    assert_eq!(linux.masked_paths, [Path::new("/proc/kcore")]);
    assert!(linux.seccomp.is_some());
    let process = spec.process.as_ref().expect("process");
    assert_eq!(process.args, ["sh", "-c", "true"]);
    assert_eq!(process.env[1], "HOSTNAME=abc");
    let capabilities = process.capabilities.as_ref().expect("capabilities");
    assert_eq!(capabilities.bounding.len(), 14);
    assert!(capabilities.inheritable.is_empty() && capabilities.ambient.is_empty());
    assert!(options(&spec, "/sys").expect("sys").contains(&"ro".into()));
    assert!(options(&spec, "/etc/hosts").is_some());
    assert!(options(&spec, "/etc/hostname").is_none());
}

#[test]
fn privileged_means_no_filter_no_masks_and_every_device() {
    let mut container = container();
    container.host_config.privileged = true;
    let spec = spec(&container).expect("a specification");
    let linux = spec.linux.as_ref().expect("linux");
    assert!(linux.seccomp.is_none() && linux.masked_paths.is_empty());
    let rules = &linux.resources.as_ref().expect("resources").devices;
    assert!(rules.len() == 1 && rules[0].allow);
    assert!(
        options(&spec, "/sys/fs/cgroup")
            .expect("cgroup")
            .contains(&"rw".into())
    );
}

#[test]
fn a_users_mount_replaces_the_default_one() {
    let mut container = container();
    container.host_config.tmpfs = Some([("/dev/shm".into(), "size=1m".into())].into());
    let spec = spec(&container).expect("a specification");
    let count = spec
        .mounts
        .iter()
        .filter(|it| it.destination == Path::new("/dev/shm"))
        .count();
    assert_eq!(count, 1);
    assert!(
        options(&spec, "/dev/shm")
            .expect("shm")
            .contains(&"size=1m".into())
    );
}

#[test]
fn a_sysctl_of_the_host_is_refused() {
    let mut container = container();
    container.host_config.sysctls = Some([("kernel.foo".into(), "1".into())].into());
    let error = spec(&container).expect_err("is the host's");
    assert!(
        error
            .to_string()
            .ends_with("sysctl \"kernel.foo\" is not in a separate kernel namespace")
    );
}

#[test]
fn a_cgroup_parent_cannot_climb_out() {
    let mut container = container();
    container.host_config.resources.cgroup_parent = "../../foo/../x".into();
    assert_eq!(
        cgroup_path(&container, &EngineConfig::default()),
        format!("/foo/x/{}", container.id)
    );
}

#[test]
fn a_user_given_by_number_has_no_effective_capabilities() {
    let mut container = container();
    container.config.user = "1000:1000".into();
    let process = spec(&container)
        .expect("a specification")
        .process
        .expect("process");
    let capabilities = process.capabilities.expect("capabilities");
    assert!(capabilities.effective.is_empty() && !capabilities.bounding.is_empty());
}
