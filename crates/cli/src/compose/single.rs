//! Commands on one container of a service: `compose exec`, `attach`, `commit`, `export`,
//! `cp` and `port`.

use super::{
    Compose,
    delegate::{Line, words},
    display::{DRY_RUN, Lines},
    targets::{self, Choice, MADE, RUNNING, Target},
};
use crate::{
    error::CliError,
    files,
    flags::{Parsed, go_quote},
    terminal,
};
use corten_compose::apply::{Event, Phase, Progress};
use serde_json::Value as J;

/// The container of the service that the command's first word names.
async fn target(compose: &Compose<'_>) -> Result<Target, CliError> {
    let name = compose.name()?;
    targets::one(compose, &name, compose.call.arg(0), RUNNING).await
}

/// Adds flags of ours that the client's command has under the same name.
fn pass(line: &mut Vec<String>, parsed: &Parsed, flags: &[&str]) {
    for flag in flags {
        for value in parsed.all(flag) {
            line.push(format!("--{flag}={value}"));
        }
    }
}

/// `compose exec`.
pub async fn exec(compose: &Compose<'_>) -> Result<u8, CliError> {
    let parsed = &compose.call.parsed;
    let target = target(compose).await?;
    if compose.is_dry() {
        if parsed.is_on("detach") {
            let command: Vec<String> = parsed.args[1..].iter().map(|it| go_quote(it)).collect();
            let (command, id) = (command.join(" "), &target.found.id);
            let line = format!("{DRY_RUN}Executing command [{command}] in {id} (detached mode)");
            compose.call.app.line(&line)?;
            return Ok(0);
        }
        let refused = "interactive exec is not supported in dry-run mode";
        return Err(CliError::Text(refused.into()));
    }
    let output = terminal::terminals().output;
    let tty = parsed.flag_or("tty", true) && !parsed.flag_or("no-tty", !output);
    let mut line = words(["exec"]);
    if tty && !parsed.is_on("detach") {
        line.push("--tty".into());
    }
    if parsed.flag_or("interactive", true) {
        line.push("--interactive".into());
    }
    pass(
        &mut line,
        parsed,
        &["detach", "privileged", "user", "workdir"],
    );
    for variable in parsed.all("env") {
        let value = match variable.split_once('=') {
            Some(_) => variable.to_owned(),
            // The project's variables count, not only those of the process.
            None => match compose.variable(variable)? {
                Some(value) => format!("{variable}={value}"),
                None => continue,
            },
        };
        line.push(format!("--env={value}"));
    }
    line.push(target.found.id);
    line.extend_from_slice(&parsed.args[1..]);
    Line::new(line)?.run(compose.call.app).await
}

/// `compose attach`.
pub async fn attach(compose: &Compose<'_>) -> Result<u8, CliError> {
    let target = target(compose).await?;
    if compose.is_dry() {
        let refused = "interactive run is not supported in dry-run mode";
        return Err(CliError::Text(refused.into()));
    }
    let mut line = words(["attach"]);
    let flags = ["detach-keys", "no-stdin", "sig-proxy"];
    pass(&mut line, &compose.call.parsed, &flags);
    line.push(target.found.id);
    Line::new(line)?.run(compose.call.app).await
}

/// Tells that something is being done to a container, and that it is done.
struct Work<'a> {
    lines: Lines<'a>,
    id: String,
    text: String,
}

impl<'a> Work<'a> {
    fn begin(compose: &'a Compose<'a>, id: &str, text: String, doing: &str) -> Self {
        let work = Self {
            lines: Lines::new(compose),
            id: id.to_owned(),
            text,
        };
        work.tell(Phase::Working, doing);
        work
    }

    fn tell(&self, phase: Phase, text: &str) {
        let event = Event::of(&self.id, phase).text(&self.text);
        self.lines.event(event.status(text));
    }
}

/// `compose commit`.
pub async fn commit(compose: &Compose<'_>) -> Result<u8, CliError> {
    let parsed = &compose.call.parsed;
    let target = target(compose).await?;
    let name = &target.found.name;
    let work = Work::begin(compose, name, format!("Commit {name}"), "Committing");
    if compose.is_dry() {
        work.tell(Phase::Done, "Committed");
        return Ok(0);
    }
    let reference = match compose.call.arg(1) {
        "" => None,
        text => Some(crate::image::pull::reference(text)?),
    };
    let (repository, tag) = match &reference {
        Some(reference) => (
            reference.familiar_name(),
            reference.tag().unwrap_or("latest").to_owned(),
        ),
        None => Default::default(),
    };
    let mut request = compose
        .call
        .client()
        .await?
        .post("/commit")
        .query("container", &target.found.id)
        .query_if("repo", repository)
        .query_if("tag", tag)
        .query_if("comment", parsed.text("message"))
        .query_if("author", parsed.text("author"));
    for change in parsed.all("change") {
        request = request.query("changes", change);
    }
    if !parsed.flag_or("pause", true) {
        request = request.query("pause", "0");
    }
    let answer: J = request
        .json(&serde_json::json!({}))
        .send()
        .await?
        .json()
        .await?;
    let id = answer["Id"].as_str().unwrap_or_default();
    work.tell(Phase::Done, &format!("Committed as {id}"));
    Ok(0)
}

/// `compose export`.
pub async fn export(compose: &Compose<'_>) -> Result<u8, CliError> {
    let output = compose.call.parsed.text("output");
    let target = target(compose).await?;
    if output.is_empty() && terminal::terminals().output {
        return Err(CliError::Text(
            "output option is required when exporting to terminal".into(),
        ));
    }
    let directory = std::path::Path::new(output).parent();
    if let Some(directory) = directory.filter(|it| !it.as_os_str().is_empty() && !it.exists()) {
        return Err(CliError::Text(format!(
            "failed to export container: invalid output path: directory {:?} does not exist",
            directory.display().to_string()
        )));
    }
    files::check_output(output)
        .map_err(|why| CliError::Text(format!("failed to export container: {why}")))?;
    let name = &target.found.name;
    let text = format!("export {name} to {output}");
    let work = Work::begin(compose, name, text, "Exporting");
    if !compose.is_dry() {
        let path = format!("/containers/{}/export", target.found.id);
        let response = compose.call.client().await?.get(path).send().await?;
        files::write_body(response, output).await?;
    }
    work.tell(Phase::Done, "Exported");
    Ok(0)
}

/// `SERVICE:PATH`, or a path here.
fn split(text: &str) -> (&str, &str) {
    match text.split_once(':') {
        Some((service, path))
            if !text.starts_with('/') && !service.starts_with('.') && !service.is_empty() =>
        {
            (service, path)
        }
        _ => ("", text),
    }
}

/// `compose cp`: from the first container of a service, or to all of them.
pub async fn copy(compose: &Compose<'_>) -> Result<u8, CliError> {
    let parsed = &compose.call.parsed;
    let refuse = |sentence: &str| Err(CliError::Text(sentence.into()));
    let (source, destination) = (compose.call.arg(0), compose.call.arg(1));
    if source.is_empty() {
        return refuse("source can not be empty");
    }
    if destination.is_empty() {
        return refuse("destination can not be empty");
    }
    let (from, source_path) = split(source);
    let (to, destination_path) = split(destination);
    let service = match (from, to) {
        ("", "") => return refuse("unknown copy direction"),
        (from, "") => from,
        ("", to) => to,
        _ => return refuse("copying between services is not supported"),
    };
    let name = compose.name()?;
    let choice = Choice {
        stopped: true,
        one_off: parsed.is_on("all"),
    };
    let mut targets = if parsed.int("index").unwrap_or(0) > 0 {
        vec![targets::one(compose, &name, service, MADE).await?]
    } else {
        targets::containers(compose, &name, &[service.to_owned()], choice).await?
    };
    if targets.is_empty() {
        return Err(CliError::Text(format!(
            "no container found for service {service:?}"
        )));
    }
    if to.is_empty() {
        targets.truncate(1);
    }
    for target in &targets {
        let name = &target.found.name;
        let inside = |path: &str| format!("{}:{path}", target.found.id);
        let (text, ends) = if to.is_empty() {
            (
                format!("copy {name}:{source_path} to {destination_path}"),
                [inside(source_path), destination_path.to_owned()],
            )
        } else {
            (
                format!("copy {source_path} to {name}:{destination_path}"),
                [source_path.to_owned(), inside(destination_path)],
            )
        };
        let work = Work::begin(compose, name, text, "Copying");
        if !compose.is_dry() {
            let mut line = words(["cp", "--quiet"]);
            pass(&mut line, parsed, &["archive", "follow-link"]);
            line.push("--".into());
            line.extend(ends);
            Line::new(line)?.run(compose.call.app).await?;
        }
        work.tell(Phase::Done, "Copied");
    }
    Ok(0)
}

/// `compose port`.
pub async fn port(compose: &Compose<'_>) -> Result<u8, CliError> {
    let word = compose.call.arg(1);
    let wanted: u16 = word.parse().map_err(|_| {
        let why = if word.bytes().all(|b| b.is_ascii_digit()) && !word.is_empty() {
            "value out of range"
        } else {
            "invalid syntax"
        };
        CliError::Text(format!("strconv.ParseUint: parsing {word:?}: {why}"))
    })?;
    let protocol = compose.call.parsed.get("protocol").unwrap_or("tcp");
    let protocol = protocol.to_lowercase();
    let target = target(compose).await?;
    let ports = target.summary["Ports"].as_array();
    let ports: Vec<&J> = ports.into_iter().flatten().collect();
    let kind = |port: &J| port["Type"].as_str().unwrap_or_default().to_owned();
    let number = |port: &J, key: &str| port[key].as_u64().unwrap_or(0);
    let found = ports
        .iter()
        .find(|port| number(port, "PrivatePort") == u64::from(wanted) && kind(port) == protocol);
    if let Some(port) = found {
        let ip = port["IP"].as_str().unwrap_or_default();
        let text = format!("{ip}:{}", number(port, "PublicPort"));
        compose.call.app.line(&text)?;
        return Ok(0);
    }
    let all: Vec<String> = ports
        .iter()
        .map(|port| format!("{}/{}", number(port, "PublicPort"), kind(port)))
        .collect();
    Err(CliError::Text(format!(
        "no port {wanted}/{protocol} for container {}: {}",
        target.found.name,
        all.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn a_colon_names_a_service_unless_the_path_is_clearly_local() {
        for (text, parts) in [
            ("web:/etc", ("web", "/etc")),
            ("./a:b", ("", "./a:b")),
            ("/a:b", ("", "/a:b")),
            ("file", ("", "file")),
            ("-", ("", "-")),
        ] {
            assert_eq!(split(text), parts);
        }
    }
}
