//! Hard links to files that only lower layers have.

use super::{Settler, copy, parts};
use crate::{
    Result, UnsettledLink,
    emit::failed,
    lower::Found,
    name::{join, path},
    tree::is_whiteout,
    unpack::order_key,
};
use rustix::{
    fs::{self, AtFlags},
    io::Errno,
};
use std::{collections::HashMap, os::fd::AsFd, path::PathBuf};

impl Settler<'_> {
    pub(super) fn hard_links(&mut self) -> Result<u64> {
        let mut copied_bytes = 0;
        // Where each target is in the layer now.
        let mut copies: HashMap<PathBuf, Vec<Vec<u8>>> = HashMap::new();
        for link in std::mem::take(&mut self.links) {
            let place = parts(&link.path);
            let (target, _) = self
                .stacked
                .resolve(&parts(&link.target), false, &self.implied)?;
            let key = join(&target);
            let Some((name, parents)) = place.split_last() else {
                continue;
            };
            self.keep_times(parents)?;
            let here = self.open(parents)?;
            // Only a whiteout can stand here: anything else took the link off the list.
            if fs::statat(&here, path(name), AtFlags::SYMLINK_NOFOLLOW).is_ok() {
                fs::unlinkat(&here, path(name), AtFlags::empty())
                    .map_err(|error| failed("removing", name, error))?;
            }
            if !copies.contains_key(&key) {
                let at = match self.has_before(&target, link.number)? {
                    true => target.clone(),
                    false => self.copy_up(&link, &target, &place, &mut copied_bytes)?,
                };
                copies.insert(key.clone(), at);
            }
            let source = &copies[&key];
            if *source != place
                && let Some((source_name, source_parents)) = source.split_last()
            {
                let directory = self.open(source_parents)?;
                fs::linkat(
                    &directory,
                    path(source_name),
                    &here,
                    path(name),
                    AtFlags::empty(),
                )
                .map_err(|error| failed("linking", name, error))?;
            }
        }
        Ok(copied_bytes)
    }

    /// Whether the layer itself has a file under a name, of an entry before `number`:
    /// reached through a lower link, it was not found when the layer was unpacked.
    pub(super) fn has_before(&self, target: &[Vec<u8>], number: u64) -> Result<bool> {
        let earlier = self
            .order
            .get(&order_key(&join(target)))
            .is_some_and(|&at| at < number);
        let Some((name, parents)) = target.split_last().filter(|_| earlier) else {
            return Ok(false);
        };
        let stat = fs::statat(self.open(parents)?, path(name), AtFlags::SYMLINK_NOFOLLOW);
        Ok(stat.is_ok_and(|stat| copy::linkable(&stat) && !is_whiteout(&stat)))
    }

    /// Copies a lower file that the layer links to into the layer; gives its place there:
    /// its own, or the link's if an entry that came after the link has its name.
    fn copy_up(
        &mut self,
        link: &UnsettledLink,
        target: &[Vec<u8>],
        place: &[Vec<u8>],
        copied_bytes: &mut u64,
    ) -> Result<Vec<Vec<u8>>> {
        let lower = match self.stacked.below(target)? {
            Found::Other(lower) if copy::linkable(&lower.stat) => lower,
            _ => return Err(copy::no_target(link)),
        };
        let at = match self.make_room(target)? {
            true => target,
            false => place,
        };
        if let Some((name, parents)) = at.split_last() {
            self.keep_times(parents)?;
            let directory = self.open(parents)?;
            *copied_bytes += copy::file(&lower, directory.as_fd(), name)?;
        }
        Ok(at.to_vec())
    }

    /// Whether the layer has nothing under a name; makes the directories above it.
    fn make_room(&mut self, target: &[Vec<u8>]) -> Result<bool> {
        let Some((name, parents)) = target.split_last() else {
            return Ok(false);
        };
        self.make_directories(parents)?;
        match fs::statat(self.open(parents)?, path(name), AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => Ok(true),
            Ok(_) => Ok(false),
            Err(error) => Err(failed("looking at", name, error)),
        }
    }
}
