//! A container's start: secrets and configs are put into it, then it starts, then its
//! hooks run.

use super::{Apply, ApplyError};
use crate::body::{self, Content, View};
use crate::node::Node;
use crate::project::Project;
use serde_json::{Value as J, json};

impl Apply<'_> {
    pub(super) async fn start(&self, name: &str, id: &str) -> Result<(), ApplyError> {
        let known = match self.project {
            Some(_) => Some(self.service(name)?),
            // Without the project's files there is only what was made from them.
            None => None,
        };
        if let Some((project, service)) = known {
            self.put_contents(project, service, id).await?;
        }
        let request = self.client.post(format!("/containers/{id}/start"));
        request.send().await?.bytes().await?;
        match known {
            Some((_, service)) => self.hooks(name, service, "post_start", id).await,
            None => Ok(()),
        }
    }

    /// Puts the secrets and configs that are not mounted into a container.
    pub(super) async fn put_contents(
        &self,
        project: &Project,
        service: &Node,
        id: &str,
    ) -> Result<(), ApplyError> {
        let contents = body::contents(project, service)?;
        if !contents.is_empty() {
            self.client
                .request(
                    corten_client::Method::PUT,
                    format!("/containers/{id}/archive"),
                )
                .query("path", "/")
                .query("copyUIDGID", "1")
                .bytes(archive(&contents)?, "application/x-tar")
                .send()
                .await?
                .bytes()
                .await?;
        }
        Ok(())
    }

    /// Runs a service's hooks of one kind in a container, one after the other.
    pub(super) async fn hooks(
        &self,
        name: &str,
        service: &Node,
        kind: &str,
        id: &str,
    ) -> Result<(), ApplyError> {
        for hook in View(service).objects(kind) {
            let environment: Vec<String> = hook
                .entries("environment")
                .into_iter()
                .map(|(key, value)| match value.text() {
                    Some(value) => format!("{key}={value}"),
                    None => key.clone(),
                })
                .collect();
            let body = json!({
                "Cmd": hook.texts("command"),
                "User": hook.text("user"),
                "Privileged": hook.truth("privileged"),
                "WorkingDir": hook.text("working_dir"),
                "Env": environment,
                "AttachStdout": true,
                "AttachStderr": true,
            });
            let path = format!("/containers/{id}/exec");
            let created: J = self
                .client
                .post(path)
                .json(&body)
                .send()
                .await?
                .json()
                .await?;
            let exec = created["Id"].as_str().unwrap_or_default().to_owned();
            let start = self.client.post(format!("/exec/{exec}/start"));
            let stream = start
                .json(&json!({ "Detach": false, "Tty": false }))
                .hijack()
                .await?;
            self.shown(name, stream).await?;
            let path = format!("/exec/{exec}/json");
            let ended: J = self.client.get(path).send().await?.json().await?;
            match ended["ExitCode"].as_i64().unwrap_or(0) {
                0 => {}
                code => {
                    return Err(ApplyError::Hook {
                        service: name.to_owned(),
                        code,
                    });
                }
            }
        }
        Ok(())
    }

    /// Shows what a hook writes, line by line, as warnings under the service's name.
    async fn shown(&self, name: &str, stream: corten_client::Hijacked) -> Result<(), ApplyError> {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        corten_client::stream::demultiplex(stream, &mut out, &mut err).await?;
        for line in String::from_utf8_lossy(&[out, err].concat()).lines() {
            self.progress.warn(&format!("{name} | {line}"));
        }
        Ok(())
    }
}

/// A tar of files.
fn archive(contents: &[Content]) -> std::io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    for content in contents {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.bytes.len() as u64);
        header.set_mode(content.mode);
        header.set_uid(content.uid.into());
        header.set_gid(content.gid.into());
        let name = content.target.trim_start_matches('/');
        tar.append_data(&mut header, name, content.bytes.as_slice())?;
    }
    tar.into_inner()
}
