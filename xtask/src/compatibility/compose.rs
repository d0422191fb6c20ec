//! docs/compose.md: what becomes of each attribute of a Compose file, and which test holds
//! it. The table is the one that the tests of the compose room read.

use anyhow::{Context, Result, bail};
use std::fmt::Write;

/// Where the page stands.
pub const PAGE: &str = "docs/compose.md";
/// Attribute, what becomes of it, the tests that hold it, a note.
const TABLE: &str = include_str!("../../../crates/compose/src/schema/attributes.tsv");

/// The whole page.
pub fn page() -> Result<String> {
    let mut page = String::from(HEAD);
    for line in TABLE.lines() {
        let cells: Vec<&str> = line.split('\t').collect();
        let [attribute, becomes, held_by, note] = cells[..] else {
            bail!("four cells are wanted in {line:?}");
        };
        let held_by: Vec<String> = held_by
            .split(", ")
            .filter(|name| !name.is_empty())
            .map(|name| format!("`{name}`"))
            .collect();
        let becomes = match becomes {
            "refused" => "**refused**",
            other => other,
        };
        writeln!(
            page,
            "| `{attribute}` | {becomes} | {} | {note} |",
            held_by.join(", ")
        )
        .context("writing a row")?;
    }
    Ok(page)
}

const HEAD: &str = "\
# Compose

This page is made by `cargo xtask compatibility` from `crates/compose/src/schema/attributes.tsv`; \
`cargo xtask check` fails when it is stale.

`corten compose` is judged by stock Compose 2.40.3, side by side on the same engine: what it prints, \
says, makes and leaves. It reads the Compose specification whole, and either tool goes on with the \
other's project.

## How that is held

| what | where |
|---|---|
| `config` as YAML and JSON and the hashes of services, recorded from stock Compose, 123 projects, 42 of them in the style of public applications | `crates/compose/tests/cases`, `canonical.rs`; `cargo xtask compose-cases` records |
| 77 broken files: each error names file, line and key, and says what to write instead | `crates/compose/tests/bad_files.rs` |
| plans of `up`, `down` and the like, without an engine | `crates/compose/tests/plan.rs` |
| what `create` makes of each key, inspected and compared with what stock Compose makes | `crates/corten/tests/compose/keys.rs` |
| variants of `config`, variables `COMPOSE_…`, flags, help, commands and dry runs: output and exit code word for word | `variants.rs`, `commands.rs`, `outputs.rs` there |
| the commands of every day, by our program and by the stock plugin on our engine | `everyday.rs` |
| each tool goes on with the other's project: scale, one-off containers, services whose profile is off, changed configs | `interchange.rs`, `life.rs` |
| an application of nginx, Python, redis and postgres: health checks, volumes, secrets, three containers of a service, logs, an edit that is live in under a second, an update under load, `down -v` | `application.rs` |
| no request of 10,000 fails while an application is replaced again and again | `cargo xtask soak rollover` ([performance.md](performance.md)) |
| builds, watch, updates that start first, contents of configs and secrets that change, hooks, providers, includes from git and OCI, `publish` | `change.rs`, `beside.rs`, `sources.rs`, `platforms.rs` |
| the order of dependencies after a reboot | `crates/corten/tests/crash_projects.rs` |
| no text makes loading panic | the target `compose` of `cargo xtask fuzz` |

## What is not here

`compose bridge` turns projects into manifests of Kubernetes by transformations that are images of \
Docker's hub, made and kept by Docker: without its cloud there is nothing to run. `compose config` \
prints the file that other converters read. The experiments below `compose alpha` are refused with \
the command to use instead. Models (`models`) need Docker's model runner, and are refused as stock \
Compose refuses them where it is missing.

`--parallel -1` is no limit, as its help says; stock Compose takes the `-1` for a command.

## Attributes

*loading*: used up while files become a project. \
*container*, *network*, *volume*: part of what is made. \
*compose*: `corten compose` acts on it. \
*build*: part of a build. \
*refused*: a project whose services use it gets a sentence that names it. \
*nothing*: printed by `config`, and nothing comes of it, as with stock Compose; of clusters means \
that only Swarm knows it, of Windows that only engines there do.

Every attribute is in a case of `config`; the tests named hold what becomes of it, and a test fails \
when one of them does not give the attribute.

| attribute | | held by | |
|---|---|---|---|
";
