//! Everything that is told of one build of the past, as Go's encoder writes buildx's struct
//! of it; `--format` and the usual display are made of the same document.

use super::{
    refs::{self, Place},
    since,
};
use crate::{build::failure::excerpt, error::CliError, output::Json};
use corten_client::build::{
    BlobDescriptor, BuildHistoryRecord, Control, StatusRequest, StatusResponse, Timestamp,
};
use corten_oci::Platform;
use std::collections::{BTreeMap, HashMap};

/// Lines of the step that failed.
const LOG_LINES: usize = 16;
const PREDICATE: &str = "in-toto.io/predicate-type";

/// A blob of a build's result.
pub struct Attached {
    pub platform: Option<String>,
    pub descriptor: BlobDescriptor,
}

impl Attached {
    /// What it is: what is said by it, or its media type.
    pub fn kind(&self) -> &str {
        let kind = self.descriptor.annotations.get(PREDICATE);
        kind.unwrap_or(&self.descriptor.media_type)
    }
}

/// All blobs of a build's results, by platform and kind.
pub fn attached(record: &BuildHistoryRecord) -> Vec<Attached> {
    let own = record.result.iter().map(|it| (None, it));
    let by_platform = record.results.iter();
    let by_platform = by_platform.map(|(platform, it)| (Some(platform.clone()), it));
    let mut all: Vec<Attached> = own
        .chain(by_platform)
        .flat_map(|(platform, info)| {
            let blobs = info.attestations.iter().chain(info.results.values());
            blobs.map(move |it| Attached {
                platform: platform.clone(),
                descriptor: it.clone(),
            })
        })
        .collect();
    all.sort_by(|a, b| (&a.platform, a.kind()).cmp(&(&b.platform, b.kind())));
    all
}

/// Members of a struct, those that are empty left out.
#[derive(Default)]
struct Members(Vec<(String, Json)>);

impl Members {
    fn text(&mut self, key: &str, value: impl Into<String>) {
        let value = value.into();
        if !value.is_empty() {
            self.put(key, value.into());
        }
    }

    fn flag(&mut self, key: &str, value: bool) {
        if value {
            self.put(key, Json::Bool(true));
        }
    }

    fn list(&mut self, key: &str, items: Vec<Json>) {
        if !items.is_empty() {
            self.put(key, Json::List(items));
        }
    }

    fn put(&mut self, key: &str, value: Json) {
        self.0.push((key.to_owned(), value));
    }

    fn json(self) -> Json {
        Json::Object(self.0)
    }
}

/// The front end's options, each read once; what nobody reads is told as it is.
struct Attrs {
    left: BTreeMap<String, String>,
    errors: Vec<Json>,
}

impl Attrs {
    fn take(&mut self, key: &str) -> String {
        self.left.remove(key).unwrap_or_default()
    }

    fn flag(&mut self, key: &str) -> bool {
        let Some(text) = self.left.remove(key) else {
            return false;
        };
        corten_bake::truth(&text).unwrap_or_else(|| {
            self.failed(
                &text,
                &format!("strconv.ParseBool: parsing {text:?}: invalid syntax"),
            );
            false
        })
    }

    fn failed(&mut self, value: &str, why: &str) {
        let text = format!("failed to parse {value}: ({why})");
        self.errors.push(text.into());
    }

    /// Those that begin so, without their beginning.
    fn pairs(&self, prefix: &str) -> Vec<Json> {
        let found = self.left.iter();
        found
            .filter_map(|(key, value)| Some(pair(key.strip_prefix(prefix)?, value)))
            .collect()
    }
}

fn pair(name: &str, value: &str) -> Json {
    let mut members = Members::default();
    members.text("Name", name);
    members.text("Value", value);
    members.json()
}

/// A moment in the user's time zone, as Go writes it.
fn moment(at: &Timestamp) -> Json {
    let time = super::local(at).strftime("%Y-%m-%dT%H:%M:%S%.f%:z");
    let text = time.to_string();
    text.strip_suffix("+00:00")
        .map_or_else(|| text.clone(), |whole| format!("{whole}Z"))
        .into()
}

/// How long a build took, or has gone on, in nanoseconds.
fn duration(record: &BuildHistoryRecord) -> i64 {
    let Some(from) = &record.created_at else {
        return 0;
    };
    match &record.completed_at {
        Some(to) => (to.seconds - from.seconds) * 1_000_000_000 + i64::from(to.nanos - from.nanos),
        None => i64::try_from(since(from).as_nanos()).unwrap_or(i64::MAX),
    }
}

/// gRPC's code of a build that somebody ended.
const CANCELED: i32 = 1;

fn status(record: &BuildHistoryRecord) -> &'static str {
    match (&record.completed_at, &record.error) {
        (_, Some(failure)) if failure.code == CANCELED => "canceled",
        (_, Some(_)) => "failed",
        (Some(_), None) => "completed",
        (None, None) => "running",
    }
}

/// The document of a build. What is said about its result is asked for.
pub async fn document(
    control: &mut Control,
    record: &BuildHistoryRecord,
    (name, place): (&str, Option<Place>),
) -> Result<Json, CliError> {
    let attached = attached(record);
    let materials = materials(control, &attached).await?;
    let failed = match &record.error {
        None => None,
        Some(_) => Some(failed_step(control, record).await?),
    };
    let mut attrs = Attrs {
        left: record.frontend_attrs.clone().into_iter().collect(),
        errors: Vec::new(),
    };
    attrs.take("frontend.caps");
    let mut out = Members::default();
    out.text("Name", name);
    out.put("Ref", record.reference.as_str().into());
    let is_upload = |it: &str| it.starts_with("http://buildkit-session/");
    let context = attrs.take("context");
    let file = attrs.take("filename");
    let working = std::env::current_dir().unwrap_or_default();
    let here = place.map(|place| refs::shown(&place, &working));
    let (shown, file) = here.unwrap_or_else(|| match file.as_str() {
        "" => (String::new(), "Dockerfile".to_owned()),
        _ => (String::new(), file),
    });
    let remote = Some(&context).filter(|it| !it.is_empty() && !is_upload(it));
    out.text("Context", remote.cloned().unwrap_or(shown));
    out.text("Dockerfile", file);
    if context.is_empty() {
        out.text("VCSRepository", attrs.take("vcs:source"));
        out.text("VCSRevision", attrs.take("vcs:revision"));
    }
    out.text("Target", attrs.take("target"));
    let mut platforms = Vec::new();
    let given = attrs.take("platform");
    for text in given.split(',').filter(|it| !it.is_empty()) {
        match text.parse::<Platform>() {
            Ok(platform) => platforms.push(platform.normalised().to_string().into()),
            Err(why) => attrs.failed(&given, &why.to_string()),
        }
    }
    out.list("Platform", platforms);
    out.flag(
        "KeepGitDir",
        attrs.flag("build-arg:BUILDKIT_CONTEXT_KEEP_GIT_DIR"),
    );
    out.list("NamedContexts", attrs.pairs("context:"));
    for (key, at) in [
        ("StartedAt", &record.created_at),
        ("CompletedAt", &record.completed_at),
    ] {
        if let Some(at) = at {
            out.put(key, moment(at));
        }
    }
    out.put("Duration", Json::Int(duration(record)));
    out.text("Status", status(record));
    if let Some(failed) = failed {
        out.put("Error", failed);
    }
    for (key, count) in [
        ("NumCompletedSteps", record.num_completed_steps),
        ("NumTotalSteps", record.num_total_steps),
        ("NumCachedSteps", record.num_cached_steps),
    ] {
        out.put(key, Json::Int(count.into()));
    }
    out.list("BuildArgs", attrs.pairs("build-arg:"));
    out.list("Labels", attrs.pairs("label:"));
    out.put("Config", config(&mut attrs));
    out.list("Materials", materials);
    let attached = attached.iter().map(|it| {
        let mut one = Members::default();
        one.text("Digest", &it.descriptor.digest);
        one.text("Platform", it.platform.clone().unwrap_or_default());
        one.text("Type", it.kind());
        one.json()
    });
    out.list("Attachments", attached.collect());
    out.list("Errors", attrs.errors);
    Ok(out.json())
}

fn config(attrs: &mut Attrs) -> Json {
    let mut out = Members::default();
    out.text("Network", attrs.take("force-network-mode"));
    let hosts = attrs.take("add-hosts");
    let hosts = hosts.split(',').filter(|it| !it.is_empty());
    out.list("ExtraHosts", hosts.map(Json::from).collect());
    for (key, attr) in [
        ("Hostname", "hostname"),
        ("CgroupParent", "cgroup-parent"),
        ("ImageResolveMode", "image-resolve-mode"),
    ] {
        out.text(key, attrs.take(attr));
    }
    let several = attrs.flag("build-arg:BUILDKIT_MULTI_PLATFORM") | attrs.flag("multi-platform");
    out.flag("MultiPlatform", several);
    match attrs.left.remove("no-cache").as_deref() {
        None => {}
        Some("") => out.flag("NoCache", true),
        Some(stages) => out.list("NoCacheFilter", stages.split(',').map(Json::from).collect()),
    }
    for (key, attr) in [
        ("ShmSize", "shm-size"),
        ("Ulimit", "ulimit"),
        ("CacheMountNS", "build-arg:BUILDKIT_CACHE_MOUNT_NS"),
        (
            "DockerfileCheckConfig",
            "build-arg:BUILDKIT_DOCKERFILE_CHECK",
        ),
        ("SourceDateEpoch", "build-arg:SOURCE_DATE_EPOCH"),
        ("SandboxHostname", "build-arg:SANDBOX_HOSTNAME"),
    ] {
        out.text(key, attrs.take(attr));
    }
    let told = ["vcs:", "build-arg:", "label:", "context:", "attest:"];
    let rest = attrs.left.iter();
    let rest = rest.filter(|(key, _)| !told.iter().any(|it| key.starts_with(it)));
    let rest = rest.map(|(key, value)| pair(key, value)).collect();
    out.list("RestRaw", rest);
    out.json()
}

/// What the result was made from, by its provenance.
async fn materials(control: &mut Control, attached: &[Attached]) -> Result<Vec<Json>, CliError> {
    let is_provenance = |it: &&Attached| it.kind().starts_with("https://slsa.dev/provenance/");
    let Some(found) = attached.iter().find(is_provenance) else {
        return Ok(Vec::new());
    };
    let digest = &found.descriptor.digest;
    let bytes = control.blob(digest).await?;
    let said: Json = serde_json::from_slice(&bytes)
        .map_err(|why| super::error(&format!("failed to unmarshal provenance {digest}: {why}")))?;
    let list = match said.get("buildDefinition") {
        Some(definition) => definition.list(&["resolvedDependencies"]),
        None => said.list(&["materials"]),
    };
    let each = list.iter().map(|it| {
        let mut one = Members::default();
        one.text("URI", it.text(&["uri"]));
        let digests = it.members(&["digest"]).iter();
        let digests = digests.map(|(kind, hex)| format!("{kind}:{}", hex.text(&[])).into());
        one.list("Digests", digests.collect());
        one.json()
    });
    Ok(each.collect())
}

/// Why a build failed: the sentence, the lines at fault, and what the step told at last.
async fn failed_step(control: &mut Control, record: &BuildHistoryRecord) -> Result<Json, CliError> {
    let mut out = Members::default();
    let Some(failure) = &record.error else {
        return Ok(out.json());
    };
    let mut names: HashMap<String, (String, bool)> = HashMap::new();
    let mut lines: HashMap<String, String> = HashMap::new();
    let request = StatusRequest {
        reference: record.reference.clone(),
    };
    let each = |message: StatusResponse| {
        for vertex in message.vertexes {
            let failed = !vertex.error.is_empty();
            names.insert(vertex.digest, (vertex.name, failed));
        }
        for log in message.logs {
            let text = String::from_utf8_lossy(&log.msg);
            lines.entry(log.vertex).or_default().push_str(&text);
        }
    };
    control.list("Status", &request, each).await?;
    out.put("Code", Json::Int(failure.code.into()));
    out.text("Message", &failure.message);
    let step = names.iter().find(|(_, (_, failed))| *failed);
    if let Some((digest, (name, _))) = step {
        out.text("Name", name);
        let told = lines.get(digest).map_or("", String::as_str);
        let told: Vec<&str> = told.lines().filter(|it| !it.is_empty()).collect();
        let last = told[told.len().saturating_sub(LOG_LINES)..].iter();
        out.list("Logs", last.map(|it| Json::from(*it)).collect());
    }
    let sources = failure.details.iter();
    let sources = sources.filter(|it| it.type_url.ends_with("errdefs.Source+json"));
    let sources = sources.filter_map(|it| excerpt(&String::from_utf8_lossy(&it.value)));
    let sources: String = sources.collect();
    // Go writes bytes as base64.
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, sources);
    out.text("Sources", encoded);
    Ok(out.json())
}
