//! Variables of a build: build arguments, platform arguments, `ENV`.

use crate::{Error, Result};
use corten_dockerfile::words::{Expanded, Shell};
use corten_oci::Platform;
use std::collections::BTreeMap;

/// Arguments that need no `ARG` and are in no history and no key.
pub(crate) const PROXIES: [&str; 10] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "FTP_PROXY",
    "ftp_proxy",
    "NO_PROXY",
    "no_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// `TARGETOS` and its kin.
pub(crate) fn platform_arguments(target: &Platform) -> BTreeMap<String, String> {
    let mut list = BTreeMap::new();
    for (prefix, platform) in [("BUILD", &Platform::host()), ("TARGET", target)] {
        let variant = platform.variant.clone().unwrap_or_default();
        list.insert(format!("{prefix}PLATFORM"), platform.to_string());
        list.insert(format!("{prefix}OS"), platform.os.clone());
        list.insert(format!("{prefix}OSVERSION"), String::new());
        list.insert(format!("{prefix}ARCH"), platform.architecture.clone());
        list.insert(format!("{prefix}VARIANT"), variant);
    }
    list
}

/// Variables in the order of their declaration; a later one replaces an earlier one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope {
    /// `ENV`, as in the image's configuration.
    pub env: Vec<String>,
    /// `ARG` with their values.
    pub arguments: Vec<(String, Option<String>)>,
    /// Arguments that were declared after an `ENV` of the same name, which they hide from
    /// what follows.
    pub hiding: Vec<String>,
}

impl Scope {
    pub fn env(&self, name: &str) -> Option<&str> {
        self.env.iter().find_map(|pair| {
            let (key, value) = pair.split_once('=')?;
            (key == name).then_some(value)
        })
    }

    fn hides(&self, name: &str) -> bool {
        self.hiding.iter().any(|it| it == name)
    }

    /// `ENV` goes before `ARG`, unless that comes later and has a value.
    pub fn get(&self, name: &str) -> Option<String> {
        let argument = || {
            let found = self.arguments.iter().rfind(|(key, _)| key == name)?;
            found.1.clone()
        };
        match self.env(name) {
            Some(value) if !self.hides(name) => Some(value.to_owned()),
            _ => argument(),
        }
    }

    pub fn set_env(&mut self, name: &str, value: &str) {
        self.hiding.retain(|it| it != name);
        let pair = format!("{name}={value}");
        match self
            .env
            .iter_mut()
            .find(|it| it.split('=').next() == Some(name))
        {
            Some(known) => *known = pair,
            None => self.env.push(pair),
        }
    }

    pub fn set_argument(&mut self, name: &str, value: Option<String>) {
        if value.is_some() && self.env(name).is_some() && !self.hides(name) {
            self.hiding.push(name.to_owned());
        }
        match self.arguments.iter_mut().find(|(key, _)| key == name) {
            Some(known) => known.1 = value,
            None => self.arguments.push((name.to_owned(), value)),
        }
    }

    /// The environment of a process: arguments below, `ENV` above.
    pub fn process_env(&self) -> Vec<String> {
        let mut list = self.env.clone();
        list.retain(|pair| !self.hides(pair.split('=').next().unwrap_or_default()));
        for (name, value) in &self.arguments {
            if let Some(value) = value
                && (self.env(name).is_none() || self.hides(name))
            {
                list.push(format!("{name}={value}"));
            }
        }
        list
    }

    /// Expands a word.
    pub fn expand(&self, word: &str, escape: char) -> Result<Expanded> {
        let variable = |name: &str| self.get(name);
        let shell = Shell {
            escape,
            variable: &variable,
            raw_quotes: false,
            raw_escapes: false,
        };
        shell.expand(word).map_err(|reason| Error::Words {
            word: word.to_owned(),
            reason,
        })
    }

    /// Expands a word that may become several.
    pub fn expand_words(&self, word: &str, escape: char) -> Result<(Vec<String>, Expanded)> {
        let variable = |name: &str| self.get(name);
        let shell = Shell {
            escape,
            variable: &variable,
            raw_quotes: false,
            raw_escapes: false,
        };
        shell.expand_words(word).map_err(|reason| Error::Words {
            word: word.to_owned(),
            reason,
        })
    }

    /// Puts variables into a here document.
    pub fn expand_text(&self, text: &str, escape: char) -> Result<String> {
        let variable = |name: &str| self.get(name);
        let shell = Shell {
            escape,
            variable: &variable,
            raw_quotes: true,
            raw_escapes: false,
        };
        let expanded = shell.expand(text).map_err(|reason| Error::Words {
            word: text.to_owned(),
            reason,
        })?;
        Ok(expanded.text)
    }

    /// `|2 A=b C=d`, the way arguments stand in the history.
    pub fn history_prefix(&self) -> String {
        if self.arguments.is_empty() {
            return String::new();
        }
        let mut text = format!("|{} ", self.arguments.len());
        for (name, value) in &self.arguments {
            let value = self.get(name).or_else(|| value.clone()).unwrap_or_default();
            text.push_str(&format!("{name}={value} "));
        }
        text
    }
}
