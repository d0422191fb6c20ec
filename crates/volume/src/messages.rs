//! Docker's sentences about volumes (dockerd 28).

use std::path::Path;

/// `GET /volumes/{name}` and the like.
pub fn no_such_volume(operation: &str, name: &str) -> String {
    format!("{operation} {name}: no such volume")
}

/// A volume that containers have.
pub fn in_use(operation: &str, name: &str, users: &[String]) -> String {
    format!(
        "{operation} {name}: volume is in use - [{}]",
        users.join(", ")
    )
}

/// Another driver than `local`.
pub fn no_plugin(operation: &str, name: &str, driver: &str) -> String {
    format!(
        "{operation} {name}: error looking up volume plugin {driver}: plugin \"{driver}\" not found"
    )
}

/// One letter.
pub fn name_too_short(name: &str) -> String {
    format!(
        "create {name}: volume name is too short, names should be at least two alphanumeric characters"
    )
}

/// Anything that is no file name.
pub fn name_invalid(name: &str) -> String {
    format!(
        "create {name}: \"{name}\" includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path"
    )
}

/// An option that the local driver does not have.
pub fn invalid_option(name: &str, option: &str) -> String {
    format!("create {name}: invalid option: \"{option}\"")
}

/// `o` or `device` without `type`, and so on.
pub fn missing_option(name: &str, option: &str) -> String {
    format!("create {name}: missing required option: \"{option}\"")
}

/// A driver that another volume of this name does not have.
pub fn name_taken(name: &str) -> String {
    format!("create {name}: conflict: volume name must be unique")
}

/// `size=…` that is no number of bytes.
pub fn invalid_size(name: &str, size: &str) -> String {
    format!("create {name}: invalid size: '{size}'")
}

/// A file system without project quotas.
pub fn no_quota(name: &str) -> String {
    format!("create {name}: quota size requested but no quota support")
}

/// A volume with a type and without a device.
pub const MISSING_DEVICE: &str = "missing device in volume options";

/// At the start of a container.
pub fn mounting(path: &Path, reason: &str) -> String {
    format!("error while mounting volume '{}': {reason}", path.display())
}

/// The kernel's refusal of a local volume's mount.
pub fn mount_failed(device: &str, path: &Path, flags: u32, data: &str, error: &str) -> String {
    let mut text = format!(
        "failed to mount local volume: mount {device}:{}",
        path.display()
    );
    if flags != 0 {
        text.push_str(&format!(", flags: {flags:#x}"));
    }
    if !data.is_empty() {
        text.push_str(&format!(", data: {data}"));
    }
    format!("{text}: {error}")
}

/// The server of a network volume has no address.
pub fn unknown_server(name: &str) -> String {
    format!("error resolving passed in network volume address: lookup {name}: no such host")
}
