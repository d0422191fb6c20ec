//! What every command has at hand: its name, the configuration, the engine, the output.

use crate::{
    config::{ConfigFile, contexts},
    error::CliError,
    flags::Parsed,
    tables::Command,
};
use corten_client::{Client, ClientError, Endpoint, Options, TlsFiles};
use std::{
    cell::OnceCell,
    io::Write,
    path::{Path, PathBuf},
};

/// Where `corten`'s engine listens.
pub const CORTEN_HOST: &str = "unix:///run/corten.sock";
/// Where Docker's engine listens.
pub const DOCKER_HOST: &str = "unix:///var/run/docker.sock";
/// The version whose command line this is, as `docker --version` tells it.
pub const DOCKER_VERSION: &str = "28.5.2";

/// The program in its surroundings.
pub struct App {
    /// `docker` or `corten`.
    pub program: &'static str,
    /// Global flags.
    pub globals: Parsed,
    /// Directory of the client's configuration.
    pub config_directory: PathBuf,
    config: OnceCell<ConfigFile>,
    client: OnceCell<Client>,
    /// Whether an engine is started where none runs.
    may_start: bool,
}

impl App {
    /// Reads nothing yet.
    pub fn new(program: &'static str, globals: Parsed) -> Self {
        let config_directory = match globals.get("config") {
            Some(path) => PathBuf::from(path),
            None => default_config_directory(),
        };
        Self {
            program,
            globals,
            config_directory,
            config: OnceCell::new(),
            client: OnceCell::new(),
            may_start: true,
        }
    }

    /// The same, but no engine is started for it.
    pub fn starting_nothing(self) -> Self {
        Self {
            may_start: false,
            ..self
        }
    }

    /// Whether output must be Docker's to the byte.
    pub fn is_docker(&self) -> bool {
        self.program == "docker"
    }

    /// The configuration file; a broken one is told on stderr once.
    pub fn config(&self) -> &ConfigFile {
        self.config.get_or_init(|| {
            ConfigFile::load(&self.config_directory).unwrap_or_else(|why| {
                self.warn(&format!("WARNING: Error loading config file: {why}"));
                ConfigFile::empty(&self.config_directory)
            })
        })
    }

    /// Writes to stdout; a reader that went away ends the command quietly.
    pub fn out(&self, text: &str) -> Result<(), CliError> {
        let mut stdout = std::io::stdout().lock();
        stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush())
            .map_err(|_| CliError::Closed)
    }

    /// Writes a line to stdout.
    pub fn line(&self, text: &str) -> Result<(), CliError> {
        self.out(&format!("{text}\n"))
    }

    /// Writes a line to stderr.
    pub fn warn(&self, text: &str) {
        // Nobody can be told that stderr is closed.
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }

    /// Name of the context in use.
    pub fn context_name(&self) -> String {
        if let Some(name) = self.globals.get("context") {
            return name.to_owned();
        }
        if self.globals.given("host") || environment("DOCKER_HOST").is_some() {
            return contexts::DEFAULT.to_owned();
        }
        environment("DOCKER_CONTEXT")
            .or_else(|| self.config().text("currentContext").map(str::to_owned))
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| contexts::DEFAULT.to_owned())
    }

    /// Address for the default context, as text.
    pub fn default_host(&self) -> String {
        self.globals
            .get("host")
            .map(str::to_owned)
            .or_else(|| environment("DOCKER_HOST"))
            .unwrap_or_else(|| self.built_in_host().to_owned())
    }

    /// Address when nobody says anything.
    pub fn built_in_host(&self) -> &'static str {
        if self.is_docker() {
            DOCKER_HOST
        } else {
            CORTEN_HOST
        }
    }

    /// The engine's client. Nothing is sent yet, but `corten` starts its engine if asked to.
    pub async fn client(&self) -> Result<&Client, CliError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        if self.globals.given("host") && self.globals.given("context") {
            return Err(CliError::Text(
                "conflicting options: cannot specify both --host and --context".into(),
            ));
        }
        let name = self.context_name();
        let (host, tls) = if name == contexts::DEFAULT {
            (self.default_host(), self.tls_files())
        } else {
            contexts::endpoint(&self.config_directory, &name).map_err(initialize)?
        };
        let endpoint =
            parse_host(&host, tls.is_some()).map_err(|error| initialize(error.into()))?;
        let is_own = !self.is_docker() && name == contexts::DEFAULT && host == CORTEN_HOST;
        if is_own && self.may_start {
            crate::autostart::ensure(self, &endpoint).await?;
        }
        let options = Options {
            tls,
            api_version: environment("DOCKER_API_VERSION"),
            user_agent: self.user_agent(),
            headers: self.config().headers(),
        };
        Ok(self.client.get_or_init(|| Client::new(endpoint, options)))
    }

    fn user_agent(&self) -> String {
        if self.is_docker() {
            format!("Docker-Client/{DOCKER_VERSION} (linux)")
        } else {
            format!("Corten-Client/{} (linux)", env!("CARGO_PKG_VERSION"))
        }
    }

    fn tls_files(&self) -> Option<TlsFiles> {
        let from_environment = environment("DOCKER_TLS_VERIFY").is_some();
        let verify = if self.globals.given("tlsverify") {
            self.globals.is_on("tlsverify")
        } else {
            from_environment
        };
        let wanted = verify
            || self.globals.is_on("tls")
            || ["tlscacert", "tlscert", "tlskey"]
                .iter()
                .any(|f| self.globals.given(f));
        if !wanted {
            return None;
        }
        let directory = environment("DOCKER_CERT_PATH")
            .map_or_else(|| self.config_directory.clone(), PathBuf::from);
        let file = |flag: &str, name: &str| match self.globals.get(flag) {
            Some("") => None,
            Some(path) => Some(PathBuf::from(path.trim_matches('"'))),
            None => Some(directory.join(name)).filter(|path| path.exists()),
        };
        Some(TlsFiles {
            authority: file("tlscacert", "ca.pem"),
            certificate: file("tlscert", "cert.pem"),
            key: file("tlskey", "key.pem"),
            verify,
        })
    }

    /// A format: the flag's, else the configuration's.
    pub fn format(&self, parsed: &Parsed, key: &str) -> String {
        match parsed.get("format") {
            Some(format) => format.to_owned(),
            None => self.config().text(key).unwrap_or("").to_owned(),
        }
    }
}

/// Which engine to talk to could not be found out.
fn initialize(error: CliError) -> CliError {
    CliError::Text(format!(
        "Failed to initialize: unable to resolve docker endpoint: {error}"
    ))
}

/// One command being run.
pub struct Call<'a> {
    pub app: &'a App,
    pub command: &'a Command,
    pub parsed: Parsed,
}

impl Call<'_> {
    /// The engine's client.
    pub async fn client(&self) -> Result<&Client, CliError> {
        self.app.client().await
    }

    /// The positional argument at `index`, or the empty text.
    pub fn arg(&self, index: usize) -> &str {
        self.parsed.args.get(index).map_or("", String::as_str)
    }
}

/// A variable that is set and not empty.
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn default_config_directory() -> PathBuf {
    match environment("DOCKER_CONFIG") {
        Some(path) => PathBuf::from(path),
        None => home().join(".docker"),
    }
}

/// The user's home directory.
pub fn home() -> PathBuf {
    environment("HOME").map_or_else(|| Path::new("/").to_owned(), PathBuf::from)
}

/// Reads an address of `-H`: without a scheme it is a tcp address.
pub fn parse_host(host: &str, tls: bool) -> Result<Endpoint, ClientError> {
    let host = host.trim();
    let text = if host.contains("://") {
        host.to_owned()
    } else {
        format!("tcp://{host}")
    };
    let endpoint = Endpoint::parse(&text)?;
    Ok(match endpoint {
        Endpoint::Tcp {
            host,
            port: 2375,
            base,
        } if tls && !text.contains(":2375") => Endpoint::Tcp {
            host,
            port: 2376,
            base,
        },
        other => other,
    })
}
