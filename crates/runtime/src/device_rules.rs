//! Device rules that every container has.

use corten_oci::runtime::DeviceRule;

/// What runc adds behind a specification's own rules: any node may be made, and the
/// default devices and pseudo-terminals be used (config-linux.md § Default Devices).
///
/// With them there is always a list, so that a specification without rules is denied
/// all other devices.
pub fn default_device_rules() -> Vec<DeviceRule> {
    let rule = |kind: &str, major: Option<i64>, minor: Option<i64>, access: &str| DeviceRule {
        allow: true,
        kind: kind.to_owned(),
        major,
        minor,
        access: access.to_owned(),
    };
    let used = [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 2)];
    let mut rules = vec![rule("c", None, None, "m"), rule("b", None, None, "m")];
    rules.extend(used.map(|(major, minor)| rule("c", Some(major), Some(minor), "rwm")));
    rules.push(rule("c", Some(136), None, "rwm"));
    rules
}
