//! docs/compatibility.md: what of Docker's API is honoured, refused or answered otherwise;
//! docs/compose.md: the same of Compose files.
//!
//! The pages are made from the tables below and never written by hand; `check` fails when
//! one is stale, and tests hold the tables against the types that the server reads and the
//! flags that the client knows.

mod beside;
mod compose;
pub mod differences;
mod tables;

use crate::run;
use anyhow::{Context, Result, bail};
use std::fmt::Write;
use tables::fields::{self, FIELDS, State};
use tables::flags::FLAGS;

/// Where the page stands.
const PAGE: &str = "docs/compatibility.md";

/// Writes the pages anew.
pub fn write() -> Result<()> {
    for (name, text) in pages()? {
        let path = run::repository_root().join(name);
        std::fs::write(&path, text).with_context(|| format!("writing {name}"))?;
    }
    Ok(())
}

/// Fails when a page is not what the tables say.
pub fn check() -> Result<()> {
    for (name, text) in pages()? {
        let path = run::repository_root().join(name);
        let found = std::fs::read_to_string(&path).with_context(|| format!("reading {name}"))?;
        if found != text {
            bail!("{name} is stale: run `cargo xtask compatibility`");
        }
    }
    Ok(())
}

fn pages() -> Result<[(&'static str, String); 2]> {
    Ok([(PAGE, page()?), (compose::PAGE, compose::page()?)])
}

fn page() -> Result<String> {
    let mut page = String::from(HEAD);
    for object in [
        "Config",
        "HealthConfig",
        "HostConfig",
        "Mount",
        "EndpointSettings",
    ] {
        writeln!(page, "\n### {object}\n\n| field | | |\n|---|---|---|")?;
        for (_, name, state, note) in FIELDS.iter().filter(|it| it.0 == object) {
            writeln!(page, "| `{name}` | {} | {note} |", word(*state))?;
        }
    }
    page.push_str(FLAGS_HEAD);
    for (flag, target) in FLAGS {
        let field = target
            .split_once('.')
            .and_then(|(object, name)| fields::find(object, name));
        match field {
            Some((_, _, state, note)) => {
                writeln!(
                    page,
                    "| `--{flag}` | {} | `{target}` | {note} |",
                    word(*state)
                )?;
            }
            None => writeln!(page, "| `--{flag}` | honoured | the client | {target} |")?,
        }
    }
    page.push_str(DIFFERENCES_HEAD);
    for known in differences::DIFFERENCES {
        let (call, place) = (known.call.replace('|', "\\|"), known.place);
        writeln!(page, "| `{call}` | `{place}` | {} |", known.reason)?;
    }
    page.push_str(BESIDE_HEAD);
    for (subject, difference) in beside::BESIDE {
        writeln!(page, "| {subject} | {difference} |")?;
    }
    Ok(page)
}

fn word(state: State) -> &'static str {
    match state {
        State::Honoured => "honoured",
        State::Recorded => "recorded",
        State::Refused => "**refused**",
        State::Client => "the client's",
    }
}

const HEAD: &str = "\
# Compatibility

This page is made by `cargo xtask compatibility` from the tables in `xtask/src/compatibility`; \
`cargo xtask check` fails when it is stale.

*honoured*: it does what Docker's documentation says. \
*refused*: a request that sets it gets a sentence that names it. \
*recorded*: kept and shown, without effect, as with dockerd on Linux. \
*the client's*: the client acts on it; the engine shows it.

## Fields of a create request
";

const FLAGS_HEAD: &str = "
## Flags of `docker run`

| flag | | field | |
|---|---|---|---|
";

const BESIDE_HEAD: &str = "
## What else differs

Seen by using both side by side, and meant.

| | |
|---|---|
";

const DIFFERENCES_HEAD: &str = "
## Answers that differ from dockerd's

`cargo xtask differential SOCKET` sends one list of calls to dockerd 28.5 and to cortend and compares \
status, sentences and bodies field by field. These differences are meant (`*` stands for anything); \
any other makes it fail.

| call | place | why |
|---|---|---|
";
