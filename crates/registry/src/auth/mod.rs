//! Who asks, and what may they.

mod htpasswd;
mod keys;
mod token;

use crate::{
    config::{AccessRule, Config, Right, matches},
    error::{Code, Error, Result, Wanted},
    name::RepositoryName,
    serve::ServeError,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use htpasswd::Htpasswd;
use http::{HeaderMap, header};
use token::Tokens;

/// The door's keeper.
pub(crate) enum Gate {
    /// Everybody may do everything.
    Open,
    /// Passwords.
    Passwords {
        file: Htpasswd,
        rules: Vec<AccessRule>,
    },
    /// Bearer tokens.
    Tokens(Tokens),
}

/// Who asks, as far as they have shown it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The user's name; empty for nobody in particular.
    pub name: String,
    rights: Rights,
    /// Whether every repository is listed, whatever the rights.
    lists_all: bool,
}

/// What a request needs.
#[derive(Clone, Copy)]
pub(crate) enum Needs<'a> {
    /// A caller that is known.
    Somebody,
    /// The list of repositories.
    Catalog,
    /// Rights, all of them.
    Rights(&'a [(&'a RepositoryName, Right)]),
}

impl<'a> Needs<'a> {
    pub fn rights(&self) -> &'a [(&'a RepositoryName, Right)] {
        match self {
            Self::Rights(list) => list,
            _ => &[],
        }
    }

    fn wanted(&self) -> Vec<Wanted> {
        let of = |kind, name: &str, action| Wanted {
            kind,
            class: "",
            name: name.to_owned(),
            action,
        };
        match self {
            Self::Somebody => Vec::new(),
            Self::Catalog => vec![of("registry", "catalog", "*")],
            Self::Rights(list) => list
                .iter()
                .map(|(name, right)| of("repository", name.as_str(), right.as_str()))
                .collect(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Rights {
    Everything,
    /// Repository pattern and right.
    These(Vec<(String, Right)>),
}

/// A refusal, with the challenge for its `WWW-Authenticate`.
pub(crate) struct Challenge {
    pub error: Error,
    pub header: Option<String>,
}

impl Caller {
    fn with(name: &str, rights: Rights) -> Self {
        Self {
            name: name.to_owned(),
            rights,
            lists_all: false,
        }
    }

    /// Somebody who has not been asked yet and may do nothing.
    pub fn unknown() -> Self {
        Self::with("", Rights::These(Vec::new()))
    }

    /// Whether the caller may do this.
    pub fn may(&self, repository: &RepositoryName, right: Right) -> bool {
        match &self.rights {
            Rights::Everything => true,
            Rights::These(list) => list
                .iter()
                .any(|(pattern, r)| *r == right && matches(pattern, repository.as_str())),
        }
    }

    /// Whether the caller may know that there is this repository.
    pub fn may_see(&self, repository: &RepositoryName) -> bool {
        self.lists_all || self.may(repository, Right::Pull)
    }

    fn meets(&self, needs: &Needs<'_>, is_token: bool) -> bool {
        match needs {
            Needs::Somebody => true,
            Needs::Catalog => !is_token || self.lists_all,
            Needs::Rights(list) => list.iter().all(|(name, right)| self.may(name, *right)),
        }
    }
}

impl Gate {
    pub fn open(config: &Config) -> Result<Self, ServeError> {
        if let Some(token) = &config.token {
            return Ok(Self::Tokens(Tokens::open(token)?));
        }
        let Some(path) = &config.htpasswd else {
            return Ok(Self::Open);
        };
        let file = Htpasswd::open(path)?;
        let rules = config.access.clone();
        Ok(Self::Passwords { file, rules })
    }

    /// Finds out who asks and holds it against what is needed.
    pub async fn admit(&self, headers: &HeaderMap, needs: Needs<'_>) -> Result<Caller, Challenge> {
        let decided = self.decide(headers, needs).await;
        decided.map_err(|refused| Challenge {
            error: refused.error.about(needs.wanted()),
            ..refused
        })
    }

    async fn decide(&self, headers: &HeaderMap, needs: Needs<'_>) -> Result<Caller, Challenge> {
        let is_token = matches!(self, Self::Tokens(_));
        let Some(caller) = self.caller(headers).await? else {
            // Docker learns from the base address alone that it shall show its credentials.
            let nobody = self.nobody();
            let admitted = matches!(needs, Needs::Rights(_)) && nobody.meets(&needs, is_token);
            return match admitted {
                true => Ok(nobody),
                false => Err(self.challenge(&needs, None)),
            };
        };
        match caller.meets(&needs, is_token) {
            true => Ok(caller),
            false if is_token => Err(self.challenge(&needs, Some("insufficient_scope"))),
            false => Err(Challenge {
                error: Error::code(Code::Denied),
                header: None,
            }),
        }
    }

    /// Who asks; nobody when no credentials came. Wrong ones are refused.
    async fn caller(&self, headers: &HeaderMap) -> Result<Option<Caller>, Challenge> {
        let given = headers.get(header::AUTHORIZATION);
        let given = given.and_then(|value| value.to_str().ok());
        let scheme = given.and_then(|text| text.split_once(' '));
        match (self, scheme) {
            (Self::Open, _) => Ok(Some(Caller::with("", Rights::Everything))),
            (Self::Passwords { file, rules }, Some((scheme, value)))
                if scheme.eq_ignore_ascii_case("basic") =>
            {
                let pair = basic(value).ok_or_else(|| self.challenge(&Needs::Somebody, None))?;
                match file.check(&pair.0, &pair.1).await {
                    Ok(true) => Ok(Some(by_rules(rules, &pair.0))),
                    Ok(false) => Err(self.challenge(&Needs::Somebody, None)),
                    Err(error) => Err(Challenge {
                        error,
                        header: None,
                    }),
                }
            }
            (Self::Tokens(tokens), Some((scheme, value)))
                if scheme.eq_ignore_ascii_case("bearer") =>
            {
                match tokens.verify(value.trim()) {
                    Ok(claims) => Ok(Some(Caller {
                        name: claims.subject,
                        rights: Rights::These(claims.rights),
                        lists_all: claims.lists,
                    })),
                    Err(reason) => {
                        tracing::debug!(reason, "a token was refused");
                        Err(self.challenge(&Needs::Somebody, Some("invalid_token")))
                    }
                }
            }
            _ => Ok(None),
        }
    }

    /// What somebody without credentials may do.
    fn nobody(&self) -> Caller {
        match self {
            Self::Passwords { rules, .. } => {
                let rules = rules.iter().filter(|rule| has(rule, "anonymous"));
                Caller::with("", Rights::These(rights(rules)))
            }
            _ => Caller::unknown(),
        }
    }

    fn challenge(&self, needs: &Needs<'_>, error: Option<&str>) -> Challenge {
        let header = match self {
            Self::Open => None,
            Self::Passwords { .. } => Some("Basic realm=\"Corten registry\"".to_owned()),
            Self::Tokens(tokens) => Some(tokens.challenge(needs, error)),
        };
        Challenge {
            error: Error::code(Code::Unauthorized),
            header,
        }
    }
}

fn has(rule: &AccessRule, user: &str) -> bool {
    rule.users.iter().any(|name| name == user)
}

fn by_rules(rules: &[AccessRule], user: &str) -> Caller {
    if rules.is_empty() {
        return Caller::with(user, Rights::Everything);
    }
    let own = |rule: &&AccessRule| has(rule, user) || has(rule, "*") || has(rule, "anonymous");
    Caller::with(user, Rights::These(rights(rules.iter().filter(own))))
}

fn rights<'a>(rules: impl Iterator<Item = &'a AccessRule>) -> Vec<(String, Right)> {
    let of = |rule: &'a AccessRule| {
        rule.repositories.iter().flat_map(move |pattern| {
            rule.rights
                .iter()
                .map(move |right| (pattern.clone(), *right))
        })
    };
    rules.flat_map(of).collect()
}

/// RFC 7617: user and password.
fn basic(value: &str) -> Option<(String, String)> {
    let text = String::from_utf8(STANDARD.decode(value.trim()).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}
