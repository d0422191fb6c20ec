//! `rmi` and `tag`.

use super::pull;
use crate::{app::Call, container::each::told, error::CliError};
use corten_api::image::DeleteItem;
use corten_client::Client;

/// `rmi`: what was untagged and deleted.
pub async fn run(call: &Call<'_>) -> Result<u8, CliError> {
    let client = call.client().await?;
    let force = call.parsed.is_on("force");
    let mut failures = Vec::new();
    let mut fatal = false;
    for name in &call.parsed.args {
        let removed = async {
            let mut request = client
                .delete(format!("/images/{}", Client::segment(name)))
                .flag("force", force)
                .flag("noprune", call.parsed.is_on("no-prune"));
            for platform in call.parsed.all("platform") {
                let platform = pull::push_platform(platform)?;
                request = request.query("platforms", platform);
            }
            Ok::<_, CliError>(request.send().await?.json::<Vec<DeleteItem>>().await?)
        };
        match removed.await {
            Ok(items) => {
                for item in items {
                    let line = if item.deleted.is_empty() {
                        format!("Untagged: {}", item.untagged)
                    } else {
                        format!("Deleted: {}", item.deleted)
                    };
                    call.app.line(&line)?;
                }
            }
            Err(error) => {
                fatal |= !matches!(&error, CliError::Client(e) if e.is_not_found());
                failures.push(error.to_string());
            }
        }
    }
    if !failures.is_empty() && force && !fatal {
        call.app.warn(&failures.join("\n"));
        return Ok(0);
    }
    told(failures)
}

/// `tag`.
pub async fn tag(call: &Call<'_>) -> Result<u8, CliError> {
    let target = pull::reference(call.arg(1)).map_err(|error| {
        CliError::Text(format!(
            "Error parsing reference: {:?} is not a valid repository/tag: {error}",
            call.arg(1)
        ))
    })?;
    if target.digest().is_some() {
        return Err(CliError::Text(
            "refusing to create a tag with a digest reference".into(),
        ));
    }
    let target = target.or_latest();
    call.client()
        .await?
        .post(format!("/images/{}/tag", Client::segment(call.arg(0))))
        .query("repo", target.familiar_name())
        .query("tag", target.tag().unwrap_or("latest"))
        .send()
        .await?
        .bytes()
        .await?;
    Ok(0)
}
