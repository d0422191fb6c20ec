//! What Corten does with volumes beyond Docker: archives, copies, other names.

use crate::{app::Call, error::CliError, files, terminal};
use corten_api::volume::Volume;
use corten_client::Client;

fn path(volume: &str, verb: &str) -> String {
    format!("/volumes/{}/{verb}", Client::segment(volume))
}

/// `volume export`: the files as a tar stream.
pub async fn export(call: &Call<'_>) -> Result<u8, CliError> {
    let output = call.parsed.text("output").to_owned();
    files::refuse_terminal(&output)?;
    files::check_output(&output)
        .map_err(|why| CliError::Text(format!("failed to export volume: {why}")))?;
    let request = call.client().await?.get(path(call.arg(0), "export"));
    files::write_body(request.send().await?, &output).await?;
    Ok(0)
}

/// `volume import`: prints the name.
pub async fn import(call: &Call<'_>) -> Result<u8, CliError> {
    let source = call.arg(1);
    if ["", "-"].contains(&source) && terminal::terminals().input {
        return Err(CliError::Text(
            "requested import from stdin, but stdin is empty".into(),
        ));
    }
    let source = files::pieces(files::input(source)?);
    let request = call.client().await?.post(path(call.arg(0), "import"));
    let request = request.stream(source, "application/x-tar");
    told(call, request.send().await?.json().await?)
}

/// `volume clone` and `volume snapshot`: prints the new name.
pub async fn copy(call: &Call<'_>, verb: &str) -> Result<u8, CliError> {
    let pause = !call.parsed.given("pause") || call.parsed.is_on("pause");
    let request = call
        .client()
        .await?
        .post(path(call.arg(0), verb))
        .query_if("name", call.arg(1))
        .query("pause", if pause { "1" } else { "0" });
    told(call, request.send().await?.json().await?)
}

/// `volume rename`.
pub async fn rename(call: &Call<'_>) -> Result<u8, CliError> {
    let request = call
        .client()
        .await?
        .post(path(call.arg(0), "rename"))
        .query("name", call.arg(1));
    request.send().await?.bytes().await?;
    Ok(0)
}

fn told(call: &Call<'_>, volume: Volume) -> Result<u8, CliError> {
    call.app.line(&volume.name)?;
    Ok(0)
}
