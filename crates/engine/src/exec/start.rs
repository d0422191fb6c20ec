//! `POST /exec/{id}/start`.

use super::{Exec, create::command};
use crate::container::DIRECTORY_AND_FILE;
use crate::{
    AttachStream, Duplex, Engine, EngineError, ExecStartOptions, ExecStarted, Result, apparmor,
    detach_keys,
    handle::Handle,
    messages,
    reframed::{Reframed, Shape},
    spec::{capabilities, process},
    streams::Framed,
};
use corten_model::{Container, ExecId, HostConfig, Status};
use corten_oci::runtime::{ConsoleSize, Process};
use corten_shim_proto::{AttachOptions, ExecRequest, FailureStage, client::ShimError};
use futures_util::FutureExt;
use std::{sync::Arc, time::Duration};

/// The output has ended; the exit must follow at once. If it does not (the process closed
/// its output and goes on), the client is let go.
const EXIT_PATIENCE: Duration = Duration::from_secs(2);

impl Engine {
    /// `POST /exec/{id}/start`.
    pub async fn exec_start(
        self: &Arc<Self>,
        id: &str,
        options: ExecStartOptions,
    ) -> Result<ExecStarted> {
        let (handle, id, exec) = self.find_exec(id)?;
        let record = handle.record();
        match record.state.status {
            Status::Running => {}
            Status::Paused => return Err(EngineError::Conflict(messages::exec_paused(record.id))),
            _ => return Err(EngineError::Conflict(messages::not_running(record.id))),
        }
        let first = exec
            .state
            .send_if_modified(|progress| !std::mem::replace(&mut progress.started, true));
        if !first {
            return Err(EngineError::ExecAgain(match exec.is_running() {
                true => messages::exec_running(id),
                false => messages::exec_already_run(id),
            }));
        }
        let request = self.exec_request(&record, id, &exec, &options)?;
        if record.app_armor_profile == apparmor::DEFAULT {
            let host = self.host.apparmor.clone();
            self.pool.run(move || host.have_default()).await?;
        }
        let action = format!("exec_start: {}", command(&exec.config));
        self.container_event(&record, &action, [("execID", id.to_string())]);
        let shim = handle
            .shim()
            .ok_or_else(|| EngineError::Conflict(messages::not_running(record.id)))?;
        // The exit may be told before the answer to this request is read.
        exec.state
            .send_modify(|progress| progress.state.running = true);
        corten_base::step("exec.begin");
        match shim.exec(request).await {
            Ok((started, stream)) => {
                corten_base::step("exec.runs");
                exec.state
                    .send_modify(|progress| progress.state.pid = started.pid as i32);
                Ok(match stream {
                    Some(stream) if !options.detach => {
                        let end = exit_known(exec.clone()).boxed();
                        let io = Box::new(Framed::new(stream, None, Some(end)));
                        let tty = options.tty;
                        let io: Box<dyn Duplex> = match (exec.config.tty, tty) {
                            (true, false) => Box::new(Reframed::new(io, Shape::Frames)),
                            (false, true) => Box::new(Reframed::new(io, Shape::Raw)),
                            _ => io,
                        };
                        ExecStarted::Attached(AttachStream { io, tty })
                    }
                    _ => ExecStarted::Detached,
                })
            }
            Err(error) => Err(exec_failed(&handle, &exec, error)),
        }
    }

    fn exec_request(
        &self,
        record: &Container,
        id: ExecId,
        exec: &Exec,
        options: &ExecStartOptions,
    ) -> Result<ExecRequest> {
        let config = &exec.config;
        let attach = (!options.detach
            && (config.attach_stdin || config.attach_stdout || config.attach_stderr))
            .then(|| {
                Ok::<_, EngineError>(AttachOptions {
                    stdin: config.attach_stdin,
                    stdout: config.attach_stdout,
                    stderr: config.attach_stderr,
                    detach_keys: detach_keys::parse(&config.detach_keys)?,
                })
            })
            .transpose()?;
        let size = options.console_size.map(|size| (size.height, size.width));
        let asked = config
            .console_size
            .map(|[height, width]| (height as u16, width as u16));
        let user = match config.user.as_str() {
            "" => record.config.user.clone(),
            user => user.to_owned(),
        };
        // Docker 28: whoever the user is.
        let groups = record.host_config.group_add.clone().unwrap_or_default();
        Ok(ExecRequest {
            id: id.id(),
            process: self.exec_process(record, exec, &user, size.or(asked))?,
            user,
            groups,
            attach,
        })
    }

    fn exec_process(
        &self,
        record: &Container,
        exec: &Exec,
        user: &str,
        size: Option<(u16, u16)>,
    ) -> Result<Process> {
        let config = &exec.config;
        let host_config = HostConfig {
            privileged: record.host_config.privileged || config.privileged,
            ..record.host_config.clone()
        };
        let capabilities = capabilities::of(&host_config)?;
        let mut env = process::environment(record);
        if config.tty && !env.iter().any(|it| it.starts_with("TERM=")) {
            env.push("TERM=xterm".into());
        }
        process::replace_or_append(&mut env, &config.env);
        let cwd = [
            config.working_dir.as_str(),
            record.config.working_dir.as_str(),
            "/",
        ];
        let cwd = cwd.into_iter().find(|it| !it.is_empty()).unwrap_or("/");
        let options = crate::spec::security::SecurityOptions::parse(&record.host_config)?;
        Ok(Process {
            terminal: config.tty,
            console_size: size
                .filter(|size| *size != (0, 0))
                .map(|(height, width)| ConsoleSize { height, width }),
            args: config.cmd.clone(),
            env,
            cwd: cwd.into(),
            capabilities: Some(process::capability_sets(user, &capabilities)),
            rlimits: process::rlimits(
                &record.host_config.resources.ulimits,
                &self.config.default_ulimits,
            )?,
            no_new_privileges: options
                .no_new_privileges
                .unwrap_or(self.config.no_new_privileges),
            // Also of `exec --privileged`, as in dockerd (`daemon/exec_linux.go`).
            apparmor_profile: record.app_armor_profile.clone(),
            oom_score_adj: Some(record.host_config.oom_score_adj as i32),
            ..Process::default()
        })
    }
}

/// Docker: the process has ended with 126 or 127, and the client reads why.
fn exec_failed(handle: &Handle, exec: &Exec, error: ShimError) -> EngineError {
    // What never ran tells of no end.
    let failed = |exit_code| {
        exec.end(exit_code);
    };
    let ShimError::Failed(failure) = error else {
        failed(126);
        return EngineError::from_shim(handle.id, error);
    };
    let message = failure.message.to_lowercase();
    let says = |words: &str| message.contains(words);
    let missing = failure.errno == Some(2)
        || (failure.stage == FailureStage::Exec && says("not found"))
        || (failure.stage == FailureStage::Runtime
            && (says("executable file not found") || says("no such file or directory")));
    // moby: `translateContainerdStartErr`.
    let ours = failure.stage != FailureStage::Runtime;
    let (relative, no_directory) = (
        ours && says("cwd must be an absolute path"),
        ours && says("not a directory"),
    );
    failed(match (missing || no_directory, relative) {
        (true, _) => 127,
        (_, true) => 128,
        _ => 126,
    });
    match failure.stage {
        FailureStage::State => EngineError::Conflict(messages::not_running(handle.id)),
        _ if failure.message.contains("unable to find") => {
            EngineError::Invalid(messages::plain(failure.message))
        }
        FailureStage::Runtime => {
            EngineError::Invalid(messages::runtime_exec_failed(failure.message))
        }
        _ if relative => EngineError::Invalid(messages::runtime_exec_failed(format!(
            "exec failed: {}",
            failure.message
        ))),
        _ if no_directory => {
            EngineError::Invalid(messages::exec_failed(failure.message + DIRECTORY_AND_FILE))
        }
        _ => EngineError::Invalid(messages::exec_failed(failure.message)),
    }
}

/// The exit, or the detach, or nothing for too long.
async fn exit_known(exec: Arc<Exec>) {
    let mut state = exec.state.subscribe();
    let known = state.wait_for(|progress| !progress.state.running || progress.detached);
    // Too long: the client is let go, `inspect` says that it runs.
    drop(tokio::time::timeout(EXIT_PATIENCE, known).await.map(drop));
}
