//! `RUN`.

use super::{
    DEFAULT_PATH, Lowering, StageState,
    step::{Names, absolute},
};
use crate::{
    Error, Result,
    executor::Network,
    scope::PROXIES,
    vertex::{Draft, ExecOp, MountOp, Vertex},
};
use corten_dockerfile::{Command, Location, Run, RunMount, RunMountKind, RunNetwork, words::Shell};
use std::sync::Arc;

/// The host's name in steps, as BuildKit has it.
pub(crate) const HOSTNAME: &str = "buildkitsandbox";
/// Where a script of a here document is seen.
pub(crate) const SCRIPTS: &str = "/dev/pipes";

/// Variables of a step that are secrets.
fn secret_variables(mounts: &[String]) -> Vec<String> {
    let parsed = mounts.iter().filter_map(|text| RunMount::parse(text).ok());
    let secrets = parsed.filter(|it| matches!(it.kind, RunMountKind::Secret));
    secrets.filter_map(|it| it.env).collect()
}

impl Lowering<'_> {
    pub(super) async fn run(
        &self,
        state: &mut StageState,
        run: &Run,
        command: &Command,
        names: &mut Names,
        no_cache: bool,
    ) -> Result<()> {
        let at = command.location;
        let mut texts = Vec::new();
        for text in &run.mounts {
            texts.push(self.expand_mount(state, text)?);
        }
        let mut shown = self.shown_without(state, &command.text, &secret_variables(&texts));
        let mut script = None;
        let mut line = run.command.clone();
        if let Some(first) = run.heredocs.first() {
            let bare = line.words.len() == 1
                && line.words[0].trim().starts_with("<<")
                && !line.words[0].trim().contains(char::is_whitespace);
            if bare {
                let summary = first.content.lines().next().unwrap_or_default();
                let more = if first.content.lines().count() > 1 {
                    "..."
                } else {
                    ""
                };
                shown.push_str(&format!(" ({summary}{more})"));
                if first.content.starts_with("#!") {
                    script = Some((first.name.clone(), first.content.clone()));
                    line.words = vec![format!("{SCRIPTS}/{}", first.name)];
                } else {
                    line.words = vec![first.content.clone()];
                }
            } else {
                let mut whole = line.words.join(" ");
                for heredoc in &run.heredocs {
                    whole.push_str(&format!("\n{}{}", heredoc.raw, heredoc.name));
                }
                line.words = vec![whole];
            }
        }
        let args = super::step::with_shell(state, &line);
        let mut inputs = vec![state.vertex.clone()];
        let mut mounts = Vec::new();
        let mut agents = 0;
        for text in &texts {
            let mount = RunMount::parse(text).map_err(|fault| Error::Invalid(fault.to_string()))?;
            mounts.push(
                self.mount(state, mount, &mut inputs, &mut agents, at)
                    .await?,
            );
        }
        let network = match run.network {
            RunNetwork::None => Network::None,
            RunNetwork::Host => {
                if !self.request.allow_host_network {
                    return Err(Error::NotAllowed("network.host"));
                }
                Network::Host
            }
            RunNetwork::Default => match self.request.network.as_str() {
                "" | "default" | "bridge" => Network::Named("default".into()),
                "none" => Network::None,
                "host" => Network::Host,
                name => Network::Named(name.to_owned()),
            },
        };
        if run.insecure && !self.request.allow_insecure {
            return Err(Error::NotAllowed("security.insecure"));
        }
        if !run.devices.is_empty() {
            return Err(Error::Unsupported(
                "RUN --device is not supported: no CDI device can be requested".into(),
            ));
        }
        let mut env = state.scope.process_env();
        if !env.iter().any(|pair| pair.starts_with("PATH=")) {
            env.insert(0, format!("PATH={DEFAULT_PATH}"));
        }
        let hidden_env = PROXIES
            .iter()
            .filter(|name| state.scope.get(name).is_none())
            .filter_map(|name| Some(format!("{name}={}", self.request.arguments.get(*name)?)))
            .collect();
        let history = format!(
            "RUN {}{} # buildkit",
            state.scope.history_prefix(),
            args.join(" ")
        );
        let hostname = self
            .request
            .arguments
            .get("BUILDKIT_SANDBOX_HOSTNAME")
            .cloned();
        let op = ExecOp {
            args,
            env,
            hidden_env,
            cwd: absolute(state, "."),
            user: state.config.run.user.clone().unwrap_or_default(),
            mounts,
            network,
            insecure: run.insecure,
            extra_hosts: self.request.extra_hosts.clone(),
            shm_size_bytes: self.request.shm_size_bytes,
            ulimits: self.request.ulimits.clone(),
            hostname: hostname.unwrap_or_else(|| HOSTNAME.into()),
            script,
            platform: state.platform.clone(),
        };
        let vertex = Draft {
            name: names.next(&shown),
            inputs,
            op: crate::vertex::Op::Exec(Box::new(op)),
            location: Some(at),
            no_cache,
        }
        .vertex();
        state.config.add(history, Some(vertex.digest.clone()));
        state.vertex = vertex;
        Ok(())
    }

    /// The instruction as it is shown: keyword in capitals, variables put in.
    pub(super) fn shown(&self, state: &StageState, text: &str) -> String {
        self.shown_without(state, text, &[])
    }

    /// The same, with stars for these variables.
    fn shown_without(&self, state: &StageState, text: &str, hidden: &[String]) -> String {
        let (keyword, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let variable = |name: &str| match hidden.iter().any(|it| it == name) {
            true => Some("****".to_owned()),
            false => Some(state.scope.get(name).unwrap_or_else(|| format!("${name}"))),
        };
        let shell = Shell {
            escape: self.escape(),
            variable: &variable,
            raw_quotes: true,
            raw_escapes: true,
        };
        let rest = shell
            .expand(rest.trim())
            .map_or_else(|_| rest.trim().to_owned(), |it| it.text);
        format!("{} {rest}", keyword.to_ascii_uppercase())
    }

    /// Variables of a `--mount`; its quotes are those of CSV.
    fn expand_mount(&self, state: &StageState, text: &str) -> Result<String> {
        match text.contains('$') {
            true => state.scope.expand_text(text, self.escape()),
            false => Ok(text.to_owned()),
        }
    }

    async fn mount(
        &self,
        state: &StageState,
        mount: RunMount,
        inputs: &mut Vec<Arc<Vertex>>,
        agents: &mut usize,
        at: Location,
    ) -> Result<MountOp> {
        let target = |mount: &RunMount| absolute(state, &mount.target);
        if matches!(
            mount.kind,
            RunMountKind::Bind | RunMountKind::Cache | RunMountKind::Tmpfs
        ) && target(&mount) == "/"
        {
            return Err(Error::Invalid(format!(
                "invalid mount target {:?}",
                mount.target
            )));
        }
        Ok(match mount.kind {
            RunMountKind::Bind => {
                let target = target(&mount);
                let source = mount.source.clone();
                let input = self.from(mount.from.as_deref(), &source, at).await?;
                inputs.push(input);
                MountOp::Bind {
                    input: inputs.len() - 1,
                    source,
                    target,
                    read_write: mount.read_write,
                }
            }
            RunMountKind::Cache => {
                let target = target(&mount);
                let input = match mount.from.as_deref() {
                    None => None,
                    Some(from) => {
                        let input = self.from(Some(from), &mount.source, at).await?;
                        inputs.push(input);
                        Some((inputs.len() - 1, mount.source.clone()))
                    }
                };
                let namespace = self.request.arguments.get("BUILDKIT_CACHE_MOUNT_NS");
                let id = mount.id.clone().unwrap_or_else(|| target.clone());
                MountOp::Cache {
                    id: match namespace {
                        Some(namespace) => format!("{namespace}/{id}"),
                        None => id,
                    },
                    target,
                    input,
                    sharing: mount.sharing,
                    mode: mount.mode.unwrap_or(0o755),
                    uid: mount.uid.unwrap_or(0),
                    gid: mount.gid.unwrap_or(0),
                    read_write: mount.read_write,
                }
            }
            RunMountKind::Tmpfs => MountOp::Tmpfs {
                target: target(&mount),
                size_bytes: mount.size_bytes,
            },
            RunMountKind::Secret => {
                let id = mount.id.clone().unwrap_or_default();
                let own = (!mount.target.is_empty()).then(|| absolute(state, &mount.target));
                let default =
                    || format!("/run/secrets/{}", id.rsplit('/').next().unwrap_or_default());
                MountOp::Secret {
                    target: match (&own, &mount.env) {
                        (None, Some(_)) => None,
                        (own, _) => Some(own.clone().unwrap_or_else(default)),
                    },
                    env: mount.env.clone(),
                    id,
                    required: mount.required,
                    mode: mount.mode.unwrap_or(0o400),
                    uid: mount.uid.unwrap_or(0),
                    gid: mount.gid.unwrap_or(0),
                }
            }
            RunMountKind::Ssh => {
                let default = format!("/run/buildkit/ssh_agent.{agents}");
                *agents += 1;
                MountOp::Ssh {
                    id: mount.id.clone().unwrap_or_else(|| "default".into()),
                    target: match mount.target.is_empty() {
                        true => default,
                        false => target(&mount),
                    },
                    required: mount.required,
                    mode: mount.mode.unwrap_or(0o600),
                    uid: mount.uid.unwrap_or(0),
                    gid: mount.gid.unwrap_or(0),
                }
            }
        })
    }
}
