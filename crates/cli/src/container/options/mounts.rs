//! `-v`, `--mount` and `--tmpfs`.

use super::{devices::csv, id_map};
use crate::flags::parse_bool;
use corten_api::container::{
    BindOptions, ImageOptions, Mount, TmpfsOptions, VolumeDriverConfig, VolumeOptions,
};
use corten_base::text;

/// Reads one `--mount`.
pub fn parse(value: &str) -> Result<Mount, String> {
    let mut mount = Mount {
        r#type: "volume".into(),
        ..Mount::default()
    };
    for field in csv(value)? {
        let (key, field_value) = match field.split_once('=') {
            Some((key, value)) => (key.to_ascii_lowercase(), Some(value)),
            None => (field.to_ascii_lowercase(), None),
        };
        let Some(text) = field_value else {
            match key.as_str() {
                "readonly" | "ro" => mount.read_only = true,
                "volume-nocopy" => volume(&mut mount).no_copy = true,
                "bind-nonrecursive" => bind(&mut mount).non_recursive = true,
                "bind-create-src" => bind(&mut mount).create_mountpoint = true,
                "bind-idmap" | "idmap" => bind(&mut mount).id_map = Some(id_map::caller()),
                _ => return Err(format!("invalid field '{field}' must be a key=value pair")),
            }
            continue;
        };
        let truth = || parse_bool(text).ok_or_else(|| format!("invalid value for {key}: {text}"));
        match key.as_str() {
            "type" => mount.r#type = text.to_ascii_lowercase(),
            "source" | "src" => {
                mount.source = if text == "." || text.starts_with("./") {
                    absolute(text)?
                } else {
                    text.to_owned()
                };
            }
            "target" | "dst" | "destination" => mount.target = text.to_owned(),
            "readonly" | "ro" => mount.read_only = truth()?,
            "consistency" => mount.consistency = text.to_ascii_lowercase(),
            "bind-propagation" => bind(&mut mount).propagation = text.to_ascii_lowercase(),
            "bind-nonrecursive" => bind(&mut mount).non_recursive = truth()?,
            "bind-create-src" => bind(&mut mount).create_mountpoint = truth()?,
            "bind-recursive" => recursive(&mut mount, text)?,
            "bind-idmap" | "idmap" => bind(&mut mount).id_map = Some(id_map::parse(text)?),
            "volume-subpath" => volume(&mut mount).subpath = text.to_owned(),
            "volume-nocopy" => volume(&mut mount).no_copy = truth()?,
            "volume-label" => {
                volume(&mut mount)
                    .labels
                    .extend([super::environment::pair(text)]);
            }
            "volume-driver" => driver(&mut mount).name = text.to_owned(),
            "volume-opt" => {
                driver(&mut mount)
                    .options
                    .extend([super::environment::pair(text)]);
            }
            "image-subpath" => {
                mount
                    .image_options
                    .get_or_insert_with(ImageOptions::default)
                    .subpath = text.to_owned();
            }
            "tmpfs-size" => {
                tmpfs(&mut mount).size_bytes = text::parse_ram_bytes(text)
                    .ok_or_else(|| format!("invalid value for {key}: {text}"))?;
            }
            "tmpfs-mode" => {
                tmpfs(&mut mount).mode = u32::from_str_radix(text, 8)
                    .map_err(|_| format!("invalid value for {key}: {text}"))?;
            }
            _ => return Err(format!("unexpected key '{key}' in '{field}'")),
        }
    }
    fits(&mount)?;
    Ok(mount)
}

fn fits(mount: &Mount) -> Result<(), String> {
    if mount.r#type.is_empty() {
        return Err("type is required".into());
    }
    if mount.target.is_empty() {
        return Err("target is required".into());
    }
    let mixed = |options: &str| {
        Err(format!(
            "cannot mix '{options}-*' options with mount type '{}'",
            mount.r#type
        ))
    };
    if mount.volume_options.is_some() && mount.r#type != "volume" {
        return mixed("volume");
    }
    if mount.bind_options.is_some() && mount.r#type != "bind" {
        return mixed("bind");
    }
    if mount.tmpfs_options.is_some() && mount.r#type != "tmpfs" {
        return mixed("tmpfs");
    }
    if mount.image_options.is_some() && mount.r#type != "image" {
        return mixed("image");
    }
    if let Some(bind) = &mount.bind_options {
        if bind.read_only_non_recursive && !mount.read_only {
            return Err("option 'bind-recursive=writable' requires 'readonly' to be specified in conjunction".into());
        }
        if bind.read_only_force_recursive && !mount.read_only {
            return Err("option 'bind-recursive=readonly' requires 'readonly' to be specified in conjunction".into());
        }
        if bind.read_only_force_recursive && bind.propagation != "rprivate" {
            return Err("option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' to be specified in conjunction".into());
        }
    }
    Ok(())
}

fn recursive(mount: &mut Mount, value: &str) -> Result<(), String> {
    match value {
        "enabled" => {}
        "disabled" => bind(mount).non_recursive = true,
        "writable" => bind(mount).read_only_non_recursive = true,
        "readonly" => bind(mount).read_only_force_recursive = true,
        other => {
            return Err(format!(
                "invalid value for bind-recursive: {other} (must be \"enabled\", \"disabled\", \"writable\", or \"readonly\")"
            ));
        }
    }
    Ok(())
}

fn bind(mount: &mut Mount) -> &mut BindOptions {
    mount.bind_options.get_or_insert_with(BindOptions::default)
}

fn volume(mount: &mut Mount) -> &mut VolumeOptions {
    mount
        .volume_options
        .get_or_insert_with(VolumeOptions::default)
}

fn driver(mount: &mut Mount) -> &mut VolumeDriverConfig {
    volume(mount)
        .driver_config
        .get_or_insert_with(VolumeDriverConfig::default)
}

fn tmpfs(mount: &mut Mount) -> &mut TmpfsOptions {
    mount
        .tmpfs_options
        .get_or_insert_with(TmpfsOptions::default)
}

/// What one `-v` asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Volume {
    /// A path in the container: an anonymous volume.
    Anonymous(String),
    /// `source:target[:mode]`, with a relative source made absolute.
    Bind(String),
}

/// Reads one `-v`; the engine checks the rest.
pub fn short(value: &str) -> Result<Volume, String> {
    let Some((source, rest)) = value.split_once(':') else {
        return Ok(Volume::Anonymous(value.to_owned()));
    };
    if source == "." || source.starts_with("./") || source.starts_with("../") || source == ".." {
        return Ok(Volume::Bind(format!("{}:{rest}", absolute(source)?)));
    }
    Ok(Volume::Bind(value.to_owned()))
}

/// A path below the working directory, without `.` and `..`, symbolic links as they are.
pub fn absolute(path: &str) -> Result<String, String> {
    let base = std::env::current_dir().map_err(|error| format!("getwd: {error}"))?;
    let mut parts: Vec<String> = Vec::new();
    for part in base.join(path).components() {
        match part {
            std::path::Component::ParentDir => {
                parts.pop();
            }
            std::path::Component::Normal(name) => parts.push(name.to_string_lossy().into_owned()),
            _ => {}
        }
    }
    Ok(format!("/{}", parts.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_read_or_refused_with_the_reason() {
        let mount = parse("type=bind,src=/a,dst=/b,ro,bind-propagation=rslave").unwrap();
        assert_eq!(
            (
                mount.source.as_str(),
                mount.target.as_str(),
                mount.read_only
            ),
            ("/a", "/b", true)
        );
        assert_eq!(mount.bind_options.unwrap().propagation, "rslave");
        let mount = parse("type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=1770").unwrap();
        assert_eq!(mount.tmpfs_options.unwrap().mode, 0o1770);
        for (text, why) in [
            ("type=bind", "target is required"),
            ("foo", "invalid field 'foo' must be a key=value pair"),
            ("foo=1,target=/x", "unexpected key 'foo' in 'foo=1'"),
            (
                "type=bind,target=/x,tmpfs-size=1",
                "cannot mix 'tmpfs-*' options with mount type 'bind'",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err(), why);
        }
    }

    #[test]
    fn a_relative_source_of_v_becomes_absolute() {
        let here = std::env::current_dir().unwrap().display().to_string();
        assert_eq!(
            short(".:/app").unwrap(),
            Volume::Bind(format!("{here}:/app"))
        );
        assert_eq!(short("/data").unwrap(), Volume::Anonymous("/data".into()));
        assert_eq!(
            short("vol:/data:ro").unwrap(),
            Volume::Bind("vol:/data:ro".into())
        );
    }
}
