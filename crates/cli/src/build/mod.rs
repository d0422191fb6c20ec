//! `build`: an image from a Dockerfile, through BuildKit's door.

mod arguments;
mod asked;
mod attest;
mod caches;
mod context;
pub mod failure;
pub mod metadata;
mod output;
mod plain;
pub mod progress;
mod raw_json;
mod tty;

pub use arguments::refuse_builder;
pub use asked::{answer, asked};

use crate::{app::Call, buildx::refs::Place, config::credentials, error::CliError};
use corten_client::build::{self, Build, Offer, Solved};
use std::path::Path;

pub(crate) use context::is_remote;

/// A build of which everything is known.
pub struct Prepared {
    /// What the engine is asked for.
    pub build: Build,
    /// What it may ask for.
    pub offer: Offer,
    /// What is to be done with what comes.
    pub wanted: output::Wanted,
}

impl Prepared {
    /// The Dockerfile's text, which stands nowhere else.
    pub fn dockerfile(&mut self, text: Vec<u8>) -> Result<(), CliError> {
        context::given(&mut self.build, &mut self.offer, text)
    }
}

/// Reads a line of `build`.
pub fn prepare(call: &Call<'_>) -> Result<Prepared, CliError> {
    let mut build = Build {
        reference: build::new_reference(),
        ..Build::default()
    };
    let mut offer = Offer::default();
    arguments::read(call, &mut build, &mut offer)?;
    context::read(call, &mut build, &mut offer)?;
    let wanted = output::read(call, &mut build, &mut offer)?;
    offer.logins = Some(logins(call));
    Ok(Prepared {
        build,
        offer,
        wanted,
    })
}

/// `image build`.
pub async fn run(call: &Call<'_>) -> Result<u8, CliError> {
    run_telling(call, progress::Stream::Error).await
}

/// The same, the build being shown on `stream`.
pub async fn run_telling(call: &Call<'_>, stream: progress::Stream) -> Result<u8, CliError> {
    let Prepared {
        build,
        offer,
        wanted,
    } = prepare(call)?;
    let mode = progress::Mode::read(call)?.on(stream);
    let (told, messages) = build::progress();
    let showing = progress::show_on(stream, mode, messages);
    let client = call.client().await?;
    let provenance = match call.parsed.text("metadata-file") {
        "" => None,
        _ => metadata::Provenance::wanted(),
    };
    let building = async {
        // Dropped with this block: then everything has been shown.
        let told = told;
        remember(call, &build.reference);
        let mut solved = client.build(build, offer, told.clone()).await?;
        if let Some(provenance) = provenance {
            provenance.resolve(client, &mut solved, &told).await?;
        }
        Ok(solved)
    };
    let (solved, shown) = tokio::join!(building, showing);
    let solved = match solved {
        Ok(solved) => solved,
        Err(error) => return Err(failure::of(error, &shown, "failed to build: ")),
    };
    if let Some(asked) = asked(&call.parsed)? {
        let (text, code) = answer(&asked, &solved);
        call.app.out(&text)?;
        return Ok(code);
    }
    wanted.finish()?;
    files(call, &solved)?;
    let id = solved.answer.get("containerimage.digest");
    if let (true, Some(id)) = (mode.is_quiet(), id) {
        call.app.line(id)?;
    }
    Ok(0)
}

/// Remembers where a build's files are, for lists of builds.
pub fn remember(call: &Call<'_>, reference: &str) {
    let target = match call.parsed.text("target") {
        "" => "default",
        target => target,
    };
    let place = Place::of(target, call.arg(0), call.parsed.text("file"));
    place.keep(call.app, reference);
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
        metadata::write(path, solved)?;
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
