//! What a container's log driver is told when the container starts.

use crate::{Engine, EngineError, Result, messages};
use corten_logs::options::{self, FileOptions, LogOptions, RemoteDriver, RemoteOptions, Selection};
use corten_logs::remote::{RemoteConfig, Source};
use corten_model::Container;
use corten_shim_proto::{JsonFileLog, Log, RemoteLimit, RemoteLog};
use gotmpl::{MissingKey, Template, TemplateError, Value};
use regex_lite::Regex;
use std::collections::BTreeMap;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The tag of drivers that always have one.
const DEFAULT_TAG: &str = "{{.ID}}";

/// What templates know the daemon as.
const DAEMON_NAME: &str = "docker";

impl Engine {
    /// Where output goes; `log_path` of `next` is what `inspect` shows of it.
    pub(super) fn log(&self, next: &mut Container) -> Result<Log> {
        let failed = |reason: String| EngineError::Failed(messages::log_driver(reason));
        let config = &next.host_config.log_config;
        let parsed = options::parse(&config.driver, &config.options)
            .map_err(|error| failed(error.to_string()))?;
        let path = self.log_file(next).unwrap_or_default();
        next.log_path = PathBuf::new();
        match parsed {
            LogOptions::None => Ok(Log::None),
            LogOptions::Local(files) => Ok(Log::JsonFile(file(path, &files, BTreeMap::new()))),
            LogOptions::JsonFile { files, selection } => {
                next.log_path = path.clone();
                let attributes = attributes(next, &selection).map_err(failed)?;
                Ok(Log::JsonFile(file(path, &files, attributes)))
            }
            LogOptions::Remote(options) => self.remote_log(next, path, *options).map(Log::Remote),
        }
    }

    fn remote_log(
        &self,
        container: &Container,
        path: PathBuf,
        options: RemoteOptions,
    ) -> Result<RemoteLog> {
        let failed = |reason: String| EngineError::Failed(messages::log_driver(reason));
        if let RemoteDriver::Journald { socket } = &options.driver
            && !is_served(socket)
        {
            return Err(failed("journald is not enabled on this host".to_owned()));
        }
        let extra = chosen(container, &options.selection).map_err(failed)?;
        let tag = options.selection.tag.as_deref().unwrap_or(DEFAULT_TAG);
        let tag = expand(tag, container).map_err(failed)?;
        let limit = match &options.driver {
            // Asynchronous: it is the driver that does not wait.
            RemoteDriver::Fluentd(fluentd) if fluentd.asynchronous => Some(RemoteLimit {
                bytes: options.max_buffer_bytes.unwrap_or(u64::MAX),
                records: fluentd.buffer_records,
            }),
            _ => options.max_buffer_bytes.map(|bytes| RemoteLimit {
                bytes,
                records: u64::MAX,
            }),
        };
        let config = RemoteConfig {
            driver: options.driver,
            source: Source {
                container_id: container.id.to_string(),
                container_name: container.name.clone(),
                image_id: container.image.to_string(),
                image_name: container.config.image.clone(),
                command: command(container),
                created: container.created.to_string(),
                tag,
                extra,
            },
        };
        // Labels named by a regular expression may hold anything but what JSON cannot.
        let config = serde_json::to_string(&config).map_err(|error| failed(error.to_string()))?;
        Ok(RemoteLog {
            program: self.beside("corten-logger")?,
            config,
            limit,
            cache: options
                .cache
                .map(|cache| file(path, &cache, BTreeMap::new())),
        })
    }

    /// The file that `docker logs` reads; `None` where there is nothing to read.
    pub(super) fn log_file(&self, container: &Container) -> Option<PathBuf> {
        let directory = self.container_directory(container.id);
        let config = &container.host_config.log_config;
        match config.driver.as_str() {
            "" | "json-file" => Some(directory.join(format!("{}-json.log", container.id))),
            "none" => None,
            "local" => Some(directory.join("local-logs/container.log")),
            _ => match options::parse(&config.driver, &config.options) {
                Ok(LogOptions::Remote(options)) if options.cache.is_some() => {
                    Some(directory.join("container-cached.log"))
                }
                _ => None,
            },
        }
    }

    /// A program of ours, which stands beside this one.
    pub(super) fn beside(&self, name: &str) -> Result<PathBuf> {
        let program = std::env::current_exe().map_err(|source| EngineError::File {
            operation: "reading",
            path: "/proc/self/exe".into(),
            source,
        })?;
        Ok(program.with_file_name(name))
    }
}

/// Whether somebody receives datagrams there, as go-systemd's `journal.Enabled` asks.
fn is_served(socket: &Path) -> bool {
    UnixDatagram::unbound().is_ok_and(|own| own.connect(socket).is_ok())
}

fn file(path: PathBuf, options: &FileOptions, attributes: BTreeMap<String, String>) -> JsonFileLog {
    JsonFileLog {
        path,
        max_size_bytes: options.max_size_bytes,
        max_files: options.max_files,
        compress: options.compress,
        attributes,
    }
}

/// What every record of a json-file carries in `attrs`.
fn attributes(
    container: &Container,
    selection: &Selection,
) -> std::result::Result<BTreeMap<String, String>, String> {
    let mut attributes = chosen(container, selection)?;
    if let Some(tag) = &selection.tag {
        let tag = expand(tag, container)?;
        if !tag.is_empty() {
            attributes.insert("tag".to_owned(), tag);
        }
    }
    Ok(attributes)
}

/// The labels and variables that were named, or match.
fn chosen(
    container: &Container,
    selection: &Selection,
) -> std::result::Result<BTreeMap<String, String>, String> {
    let labels_regex = selection.labels_regex.as_deref().map(regex).transpose()?;
    let env_regex = selection.env_regex.as_deref().map(regex).transpose()?;
    let is_chosen = |name: &str, names: &[String], regex: &Option<Regex>| {
        names.iter().any(|wanted| wanted == name)
            || regex.as_ref().is_some_and(|regex| regex.is_match(name))
    };
    let mut chosen = BTreeMap::new();
    for (name, value) in &container.config.labels {
        if is_chosen(name, &selection.labels, &labels_regex) {
            chosen.insert(name.clone(), value.clone());
        }
    }
    for entry in container.config.env.iter().flatten() {
        if let Some((name, value)) = entry.split_once('=')
            && is_chosen(name, &selection.env, &env_regex)
        {
            chosen.insert(name.to_owned(), value.to_owned());
        }
    }
    Ok(chosen)
}

fn regex(text: &str) -> std::result::Result<Regex, String> {
    Regex::new(text).map_err(|error| {
        // Go's words for what is forgotten most often.
        let reason = match error.to_string() {
            reason if reason.contains("group") && text.contains('(') => "missing closing )".into(),
            reason if reason.contains("class") => "missing closing ]".into(),
            reason => reason,
        };
        format!("error parsing regexp: {reason}: `{text}`")
    })
}

/// Fills a tag's template in, with the fields and methods of Docker's `logger.Info`.
fn expand(tag: &str, container: &Container) -> std::result::Result<String, String> {
    let template = functions(Template::new("log-tag").missing_key(MissingKey::Error))
        .parse(tag)
        .map_err(|error| match error {
            TemplateError::Parse { message, .. } | TemplateError::Lex { message, .. } => {
                format!("template: log-tag:1: {message}")
            }
            other => format!("template: log-tag:1: {other}"),
        })?;
    template
        .execute_to_string(&info(container))
        .map_err(|error| match error {
            TemplateError::MissingKey { key } => {
                let field = format!(".{key}");
                let column = tag.find(&field).unwrap_or_default();
                format!(
                    "template: log-tag:1:{column}: executing \"log-tag\" at <{field}>: can't evaluate field {key} in type *logger.Info"
                )
            }
            TemplateError::UndefinedFunction(name) => {
                format!("template: log-tag:1: function {name:?} not defined")
            }
            other => format!("template: log-tag:1: executing \"log-tag\": {other}"),
        })
}

fn info(container: &Container) -> Value {
    let text = |text: &str| Value::String(text.into());
    let list =
        |list: &[String]| Value::List(list.iter().map(|it| text(it)).collect::<Vec<_>>().into());
    let map = |map: &BTreeMap<String, String>| {
        let members: BTreeMap<Arc<str>, Value> = map
            .iter()
            .map(|(name, value)| (name.as_str().into(), text(value)))
            .collect();
        Value::Map(Arc::new(members))
    };
    let id = container.id.to_string();
    let image = container.image.to_string();
    let first = |full: &str| full.get(..12).unwrap_or(full).to_owned();
    let members = [
        ("ID", text(&first(&id))),
        ("FullID", text(&id)),
        ("Name", text(&container.name)),
        // With its algorithm, as Docker cuts it.
        ("ImageID", text(&first(&image))),
        ("ImageFullID", text(&image)),
        ("ImageName", text(&container.config.image)),
        ("Command", text(&command(container))),
        ("DaemonName", text(DAEMON_NAME)),
        ("ContainerID", text(&id)),
        ("ContainerName", text(&format!("/{}", container.name))),
        ("ContainerEntrypoint", text(&container.path)),
        ("ContainerArgs", list(&container.args)),
        ("ContainerImageID", text(&image)),
        ("ContainerImageName", text(&container.config.image)),
        ("ContainerCreated", text(&container.created.to_string())),
        (
            "ContainerEnv",
            list(container.config.env.as_deref().unwrap_or_default()),
        ),
        (
            "ContainerLabels",
            map(&container.config.labels.clone().into_iter().collect()),
        ),
        ("Config", map(&container.host_config.log_config.options)),
        ("LogPath", text(&container.log_path.to_string_lossy())),
    ];
    let members: BTreeMap<Arc<str>, Value> = members
        .into_iter()
        .map(|(name, value)| (name.into(), value))
        .collect();
    Value::Map(Arc::new(members))
}

/// The functions that Docker adds to Go's, where tags use them.
fn functions(template: Template) -> Template {
    let text = |args: &[Value]| args.first().map(Value::to_string).unwrap_or_default();
    template
        .func("lower", move |args| {
            Ok(Value::String(text(args).to_lowercase().into()))
        })
        .func("upper", move |args| {
            Ok(Value::String(text(args).to_uppercase().into()))
        })
        .func("join", move |args| {
            let separator = args.get(1).map(Value::to_string).unwrap_or_default();
            let parts: Vec<String> = match args.first() {
                Some(Value::List(items)) => items.iter().map(Value::to_string).collect(),
                _ => vec![text(args)],
            };
            Ok(Value::String(parts.join(&separator).into()))
        })
        .func("split", move |args| {
            let separator = args.get(1).map(Value::to_string).unwrap_or_default();
            let value = text(args);
            let parts: Vec<Value> = match separator.as_str() {
                "" => value
                    .chars()
                    .map(|c| Value::String(c.to_string().into()))
                    .collect(),
                separator => value
                    .split(separator)
                    .map(|it| Value::String(it.into()))
                    .collect(),
            };
            Ok(Value::List(parts.into()))
        })
        .func("truncate", move |args| {
            let length = args.get(1).and_then(Value::as_int).unwrap_or(0).max(0) as usize;
            let cut: String = text(args).chars().take(length).collect();
            Ok(Value::String(cut.into()))
        })
}

fn command(container: &Container) -> String {
    let words: Vec<&str> = std::iter::once(container.path.as_str())
        .chain(container.args.iter().map(String::as_str))
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container() -> Container {
        let json = r#"{"id":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef","name":"web",
            "created":"2026-11-21T14:47:11Z","path":"sh","args":["-c","true"],
            "image":"sha256:a4395bbbe6870a86501eb997f8be09aae7ad1c22dd5bef1557b86ca0ea049bf1",
            "config":{},"host_config":{}}"#;
        let mut container: Container = serde_json::from_str(json).unwrap();
        container.config.image = "busybox".to_owned();
        container
            .config
            .labels
            .insert("team.blue".to_owned(), "1".to_owned());
        container
            .config
            .labels
            .insert("other".to_owned(), "2".to_owned());
        container.config.env = Some(vec!["X=3".to_owned(), "Y=4".to_owned()]);
        container
    }

    #[test]
    fn tags_know_what_dockers_tags_know() {
        for (tag, expanded) in [
            ("{{.Name}}/{{.ID}}", "web/0123456789ab"),
            ("{{.ImageName}} {{.ImageID}}", "busybox sha256:a4395"),
            ("{{upper .Command}}", "SH -C TRUE"),
            ("{{index .ContainerLabels \"other\"}}", "2"),
            ("{{.ContainerArgs}}", "[-c true]"),
        ] {
            assert_eq!(expand(tag, &container()), Ok(expanded.to_owned()), "{tag}");
        }
        for (tag, sentence) in [
            (
                "{{.Bogus}}",
                "template: log-tag:1:2: executing \"log-tag\" at <.Bogus>: can't evaluate field Bogus in type *logger.Info",
            ),
            ("{{", "template: log-tag:1: unclosed action"),
            (
                "{{foo .ID}}",
                "template: log-tag:1: function \"foo\" not defined",
            ),
        ] {
            assert_eq!(expand(tag, &container()), Err(sentence.to_owned()));
        }
    }

    #[test]
    fn labels_and_variables_are_chosen_by_name_and_by_expression() {
        let selection = Selection {
            labels: vec!["other".to_owned()],
            labels_regex: Some("^team".to_owned()),
            env_regex: Some("^(X|Z)$".to_owned()),
            ..Selection::default()
        };
        let chosen = chosen(&container(), &selection).unwrap();
        let seen: Vec<_> = chosen.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(seen, ["X=3", "other=2", "team.blue=1"]);
        for (text, sentence) in [
            ("(", "error parsing regexp: missing closing ): `(`"),
            ("[", "error parsing regexp: missing closing ]: `[`"),
        ] {
            assert_eq!(regex(text).unwrap_err(), sentence);
        }
    }
}
