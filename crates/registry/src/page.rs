//! A page for people: repositories; of one, its tags, platforms and layers. No script, no
//! state, nothing the API would not tell the same caller.

use crate::{
    auth::Needs,
    config::Right,
    error::{Code, Error, Result},
    limits::PAGE_ROWS,
    name::{RepositoryName, Target},
    records::StoredManifest,
    registry::Registry,
    reply::{self, Body, set},
    routes::{Answer, Call},
};
use corten_oci::{Digest, ManifestOrIndex};
use http::{Method, Response, StatusCode, header};
use std::fmt::Write as _;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;\
padding:0 1rem;color:#222}h1{font-size:1.4rem}a{color:#8a3b12}table{border-collapse:collapse;\
width:100%}td,th{text-align:left;padding:.35rem .6rem;border-bottom:1px solid #ddd;\
vertical-align:top}code{font-size:.9em;word-break:break-all}summary{cursor:pointer}\
.dim{color:#777}@media(prefers-color-scheme:dark){body{background:#1b1715;color:#ddd}\
a{color:#e08a55}td,th{border-color:#444}}";

/// Shows `/` or `/r/<repository>`.
pub(crate) async fn show(mut call: Call, path: &str) -> Answer {
    let nothing = || Error::at(Code::NameUnknown, StatusCode::NOT_FOUND, "no such page");
    if !call.registry.0.config.page || !matches!(call.method, Method::GET | Method::HEAD) {
        return Err(nothing().into());
    }
    if path == "/" {
        call.admit(Needs::Catalog).await?;
        return Ok(repositories(&call).await?);
    }
    let name = path.strip_prefix("/r/").ok_or_else(nothing)?;
    let name = RepositoryName::parse(name)?;
    call.admit(Needs::Rights(&[(&name, Right::Pull)])).await?;
    Ok(repository(&call, &name).await?)
}

async fn repositories(call: &Call) -> Result<Response<Body>> {
    let all = call.registry.repositories().await?;
    let mut seen: Vec<_> = all
        .into_iter()
        .filter(|name| call.caller.may_see(name))
        .collect();
    let count = seen.len();
    seen.truncate(PAGE_ROWS);
    let mut text = format!("<h1>Repositories</h1><p class=dim>{count} in all</p><table>");
    for name in &seen {
        let tags = call.registry.tag_list(name).await?.len();
        let _ = write!(
            text,
            "<tr><td><a href=\"/r/{name}\">{name}</a><td class=dim>{tags} tags"
        );
    }
    Ok(page("Repositories", &text))
}

async fn repository(call: &Call, name: &RepositoryName) -> Result<Response<Body>> {
    if !call.registry.has_repository(name).await? {
        return Err(Error::code(Code::NameUnknown));
    }
    let mut tags = call.registry.tag_list(name).await?;
    tags.sort_by_key(|(_, stat)| std::cmp::Reverse(stat.modified));
    let count = tags.len();
    tags.truncate(PAGE_ROWS);
    let mut text = format!(
        "<p><a href=\"/\">Repositories</a></p><h1>{name}</h1><p class=dim>{count} tags</p>\
         <table><tr><th>Tag<th>Pushed<th>Contents"
    );
    for (tag, stat) in &tags {
        let target = Target::Tag(tag.clone());
        let Some(manifest) = call.registry.find_manifest(name, &target).await? else {
            continue;
        };
        let pushed = corten_base::Timestamp::from(stat.modified).to_string();
        let pushed = pushed.get(..16).unwrap_or_default().replace('T', " ");
        let _ = write!(
            text,
            "<tr><td>{tag}<br><code class=dim>{}</code>",
            manifest.digest.short()
        );
        let _ = write!(text, "<td>{pushed}<td>");
        contents(&call.registry, name, &manifest, &mut text).await?;
    }
    Ok(page(name.as_str(), &text))
}

/// What a manifest is made of; of an index, each entry's.
async fn contents(
    registry: &Registry,
    name: &RepositoryName,
    manifest: &StoredManifest,
    text: &mut String,
) -> Result<()> {
    let kind = Some(manifest.record.media_type.as_str());
    match ManifestOrIndex::parse(kind, &manifest.bytes) {
        Ok(ManifestOrIndex::Manifest(image)) => {
            let platform = platform(registry, &image.config.digest).await?;
            let kind = manifest.record.artifact_type.as_deref().unwrap_or_default();
            layers(
                &platform.unwrap_or_else(|| kind.to_owned()),
                &image.layers,
                text,
            );
        }
        Ok(ManifestOrIndex::Index(index)) => {
            for entry in index.manifests.iter().take(PAGE_ROWS) {
                let child = registry.stored_manifest(name, &entry.digest).await?;
                let named = entry.platform.as_ref().map(ToString::to_string);
                let named = named.unwrap_or_else(|| entry.digest.short().to_owned());
                let kind = Some(entry.media_type.as_str());
                let parsed = child.map(|child| ManifestOrIndex::parse(kind, &child.bytes));
                match parsed {
                    Some(Ok(ManifestOrIndex::Manifest(image))) => {
                        layers(&named, &image.layers, text);
                    }
                    _ => drop(write!(text, "<div>{}</div>", escape(&named))),
                }
            }
        }
        Err(_) => text.push_str("cannot be read"),
    }
    Ok(())
}

fn layers(title: &str, layers: &[corten_oci::Descriptor], text: &mut String) {
    let size: u64 = layers.iter().map(|layer| layer.size).sum();
    let size = bytes(size);
    let _ = write!(
        text,
        "<details><summary>{} <span class=dim>{} layers, {size}</span></summary><table>",
        escape(title),
        layers.len(),
    );
    for layer in layers {
        let _ = write!(
            text,
            "<tr><td><code>{}</code><td>{}<td class=dim>{}",
            layer.digest.short(),
            bytes(layer.size),
            escape(&layer.media_type)
        );
    }
    text.push_str("</table></details>");
}

/// The platform an image's configuration tells.
async fn platform(registry: &Registry, config: &Digest) -> Result<Option<String>> {
    let key = crate::layout::blob(config);
    let text = match registry
        .0
        .storage
        .read(&key, crate::limits::MANIFEST_BYTES as u64)
        .await
    {
        Ok(Some(text)) => text,
        _ => return Ok(None),
    };
    let parsed: Option<corten_oci::Platform> = serde_json::from_slice(&text).ok();
    let named = parsed.filter(|platform| !platform.os.is_empty());
    Ok(named.map(|platform| platform.to_string()))
}

fn bytes(size: u64) -> String {
    let (mut size, mut unit) = (size as f64, "B");
    for next in ["kB", "MB", "GB", "TB"] {
        if size < 1000.0 {
            break;
        }
        (size, unit) = (size / 1000.0, next);
    }
    let digits = usize::from(unit != "B");
    format!("{size:.digits$} {unit}")
}

/// Text in HTML: media types and platforms are the publisher's words.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

fn page(title: &str, body: &str) -> Response<Body> {
    let text = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport \
         content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style>{body}"
    );
    let mut response = reply::bytes(StatusCode::OK, "text/html; charset=utf-8", text.into());
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
    set(&mut response, header::CONTENT_SECURITY_POLICY, policy);
    response
}
