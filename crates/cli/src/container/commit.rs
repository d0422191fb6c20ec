//! `commit` and `export`: a container's files as an image or an archive.

use crate::{app::Call, error::CliError, files, image::pull};
use corten_api::image::CommitResponse;
use corten_client::Client;

/// `commit`: prints the new image's ID.
pub async fn run(call: &Call<'_>) -> Result<u8, CliError> {
    let parsed = &call.parsed;
    let (repository, tag) = match parsed.args.get(1) {
        None => (String::new(), String::new()),
        Some(text) => {
            let reference = pull::reference(text)?;
            if reference.digest().is_some() {
                return Err(CliError::Text(
                    "refusing to create a tag with a digest reference".into(),
                ));
            }
            let reference = reference.or_latest();
            (
                reference.familiar_name(),
                reference.tag().unwrap_or("").to_owned(),
            )
        }
    };
    let mut request = call
        .client()
        .await?
        .post("/commit")
        .query("container", call.arg(0))
        .query_if("repo", repository)
        .query_if("tag", tag)
        .query_if("comment", parsed.text("message"))
        .query_if("author", parsed.text("author"));
    for change in parsed.all("change") {
        request = request.query("changes", change);
    }
    if !parsed.flag_or("pause", true) {
        request = request.query("pause", "0");
    }
    let response: CommitResponse = request.raw_json("{}").send().await?.json().await?;
    call.app.line(&response.id)?;
    Ok(0)
}

/// `export`: the tree as a tar stream.
pub async fn export(call: &Call<'_>) -> Result<u8, CliError> {
    let output = call.parsed.text("output").to_owned();
    let client = call.client().await?;
    files::refuse_terminal(&output)?;
    files::check_output(&output)
        .map_err(|why| CliError::Text(format!("failed to export container: {why}")))?;
    let response = client
        .get(format!(
            "/containers/{}/export",
            Client::segment(call.arg(0))
        ))
        .send()
        .await?;
    files::write_body(response, &output).await?;
    Ok(0)
}
