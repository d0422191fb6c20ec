//! Which instruction of a Dockerfile makes which steps, for who tells a build by its
//! instructions.

use crate::{progress::ToldInstruction, vertex::Vertex};
use corten_dockerfile::{Dockerfile, Instruction, Location};
use corten_oci::Digest;
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

/// The instructions up to the end of the stage `target`; `steps` lead to what is built.
pub(crate) fn instructions(
    file: &Dockerfile,
    target: usize,
    steps: Option<&Arc<Vertex>>,
    is_needed: impl Fn(usize) -> bool,
) -> Vec<ToldInstruction> {
    let mut made = steps.map(by_line).unwrap_or_default();
    let mut arguments = declared(file);
    let end = file.stages.get(target + 1).map(|next| next.location.start);
    let all = file.instructions.iter();
    let wanted = all.take_while(|(_, at)| end.is_none_or(|end| at.start < end));
    let told = wanted.map(|(text, location)| {
        let begun = |at: &Location| at.start <= location.start;
        let stage = file.stages.iter().rposition(|it| begun(&it.location));
        ToldInstruction {
            text: text.clone(),
            location: *location,
            // What stands before all stages is for all of them.
            needed: stage.is_none_or(&is_needed),
            arguments: arguments.remove(&location.start).unwrap_or_default(),
            steps: made.remove(&location.start).unwrap_or_default(),
        }
    });
    told.collect()
}

/// Names of arguments, by the lines that declare them.
fn declared(file: &Dockerfile) -> HashMap<usize, Vec<String>> {
    let mut found: HashMap<usize, Vec<String>> = HashMap::new();
    for (argument, at) in &file.global_arguments {
        let names = found.entry(at.start).or_default();
        names.push(argument.name.clone());
    }
    for command in file.stages.iter().flat_map(|stage| &stage.commands) {
        if let Instruction::Arg(list) = &command.instruction {
            let names = list.iter().map(|argument| argument.name.clone());
            found.insert(command.location.start, names.collect());
        }
    }
    found
}

/// Steps that are shown, by their first lines.
fn by_line(target: &Arc<Vertex>) -> HashMap<usize, Vec<Digest>> {
    let mut found: HashMap<usize, Vec<Digest>> = HashMap::new();
    let mut seen = HashSet::new();
    let mut open = vec![target];
    while let Some(vertex) = open.pop() {
        if !seen.insert(&vertex.digest) {
            continue;
        }
        open.extend(&vertex.inputs);
        if let (Some(at), false) = (vertex.location, vertex.name.is_empty()) {
            let steps = found.entry(at.start).or_default();
            steps.push(vertex.digest.clone());
        }
    }
    found
}
