//! Files that were read: targets, groups and variables, and what is selected of them.

use crate::{
    error::BakeError,
    overrides::{self, Override},
    paths,
    target::{Field, Target},
};
use corten_compose::{json, output::Out};
use std::collections::BTreeMap;

/// Targets under one name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub about: String,
    /// Targets and groups.
    pub targets: Vec<String>,
}

/// A variable as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its type, if it has one.
    pub kind: String,
    /// Its value, if it has one.
    pub value: Option<String>,
    /// What it is for.
    pub about: String,
}

/// What files define.
#[derive(Debug, Clone, Default)]
pub struct Definition {
    /// Groups in the order of the files.
    pub groups: Vec<Group>,
    /// Targets in the order of the files.
    pub targets: Vec<(String, Target)>,
    /// Variables by name.
    pub variables: Vec<Variable>,
    /// What a user should know about the files.
    pub notices: Vec<String>,
}

/// What is to be built.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// The groups that were asked for.
    pub groups: BTreeMap<String, Group>,
    /// The targets, ready.
    pub targets: BTreeMap<String, Target>,
}

/// Whether targets may have such a name.
///
/// # Errors
/// Bake's sentence.
pub fn valid_name(name: &str) -> Result<(), String> {
    let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    match !name.is_empty() && name.chars().all(letter) {
        true => Ok(()),
        false => Err("only \"[a-zA-Z0-9_-]+\" are allowed".into()),
    }
}

/// A dot is no letter of a target's name.
pub(crate) fn target_name(name: &str) -> String {
    name.replace('.', "_")
}

type Overrides = BTreeMap<String, BTreeMap<String, Override>>;

impl Definition {
    /// Names of targets and groups.
    pub fn names(&self) -> Vec<&str> {
        let groups = self.groups.iter().map(|it| it.name.as_str());
        let mut names: Vec<&str> = groups
            .chain(self.targets.iter().map(|(it, _)| it.as_str()))
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    fn target(&self, name: &str) -> Option<&Target> {
        self.targets
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, it)| it)
    }

    /// Targets of a pattern of `--set`.
    pub(crate) fn matching(&self, pattern: &str) -> Result<Vec<String>, BakeError> {
        if self.target(pattern).is_some() {
            return Ok(vec![pattern.to_owned()]);
        }
        let names = self.targets.iter().map(|(name, _)| name);
        let names: Vec<String> = names
            .filter(|it| paths::matches(pattern, it))
            .cloned()
            .collect();
        match names.is_empty() {
            true => Err(BakeError::said(format!(
                "could not find any target matching '{pattern}'"
            ))),
            false => Ok(names),
        }
    }

    /// What is to be built for these names, with `--set`'s lines over the files.
    ///
    /// # Errors
    /// Names that nothing bears, circles, lines that mean nothing.
    pub fn plan(
        &self,
        names: &[String],
        lines: &[String],
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Plan, BakeError> {
        let mut wanted: Vec<String> = Vec::new();
        for name in names {
            let name = target_name(name);
            for name in self.named(&name)? {
                if !wanted.contains(&name) {
                    wanted.push(name);
                }
            }
        }
        let overrides = overrides::read(self, lines, environment)?;
        let mut plan = Plan::default();
        for name in &wanted {
            let (targets, groups) = self.members(name, &mut BTreeMap::new());
            for target in targets {
                let resolved = self.resolved(&target, &overrides)?;
                plan.targets.insert(target, resolved);
            }
            for group in groups {
                let found = self.groups.iter().find(|it| it.name == group);
                plan.groups.extend(found.map(|it| (group, it.clone())));
            }
        }
        for name in &wanted {
            if name == "default" && plan.groups.contains_key("default") {
                continue;
            }
            let default = plan.groups.entry("default".into()).or_default();
            if !default.targets.contains(name) {
                default.targets.push(name.clone());
            }
        }
        if let Some(default) = plan.groups.get_mut("default") {
            default.targets.sort();
            default.targets.dedup();
        }
        for name in plan.targets.keys().cloned().collect::<Vec<_>>() {
            self.link(&name, &mut plan.targets, &overrides, &mut Vec::new())?;
        }
        for target in plan.targets.values_mut() {
            if target.text("context") == Some("-") {
                return Err(BakeError::said("context from stdin not allowed in bake"));
            }
            if target.text("dockerfile") == Some("-") {
                return Err(BakeError::said("dockerfile from stdin not allowed in bake"));
            }
            settle(target);
        }
        Ok(plan)
    }

    fn named(&self, pattern: &str) -> Result<Vec<String>, BakeError> {
        if !pattern.contains(['*', '?', '[', ']']) {
            return Ok(vec![pattern.to_owned()]);
        }
        let groups = self.groups.iter().map(|it| &it.name);
        let names = groups.chain(self.targets.iter().map(|(it, _)| it));
        let names: Vec<String> = names
            .filter(|it| paths::matches(pattern, it))
            .cloned()
            .collect();
        match names.is_empty() {
            true => Err(BakeError::said(format!(
                "could not find any target matching {pattern:?}"
            ))),
            false => Ok(names),
        }
    }

    /// Targets and groups that a name stands for.
    fn members(
        &self,
        name: &str,
        seen: &mut BTreeMap<String, (Vec<String>, Vec<String>)>,
    ) -> (Vec<String>, Vec<String>) {
        if let Some(known) = seen.get(name) {
            return known.clone();
        }
        let Some(group) = self.groups.iter().find(|it| it.name == name) else {
            return (vec![name.to_owned()], Vec::new());
        };
        seen.insert(name.to_owned(), Default::default());
        let (mut targets, mut groups) = (Vec::new(), vec![name.to_owned()]);
        for member in &group.targets {
            let (inner, inner_groups) = self.members(member, seen);
            match inner.is_empty() {
                true => targets.push(member.clone()),
                false => targets.extend(inner),
            }
            groups.extend(inner_groups);
        }
        seen.insert(name.to_owned(), (targets.clone(), groups.clone()));
        (targets, groups)
    }

    fn resolved(&self, name: &str, overrides: &Overrides) -> Result<Target, BakeError> {
        let target = self.inherited(name, &mut BTreeMap::new(), overrides)?;
        let mut target = target.unwrap_or_default();
        target.unset("inherits");
        if target.text("context").is_none() {
            target.set("context", Field::Text(".".into()));
        }
        if target.text("dockerfile").is_none_or(str::is_empty) {
            target.set("dockerfile", Field::Text("Dockerfile".into()));
        }
        Ok(target)
    }

    /// A target over those it inherits from; nothing within a circle.
    fn inherited(
        &self,
        name: &str,
        seen: &mut BTreeMap<String, Option<Target>>,
        overrides: &Overrides,
    ) -> Result<Option<Target>, BakeError> {
        if let Some(known) = seen.get(name) {
            return Ok(known.clone());
        }
        seen.insert(name.to_owned(), None);
        let own = self.target(name);
        let own = own.ok_or_else(|| BakeError::said(format!("failed to find target {name}")))?;
        let mut target = Target::default();
        for parent in own.texts("inherits") {
            if let Some(parent) = self.inherited(parent, seen, overrides)? {
                target.merge(&parent);
            }
        }
        target.merge(own);
        if let Some(list) = overrides.get(name) {
            overrides::apply(&mut target, list)?;
        }
        target.normalize();
        seen.insert(name.to_owned(), Some(target.clone()));
        Ok(Some(target))
    }

    /// Brings in targets that a target's contexts name.
    fn link(
        &self,
        name: &str,
        targets: &mut BTreeMap<String, Target>,
        overrides: &Overrides,
        above: &mut Vec<String>,
    ) -> Result<(), BakeError> {
        above.push(name.to_owned());
        let contexts = targets
            .get(name)
            .map(|it| it.map("contexts"))
            .unwrap_or_default();
        for value in contexts.values() {
            let Some(other) = value.strip_prefix("target:") else {
                continue;
            };
            if other == name {
                return Err(BakeError::said(format!(
                    "target {other} cannot link to itself"
                )));
            }
            if above.iter().any(|it| it == other) {
                return Err(BakeError::said(format!(
                    "infinite loop from {name} to {other}"
                )));
            }
            if !targets.contains_key(other) {
                let mut found = self.resolved(other, overrides)?;
                let nowhere = [("type".to_owned(), "cacheonly".to_owned())];
                found.set("output", Field::Entries(vec![nowhere.into()]));
                found.linked = true;
                targets.insert(other.to_owned(), found);
            }
            self.link(other, targets, overrides, above)?;
            let base = targets[other].clone();
            let Some(target) = targets.get_mut(name) else {
                continue;
            };
            let granted = target.texts("entitlements").to_vec();
            let more = base
                .texts("entitlements")
                .iter()
                .filter(|it| !granted.contains(it));
            let more: Vec<String> = more.cloned().collect();
            if !more.is_empty() {
                target.join("entitlements", Field::Texts(more));
            }
            let (own, theirs) = (target.texts("platforms"), base.texts("platforms"));
            if own.len() > 1 && theirs.len() > 1 && !own.iter().all(|it| theirs.contains(it)) {
                return Err(BakeError::said(format!(
                    "target {other} can't be used by {name} because its platforms [{}] are not a subset of [{}]",
                    own.join(" "),
                    theirs.join(" ")
                )));
            }
        }
        above.pop();
        Ok(())
    }
}

/// Paths of this machine in their plain form; `cwd://` is where the command runs.
fn settle(target: &mut Target) {
    let here = |path: &str| path.strip_prefix("cwd://").map(paths::clean);
    if let Some(context) = target.text("context") {
        let plain = here(context).unwrap_or_else(|| match paths::is_remote(context) {
            true => context.to_owned(),
            false => paths::clean(context),
        });
        target.set("context", Field::Text(plain));
    }
    let contexts = target.map("contexts");
    if !contexts.is_empty() {
        let contexts = contexts.into_iter().map(|(name, path)| {
            let plain = here(&path).unwrap_or(path);
            (name, plain)
        });
        target.set("contexts", Field::Map(contexts.collect()));
    }
}

impl Plan {
    /// What `--print` prints.
    pub fn json(&self) -> String {
        let mut document = Vec::new();
        if let Some(groups) = self.groups_out() {
            document.push(("group".to_owned(), groups));
        }
        let targets = self
            .targets
            .iter()
            .map(|(name, it)| (name.clone(), it.out()));
        document.push(("target".to_owned(), Out::Map(targets.collect())));
        json::pretty(&Out::Map(document))
    }

    /// The groups as they are printed, if there are any.
    pub fn groups_out(&self) -> Option<Out> {
        let groups = self.groups.iter().map(|(name, group)| {
            let mut entries = Vec::new();
            if !group.about.is_empty() {
                entries.push(("description".to_owned(), Out::Text(group.about.clone())));
            }
            let mut seen: Vec<&String> = Vec::new();
            for target in &group.targets {
                if !seen.contains(&target) {
                    seen.push(target);
                }
            }
            let targets = seen.into_iter().cloned().map(Out::Text);
            entries.push(("targets".to_owned(), Out::List(targets.collect())));
            (name.clone(), Out::Map(entries))
        });
        (!self.groups.is_empty()).then(|| Out::Map(groups.collect()))
    }
}
