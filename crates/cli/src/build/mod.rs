//! `build`: an image from a Dockerfile, through BuildKit's door.

mod arguments;
mod attest;
mod context;
mod failure;
mod output;
mod plain;
mod progress;
mod tty;

use crate::{app::Call, config::credentials, error::CliError};
use corten_client::build::{self, Build, Offer, Solved};
use std::path::Path;

/// `image build`.
pub async fn run(call: &Call<'_>) -> Result<u8, CliError> {
    let mut build = Build::default();
    let mut offer = Offer::default();
    arguments::read(call, &mut build, &mut offer)?;
    context::read(call, &mut build, &mut offer)?;
    let wanted = output::read(call, &mut build, &mut offer)?;
    offer.logins = Some(logins(call));
    let mode = progress::Mode::read(call)?;
    let (told, messages) = build::progress();
    let showing = progress::show(mode, messages);
    let client = call.client().await?;
    let building = client.build(build, offer, told);
    let (solved, shown) = tokio::join!(building, showing);
    let solved = match solved {
        Ok(solved) => solved,
        Err(error) => return Err(failure::of(error, &shown)),
    };
    if let Some(text) = solved.answer.get("result.txt") {
        // `--check` found what it says.
        call.app.out(text.trim_start_matches('\n'))?;
        let found = solved.answer.get("result.statuscode");
        return Ok(u8::from(found.is_some_and(|code| code != "0")));
    }
    wanted.finish()?;
    files(call, &solved)?;
    let id = solved.answer.get("containerimage.digest");
    if let (true, Some(id)) = (mode.is_quiet(), id) {
        call.app.line(id)?;
    }
    Ok(0)
}

/// `--iidfile` and `--metadata-file`.
fn files(call: &Call<'_>, solved: &Solved) -> Result<(), CliError> {
    let write = |path: &str, text: &str| {
        std::fs::write(path, text).map_err(|error| CliError::Text(format!("{path}: {error}")))
    };
    let path = call.parsed.text("iidfile");
    if let (false, Some(id)) = (path.is_empty(), solved.answer.get("containerimage.digest")) {
        write(path, id)?;
    }
    let path = call.parsed.text("metadata-file");
    if !path.is_empty() {
        let mut document = serde_json::Map::new();
        for (key, value) in &solved.answer {
            document.insert(key.clone(), value.clone().into());
        }
        let reference = format!("default/default/{}", solved.reference);
        document.insert("buildx.build.ref".into(), reference.into());
        write(path, &format!("{:#}", serde_json::Value::from(document)))?;
    }
    Ok(())
}

type Logins = Box<dyn Fn(&str) -> Option<build::Login> + Send + Sync>;

/// Credentials of the client's configuration, looked up when the engine asks.
fn logins(call: &Call<'_>) -> Logins {
    let directory = call.app.config_directory.clone();
    Box::new(move |server| login(&directory, server))
}

fn login(directory: &Path, server: &str) -> Option<build::Login> {
    let config = crate::config::ConfigFile::load(directory).ok()?;
    let found = credentials::get(&config, server).ok()?;
    match (found.username.is_empty(), found.identitytoken.is_empty()) {
        (_, false) => Some((String::new(), found.identitytoken)),
        (false, true) => Some((found.username, found.password)),
        (true, true) => None,
    }
}
