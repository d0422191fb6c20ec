//! Checks of single flag values, made while the line is read, as Docker's client makes
//! them: a wrong value is told as `invalid argument … for … flag`.

use super::{devices, mounts, network};
use crate::tables::Flag;
use std::net::IpAddr;

/// The check of `run` and `create`; also right for `exec` and `update`.
pub fn check(flag: &Flag, value: &str) -> Result<(), String> {
    if flag.is_bool() {
        return Ok(());
    }
    match flag.name {
        "attach" => match value.to_ascii_lowercase().as_str() {
            "stdin" | "stdout" | "stderr" => Ok(()),
            _ => Err("valid streams are STDIN, STDOUT and STDERR".into()),
        },
        "env" => environment(value),
        "add-host" => extra_host(value).map(drop),
        "dns" => match value.trim().parse::<IpAddr>() {
            Ok(_) => Ok(()),
            Err(_) => Err(format!("IP address is not correctly formatted: {value}")),
        },
        "dns-search" => dns_search(value),
        "link" => link(value),
        "sysctl" => sysctl(value),
        "ulimit" => devices::ulimit(value).map(drop),
        "blkio-weight-device" => devices::weight(value).map(drop),
        "device-read-bps" | "device-write-bps" => devices::throttle(value, true).map(drop),
        "device-read-iops" | "device-write-iops" => devices::throttle(value, false).map(drop),
        "device-cgroup-rule" => devices::cgroup_rule(value),
        "gpus" => devices::gpus(value).map(drop),
        "mount" => mounts::parse(value).map(drop),
        "network" | "net" => network::parse(value).map(drop),
        "link-local-ip" if value.parse::<IpAddr>().is_err() => {
            Err(format!("IP address is not correctly formatted: {value}"))
        }
        _ => Ok(()),
    }
}

fn environment(value: &str) -> Result<(), String> {
    if value.split('=').next().unwrap_or("").is_empty() {
        return Err(format!("invalid environment variable: {value}"));
    }
    Ok(())
}

/// `host:ip` or `host=ip` as the engine wants it.
pub fn extra_host(value: &str) -> Result<String, String> {
    let bad = || format!("bad format for add-host: \"{value}\"");
    let (host, address) = value
        .split_once('=')
        .or_else(|| value.split_once(':'))
        .ok_or_else(bad)?;
    if host.is_empty() || address.is_empty() {
        return Err(bad());
    }
    let bare = address
        .strip_prefix('[')
        .and_then(|a| a.strip_suffix(']'))
        .unwrap_or(address);
    if bare != "host-gateway" && bare.parse::<IpAddr>().is_err() {
        return Err(format!("invalid IP address in add-host: \"{address}\""));
    }
    Ok(format!("{host}:{bare}"))
}

fn dns_search(value: &str) -> Result<(), String> {
    let value = value.trim();
    let label = |l: &str| {
        !l.is_empty()
            && l.len() <= 63
            && l.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if value == "." || value.trim_end_matches('.').split('.').all(label) {
        return Ok(());
    }
    Err(format!("{value} is not a valid domain"))
}

fn link(value: &str) -> Result<(), String> {
    if value.is_empty() || value.split(':').count() > 2 {
        return Err(format!("bad format for links: {value}"));
    }
    Ok(())
}

/// Which kernel parameters a container may set.
fn sysctl(value: &str) -> Result<(), String> {
    const NAMES: [&str; 7] = [
        "kernel.msgmax",
        "kernel.msgmnb",
        "kernel.msgmni",
        "kernel.sem",
        "kernel.shmall",
        "kernel.shmmax",
        "kernel.shmmni",
    ];
    let refused = || format!("sysctl '{value}' is not allowed");
    let (name, _) = value.split_once('=').ok_or_else(refused)?;
    let known = NAMES.contains(&name)
        || name == "kernel.shm_rmid_forced"
        || name.starts_with("net.")
        || name.starts_with("fs.mqueue.");
    if known { Ok(()) } else { Err(refused()) }
}
