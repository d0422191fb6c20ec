//! From files to a project: read, fill in variables, bring into canonical form, extend,
//! include, merge, resolve paths, complete, and check for contradictions.

mod defaults;
mod environment;
mod extends;
mod include;
mod interpolate;
mod names;
mod normalize;
mod profiles;
mod reset;

use crate::canonical::canonical;
use crate::consistency;
use crate::dotenv::Env;
use crate::error::ComposeError;
use crate::merge;
use crate::node::{Map, Node, Value};
use crate::paths;
use crate::project::Project;
use crate::schema::PROJECT;
use crate::template::Variables;
use crate::yaml;
use reset::Resets;
use std::cell::RefCell;
use std::path::{Path, PathBuf};

pub use names::normalized_name;

/// One of the files that make a project, later ones over earlier ones.
#[derive(Debug, Clone)]
pub enum Source {
    /// A file of the host, its path absolute.
    File(PathBuf),
    /// A text with the name that messages give it (`-` is standard input).
    Text {
        /// For messages.
        name: String,
        /// The YAML.
        text: String,
    },
}

/// What is to be loaded, and how far.
#[derive(Debug, Clone)]
pub struct Request {
    /// In the order of the command line.
    pub files: Vec<Source>,
    /// What relative paths of the files stand below; absolute.
    pub directory: PathBuf,
    /// The name that an option or the environment gives, if either does.
    pub name: Option<String>,
    /// The name if no file gives one either: that of the directory.
    pub fallback_name: String,
    /// What variables are filled in from: the process's, then those of `.env` files.
    pub env: Env,
    /// The profiles that are on; `*` is all.
    pub profiles: Vec<String>,
    /// How much is done.
    pub steps: Steps,
}

/// Which steps of loading are done; all by default.
#[derive(Debug, Clone, Copy)]
pub struct Steps {
    /// Variables are filled in.
    pub interpolate: bool,
    /// Defaults and names are completed.
    pub normalize: bool,
    /// Relative paths become absolute.
    pub resolve_paths: bool,
    /// Contradictions are looked for.
    pub check: bool,
    /// Values of `environment` without one, and of env files, are read.
    pub environment: bool,
    /// Env files that were read are no longer part of the service.
    pub drop_env_files: bool,
    /// The files become a project: services whose profiles are off are set aside, and files
    /// of variables and labels are read. Otherwise all stays as the files have it.
    pub project: bool,
}

impl Default for Steps {
    fn default() -> Self {
        Self {
            interpolate: true,
            normalize: true,
            resolve_paths: true,
            check: true,
            environment: true,
            drop_env_files: true,
            project: true,
        }
    }
}

/// Where files come from. [`Disk`] is the host; references that are not paths (a git
/// repository, an OCI artifact) are brought to the disk by who implements it.
pub trait Files {
    /// The text of a file.
    fn read(&self, path: &Path) -> std::io::Result<String>;

    /// The local file that a reference to elsewhere stands for, if it is one.
    fn fetched(&self, reference: &str) -> Option<std::io::Result<PathBuf>>;
}

/// The files of this host alone.
pub struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> std::io::Result<String> {
        std::fs::read_to_string(path)
    }

    fn fetched(&self, _reference: &str) -> Option<std::io::Result<PathBuf>> {
        None
    }
}

/// A project, and what its user should know about its files.
#[derive(Debug)]
pub struct Loaded {
    /// What the files say.
    pub project: Project,
    /// Sentences for standard error, each once.
    pub warnings: Vec<String>,
}

/// Loads a project.
pub fn load(request: &Request, files: &dyn Files) -> Result<Loaded, ComposeError> {
    let warnings = RefCell::default();
    let project = load_telling(request, files, &warnings)?;
    Ok(Loaded {
        project,
        warnings: warnings.into_inner(),
    })
}

/// The same; `warnings` has what there was to say also where loading fails.
pub fn load_telling(
    request: &Request,
    files: &dyn Files,
    warnings: &RefCell<Vec<String>>,
) -> Result<Project, ComposeError> {
    if request.files.is_empty() {
        return Err(ComposeError::NoFile);
    }
    let mut session = Session {
        env: request.env.clone(),
        steps: request.steps,
        files,
        warnings,
    };
    let texts = session.texts(&request.files)?;
    let name = names::project_name(request, &texts, &session)?;
    session
        .env
        .insert("COMPOSE_PROJECT_NAME".into(), name.clone());
    let mut tree = session.model(&texts, &request.directory, &[])?;
    if tree.map().is_none_or(Map::is_empty) {
        return Err(ComposeError::Empty);
    }
    if request.steps.normalize {
        normalize::normalize(&mut tree, &name, &session);
    }
    let mut project = Project::new(name, request, session.env.clone(), tree);
    if request.steps.project {
        profiles::apply(&mut project);
        if request.steps.check {
            consistency::check(&project)?;
        }
        environment::resolve(&mut project, &session, &|_| true)?;
    }
    Ok(project)
}

impl Project {
    /// Turns on the profiles of services that are named though they are off.
    pub fn enable(&mut self, names: &[String]) {
        let off = names.iter().filter_map(|name| self.disabled.get(name));
        let profiles = off.filter_map(|service| service.get("profiles")?.list());
        let profiles = profiles.flatten().filter_map(Node::text).map(str::to_owned);
        let profiles: Vec<String> = profiles.collect();
        if !profiles.is_empty() {
            self.profiles.extend(profiles);
            profiles::apply(self);
        }
    }

    /// Reads the files of variables and labels of these services into them, where loading
    /// has not done that ([`Steps::environment`]).
    pub fn resolve_environment(
        &mut self,
        services: &[String],
        files: &dyn Files,
    ) -> Result<(), ComposeError> {
        let session = Session {
            env: self.env.clone(),
            steps: Steps::default(),
            files,
            warnings: &RefCell::default(),
        };
        environment::resolve(self, &session, &|name| services.contains(name))
    }
}

/// A file's name and text, and the directory that its own references stand below.
pub(crate) struct Text {
    name: String,
    text: String,
}

/// What holds while one set of files is read: an included project has its own.
pub(crate) struct Session<'a> {
    pub(crate) env: Env,
    pub(crate) steps: Steps,
    files: &'a dyn Files,
    warnings: &'a RefCell<Vec<String>>,
}

impl Variables for Session<'_> {
    fn value(&self, name: &str) -> Option<String> {
        self.env.get(name).cloned()
    }

    fn missing(&self, name: &str) {
        self.warn(format!(
            "The {name:?} variable is not set. Defaulting to a blank string."
        ));
    }
}

impl Session<'_> {
    pub(crate) fn warn(&self, sentence: String) {
        let mut warnings = self.warnings.borrow_mut();
        if !warnings.contains(&sentence) {
            warnings.push(sentence);
        }
    }

    fn read(&self, path: &Path, needed_at: Option<&Node>) -> Result<Text, ComposeError> {
        match self.files.read(path) {
            Ok(text) => Ok(Text {
                name: path.to_string_lossy().into_owned(),
                text,
            }),
            Err(why) => Err(ComposeError::Read {
                path: path.display().to_string(),
                needed_at: needed_at.map(|node| node.place.clone()),
                why,
            }),
        }
    }

    fn texts(&self, sources: &[Source]) -> Result<Vec<Text>, ComposeError> {
        sources
            .iter()
            .map(|source| match source {
                Source::File(path) => self.read(path, None),
                Source::Text { name, text } => Ok(Text {
                    name: name.clone(),
                    text: text.clone(),
                }),
            })
            .collect()
    }

    fn base<'b>(&'b self, directory: &'b Path) -> paths::Base<'b> {
        paths::Base {
            directory,
            home: self.env.get("HOME").map(String::as_str),
        }
    }

    /// The files of one project (the main one or an included one) merged, paths resolved.
    fn model(
        &self,
        texts: &[Text],
        directory: &Path,
        included: &[String],
    ) -> Result<Node, ComposeError> {
        let first = texts.first().map_or("", |text| &text.name);
        let mut merged = merge::empty(first);
        for text in texts {
            for document in yaml::read(&text.name, &text.text)? {
                merged = self.document(merged, document, text, directory, included)?;
            }
        }
        defaults::apply(&mut merged)?;
        if self.steps.resolve_paths || !included.is_empty() {
            paths::resolve(&mut merged, PROJECT, &self.base(directory))?;
        }
        Ok(merged)
    }

    /// One more document over those before.
    fn document(
        &self,
        mut merged: Node,
        document: Node,
        text: &Text,
        directory: &Path,
        included: &[String],
    ) -> Result<Node, ComposeError> {
        let (mut document, resets) = self.prepared(document)?;
        if let Some(map) = document.map_mut()
            && map.remove("version").is_some()
        {
            self.warn(format!(
                "{}: the attribute `version` is obsolete, it will be ignored, please remove it \
                 to avoid potential confusion",
                text.name
            ));
        }
        extends::apply(self, &mut document, text, directory, &resets)?;
        resets.apply(&mut merged);
        include::apply(self, &mut document, text, directory, included)?;
        let mut merged = merge::objects(merged, document, PROJECT);
        merge::unique(&mut merged, PROJECT);
        Ok(merged)
    }

    /// A document with its variables filled in, canonical, and what it takes away from
    /// earlier ones.
    fn prepared(&self, mut document: Node) -> Result<(Node, Resets), ComposeError> {
        if document.map().is_none() {
            return Err(ComposeError::Syntax {
                place: document.place,
                message: "top-level object must be a mapping".into(),
            });
        }
        let resets = Resets::take_from(&mut document);
        if self.steps.interpolate {
            interpolate::interpolate(&mut document, &mut Vec::new(), self)?;
        }
        let mut document = canonical(document, PROJECT, !self.steps.interpolate)?;
        self.external_names(&mut document)?;
        Ok((document, resets))
    }

    /// `external: {name: x}`, the form of old files.
    fn external_names(&self, document: &mut Node) -> Result<(), ComposeError> {
        for kind in ["networks", "volumes", "secrets", "configs"] {
            let Some(entries) = document.map_mut().and_then(|map| map.get_mut(kind)) else {
                continue;
            };
            for (key, entry) in entries.map_mut().into_iter().flatten() {
                self.external_name(entry, &format!("{kind}.{key}"))?;
            }
        }
        Ok(())
    }

    fn external_name(&self, entry: &mut Node, path: &str) -> Result<(), ComposeError> {
        let Some(external) = entry.get("external").cloned() else {
            return Ok(());
        };
        let Value::Map(old) = &external.value else {
            return Ok(());
        };
        let given = entry.text_at(&["name"]).map(str::to_owned);
        let Some(map) = entry.map_mut() else {
            return Ok(());
        };
        map.insert(
            "external".into(),
            Node::at(&external.place, Value::Bool(true)),
        );
        if let Some(name) = old.get("name") {
            self.warn(format!(
                "{path}: external.name is deprecated. Please set name and external: true"
            ));
            if given.is_some() && given.as_deref() != name.text() {
                return Err(ComposeError::attribute(
                    &name.place,
                    path,
                    "name and external.name conflict; only use name",
                ));
            }
            map.insert("name".into(), name.clone());
        }
        Ok(())
    }
}
