//! `pause`, `resume` and `update`.

use super::find;
use crate::arguments::{Arguments, OptionShape};
use crate::error::CommandError;
use corten_cgroup::Cgroup;
use corten_oci::runtime::{BlockIo, Cpu, LinuxResources, Memory, Pids, Status};
use std::io::Read;
use std::path::Path;

const SHAPES: &[OptionShape] = &[
    ("resources", Some('r'), true),
    ("blkio-weight", None, true),
    ("cpu-period", None, true),
    ("cpu-quota", None, true),
    ("cpu-burst", None, true),
    ("cpu-share", None, true),
    ("cpu-rt-period", None, true),
    ("cpu-rt-runtime", None, true),
    ("cpuset-cpus", None, true),
    ("cpuset-mems", None, true),
    ("cpu-idle", None, true),
    ("memory", None, true),
    ("memory-reservation", None, true),
    ("memory-swap", None, true),
    ("pids-limit", None, true),
];

pub(super) fn pause(root: &Path, words: &[String]) -> Result<u8, CommandError> {
    let arguments = Arguments::parse(words, &[])?;
    let (directory, record) = find(root, arguments.only("pause")?)?;
    match record.status(&directory) {
        Status::Running | Status::Created => Cgroup::open(&record.cgroup)?.freeze()?,
        _ => {
            let sentence = "container not running or created";
            return Err(CommandError::State(sentence.to_owned()));
        }
    }
    Ok(0)
}

pub(super) fn resume(root: &Path, words: &[String]) -> Result<u8, CommandError> {
    let arguments = Arguments::parse(words, &[])?;
    let (directory, record) = find(root, arguments.only("resume")?)?;
    if record.status(&directory) != Status::Paused {
        return Err(CommandError::State("container not paused".to_owned()));
    }
    Cgroup::open(&record.cgroup)?.thaw()?;
    Ok(0)
}

pub(super) fn update(root: &Path, words: &[String]) -> Result<u8, CommandError> {
    let arguments = Arguments::parse(words, SHAPES)?;
    let (directory, mut record) = find(root, arguments.only("update")?)?;
    let resources = match arguments.value("resources") {
        Some(path) => read(path)?,
        None => resources(&arguments)?,
    };
    Cgroup::open(&record.cgroup)?.update(&resources)?;
    if let Some(linux) = &mut record.spec.linux {
        merge(linux.resources.get_or_insert_default(), resources);
    }
    directory.save(&record)?;
    Ok(0)
}

fn read(path: &str) -> Result<LinuxResources, CommandError> {
    /// Of a resources file, bytes.
    const LIMIT: u64 = 1 << 20;
    let mut text = Vec::new();
    let result = if path == "-" {
        std::io::stdin().take(LIMIT).read_to_end(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(LIMIT).read_to_end(&mut text))
    };
    result.map_err(CommandError::file(path))?;
    serde_json::from_slice(&text).map_err(|source| CommandError::Json {
        path: path.into(),
        source,
    })
}

fn resources(arguments: &Arguments) -> Result<LinuxResources, CommandError> {
    let text = |name| arguments.value(name).unwrap_or_default().to_owned();
    let bytes = |name: &str| arguments.value(name).map(parse_bytes).transpose();
    Ok(LinuxResources {
        memory: Some(Memory {
            limit: bytes("memory")?,
            reservation: bytes("memory-reservation")?,
            swap: bytes("memory-swap")?,
            ..Memory::default()
        }),
        cpu: Some(Cpu {
            shares: arguments.number("cpu-share")?,
            quota: arguments.number("cpu-quota")?,
            burst: arguments.number("cpu-burst")?,
            period: arguments.number("cpu-period")?,
            realtime_runtime: arguments.number("cpu-rt-runtime")?,
            realtime_period: arguments.number("cpu-rt-period")?,
            cpus: text("cpuset-cpus"),
            mems: text("cpuset-mems"),
            idle: arguments.number("cpu-idle")?,
        }),
        pids: arguments.number("pids-limit")?.map(|limit| Pids { limit }),
        block_io: arguments.number("blkio-weight")?.map(|weight| BlockIo {
            weight: Some(weight),
            ..BlockIo::default()
        }),
        ..LinuxResources::default()
    })
}

/// Bytes, `-1`, or with a unit.
fn parse_bytes(text: &str) -> Result<i64, CommandError> {
    let bad = || CommandError::Usage(format!("invalid value {text:?} for a size"));
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    let split = text
        .trim_end_matches(|c: char| c.is_ascii_alphabetic())
        .len();
    let number: i64 = text[..split].parse().map_err(|_| bad())?;
    let shift = match text[split..].to_lowercase().trim_end_matches('b') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return Err(bad()),
    };
    number.checked_mul(1 << shift).ok_or_else(bad)
}

/// What the record says afterwards: new values over the old ones.
fn merge(old: &mut LinuxResources, new: LinuxResources) {
    let both = [serde_json::to_value(&*old), serde_json::to_value(new)];
    let [Ok(mut merged), Ok(new)] = both else {
        return;
    };
    overlay(&mut merged, new);
    if let Ok(resources) = serde_json::from_value(merged) {
        *old = resources;
    }
}

fn overlay(old: &mut serde_json::Value, new: serde_json::Value) {
    match (old, new) {
        (serde_json::Value::Object(old), serde_json::Value::Object(new)) => {
            for (key, value) in new {
                overlay(old.entry(key).or_insert(serde_json::Value::Null), value);
            }
        }
        (old, new) => *old = new,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(parse_bytes("64m").unwrap(), 64 << 20);
        assert_eq!(parse_bytes("2GB").unwrap(), 2 << 30);
        assert_eq!(parse_bytes("-1").unwrap(), -1);
        for text in ["", "m", "1x", "9999999999999t"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_update_changes_only_what_it_names() {
        let mut old = LinuxResources {
            memory: Some(Memory {
                limit: Some(5),
                swap: Some(6),
                ..Memory::default()
            }),
            pids: Some(Pids { limit: 9 }),
            ..LinuxResources::default()
        };
        let new = LinuxResources {
            memory: Some(Memory {
                limit: Some(7),
                ..Memory::default()
            }),
            ..LinuxResources::default()
        };
        merge(&mut old, new);
        let memory = old.memory.unwrap();
        assert_eq!(
            (memory.limit, memory.swap, old.pids.unwrap().limit),
            (Some(7), Some(6), 9)
        );
    }
}
