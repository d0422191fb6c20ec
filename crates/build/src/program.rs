//! A program of the host that runs to its end, or is killed with everything it started.

use crate::{Error, Result};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::{
    fs::File,
    io::Read,
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// How long one call may take: the first copy of a large repository over a slow line.
const PATIENCE: Duration = Duration::from_secs(1800);
/// Bytes read of either stream.
const OUTPUT_MAX: u64 = 4 << 20;

/// What a program has said.
pub(crate) struct Said {
    pub success: bool,
    pub stdout: String,
    pub stderr: String,
}

/// Kills the program's group unless it has ended.
struct Group {
    leader: Pid,
    // Lock: held for the call that ends or reaps the process.
    reaped: Arc<Mutex<bool>>,
}

impl Drop for Group {
    fn drop(&mut self) {
        let reaped = self.reaped.lock().unwrap_or_else(PoisonError::into_inner);
        if !*reaped {
            // Not reaped: the number is still its own. It may have ended by itself.
            let _ = kill_process_group(self.leader, Signal::KILL);
        }
    }
}

/// Runs `command` with its output in files of `scratch`. Dropping the future kills it.
pub(crate) async fn run(mut command: Command, scratch: &Path) -> Result<Said> {
    let name = command.get_program().to_string_lossy().into_owned();
    let file = |kind: &str| {
        let path = scratch.join(format!("{}.{kind}", corten_base::Id::random().short()));
        let made = File::options()
            .create_new(true)
            .read(true)
            .write(true)
            .open(&path);
        let file = made.map_err(|error| Error::path("creating", &path, error))?;
        // Read by its descriptor: the name is of no use.
        std::fs::remove_file(&path).map_err(|error| Error::path("removing", &path, error))?;
        Ok::<_, Error>(file)
    };
    let (out, err) = (file("out")?, file("err")?);
    let handle = |file: &File| {
        file.try_clone()
            .map_err(|error| Error::path("opening", scratch, error))
    };
    command
        .stdin(Stdio::null())
        .stdout(handle(&out)?)
        .stderr(handle(&err)?)
        .process_group(0);
    let child = command.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::Unsupported(format!(
            "exec: {name:?}: executable file not found in $PATH; install {name} where the engine runs"
        )),
        _ => Error::path("starting", &name, error),
    })?;
    let leader = Pid::from_child(&child);
    let reaped = Arc::new(Mutex::new(false));
    let group = Group {
        leader,
        reaped: Arc::clone(&reaped),
    };
    let waiting = tokio::task::spawn_blocking(move || {
        let mut child = child;
        // Waited for without being reaped: so nobody else has its number when it is killed.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(leader), options) {}
        let mut reaped = reaped.lock().unwrap_or_else(PoisonError::into_inner);
        *reaped = true;
        child.wait()
    });
    let ended = tokio::time::timeout(PATIENCE, waiting).await;
    drop(group);
    let status = match ended {
        Err(_) => {
            return Err(Error::Unsupported(format!(
                "{name} has not ended within {} seconds",
                PATIENCE.as_secs()
            )));
        }
        Ok(Err(_)) => return Err(Error::Cancelled),
        Ok(Ok(status)) => status.map_err(|error| Error::path("waiting for", &name, error))?,
    };
    Ok(Said {
        success: status.success(),
        stdout: text(out, scratch)?,
        stderr: text(err, scratch)?,
    })
}

fn text(mut file: File, scratch: &Path) -> Result<String> {
    use std::io::Seek;
    let mut bytes = Vec::new();
    file.rewind()
        .and_then(|()| file.take(OUTPUT_MAX).read_to_end(&mut bytes))
        .map_err(|error| Error::path("reading", scratch, error))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[tokio::test]
    async fn a_program_tells_its_status_and_both_streams() {
        let scratch = tempfile::tempdir().unwrap();
        let said = run(shell("echo out; echo err >&2; exit 3"), scratch.path())
            .await
            .unwrap();
        assert!(!said.success);
        assert_eq!((&*said.stdout, &*said.stderr), ("out\n", "err\n"));
        let missing = run(Command::new("no-such-program-here"), scratch.path()).await;
        let error = missing.err().unwrap().to_string();
        assert!(
            error.contains("executable file not found in $PATH"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_program_that_is_given_up_ends_with_its_children() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("pid");
        let script = format!("sleep 1000 & echo $! > {}; wait", file.display());
        let pid = || {
            let text = std::fs::read_to_string(&file).ok()?;
            text.trim().parse::<u32>().ok()
        };
        tokio::select! {
            _ = run(shell(&script), scratch.path()) => panic!("it ends"),
            () = async {
                while pid().is_none() {
                    tokio::time::sleep(Duration::from_millis(5)).await; // poll
                }
            } => {}
        }
        let path = format!("/proc/{}/stat", pid().unwrap());
        let gone = || match std::fs::read_to_string(&path) {
            Ok(stat) => stat.contains(") Z "),
            Err(_) => true,
        };
        for _ in 0..400 {
            if gone() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await; // poll
        }
        panic!("the child still runs");
    }
}
