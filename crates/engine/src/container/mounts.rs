//! From what was asked to a container's mount points (moby: `volume/mounts`).

use crate::{EngineError, Result, messages, spec::mounts::check_tmpfs_option};
use corten_model::{
    ContainerConfig, HostConfig, IdMap, IdRange, MountKind, MountPoint, MountRequest, Propagation,
};
use std::path::{Path, PathBuf};

/// Ranges of one map, user_namespaces(7).
const ID_RANGES_MAX: usize = 340;

/// Every mount point of a container, those of other containers (`volumes_from`) left out.
/// Volumes have a name or none yet; sources of volumes are not known yet.
pub(super) fn mount_points(
    config: &ContainerConfig,
    host_config: &HostConfig,
) -> Result<Vec<MountPoint>> {
    let mut points = Vec::new();
    for spec in host_config.binds.iter().flatten() {
        add(&mut points, parse_bind(spec, &host_config.volume_driver)?)?;
    }
    for request in host_config.mounts.iter().flatten() {
        add(&mut points, parse_request(request)?)?;
    }
    // A `--mount` may be at the place of a `--tmpfs`: `spec::mounts` says which is seen.
    let binds = host_config.binds.iter().flatten().count();
    for (path, options) in host_config.tmpfs.iter().flatten() {
        if !path.starts_with('/') {
            return Err(EngineError::Invalid(messages::relative_mount_path(path)));
        }
        if clean(path) == Path::new("/") {
            return Err(EngineError::Invalid(messages::mount_at_root()));
        }
        for option in options.split(',').filter(|it| !it.is_empty()) {
            check_tmpfs_option(option)?;
        }
        let taken = |it: &MountPoint| it.destination == clean(path);
        if points.iter().take(binds).any(taken) {
            return Err(EngineError::Invalid(messages::duplicate_mount(path)));
        }
    }
    for path in config.volumes.iter().flatten() {
        let destination = clean(path);
        if destination == Path::new("/") {
            let reason = messages::mount_at_root();
            return Err(EngineError::Invalid(messages::invalid_mount(
                MountKind::Volume,
                reason,
            )));
        }
        let tmpfs = host_config
            .tmpfs
            .iter()
            .flatten()
            .any(|(it, _)| clean(it) == destination);
        if tmpfs || points.iter().any(|it| it.destination == destination) {
            continue;
        }
        points.push(MountPoint {
            kind: MountKind::Volume,
            destination,
            rw: true,
            copy_up: true,
            anonymous: true,
            ..MountPoint::default()
        });
    }
    Ok(points)
}

fn add(points: &mut Vec<MountPoint>, point: MountPoint) -> Result<()> {
    if points.iter().any(|it| it.destination == point.destination) {
        let path = point.destination.display();
        return Err(EngineError::Invalid(messages::duplicate_mount(path)));
    }
    points.push(point);
    Ok(())
}

/// What the third part of a bind says.
#[derive(Default)]
struct Mode {
    read_only: bool,
    no_copy: bool,
    propagation: Propagation,
}

/// `None`: no mode. Each kind of word may come once.
fn parse_mode(mode: &str) -> Option<Mode> {
    let mut parsed = Mode::default();
    let mut seen = [0; 5];
    for word in mode.split(',') {
        let kind = match word {
            "" => return None,
            "ro" => {
                parsed.read_only = true;
                0
            }
            "rw" => 0,
            "z" | "Z" => 1,
            "nocopy" => {
                parsed.no_copy = true;
                2
            }
            "consistent" | "cached" | "delegated" | "default" => 3,
            _ => {
                parsed.propagation = word.parse().ok()?;
                4
            }
        };
        seen[kind] += 1;
    }
    seen.iter().all(|count| *count <= 1).then_some(parsed)
}

/// Whether the mode of a `--volumes-from` is read-only; `None`: no such mode.
pub(super) fn read_only_of_others(mode: &str) -> Option<bool> {
    let parsed = match mode {
        "" => Mode::default(),
        mode => parse_mode(mode)?,
    };
    let of_own_mounts = parsed.no_copy || parsed.propagation != Propagation::Unset;
    (!of_own_mounts).then_some(parsed.read_only)
}

/// `source:target[:mode]`, `target`.
fn parse_bind(spec: &str, volume_driver: &str) -> Result<MountPoint> {
    let invalid = || EngineError::Failed(messages::invalid_volume(spec));
    let because =
        |reason: String| EngineError::Failed(messages::invalid_volume_because(spec, reason));
    let parts: Vec<&str> = spec.split(':').collect();
    let (source, target, mode) = match parts[..] {
        [target] if !target.is_empty() => ("", target, ""),
        [_, second] if !second.is_empty() && parse_mode(second).is_some() => return Err(invalid()),
        [source, target] if !source.is_empty() && !target.is_empty() => (source, target, ""),
        [source, target, mode] if !source.is_empty() && !target.is_empty() => {
            (source, target, mode)
        }
        _ => return Err(invalid()),
    };
    let parsed = match mode {
        "" => Mode::default(),
        _ => parse_mode(mode).ok_or_else(|| EngineError::Failed(messages::invalid_mode(mode)))?,
    };
    let kind = if source.starts_with('/') {
        MountKind::Bind
    } else {
        MountKind::Volume
    };
    check_target(target)
        .map_err(|reason| because(messages::invalid_mount(kind, reason).to_string()))?;
    let foreign = match kind {
        MountKind::Volume => (parsed.propagation != Propagation::Unset).then_some("BindOptions"),
        _ => parsed.no_copy.then_some("VolumeOptions"),
    };
    if let Some(field) = foreign {
        let reason = format!("field {field} must not be specified");
        return Err(because(messages::invalid_mount(kind, reason).to_string()));
    }
    let point = MountPoint {
        destination: clean(target),
        rw: !parsed.read_only,
        ..MountPoint::default()
    };
    Ok(match kind {
        MountKind::Bind => MountPoint {
            kind,
            source: clean(source),
            mode: mode.to_owned(),
            propagation: match parsed.propagation {
                Propagation::Unset => Propagation::Rprivate,
                asked => asked,
            },
            create_source: true,
            ..point
        },
        _ => MountPoint {
            kind,
            name: source.to_owned(),
            driver: volume_driver.to_owned(),
            mode: if mode.is_empty() {
                "z".to_owned()
            } else {
                mode.to_owned()
            },
            copy_up: !parsed.no_copy,
            anonymous: source.is_empty(),
            ..point
        },
    })
}

/// One of `HostConfig.Mounts`.
fn parse_request(request: &MountRequest) -> Result<MountPoint> {
    let kind = request.kind;
    let invalid = |reason: &str| EngineError::Invalid(messages::invalid_mount(kind, reason));
    let foreign = [
        (
            MountKind::Bind,
            "BindOptions",
            request.bind_options.is_some(),
        ),
        (
            MountKind::Volume,
            "VolumeOptions",
            request.volume_options.is_some(),
        ),
        (
            MountKind::Tmpfs,
            "TmpfsOptions",
            request.tmpfs_options.is_some(),
        ),
        (
            MountKind::Image,
            "ImageOptions",
            request.image_options.is_some(),
        ),
    ];
    for (owner, options, given) in foreign {
        if given && owner != kind {
            return Err(EngineError::Invalid(messages::options_of_other_kind(
                options, kind,
            )));
        }
    }
    if matches!(kind, MountKind::Npipe | MountKind::Cluster) {
        return Err(EngineError::Invalid(messages::unknown_mount_type(kind)));
    }
    if request.target.is_empty() {
        return Err(invalid("field Target must not be empty"));
    }
    check_target(&request.target).map_err(|reason| invalid(&reason))?;
    let mut point = MountPoint {
        kind,
        destination: clean(&request.target),
        rw: !request.read_only,
        request: Some(request.clone()),
        ..MountPoint::default()
    };
    match kind {
        MountKind::Bind => {
            let options = request.bind_options.clone().unwrap_or_default();
            if request.source.is_empty() {
                return Err(invalid("field Source must not be empty"));
            }
            if !request.source.starts_with('/') {
                let reason = format!(
                    "invalid mount path: '{}' mount path must be absolute",
                    request.source
                );
                return Err(invalid(&reason));
            }
            if !options.create_mountpoint && !Path::new(&request.source).exists() {
                let path = &request.source;
                return Err(EngineError::Invalid(messages::mount_source_missing(path)));
            }
            if let Some(map) = &options.id_map {
                check_id_map(map).map_err(|reason| invalid(&reason))?;
            }
            point.source = clean(&request.source);
            point.create_source = options.create_mountpoint;
            point.propagation = match options.propagation {
                Propagation::Unset => Propagation::Rprivate,
                asked => asked,
            };
        }
        MountKind::Volume => {
            let options = request.volume_options.clone().unwrap_or_default();
            if options.subpath.starts_with('/') || options.subpath.split('/').any(|it| it == "..") {
                return Err(invalid("subpath must be a relative path within the volume"));
            }
            if request.source.is_empty() && !options.subpath.is_empty() {
                return Err(invalid("must not set Subpath when using anonymous volumes"));
            }
            point.name = request.source.clone();
            point.driver = options.driver_name;
            point.mode = "z".to_owned();
            point.copy_up = !options.no_copy;
            point.anonymous = request.source.is_empty();
        }
        MountKind::Image => {
            if request.source.is_empty() {
                return Err(invalid("field Source must not be empty"));
            }
            let options = request.image_options.clone().unwrap_or_default();
            if options.subpath.starts_with('/') || options.subpath.split('/').any(|it| it == "..") {
                return Err(invalid("subpath must be a relative path within the volume"));
            }
            point.name = request.source.clone();
            point.rw = false;
            point.propagation = Propagation::Rprivate;
        }
        MountKind::Tmpfs => {
            check_tmpfs_options(request).map_err(|reason| invalid(&reason))?;
            if !request.source.is_empty() {
                return Err(invalid("field Source must not be specified"));
            }
        }
        // Refused above.
        MountKind::Npipe | MountKind::Cluster => {}
    }
    Ok(point)
}

/// The kernel's own limits, user_namespaces(7), told before it answers EINVAL.
fn check_id_map(map: &IdMap) -> std::result::Result<(), String> {
    for ranges in [&map.uids, &map.gids] {
        if ranges.is_empty() {
            return Err("IDMap needs ranges of users and of groups".to_owned());
        }
        if ranges.len() > ID_RANGES_MAX {
            return Err(format!("IDMap has more than {ID_RANGES_MAX} ranges"));
        }
        for (index, range) in ranges.iter().enumerate() {
            let ends = [range.container, range.host].map(|it| it.checked_add(range.size));
            if range.size == 0 || ends.contains(&None) {
                return Err("IDMap has an empty range or one beyond the last ID".to_owned());
            }
            let overlap = |a: u32, b: u32, other: &IdRange| {
                u64::from(a) < u64::from(b) + u64::from(other.size)
                    && u64::from(b) < u64::from(a) + u64::from(range.size)
            };
            if ranges[..index].iter().any(|it| {
                overlap(range.container, it.container, it) || overlap(range.host, it.host, it)
            }) {
                return Err("IDMap has ranges that overlap".to_owned());
            }
        }
    }
    Ok(())
}

/// What dockerd 28 lets pass (moby: `volume/mounts`, linux parser).
fn check_tmpfs_options(request: &MountRequest) -> std::result::Result<(), String> {
    let options = request.tmpfs_options.iter();
    for words in options.flat_map(|it| it.options.iter().flatten()) {
        match words.as_slice() {
            [name] | [name, _] if !["exec", "noexec"].contains(&name.as_str()) => {
                return Err(format!("invalid option: {name}"));
            }
            [_] | [_, _] => {}
            _ => return Err("invalid option array length".to_owned()),
        }
    }
    Ok(())
}

fn check_target(target: &str) -> std::result::Result<(), String> {
    if !target.starts_with('/') {
        return Err(format!(
            "invalid mount path: '{target}' mount path must be absolute"
        ));
    }
    if clean(target) == Path::new("/") {
        return Err(messages::mount_at_root().to_string());
    }
    Ok(())
}

/// Go's `filepath.Clean` of an absolute path.
pub(crate) fn clean(path: &str) -> PathBuf {
    let mut cleaned = PathBuf::from("/");
    for part in Path::new(path).components() {
        match part {
            std::path::Component::Normal(part) => cleaned.push(part),
            std::path::Component::ParentDir => {
                cleaned.pop();
            }
            _ => {}
        }
    }
    cleaned
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind(spec: &str) -> Result<MountPoint> {
        parse_bind(spec, "")
    }

    #[test]
    fn binds_are_read_as_docker_reads_them() {
        let point = bind("/tmp:/x/../y:ro,rshared").expect("a bind");
        assert_eq!(point.destination, Path::new("/y"));
        assert_eq!((point.rw, point.propagation), (false, Propagation::Rshared));
        assert!(point.create_source);
        let point = bind("data:/x").expect("a volume");
        assert_eq!(
            (point.kind, point.name.as_str(), point.mode.as_str()),
            (MountKind::Volume, "data", "z")
        );
        assert!(point.copy_up && !point.anonymous);
        assert!(!bind("data:/x:nocopy").expect("a volume").copy_up);
        assert!(bind("/x").expect("an anonymous volume").anonymous);
    }

    #[test]
    fn others_mounts_are_read_only_by_their_mode() {
        let modes = ["", "rw", "ro", "z", "ro,z", "consistent"];
        let read_only = modes.map(|mode| read_only_of_others(mode).expect("a mode"));
        assert_eq!(read_only, [false, false, true, false, true, false]);
        for mode in ["foo", "nocopy", "rshared", "ro,", "ro,rw"] {
            assert_eq!(read_only_of_others(mode), None, "{mode}");
        }
    }

    #[test]
    fn wrong_binds_get_dockers_sentences() {
        for (spec, sentence) in [
            ("/x:", "invalid volume specification: '/x:'"),
            ("/x:rw", "invalid volume specification: '/x:rw'"),
            ("/x:/y:foo", "invalid mode: foo"),
            ("/x:/y:ro,", "invalid mode: ro,"),
            (
                "/x:/",
                "invalid volume specification: '/x:/': invalid mount config for type \"bind\": invalid specification: destination can't be '/'",
            ),
            (
                "/x:y",
                "invalid volume specification: '/x:y': invalid mount config for type \"bind\": invalid mount path: 'y' mount path must be absolute",
            ),
        ] {
            assert_eq!(bind(spec).expect_err("wrong").to_string(), sentence);
        }
    }

    #[test]
    fn long_mounts_are_checked_field_by_field() {
        let request = |kind, source: &str, target: &str| MountRequest {
            kind,
            source: source.into(),
            target: target.into(),
            ..MountRequest::default()
        };
        for (request, sentence) in [
            (
                request(MountKind::Bind, "/nonono", "/x"),
                "invalid mount config for type \"bind\": bind source path does not exist: /nonono",
            ),
            (
                request(MountKind::Bind, "", "/x"),
                "invalid mount config for type \"bind\": field Source must not be empty",
            ),
            (
                request(MountKind::Tmpfs, "/tmp", "/x"),
                "invalid mount config for type \"tmpfs\": field Source must not be specified",
            ),
            (
                request(MountKind::Bind, "/tmp", ""),
                "invalid mount config for type \"bind\": field Target must not be empty",
            ),
        ] {
            assert_eq!(
                parse_request(&request).expect_err("wrong").to_string(),
                sentence
            );
        }
    }

    #[test]
    fn two_mounts_at_one_place_are_refused_and_an_image_volume_yields() {
        let config = ContainerConfig {
            volumes: Some(["/y".to_owned(), "/z".to_owned()].into()),
            ..ContainerConfig::default()
        };
        let with = |binds: &[&str]| HostConfig {
            binds: Some(binds.iter().map(|it| (*it).to_owned()).collect()),
            ..HostConfig::default()
        };
        let points = mount_points(&config, &with(&["/tmp:/y"])).expect("fits");
        assert_eq!(points.len(), 2);
        let error = mount_points(&config, &with(&["/tmp:/y", "/var:/y"])).expect_err("twice");
        assert_eq!(error.to_string(), "Duplicate mount point: /y");
    }
}
