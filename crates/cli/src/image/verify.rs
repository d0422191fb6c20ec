//! `image verify`: beyond Docker.

use super::pull;
use crate::{app::Call, config::credentials, error::CliError};
use std::io;

/// Has the engine check images; it fails when damage stays.
pub async fn run(call: &Call<'_>) -> Result<u8, CliError> {
    let mut request = call
        .client()
        .await?
        .post("/images/verify")
        .flag("repair", call.parsed.is_on("repair"));
    for name in &call.parsed.args {
        request = request.query("names", name);
    }
    if call.parsed.is_on("repair") {
        let header = credentials::all(call.app.config())?;
        request = request.header("x-registry-config", &header);
    }
    let mut lines = request.send().await?.lines();
    pull::show(&mut lines, false, io::stdout(), |_| {}).await?;
    Ok(0)
}
