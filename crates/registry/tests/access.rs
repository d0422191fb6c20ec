//! Passwords, tokens, rights per repository, TLS.
#![allow(clippy::unwrap_used)]

mod common;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use common::{Answer, Server};
use corten_oci::Digest;
use corten_registry::{Config, TokenConfig};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use serde_json::json;
use std::{
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

fn passwords(config: &mut Config, directory: &Path) {
    let path = directory.join("htpasswd");
    let hash = bcrypt::hash("secret", 4).unwrap();
    std::fs::write(&path, format!("alice:{hash}\nbob:{hash}\n")).unwrap();
    config.htpasswd = Some(path);
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

#[test]
fn passwords_open_the_door_and_rules_say_how_far() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::with(|config| {
        passwords(config, directory.path());
        config.access = serde_json::from_value(json!([
            {"users": ["alice"], "repositories": ["*"], "rights": ["pull", "push", "delete"]},
            {"users": ["bob"], "repositories": ["team/*"], "rights": ["pull"]},
            {"users": ["anonymous"], "repositories": ["public/*"], "rights": ["pull"]},
        ]))
        .unwrap();
    });
    let send = |who: &str, method: &str, path: &str, body: &[u8]| {
        let value = basic(who, "secret");
        let headers: &[(&str, &str)] = match who {
            "" => &[],
            _ => &[("Authorization", value.as_str())],
        };
        server.send(method, path, headers, body)
    };
    let refused = server.get("/v2/");
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (401, "UNAUTHORIZED")
    );
    assert_eq!(
        refused.header("www-authenticate"),
        "Basic realm=\"Corten registry\""
    );
    let wrong = basic("alice", "wrong");
    assert_eq!(
        server
            .send("GET", "/v2/", &[("Authorization", &wrong)], b"")
            .status,
        401
    );
    assert_eq!(send("nobody", "GET", "/v2/", b"").status, 401);
    assert_eq!(send("alice", "GET", "/v2/", b"").status, 200);
    for name in ["team/app", "public/app", "private/app"] {
        let digest = Digest::of(b"x");
        let path = format!("/v2/{name}/blobs/uploads/?digest={digest}");
        assert_eq!(send("bob", "POST", &path, b"x").status, 403);
        assert_eq!(send("", "POST", &path, b"x").status, 401);
        assert_eq!(send("alice", "POST", &path, b"x").status, 201);
    }
    let blob = |name: &str| format!("/v2/{name}/blobs/{}", Digest::of(b"x"));
    for (who, name, status) in [
        ("bob", "team/app", 200),
        ("bob", "public/app", 200),
        ("bob", "private/app", 403),
        ("", "public/app", 200),
        ("", "team/app", 401),
    ] {
        assert_eq!(
            send(who, "GET", &blob(name), b"").status,
            status,
            "{who} {name}"
        );
    }
    assert_eq!(send("bob", "DELETE", &blob("team/app"), b"").status, 403);
    // Podman prints the sentence of a refusal with details only.
    let detail = |who: &str, method: &str| {
        let refused = send(who, method, &blob("team/app"), b"").json();
        refused["errors"][0]["detail"].clone()
    };
    let right = |action: &str| json!([{"Type": "repository", "Class": "", "Name": "team/app", "Action": action}]);
    assert_eq!(detail("bob", "DELETE"), right("delete"));
    assert_eq!(detail("", "GET"), right("pull"));
    assert_eq!(detail("nobody", "GET"), right("pull"));
    // A mount from where the caller may not read is an upload, never a gift.
    let server_rules = |who: &str, from: &str| {
        let path = format!(
            "/v2/team/x/blobs/uploads/?mount={}&from={from}",
            Digest::of(b"x")
        );
        send(who, "POST", &path, b"").status
    };
    assert_eq!(server_rules("alice", "private/app"), 201);
    // The catalogue shows what may be read.
    assert_eq!(send("", "GET", "/v2/_catalog", b"").status, 401);
}

#[test]
fn a_mount_from_a_repository_the_caller_may_not_read_is_an_upload() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::with(|config| {
        passwords(config, directory.path());
        config.access = serde_json::from_value(json!([
            {"users": ["alice"], "repositories": ["*"], "rights": ["pull", "push"]},
            {"users": ["bob"], "repositories": ["bob/*"], "rights": ["pull", "push"]},
        ]))
        .unwrap();
    });
    let send = |who: &str, path: &str| {
        server
            .send(
                "POST",
                path,
                &[("Authorization", &basic(who, "secret"))],
                b"x",
            )
            .status
    };
    let digest = Digest::of(b"x");
    assert_eq!(
        send(
            "alice",
            &format!("/v2/secret/blobs/uploads/?digest={digest}")
        ),
        201
    );
    for from in ["&from=secret", ""] {
        let path = format!("/v2/bob/app/blobs/uploads/?mount={digest}{from}");
        assert_eq!(send("bob", &path), 202, "{from}");
    }
}

/// A token server of our own: a key, and what it signs.
struct Issuer {
    pair: EcdsaKeyPair,
}

impl Issuer {
    fn new() -> Self {
        let random = SystemRandom::new();
        let kind = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(kind, document.as_ref(), &random).unwrap();
        Self { pair }
    }

    fn jwk(&self, id: &str) -> serde_json::Value {
        use ring::signature::KeyPair;
        let point = self.pair.public_key().as_ref();
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({"kty": "EC", "crv": "P-256", "kid": id, "x": text(&point[1..33]), "y": text(&point[33..])})
    }

    fn sign(&self, head: serde_json::Value, body: serde_json::Value) -> String {
        let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&head), part(&body));
        let signature = self
            .pair
            .sign(&SystemRandom::new(), signed.as_bytes())
            .unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }

    fn token(&self, access: serde_json::Value) -> String {
        self.sign(json!({"alg": "ES256", "kid": "k1"}), claims(access))
    }
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

fn claims(access: serde_json::Value) -> serde_json::Value {
    json!({"iss": "tokens.test", "sub": "alice", "aud": "registry.test", "exp": now() + 300, "nbf": now(), "access": access})
}

#[test]
fn tokens_of_the_token_server_carry_the_rights() {
    let directory = tempfile::tempdir().unwrap();
    let (issuer, stranger) = (Issuer::new(), Issuer::new());
    let keys = directory.path().join("keys.json");
    std::fs::write(&keys, json!({"keys": [issuer.jwk("k1")]}).to_string()).unwrap();
    let server = Server::with(|config| {
        config.token = Some(TokenConfig {
            realm: "https://tokens.test/token".into(),
            service: "registry.test".into(),
            issuer: "tokens.test".into(),
            certificates: Vec::new(),
            keys: Some(keys),
        });
    });
    let send = |token: &str, method: &str, path: &str, body: &[u8]| -> Answer {
        let value = format!("Bearer {token}");
        server.send(method, path, &[("Authorization", &value)], body)
    };
    let refused = server.get("/v2/team/app/manifests/v1");
    assert_eq!(refused.status, 401);
    assert_eq!(
        refused.header("www-authenticate"),
        "Bearer realm=\"https://tokens.test/token\",service=\"registry.test\",scope=\"repository:team/app:pull\""
    );
    let access = json!([{"type": "repository", "name": "team/app", "actions": ["pull", "push"]}]);
    let good = issuer.token(access.clone());
    let digest = Digest::of(b"x");
    let push = format!("/v2/team/app/blobs/uploads/?digest={digest}");
    assert_eq!(send(&good, "POST", &push, b"x").status, 201);
    assert_eq!(
        send(&good, "GET", &format!("/v2/team/app/blobs/{digest}"), b"").status,
        200
    );
    let other = send(&good, "GET", "/v2/other/manifests/v1", b"");
    assert_eq!(other.status, 401);
    assert!(
        other
            .header("www-authenticate")
            .ends_with(",error=\"insufficient_scope\"")
    );
    assert_eq!(
        send(
            &good,
            "DELETE",
            &format!("/v2/team/app/blobs/{digest}"),
            b""
        )
        .status,
        401
    );
    assert_eq!(send(&good, "GET", "/v2/_catalog", b"").status, 401);
    let lister = issuer.token(json!([{"type": "registry", "name": "catalog", "actions": ["*"]}]));
    assert_eq!(send(&lister, "GET", "/v2/_catalog", b"").status, 200);

    let change = |key: &str, value: serde_json::Value| {
        let mut claims = claims(access.clone());
        claims[key] = value;
        issuer.sign(json!({"alg": "ES256", "kid": "k1"}), claims)
    };
    let head = |head: serde_json::Value| issuer.sign(head, claims(access.clone()));
    let mut unsigned = head(json!({"alg": "none"}));
    unsigned.truncate(unsigned.rfind('.').unwrap() + 1);
    let own_key = json!({"alg": "ES256", "jwk": stranger.jwk("k1")});
    for (what, token) in [
        ("expired", change("exp", json!(now() - 100))),
        ("too early", change("nbf", json!(now() + 1000))),
        ("another issuer", change("iss", json!("evil.test"))),
        ("another audience", change("aud", json!(["other.test"]))),
        ("a stranger's", stranger.token(access.clone())),
        (
            "its own key",
            stranger.sign(own_key, claims(access.clone())),
        ),
        ("no signature", unsigned),
        (
            "another algorithm",
            head(json!({"alg": "HS256", "kid": "k1"})),
        ),
        (
            "an extension",
            head(json!({"alg": "ES256", "kid": "k1", "crit": ["x"]})),
        ),
        ("nonsense", "a.b.c".into()),
        ("too long", "x".repeat(70_000)),
    ] {
        assert_eq!(send(&token, "GET", "/v2/", b"").status, 401, "{what}");
    }
    // A pattern is no name.
    let star = issuer.token(json!([{"type": "repository", "name": "*", "actions": ["*"]}]));
    assert_eq!(
        send(&star, "GET", &format!("/v2/team/app/blobs/{digest}"), b"").status,
        401
    );
}

#[test]
fn a_certificate_in_a_token_needs_a_root_that_vouches_for_it() {
    let directory = tempfile::tempdir().unwrap();
    let authority = |name: &str| {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        parameters
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        let certificate = parameters.self_signed(&key).unwrap();
        (certificate.pem(), rcgen::Issuer::new(parameters, key))
    };
    let (root, good) = authority("root");
    let (_, evil) = authority("root");
    let file = directory.path().join("root.pem");
    std::fs::write(&file, root).unwrap();
    let server = Server::with(|config| {
        config.token = Some(TokenConfig {
            realm: "https://tokens.test/token".into(),
            service: "registry.test".into(),
            issuer: "tokens.test".into(),
            certificates: vec![file],
            keys: None,
        });
    });
    for (issuer, status) in [(&good, 200), (&evil, 401)] {
        let key = rcgen::KeyPair::generate().unwrap();
        let parameters = rcgen::CertificateParams::new(vec!["tokens.test".into()]).unwrap();
        let leaf = parameters.signed_by(&key, issuer).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            &key.serialize_der(),
            &SystemRandom::new(),
        );
        let signer = Issuer {
            pair: pair.unwrap(),
        };
        let head = json!({"alg": "ES256", "x5c": [STANDARD.encode(leaf.der())]});
        let token = format!("Bearer {}", signer.sign(head, claims(json!([]))));
        assert_eq!(
            server
                .send("GET", "/v2/", &[("Authorization", &token)], b"")
                .status,
            status
        );
    }
}
