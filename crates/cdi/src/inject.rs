//! Edits, applied to a specification (SPEC.md § Container Edits).

use crate::spec::{Edits, Hook as AskedHook, Mount as AskedMount, Node};
use crate::{CdiError, Registry};
use corten_oci::runtime::{DeviceRule, Hook, Hooks, LinuxDevice, Mount, Spec};
use rustix::fs::{FileType, major, minor, stat};

impl Registry {
    /// Puts devices into `spec`; answers the further groups that they ask for.
    ///
    /// # Errors
    /// [`CdiError::Unresolvable`] names every device that cannot be had; `spec` is then as
    /// it was.
    pub fn inject(&self, names: &[String], spec: &mut Spec) -> Result<Vec<u32>, CdiError> {
        let mut edited = spec.clone();
        let mut groups = Vec::new();
        for edits in self.edits(names)? {
            apply(edits, &mut edited, &mut groups)?;
        }
        // Those nearer to the root first.
        edited
            .mounts
            .sort_by_key(|it| it.destination.components().count());
        *spec = edited;
        Ok(groups)
    }
}

fn apply(edits: Edits, spec: &mut Spec, groups: &mut Vec<u32>) -> Result<(), CdiError> {
    if let Some(process) = &mut spec.process {
        for entry in edits.env {
            let name = |text: &str| text.split('=').next().unwrap_or_default().to_owned();
            process.env.retain(|it| name(it) != name(&entry));
            process.env.push(entry);
        }
    }
    let linux = spec.linux.get_or_insert_default();
    // In a user namespace nobody makes nodes, and the runtime binds the host's by the
    // container's name: one of another name comes as a mount.
    let mapped = !linux.uid_mappings.is_empty();
    for node in edits.device_nodes {
        let named = node.host_path.clone();
        let (device, access) = device(node)?;
        if matches!(device.kind.as_str(), "b" | "c") {
            let resources = linux.resources.get_or_insert_default();
            resources.devices.push(DeviceRule {
                allow: true,
                kind: device.kind.clone(),
                major: Some(device.major),
                minor: Some(device.minor),
                access,
            });
        }
        linux.devices.retain(|it| it.path != device.path);
        if mapped && !named.as_os_str().is_empty() && named != device.path {
            spec.mounts.retain(|it| it.destination != device.path);
            spec.mounts.push(Mount {
                destination: device.path,
                kind: "bind".into(),
                source: Some(named),
                options: vec!["bind".into(), "rprivate".into()],
                ..Mount::default()
            });
            continue;
        }
        linux.devices.push(device);
    }
    for mount in edits.mounts {
        let mount = self::mount(mount);
        spec.mounts.retain(|it| it.destination != mount.destination);
        spec.mounts.push(mount);
    }
    if !edits.hooks.is_empty() {
        let hooks = spec.hooks.get_or_insert_default();
        for asked in edits.hooks {
            list(hooks, &asked)?.push(Hook {
                path: asked.path,
                args: asked.args,
                env: asked.env,
                timeout: asked.timeout,
            });
        }
    }
    for group in edits.additional_gids {
        if group != 0 && !groups.contains(&group) {
            groups.push(group);
        }
    }
    Ok(())
}

fn list<'a>(hooks: &'a mut Hooks, asked: &AskedHook) -> Result<&'a mut Vec<Hook>, CdiError> {
    Ok(match asked.hook_name.as_str() {
        "prestart" => &mut hooks.prestart,
        "createRuntime" => &mut hooks.create_runtime,
        "createContainer" => &mut hooks.create_container,
        "startContainer" => &mut hooks.start_container,
        "poststart" => &mut hooks.poststart,
        "poststop" => &mut hooks.poststop,
        other => return Err(CdiError::Hook(other.to_owned())),
    })
}

/// What the file leaves open is looked up on the host.
fn device(node: Node) -> Result<(LinuxDevice, String), CdiError> {
    let on_host = match node.host_path.as_os_str().is_empty() {
        true => &node.path,
        false => &node.host_path,
    };
    let mut device = LinuxDevice {
        path: node.path.clone(),
        kind: node.kind,
        major: node.major.unwrap_or(0),
        minor: node.minor.unwrap_or(0),
        file_mode: node.file_mode,
        uid: node.uid,
        gid: node.gid,
    };
    let told = device.kind == "p" || (!device.kind.is_empty() && device.major != 0);
    if !told {
        let found = stat(on_host).map_err(|errno| CdiError::Node {
            path: on_host.clone(),
            source: errno.into(),
        })?;
        device.kind = match FileType::from_raw_mode(found.st_mode) {
            FileType::BlockDevice => "b",
            FileType::CharacterDevice => "c",
            FileType::Fifo => "p",
            _ => {
                return Err(CdiError::Node {
                    path: on_host.clone(),
                    source: rustix::io::Errno::NODEV.into(),
                });
            }
        }
        .into();
        device.major = major(found.st_rdev).into();
        device.minor = minor(found.st_rdev).into();
        device.file_mode = device.file_mode.or(Some(found.st_mode & 0o7777));
        device.uid = device.uid.or(Some(found.st_uid));
        device.gid = device.gid.or(Some(found.st_gid));
    }
    let access = match node.permissions.as_str() {
        "" => "rwm".to_owned(),
        _ => node.permissions,
    };
    Ok((device, access))
}

fn mount(asked: AskedMount) -> Mount {
    let mut options = asked.options;
    let binds = |it: &String| it == "bind" || it == "rbind";
    if asked.kind.is_empty() && !options.iter().any(binds) {
        options.insert(0, "rbind".into());
    }
    Mount {
        destination: asked.container_path,
        kind: match asked.kind.is_empty() {
            true => "bind".into(),
            false => asked.kind,
        },
        source: Some(asked.host_path),
        options,
        ..Mount::default()
    }
}
