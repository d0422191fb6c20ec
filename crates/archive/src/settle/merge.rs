//! Two directories of one layer that turn out to be the same one.

use super::{Settler, copy};
use crate::{
    Result,
    emit::{failed, names},
    name::{join, path},
    remove::remove_all,
    tree::{file_type, is_whiteout},
    unpack::{order_key, set_opaque},
    xattrs,
};
use rustix::{
    fs::{self, AtFlags, FileType, Stat},
    io::Errno,
};
use std::os::fd::{AsFd, OwnedFd};

impl Settler<'_> {
    /// Moves what is in `from` into `to`; with `before` only entries of lower numbers.
    /// Of two entries for one name the later wins, as it would have in one tree.
    pub(super) fn merge(
        &mut self,
        from: &[Vec<u8>],
        to: &[Vec<u8>],
        before: Option<u64>,
    ) -> Result<()> {
        let (source, target) = (self.open(from)?, self.open(to)?);
        self.keep_times(from)?;
        self.keep_times(to)?;
        if before.is_none() && is_opaque(&source)? {
            set_opaque(&target).map_err(|error| failed("marking", b".", error))?;
        }
        for name in names(source.as_fd()).map_err(|error| failed("reading", b".", error))? {
            let old = [from, std::slice::from_ref(&name)].concat();
            let new = [to, std::slice::from_ref(&name)].concat();
            let number = self.number(&old);
            if before
                .zip(number)
                .is_some_and(|(before, number)| number >= before)
            {
                continue;
            }
            self.merge_one(&source, &target, &old, &new, before)?;
            if let Some(number) = number {
                let late = self.number(&new).unwrap_or(0).max(number);
                self.order.insert(order_key(&join(&new)), late);
            }
        }
        Ok(())
    }

    fn merge_one(
        &mut self,
        source: &OwnedFd,
        target: &OwnedFd,
        old: &[Vec<u8>],
        new: &[Vec<u8>],
        before: Option<u64>,
    ) -> Result<()> {
        let Some(name) = old.last() else {
            return Ok(());
        };
        let at = |error: Errno| failed("moving", name, error);
        let one = fs::statat(source, path(name), AtFlags::SYMLINK_NOFOLLOW).map_err(at)?;
        let other = match fs::statat(target, path(name), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(other) => other,
            Err(Errno::NOENT) => return self.take(source, target, old, new),
            Err(error) => return Err(at(error)),
        };
        let is_directory = |stat: &Stat| file_type(stat) == FileType::Directory;
        match (is_directory(&one), is_directory(&other)) {
            // A whiteout hides what is below, never what its own layer has.
            (false, true) if is_whiteout(&one) => {
                set_opaque(copy::open(target, name)?).map_err(at)?;
                remove_all(source.as_fd(), name)
            }
            (false, false) if is_whiteout(&one) => remove_all(source.as_fd(), name),
            (directory, false) if is_whiteout(&other) => {
                if directory {
                    set_opaque(copy::open(source, name)?).map_err(at)?;
                }
                remove_all(target.as_fd(), name)?;
                self.take(source, target, old, new)
            }
            (true, true) => self.merge_directories(source, target, old, new, before),
            // A directory that no entry made is not one: the way leads on through the link.
            (true, false)
                if file_type(&other) == FileType::Symlink && self.implied.contains(&join(old)) =>
            {
                let link = fs::readlinkat(target, path(name), Vec::new()).map_err(at)?;
                self.relocate(old, new, link.as_bytes(), None)
            }
            (false, true)
                if file_type(&one) == FileType::Symlink && self.implied.contains(&join(new)) =>
            {
                // The same the other way round.
                let link = fs::readlinkat(source, path(name), Vec::new()).map_err(at)?;
                let aside = self.put_aside(new)?;
                self.take(source, target, old, new)?;
                self.relocate(&aside, new, link.as_bytes(), None)
            }
            (directory, _) => {
                if self.number(old) < self.number(new) {
                    return remove_all(source.as_fd(), name);
                }
                if directory {
                    // The file that it replaces had hidden a lower directory.
                    set_opaque(copy::open(source, name)?).map_err(at)?;
                }
                remove_all(target.as_fd(), name)?;
                self.take(source, target, old, new)
            }
        }
    }

    fn merge_directories(
        &mut self,
        source: &OwnedFd,
        target: &OwnedFd,
        old: &[Vec<u8>],
        new: &[Vec<u8>],
        before: Option<u64>,
    ) -> Result<()> {
        let Some(name) = old.last() else {
            return Ok(());
        };
        let at = |error: Errno| failed("merging", name, error);
        let (from, to) = (copy::open(source, name)?, copy::open(target, name)?);
        let (old_place, new_place) = (join(old), join(new));
        let named = !self.implied.contains(&old_place);
        let times = fs::fstat(&from).map_err(at)?;
        self.merge(old, new, before)?;
        if named && (self.number(old) > self.number(new) || self.implied.contains(&new_place)) {
            copy::directory_attributes(&from, &to).map_err(at)?;
            self.times.insert(new_place.clone(), copy::times_of(&times));
            self.implied.remove(&new_place);
        }
        // The directory itself came later than what moved out of it: it may not be empty.
        match fs::unlinkat(source, path(name), AtFlags::REMOVEDIR) {
            Ok(()) => {}
            Err(Errno::NOTEMPTY | Errno::EXIST) if before.is_some() => return Ok(()),
            Err(error) => return Err(at(error)),
        }
        let still_implied = self.implied.contains(&new_place);
        self.moved(&old_place, &new_place);
        if still_implied {
            self.implied.insert(new_place);
        }
        Ok(())
    }

    /// Moves an entry to where nothing stands.
    fn take(
        &mut self,
        source: &OwnedFd,
        target: &OwnedFd,
        old: &[Vec<u8>],
        new: &[Vec<u8>],
    ) -> Result<()> {
        let Some(name) = old.last() else {
            return Ok(());
        };
        fs::renameat(source, path(name), target, path(name))
            .map_err(|error| failed("moving", name, error))?;
        let (old, new) = (join(old), join(new));
        let implied = self.implied.contains(&old);
        self.moved(&old, &new);
        if implied {
            self.implied.insert(new);
        }
        Ok(())
    }

    /// The number of a path's entry.
    fn number(&self, parts: &[Vec<u8>]) -> Option<u64> {
        let place = join(parts);
        let original = self
            .aside
            .iter()
            .rev()
            .fold(place, |place, (aside, original)| {
                place
                    .strip_prefix(aside)
                    .map(|rest| original.join(rest))
                    .unwrap_or(place)
            });
        self.order.get(&order_key(&original)).copied()
    }
}

fn is_opaque(directory: &OwnedFd) -> Result<bool> {
    xattrs::is_opaque(directory.as_fd())
        .map_err(|error| failed("reading the attributes of", b".", error))
}
