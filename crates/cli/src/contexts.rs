//! `context`: named engines of this user.

use crate::{
    app::{Call, environment},
    config::{
        ConfigFile,
        contexts::{self, Context, DEFAULT},
    },
    container::each::told,
    error::CliError,
    output::{
        Json,
        list::{Look, Row, render},
        template::{Format, value},
    },
};

const LOOK: Look = Look {
    go_type: "*formatter.clientContextContext",
    headings: &[
        ("Name", "NAME"),
        ("Description", "DESCRIPTION"),
        ("DockerEndpoint", "DOCKER ENDPOINT"),
        ("Error", "ERROR"),
        // Empty: the mark of the current one stands behind a name, not behind the heading.
        ("Current", ""),
    ],
    table: "{{.Name}}{{if .Current}} *{{end}}\t{{.Description}}\t{{.DockerEndpoint}}\t{{.Error}}",
};

/// `context ls`.
pub async fn list(call: &Call<'_>) -> Result<u8, CliError> {
    let app = call.app;
    let current = app.context_name();
    let mut all = vec![Context {
        name: DEFAULT.into(),
        description: "Current DOCKER_HOST based configuration".into(),
        host: app.default_host(),
        skip_tls_verify: false,
    }];
    all.extend(contexts::all(&app.config_directory));
    all.sort_by_key(|c| crate::volume::natural(&c.name));
    let mut rows: Vec<Row> = Vec::new();
    let known = all.iter().any(|c| c.name == current);
    for context in &all {
        rows.push(row(
            &context.name,
            &context.description,
            &context.host,
            "",
            context.name == current,
        ));
    }
    if !known {
        let error = contexts::get(&app.config_directory, &current)
            .map_or_else(|error| error.to_string(), |_| String::new());
        rows.push(row(&current, "", "", &error, true));
    }
    let quiet = call.parsed.is_on("quiet");
    let format = if quiet {
        "{{.Name}}"
    } else {
        call.parsed.text("format")
    };
    app.out(&render(&LOOK, format, rows)?)?;
    if environment("DOCKER_HOST").is_some() && !app.globals.given("context") && !quiet {
        app.warn("Warning: DOCKER_HOST environment variable overrides the active context. To use a context, either set the global --context flag, or unset DOCKER_HOST environment variable.");
    }
    Ok(0)
}

fn row(name: &str, description: &str, host: &str, error: &str, current: bool) -> Row {
    Row::new()
        .field("Name", name)
        .field("Description", description)
        .field("DockerEndpoint", host)
        .field("Error", error)
        .field("Current", Json::Bool(current))
}

/// `context show`.
pub async fn show(call: &Call<'_>) -> Result<u8, CliError> {
    call.app.line(&call.app.context_name())?;
    Ok(0)
}

/// `context use`.
pub async fn choose(call: &Call<'_>) -> Result<u8, CliError> {
    let name = call.arg(0);
    let app = call.app;
    if name != DEFAULT {
        contexts::get(&app.config_directory, name)?;
    }
    let mut config = ConfigFile::load(&app.config_directory).map_err(CliError::Text)?;
    config.set(&["currentContext"], (name != DEFAULT).then(|| name.into()));
    config.save().map_err(CliError::Text)?;
    app.line(name)?;
    app.warn(&format!("Current context is now {name:?}"));
    if environment("DOCKER_HOST").is_some() && name != DEFAULT {
        app.warn(&format!("Warning: DOCKER_HOST environment variable overrides the active context. To use {name:?}, either set the global --context flag, or unset DOCKER_HOST environment variable."));
    }
    Ok(0)
}

/// `context create`.
pub async fn create(call: &Call<'_>) -> Result<u8, CliError> {
    let name = call.arg(0);
    let directory = &call.app.config_directory;
    contexts::check_name(name)?;
    if contexts::get(directory, name).is_ok() {
        return Err(CliError::Text(format!("context {name:?} already exists")));
    }
    let mut context = match call.parsed.get("from") {
        Some(from) if from != DEFAULT => contexts::get(directory, from)?,
        _ => Context {
            name: String::new(),
            description: String::new(),
            host: call.app.default_host(),
            skip_tls_verify: false,
        },
    };
    context.name = name.to_owned();
    set(call, &mut context)?;
    contexts::put(directory, &context)?;
    call.app.line(name)?;
    call.app
        .warn(&format!("Successfully created context {name:?}"));
    Ok(0)
}

/// `context update`.
pub async fn update(call: &Call<'_>) -> Result<u8, CliError> {
    let name = call.arg(0);
    contexts::check_name(name)?;
    let mut context = contexts::get(&call.app.config_directory, name)?;
    set(call, &mut context)?;
    contexts::put(&call.app.config_directory, &context)?;
    call.app.line(name)?;
    call.app
        .warn(&format!("Successfully updated context {name:?}"));
    Ok(0)
}

/// The flags of create and update.
fn set(call: &Call<'_>, context: &mut Context) -> Result<(), CliError> {
    if let Some(description) = call.parsed.get("description") {
        context.description = description.to_owned();
    }
    let directory = &call.app.config_directory;
    for value in call.parsed.all("docker") {
        for field in value.split(',') {
            let (key, value) = field.split_once('=').unwrap_or((field, ""));
            match key {
                "host" => {
                    crate::app::parse_host(value, false)?;
                    context.host = value.to_owned();
                }
                "from" if value == DEFAULT => context.host = call.app.default_host(),
                "from" => context.host = contexts::get(directory, value)?.host,
                "skip-tls-verify" => {
                    context.skip_tls_verify = crate::flags::parse_bool(value).unwrap_or(false);
                }
                "ca" | "cert" | "key" => copy_tls(call, &context.name, key, value)?,
                other => {
                    return Err(CliError::Text(format!("unrecognized config key: {other}")));
                }
            }
        }
    }
    Ok(())
}

fn copy_tls(call: &Call<'_>, name: &str, kind: &str, path: &str) -> Result<(), CliError> {
    let directory = contexts::tls_directory(&call.app.config_directory, name).join("docker");
    let bytes = std::fs::read(path).map_err(|error| CliError::open(path, &error))?;
    contexts::write_key(&directory.join(format!("{kind}.pem")), &bytes)
}

/// `context rm`.
pub async fn remove(call: &Call<'_>) -> Result<u8, CliError> {
    let current = call.app.context_name();
    let force = call.parsed.is_on("force");
    let mut failures = Vec::new();
    for name in &call.parsed.args {
        if name == DEFAULT {
            failures.push(format!("context {name:?} cannot be removed"));
        } else if !force && contexts::get(&call.app.config_directory, name).is_err() {
            failures.push(format!("context {name:?} does not exist"));
        } else if *name == current && !force {
            failures.push(format!(
                "context {name:?} is in use, set -f flag to force remove"
            ));
        } else {
            match contexts::remove(&call.app.config_directory, name) {
                Ok(()) => call.app.line(name)?,
                Err(_) if force => call.app.line(name)?,
                Err(error) => failures.push(error.to_string()),
            }
        }
    }
    told(failures)
}

/// `context inspect`.
pub async fn inspect(call: &Call<'_>) -> Result<u8, CliError> {
    let app = call.app;
    let names = match call.parsed.args.as_slice() {
        [] => vec![app.context_name()],
        names => names.to_vec(),
    };
    let mut found = Vec::new();
    let mut failures = Vec::new();
    for name in names {
        let context = if name == DEFAULT {
            Ok(Context {
                name: name.clone(),
                description: String::new(),
                host: app.default_host(),
                skip_tls_verify: false,
            })
        } else {
            contexts::get(&app.config_directory, &name)
        };
        match context {
            Ok(context) => found.push(details(call, &context)),
            Err(error) => failures.push(error.to_string()),
        }
    }
    match call.parsed.text("format") {
        "" => app.line(
            &Json::List(found)
                .pretty("    ")
                .replace('<', "\\u003c")
                .replace('>', "\\u003e"),
        )?,
        "json" => app.line(&Json::List(found).compact(true))?,
        source => {
            let refused = |error| CliError::Text(format!("template parsing error: {error}"));
            let template = Format::parse(source).map_err(refused)?;
            for context in &found {
                let value = value::typed("context.contextWithTLSListing", Some(context));
                let (text, error) = template.execute_partly(&value);
                // A line is ended before the error.
                app.line(error.as_ref().map_or(text.as_str(), |_| ""))?;
                error.map_or(Ok(()), |error| Err(refused(error)))?;
            }
        }
    }
    told(failures)
}

fn details(call: &Call<'_>, context: &Context) -> Json {
    let object = |members: Vec<(&str, Json)>| {
        Json::Object(
            members
                .into_iter()
                .map(|(k, v)| (k.to_owned(), v))
                .collect(),
        )
    };
    let metadata = if context.description.is_empty() {
        Vec::new()
    } else {
        vec![("Description", context.description.as_str().into())]
    };
    let directory = &call.app.config_directory;
    let path = |path: std::path::PathBuf| {
        if context.name == DEFAULT {
            "<IN MEMORY>".to_owned()
        } else {
            path.display().to_string()
        }
    };
    let tls = contexts::tls_directory(directory, &context.name).join("docker");
    let mut files: Vec<String> = std::fs::read_dir(tls)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    files.sort();
    let material = if files.is_empty() || context.name == DEFAULT {
        Vec::new()
    } else {
        vec![(
            "docker",
            Json::List(files.into_iter().map(Json::from).collect()),
        )]
    };
    object(vec![
        ("Name", context.name.as_str().into()),
        ("Metadata", object(metadata)),
        (
            "Endpoints",
            object(vec![(
                "docker",
                object(vec![
                    ("Host", context.host.as_str().into()),
                    ("SkipTLSVerify", Json::Bool(context.skip_tls_verify)),
                ]),
            )]),
        ),
        ("TLSMaterial", object(material)),
        (
            "Storage",
            object(vec![
                (
                    "MetadataPath",
                    path(contexts::meta_directory(directory, &context.name)).into(),
                ),
                (
                    "TLSPath",
                    path(contexts::tls_directory(directory, &context.name)).into(),
                ),
            ]),
        ),
    ])
}
