//! Which targets and groups the blocks make: matrices and computed names.

use super::{Fault, Instance, Resolver, said};
use crate::{
    definition::{Group, valid_name},
    error::Diagnostic,
    hcl::Block,
    target::Target,
    value::Value,
};
use std::collections::{BTreeMap, BTreeSet};

/// Targets that one matrix makes.
const MATRIX_MAX: usize = 4096;

impl Resolver<'_> {
    /// Names everything; groups of what a block with a matrix makes are returned.
    pub(super) fn all_names(&mut self) -> Result<Vec<Group>, Vec<Diagnostic>> {
        let mut named: BTreeMap<(String, String), Vec<usize>> = BTreeMap::new();
        let mut renamed: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
        for index in 0..self.blocks.len() {
            let block = self.blocks[index];
            let instances = self
                .instances_of(block)
                .map_err(|fault| fault.at("Invalid name", &block.label_spans[0]))?;
            for instance in &instances {
                let name = &instance.name;
                named
                    .entry((block.kind.clone(), name.clone()))
                    .or_default()
                    .push(index);
                let names = renamed
                    .entry((block.kind.clone(), block.labels[0].clone()))
                    .or_default();
                if !names.contains(name) {
                    names.push(name.clone());
                }
            }
            self.instances.insert(index, instances);
        }
        self.named = named;
        let groups = renamed
            .into_iter()
            .filter(|((_, old), new)| *new != [old.clone()]);
        Ok(groups
            .map(|((_, name), targets)| Group {
                name,
                targets,
                ..Group::default()
            })
            .collect())
    }

    fn instances_of(&mut self, block: &Block) -> Result<Vec<Instance>, Fault> {
        let label = &block.labels[0];
        valid_name(label).map_err(Fault::Said)?;
        let (name, matrix) = (block.body.attribute("name"), block.body.attribute("matrix"));
        if block.kind == "group" && matrix.is_some() {
            return said("matrix is not supported for groups");
        }
        if block.kind == "group" && name.is_some() {
            return said("name is not supported for groups");
        }
        let Some(matrix) = matrix else {
            return match name {
                Some(_) => said("name requires matrix"),
                None => Ok(vec![instance(label.clone(), BTreeMap::new())]),
            };
        };
        self.needs(&matrix.expr, &BTreeSet::new(), true)?;
        let Value::Map(axes) = self.value(&matrix.expr, &BTreeMap::new())? else {
            return said("matrix must be a map");
        };
        let mut rows = vec![BTreeMap::new()];
        for (key, values) in axes {
            let values: Vec<Value> = match values {
                Value::List(items) => items,
                Value::Map(entries) => entries.into_values().collect(),
                _ => return said("matrix values must be a list"),
            };
            if rows.len() * values.len() > MATRIX_MAX {
                return said(format!("a matrix makes more than {MATRIX_MAX} targets"));
            }
            rows = values
                .iter()
                .flat_map(|value| {
                    rows.iter().map(|row: &BTreeMap<String, Value>| {
                        let mut row = row.clone();
                        row.insert(key.clone(), value.clone());
                        row
                    })
                })
                .collect();
        }
        let mut instances: Vec<Instance> = Vec::new();
        for row in rows {
            let made = match name {
                Some(name) => {
                    let local = row.keys().cloned().collect();
                    self.needs(&name.expr, &local, true)?;
                    let value = self.value(&name.expr, &row)?;
                    let text = value.to_text();
                    text.ok_or_else(|| Fault::Said("string required".into()))?
                }
                None => label.clone(),
            };
            valid_name(&made).map_err(Fault::Said)?;
            if instances.iter().any(|it| it.name == made) {
                return said(format!("duplicate name {made:?}"));
            }
            instances.push(instance(made, row));
        }
        Ok(instances)
    }
}

fn instance(name: String, local: BTreeMap<String, Value>) -> Instance {
    Instance {
        name,
        local,
        target: Target::default(),
        done: BTreeSet::new(),
        busy: BTreeSet::new(),
    }
}
