//! Documents of the image specification as Go's encoder writes their structs: the known
//! members in the structs' order, empty ones left out where the structs say so.
//!
//! Specification: image-spec 1.1, `specs-go/v1`.

use crate::output::Json;

/// A member of a struct.
pub struct Member {
    key: &'static str,
    kind: Kind,
    /// Written even if it is empty.
    always: bool,
}

enum Kind {
    Text,
    Number,
    Flag,
    List,
    /// With sorted keys.
    Map,
    Time,
    Inner(&'static [Member]),
    Each(&'static [Member]),
}

const fn always(key: &'static str, kind: Kind) -> Member {
    Member {
        key,
        kind,
        always: true,
    }
}

const fn maybe(key: &'static str, kind: Kind) -> Member {
    Member {
        key,
        kind,
        always: false,
    }
}

const PLATFORM: &[Member] = &[
    always("architecture", Kind::Text),
    always("os", Kind::Text),
    maybe("os.version", Kind::Text),
    maybe("os.features", Kind::List),
    maybe("variant", Kind::Text),
];

/// What a descriptor has.
pub const DESCRIPTOR: &[Member] = &[
    always("mediaType", Kind::Text),
    always("digest", Kind::Text),
    always("size", Kind::Number),
    maybe("urls", Kind::List),
    maybe("annotations", Kind::Map),
    maybe("data", Kind::Text),
    maybe("platform", Kind::Inner(PLATFORM)),
    maybe("artifactType", Kind::Text),
];

/// What an index has.
pub const INDEX: &[Member] = &[
    always("schemaVersion", Kind::Number),
    maybe("mediaType", Kind::Text),
    maybe("artifactType", Kind::Text),
    always("manifests", Kind::Each(DESCRIPTOR)),
    maybe("subject", Kind::Inner(DESCRIPTOR)),
    maybe("annotations", Kind::Map),
];

/// What is shown of an index, with its own digest and size.
pub const SHOWN_INDEX: &[Member] = &[
    always("schemaVersion", Kind::Number),
    maybe("mediaType", Kind::Text),
    always("digest", Kind::Text),
    always("size", Kind::Number),
    always("manifests", Kind::Each(DESCRIPTOR)),
    maybe("annotations", Kind::Map),
];

const CONFIG: &[Member] = &[
    maybe("User", Kind::Text),
    maybe("ExposedPorts", Kind::Map),
    maybe("Env", Kind::List),
    maybe("Entrypoint", Kind::List),
    maybe("Cmd", Kind::List),
    maybe("Volumes", Kind::Map),
    maybe("WorkingDir", Kind::Text),
    maybe("Labels", Kind::Map),
    maybe("StopSignal", Kind::Text),
    maybe("ArgsEscaped", Kind::Flag),
];

const ROOTFS: &[Member] = &[always("type", Kind::Text), always("diff_ids", Kind::List)];

const HISTORY: &[Member] = &[
    maybe("created", Kind::Time),
    maybe("created_by", Kind::Text),
    maybe("author", Kind::Text),
    maybe("comment", Kind::Text),
    maybe("empty_layer", Kind::Flag),
];

/// What an image's configuration has.
pub const IMAGE: &[Member] = &[
    maybe("created", Kind::Time),
    maybe("author", Kind::Text),
    always("architecture", Kind::Text),
    always("os", Kind::Text),
    maybe("os.version", Kind::Text),
    maybe("os.features", Kind::List),
    maybe("variant", Kind::Text),
    always("config", Kind::Inner(CONFIG)),
    always("rootfs", Kind::Inner(ROOTFS)),
    maybe("history", Kind::Each(HISTORY)),
];

/// `json` as a struct of these members.
pub fn shaped(json: &Json, members: &[Member]) -> Json {
    let shown = members.iter().filter_map(|member| {
        let value = json.get(member.key).and_then(|it| member.kind.value(it));
        let value = value.or_else(|| member.always.then(|| member.kind.zero(json, member.key)));
        Some((member.key.to_owned(), value?))
    });
    Json::Object(shown.collect())
}

impl Kind {
    /// The value, unless it is empty or of another kind.
    fn value(&self, json: &Json) -> Option<Json> {
        match (self, json) {
            (Self::Text, Json::Text(it)) if !it.is_empty() => Some(json.clone()),
            (Self::Number, Json::Int(it)) if *it != 0 => Some(json.clone()),
            (Self::Number, Json::Uint(_) | Json::Float(_)) => Some(json.clone()),
            (Self::Flag, Json::Bool(true)) => Some(json.clone()),
            (Self::List, Json::List(it)) if !it.is_empty() => Some(json.clone()),
            (Self::Map, Json::Object(it)) if !it.is_empty() => Some(sorted(json)),
            (Self::Time, Json::Text(it)) if !it.is_empty() => Some(time(it).into()),
            (Self::Inner(members), Json::Object(_)) => Some(shaped(json, members)),
            (Self::Each(members), Json::List(it)) if !it.is_empty() => Some(Json::List(
                it.iter().map(|it| shaped(it, members)).collect(),
            )),
            _ => None,
        }
    }

    /// What an empty member is written as.
    fn zero(&self, json: &Json, key: &str) -> Json {
        match self {
            Self::Text | Self::Time => Json::Text(String::new()),
            Self::Number => Json::Int(0),
            Self::Flag => Json::Bool(false),
            Self::List | Self::Each(_) => match json.get(key) {
                Some(Json::List(_)) => Json::List(Vec::new()),
                _ => Json::Null,
            },
            Self::Map => Json::Null,
            Self::Inner(members) => shaped(&Json::Null, members),
        }
    }
}

/// With the keys of all objects in order, and numbers as Go decodes them where it knows no
/// better type.
pub fn sorted(json: &Json) -> Json {
    match json {
        Json::Object(members) => {
            let mut members: Vec<(String, Json)> = members
                .iter()
                .map(|(key, value)| (key.clone(), sorted(value)))
                .collect();
            members.sort_by(|a, b| a.0.cmp(&b.0));
            Json::Object(members)
        }
        Json::List(items) => Json::List(items.iter().map(sorted).collect()),
        Json::Int(it) => Json::Float(*it as f64),
        Json::Uint(it) => Json::Float(*it as f64),
        other => other.clone(),
    }
}

/// RFC 3339 without zeros at the end of the fraction.
fn time(text: &str) -> String {
    let Some((whole, rest)) = text.split_once('.') else {
        return text.to_owned();
    };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (fraction, zone) = rest.split_at(digits);
    match fraction.trim_end_matches('0') {
        "" => format!("{whole}{zone}"),
        fraction => format!("{whole}.{fraction}{zone}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_structs_do_not_know_is_dropped_and_what_they_must_have_is_there() {
        let given = r#"{"os":"linux","extra":1,"created":"2026-01-02T03:04:05.100Z","history":[],
            "config":{"Healthcheck":{},"Labels":{"z":"1","a":"<"},"Cmd":null}}"#;
        let json = serde_json::from_str(given).unwrap();
        assert_eq!(
            shaped(&json, IMAGE).compact(true),
            r#"{"created":"2026-01-02T03:04:05.1Z","architecture":"","os":"linux","config":{"Labels":{"a":"\u003c","z":"1"}},"rootfs":{"type":"","diff_ids":null}}"#
        );
    }
}
