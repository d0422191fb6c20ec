//! Challenges and token servers that want what is not theirs, or give what is no token.

use super::{
    End::{self, Badly, Well},
    Places, Scenario,
    Verb::*,
    common::{Asked, Fake, answer},
    credentials, in_network, insecure, manifest, play, quick,
};
use bytes::Bytes;
use corten_distribution::{Access, Config, Registries, RegistryRules};
use corten_oci::media_type;
use http::Response;
use http_body_util::Full;

type Reply = Response<Full<Bytes>>;

fn good_manifest() -> Reply {
    answer(
        200,
        &[("content-type", media_type::OCI_MANIFEST)],
        manifest(),
    )
}

/// Wants a token from `realm`; whoever has one gets a manifest.
fn bearer(asked: &Asked, realm: &str) -> Reply {
    let challenge = format!("Bearer realm=\"{realm}\",service=\"s\"");
    match asked.header("authorization").starts_with("Bearer ") {
        true => good_manifest(),
        false => answer(401, &[("www-authenticate", &challenge)], ""),
    }
}

/// The registry is its own token server, which gives this.
fn own(asked: &Asked, at: &Places, given: Reply) -> Reply {
    match asked.target.starts_with("/token") {
        true => given,
        false => bearer(asked, &format!("http://{}/token", at.registry)),
    }
}

fn tokens(_: &Asked, _: &Places) -> Reply {
    answer(200, &[], r#"{"token":"T"}"#)
}

/// What follows is a row in which only the registry's answers differ.
const fn row(name: &'static str, registry: super::Answer, end: End) -> Scenario {
    Scenario {
        name,
        verb: Manifest,
        registry,
        thief: tokens,
        end,
    }
}

const NOT_ITS: End = Badly("list it in \"token-servers\"");
const INVALID: End = Badly("invalid token auth challenge realm");
const NO_TOKEN: End = Badly("did not include a token");

const TABLE: &[Scenario] = &[
    row(
        "a token server of somebody else",
        |asked, at| bearer(asked, &format!("http://{}/token", at.thief)),
        NOT_ITS,
    ),
    row(
        "a token server in the local network",
        |asked, at| bearer(asked, &format!("http://{}/token", at.inside)),
        NOT_ITS,
    ),
    Scenario {
        verb: Push,
        ..row(
            "a token server of somebody else, for a push",
            |asked, at| bearer(asked, &format!("http://{}/token", at.thief)),
            NOT_ITS,
        )
    },
    Scenario {
        verb: Login,
        ..row(
            "a token server of somebody else, for a login",
            |asked, at| bearer(asked, &format!("http://{}/token", at.thief)),
            NOT_ITS,
        )
    },
    row(
        "a challenge without a realm",
        |asked, _| bearer(asked, ""),
        INVALID,
    ),
    row(
        "a file as token server",
        |asked, _| bearer(asked, "file:///etc/shadow"),
        INVALID,
    ),
    row(
        "a token server with a user and a password",
        |asked, at| bearer(asked, &format!("http://a:b@{}/token", at.registry)),
        INVALID,
    ),
    row(
        "a token server that redirects to somebody else",
        |asked, at| {
            let location = format!("http://{}/token", at.thief);
            own(asked, at, answer(307, &[("location", &location)], ""))
        },
        Badly("307"),
    ),
    row(
        "a page instead of a token",
        |asked, at| own(asked, at, answer(200, &[], "<html>")),
        Badly("unable to decode token response"),
    ),
    row(
        "an answer too deep to be read",
        |asked, at| own(asked, at, answer(200, &[], "[".repeat(100_000))),
        Badly("unable to decode token response"),
    ),
    row(
        "a life of less than nothing",
        |asked, at| {
            own(
                asked,
                at,
                answer(200, &[], r#"{"token":"T0K3N","expires_in":-1}"#),
            )
        },
        Badly("unable to decode token response"),
    ),
    row(
        "a life without an end",
        |asked, at| {
            let given = r#"{"token":"T0K3N","expires_in":18446744073709551615}"#;
            own(asked, at, answer(200, &[], given))
        },
        Well,
    ),
    row(
        "no token",
        |asked, at| own(asked, at, answer(200, &[], "{}")),
        NO_TOKEN,
    ),
    row(
        "a token with a header of its own",
        |asked, at| own(asked, at, answer(200, &[], r#"{"token":"a\r\nX-Evil: 1"}"#)),
        NO_TOKEN,
    ),
    row(
        "a token larger than any",
        |asked, at| {
            let given = format!(r#"{{"token":"{}"}}"#, "t".repeat(100 << 10));
            own(asked, at, answer(200, &[], given))
        },
        NO_TOKEN,
    ),
    row(
        "an answer larger than any token",
        |asked, at| own(asked, at, answer(200, &[], " ".repeat(2 << 20))),
        Badly("larger than"),
    ),
    row(
        "a token that is never good enough",
        |asked, at| match asked.target.starts_with("/token") {
            true => answer(200, &[], r#"{"token":"T0K3N"}"#),
            false => {
                let realm = format!("Bearer realm=\"http://{}/token\"", at.registry);
                answer(401, &[("www-authenticate", &realm)], "")
            }
        },
        Badly("unauthorized"),
    ),
    row(
        "challenges of other kinds",
        |asked, _| {
            let kinds = "Negotiate, Digest realm=\"r\", nonce=\"n\", NTLM";
            assert_eq!(asked.header("authorization"), "");
            answer(401, &[("www-authenticate", kinds)], "")
        },
        Badly("unauthorized"),
    ),
    row(
        "a hundred challenges, the last of them good",
        |asked, at| {
            let many = "Other realm=\"x\", ".repeat(100);
            match (
                asked.target.starts_with("/token"),
                asked.header("authorization"),
            ) {
                (true, _) => answer(200, &[], r#"{"token":"T0K3N"}"#),
                (_, "Bearer T0K3N") => good_manifest(),
                _ => {
                    let all = format!("{many}Bearer realm=\"http://{}/token\"", at.registry);
                    answer(401, &[("www-authenticate", &all)], "")
                }
            }
        },
        Well,
    ),
    row(
        "a password asked for beside a token",
        |asked, at| match (
            asked.target.starts_with("/token"),
            asked.header("authorization"),
        ) {
            (true, _) => answer(200, &[], r#"{"token":"T0K3N"}"#),
            (_, "Bearer T0K3N") => good_manifest(),
            (_, shown) => {
                assert!(!shown.starts_with("Basic"), "the token was to be had");
                let both = format!(
                    "Basic realm=\"r\", Bearer realm=\"http://{}/token\"",
                    at.registry
                );
                answer(401, &[("www-authenticate", &both)], "")
            }
        },
        Well,
    ),
    row(
        "a token for more than is needed",
        |asked, at| match asked.target.split_once('?') {
            Some(("/token", query)) => {
                assert!(query.contains("scope=repository%3Aapp%3Apull&"), "{query}");
                assert!(!query.contains("other"), "{query}");
                answer(200, &[], r#"{"token":"T0K3N"}"#)
            }
            _ if asked.header("authorization").is_empty() => {
                let wanted = format!(
                    "Bearer realm=\"http://{}/token\",scope=\"repository:other:push,delete\"",
                    at.registry
                );
                answer(401, &[("www-authenticate", &wanted)], "")
            }
            _ => good_manifest(),
        },
        Well,
    ),
];

#[test]
fn a_token_server_gets_what_is_its_own_and_gives_a_token_or_nothing() {
    in_network(
        "tokens::a_token_server_gets_what_is_its_own_and_gives_a_token_or_nothing",
        play(TABLE, Some(credentials(false)), |_| insecure()),
    );
}

const IDENTITY: &[Scenario] = &[
    row(
        "an identity token for a token server of somebody else",
        |asked, at| bearer(asked, &format!("http://{}/token", at.thief)),
        NOT_ITS,
    ),
    row(
        "an identity token for the registry's own",
        |asked, at| {
            let body = String::from_utf8_lossy(&asked.body);
            assert!(
                !asked.target.starts_with("/token") || body.contains("R3FR35H"),
                "{body}"
            );
            own(asked, at, answer(200, &[], r#"{"access_token":"T0K3N"}"#))
        },
        Well,
    ),
];

#[test]
fn an_identity_token_is_a_credential_too() {
    in_network(
        "tokens::an_identity_token_is_a_credential_too",
        play(IDENTITY, Some(credentials(true)), |_| insecure()),
    );
}

const ANONYMOUS: &[Scenario] = &[row(
    "who has no password may ask anybody for a token",
    |asked, at| bearer(asked, &format!("http://{}/token", at.thief)),
    Well,
)];

#[test]
fn without_credentials_any_token_server_will_do() {
    in_network(
        "tokens::without_credentials_any_token_server_will_do",
        play(ANONYMOUS, None, |_| insecure()),
    );
}

/// A refresh token that one token server gave is not shown to the next.
#[test]
fn what_a_token_server_gave_is_not_shown_to_another_and_listed_ones_may_see_all() {
    let work = async {
        let thief = Fake::start_at(super::OTHER, |_| answer(200, &[], r#"{"token":"T"}"#)).await;
        let realm = format!("Bearer realm=\"http://{}/token\"", thief.address);
        let registry = Fake::start_at(super::PUBLIC, move |asked| {
            let (given, shown) = (asked.target.as_str(), asked.header("authorization"));
            match (given, shown) {
                _ if given.starts_with("/token") => {
                    answer(200, &[], r#"{"token":"T0K3N","refresh_token":"R3FR35H"}"#)
                }
                (_, "Bearer T0K3N") if given.ends_with("/first") => good_manifest(),
                (_, "Bearer T") => good_manifest(),
                _ if given.ends_with("/first") => {
                    let own = format!("Bearer realm=\"http://{}/token\"", asked.header("host"));
                    answer(401, &[("www-authenticate", &own)], "")
                }
                _ => answer(401, &[("www-authenticate", &realm)], ""),
            }
        })
        .await;
        let name: corten_oci::Reference = format!("{}/app", registry.address).parse().unwrap();
        let open = async |config: Config, known| {
            let registries = Registries::with_timeouts(config, quick()).unwrap();
            registries.repository(&name, known, Access::Pull).await
        };
        let repository = open(insecure(), None).await;
        repository.manifest("first").await.unwrap();
        let error = repository.manifest("second").await.unwrap_err();
        assert!(
            corten_base::chain(&error).contains("token-servers"),
            "{error}"
        );
        assert!(thief.asked().is_empty(), "{:?}", thief.asked());

        let rules = RegistryRules {
            token_servers: vec![thief.address.clone()],
            ..RegistryRules::default()
        };
        let listed = Config {
            registries: [(registry.address.clone(), rules)].into(),
            ..insecure()
        };
        let repository = open(listed, Some(credentials(false))).await;
        repository.manifest("second").await.unwrap();
        assert_eq!(super::seen_secrets(&thief.asked()).len(), 1);
    };
    in_network(
        "tokens::what_a_token_server_gave_is_not_shown_to_another_and_listed_ones_may_see_all",
        work,
    );
}
