//! Registries that send their clients elsewhere.

use super::{
    End::{Badly, Well},
    LAYER, Places, Scenario,
    Verb::*,
    common::{Asked, answer},
    credentials, in_network, insecure, manifest, play,
};
use bytes::Bytes;
use corten_oci::media_type;
use http::Response;
use http_body_util::Full;

type Reply = Response<Full<Bytes>>;

/// Asks for a password, then redirects to `location`.
fn redirect(asked: &Asked, status: u16, location: &str) -> Reply {
    match asked.header("authorization") {
        "" => answer(401, &[("www-authenticate", "Basic realm=\"r\"")], ""),
        _ => answer(status, &[("location", location)], ""),
    }
}

fn good_manifest() -> Reply {
    answer(
        200,
        &[("content-type", media_type::OCI_MANIFEST)],
        manifest(),
    )
}

/// Answers well, whatever is asked.
fn obliging(asked: &Asked, _: &Places) -> Reply {
    match asked.target.as_str() {
        t if t.contains("manifests") && asked.method == "HEAD" => {
            let digest = corten_oci::Digest::of(manifest().as_bytes()).to_string();
            let kind = ("content-type", media_type::OCI_MANIFEST);
            answer(200, &[kind, ("docker-content-digest", &digest)], manifest())
        }
        t if t.contains("manifests") => good_manifest(),
        t if t.contains("blobs") && asked.method == "GET" => answer(200, &[], LAYER),
        t if t.contains("tags") => answer(200, &[], r#"{"tags":["v1"]}"#),
        t if t.contains("search") => answer(200, &[], r#"{"results":[]}"#),
        _ if asked.method == "GET" => answer(200, &[], "{}"),
        _ => answer(201, &[], ""),
    }
}

/// Wants the password that it was not given for.
fn greedy(_: &Asked, _: &Places) -> Reply {
    answer(401, &[("www-authenticate", "Basic realm=\"t\"")], "")
}

/// Begins an upload that goes on at `location`.
fn upload(asked: &Asked, location: &str) -> Reply {
    match asked.method.as_str() {
        "POST" => redirect(asked, 202, location),
        _ => answer(405, &[], ""),
    }
}

const TABLE: &[Scenario] = &[
    Scenario {
        name: "a manifest for good at another server",
        verb: Manifest,
        registry: |asked, at| redirect(asked, 301, &format!("http://{}/manifests/x", at.thief)),
        thief: obliging,
        end: Well,
    },
    Scenario {
        name: "a manifest for now at another server that asks for the password",
        verb: Manifest,
        registry: |asked, at| redirect(asked, 302, &format!("http://{}/manifests/x", at.thief)),
        thief: greedy,
        end: Badly("unauthorized"),
    },
    Scenario {
        name: "a blob at another port of the same host",
        verb: Blob,
        registry: |asked, at| redirect(asked, 307, &format!("http://{}/blobs/x", at.neighbour)),
        thief: obliging,
        end: Well,
    },
    Scenario {
        name: "a blob at another port of the same host that asks for the password",
        verb: Blob,
        registry: |asked, at| redirect(asked, 307, &format!("http://{}/blobs/x", at.neighbour)),
        thief: greedy,
        end: Badly("unauthorized"),
    },
    Scenario {
        name: "a blob at a URL without a scheme",
        verb: Blob,
        registry: |asked, at| redirect(asked, 308, &format!("//{}/blobs/x", at.thief)),
        thief: obliging,
        end: Well,
    },
    Scenario {
        name: "a blob in the local network",
        verb: Blob,
        registry: |asked, at| redirect(asked, 307, &format!("http://{}/blobs/x", at.inside)),
        thief: obliging,
        end: Badly("refusing to follow the registry to"),
    },
    Scenario {
        name: "a blob in the local network by way of another server",
        verb: Blob,
        registry: |asked, at| redirect(asked, 307, &format!("http://{}/hop", at.thief)),
        thief: |_, at| answer(307, &[("location", &format!("http://{}/x", at.inside))], ""),
        end: Badly("refusing to follow the registry to"),
    },
    Scenario {
        name: "a URL with a user and a password",
        verb: Blob,
        registry: |asked, at| redirect(asked, 307, &format!("http://a:b@{}/blobs/x", at.thief)),
        thief: obliging,
        end: Badly("failed to parse Location"),
    },
    Scenario {
        name: "a redirect to nowhere",
        verb: Manifest,
        registry: |asked, _| redirect(asked, 307, ""),
        thief: obliging,
        end: Badly("failed to parse Location"),
    },
    Scenario {
        name: "a file of this machine",
        verb: Manifest,
        registry: |asked, _| redirect(asked, 307, "file:///etc/passwd"),
        thief: obliging,
        end: Badly("failed to parse Location"),
    },
    Scenario {
        name: "a URL with a blank in it",
        verb: Manifest,
        registry: |asked, at| redirect(asked, 307, &format!("http://{}/a b", at.thief)),
        thief: obliging,
        end: Badly("failed to parse Location"),
    },
    Scenario {
        name: "away and back home",
        verb: Manifest,
        registry: |asked, at| match asked.target.as_str() {
            "/home" if !asked.header("authorization").is_empty() => good_manifest(),
            _ => redirect(asked, 307, &format!("http://{}/hop", at.thief)),
        },
        thief: |_, at| {
            answer(
                307,
                &[("location", &format!("http://{}/home", at.registry))],
                "",
            )
        },
        end: Well,
    },
    Scenario {
        name: "to and fro without an end",
        verb: Manifest,
        registry: |asked, at| redirect(asked, 307, &format!("http://{}/hop", at.thief)),
        thief: |_, at| {
            answer(
                307,
                &[("location", &format!("http://{}/again", at.registry))],
                "",
            )
        },
        end: Badly("stopped after 10 redirects"),
    },
    Scenario {
        name: "a tag is looked up at another server",
        verb: Resolve,
        registry: |asked, at| redirect(asked, 307, &format!("http://{}/manifests/x", at.thief)),
        thief: obliging,
        end: Well,
    },
    Scenario {
        name: "tags are listed at another server",
        verb: Tags,
        registry: |asked, at| redirect(asked, 302, &format!("http://{}/tags", at.thief)),
        thief: obliging,
        end: Well,
    },
    Scenario {
        name: "the second page of tags is at another server",
        verb: Tags,
        registry: |asked, at| {
            let link = format!("<http://{}/tags>; rel=\"next\"", at.thief);
            match asked.header("authorization") {
                "" => redirect(asked, 401, ""),
                _ => answer(200, &[("link", &link)], r#"{"tags":["v1"]}"#),
            }
        },
        thief: obliging,
        end: Badly("the tag list is to go on at"),
    },
    Scenario {
        name: "the second page of tags is said to be at another port",
        verb: Tags,
        registry: |asked, at| {
            let link = format!("<http://{}/tags?last=v1>; rel=\"next\"", at.neighbour);
            match (asked.header("authorization"), asked.target.as_str()) {
                ("", _) => redirect(asked, 401, ""),
                (_, "/tags?last=v1") => answer(200, &[], r#"{"tags":["v2"]}"#),
                _ => answer(200, &[("link", &link)], r#"{"tags":["v1"]}"#),
            }
        },
        thief: greedy,
        end: Well,
    },
    Scenario {
        name: "pages of tags without an end",
        verb: Tags,
        registry: |asked, _| {
            let link = "</v2/app/tags/list?more>; rel=\"next\"";
            match asked.header("authorization") {
                "" => redirect(asked, 401, ""),
                _ => answer(200, &[("link", link)], r#"{"tags":["v1"]}"#),
            }
        },
        thief: greedy,
        end: Badly("the tag list has more than"),
    },
    Scenario {
        name: "bytes are to be sent to another server",
        verb: Push,
        registry: |asked, at| upload(asked, &format!("http://{}/up", at.thief)),
        thief: obliging,
        end: Well,
    },
    Scenario {
        name: "bytes are to be sent to another server that asks for the password",
        verb: Push,
        registry: |asked, at| upload(asked, &format!("http://{}/up", at.thief)),
        thief: greedy,
        end: Badly("unauthorized"),
    },
    Scenario {
        name: "bytes are to be sent into the local network",
        verb: Push,
        registry: |asked, at| upload(asked, &format!("http://{}/up", at.inside)),
        thief: obliging,
        end: Badly("refusing to follow the registry to"),
    },
    Scenario {
        name: "the end of an upload is in the local network",
        verb: Push,
        registry: |asked, at| match asked.method.as_str() {
            "POST" => upload(asked, "/up"),
            "PATCH" => answer(
                202,
                &[("location", &format!("http://{}/end", at.inside))],
                "",
            ),
            _ => answer(405, &[], ""),
        },
        thief: obliging,
        end: Badly("refusing to follow the registry to"),
    },
    Scenario {
        name: "an upload that goes on nowhere",
        verb: Push,
        registry: |asked, _| upload(asked, ""),
        thief: obliging,
        end: Badly("upload location"),
    },
    Scenario {
        name: "an upload is to begin at another server",
        verb: Push,
        registry: |asked, at| redirect(asked, 307, &format!("http://{}/begin", at.thief)),
        thief: obliging,
        end: Badly("307"),
    },
    Scenario {
        name: "a manifest is to be put to another server",
        verb: PutManifest,
        registry: |asked, at| redirect(asked, 307, &format!("http://{}/put", at.thief)),
        thief: obliging,
        end: Badly("307"),
    },
    Scenario {
        name: "a login at another server",
        verb: Login,
        registry: |asked, at| redirect(asked, 302, &format!("http://{}/v2/", at.thief)),
        thief: greedy,
        end: Badly("401"),
    },
    Scenario {
        name: "a search at another server",
        verb: Search,
        registry: |asked, at| redirect(asked, 302, &format!("http://{}/search", at.thief)),
        thief: obliging,
        end: Well,
    },
];

#[test]
fn where_a_registry_redirects_to_sees_no_credentials() {
    in_network(
        "redirects::where_a_registry_redirects_to_sees_no_credentials",
        play(TABLE, Some(credentials(false)), |_| insecure()),
    );
}

/// A registry that answers well to whoever shows the password.
fn honest(asked: &Asked, at: &Places) -> Reply {
    match asked.header("authorization") {
        "" => greedy(asked, at),
        _ => obliging(asked, at),
    }
}

/// Mirrors of the registry: each fails, and the registry itself answers.
const MIRRORS: &[Scenario] = &[
    Scenario {
        name: "a mirror that asks for the password",
        verb: Manifest,
        registry: honest,
        thief: greedy,
        end: Well,
    },
    Scenario {
        name: "a mirror that leads into the local network",
        verb: Manifest,
        registry: honest,
        thief: |_, at| answer(307, &[("location", &format!("http://{}/x", at.inside))], ""),
        end: Well,
    },
    Scenario {
        name: "a mirror with a token server in the local network",
        verb: Manifest,
        registry: honest,
        thief: |_, at| {
            let realm = format!("Bearer realm=\"http://{}/t\"", at.inside);
            answer(401, &[("www-authenticate", &realm)], "")
        },
        end: Well,
    },
    Scenario {
        name: "a mirror with another manifest than was asked for",
        verb: Resolve,
        registry: honest,
        thief: |asked, at| match asked.method.as_str() {
            "HEAD" => obliging(asked, at),
            _ => answer(200, &[("content-type", media_type::OCI_MANIFEST)], "{}"),
        },
        end: Well,
    },
];

#[test]
fn a_mirror_sees_no_credentials_and_its_failures_are_not_final() {
    in_network(
        "redirects::a_mirror_sees_no_credentials_and_its_failures_are_not_final",
        play(MIRRORS, Some(credentials(false)), |at| {
            let rules = corten_distribution::RegistryRules {
                mirrors: vec![format!("http://{}", at.thief)],
                ..Default::default()
            };
            corten_distribution::Config {
                registries: [(at.registry.clone(), rules)].into(),
                ..insecure()
            }
        }),
    );
}
