//! `load`, `save`, `import`.

use super::pull;
use crate::{app::Call, error::CliError, files, terminal};
use std::io;

/// `load`: images from an archive.
pub async fn load(call: &Call<'_>) -> Result<u8, CliError> {
    let path = call.parsed.text("input");
    if path.is_empty() && terminal::terminals().input {
        return Err(CliError::Text(
            "requested load from stdin, but stdin is empty".into(),
        ));
    }
    let source = files::input(path)?;
    let quiet = call.parsed.is_on("quiet") || !terminal::terminals().output;
    let mut request = call
        .client()
        .await?
        .post("/images/load")
        .query("quiet", if quiet { "1" } else { "0" });
    for platform in call.parsed.all("platform") {
        request = request.query("platform", pull::push_platform(platform)?);
    }
    let response = request
        .stream(files::pieces(source), "application/x-tar")
        .send()
        .await?;
    let mut lines = response.lines();
    pull::show(&mut lines, false, io::stdout(), |_| {}).await?;
    Ok(0)
}

/// `save`: images as an archive.
pub async fn save(call: &Call<'_>) -> Result<u8, CliError> {
    let output = call.parsed.text("output").to_owned();
    files::refuse_terminal(&output)?;
    files::check_output(&output)
        .map_err(|why| CliError::Text(format!("failed to save image: {why}")))?;
    let mut request = call.client().await?.get("/images/get");
    for name in &call.parsed.args {
        request = request.query("names", name);
    }
    for platform in call.parsed.all("platform") {
        request = request.query("platform", pull::push_platform(platform)?);
    }
    files::write_body(request.send().await?, &output).await?;
    Ok(0)
}

/// `import`: a tree as an image.
pub async fn import(call: &Call<'_>) -> Result<u8, CliError> {
    let source = call.arg(0);
    let is_url = source.starts_with("http://") || source.starts_with("https://");
    let reference = call.arg(1);
    let (repository, tag) = if reference.is_empty() {
        (String::new(), String::new())
    } else {
        let parsed = pull::reference(reference)?;
        (
            parsed.familiar_name(),
            parsed.tag().unwrap_or("").to_owned(),
        )
    };
    let mut request = call
        .client()
        .await?
        .post("/images/create")
        .query("fromSrc", if is_url { source } else { "-" })
        .query_if("repo", repository)
        .query_if("tag", tag)
        .query_if("message", call.parsed.text("message"))
        .query_if("platform", crate::container::create::platform(call));
    for change in call.parsed.all("change") {
        request = request.query("changes", change);
    }
    let request = if is_url {
        request
    } else {
        request.stream(files::pieces(files::input(source)?), "application/x-tar")
    };
    let mut lines = request.send().await?.lines();
    pull::show(&mut lines, false, io::stdout(), |_| {}).await?;
    Ok(0)
}
