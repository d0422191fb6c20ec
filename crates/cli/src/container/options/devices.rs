//! Devices, GPUs, block I/O limits and resource limits.

use corten_api::container::{DeviceMapping, DeviceRequest, ThrottleDevice, Ulimit, WeightDevice};
use corten_base::text;
use std::collections::BTreeMap;

/// `--device path[:path[:rwm]]`; `None` where it names a CDI device.
pub fn device(value: &str) -> Result<Option<DeviceMapping>, String> {
    if is_cdi(value) {
        return Ok(None);
    }
    let parts: Vec<&str> = value.split(':').collect();
    let valid = |mode: &str| {
        !mode.is_empty()
            && mode.bytes().all(|b| b"rwm".contains(&b))
            && mode
                .bytes()
                .all(|b| mode.bytes().filter(|o| *o == b).count() == 1)
    };
    let (host, inside, mode) = match parts.as_slice() {
        [host] => (*host, *host, "rwm"),
        [host, mode] if valid(mode) => (*host, *host, *mode),
        [host, inside] => (*host, *inside, "rwm"),
        [host, inside, mode] => (*host, *inside, *mode),
        _ => return Err(format!("invalid device specification: {value}")),
    };
    if !valid(mode) {
        return Err(format!("bad mode specified: {mode}"));
    }
    Ok(Some(DeviceMapping {
        path_on_host: host.to_owned(),
        path_in_container: inside.to_owned(),
        cgroup_permissions: mode.to_owned(),
    }))
}

/// Container Device Interface: `vendor.com/class=name`.
fn is_cdi(value: &str) -> bool {
    let Some((kind, name)) = value.split_once('=') else {
        return false;
    };
    let word = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
    };
    kind.split_once('/')
        .is_some_and(|(vendor, class)| word(vendor) && word(class))
        && !name.is_empty()
}

/// A request for CDI devices.
pub fn cdi(names: Vec<String>) -> DeviceRequest {
    DeviceRequest {
        driver: "cdi".into(),
        device_ids: Some(names),
        ..DeviceRequest::default()
    }
}

/// `--gpus all`, `--gpus 2`, `--gpus '"device=0,1",capabilities=utility'`.
pub fn gpus(value: &str) -> Result<DeviceRequest, String> {
    let mut request = DeviceRequest {
        capabilities: None,
        options: Some(BTreeMap::new()),
        ..DeviceRequest::default()
    };
    let mut seen = Vec::new();
    for field in csv(value)? {
        let (key, value) = match field.split_once('=') {
            Some((key, value)) => (key.to_owned(), value.to_owned()),
            None => ("count".to_owned(), field.clone()),
        };
        if seen.contains(&key) {
            return Err(format!(
                "gpu request key '{key}' can be specified only once"
            ));
        }
        match key.as_str() {
            "driver" => request.driver = value,
            "count" if value == "all" => request.count = -1,
            "count" => {
                request.count = value.parse().map_err(|_| {
                    format!(
                        "invalid count ({value}): value must be either \"all\" or an integer: invalid syntax"
                    )
                })?;
            }
            "device" => {
                request.device_ids = Some(value.split(',').map(str::to_owned).collect());
            }
            "capabilities" => {
                let mut list: Vec<String> = value.split(',').map(str::to_owned).collect();
                list.push("gpu".into());
                request.capabilities = Some(vec![list]);
            }
            "options" => {
                request.options = Some(
                    csv(&value)?
                        .iter()
                        .map(|o| super::environment::pair(o))
                        .collect(),
                );
            }
            _ => return Err(format!("unexpected key '{key}' in '{field}'")),
        }
        seen.push(key);
    }
    if request.count == 0 && request.device_ids.is_none() {
        request.count = 1;
    }
    request
        .capabilities
        .get_or_insert_with(|| vec![vec!["gpu".into()]]);
    Ok(request)
}

/// Fields separated by commas; double quotes hold commas together.
pub fn csv(text: &str) -> Result<Vec<String>, String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            c => {
                if let Some(field) = fields.last_mut() {
                    field.push(c);
                }
            }
        }
    }
    if quoted {
        return Err(
            "parse error on line 1, column 1: extraneous or missing \" in quoted-field".into(),
        );
    }
    Ok(fields)
}

/// `--ulimit name=soft[:hard]`.
pub fn ulimit(value: &str) -> Result<Ulimit, String> {
    const NAMES: [&str; 15] = [
        "core",
        "cpu",
        "data",
        "fsize",
        "locks",
        "memlock",
        "msgqueue",
        "nice",
        "nofile",
        "nproc",
        "rss",
        "rtprio",
        "rttime",
        "sigpending",
        "stack",
    ];
    let (name, limits) = value
        .split_once('=')
        .ok_or_else(|| format!("invalid ulimit argument: {value}"))?;
    if !NAMES.contains(&name) {
        return Err(format!("invalid ulimit type: {name}"));
    }
    let parts: Vec<&str> = limits.split(':').collect();
    if parts.len() > 2 {
        return Err(format!(
            "too many limit value arguments - {limits}, can only have up to two, `soft[:hard]`"
        ));
    }
    let number = |text: &str| {
        text.parse::<i64>()
            .map_err(|_| format!("strconv.ParseInt: parsing {text:?}: invalid syntax"))
    };
    let soft = number(parts[0])?;
    let hard = parts.get(1).map_or(Ok(soft), |text| number(text))?;
    if hard != -1 && (soft == -1 || soft > hard) {
        return Err(format!(
            "ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}"
        ));
    }
    Ok(Ulimit {
        name: name.to_owned(),
        hard,
        soft,
    })
}

/// `--blkio-weight-device path:weight`.
pub fn weight(value: &str) -> Result<WeightDevice, String> {
    let (path, weight) = value
        .split_once(':')
        .ok_or_else(|| format!("bad format: {value}"))?;
    if !path.starts_with("/dev/") {
        return Err(format!("bad format for device path: {value}"));
    }
    match weight.parse::<u16>() {
        Ok(weight) if weight == 0 || (10..=1000).contains(&weight) => Ok(WeightDevice {
            path: path.to_owned(),
            weight,
        }),
        _ => Err(format!("invalid weight for device: {value}")),
    }
}

/// `--device-read-bps path:rate` (bytes with unit) and `--device-read-iops path:rate`.
pub fn throttle(value: &str, bytes: bool) -> Result<ThrottleDevice, String> {
    let (path, rate) = value
        .split_once(':')
        .ok_or_else(|| format!("bad format: {value}"))?;
    if !path.starts_with("/dev/") {
        return Err(format!("bad format for device path: {value}"));
    }
    let parsed = if bytes {
        text::parse_ram_bytes(rate).and_then(|n| u64::try_from(n).ok())
    } else {
        rate.parse().ok()
    };
    let unit = if bytes {
        "<number>[<unit>]. Number must be a positive integer. Unit is optional and can be kb, mb, or gb"
    } else {
        "<number>. Number must be a positive integer"
    };
    let rate = parsed.ok_or_else(|| {
        format!("invalid rate for device: {value}. The correct format is <device-path>:{unit}")
    })?;
    Ok(ThrottleDevice {
        path: path.to_owned(),
        rate,
    })
}

/// `--device-cgroup-rule 'c 1:3 rwm'`.
pub fn cgroup_rule(value: &str) -> Result<(), String> {
    let bad = || format!("invalid device cgroup format '{value}'");
    let [kind, numbers, access] = value.split(' ').collect::<Vec<_>>()[..] else {
        return Err(bad());
    };
    let number = |text: &str| text == "*" || text.bytes().all(|b| b.is_ascii_digit());
    let (major, minor) = numbers.split_once(':').ok_or_else(bad)?;
    let right = matches!(kind, "a" | "b" | "c")
        && number(major)
        && number(minor)
        && (1..=3).contains(&access.len())
        && access.bytes().all(|b| b"rwm".contains(&b));
    if right { Ok(()) } else { Err(bad()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_and_their_modes_are_read() {
        let shown = |text: &str| {
            device(text).map(|d| {
                d.map(|d| {
                    format!(
                        "{} {} {}",
                        d.path_on_host, d.path_in_container, d.cgroup_permissions
                    )
                })
            })
        };
        assert_eq!(shown("/dev/a").unwrap().unwrap(), "/dev/a /dev/a rwm");
        assert_eq!(shown("/dev/a:r").unwrap().unwrap(), "/dev/a /dev/a r");
        assert_eq!(
            shown("/dev/a:/dev/b:rw").unwrap().unwrap(),
            "/dev/a /dev/b rw"
        );
        assert_eq!(shown("nvidia.com/gpu=0").unwrap(), None);
        assert_eq!(shown("x:y:z").unwrap_err(), "bad mode specified: z");
    }

    #[test]
    fn limits_are_read() {
        assert_eq!(
            ulimit("nofile=10:20").unwrap(),
            Ulimit {
                name: "nofile".into(),
                soft: 10,
                hard: 20
            }
        );
        assert_eq!(ulimit("x").unwrap_err(), "invalid ulimit argument: x");
        assert_eq!(throttle("/dev/sda:1mb", true).unwrap().rate, 1 << 20);
        assert_eq!(gpus("all").unwrap().count, -1);
        assert_eq!(
            gpus("\"device=0,1\",driver=x").unwrap().device_ids.unwrap(),
            ["0", "1"]
        );
    }
}
