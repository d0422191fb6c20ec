//! A container of `run`: a service's, beside those that `up` makes.

use super::{Apply, ApplyError};
use crate::body;
use crate::labels;
use serde_json::{Value as J, json};

/// How such a container differs from its service's others.
#[derive(Debug, Clone, Default)]
pub struct OneOff {
    /// Its name.
    pub name: String,
    /// What tells it apart, 64 hexadecimal digits.
    pub slug: String,
    /// It is removed when it has ended.
    pub auto_remove: bool,
    /// Its input is the user's.
    pub attach_stdin: bool,
    /// The service's name and aliases lead to it, too.
    pub aliases: bool,
}

impl Apply<'_> {
    /// Makes a container of `service` that is not started; its ID.
    pub async fn one_off(&self, service: &str, options: &OneOff) -> Result<String, ApplyError> {
        let (project, node) = self.service(service)?;
        let mut around = self.surroundings(service, &self.known_containers());
        around.aliases = options.aliases;
        let more = [(labels::SLUG, &*options.slug), (labels::ONE_OFF, "True")];
        let more = more.map(|(key, value)| (key.to_owned(), value.to_owned()));
        around.labels.extend(more);
        let resolved = body::with_references(service, node, &around.containers)?;
        let mut body = body::create(project, service, &resolved, 0, &around)?;
        body["AttachStdin"] = options.attach_stdin.into();
        body["StdinOnce"] = (options.attach_stdin && body["OpenStdin"] == json!(true)).into();
        body["HostConfig"]["AutoRemove"] = options.auto_remove.into();
        let request = self
            .client
            .post("/containers/create")
            .query("name", &options.name)
            .query_if("platform", node.text_at(&["platform"]).unwrap_or_default());
        let answer: J = request.json(&body).send().await?.json().await?;
        for warning in answer["Warnings"].as_array().into_iter().flatten() {
            self.progress.warn(warning.as_str().unwrap_or_default());
        }
        let id = answer["Id"].as_str().unwrap_or_default().to_owned();
        self.put_contents(project, node, &id).await?;
        Ok(id)
    }
}
