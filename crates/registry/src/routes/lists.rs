//! Lists: `_catalog`, `tags/list`, `referrers`.

use super::{Answer, Call, not_here};
use crate::{
    auth::Needs,
    catalog::page,
    error::{Code, Error},
    limits::{MANIFEST_BYTES, PAGE_ENTRIES},
    name::{RepositoryName, parse_digest},
    reply::{self, Body, FILTERS, Reply, set},
};
use corten_oci::{Descriptor, media_type};
use form_urlencoded::byte_serialize;
use http::{Method, Response, StatusCode, header};
use serde::Serialize;

impl Call {
    pub(super) async fn catalog(mut self) -> Answer {
        #[derive(Serialize)]
        struct Catalog {
            repositories: Vec<String>,
        }
        if self.method != Method::GET {
            return Ok(not_here("GET")?);
        }
        self.admit(Needs::Catalog).await?;
        let limit = self.limit()?.unwrap_or(PAGE_ENTRIES);
        let all = self.registry.repositories().await?;
        let seen = all.into_iter().filter(|name| self.caller.may_see(name));
        let names: Vec<String> = seen.map(|name| name.to_string()).collect();
        let (repositories, more) = page(names, |name| name.clone(), self.parameter("last"), limit);
        let last = repositories.last().cloned();
        let mut response = reply::json(&Catalog { repositories });
        link(&mut response, more, "/v2/_catalog", last, limit, &[]);
        Ok(response)
    }

    pub(super) async fn tags(self, name: &RepositoryName) -> Reply {
        #[derive(Serialize)]
        struct Tags<'a> {
            name: &'a str,
            tags: Vec<String>,
        }
        if self.method != Method::GET {
            return not_here("GET");
        }
        let limit = self.limit()?.unwrap_or(PAGE_ENTRIES);
        let all = match self.registry.upstream_tags(name).await? {
            Some(tags) => tags,
            None => {
                let tags = self.registry.tag_list(name).await?;
                if tags.is_empty() && !self.registry.has_repository(name).await? {
                    return Err(Error::code(Code::NameUnknown));
                }
                tags.into_iter().map(|(tag, _)| tag.to_string()).collect()
            }
        };
        let (tags, more) = page(
            all,
            |tag: &String| tag.clone(),
            self.parameter("last"),
            limit,
        );
        let last = tags.last().cloned();
        let name = name.as_str();
        let mut response = reply::json(&Tags { name, tags });
        link(
            &mut response,
            more,
            &format!("/v2/{name}/tags/list"),
            last,
            limit,
            &[],
        );
        Ok(response)
    }

    pub(super) async fn referrers(self, name: &RepositoryName, digest: &str) -> Reply {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Referrers {
            schema_version: u32,
            media_type: &'static str,
            manifests: Vec<Descriptor>,
        }
        if !matches!(self.method, Method::GET | Method::HEAD) {
            return not_here("GET, HEAD");
        }
        let digest = parse_digest(digest)?;
        let limit = self.limit()?.unwrap_or(PAGE_ENTRIES);
        let mut all = self.registry.referrers(name, &digest).await?;
        let kind = self
            .parameter("artifactType")
            .filter(|kind| !kind.is_empty());
        if let Some(kind) = kind {
            all.retain(|one| one.artifact_type.as_deref() == Some(kind));
        }
        let (mut manifests, mut more) = page(
            all,
            |one| one.digest.to_string(),
            self.parameter("last"),
            limit,
        );
        // The answer is an index, which has the bound of one.
        let mut room = MANIFEST_BYTES / 2;
        let fits = |one: &Descriptor| {
            let size = serde_json::to_vec(one).map_or(0, |text| text.len());
            room = room.saturating_sub(size + 1);
            room > 0
        };
        let count = manifests
            .iter()
            .take_while({
                let mut fits = fits;
                move |one| fits(one)
            })
            .count()
            .max(1);
        more |= count < manifests.len();
        manifests.truncate(count);
        let last = manifests.last().map(|one| one.digest.to_string());
        let text = serde_json::to_vec(&Referrers {
            schema_version: 2,
            media_type: media_type::OCI_INDEX,
            manifests,
        });
        let text = text.expect("strings and numbers are JSON");
        let mut response = reply::bytes(StatusCode::OK, media_type::OCI_INDEX, text.into());
        let mut kept = Vec::new();
        if let Some(kind) = kind {
            set(&mut response, FILTERS, "artifactType");
            kept.push(("artifactType", kind));
        }
        link(
            &mut response,
            more,
            &format!("/v2/{name}/referrers/{digest}"),
            last,
            limit,
            &kept,
        );
        Ok(response)
    }
}

/// Tells where the next page is. RFC 8288.
fn link(
    response: &mut Response<Body>,
    more: bool,
    path: &str,
    last: Option<String>,
    limit: usize,
    kept: &[(&str, &str)],
) {
    let Some(last) = last.filter(|_| more) else {
        return;
    };
    let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let mut query = format!("last={}&n={limit}", encode(&last));
    for (key, value) in kept {
        query += &format!("&{key}={}", encode(value));
    }
    set(
        response,
        header::LINK,
        &format!("<{path}?{query}>; rel=\"next\""),
    );
}
