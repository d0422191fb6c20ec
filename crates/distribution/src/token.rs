//! What a session shows a registry: nothing, a password or a token.
//!
//! ```text
//! request ──401──> challenge ──Basic──> user and password
//!                            └─Bearer─> token server ──> token, kept per scope
//! ```
//! The token specification: <https://distribution.github.io/distribution/spec/auth/token/>
//! and its OAuth2 form for identity tokens.

use crate::{
    answer,
    challenge::Challenge,
    config::Credentials,
    error::{Error, Result, TransportError},
    http::{Http, Payload, Request, Response},
    limits::{TOKEN_BODY_MAX, TOKEN_LIFE, TOKEN_MARGIN, TOKEN_MAX},
    registries::Shared,
    token_server::may_see_credentials,
    url::{Scheme, Url},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, Method, header};
use serde::Deserialize;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The name under which token servers know this client.
const CLIENT_ID: &str = "docker";

/// The authorizations of one session with one registry.
pub(crate) struct Authorizer {
    credentials: Option<Credentials>,
    // Lock: held for look-ups only.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    challenge: Option<Challenge>,
    tokens: HashMap<String, (HeaderValue, Instant)>,
    refresh_token: Option<String>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
    #[serde(default)]
    refresh_token: Option<String>,
    #[serde(default)]
    expires_in: Option<u64>,
}

impl Authorizer {
    pub fn new(credentials: Option<Credentials>) -> Self {
        let credentials = credentials.filter(|given| !given.is_empty());
        let refresh_token = credentials
            .as_ref()
            .map(|given| given.identity_token.expose().clone())
            .filter(|token| !token.is_empty());
        let state = State {
            refresh_token,
            ..State::default()
        };
        Self {
            credentials,
            state: Mutex::new(state),
        }
    }

    /// The header for a request in `scope`, as far as earlier challenges tell.
    pub fn known(&self, scope: &str) -> Option<HeaderValue> {
        if let Some(token) = self.registry_token() {
            return bearer(&token);
        }
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.challenge.as_ref()?.scheme.as_str() {
            "basic" => self.basic(),
            _ => {
                let (token, end) = state.tokens.get(scope)?;
                (*end > Instant::now()).then(|| token.clone())
            }
        }
    }

    /// Answers a 401. `None` when there is nothing (more) to show, so that the refusal stands.
    pub async fn answer(
        &self,
        http: &Http,
        shared: &Shared,
        refused: &Response,
        method: &Method,
        scope: &str,
    ) -> Result<Option<HeaderValue>> {
        if self.registry_token().is_some() {
            return Ok(None);
        }
        let challenges = crate::challenge::challenges(&refused.headers);
        let find = |scheme: &str| challenges.iter().find(|c| c.scheme == scheme);
        if let Some(challenge) = find("bearer") {
            let token = self
                .fetch(http, shared, refused, challenge, scope)
                .await
                .map_err(|e| {
                    let (method, url) = (method.clone(), refused.url.to_string());
                    Error::Token {
                        method,
                        url,
                        source: Box::new(e),
                    }
                })?;
            self.remember(challenge);
            return Ok(Some(token));
        }
        let Some(challenge) = find("basic") else {
            return Ok(None);
        };
        let Some(value) = self.basic() else {
            let (method, url) = (method.clone(), refused.url.to_string());
            return Err(Error::NoCredentials { method, url });
        };
        self.remember(challenge);
        Ok(Some(value))
    }

    /// The refresh token a token server gave or the user brought.
    pub fn refresh_token(&self) -> Option<String> {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .refresh_token
            .clone()
    }

    fn remember(&self, challenge: &Challenge) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.challenge = Some(challenge.clone());
    }

    fn registry_token(&self) -> Option<String> {
        let token = self.credentials.as_ref()?.registry_token.expose();
        (!token.is_empty()).then(|| token.clone())
    }

    fn basic(&self) -> Option<HeaderValue> {
        let given = self
            .credentials
            .as_ref()
            .filter(|given| !given.username.is_empty())?;
        let pair = format!("{}:{}", given.username, given.password.expose());
        sensitive(&format!("Basic {}", STANDARD.encode(pair)))
    }

    async fn fetch(
        &self,
        http: &Http,
        shared: &Shared,
        refused: &Response,
        challenge: &Challenge,
        scope: &str,
    ) -> Result<HeaderValue> {
        let request = self.token_request(shared, refused, challenge, scope)?;
        let (method, url) = (request.method.clone(), request.url.clone());
        let failed = |e| Error::transport(&method, url.to_string(), e);
        let tls = shared.tls_for(&url.origin).await?;
        let response = http.send(request, &tls).await.map_err(failed)?;
        if !response.status.is_success() {
            return Err(answer::refusal(response).await.into());
        }
        let body = response.bytes(TOKEN_BODY_MAX).await.map_err(failed)?;
        let answer: TokenAnswer = serde_json::from_slice(&body)
            .map_err(|e| Error::Protocol(format!("unable to decode token response: {e}")))?;
        let token = [answer.access_token, answer.token]
            .into_iter()
            .flatten()
            .find(|t| !t.is_empty());
        let token = token.filter(|token| token.len() <= TOKEN_MAX);
        let value = token.as_deref().and_then(bearer).ok_or_else(|| {
            Error::Protocol("authorization server did not include a token in the response".into())
        })?;
        let life = answer
            .expires_in
            .map_or(TOKEN_LIFE, Duration::from_secs)
            .max(TOKEN_LIFE);
        let end = Instant::now() + life.min(Duration::from_secs(86_400)) - TOKEN_MARGIN;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.tokens.insert(scope.to_owned(), (value.clone(), end));
        if let Some(refresh) = answer
            .refresh_token
            .filter(|token| token.len() <= TOKEN_MAX)
        {
            state.refresh_token = Some(refresh);
        }
        Ok(value)
    }

    /// Refuses a token server that must not see the credentials there are.
    fn check_token_server(&self, shared: &Shared, refused: &Response, server: &Url) -> Result<()> {
        let registry = &refused.url.origin;
        let authority = registry.authority();
        let rules = shared.rules(&authority);
        let listed = rules.map_or(&[][..], |rules| &rules.token_servers);
        let has_any = self.refresh_token().is_some() || self.basic().is_some();
        if !has_any || may_see_credentials(registry, refused.reach, &server.origin, listed) {
            return Ok(());
        }
        Err(Error::TokenServer {
            registry: authority,
            server: server.origin.authority(),
        })
    }

    fn token_request(
        &self,
        shared: &Shared,
        refused: &Response,
        challenge: &Challenge,
        scope: &str,
    ) -> Result<Request> {
        let parameter = |name: &str| challenge.parameters.get(name).map(String::as_str);
        let realm = parameter("realm").unwrap_or_default();
        let url = Url::parse(realm).ok_or_else(|| {
            Error::Protocol(format!("invalid token auth challenge realm: {realm}"))
        })?;
        if refused.url.origin.scheme == Scheme::Https && url.origin.scheme == Scheme::Http {
            return Err(Error::transport(
                &Method::GET,
                &url,
                TransportError::Downgrade(realm.into()),
            ));
        }
        self.check_token_server(shared, refused, &url)?;
        let service = parameter("service").unwrap_or_default();
        let user = self
            .credentials
            .as_ref()
            .map(|given| given.username.as_str());
        let user = user.filter(|user| !user.is_empty());
        let from = (url.origin != refused.url.origin).then_some(refused.reach);
        let mut headers = HeaderMap::new();
        if let Some(refresh) = self.refresh_token() {
            let mut form = form_urlencoded::Serializer::new(String::new());
            form.append_pair("grant_type", "refresh_token");
            form.append_pair("refresh_token", &refresh);
            form.append_pair("service", service);
            form.append_pair("client_id", CLIENT_ID);
            if !scope.is_empty() {
                form.append_pair("scope", scope);
            }
            let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
            headers.insert(header::CONTENT_TYPE, kind);
            let payload = Payload::Bytes(form.finish().into());
            return Ok(Request {
                method: Method::POST,
                url,
                headers,
                payload,
                from,
            });
        }
        let mut url = if service.is_empty() {
            url
        } else {
            url.with_parameter("service", service)
        };
        for scope in scope.split(' ').filter(|scope| !scope.is_empty()) {
            url = url.with_parameter("scope", scope);
        }
        if let (Some(user), Some(basic)) = (user, self.basic()) {
            url = url.with_parameter("account", user);
            url = url
                .with_parameter("offline_token", "true")
                .with_parameter("client_id", CLIENT_ID);
            headers.insert(header::AUTHORIZATION, basic);
        }
        Ok(Request {
            method: Method::GET,
            url,
            headers,
            payload: Payload::Empty,
            from,
        })
    }
}

fn bearer(token: &str) -> Option<HeaderValue> {
    sensitive(&format!("Bearer {token}"))
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}
