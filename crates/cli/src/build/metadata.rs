//! `--metadata-file`: what is told of a build to programs, and how its result came about.

use super::raw_json;
use crate::{app, error::CliError};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use corten_client::{
    Client, ClientError,
    build::{
        BlobDescriptor, BuildHistoryEvent, BuildHistoryRecord, BuildHistoryRequest, Solved,
        StatusResponse, Timestamp, Vertex,
    },
};
use corten_oci::Digest;
use serde_json::{Map, Value};
use tokio::sync::mpsc::Sender;

/// The step in which it is asked for.
const STEP: &str = "resolving provenance for metadata file";
/// The member of the document.
const MEMBER: &str = "buildx.build.provenance";
const PREDICATE: &str = "in-toto.io/predicate-type";
const PROVENANCE: &str = "https://slsa.dev/provenance/";

/// How much of a provenance the file gets (`BUILDX_METADATA_PROVENANCE`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provenance {
    /// What the result is made of, and who asked for what.
    Min,
    /// The steps and their lines, too.
    Max,
}

impl Provenance {
    /// What the environment wants; none where it wants none.
    pub fn wanted() -> Option<Self> {
        let text = app::environment("BUILDX_METADATA_PROVENANCE");
        match text.as_deref() {
            Some("max") => Some(Self::Max),
            Some("disabled") => None,
            Some(text) if corten_bake::truth(text) == Some(false) => None,
            _ => Some(Self::Min),
        }
    }

    /// Asks the engine for what it keeps of a build, and puts it among the answers.
    ///
    /// # Errors
    /// The engine's.
    pub async fn resolve(
        self,
        client: &Client,
        solved: &mut Solved,
        told: &Sender<StatusResponse>,
    ) -> Result<(), ClientError> {
        let mut step = Vertex {
            digest: Digest::of(solved.reference.as_bytes()).to_string(),
            name: STEP.into(),
            started: Some(now()),
            ..Vertex::default()
        };
        tell(told, &step).await;
        let found = self.found(client, &solved.reference).await;
        step.completed = Some(now());
        if let Err(error) = &found {
            step.error = error.to_string();
        }
        tell(told, &step).await;
        solved.answer.extend(found?);
        Ok(())
    }

    async fn found(
        self,
        client: &Client,
        reference: &str,
    ) -> Result<Vec<(String, String)>, ClientError> {
        let mut control = client.control().await?;
        let request = BuildHistoryRequest {
            reference: reference.to_owned(),
            early_exit: true,
            ..BuildHistoryRequest::default()
        };
        let mut records = Vec::new();
        let each = |event: BuildHistoryEvent| records.extend(event.record);
        control.list("ListenBuildHistory", &request, each).await?;
        let mut found = Vec::new();
        for (key, blob) in records.iter().flat_map(provenances) {
            let bytes = control.blob(&blob.digest).await?;
            let document: Value = serde_json::from_slice(&bytes).unwrap_or_default();
            let text = self.of(document).to_string();
            found.push((key, STANDARD.encode(text)));
        }
        Ok(found)
    }

    /// As much of the predicate as is wanted, in either of its versions.
    fn of(self, mut predicate: Value) -> Value {
        if self == Self::Max {
            return predicate;
        }
        for (place, member) in [
            ("", "buildConfig"),
            ("", "metadata"),
            ("/buildDefinition/internalParameters", "buildConfig"),
            ("/runDetails", "metadata"),
        ] {
            let at = predicate.pointer_mut(place).and_then(Value::as_object_mut);
            at.map(|it| it.remove(member));
        }
        predicate
    }
}

/// The provenances of a record, by the members that they become.
fn provenances(record: &BuildHistoryRecord) -> Vec<(String, &BlobDescriptor)> {
    let single = record.result.iter().map(|it| (MEMBER.to_owned(), it));
    let several = record.results.iter();
    let several = several.map(|(platform, it)| (format!("{MEMBER}/{platform}"), it));
    let all = single.chain(several).filter_map(|(key, info)| {
        let is_provenance = |it: &&BlobDescriptor| {
            let kind = it.annotations.get(PREDICATE);
            kind.is_some_and(|kind| kind.starts_with(PROVENANCE))
        };
        Some((key, info.attestations.iter().find(is_provenance)?))
    });
    all.collect()
}

fn now() -> Timestamp {
    let now = jiff::Timestamp::now();
    Timestamp {
        seconds: now.as_second(),
        nanos: now.subsec_nanosecond(),
    }
}

async fn tell(told: &Sender<StatusResponse>, step: &Vertex) {
    let message = StatusResponse {
        vertexes: vec![step.clone()],
        ..StatusResponse::default()
    };
    // Nobody looks on: nothing to tell.
    let _ = told.send(message).await;
}

/// The document. Answers that are documents themselves, in base64, stand there as such.
pub fn document(solved: &Solved) -> Value {
    let mut document = Map::new();
    for (key, value) in &solved.answer {
        document.insert(key.clone(), shown(key, value));
    }
    let reference = format!("default/default/{}", solved.reference);
    document.insert("buildx.build.ref".into(), reference.into());
    document.into()
}

/// What the checks of these builds found, each thing once, where the environment wants it
/// (`BUILDX_METADATA_WARNINGS`): the member and its value.
pub fn warnings<'a>(solved: impl IntoIterator<Item = &'a Solved>) -> Option<(String, Value)> {
    let wanted = app::environment("BUILDX_METADATA_WARNINGS");
    if wanted.and_then(|text| corten_bake::truth(&text)) != Some(true) {
        return None;
    }
    let mut list: Vec<Value> = Vec::new();
    for warning in solved.into_iter().flat_map(|it| &it.warnings) {
        let shown = raw_json::warning(warning);
        if !list.contains(&shown) {
            list.push(shown);
        }
    }
    let found = !list.is_empty();
    found.then(|| ("buildx.build.warnings".to_owned(), list.into()))
}

fn shown(key: &str, text: &str) -> Value {
    let decoded = match key {
        "result.json" => Some(text.as_bytes().to_vec()),
        _ => STANDARD.decode(text).ok(),
    };
    let value = decoded.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    let is_document = |value: &Value| match value {
        Value::Object(members) => !members.is_empty(),
        Value::Array(list) => !list.is_empty() && list.iter().all(Value::is_object),
        _ => false,
    };
    value
        .filter(is_document)
        .unwrap_or_else(|| text.to_owned().into())
}

/// Writes the file.
pub(super) fn write(path: &str, solved: &Solved) -> Result<(), CliError> {
    let mut document = document(solved);
    if let Some((member, list)) = warnings([solved]) {
        document[member] = list;
    }
    std::fs::write(path, format!("{document:#}"))
        .map_err(|error| CliError::Text(format!("{path}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn little_of_a_provenance_has_neither_steps_nor_times() {
        let v02 = json!({"buildConfig": {"a": 1}, "metadata": {}, "materials": []});
        assert_eq!(Provenance::Min.of(v02.clone()), json!({"materials": []}));
        assert_eq!(Provenance::Max.of(v02.clone()), v02);
        let v1 = json!({
            "buildDefinition": {"internalParameters": {"buildConfig": 1, "builderPlatform": "p"}},
            "runDetails": {"builder": {}, "metadata": {}},
        });
        let little = json!({
            "buildDefinition": {"internalParameters": {"builderPlatform": "p"}},
            "runDetails": {"builder": {}},
        });
        assert_eq!(Provenance::Min.of(v1), little);
    }

    #[test]
    fn answers_that_are_documents_are_shown_as_such() {
        let encoded = STANDARD.encode(r#"{"digest":"x"}"#);
        assert_eq!(
            shown("containerimage.descriptor", &encoded),
            json!({"digest": "x"})
        );
        assert_eq!(shown("image.name", "bGlnaHQ="), json!("bGlnaHQ="));
        assert_eq!(shown("result.json", "{\"a\":1}"), json!({"a": 1}));
        let number = STANDARD.encode("1");
        assert_eq!(shown("x", &number), json!(number));
    }
}
