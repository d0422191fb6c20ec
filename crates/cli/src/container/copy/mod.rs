//! `cp`: files between the machine and a container.

mod extract;
mod pack;
mod place;

use crate::{app::Call, error::CliError, files, terminal};
use base64::{Engine, engine::general_purpose::STANDARD};
use corten_api::container::PathStat;
use corten_base::text;
use corten_client::{Client, Response};
use place::Kind;
use std::{io::Write, path::Path};

/// One end of a copy.
#[derive(Debug, PartialEq, Eq)]
enum End<'a> {
    /// Standard input or output, as a tar stream.
    Stream,
    Local(&'a str),
    Container {
        name: &'a str,
        path: &'a str,
    },
}

/// `CONTAINER:PATH`, `PATH` or `-`. A path that begins with a dot or a slash is local.
fn end(text: &str) -> End<'_> {
    if text == "-" {
        return End::Stream;
    }
    if text.starts_with('/') {
        return End::Local(text);
    }
    match text.split_once(':') {
        Some((name, _)) if name.starts_with('.') => End::Local(text),
        Some((name, path)) if !name.is_empty() => End::Container { name, path },
        _ => End::Local(text),
    }
}

/// Copies one way.
pub async fn run(call: &Call<'_>) -> Result<u8, CliError> {
    let (source, target) = (call.arg(0), call.arg(1));
    if source.is_empty() {
        return Err(CliError::Text("source can not be empty".into()));
    }
    if target.is_empty() {
        return Err(CliError::Text("destination can not be empty".into()));
    }
    let copied = match (end(source), end(target)) {
        (End::Container { name, path }, to @ (End::Local(_) | End::Stream)) => {
            from_container(call, name, path, to).await?
        }
        (from @ (End::Local(_) | End::Stream), End::Container { name, path }) => {
            to_container(call, from, name, path).await?
        }
        (End::Container { .. }, End::Container { .. }) => {
            return Err(CliError::Text(
                "copying between containers is not supported".into(),
            ));
        }
        _ => {
            return Err(CliError::Text(
                "must specify at least one container source".into(),
            ));
        }
    };
    let quiet = call.parsed.is_on("quiet") || !terminal::terminals().output;
    if let Some(bytes) = copied.filter(|_| !quiet) {
        let size = text::human_size_with_precision(bytes as f64, 3);
        call.app
            .warn(&format!("Successfully copied {size} to {target}"));
    }
    Ok(0)
}

/// The state of a path in a container, from the engine's header.
fn stat(response: &Response) -> Result<PathStat, CliError> {
    let header = response
        .header("x-docker-container-path-stat")
        .unwrap_or("");
    STANDARD
        .decode(header)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .ok_or_else(|| {
            CliError::Text("unable to decode container path stat header: invalid value".into())
        })
}

fn kind(stat: &PathStat) -> Kind {
    // Go's file modes: bit 31 is a directory, bit 27 a symbolic link.
    match stat.mode {
        mode if mode & (1 << 31) != 0 => Kind::Directory,
        mode if mode & (1 << 27) != 0 => Kind::Link,
        _ => Kind::File,
    }
}

async fn look(call: &Call<'_>, name: &str, path: &str) -> Result<PathStat, CliError> {
    let client = call.client().await?;
    let url = format!("/containers/{}/archive", Client::segment(name));
    let request = client
        .request(corten_client::Method::HEAD, url)
        .query("path", path);
    match request.send().await {
        Ok(response) => stat(&response),
        // An answer to HEAD has no message: the sentence is made here.
        Err(error) if error.is_not_found() => {
            let get = client
                .get(format!("/containers/{}/archive", Client::segment(name)))
                .query("path", path);
            match get.send().await {
                Err(told) => Err(told.into()),
                Ok(_) => Err(error.into()),
            }
        }
        Err(error) => Err(error.into()),
    }
}

async fn from_container(
    call: &Call<'_>,
    name: &str,
    path: &str,
    to: End<'_>,
) -> Result<Option<u64>, CliError> {
    let mut path = path.to_owned();
    if call.parsed.is_on("follow-link")
        && let Ok(found) = look(call, name, &path).await
        && kind(&found) == Kind::Link
    {
        path = place::joined_link(&path, &found.link_target);
    }
    let response = call
        .client()
        .await?
        .get(format!("/containers/{}/archive", Client::segment(name)))
        .query("path", &path)
        .send()
        .await?;
    let End::Local(target) = to else {
        files::refuse_terminal("")?;
        files::write_body(response, "").await?;
        return Ok(None);
    };
    let found = stat(&response)?;
    let placed = place::local(&path, kind(&found), target)?;
    let (mut bytes, mut response) = (0_u64, response);
    let (reader, mut writer) = std::io::pipe().map_err(|e| CliError::Text(e.to_string()))?;
    let keep_owner = call.parsed.is_on("archive");
    let extracting = std::thread::spawn(move || {
        extract::extract(reader, &placed, extract::Options { keep_owner })
    });
    while let Some(chunk) = response.chunk().await? {
        bytes += chunk.len() as u64;
        if writer.write_all(&chunk).is_err() {
            break;
        }
    }
    drop(writer);
    match extracting.join() {
        Ok(result) => result.map_err(|error| CliError::Text(error.to_string()))?,
        Err(_) => return Err(CliError::Text("extracting the archive failed".into())),
    }
    Ok(Some(bytes))
}

async fn to_container(
    call: &Call<'_>,
    from: End<'_>,
    name: &str,
    path: &str,
) -> Result<Option<u64>, CliError> {
    let mut path = if path.is_empty() {
        "/".to_owned()
    } else {
        path.to_owned()
    };
    // A missing target is made under its parent; a link is followed once, as Docker does.
    let mut target = look(call, name, &path).await.ok();
    if let Some(found) = target.as_ref().filter(|found| kind(found) == Kind::Link) {
        path = place::joined_link(&path, &found.link_target);
        target = look(call, name, &path).await.ok();
    }
    let target_kind = target.as_ref().map(kind);
    let client = call.client().await?;
    let request = client.request(
        corten_client::Method::PUT,
        format!("/containers/{}/archive", Client::segment(name)),
    );
    let request = request
        .query("noOverwriteDirNonDir", "true")
        .flag("copyUIDGID", call.parsed.is_on("archive"));
    match from {
        End::Stream => {
            if target_kind != Some(Kind::Directory) {
                return Err(CliError::Text(format!(
                    "destination \"{name}:{path}\" must be a directory"
                )));
            }
            let body = files::pieces(std::io::stdin());
            let request = request
                .query("path", &path)
                .stream(body, "application/x-tar");
            request.send().await?.bytes().await?;
            Ok(None)
        }
        End::Local(source) => {
            let follow = call.parsed.is_on("follow-link");
            let packed = pack::source(Path::new(source), follow)?;
            let placed = place::inside(source, packed.kind, &path, target_kind)?;
            let counter = pack::Counter::default();
            let body = pack::stream(packed, placed.name, counter.clone());
            let request = request
                .query("path", &placed.directory)
                .stream(body, "application/x-tar");
            request.send().await?.bytes().await?;
            Ok(Some(counter.bytes()))
        }
        End::Container { .. } => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colon_names_a_container_unless_the_path_is_clearly_local() {
        assert_eq!(
            end("web:/etc"),
            End::Container {
                name: "web",
                path: "/etc"
            }
        );
        assert_eq!(end("./a:b"), End::Local("./a:b"));
        assert_eq!(end("/a:b"), End::Local("/a:b"));
        assert_eq!(end("file"), End::Local("file"));
        assert_eq!(end("-"), End::Stream);
    }
}
