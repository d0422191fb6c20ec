//! cgroup-v1/devices.rst: a list of rules that is changed entry by entry.

use super::Controller;
use crate::device::Policy;
use crate::{CgroupError, file};
use corten_oci::runtime::DeviceRule;

pub(super) fn apply(
    controller: Controller<'_>,
    rules: &[DeviceRule],
    fresh: bool,
) -> Result<(), CgroupError> {
    if rules.is_empty() {
        return Ok(());
    }
    let policy = Policy::from_rules(rules)?;
    let Some(directory) = controller.directory else {
        // Without the controller everything is allowed, which is what some ask for.
        return match policy.allows_everything() {
            true => Ok(()),
            false => controller.require("devices").map(|_| ()),
        };
    };
    if policy.allows_everything() {
        return file::write(directory, "devices.allow", "a");
    }
    let wanted = policy.list();
    if !fresh && listed(&file::read(directory, "devices.list")?) == listed(&wanted.join("\n")) {
        return Ok(());
    }
    let (all, each) = match policy.allows_by_default() {
        true => ("devices.allow", "devices.deny"),
        false => ("devices.deny", "devices.allow"),
    };
    file::write(directory, all, "a")?;
    wanted
        .iter()
        .try_for_each(|line| file::write(directory, each, line))
}

fn listed(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.sort_unstable();
    lines
}
