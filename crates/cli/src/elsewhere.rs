//! Commands of Docker's that Corten does not have yet: a swarm's, and those that change
//! plugins.
//!
//! Each asks the engine as Docker's client does, so that the engine's own sentence is what
//! the user reads: `This node is not a swarm manager. …`. An engine that would do it is not
//! ours; then this program says that it cannot.

use crate::{app::Call, container::each::told, error::CliError, messages};
use corten_client::{Client, ClientError, Request};

/// Says what the engine says of a command that is not here.
pub async fn run(call: &Call<'_>) -> Result<u8, CliError> {
    let path = call.command.path;
    if path == "swarm unlock" {
        let info = call.client().await?.get("/info").send().await?;
        let info: crate::output::Json = info.json().await?;
        if info.text(&["Swarm", "LocalNodeState"]) == "inactive" {
            return Err(CliError::Text(
                "Error: This node is not part of a swarm".into(),
            ));
        }
    }
    let is_each = matches!(path, "service scale") || path.ends_with(" rm");
    let names = match call.parsed.args.split_first() {
        Some((first, rest)) if is_each => [std::slice::from_ref(first), rest].concat(),
        Some((first, _)) => vec![first.clone()],
        None => vec![String::new()],
    };
    if path.ends_with(" inspect") {
        call.app.line("[]")?;
    }
    let mut failures = Vec::new();
    for name in names {
        let bare = name.split('=').next().unwrap_or_default();
        let Some(mut request) = request(call.client().await?, path, bare) else {
            return Err(not_here(call));
        };
        if path == "plugin enable" {
            let seconds = call.parsed.int("timeout").unwrap_or(30);
            request = request.query("timeout", seconds.to_string());
        }
        match request.send().await {
            Ok(_) => return Err(not_here(call)),
            Err(error) => failures.push(worded(path, bare, error)),
        }
    }
    told(failures)
}

/// `inspect --type node` and its like.
pub async fn inspect(call: &Call<'_>, kind: &str) -> Result<u8, CliError> {
    let mut failures = Vec::new();
    for name in &call.parsed.args {
        let path = match kind {
            "plugin" => format!("/plugins/{}/json", Client::segment(name)),
            _ => format!("/{kind}s/{}", Client::segment(name)),
        };
        match call.client().await?.get(path).send().await {
            Ok(_) => return Err(not_here(call)),
            Err(error) => failures.push(CliError::from(error).to_string()),
        }
    }
    call.app.line("[]")?;
    told(failures)
}

fn not_here(call: &Call<'_>) -> CliError {
    CliError::Text(messages::not_here(call.app.program, &call.command.called))
}

/// Where Docker's client says what it was about before the engine's sentence.
fn worded(path: &str, name: &str, error: ClientError) -> String {
    let error = CliError::from(error).to_string();
    match path {
        "swarm unlock-key" => format!("could not fetch unlock key: {error}"),
        "service scale" => format!("{name}: {error}"),
        "plugin upgrade" => format!("error reading plugin data: {error}"),
        _ => error,
    }
}

/// A plugin's name with its tag.
fn tagged(name: &str) -> String {
    match name.rsplit('/').next().is_some_and(|it| it.contains(':')) {
        true => name.to_owned(),
        false => format!("{name}:latest"),
    }
}

/// The first request of the command.
fn request<'a>(client: &'a Client, path: &str, name: &str) -> Option<Request<'a>> {
    let (group, verb) = path.split_once(' ')?;
    let name = Client::segment(name);
    Some(match (group, verb) {
        ("swarm", "init" | "join" | "leave") => client.post(format!("/swarm/{verb}")),
        ("swarm", "unlock-key") => client.get("/swarm/unlockkey"),
        ("swarm", "unlock") => client.post("/swarm/unlock"),
        ("swarm", _) => client.get("/swarm"),
        ("stack", "config") => return None,
        ("stack", "ps") => client.get("/tasks"),
        ("stack", _) | ("service", "ls" | "ps") => client.get("/services"),
        ("node" | "secret" | "config", "ls") => client.get(format!("/{group}s")),
        ("service" | "secret" | "config", "create") => client.post(format!("/{group}s/create")),
        ("node" | "service" | "secret" | "config", "rm") => {
            client.delete(format!("/{group}s/{name}"))
        }
        ("node", "ps") if name.is_empty() => client.get("/nodes/self"),
        ("node" | "service" | "secret" | "config", _) => client.get(format!("/{group}s/{name}")),
        ("plugin", "install") => client.get("/plugins/privileges").query("remote", &name),
        ("plugin", "create") => client.post("/plugins/create").query("name", &name),
        ("plugin", "rm") => client.delete(format!("/plugins/{name}")),
        ("plugin", "inspect" | "upgrade") => client.get(format!("/plugins/{name}/json")),
        ("plugin", "push") => client.post(format!("/plugins/{}/push", tagged(&name))),
        ("plugin", verb) => client.post(format!("/plugins/{name}/{verb}")),
        _ => return None,
    })
}
