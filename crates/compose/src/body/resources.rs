//! Limits, devices and their like.

use super::{View, is_nothing};
use serde_json::{Map as Json, Value as J, json};

/// The part of `HostConfig` that the API calls `Resources`.
pub(super) fn of(view: &View<'_>) -> Json<String, J> {
    let mut body = Json::new();
    let mut put = |key: &str, value: J| {
        if !is_nothing(&value) {
            body.insert(key.to_owned(), value);
        }
    };
    for (key, ours) in [
        ("Memory", "mem_limit"),
        ("MemorySwap", "memswap_limit"),
        ("MemorySwappiness", "mem_swappiness"),
        ("MemoryReservation", "mem_reservation"),
        ("CpuCount", "cpu_count"),
        ("CpuPeriod", "cpu_period"),
        ("CpuQuota", "cpu_quota"),
        ("CpuRealtimePeriod", "cpu_rt_period"),
        ("CpuRealtimeRuntime", "cpu_rt_runtime"),
        ("CpuShares", "cpu_shares"),
        ("PidsLimit", "pids_limit"),
    ] {
        put(key, view.number(ours));
    }
    put("CgroupParent", view.text("cgroup_parent"));
    put("CpusetCpus", view.text("cpuset"));
    put("OomKillDisable", view.truth("oom_kill_disable"));
    put("DeviceCgroupRules", view.texts("device_cgroup_rules"));
    put("NanoCpus", nano_cpus(view.float("cpus")));
    let percent = view
        .float("cpu_percent")
        .map(|percent| (percent * 100.0) as i64);
    put("CpuPercent", percent.map_or(J::Null, J::from));
    put("Ulimits", ulimits(view));
    if let Some(blkio) = view.below("blkio_config") {
        put("BlkioWeight", blkio.number("weight"));
        put(
            "BlkioWeightDevice",
            block_devices(&blkio, "weight_device", "Weight", "weight"),
        );
        for (key, ours) in [
            ("BlkioDeviceReadBps", "device_read_bps"),
            ("BlkioDeviceReadIOps", "device_read_iops"),
            ("BlkioDeviceWriteBps", "device_write_bps"),
            ("BlkioDeviceWriteIOps", "device_write_iops"),
        ] {
            put(key, block_devices(&blkio, ours, "Rate", "rate"));
        }
    }
    let resources = view
        .below("deploy")
        .and_then(|deploy| deploy.below("resources"));
    let part = |key: &str| {
        resources
            .as_ref()
            .and_then(|resources| resources.below(key))
    };
    if let Some(limits) = part("limits") {
        put("Memory", limits.number("memory"));
        put("NanoCpus", nano_cpus(limits.float("cpus")));
        put("PidsLimit", limits.number("pids"));
    }
    let mut requests = Vec::new();
    if let Some(reservations) = part("reservations") {
        put("MemoryReservation", reservations.number("memory"));
        requests.extend(
            reservations
                .objects("devices")
                .map(|device| request(&device, None)),
        );
    }
    let (cdi, devices): (Vec<View<'_>>, Vec<View<'_>>) = view
        .objects("devices")
        .partition(|device| is_cdi(device.str("source"), device.str("target")));
    if !cdi.is_empty() {
        let names: Vec<&str> = cdi.iter().map(|device| device.str("source")).collect();
        requests.push(json!({ "Driver": "cdi", "DeviceIDs": names }));
    }
    requests.extend(view.objects("gpus").map(|gpu| request(&gpu, Some("gpu"))));
    put("DeviceRequests", J::Array(requests));
    put(
        "Devices",
        devices
            .iter()
            .map(|device| {
                json!({
                    "PathOnHost": device.str("source"),
                    "PathInContainer": device.str("target"),
                    "CgroupPermissions": device.str("permissions"),
                })
            })
            .collect(),
    );
    body
}

/// CPUs as thousand millionths, from a number of single precision as Compose keeps it.
fn nano_cpus(cpus: Option<f64>) -> J {
    cpus.map_or(J::Null, |cpus| ((cpus as f32 * 1e9) as i64).into())
}

/// `vendor/class=name`, which no path looks like.
fn is_cdi(source: &str, target: &str) -> bool {
    let qualified = source.split_once('=').is_some_and(|(kind, name)| {
        !name.is_empty() && kind.contains('/') && !kind.starts_with('/')
    });
    qualified && source == target
}

fn request(device: &View<'_>, extra: Option<&str>) -> J {
    let mut capabilities: Vec<&str> = device
        .items("capabilities")
        .iter()
        .filter_map(crate::node::Node::text)
        .collect();
    capabilities.extend(extra);
    let or_none = |value: J| if is_nothing(&value) { J::Null } else { value };
    json!({
        "Driver": device.str("driver"),
        "Count": device.int("count").unwrap_or(0),
        "DeviceIDs": or_none(device.texts("device_ids")),
        "Capabilities": [capabilities],
        "Options": or_none(device.mapping("options")),
    })
}

fn ulimits(view: &View<'_>) -> J {
    view.entries("ulimits")
        .into_iter()
        .map(|(name, limit)| {
            let both = View(limit);
            let single = match limit.value {
                crate::node::Value::Int(value) => value,
                _ => 0,
            };
            json!({
                "Name": name,
                "Soft": both.int("soft").unwrap_or(single),
                "Hard": both.int("hard").unwrap_or(single),
            })
        })
        .collect()
}

fn block_devices(blkio: &View<'_>, list: &str, key: &str, ours: &str) -> J {
    blkio
        .objects(list)
        .map(|device| json!({ "Path": device.str("path"), key: device.int(ours).unwrap_or(0) }))
        .collect()
}
