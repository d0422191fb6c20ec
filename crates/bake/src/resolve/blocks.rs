//! The attributes of targets and groups.

use super::{Fault, Resolved, Resolver, said};
use crate::{definition::Group, error::Diagnostic, target, value::Value};
use std::collections::{BTreeMap, BTreeSet};

/// Where an attribute has no value, stock bake finds besides that its type is wrong; the
/// number of findings is part of what it says.
fn twice(fault: Fault) -> Fault {
    let Fault::Found(mut list) = fault else {
        return fault;
    };
    if let Some(first) = list
        .first()
        .filter(|it| !it.summary.starts_with("Invalid template"))
    {
        let more = Diagnostic {
            summary: "Unsuitable value type".into(),
            ..first.clone()
        };
        list.push(more);
    }
    Fault::Found(list)
}

/// A group has these only.
const GROUP: [&str; 2] = ["description", "targets"];
/// What a target has beside what it is built of.
const MADE_OF: [&str; 2] = ["name", "matrix"];

impl Resolver<'_> {
    pub(super) fn all_blocks(&mut self, resolved: &mut Resolved) -> Result<(), Vec<Diagnostic>> {
        let mut found = Vec::new();
        for index in 0..self.blocks.len() {
            let block = self.blocks[index];
            match self.block(index, None) {
                Ok(()) => {}
                Err(Fault::Found(list)) => {
                    found.extend(list);
                    continue;
                }
                Err(fault) => return Err(fault.at("Invalid block", &block.label_spans[0])),
            }
            for instance in &self.instances[&index] {
                let name = instance.name.clone();
                if block.kind == "group" {
                    let group = Group {
                        name: name.clone(),
                        about: instance
                            .target
                            .text("description")
                            .unwrap_or_default()
                            .to_owned(),
                        targets: instance.target.texts("inherits").to_vec(),
                    };
                    match resolved.groups.iter_mut().find(|it| it.name == name) {
                        Some(known) => *known = group,
                        None => resolved.groups.push(group),
                    }
                    continue;
                }
                match resolved
                    .targets
                    .iter_mut()
                    .find(|(known, _)| *known == name)
                {
                    Some((_, known)) => known.merge(&instance.target),
                    None => resolved.targets.push((name, instance.target.clone())),
                }
            }
        }
        if found.is_empty() { Ok(()) } else { Err(found) }
    }

    /// Evaluates a block's attributes, or one of them.
    pub(super) fn block(&mut self, index: usize, only: Option<&str>) -> Result<(), Fault> {
        let block = self.blocks[index];
        let kind = block.kind.as_str();
        let count = self.instances[&index].len();
        for at in 0..count {
            let instance = &self.instances[&index][at];
            let (name, local) = (instance.name.clone(), instance.local.clone());
            let hidden: BTreeSet<String> = local.keys().cloned().collect();
            for attribute in &block.body.attributes {
                let own = attribute.name.as_str();
                if only.is_some_and(|only| only != own) {
                    continue;
                }
                let known = match kind {
                    "group" => GROUP.contains(&own),
                    _ => target::names().any(|it| it == own),
                };
                if !known {
                    if !MADE_OF.contains(&own) {
                        let notice = format!(
                            "{kind} {name:?} has an attribute {own:?}, which means nothing to bake"
                        );
                        self.notices.insert(notice);
                    }
                    continue;
                }
                let instance = self.instance(index, at);
                if instance.done.contains(own) {
                    continue;
                }
                if !instance.busy.insert(own.to_owned()) {
                    return said(format!(
                        "reference cycle not allowed for {kind}.{name}.{own}"
                    ));
                }
                self.needs(&attribute.expr, &hidden, true)?;
                let value = self.value(&attribute.expr, &local).map_err(twice)?;
                // A group's members are kept where a target has names, too.
                let place = if (kind, own) == ("group", "targets") {
                    "inherits"
                } else {
                    own
                };
                let field = target::read(place, value).map_err(|why| {
                    Fault::from(Diagnostic {
                        summary: "Unsuitable value type".into(),
                        detail: format!("Unsuitable value: {why}"),
                        span: attribute.expr.start(),
                    })
                })?;
                let instance = self.instance(index, at);
                if let Some(field) = field {
                    instance.target.set(place, field);
                }
                instance.busy.remove(own);
                instance.done.insert(own.to_owned());
            }
            if kind == "group" && only.is_none() && block.body.attribute("targets").is_none() {
                return Err(Fault::from(Diagnostic {
                    summary: "Missing required argument".into(),
                    detail: "The argument \"targets\" is required, but no definition was found."
                        .into(),
                    span: block.body.start.clone(),
                }));
            }
            self.publish(index, at);
        }
        Ok(())
    }

    fn instance(&mut self, index: usize, at: usize) -> &mut super::Instance {
        let instances = self.instances.get_mut(&index);
        let instance = instances.and_then(|it| it.get_mut(at));
        instance.expect("instances are made when names are given, and stay")
    }

    /// Lets expressions see what is known of a target or group.
    fn publish(&mut self, index: usize, at: usize) {
        let kind = self.blocks[index].kind.clone();
        let instance = &self.instances[&index][at];
        let field = |name: &str| target::seen(name, instance.target.get(name));
        let mut seen: BTreeMap<String, Value> = match kind.as_str() {
            "group" => BTreeMap::from([
                ("description".into(), field("description")),
                ("targets".into(), field("inherits")),
            ]),
            _ => target::names()
                .map(|name| (name.to_owned(), field(name)))
                .collect(),
        };
        let name = instance.name.clone();
        seen.insert("name".into(), Value::Text(name.clone()));
        let all = self
            .globals
            .variables
            .entry(kind)
            .or_insert_with(|| Value::Map(BTreeMap::new()));
        if let Value::Map(all) = all {
            all.insert(name, Value::Map(seen));
        }
    }
}
