//! `info`: the engine's state and abilities.

use super::version::architecture;
use crate::{
    app::{App, Call, DOCKER_VERSION},
    error::CliError,
    output::{
        Json,
        template::{Format, value},
    },
    plugins,
};
use corten_base::text;
use std::fmt::Write;

/// Prints what is known of client and engine.
pub async fn run(call: &Call<'_>) -> Result<u8, CliError> {
    let format = call.parsed.text("format");
    let template = match format {
        "" | "json" => None,
        source => Some(Format::parse(source).map_err(|error| CliError::Coded {
            message: format!("template parsing error: {error}"),
            code: 64,
        })?),
    };
    let answer = fetch(call).await;
    let client = client_info(call.app);
    if template.is_some() || format == "json" {
        let info = answer?;
        let mut members = match info {
            Json::Object(members) => members,
            _ => Vec::new(),
        };
        members.push(("ClientInfo".into(), client));
        let whole = Json::Object(members);
        match template {
            None => call.app.line(&whole.compact(false))?,
            Some(template) => {
                let value = value::typed("system.dockerInfo", Some(&whole));
                let (text, error) = template.execute_partly(&value);
                call.app.line(&text)?;
                error.map_or(Ok(()), |it| Err(CliError::Text(it.to_string())))?;
            }
        }
        return Ok(0);
    }
    call.app.out(&client_text(&client))?;
    call.app.out("\nServer:\n")?;
    let info = answer?;
    call.app.out(&server_text(&info))?;
    for warning in info.texts(&["Warnings"]) {
        call.app.warn(warning);
    }
    Ok(0)
}

async fn fetch(call: &Call<'_>) -> Result<Json, CliError> {
    Ok(call
        .client()
        .await?
        .get("/info")
        .send()
        .await?
        .json()
        .await?)
}

fn client_info(app: &App) -> Json {
    let version = if app.is_docker() {
        DOCKER_VERSION
    } else {
        env!("CARGO_PKG_VERSION")
    };
    let plugins = plugins::names(app)
        .into_iter()
        .map(|name| Json::Object(vec![("Name".into(), name.into())]))
        .collect();
    Json::Object(vec![
        ("Debug".into(), Json::Bool(app.globals.is_on("debug"))),
        ("Version".into(), version.into()),
        (
            "DefaultAPIVersion".into(),
            corten_client::MAXIMUM_API_VERSION.into(),
        ),
        (
            "GitCommit".into(),
            concat!("corten-", env!("CARGO_PKG_VERSION")).into(),
        ),
        ("GoVersion".into(), "none".into()),
        ("Os".into(), "linux".into()),
        ("Arch".into(), architecture().into()),
        ("BuildTime".into(), "".into()),
        ("Context".into(), app.context_name().into()),
        ("Plugins".into(), Json::List(plugins)),
        ("Warnings".into(), Json::Null),
    ])
}

fn client_text(client: &Json) -> String {
    let mut out = format!(
        "Client:\n Version:    {}\n Context:    {}\n Debug Mode: {}\n",
        client.text(&["Version"]),
        client.text(&["Context"]),
        client.bool(&["Debug"])
    );
    if !client.list(&["Plugins"]).is_empty() {
        out.push_str(" Plugins:\n");
        for plugin in client.list(&["Plugins"]) {
            out.push_str(&format!("  {}\n", plugin.text(&["Name"])));
        }
    }
    out
}

/// Collects lines; writing to a `String` cannot fail.
struct Lines(String);

impl Lines {
    fn line(&mut self, indent: usize, text: std::fmt::Arguments<'_>) {
        self.0.push_str(&" ".repeat(indent));
        let _ = self.0.write_fmt(text);
        self.0.push('\n');
    }

    fn if_set(&mut self, label: &str, value: &str) {
        if !value.is_empty() {
            self.line(1, format_args!("{label}: {value}"));
        }
    }
}

fn server_text(info: &Json) -> String {
    let mut out = Lines(String::new());
    counts(info, &mut out);
    plugins_text(info, &mut out);
    security(info, &mut out);
    machine(info, &mut out);
    registries(info, &mut out);
    out.0
}

fn counts(info: &Json, out: &mut Lines) {
    out.line(1, format_args!("Containers: {}", info.int(&["Containers"])));
    out.line(
        2,
        format_args!("Running: {}", info.int(&["ContainersRunning"])),
    );
    out.line(
        2,
        format_args!("Paused: {}", info.int(&["ContainersPaused"])),
    );
    out.line(
        2,
        format_args!("Stopped: {}", info.int(&["ContainersStopped"])),
    );
    out.line(1, format_args!("Images: {}", info.int(&["Images"])));
    out.if_set("Server Version", info.text(&["ServerVersion"]));
    out.if_set("Storage Driver", info.text(&["Driver"]));
    for pair in info.list(&["DriverStatus"]) {
        let pair = pair.texts(&[]);
        out.line(
            2,
            format_args!(
                "{}: {}",
                pair.first().unwrap_or(&""),
                pair.get(1).unwrap_or(&"")
            ),
        );
    }
    out.if_set("Logging Driver", info.text(&["LoggingDriver"]));
    out.if_set("Cgroup Driver", info.text(&["CgroupDriver"]));
    out.if_set("Cgroup Version", info.text(&["CgroupVersion"]));
}

fn plugins_text(info: &Json, out: &mut Lines) {
    out.line(1, format_args!("Plugins:"));
    for (label, key) in [
        ("Volume", "Volume"),
        ("Network", "Network"),
        ("Authorization", "Authorization"),
        ("Log", "Log"),
    ] {
        let names = info.texts(&["Plugins", key]);
        if !names.is_empty() || matches!(key, "Volume" | "Network" | "Log") {
            out.line(2, format_args!("{label}: {}", names.join(" ")));
        }
    }
    let directories = info.texts(&["CDISpecDirs"]);
    if !directories.is_empty() {
        out.line(1, format_args!("CDI spec directories:"));
        for directory in directories {
            out.line(2, format_args!("{directory}"));
        }
    }
    let state = info.text(&["Swarm", "LocalNodeState"]);
    out.line(1, format_args!("Swarm: {state}"));
    let runtimes: Vec<&str> = info
        .members(&["Runtimes"])
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    if !runtimes.is_empty() {
        out.line(1, format_args!("Runtimes: {}", runtimes.join(" ")));
        out.line(
            1,
            format_args!("Default Runtime: {}", info.text(&["DefaultRuntime"])),
        );
    }
    if info.text(&["OSType"]) == "linux" {
        out.line(
            1,
            format_args!("Init Binary: {}", info.text(&["InitBinary"])),
        );
        for (label, key) in [
            ("containerd", "ContainerdCommit"),
            ("runc", "RuncCommit"),
            ("init", "InitCommit"),
        ] {
            out.line(
                1,
                format_args!("{label} version: {}", info.text(&[key, "ID"])),
            );
        }
    }
}

fn security(info: &Json, out: &mut Lines) {
    let options = info.texts(&["SecurityOptions"]);
    if options.is_empty() {
        return;
    }
    out.line(1, format_args!("Security Options:"));
    for option in options {
        let mut name = option;
        let mut details = Vec::new();
        for part in option.split(',') {
            match part.split_once('=') {
                Some(("name", value)) => name = value,
                Some((key, value)) => details.push((key, value)),
                None => name = part,
            }
        }
        out.line(2, format_args!("{name}"));
        for (key, value) in details {
            let label = if key == "profile" { "Profile" } else { key };
            out.line(3, format_args!("{label}: {value}"));
        }
    }
}

fn machine(info: &Json, out: &mut Lines) {
    out.if_set("Kernel Version", info.text(&["KernelVersion"]));
    out.if_set("Operating System", info.text(&["OperatingSystem"]));
    out.if_set("OSType", info.text(&["OSType"]));
    out.if_set("Architecture", info.text(&["Architecture"]));
    out.line(1, format_args!("CPUs: {}", info.int(&["NCPU"])));
    out.line(
        1,
        format_args!(
            "Total Memory: {}",
            text::bytes_size(info.float(&["MemTotal"]))
        ),
    );
    out.if_set("Name", info.text(&["Name"]));
    out.if_set("ID", info.text(&["ID"]));
    out.line(
        1,
        format_args!("Docker Root Dir: {}", info.text(&["DockerRootDir"])),
    );
    out.line(1, format_args!("Debug Mode: {}", info.bool(&["Debug"])));
    if info.bool(&["Debug"]) {
        out.line(2, format_args!("File Descriptors: {}", info.int(&["NFd"])));
        out.line(
            2,
            format_args!("Goroutines: {}", info.int(&["NGoroutines"])),
        );
        out.line(
            2,
            format_args!("System Time: {}", info.text(&["SystemTime"])),
        );
        out.line(
            2,
            format_args!("EventsListeners: {}", info.int(&["NEventsListener"])),
        );
    }
    out.if_set("HTTP Proxy", info.text(&["HttpProxy"]));
    out.if_set("HTTPS Proxy", info.text(&["HttpsProxy"]));
    out.if_set("No Proxy", info.text(&["NoProxy"]));
    let labels = info.texts(&["Labels"]);
    if !labels.is_empty() {
        out.line(1, format_args!("Labels:"));
        for label in labels {
            out.line(2, format_args!("{label}"));
        }
    }
    out.line(
        1,
        format_args!("Experimental: {}", info.bool(&["ExperimentalBuild"])),
    );
}

fn registries(info: &Json, out: &mut Lines) {
    let registry = &["RegistryConfig"];
    if info.at(registry).is_some_and(|r| !matches!(r, Json::Null)) {
        let insecure: Vec<&str> = info
            .members(&["RegistryConfig", "IndexConfigs"])
            .iter()
            .filter(|(_, index)| !index.bool(&["Secure"]))
            .map(|(name, _)| name.as_str())
            .collect();
        let networks = info.texts(&["RegistryConfig", "InsecureRegistryCIDRs"]);
        if !insecure.is_empty() || !networks.is_empty() {
            out.line(1, format_args!("Insecure Registries:"));
            for name in insecure.iter().chain(&networks) {
                out.line(2, format_args!("{name}"));
            }
        }
        let mirrors = info.texts(&["RegistryConfig", "Mirrors"]);
        if !mirrors.is_empty() {
            out.line(1, format_args!("Registry Mirrors:"));
            for mirror in mirrors {
                out.line(2, format_args!("{mirror}"));
            }
        }
    }
    out.line(
        1,
        format_args!(
            "Live Restore Enabled: {}",
            info.bool(&["LiveRestoreEnabled"])
        ),
    );
    out.if_set("Product License", info.text(&["ProductLicense"]));
    let pools = info.list(&["DefaultAddressPools"]);
    if !pools.is_empty() {
        out.line(1, format_args!("Default Address Pools:"));
        for pool in pools {
            out.line(
                2,
                format_args!(
                    "Base: {}, Size: {}",
                    pool.text(&["Base"]),
                    pool.int(&["Size"])
                ),
            );
        }
    }
    out.0.push('\n');
}
