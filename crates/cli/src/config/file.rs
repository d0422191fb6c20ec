//! `config.json`. Fields that are not known here are kept when the file is written.

use crate::{error::errno_text, output::Json};
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

/// The configuration file.
pub struct ConfigFile {
    path: PathBuf,
    document: Json,
}

impl ConfigFile {
    /// Reads `config.json` below `directory`; a missing file is an empty one.
    pub fn load(directory: &Path) -> Result<Self, String> {
        let path = directory.join("config.json");
        let document = match fs::read(&path) {
            Ok(bytes) if bytes.trim_ascii().is_empty() => Json::Object(Vec::new()),
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| format!("{}: {error}", path.display()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Json::Object(Vec::new()),
            Err(error) => return Err(format!("{}: {}", path.display(), errno_text(&error))),
        };
        Ok(Self { path, document })
    }

    /// No configuration.
    pub fn empty(directory: &Path) -> Self {
        Self {
            path: directory.join("config.json"),
            document: Json::Object(Vec::new()),
        }
    }

    /// Where the file lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The whole document.
    pub fn document(&self) -> &Json {
        &self.document
    }

    /// A text that is set and not empty.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.document.get(key) {
            Some(Json::Text(text)) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// `HttpHeaders`.
    pub fn headers(&self) -> Vec<(String, String)> {
        self.document
            .members(&["HttpHeaders"])
            .iter()
            .map(|(name, value)| (name.clone(), value.text(&[]).to_owned()))
            .filter(|(name, _)| !name.eq_ignore_ascii_case("user-agent"))
            .collect()
    }

    /// Variables for containers from `proxies`: those of `host`, else of `default`.
    pub fn proxy_variables(&self, host: &str) -> Vec<(String, String)> {
        let settings = match self.document.at(&["proxies", host]) {
            Some(settings) => settings,
            None => match self.document.at(&["proxies", "default"]) {
                Some(settings) => settings,
                None => return Vec::new(),
            },
        };
        let names = [
            ("httpProxy", "HTTP_PROXY"),
            ("httpsProxy", "HTTPS_PROXY"),
            ("ftpProxy", "FTP_PROXY"),
            ("noProxy", "NO_PROXY"),
            ("allProxy", "ALL_PROXY"),
        ];
        names
            .iter()
            .filter(|(key, _)| !settings.text(&[key]).is_empty())
            .flat_map(|(key, name)| {
                let value = settings.text(&[key]).to_owned();
                [
                    ((*name).to_owned(), value.clone()),
                    (name.to_lowercase(), value),
                ]
            })
            .collect()
    }

    /// Sets a member of the document, or takes it out.
    pub fn set(&mut self, path: &[&str], value: Option<Json>) {
        set(&mut self.document, path, value);
    }

    /// Writes the file whole: a reader sees the old or the new one. Rights are the
    /// owner's only, since it may hold credentials.
    pub fn save(&self) -> Result<(), String> {
        let failed =
            |error: std::io::Error| format!("{}: {}", self.path.display(), errno_text(&error));
        // A symbolic link stays one: its target is replaced.
        let target = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let directory = target.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(directory).map_err(failed)?;
        let mut file = tempfile::NamedTempFile::new_in(directory).map_err(failed)?;
        file.write_all(self.document.pretty("\t").as_bytes())
            .map_err(failed)?;
        file.as_file().sync_all().map_err(failed)?;
        file.persist(&target).map_err(|error| failed(error.error))?;
        Ok(())
    }
}

pub(crate) fn set(json: &mut Json, path: &[&str], value: Option<Json>) {
    let Some((key, rest)) = path.split_first() else {
        return;
    };
    if !matches!(json, Json::Object(_)) {
        *json = Json::Object(Vec::new());
    }
    let Json::Object(members) = json else { return };
    let at = members.iter().position(|(k, _)| k == key);
    match (rest.is_empty(), value) {
        (true, None) => {
            if let Some(at) = at {
                members.remove(at);
            }
        }
        (true, Some(value)) => match at {
            Some(at) => members[at].1 = value,
            None => members.push(((*key).to_owned(), value)),
        },
        (false, value) => {
            if at.is_none() && value.is_none() {
                return;
            }
            let at = at.unwrap_or_else(|| {
                members.push(((*key).to_owned(), Json::Object(Vec::new())));
                members.len() - 1
            });
            set(&mut members[at].1, rest, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn saving_keeps_what_others_wrote_and_shuts_others_out() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        fs::write(
            directory.path().join("config.json"),
            r#"{"future":{"x":1},"auths":{}}"#,
        )
        .unwrap();
        let mut file = ConfigFile::load(directory.path()).unwrap();
        file.set(&["auths", "reg", "auth"], Some("YTpi".into()));
        file.save().unwrap();
        let path = directory.path().join("config.json");
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            "{\n\t\"future\": {\n\t\t\"x\": 1\n\t},\n\t\"auths\": {\n\t\t\"reg\": {\n\t\t\t\"auth\": \"YTpi\"\n\t\t}\n\t}\n}"
        );
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        file.set(&["auths", "reg"], None);
        assert_eq!(file.document().members(&["auths"]).len(), 0);
    }
}
