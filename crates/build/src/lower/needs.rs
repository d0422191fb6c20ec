//! Which stages need which, by what stands in the text.

use super::Lowering;
use crate::{Error, Result};
use corten_dockerfile::{Instruction, Location, RunMount};

impl Lowering<'_> {
    /// Stages that a stage needs, by what stands in the text.
    pub(super) fn needs(&self, index: usize) -> Vec<usize> {
        self.needs_with_places(index)
            .into_iter()
            .map(|it| it.0)
            .collect()
    }

    /// The same, each with the instruction that needs it.
    fn needs_with_places(&self, index: usize) -> Vec<(usize, Location)> {
        let stage = &self.file.stages[index];
        let mut list = Vec::new();
        let base = self.globals.expand(&stage.base, self.escape());
        let base = base.map_or_else(|_| String::new(), |it| it.text.to_ascii_lowercase());
        let mut triggers = Vec::new();
        if !self.named.contains_key(&base) {
            let named = |it: &usize| self.file.stages[*it].name.as_deref() == Some(base.as_str());
            if let Some(stage) = (0..index).rev().find(named) {
                list.push((stage, self.file.stages[index].location));
                let commands = self.file.stages[stage].commands.iter();
                let at = self.file.stages[index].location;
                triggers.extend(commands.filter_map(|command| match &command.instruction {
                    Instruction::OnBuild(text) => {
                        Some((corten_dockerfile::parse_trigger(text).ok()?, at))
                    }
                    _ => None,
                }));
            }
        }
        let own = stage.commands.iter();
        let own = own.map(|it| (&it.instruction, it.location));
        let of_base = triggers.iter().map(|(instruction, at)| (instruction, *at));
        for (instruction, at) in own.chain(of_base) {
            match instruction {
                Instruction::Copy(copy) => {
                    let from = copy.from.as_ref().and_then(|from| self.stage_of(from));
                    list.extend(from.map(|it| (it, at)));
                }
                Instruction::Run(run) => {
                    let mounts = run
                        .mounts
                        .iter()
                        .filter_map(|text| RunMount::parse(text).ok());
                    let from = mounts.filter_map(|mount| self.stage_of(&mount.from?));
                    list.extend(from.map(|it| (it, at)));
                }
                _ => {}
            }
        }
        list
    }

    /// The stage that `--from` means, unless a named context goes before it.
    pub fn stage_of(&self, name: &str) -> Option<usize> {
        match self.named.contains_key(&name.to_ascii_lowercase()) {
            true => None,
            false => self.file.stage(name),
        }
    }

    /// Whether the file has one stage, and takes files from nothing that would be another.
    pub(super) fn is_alone(&self) -> bool {
        let [stage] = &self.file.stages[..] else {
            return false;
        };
        let takes = |from: Option<&String>| from.is_some_and(|it| !it.is_empty());
        let from_elsewhere = |instruction: &Instruction| match instruction {
            Instruction::Copy(copy) => takes(copy.from.as_ref()),
            // BuildKit counts a stage for each, also where nothing is taken from one.
            Instruction::Run(run) => !run.mounts.is_empty(),
            _ => false,
        };
        !stage
            .commands
            .iter()
            .any(|it| from_elsewhere(&it.instruction))
    }

    /// Refuses stages that need each other, at the first one's instruction that leads there.
    pub fn check_cycles(&self) -> Result<()> {
        // 0 not seen, 1 on the way, 2 done.
        let mut marks = vec![0; self.file.stages.len()];
        for start in 0..marks.len() {
            let mut path = vec![(start, self.needs_with_places(start))];
            if marks[start] != 0 {
                continue;
            }
            marks[start] = 1;
            let mut left_by = self.file.stages[start].location;
            while let Some((_, left)) = path.last_mut() {
                let next = left.pop();
                if let (Some((_, at)), 1) = (next, path.len()) {
                    left_by = at;
                }
                let at = path.last().map_or(start, |it| it.0);
                match next.map(|it| it.0) {
                    None => {
                        marks[at] = 2;
                        path.pop();
                    }
                    Some(next) if marks[next] == 1 => {
                        let name = self.file.stages[start].name.clone();
                        let name = name.unwrap_or_else(|| format!("stage-{start}"));
                        return Err(Error::Invalid(format!(
                            "circular dependency detected on stage: {name}"
                        ))
                        .at(left_by));
                    }
                    Some(next) if marks[next] == 0 => {
                        marks[next] = 1;
                        path.push((next, self.needs_with_places(next)));
                    }
                    Some(_) => {}
                }
            }
        }
        Ok(())
    }
}
