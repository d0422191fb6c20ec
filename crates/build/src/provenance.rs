//! How a result came about, as a SLSA provenance predicate in BuildKit's form.
//!
//! Sources: <https://slsa.dev/spec/v1.0/provenance>, <https://slsa.dev/provenance/v0.2>,
//! moby/buildkit `docs/attestations/slsa-definitions.md`.

use crate::{BuildResult, materials::redacted};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use corten_base::Timestamp;
use corten_images::{Attestation, StepLayers};
use corten_oci::Platform;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Which version of the predicate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Slsa {
    /// `https://slsa.dev/provenance/v0.2`
    V02,
    /// `https://slsa.dev/provenance/v1`
    #[default]
    V1,
}

/// What is asked of a provenance.
#[derive(Debug, Clone, Default)]
pub struct ProvenanceRequest {
    /// Build arguments, labels, the Dockerfile and every step, too.
    pub max: bool,
    /// The form.
    pub version: Slsa,
    /// The user says that the build can be repeated.
    pub reproducible: bool,
    /// Who builds, as the user says.
    pub builder_id: String,
}

/// The call that the build was.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The client's name for it.
    pub id: String,
    /// When it began.
    pub started: Timestamp,
    /// The front end's options as the client gave them.
    pub options: BTreeMap<String, String>,
}

/// Options that say something about this machine or this call alone.
const PRIVATE: [&str; 6] = [
    "cgroup-parent",
    "image-resolve-mode",
    "platform",
    "cache-imports",
    "contextkey",
    "dockerfilekey",
];

impl BuildResult {
    /// The predicate about this result.
    pub fn provenance(&self, asked: &ProvenanceRequest, call: &Invocation) -> Attestation {
        let told = Told::new(self, asked, call);
        let (name, predicate) = match asked.version {
            Slsa::V1 => ("v1", told.v1()),
            Slsa::V02 => ("v0.2", told.v02()),
        };
        Attestation {
            predicate_type: format!("https://slsa.dev/provenance/{name}"),
            predicate,
            step_layers: self.step_layers(asked),
        }
    }

    /// Which steps the layers are of.
    fn step_layers(&self, asked: &ProvenanceRequest) -> Option<StepLayers> {
        let chain = &self.materials.chain;
        // A directory of the client as the bottom has as many layers as it likes.
        let complete = chain.last()?.1 == self.layers.len();
        let outputs = chain.iter().map(|(place, layers)| {
            // The one output that such steps have.
            (format!("step{place}:0"), *layers)
        });
        (asked.max && complete).then(|| StepLayers {
            at: match asked.version {
                Slsa::V1 => "/runDetails/metadata/buildkit_metadata",
                Slsa::V02 => "/metadata/https:~1~1mobyproject.org~1buildkit@v1#metadata",
            },
            outputs: outputs.collect(),
        })
    }
}

/// What either form tells.
struct Told<'a> {
    asked: &'a ProvenanceRequest,
    call: &'a Invocation,
    uri: Option<String>,
    digest: Option<Value>,
    path: &'a str,
    parameters: Value,
    /// All parameters are told.
    whole: bool,
    sources: Vec<Value>,
    complete: bool,
    hermetic: bool,
    steps: Option<Value>,
    metadata: Value,
}

impl<'a> Told<'a> {
    fn new(result: &'a BuildResult, asked: &'a ProvenanceRequest, call: &'a Invocation) -> Self {
        let materials = &result.materials;
        let mut options = Map::new();
        let mut vcs = Map::new();
        let mut whole = true;
        for (key, value) in &call.options {
            let hidden = ["attest:", "local-sessionid:", "input-metadata:"];
            if PRIVATE.contains(&key.as_str()) || hidden.iter().any(|it| key.starts_with(it)) {
                continue;
            }
            if let Some(name) = key.strip_prefix("vcs:") {
                if !value.is_empty() {
                    vcs.insert(name.to_owned(), json!(redacted(value)));
                }
                continue;
            }
            if matches!(key.as_str(), "context" | "filename") {
                continue;
            }
            if !asked.max && (key.starts_with("build-arg:") || key.starts_with("label:")) {
                whole = false;
                continue;
            }
            options.insert(key.clone(), json!(redacted(value)));
        }
        let mut parameters = json!({"frontend": "dockerfile.v0"});
        if !options.is_empty() {
            parameters["args"] = Value::Object(options);
        }
        let locals = materials.locals.iter();
        let locals: Vec<Value> = locals.map(|name| json!({"name": name})).collect();
        if !locals.is_empty() {
            parameters["locals"] = json!(locals);
        }
        if asked.max {
            let named = |list: &BTreeMap<String, bool>| -> Vec<Value> {
                let one = |(id, optional): (&String, &bool)| match optional {
                    true => json!({"id": id, "optional": true}),
                    false => json!({"id": id}),
                };
                list.iter().map(one).collect()
            };
            for (key, list) in [("secrets", &materials.secrets), ("ssh", &materials.agents)] {
                if !list.is_empty() {
                    parameters[key] = json!(named(list));
                }
            }
        }
        let set = |it: &crate::Material| json!({it.algorithm: it.digest});
        let sources = materials.sources.iter();
        let mut metadata = json!({});
        if !vcs.is_empty() {
            metadata["vcs"] = Value::Object(vcs);
        }
        if asked.max {
            metadata["source"] = source(result);
        }
        let context = materials.context.as_ref();
        let url = call.options.get("context");
        Self {
            asked,
            call,
            uri: url
                .map(|it| redacted(it))
                .or(context.map(|it| it.uri.clone())),
            digest: context.map(set),
            path: &materials.filename,
            parameters,
            whole,
            sources: sources
                .map(|it| json!({"uri": it.uri, "digest": set(it)}))
                .collect(),
            complete: materials.complete(),
            hermetic: materials.complete() && !materials.network,
            steps: asked.max.then(|| steps(result)),
            metadata,
        }
    }

    fn times(&self) -> (String, String) {
        (self.call.started.to_string(), Timestamp::now().to_string())
    }

    fn v1(self) -> Value {
        let (started, finished) = self.times();
        let mut config = json!({"path": self.path});
        if let Some(uri) = &self.uri {
            config["uri"] = json!(uri);
        }
        if let Some(digest) = &self.digest {
            config["digest"] = digest.clone();
        }
        let mut internal = json!({
            "builderPlatform": Platform::host().normalised().to_string(),
        });
        if let Some(steps) = self.steps {
            internal["buildConfig"] = steps;
        }
        let mut metadata = json!({
            "invocationId": self.call.id,
            "startedOn": started,
            "finishedOn": finished,
            "buildkit_metadata": self.metadata,
            "buildkit_completeness": {
                "request": self.whole,
                "resolvedDependencies": self.complete,
            },
        });
        if self.hermetic {
            metadata["buildkit_hermetic"] = json!(true);
        }
        if self.asked.reproducible {
            metadata["buildkit_reproducible"] = json!(true);
        }
        json!({
            "buildDefinition": {
                "buildType": "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md",
                "externalParameters": {"configSource": config, "request": self.parameters},
                "internalParameters": internal,
                "resolvedDependencies": self.sources,
            },
            "runDetails": {
                "builder": {"id": self.asked.builder_id},
                "metadata": metadata,
            },
        })
    }

    fn v02(self) -> Value {
        let (started, finished) = self.times();
        let mut config = json!({"entryPoint": self.path});
        if let Some(uri) = &self.uri {
            config["uri"] = json!(uri);
        }
        if let Some(digest) = &self.digest {
            config["digest"] = digest.clone();
        }
        let mut metadata = json!({
            "buildInvocationID": self.call.id,
            "buildStartedOn": started,
            "buildFinishedOn": finished,
            "completeness": {
                "parameters": self.whole,
                "environment": true,
                "materials": self.complete,
            },
            "reproducible": self.asked.reproducible,
            "https://mobyproject.org/buildkit@v1#metadata": self.metadata,
        });
        if self.hermetic {
            metadata["https://mobyproject.org/buildkit@v1#hermetic"] = json!(true);
        }
        let mut predicate = json!({
            "builder": {"id": self.asked.builder_id},
            "buildType": "https://mobyproject.org/buildkit@v1",
            "materials": self.sources,
            "invocation": {
                "configSource": config,
                "parameters": self.parameters,
                "environment": {"platform": Platform::host().normalised().to_string()},
            },
            "metadata": metadata,
        });
        if let Some(steps) = self.steps {
            predicate["buildConfig"] = steps;
        }
        predicate
    }
}

/// The graph: each step, and a last one that is the result.
fn steps(result: &BuildResult) -> Value {
    let list = &result.materials.steps;
    let name = |place: usize| format!("step{place}");
    let mut definition = Vec::new();
    let mut mapping = Map::new();
    for (place, step) in list.iter().enumerate() {
        let mut one = json!({"id": name(place), "op": step.op});
        let inputs = step.inputs.iter().map(|it| format!("step{it}:0"));
        let inputs: Vec<String> = inputs.collect();
        if !inputs.is_empty() {
            one["inputs"] = json!(inputs);
        }
        definition.push(one);
        mapping.insert(step.digest.to_string(), json!(name(place)));
    }
    if let Some(last) = list.len().checked_sub(1) {
        let inputs = [format!("step{last}:0")];
        definition.push(json!({"id": name(list.len()), "op": {"Op": {}}, "inputs": inputs}));
    }
    json!({"llbDefinition": definition, "digestMapping": mapping})
}

/// The Dockerfile, and which of its lines are which step.
fn source(result: &BuildResult) -> Value {
    let text = result.source.join("\n");
    let mut locations = Map::new();
    for (place, step) in result.materials.steps.iter().enumerate() {
        if let Some(at) = step.location {
            let range = json!({"start": {"line": at.start}, "end": {"line": at.end}});
            let one = json!({"locations": [{"ranges": [range]}]});
            locations.insert(format!("step{place}"), one);
        }
    }
    json!({
        "locations": locations,
        "infos": [{
            "filename": result.materials.filename,
            "language": "Dockerfile",
            "data": STANDARD.encode(text),
        }],
    })
}
