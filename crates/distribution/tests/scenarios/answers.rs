//! Documents that are not what they are said to be.

use super::{
    End::{self, Badly, Well},
    Scenario,
    Verb::{self, *},
    common::{Asked, answer},
    credentials, in_network, insecure, manifest, play,
};
use bytes::Bytes;
use corten_oci::{Digest, media_type};
use http::Response;
use http_body_util::Full;

type Reply = Response<Full<Bytes>>;

fn document(text: impl Into<Bytes>) -> Reply {
    answer(200, &[("content-type", media_type::OCI_MANIFEST)], text)
}

/// A manifest with one layer of this descriptor.
fn with_layer(descriptor: &str) -> Reply {
    document(manifest().replace("\"layers\":[]", &format!("\"layers\":[{{{descriptor}}}]")))
}

fn nothing(_: &Asked, _: &super::Places) -> Reply {
    answer(404, &[], "")
}

const fn row(name: &'static str, verb: Verb, registry: super::Answer, end: End) -> Scenario {
    Scenario {
        name,
        verb,
        registry,
        thief: nothing,
        end,
    }
}

const REFUSED: End = Badly("");

const TABLE: &[Scenario] = &[
    row(
        "an index that is an image",
        Manifest,
        |_, _| answer(200, &[("content-type", media_type::OCI_INDEX)], manifest()),
        REFUSED,
    ),
    row(
        "an image and an index in one",
        Manifest,
        |_, _| document(manifest().replace("\"layers\":[]", "\"layers\":[],\"manifests\":[]")),
        REFUSED,
    ),
    row(
        "a type of its own that differs",
        Manifest,
        |_, _| {
            let kind = format!("{{\"mediaType\":\"{}\",", media_type::OCI_INDEX);
            document(manifest().replacen('{', &kind, 1))
        },
        REFUSED,
    ),
    row(
        "layers twice",
        Manifest,
        |_, _| document(manifest().replace("\"layers\":[]", "\"layers\":[],\"layers\":[]")),
        REFUSED,
    ),
    row(
        "a layer smaller than nothing",
        Manifest,
        |_, _| {
            let digest = Digest::of(b"x");
            with_layer(&format!(
                "\"mediaType\":\"{}\",\"digest\":\"{digest}\",\"size\":-1",
                media_type::OCI_LAYER
            ))
        },
        REFUSED,
    ),
    row(
        "a layer whose digest is a path",
        Manifest,
        |_, _| {
            with_layer(&format!(
                "\"mediaType\":\"{}\",\"digest\":\"sha256:../../x\",\"size\":1",
                media_type::OCI_LAYER
            ))
        },
        REFUSED,
    ),
    row(
        "a layer with a digest of a broken kind",
        Manifest,
        |_, _| {
            let md5 = "md5:d41d8cd98f00b204e9800998ecf8427e";
            with_layer(&format!(
                "\"mediaType\":\"{}\",\"digest\":\"{md5}\",\"size\":1",
                media_type::OCI_LAYER
            ))
        },
        REFUSED,
    ),
    row(
        "a document too deep to be read",
        Manifest,
        |_, _| document("[".repeat(100_000)),
        REFUSED,
    ),
    row(
        "an image of the first schema",
        Manifest,
        |_, _| document(r#"{"schemaVersion":1,"name":"a","tag":"b","fsLayers":[],"history":[]}"#),
        REFUSED,
    ),
    row(
        "half a document",
        Manifest,
        |_, _| {
            let text = manifest();
            document(text[..text.len() / 2].to_owned())
        },
        REFUSED,
    ),
    row("nothing at all", Manifest, |_, _| document(""), REFUSED),
    row(
        "a document in no known letters",
        Manifest,
        |_, _| {
            let mut bytes = manifest().into_bytes();
            bytes.splice(1..1, *b"\"\xff\xfe\":1,");
            document(bytes)
        },
        REFUSED,
    ),
    row(
        "another document than the tag named a moment ago",
        Resolve,
        |asked, _| match asked.method.as_str() {
            "HEAD" => {
                let digest = Digest::of(manifest().as_bytes()).to_string();
                let kind = ("content-type", media_type::OCI_MANIFEST);
                answer(200, &[kind, ("docker-content-digest", &digest)], manifest())
            }
            _ => document(manifest() + " "),
        },
        Badly("manifest verification failed for digest"),
    ),
    row(
        "tags that are a number",
        Tags,
        |_, _| answer(200, &[], r#"{"tags":7}"#),
        Badly("tag list"),
    ),
    row(
        "a list of tags larger than any",
        Tags,
        |_, _| answer(200, &[], " ".repeat(5 << 20)),
        Badly("larger than"),
    ),
    row(
        "no list where tags are",
        Tags,
        |_, _| answer(200, &[], r#"{"tags":null}"#),
        Well,
    ),
    row(
        "a refusal that fills the screen",
        Manifest,
        |_, _| {
            let text = "\u{1b}[2Jx".repeat(1 << 20);
            answer(
                403,
                &[],
                format!(r#"{{"errors":[{{"code":"DENIED","message":"{text}"}}]}}"#),
            )
        },
        REFUSED,
    ),
    row(
        "a failure that never ends",
        Manifest,
        |_, _| answer(503, &[], ""),
        Badly("503"),
    ),
    row(
        "patience is asked for, for years",
        Manifest,
        |_, _| answer(429, &[("retry-after", "99999999999")], ""),
        Badly("429"),
    ),
    row(
        "a blob in a coding that nobody asked for",
        Blob,
        |_, _| {
            answer(
                200,
                &[("content-encoding", "gzip")],
                vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3],
            )
        },
        Badly("instead of"),
    ),
    row(
        "no content where a blob is",
        Blob,
        |_, _| answer(204, &[], ""),
        Badly("EOF"),
    ),
    row(
        "a push that the registry is not able to take",
        Push,
        |asked, _| match asked.method.as_str() {
            "POST" => answer(202, &[("location", "/up")], ""),
            _ => answer(
                413,
                &[],
                r#"{"errors":[{"code":"SIZE_INVALID","message":"too large"}]}"#,
            ),
        },
        Badly("too large"),
    ),
    row(
        "hits of a search that are none",
        Search,
        |_, _| answer(200, &[], r#"{"results":[{"name":7}]}"#),
        Badly("search"),
    ),
];

#[test]
fn documents_that_lie_are_refused_and_cost_little() {
    in_network(
        "answers::documents_that_lie_are_refused_and_cost_little",
        play(TABLE, Some(credentials(false)), |_| insecure()),
    );
}
