//! Bearer tokens of an external token server: JWTs (RFC 7519) with an `access` claim.
//! <https://distribution.github.io/distribution/spec/auth/jwt/>

use super::{
    Needs,
    keys::{self, Key},
};
use crate::{
    config::{Right, TokenConfig},
    limits::{TOKEN_BYTES, TOKEN_KEYS, TOKEN_SKEW},
    records::now_seconds,
    serve::ServeError,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rustls::pki_types::CertificateDer;
use serde::Deserialize;
use std::path::Path;

/// What tokens are held against.
pub(crate) struct Tokens {
    realm: String,
    service: String,
    issuer: String,
    keys: Vec<Key>,
    roots: Vec<CertificateDer<'static>>,
}

/// What a good token says.
pub(crate) struct Claims {
    pub subject: String,
    pub rights: Vec<(String, Right)>,
    /// Whether it is for the catalogue.
    pub lists: bool,
}

#[derive(Deserialize)]
struct Head {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    x5c: Option<Vec<String>>,
    #[serde(default)]
    jwk: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    crit: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Body {
    iss: String,
    #[serde(default)]
    sub: String,
    aud: Audience,
    exp: u64,
    #[serde(default)]
    nbf: Option<u64>,
    #[serde(default)]
    access: Vec<Grant>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
struct Grant {
    #[serde(rename = "type")]
    kind: String,
    name: String,
    #[serde(default)]
    actions: Vec<String>,
}

impl Tokens {
    pub fn open(config: &TokenConfig) -> Result<Self, ServeError> {
        let (mut found, mut roots) = (Vec::new(), Vec::new());
        let refuse = |path: &Path, reason: String| ServeError::Key {
            path: path.to_owned(),
            reason,
        };
        for path in &config.certificates {
            keys::read_pem(path, &mut found, &mut roots).map_err(|e| refuse(path, e))?;
        }
        if let Some(path) = &config.keys {
            found.extend(keys::read_jwks(path).map_err(|e| refuse(path, e))?);
        }
        if found.is_empty() {
            return Err(ServeError::NoKeys);
        }
        Ok(Self {
            realm: config.realm.clone(),
            service: config.service.clone(),
            issuer: config.issuer.clone(),
            keys: found,
            roots,
        })
    }

    /// Checks a token; the reason of a refusal is for our log, not for the client.
    pub fn verify(&self, token: &str) -> Result<Claims, &'static str> {
        if token.len() > TOKEN_BYTES {
            return Err("too long");
        }
        let (signed, signature) = token.rsplit_once('.').ok_or("no JWT")?;
        let (head, body) = signed.split_once('.').ok_or("no JWT")?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| "no JWT");
        let (head_bytes, body, signature) = (decode(head)?, decode(body)?, decode(signature)?);
        let head: Head = serde_json::from_slice(&head_bytes).map_err(|_| "no JWT header")?;
        // CVE-2025-24976: a key that comes with the token proves nothing.
        if head.jwk.is_some() {
            return Err("it brings its own key");
        }
        if head.crit.is_some() {
            return Err("an extension that must be understood is not");
        }
        self.check_signature(&head, signed.as_bytes(), &signature)?;
        self.check_claims(&body)
    }

    fn check_signature(
        &self,
        head: &Head,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), &'static str> {
        let fits = |key: &Key| key.fits(&head.alg, message, signature);
        if let Some(chain) = &head.x5c {
            if chain.len() > TOKEN_KEYS {
                return Err("too many certificates");
            }
            let key = keys::chained(chain, &self.roots).ok_or("certificates nobody vouches for")?;
            return fits(&key).then_some(()).ok_or("a wrong signature");
        }
        // A name leads to its key; keys of certificates have none and are tried all.
        let named = |key: &&Key| key.id.is_some() && key.id == head.kid;
        let tried: Vec<&Key> = match self.keys.iter().any(|key| named(&key)) {
            true => self.keys.iter().filter(named).collect(),
            false => self
                .keys
                .iter()
                .filter(|key| key.id.is_none() || head.kid.is_none())
                .collect(),
        };
        match tried.into_iter().take(TOKEN_KEYS).any(fits) {
            true => Ok(()),
            false => Err("a wrong signature or an unknown key"),
        }
    }

    fn check_claims(&self, body: &[u8]) -> Result<Claims, &'static str> {
        let body: Body = serde_json::from_slice(body).map_err(|_| "no claims")?;
        let (now, skew) = (now_seconds(), TOKEN_SKEW.as_secs());
        if body.iss != self.issuer {
            return Err("another issuer");
        }
        let is_for_us = match &body.aud {
            Audience::One(one) => *one == self.service,
            Audience::Many(many) => many.contains(&self.service),
        };
        if !is_for_us {
            return Err("another audience");
        }
        if body.exp.saturating_add(skew) <= now {
            return Err("expired");
        }
        if body.nbf.is_some_and(|from| from > now.saturating_add(skew)) {
            return Err("not valid yet");
        }
        let (mut rights, mut lists) = (Vec::new(), false);
        for grant in body.access {
            let has = |action: &str| grant.actions.iter().any(|a| a == action || a == "*");
            match grant.kind.as_str() {
                "registry" if grant.name == "catalog" => lists |= has("*"),
                // A pattern would be a name that no repository has.
                "repository" if !grant.name.contains('*') => {
                    let all = [Right::Pull, Right::Push, Right::Delete];
                    let granted = all.into_iter().filter(|right| has(right.as_str()));
                    rights.extend(granted.map(|right| (grant.name.clone(), right)));
                }
                _ => {}
            }
        }
        Ok(Claims {
            subject: body.sub,
            rights,
            lists,
        })
    }

    /// The header that tells where to get a token and for what.
    pub fn challenge(&self, needs: &Needs<'_>, error: Option<&str>) -> String {
        let mut text = format!(
            "Bearer realm=\"{}\",service=\"{}\"",
            self.realm, self.service
        );
        let mut scopes: Vec<String> = Vec::new();
        if matches!(needs, Needs::Catalog) {
            scopes.push("registry:catalog:*".into());
        }
        let needs = needs.rights();
        for (index, (name, _)) in needs.iter().enumerate() {
            if needs[..index].iter().any(|(other, _)| other == name) {
                continue;
            }
            let actions: Vec<&str> = needs
                .iter()
                .filter(|(other, _)| other == name)
                .map(|(_, right)| right.as_str())
                .collect();
            scopes.push(format!("repository:{name}:{}", actions.join(",")));
        }
        if !scopes.is_empty() {
            text += &format!(",scope=\"{}\"", scopes.join(" "));
        }
        if let Some(error) = error {
            text += &format!(",error=\"{error}\"");
        }
        text
    }
}
