//! `corten registry serve`: the registry as a program of its own.

use corten_registry::{Config, StorageConfig, TlsConfig};
use std::{path::PathBuf, process::ExitCode};

const USAGE: &str = "\
Usage:  corten registry serve [OPTIONS]

Serve an OCI distribution registry

Options:
      --config string      JSON file with the whole configuration; flags given beside win
      --htpasswd string    File of users and bcrypt hashes (htpasswd -B)
      --listen list        Address and port to serve (default 127.0.0.1:5000)
  -l, --log-level string   Logging level (\"debug\", \"info\", \"warn\", \"error\") (default \"info\")
      --metrics string     Address and port for /metrics and /health
      --root string        Directory for blobs and records
      --tls-cert string    PEM file with the certificate
      --tls-key string     PEM file with its key
      --collect            Collect once, print what was removed, and end
";

/// Threads that run tasks.
const WORKER_THREADS: usize = 4;
/// Threads for disk work, made when needed.
const BLOCKING_THREADS: usize = 64;

/// What the line asks for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Line {
    config: Option<PathBuf>,
    root: Option<PathBuf>,
    listen: Vec<String>,
    htpasswd: Option<PathBuf>,
    metrics: Option<String>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    log_level: Option<String>,
    collect: bool,
    help: bool,
}

/// Runs the words after `corten registry`.
pub fn main(words: impl IntoIterator<Item = String>) -> ExitCode {
    let mut words = words.into_iter();
    let verb = words.next();
    if matches!(verb.as_deref(), None | Some("--help" | "-h" | "help")) {
        print!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let run = match verb.as_deref() {
        Some("serve") => parse(words).and_then(|line| match line.help {
            true => {
                print!("{USAGE}");
                Ok(())
            }
            false => run(line),
        }),
        other => Err(format!(
            "unknown command: corten registry {}",
            other.unwrap_or_default()
        )),
    };
    match run {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason}\n\nRun 'corten registry --help' for more information");
            ExitCode::FAILURE
        }
    }
}

fn parse(words: impl Iterator<Item = String>) -> Result<Line, String> {
    let mut line = Line::default();
    let mut words = words;
    while let Some(word) = words.next() {
        let (flag, inline) = match word.split_once('=') {
            Some((flag, value)) => (flag.to_owned(), Some(value.to_owned())),
            None => (word, None),
        };
        if matches!(flag.as_str(), "--help" | "-h" | "--collect") {
            if inline.is_some() {
                return Err(format!("flag takes no value: {flag}"));
            }
            line.help |= flag != "--collect";
            line.collect |= flag == "--collect";
            continue;
        }
        let known = [
            "--config",
            "--root",
            "--listen",
            "--htpasswd",
            "--metrics",
            "--tls-cert",
            "--tls-key",
            "--log-level",
            "-l",
        ];
        if !known.contains(&flag.as_str()) {
            return Err(format!("unknown flag: {flag}"));
        }
        let value = inline.or_else(|| words.next());
        let value = value.ok_or_else(|| format!("flag needs an argument: {flag}"))?;
        match flag.as_str() {
            "--config" => line.config = Some(value.into()),
            "--root" => line.root = Some(value.into()),
            "--listen" => line.listen.push(value),
            "--htpasswd" => line.htpasswd = Some(value.into()),
            "--metrics" => line.metrics = Some(value),
            "--tls-cert" => line.certificate = Some(value.into()),
            "--tls-key" => line.key = Some(value.into()),
            _ => line.log_level = Some(value),
        }
    }
    Ok(line)
}

fn configuration(line: &Line) -> Result<Config, String> {
    let mut config = match (&line.config, &line.root) {
        (Some(path), _) => Config::read(path).map_err(|error| corten_base::chain(&error))?,
        (None, Some(root)) => Config::in_directory(root),
        (None, None) => return Err("one of --root and --config is needed".into()),
    };
    if let Some(root) = &line.root {
        config.storage = StorageConfig::Directory(root.clone());
    }
    if !line.listen.is_empty() {
        config.listen.clone_from(&line.listen);
    }
    if line.htpasswd.is_some() {
        config.htpasswd.clone_from(&line.htpasswd);
    }
    if line.metrics.is_some() {
        config.metrics_listen.clone_from(&line.metrics);
    }
    config.tls = match (&line.certificate, &line.key) {
        (Some(certificate), Some(key)) => Some(TlsConfig {
            certificate: certificate.clone(),
            key: key.clone(),
        }),
        (None, None) => config.tls,
        _ => return Err("--tls-cert and --tls-key go together".into()),
    };
    Ok(config)
}

fn run(line: Line) -> Result<(), String> {
    let level = line.log_level.as_deref().unwrap_or("info");
    let level: tracing::Level = level
        .parse()
        .map_err(|_| format!("unknown log level: {level}"))?;
    let config = configuration(&line)?;
    // Another program part may have set up logging; then that is used.
    let _ = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_target(false)
        .try_init();
    let threads = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKER_THREADS)
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_name("registry")
        .enable_all()
        .build()
        .map_err(|error| format!("starting threads: {error}"))?;
    let done = threads.block_on(async {
        if line.collect {
            let registry = corten_registry::Registry::open(config)?;
            return match registry.collect().await {
                Ok(done) => {
                    println!(
                        "Removed {} tags, {} manifests, {} blobs ({}), {} uploads",
                        done.tags,
                        done.manifests,
                        done.blobs,
                        corten_base::text::human_size(done.bytes),
                        done.uploads
                    );
                    Ok(())
                }
                Err(error) => Err(corten_registry::ServeError::Storage(std::io::Error::other(
                    error,
                ))),
            };
        }
        corten_registry::serve(config, |addresses| {
            for address in addresses {
                tracing::info!("listening on {address}");
            }
        })
        .await
    });
    done.map_err(|error| corten_base::chain(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Result<Line, String> {
        parse(text.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn flags_are_read_or_refused_by_name() {
        let read = line("--root /x --listen=0.0.0.0:5000 --listen :1 --collect").unwrap();
        assert_eq!(read.root, Some("/x".into()));
        assert_eq!(read.listen, ["0.0.0.0:5000", ":1"]);
        assert!(read.collect);
        assert_eq!(line("--rot x"), Err("unknown flag: --rot".into()));
        assert_eq!(line("--root"), Err("flag needs an argument: --root".into()));
        assert!(configuration(&Line::default()).is_err());
        let half = line("--root /x --tls-cert c").unwrap();
        assert!(configuration(&half).is_err());
    }
}
