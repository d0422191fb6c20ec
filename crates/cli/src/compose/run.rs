//! `compose run`: one more container of a service, for one command.

use super::{
    Compose, api_socket,
    delegate::{Line, words},
    display::Lines,
    environment, foreign, images,
    remote::Fetcher,
    selection,
    up::{self, Wanted},
};
use crate::{error::CliError, flags::Parsed, terminal};
use corten_compose::{
    ComposeError, Node, Project, Source, Steps, Target, Value,
    apply::{Apply, OneOff, read_state},
    dotenv, plan,
};
use serde_json::{Value as J, json};
use std::{collections::BTreeMap, io::Read};

/// Random bytes of a container's slug.
const SLUG_BYTES: usize = 32;
/// Hexadecimal digits of the slug in the container's name.
const SHORT: usize = 12;

/// `compose run`.
pub async fn run(compose: &Compose<'_>) -> Result<u8, CliError> {
    let parsed = &compose.call.parsed;
    let service = compose.call.arg(0).to_owned();
    if parsed.given("publish") && parsed.is_on("service-ports") {
        return Err(CliError::Text(
            "--service-ports and --publish are incompatible".into(),
        ));
    }
    let tty = wants_tty(parsed)?;
    let mut project = changed(compose, &service, tty)?;
    foreign::check(compose, &project)?;
    let alone = parsed.is_on("no-deps");
    let mut dependencies = selection::ready(&mut project, std::slice::from_ref(&service), alone)?;
    project.choose_platforms(&dependencies, Target::Here)?;
    up::refuse_models(&project, &dependencies)?;
    api_socket::give(compose, &mut project)?;
    dependencies.retain(|name| *name != service);
    let images = images::Wanted::from_flags(parsed)?;
    let wanted = Wanted {
        named: dependencies.clone(),
        alone: true,
        remove_orphans: parsed.is_on("remove-orphans"),
        ignore_orphans: project
            .env
            .get("COMPOSE_IGNORE_ORPHANS")
            .is_some_and(|value| up::is_true(value)),
        images: images::Wanted {
            build: false,
            pull: String::new(),
            ..images.clone()
        },
        ..Wanted::default()
    };
    let client = compose.call.client().await?;
    let settings = up::settings(compose);
    if dependencies.is_empty() {
        // Orphans are told of or go, whatever else is to be done.
        let state = read_state(client, &project.name, Some(&project)).await?;
        let plan = plan::orphans(&project, &state, &wanted.plan_options(&[]));
        up::carry_out(compose, Some(&project), &state, &plan, &settings).await?;
    } else {
        up::bring_up(compose, &mut project, &wanted).await?;
    }
    let slug = slug()?;
    let options = OneOff {
        name: match parsed.text("name") {
            "" => {
                let (name, by) = (&project.name, project.separator);
                format!("{name}{by}{service}{by}run{by}{}", &slug[..SHORT])
            }
            name => name.to_owned(),
        },
        slug,
        auto_remove: parsed.is_on("rm"),
        attach_stdin: parsed.flag_or("interactive", true) && !parsed.is_on("detach"),
        aliases: parsed.is_on("use-aliases"),
    };
    let state = read_state(client, &project.name, Some(&project)).await?;
    let only = std::slice::from_ref(&service);
    let state = images::ensure(compose, &project, only, state, &images).await?;
    let lines = Lines::new(compose);
    let concerned = selection::with_dependencies(&project, only);
    let plan = plan::resources(&project, &state, &concerned)?;
    up::carry_out(compose, Some(&project), &state, &plan, &settings).await?;
    if compose.is_dry() {
        if parsed.is_on("detach") {
            compose.call.app.line(&options.name)?;
            return Ok(0);
        }
        let refused = "interactive run is not supported in dry-run mode";
        return Err(CliError::Text(refused.into()));
    }
    let apply = Apply {
        client,
        project: Some(&project),
        state: &state,
        settings: &settings,
        progress: &lines,
    };
    if !alone {
        apply
            .run(&plan::wait_for_dependencies(&project, &service))
            .await?;
    }
    let id = apply.one_off(&service, &options).await?;
    // From here on the terminal is the container's.
    drop(lines);
    start(compose, &options, id).await
}

/// Starts the container and, unless detached, gives it the user's streams.
async fn start(compose: &Compose<'_>, options: &OneOff, id: String) -> Result<u8, CliError> {
    let mut line = words(["start"]);
    if !compose.call.parsed.is_on("detach") {
        line.push("--attach".into());
        if options.attach_stdin {
            line.push("--interactive".into());
        }
    }
    line.push(id);
    Line::new(line)?.run(compose.call.app).await
}

/// Whether the container gets a terminal: as the flags say, or where there is one.
fn wants_tty(parsed: &Parsed) -> Result<bool, CliError> {
    let terminals = terminal::terminals();
    match (parsed.given("tty"), parsed.given("no-TTY")) {
        (true, true) => Err(CliError::Text(
            "--tty and --no-TTY can't be used together".into(),
        )),
        (true, false) => Ok(parsed.is_on("tty")),
        (false, true) => Ok(!parsed.is_on("no-TTY")),
        (false, false) if parsed.given("interactive") => Ok(terminals.output),
        (false, false) => Ok(terminals.output && terminals.input),
    }
}

/// The project with the service as the flags want it: these become one more file over the
/// project's own, so that they are read and merged as files are.
fn changed(compose: &Compose<'_>, service: &str, tty: bool) -> Result<Project, CliError> {
    let fetcher = Fetcher::new(compose.call.app);
    let steps = Steps {
        environment: false,
        drop_env_files: false,
        ..Steps::default()
    };
    let mut request = environment::request(compose, steps, &fetcher)?;
    if request.files.is_empty() {
        return Err(ComposeError::NoFile.into());
    }
    let parsed = &compose.call.parsed;
    request.files.push(Source::Text {
        name: "run".into(),
        text: over(parsed, &compose.call.parsed.args[1..], service, tty)?,
    });
    let mut project = match compose.loaded(&request, &fetcher) {
        Ok(project) => project,
        Err(error) => {
            // Over a service that is not there, the flags would be one of their own.
            let own = compose.lazy_project()?;
            let known = [own.services(), &own.disabled];
            return Err(match known.iter().any(|it| it.contains_key(service)) {
                true => error,
                false => ComposeError::NoSuchService(service.to_owned()).into(),
            });
        }
    };
    // What the labels name are the project's own files.
    project.files.pop();
    project.enable(&[service.to_owned()]);
    let services = project
        .tree
        .map_mut()
        .and_then(|map| map.get_mut("services"));
    let Some(node) = services
        .and_then(Node::map_mut)
        .and_then(|services| services.get_mut(service))
        .and_then(Node::map_mut)
    else {
        return Err(ComposeError::NoSuchService(service.to_owned()).into());
    };
    node.remove("restart");
    if let Some(deploy) = node.get_mut("deploy").and_then(Node::map_mut) {
        deploy.remove("restart_policy");
    }
    for (kept, dropped) in [("cap-add", "cap_drop"), ("cap-drop", "cap_add")] {
        let kept = parsed.list(kept);
        if let Some(Value::List(items)) = node.get_mut(dropped).map(|node| &mut node.value) {
            items.retain(|item| !kept.iter().any(|kept| item.text() == Some(kept)));
        }
    }
    Ok(project)
}

/// The file that the flags become; JSON is YAML, and only the tags are not JSON.
fn over(parsed: &Parsed, command: &[String], service: &str, tty: bool) -> Result<String, CliError> {
    let mut map: BTreeMap<&str, String> = BTreeMap::new();
    let mut put = |key: &'static str, value: J| {
        // What the user has typed holds no variables any more.
        map.insert(key, value.to_string().replace('$', "$$"));
    };
    put("tty", tty.into());
    put("stdin_open", parsed.flag_or("interactive", true).into());
    if parsed.given("entrypoint") {
        put("entrypoint", parsed.text("entrypoint").into());
        put("command", json!([]));
    }
    if !command.is_empty() {
        put("command", json!(command));
    }
    for (key, flag) in [("user", "user"), ("working_dir", "workdir")] {
        if let Some(value) = parsed.get(flag).filter(|value| !value.is_empty()) {
            put(key, value.into());
        }
    }
    for (key, flag) in [
        ("cap_add", "cap-add"),
        ("cap_drop", "cap-drop"),
        ("volumes", "volume"),
    ] {
        if parsed.given(flag) {
            put(key, json!(parsed.list(flag)));
        }
    }
    let variables = variables(parsed)?;
    if !variables.is_empty() {
        put("environment", json!(variables));
    }
    let mut labels = BTreeMap::new();
    for label in parsed.all("label") {
        let (key, value) = label
            .split_once('=')
            .ok_or_else(|| CliError::Text("label must be set as KEY=VALUE".into()))?;
        labels.insert(key, value);
    }
    if !labels.is_empty() {
        put("labels", json!(labels));
    }
    if !parsed.is_on("service-ports") {
        put("ports", json!(parsed.list("publish")));
        if let Some(ports) = map.get_mut("ports") {
            *ports = format!("!override {ports}");
        }
    }
    let entries: Vec<String> = map
        .into_iter()
        .map(|(key, value)| format!("{key}: {value}"))
        .collect();
    let name = json!(service).to_string().replace('$', "$$");
    Ok(format!(
        "services: {{ {name}: {{ {} }} }}\n",
        entries.join(", ")
    ))
}

/// `--env`, and below it what the files of `--env-from-file` say. A variable without a
/// value is filled in from the project's environment.
fn variables(parsed: &Parsed) -> Result<BTreeMap<String, Option<String>>, CliError> {
    let mut variables: BTreeMap<String, Option<String>> = BTreeMap::new();
    for variable in parsed.all("env") {
        let (key, value) = match variable.split_once('=') {
            Some((key, value)) => (key, Some(value.to_owned())),
            None => (variable, None),
        };
        variables.insert(key.to_owned(), value);
    }
    for file in parsed.all("env-from-file") {
        let text = std::fs::read_to_string(file).map_err(|error| CliError::open(file, &error))?;
        let outside = |name: &str| variables.get(name).cloned().flatten();
        let more = dotenv::parse(&text, &outside).map_err(|error| {
            CliError::Text(format!(
                "failed to read {file}: line {}: {}",
                error.line, error.message
            ))
        })?;
        for (key, value) in more {
            variables.entry(key).or_insert(Some(value));
        }
    }
    Ok(variables)
}

/// Hexadecimal digits that no other container has.
fn slug() -> Result<String, CliError> {
    let mut bytes = [0; SLUG_BYTES];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|error| CliError::open("/dev/urandom", &error))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::{self, Grammar};
    use crate::tables::{Found, find};

    #[test]
    fn flags_become_a_file_in_which_nothing_is_a_variable() {
        let path = ["compose".to_owned(), "run".to_owned()];
        let Some((Found::Command(command), _)) = find(&path) else {
            panic!("compose run is in the table")
        };
        let grammar = Grammar {
            flags: &command.flags,
            stops_at_first_argument: true,
            check: |_, _| Ok(()),
        };
        let words = ["-e", "A=$B", "-p", "80:80", "web", "echo", "$HOME"].map(String::from);
        let parsed = flags::parse(&grammar, &words).unwrap();
        assert_eq!(
            over(&parsed, &parsed.args[1..], "web", false).unwrap(),
            "services: { \"web\": { command: [\"echo\",\"$$HOME\"], environment: \
             {\"A\":\"$$B\"}, ports: !override [\"80:80\"], stdin_open: true, tty: false } }\n"
        );
    }
}
