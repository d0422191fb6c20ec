//! Exec.

use crate::error::ApiError;
use corten_api::{ApiVersion, exec as wire};
use corten_engine::TerminalSize;
use corten_model::{ExecConfig, ExecInspect, ExecState};

/// `[height, width]`.
pub(crate) fn terminal_size([height, width]: [u64; 2]) -> Result<TerminalSize, ApiError> {
    let side = |cells: u64| {
        u16::try_from(cells).map_err(|_| {
            ApiError::invalid(format!("invalid console size: {cells} is out of range"))
        })
    };
    Ok(TerminalSize {
        height: side(height)?,
        width: side(width)?,
    })
}

pub(crate) fn exec_config(
    request: wire::CreateRequest,
    version: ApiVersion,
) -> Result<ExecConfig, ApiError> {
    let wire::CreateRequest {
        user,
        privileged,
        tty,
        console_size,
        attach_stdin,
        attach_stderr,
        attach_stdout,
        // The start request says it.
        detach: _,
        detach_keys,
        env,
        working_dir,
        cmd,
    } = request;
    // The size came with 1.42, environment with 1.25, directory with 1.35.
    let console_size = console_size.filter(|_| version >= ApiVersion::v1(42));
    let console_size = console_size.map(terminal_size).transpose()?;
    Ok(ExecConfig {
        user,
        privileged,
        tty,
        console_size: console_size.map(|size| [size.height.into(), size.width.into()]),
        attach_stdin,
        attach_stderr,
        attach_stdout,
        detach_keys,
        env: env.unwrap_or_default(),
        working_dir,
        cmd: cmd.unwrap_or_default(),
    })
}

pub(crate) fn exec_inspect(exec: ExecInspect) -> wire::Inspect {
    let ExecInspect {
        id,
        container_id,
        state: ExecState {
            running,
            exit_code,
            pid,
        },
        config,
        entrypoint,
        arguments,
        open_stdin,
        open_stdout,
        open_stderr,
        can_remove,
        detach_keys,
    } = exec;
    wire::Inspect {
        id: id.to_string(),
        running,
        exit_code,
        process_config: wire::ProcessConfig {
            tty: config.tty,
            entrypoint,
            arguments,
            privileged: Some(config.privileged),
            user: config.user,
        },
        open_stdin,
        open_stderr,
        open_stdout,
        can_remove,
        container_id: container_id.to_string(),
        // Go writes bytes as base64.
        detach_keys: {
            use base64::{Engine as _, engine::general_purpose::STANDARD};
            STANDARD.encode(detach_keys)
        },
        pid: pid.into(),
    }
}
