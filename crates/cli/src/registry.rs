//! `login`, `logout`, `search`.

use crate::{
    app::Call,
    config::{ConfigFile, credentials},
    device_login,
    error::CliError,
    filters::Filters,
    output::{
        Json, human,
        list::{Look, Row, render},
    },
    terminal::{self, Raw},
};
use corten_api::auth::{AuthConfig, AuthResponse};
use std::io::{BufRead, Read};

/// Largest password on stdin, in bytes.
const PASSWORD_LIMIT_BYTES: u64 = 1 << 20;

/// `login`: checks credentials with the registry and keeps them.
pub async fn login(call: &Call<'_>) -> Result<u8, CliError> {
    let parsed = &call.parsed;
    let mut password = parsed.text("password").to_owned();
    let mut user = parsed.text("username").to_owned();
    if parsed.given("password") {
        if parsed.is_on("password-stdin") {
            return Err(CliError::Text(
                "conflicting options: cannot specify both --password and --password-stdin".into(),
            ));
        }
        call.app
            .warn("WARNING! Using --password via the CLI is insecure. Use --password-stdin.");
    }
    if parsed.is_on("password-stdin") {
        if user.is_empty() {
            return Err(CliError::Text(
                "the --password-stdin option requires --username to be set".into(),
            ));
        }
        let mut text = String::new();
        std::io::stdin()
            .take(PASSWORD_LIMIT_BYTES)
            .read_to_string(&mut text)
            .map_err(|error| CliError::Text(format!("reading the password: {error}")))?;
        password = text
            .trim_end_matches('\n')
            .trim_end_matches('\r')
            .to_owned();
    }
    let server = match call.arg(0) {
        "" => credentials::HUB.to_owned(),
        given => credentials::server_key(trim(given)).to_owned(),
    };
    let mut config = ConfigFile::load(&call.app.config_directory).map_err(CliError::Text)?;
    // Where both are given, nobody is asked for older ones.
    let known = if user.is_empty() && password.is_empty() {
        credentials::get(&config, &server)?
    } else {
        AuthConfig::default()
    };
    let stored = user.is_empty() && password.is_empty() && !known.username.is_empty();
    if stored {
        call.app.line(&format!(
            "Authenticating with existing credentials... [Username: {}]",
            known.username
        ))?;
        user = known.username.clone();
        password = known.password.clone();
    } else {
        let nothing = user.is_empty() && password.is_empty();
        let given = match nothing && terminal::terminals().input {
            true => device_login::login(call.app, &config, &server).await?,
            false => None,
        };
        match given {
            Some(given) => (user, password) = (given.username, given.password),
            None => ask(call, &server, &known.username, &mut user, &mut password)?,
        }
    }
    let mut auth = AuthConfig {
        username: user,
        password,
        identitytoken: if stored {
            known.identitytoken
        } else {
            String::new()
        },
        serveraddress: server,
        ..AuthConfig::default()
    };
    let answer: AuthResponse = call
        .client()
        .await?
        .post("/auth")
        .json(&auth)
        .send()
        .await?
        .json()
        .await?;
    if !answer.identity_token.is_empty() {
        auth.password = String::new();
        auth.identitytoken = answer.identity_token;
    }
    if let Some(path) = credentials::store(&mut config, &auth)?
        && !stored
    {
        call.app.warn(&format!(
            "\nWARNING! Your credentials are stored unencrypted in '{path}'.\nConfigure a credential helper to remove this warning. See\nhttps://docs.docker.com/go/credential-store/\n"
        ));
    }
    if !answer.status.is_empty() {
        call.app.line(&answer.status)?;
    }
    Ok(0)
}

/// Address without scheme and trailing slash.
fn trim(server: &str) -> &str {
    let server = server
        .strip_prefix("https://")
        .or(server.strip_prefix("http://"))
        .unwrap_or(server);
    server.split('/').next().unwrap_or(server)
}

/// Asks for what is missing; only a terminal can answer.
fn ask(
    call: &Call<'_>,
    server: &str,
    known: &str,
    user: &mut String,
    password: &mut String,
) -> Result<(), CliError> {
    if !user.is_empty() && !password.is_empty() {
        return Ok(());
    }
    if !terminal::terminals().input {
        return Err(CliError::Text(
            "Error: Cannot perform an interactive login from a non TTY device".into(),
        ));
    }
    if user.is_empty() {
        if server == credentials::HUB {
            call.app.line("Log in with your Docker ID or email address to push and pull images from Docker Hub.")?;
        }
        let shown = if known.is_empty() {
            String::new()
        } else {
            format!(" ({known})")
        };
        call.app.out(&format!("Username{shown}: "))?;
        *user = read_line()?;
        if user.is_empty() {
            *user = known.to_owned();
        }
        if user.is_empty() {
            return Err(CliError::Text("Error: Non-null Username Required".into()));
        }
    }
    if password.is_empty() {
        call.app.out("Password: ")?;
        let silent = Raw::without_echo();
        *password = read_line()?;
        drop(silent);
        call.app.out("\n")?;
        if password.is_empty() {
            return Err(CliError::Text("Error: Password Required".into()));
        }
    }
    Ok(())
}

fn read_line() -> Result<String, CliError> {
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(|error| CliError::Text(format!("reading the answer: {error}")))?;
    Ok(line.trim().to_owned())
}

/// `logout`: forgets credentials.
pub async fn logout(call: &Call<'_>) -> Result<u8, CliError> {
    let given = call.arg(0);
    let server = if given.is_empty() {
        credentials::HUB
    } else {
        credentials::server_key(trim(given))
    };
    let mut config = ConfigFile::load(&call.app.config_directory).map_err(CliError::Text)?;
    call.app
        .line(&format!("Removing login credentials for {server}"))?;
    credentials::erase(&mut config, server).map_err(|error| {
        CliError::Text(format!(
            "WARNING: could not erase credentials:\n{server}: {error}"
        ))
    })?;
    Ok(0)
}

const LOOK: Look = Look {
    go_type: "*formatter.searchContext",
    headings: &[
        ("Name", "NAME"),
        ("Description", "DESCRIPTION"),
        ("StarCount", "STARS"),
        ("IsOfficial", "OFFICIAL"),
        ("IsAutomated", "AUTOMATED"),
    ],
    table: "{{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}",
};

/// `search`: asks the engine to ask Docker Hub.
pub async fn search(call: &Call<'_>) -> Result<u8, CliError> {
    let limit = call.parsed.int("limit").unwrap_or(0);
    let mut results: Json = call
        .client()
        .await?
        .get("/images/search")
        .query("term", call.arg(0))
        .query_if(
            "limit",
            if limit > 0 {
                limit.to_string()
            } else {
                String::new()
            },
        )
        .query_if("filters", Filters::parse(call.parsed.all("filter")).json())
        .send()
        .await?
        .json()
        .await?;
    if let Json::List(items) = &mut results {
        items.sort_by_key(|i| std::cmp::Reverse(i.int(&["star_count"])));
    }
    let whole = call.parsed.is_on("no-trunc");
    let rows = results
        .list(&[])
        .iter()
        .map(|item| {
            let description = item.text(&["description"]).replace(['\n', '\r'], " ");
            let official = if item.bool(&["is_official"]) {
                "[OK]"
            } else {
                ""
            };
            Row::new()
                .field("Name", item.text(&["name"]))
                .field(
                    "Description",
                    if whole {
                        description
                    } else {
                        human::ellipsis(&description, 45)
                    },
                )
                .field("StarCount", item.int(&["star_count"]).to_string())
                .field("IsOfficial", official)
                .field("IsAutomated", "")
        })
        .collect();
    call.app
        .out(&render(&LOOK, call.parsed.text("format"), rows)?)?;
    Ok(0)
}
