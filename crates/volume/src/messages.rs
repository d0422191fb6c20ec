//! Docker's sentences about volumes (dockerd 28).

/// `GET /volumes/{name}` and the like.
pub fn no_such_volume(operation: &str, name: &str) -> String {
    format!("{operation} {name}: no such volume")
}

/// A volume that containers have.
pub fn in_use(name: &str, users: &[String]) -> String {
    format!("remove {name}: volume is in use - [{}]", users.join(", "))
}

/// Another driver than `local`.
pub fn no_plugin(name: &str, driver: &str) -> String {
    format!("create {name}: error looking up volume plugin {driver}: plugin \"{driver}\" not found")
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
