//! `pull` and `push`, with credentials and progress.

use crate::{
    app::{App, Call},
    config::credentials,
    error::CliError,
    output::progress::Display,
    terminal,
};
use corten_oci::Reference;
use std::io::Write;

/// How to pull.
#[derive(Debug, Default, Clone)]
pub struct Options {
    /// `os/arch[/variant]`; empty for the engine's own.
    pub platform: String,
    /// No progress.
    pub quiet: bool,
}

/// Parses a name of an image.
pub fn reference(text: &str) -> Result<Reference, CliError> {
    text.parse()
        .map_err(|error| CliError::Text(format!("{error}")))
}

/// Value of `X-Registry-Auth` for the reference's registry.
pub fn authorization(app: &App, reference: &Reference) -> Result<String, CliError> {
    let server = credentials::server_key(reference.domain());
    Ok(credentials::header(&credentials::get(
        app.config(),
        server,
    )?))
}

/// Pulls one image (or all tags, when the reference has none), progress to `out`.
pub async fn pull(
    app: &App,
    reference: &Reference,
    options: &Options,
    out: impl Write,
) -> Result<(), CliError> {
    let tag = match (reference.digest(), reference.tag()) {
        (Some(digest), _) => digest.to_string(),
        (None, Some(tag)) => tag.to_owned(),
        (None, None) => "latest".to_owned(),
    };
    fetch(app, reference, &tag, options, out).await
}

async fn fetch(
    app: &App,
    reference: &Reference,
    tag: &str,
    options: &Options,
    out: impl Write,
) -> Result<(), CliError> {
    let mut lines = app
        .client()
        .await?
        .post("/images/create")
        .query("fromImage", reference.name())
        .query_if("tag", tag)
        .query_if("platform", &options.platform)
        .header("x-registry-auth", &authorization(app, reference)?)
        .send()
        .await?
        .lines();
    show(&mut lines, options.quiet, out, |_| {}).await
}

/// Shows a stream of messages, or only its error.
pub async fn show(
    lines: &mut corten_client::Lines,
    quiet: bool,
    out: impl Write,
    aux: impl FnMut(&serde_json::Value),
) -> Result<(), CliError> {
    if quiet {
        return Display::new(std::io::sink(), None).run(lines, aux).await;
    }
    let terminals = terminal::terminals();
    let columns = (terminals.output && terminals.error)
        .then(|| terminal::size().map_or(200, |size| size.columns.into()));
    Display::new(out, columns).run(lines, aux).await
}

/// `docker pull`.
pub async fn run(call: &Call<'_>) -> Result<u8, CliError> {
    let given = reference(call.arg(0))?;
    let all = call.parsed.is_on("all-tags");
    let quiet = call.parsed.is_on("quiet");
    if all && !given.is_name_only() {
        return Err(CliError::Text(
            "tag can't be used with --all-tags/-a".into(),
        ));
    }
    let options = Options {
        platform: super::super::container::create::platform(call),
        quiet,
    };
    let shown = if all {
        fetch(call.app, &given, "", &options, std::io::stdout()).await?;
        given.to_string()
    } else {
        let full = given.clone().or_latest();
        if given.is_name_only() && !quiet {
            let tag = full.tag().unwrap_or("latest");
            call.app.line(&format!("Using default tag: {tag}"))?;
        }
        pull(call.app, &full, &options, std::io::stdout()).await?;
        full.to_string()
    };
    call.app.line(&shown)?;
    Ok(0)
}

/// `docker push`.
pub async fn push(call: &Call<'_>) -> Result<u8, CliError> {
    let given = reference(call.arg(0))?;
    let all = call.parsed.is_on("all-tags");
    let quiet = call.parsed.is_on("quiet");
    let target = match (all, given.is_name_only()) {
        (true, false) => {
            return Err(CliError::Text(
                "tag can't be used with --all-tags/-a".into(),
            ));
        }
        (false, true) => {
            let full = given.clone().or_latest();
            if !quiet {
                let tag = full.tag().unwrap_or("latest");
                call.app.line(&format!("Using default tag: {tag}"))?;
            }
            full
        }
        _ => given.clone(),
    };
    let client = call.client().await?;
    let mut lines = client
        .post(format!(
            "/images/{}/push",
            corten_client::Client::segment(&target.familiar_name())
        ))
        .query_if("tag", if all { "" } else { target.tag().unwrap_or("") })
        .query_if("platform", push_platform(call.parsed.text("platform"))?)
        .header("x-registry-auth", &authorization(call.app, &target)?)
        .send()
        .await?
        .lines();
    show(&mut lines, quiet, std::io::stdout(), |_| {}).await?;
    if quiet {
        call.app.line(&target.to_string())?;
    }
    Ok(0)
}

/// The API takes platforms as JSON where the command line has `os/arch/variant`.
pub fn push_platform(text: &str) -> Result<String, CliError> {
    if text.is_empty() {
        return Ok(String::new());
    }
    let mut parts = text.split('/');
    let (os, arch, variant) = (parts.next(), parts.next(), parts.next());
    let (Some(os), Some(arch), None) = (os, arch, parts.next()) else {
        return Err(CliError::Text(format!("invalid platform: {text:?}")));
    };
    let mut value = serde_json::json!({ "architecture": arch, "os": os });
    if let Some(variant) = variant {
        value["variant"] = variant.into();
    }
    Ok(value.to_string())
}
