//! The builder's cache mounts, beyond Docker: which there are, and archives of them.

use crate::{app::Call, error::CliError, files, output::Json, terminal};
use corten_base::text;

/// `builder mounts`: a line for each.
pub async fn list(call: &Call<'_>) -> Result<u8, CliError> {
    let request = call.client().await?.get("/build/mounts");
    let mounts: Vec<Json> = request.send().await?.json().await?;
    for mount in mounts {
        let size = text::human_size(mount.int(&["Size"]).max(0) as u64);
        let uses = mount.int(&["UsageCount"]);
        let used = if mount.bool(&["InUse"]) {
            "  (in use)"
        } else {
            ""
        };
        call.app.line(&format!(
            "{}  {size}  used {uses} times, last {}{used}",
            mount.text(&["Id"]),
            mount.text(&["LastUsedAt"]),
        ))?;
    }
    Ok(0)
}

/// `builder export`: the files of a cache mount as a tar stream.
pub async fn export(call: &Call<'_>) -> Result<u8, CliError> {
    let output = call.parsed.text("output").to_owned();
    files::refuse_terminal(&output)?;
    files::check_output(&output)
        .map_err(|why| CliError::Text(format!("failed to export cache mount: {why}")))?;
    let request = call.client().await?.get("/build/mounts/export");
    let request = request.query("id", call.arg(0));
    files::write_body(request.send().await?, &output).await?;
    Ok(0)
}

/// `builder import`: prints the name.
pub async fn import(call: &Call<'_>) -> Result<u8, CliError> {
    let source = call.arg(1);
    if ["", "-"].contains(&source) && terminal::terminals().input {
        return Err(CliError::Text(
            "requested import from stdin, but stdin is empty".into(),
        ));
    }
    let source = files::pieces(files::input(source)?);
    let request = call.client().await?.post("/build/mounts/import");
    let request = request.query("id", call.arg(0));
    let request = request.stream(source, "application/x-tar");
    request.send().await?.bytes().await?;
    call.app.line(call.arg(0))?;
    Ok(0)
}
