//! The image configuration, whose digest is the image's ID.
//!
//! The bytes of a configuration that came from elsewhere are kept as they are and never
//! written again from these types; new images (commit, import) are written from them.
//! Members nobody here knows are kept in `other`, so that a child image has them too.

use crate::Digest;
use corten_base::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// An image configuration: OCI image-spec 1.1, config, with Docker's members.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// The processor as Go names it.
    #[serde(default, deserialize_with = "null_is_default")]
    pub architecture: String,
    /// The processor's variant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// The operating system as Go names it.
    #[serde(default, deserialize_with = "null_is_default")]
    pub os: String,
    /// Its version (Windows).
    #[serde(
        default,
        rename = "os.version",
        skip_serializing_if = "Option::is_none"
    )]
    pub os_version: Option<String>,
    /// Its features (Windows).
    #[serde(
        default,
        rename = "os.features",
        skip_serializing_if = "Option::is_none"
    )]
    pub os_features: Option<Vec<String>>,
    /// When the image was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Docker: a remark of `commit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Docker: the engine that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docker_version: Option<String>,
    /// Docker: the container it was committed from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Docker: that container's configuration, kept as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_config: Option<Value>,
    /// What a container of this image runs by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<RunConfig>,
    /// The layers.
    #[serde(default)]
    pub rootfs: RootFs,
    /// How each layer came to be, the oldest first.
    #[serde(default, deserialize_with = "null_is_default")]
    pub history: Vec<History>,
    /// Members not named above.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// The layers of an image by the digests of their uncompressed tars.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "type", default = "layers_type")]
    pub kind: String,
    /// The lowest first.
    #[serde(default, deserialize_with = "null_is_default")]
    pub diff_ids: Vec<Digest>,
}

impl Default for RootFs {
    fn default() -> Self {
        Self {
            kind: layers_type(),
            diff_ids: Vec::new(),
        }
    }
}

fn layers_type() -> String {
    "layers".into()
}

/// One step of an image's history.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// Who.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// By which command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// A remark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Whether the step made no layer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty_layer: Option<bool>,
}

/// What a container runs by default: the members of Docker's container configuration
/// that an image may carry.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RunConfig {
    /// `user[:group]`, names or numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Ports such as `80/tcp`.
    #[serde(default, with = "key_set", skip_serializing_if = "Option::is_none")]
    pub exposed_ports: Option<BTreeSet<String>>,
    /// `NAME=value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<Vec<String>>,
    /// The program's leading arguments.
    #[serde(
        default,
        deserialize_with = "text_or_list",
        skip_serializing_if = "Option::is_none"
    )]
    pub entrypoint: Option<Vec<String>>,
    /// The program's remaining arguments, or the program.
    #[serde(
        default,
        deserialize_with = "text_or_list",
        skip_serializing_if = "Option::is_none"
    )]
    pub cmd: Option<Vec<String>>,
    /// Paths that get a volume.
    #[serde(default, with = "key_set", skip_serializing_if = "Option::is_none")]
    pub volumes: Option<BTreeSet<String>>,
    /// The working directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// Labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// The signal that asks the program to end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// Docker: seconds from that signal to SIGKILL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<i64>,
    /// Docker: how health is probed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    /// Docker: instructions for the next build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_build: Option<Vec<String>>,
    /// Docker: the shell of shell-form instructions.
    #[serde(
        default,
        deserialize_with = "text_or_list",
        skip_serializing_if = "Option::is_none"
    )]
    pub shell: Option<Vec<String>>,
    /// Docker (Windows): the command is escaped already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args_escaped: Option<bool>,
    /// Members not named above (`Hostname`, `Image`, `AttachStdin`, …).
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// How health is probed. Durations are nanoseconds; 0 means the engine's default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Healthcheck {
    /// `["NONE"]`, `["CMD", …]` or `["CMD-SHELL", command]`; empty inherits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<Vec<String>>,
    /// Between two probes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub interval: i64,
    /// For one probe.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub timeout: i64,
    /// In which failures do not count.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub start_period: i64,
    /// Between two probes in the start period.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub start_interval: i64,
    /// Failures in a row that make a container unhealthy.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retries: i64,
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

impl ImageConfig {
    /// Parses a configuration.
    pub fn parse(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// The platform the image is made for.
    pub fn platform(&self) -> crate::Platform {
        crate::Platform {
            os: self.os.clone(),
            architecture: self.architecture.clone(),
            variant: self.variant.clone(),
            os_version: self.os_version.clone(),
            os_features: self.os_features.clone(),
        }
    }

    /// The digests of the uncompressed layers, the lowest first.
    pub fn diff_ids(&self) -> &[Digest] {
        &self.rootfs.diff_ids
    }

    /// The labels; none where the image has no run configuration.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        let labels = self
            .config
            .as_ref()
            .and_then(|config| config.labels.as_ref());
        labels
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// The digest that names a stack of layers: that of the first diff ID, then of each
/// chain ID, a space and the next diff ID. OCI image-spec 1.1, config § Layer ChainID.
pub fn chain_id(diff_ids: &[Digest]) -> Option<Digest> {
    let (first, rest) = diff_ids.split_first()?;
    Some(rest.iter().fold(first.clone(), |chain, diff_id| {
        Digest::of(format!("{chain} {diff_id}").as_bytes())
    }))
}

fn null_is_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// Docker reads a lone string as a list of one.
fn text_or_list<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<String>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum TextOrList {
        Text(String),
        List(Vec<String>),
    }
    Ok(
        Option::<TextOrList>::deserialize(deserializer)?.map(|value| match value {
            TextOrList::Text(text) => vec![text],
            TextOrList::List(list) => list,
        }),
    )
}

/// A set written as an object with empty objects as values.
mod key_set {
    use serde::{Deserialize, Deserializer, Serializer, de::IgnoredAny, ser::SerializeMap};
    use std::collections::{BTreeMap, BTreeSet};

    #[derive(serde::Serialize)]
    struct Empty {}

    pub fn serialize<S: Serializer>(
        set: &Option<BTreeSet<String>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let Some(set) = set else {
            return serializer.serialize_none();
        };
        let mut map = serializer.serialize_map(Some(set.len()))?;
        for key in set {
            map.serialize_entry(key, &Empty {})?;
        }
        map.end()
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<BTreeSet<String>>, D::Error> {
        let map = Option::<BTreeMap<String, IgnoredAny>>::deserialize(deserializer)?;
        Ok(map.map(|map| map.into_keys().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_nobody_knows_is_the_same_however_often_it_is_written() {
        let long = br#"{"a":5555557777777777777777777777777777777777777777777777777775555}"#;
        let first = serde_json::to_string(&ImageConfig::parse(long).unwrap()).unwrap();
        let again = ImageConfig::parse(first.as_bytes()).unwrap();
        assert_eq!(serde_json::to_string(&again).unwrap(), first);
    }

    #[test]
    fn dockers_members_and_unknown_ones_survive_a_round_trip() {
        let text = r#"{"architecture":"amd64","config":{"AttachStdin":false,"Cmd":["sh"],"Entrypoint":null,
            "Env":["A=b"],"ExposedPorts":{"80/tcp":{}},"Healthcheck":{"Test":["CMD","x"],"Interval":5},
            "OnBuild":["RUN x"],"Shell":["/bin/bash","-c"],"Volumes":null,"Vendor":{"deep":[1]}},
            "created":"2024-01-02T03:04:05.6Z","docker_version":"28.5.2","history":null,"os":"linux",
            "rootfs":{"type":"layers","diff_ids":null},"moby.buildkit.cache.v0":"x"}"#;
        let config = ImageConfig::parse(text.as_bytes()).unwrap();
        let run = config.config.clone().unwrap();
        assert_eq!(run.cmd.as_deref(), Some(&["sh".to_owned()][..]));
        assert_eq!(run.healthcheck.as_ref().unwrap().interval, 5);
        assert!(run.exposed_ports.unwrap().contains("80/tcp"));
        let written: Value = serde_json::to_value(&config).unwrap();
        assert_eq!(written["moby.buildkit.cache.v0"], "x");
        assert_eq!(written["config"]["Vendor"]["deep"][0], 1);
        assert_eq!(written["config"]["AttachStdin"], false);
        assert_eq!(
            written["config"]["ExposedPorts"]["80/tcp"],
            serde_json::json!({})
        );
        assert_eq!(
            ImageConfig::parse(written.to_string().as_bytes()).unwrap(),
            config
        );
    }

    #[test]
    fn a_command_may_be_a_lone_string_and_wrong_types_are_errors() {
        let config = ImageConfig::parse(br#"{"config":{"Cmd":"sh"}}"#).unwrap();
        assert_eq!(config.config.unwrap().cmd, Some(vec!["sh".to_owned()]));
        for text in [
            "",
            "[]",
            r#"{"os":1}"#,
            r#"{"rootfs":{"diff_ids":["sha256:../x"]}}"#,
        ] {
            assert!(ImageConfig::parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn the_chain_id_of_one_layer_is_its_diff_id() {
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        assert_eq!(chain_id(&[]), None);
        assert_eq!(chain_id(std::slice::from_ref(&a)), Some(a.clone()));
        let two = Digest::of(format!("{a} {b}").as_bytes());
        assert_eq!(chain_id(&[a, b]), Some(two));
    }
}
