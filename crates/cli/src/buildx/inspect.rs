//! `buildx history inspect` and `buildx history inspect attachment`: one build of the past.

use super::{
    error, history,
    inspected::{self, attached},
    refs,
};
use crate::{
    app::Call,
    error::CliError,
    output::{
        Json, tabs,
        template::{Format, Functions, value::typed},
    },
};
use corten_client::build::BuildHistoryRecord;
use corten_oci::Digest;

/// `buildx history inspect`.
pub async fn run(call: &Call<'_>) -> Result<u8, CliError> {
    crate::build::refuse_builder(call)?;
    let format = call.parsed.text("format");
    let template = match format {
        "" | "pretty" | "json" => None,
        source => Some(
            Format::with(Functions::Plain, "inspect", source)
                .map_err(|why| error(&format!("failed to parse format template: {why}")))?,
        ),
    };
    let mut control = call.client().await?.control().await?;
    let record = history::named(&mut control, call.arg(0)).await?;
    let name = history::name(call.app, &record);
    let place = refs::Place::read(call.app, &record.reference);
    let document = inspected::document(&mut control, &record, (&name, place)).await?;
    if format == "json" {
        call.app.line(&document.pretty_escaped("  "))?;
        return Ok(0);
    }
    let Some(template) = template else {
        call.app.out(&pretty(call, &record, &document))?;
        return Ok(0);
    };
    let value = typed("history.inspectOutput", Some(&document));
    let text = template.execute(&value);
    let text = text.map_err(|why| error(&format!("failed to execute format template: {why}")))?;
    call.app.line(&text)?;
    Ok(0)
}

/// The usual display.
fn pretty(call: &Call<'_>, record: &BuildHistoryRecord, document: &Json) -> String {
    let mut text = String::new();
    let mut block = String::new();
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            block.push_str(&format!("{name}:\t{value}\n"));
        }
    };
    line("Name", document.text(&["Name"]));
    if call.arg(0).is_empty() {
        line("Ref", document.text(&["Ref"]));
    }
    for (name, key) in [
        ("Context", "Context"),
        ("Dockerfile", "Dockerfile"),
        ("VCS Repository", "VCSRepository"),
        ("VCS Revision", "VCSRevision"),
        ("Target", "Target"),
    ] {
        line(name, document.text(&[key]));
    }
    line("Platforms", &document.texts(&["Platform"]).join(", "));
    line("Keep Git Dir", truth(document, &["KeepGitDir"]));
    text.push_str(&tabs::tabbed(&block));
    text.push('\n');
    text.push_str(&table("NAMED CONTEXT", document.list(&["NamedContexts"])));
    text.push_str(&tabs::tabbed(&progress(record)));
    text.push('\n');
    text.push_str(&tabs::tabbed(&config(document)));
    text.push('\n');
    text.push_str(&table("BUILD ARG", document.list(&["BuildArgs"])));
    text.push_str(&table("LABEL", document.list(&["Labels"])));
    let materials = document.list(&["Materials"]);
    if !materials.is_empty() {
        let lines = materials.iter().map(|it| {
            let digests = it.texts(&["Digests"]).join(", ");
            format!("{}\t{digests}\n", it.text(&["URI"]))
        });
        let lines: String = lines.collect();
        text.push_str("Materials:\n");
        text.push_str(&tabs::tabbed(&format!("URI\tDIGEST\n{lines}")));
        text.push('\n');
    }
    let attachments = document.list(&["Attachments"]);
    if !attachments.is_empty() {
        let lines = attachments.iter().map(|it| {
            let part = |key| it.text(&[key]);
            format!(
                "{}\t{}\t{}\n",
                part("Digest"),
                part("Platform"),
                part("Type")
            )
        });
        let lines: String = lines.collect();
        text.push_str("Attachments:\n");
        text.push_str(&tabs::tabbed(&format!("DIGEST\tPLATFORM\tTYPE\n{lines}")));
        text.push('\n');
    }
    text.push_str(&failure(document));
    let (program, reference) = (call.app.program, &record.reference);
    text.push_str(&format!(
        "Print build logs: {program} buildx history logs {reference}\n"
    ));
    text
}

fn truth(document: &Json, path: &[&str]) -> &'static str {
    if document.bool(path) { "true" } else { "" }
}

/// Names and values below a title.
fn table(title: &str, pairs: &[Json]) -> String {
    if pairs.is_empty() {
        return String::new();
    }
    let lines = pairs.iter();
    let lines = lines.map(|it| format!("{}\t{}\n", it.text(&["Name"]), it.text(&["Value"])));
    let lines: String = lines.collect();
    tabs::tabbed(&format!("{title}\tVALUE\n{lines}")) + "\n"
}

/// When it began, how long it took, how it ended.
fn progress(record: &BuildHistoryRecord) -> String {
    /// gRPC's codes by number.
    const CODES: [&str; 17] = [
        "OK",
        "Canceled",
        "Unknown",
        "InvalidArgument",
        "DeadlineExceeded",
        "NotFound",
        "AlreadyExists",
        "PermissionDenied",
        "ResourceExhausted",
        "FailedPrecondition",
        "Aborted",
        "OutOfRange",
        "Unimplemented",
        "Internal",
        "Unavailable",
        "DataLoss",
        "Unauthenticated",
    ];
    let mut text = String::new();
    let mut line = |name: &str, value: String| text.push_str(&format!("{name}:\t{value}\n"));
    if let Some(at) = &record.created_at {
        let time = super::local(at).strftime("%Y-%m-%d %H:%M:%S");
        line("Started", time.to_string());
    }
    let running = match record.completed_at {
        Some(_) => "",
        None => " (running)",
    };
    let took = history::duration(record);
    line(
        "Duration",
        format!("{}{running}", took.trim_end_matches('+')),
    );
    if let Some(failure) = &record.error {
        let code = usize::try_from(failure.code).ok();
        match code.and_then(|it| CODES.get(it)) {
            Some(&"Canceled") => line("Status", "Canceled".into()),
            code => {
                let code =
                    code.map_or_else(|| format!("Code({})", failure.code), |it| (*it).into());
                line("Error", format!("{code} {}", failure.message));
            }
        }
    }
    let (done, all) = (record.num_completed_steps, record.num_total_steps);
    let share = f64::from(record.num_cached_steps) / f64::from(all.max(1)) * 100.0;
    line("Build Steps", format!("{done}/{all} ({share:.0}% cached)"));
    text
}

fn config(document: &Json) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            text.push_str(&format!("{name}:\t{value}\n"));
        }
    };
    let list = |key| document.texts(&["Config", key]).join(", ");
    line("Network", document.text(&["Config", "Network"]));
    line("Hostname", document.text(&["Config", "Hostname"]));
    line("Extra Hosts", &list("ExtraHosts"));
    line("Cgroup Parent", document.text(&["Config", "CgroupParent"]));
    let mode = document.text(&["Config", "ImageResolveMode"]);
    line("Image Resolve Mode", mode);
    line(
        "Multi-Platform",
        truth(document, &["Config", "MultiPlatform"]),
    );
    line("No Cache", truth(document, &["Config", "NoCache"]));
    line("No Cache Filter", &list("NoCacheFilter"));
    for (name, key) in [
        ("Shm Size", "ShmSize"),
        ("Resource Limits", "Ulimit"),
        ("Cache Mount Namespace", "CacheMountNS"),
        ("Dockerfile Check Config", "DockerfileCheckConfig"),
        ("Source Date Epoch", "SourceDateEpoch"),
        ("Sandbox Hostname", "SandboxHostname"),
    ] {
        line(name, document.text(&["Config", key]));
    }
    for it in document.list(&["Config", "RestRaw"]) {
        text.push_str(&format!(
            "{}:\t{}\n",
            it.text(&["Name"]),
            it.text(&["Value"])
        ));
    }
    text
}

/// The lines at fault, and what the step told at last.
fn failure(document: &Json) -> String {
    let Some(failure) = document.get("Error") else {
        return String::new();
    };
    let sources = failure.text(&["Sources"]);
    let sources = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, sources);
    let mut text = String::from_utf8_lossy(&sources.unwrap_or_default()).into_owned();
    let logs = failure.texts(&["Logs"]);
    if !logs.is_empty() {
        text.push_str(&format!("Logs:\n> => {}:\n", failure.text(&["Name"])));
        logs.iter()
            .for_each(|it| text.push_str(&format!("> {it}\n")));
        text.push('\n');
    }
    text
}

/// `buildx history inspect attachment`.
pub async fn attachment(call: &Call<'_>) -> Result<u8, CliError> {
    crate::build::refuse_builder(call)?;
    let (kind, platform) = (call.parsed.text("type"), call.parsed.text("platform"));
    let digest = call.arg(1);
    if !digest.is_empty() {
        let parsed = digest.parse::<Digest>();
        parsed.map_err(|why| error(&format!("invalid digest {digest:?}: {why}")))?;
    }
    if [digest, kind, platform].iter().all(|it| it.is_empty()) {
        return Err(error(
            "at least one of --type, --platform or DIGEST must be specified",
        ));
    }
    let mut control = call.client().await?.control().await?;
    let record = history::named(&mut control, call.arg(0)).await?;
    let kinds: &[&str] = match kind {
        "index" => &["application/vnd.oci.image.index.v1+json"],
        "manifest" => &["application/vnd.oci.image.manifest.v1+json"],
        "image" => &["application/vnd.oci.image.config.v1+json"],
        "provenance" => &[
            "https://slsa.dev/provenance/v1",
            "https://slsa.dev/provenance/v0.2",
        ],
        "sbom" => &["https://spdx.dev/Document"],
        other => &[other],
    };
    let all = attached(&record);
    let mut fitting = all.iter().filter(|it| {
        let is_platform = platform.is_empty() || it.platform.as_deref() == Some(platform);
        let is_kind = kind.is_empty() || kinds.contains(&it.kind());
        is_platform && is_kind
    });
    let digest = match digest {
        "" => fitting.next().map(|it| it.descriptor.digest.clone()),
        digest => Some(digest.to_owned()),
    };
    let missing = || {
        error(&format!(
            "no matching attachment found for ref {:?}",
            call.arg(0)
        ))
    };
    let bytes = control.blob(&digest.ok_or_else(missing)?).await?;
    call.app.out(&String::from_utf8_lossy(&bytes))?;
    Ok(0)
}
