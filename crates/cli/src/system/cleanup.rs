//! `system cleanup`: beyond Docker.

use crate::{app::Call, error::CliError, output::Json, output::human};
use corten_base::text;

/// Removes what the declared policy lets go, or shows it.
pub async fn run(call: &Call<'_>) -> Result<u8, CliError> {
    let dry_run = call.parsed.is_on("dry-run");
    let report: Json = call
        .client()
        .await?
        .post("/system/cleanup")
        .flag("dry-run", dry_run)
        .send()
        .await?
        .json()
        .await?;
    for image in report.list(&["Images"]) {
        let names = image.texts(&["Names"]);
        let id = human::short_id(image.text(&["Id"]));
        let size = text::human_size(image.int(&["Size"]).max(0) as u64);
        call.app.line(&format!(
            "{id}  {}  {size}  ({})",
            if names.is_empty() {
                "<none>".to_owned()
            } else {
                names.join(", ")
            },
            image.text(&["Reason"])
        ))?;
    }
    let what = if dry_run {
        "Space that would be reclaimed"
    } else {
        "Total reclaimed space"
    };
    let bytes = report.int(&["SpaceReclaimed"]).max(0) as u64;
    call.app
        .line(&format!("{what}: {}", text::human_size(bytes)))?;
    Ok(0)
}
