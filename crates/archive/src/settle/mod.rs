//! What a layer left open, settled against the layers below.

mod copy;
mod links;
mod merge;
mod stacked;

use crate::{
    LowerView, Result, Unsettled, UnsettledLink,
    emit::failed,
    lower::Found,
    name::{join, path},
    remove::remove_all,
    tree::{file_type, is_whiteout},
    unpack::set_opaque,
};
use rustix::{
    fs::{self, AtFlags, FileType, Mode, Timestamps},
    io::Errno,
};
use stacked::{End, Stacked};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::{Path, PathBuf},
};

/// What settling did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settled {
    /// Bytes copied from lower files that the layer links to.
    pub copied_bytes: u64,
    /// The layer's directory depends on these lower layers: there was something to settle.
    pub changed: bool,
}

/// Brings `root`, a layer as [`crate::apply()`] left it, to what applying it on top of
/// `lower` in one tree would show: parents without an entry take the lower directory's
/// mode, owner, times and attributes; what reaches through a symbolic link of a lower
/// layer moves to where the link leads; hard links to lower files get a copy of the file.
///
/// A layer with something to settle stands on these lower layers only, and must be
/// settled anew for others.
///
/// Two things differ from one tree: a lower file that gets another name is copied, and its
/// other lower names keep the old one (as whenever overlay copies a file up); and what went
/// through a lower link into a directory that a later entry of the same layer replaces by
/// something else is where the layer alone would have it.
pub fn settle(root: BorrowedFd<'_>, unsettled: &Unsettled, lower: &LowerView) -> Result<Settled> {
    let nothing = LowerView::empty();
    let lower = if unsettled.root_opaque {
        &nothing
    } else {
        lower
    };
    let mut settler = Settler {
        stacked: Stacked { root, lower },
        implied: unsettled.parents.iter().cloned().collect(),
        links: unsettled.links.clone(),
        order: unsettled.order.clone(),
        times: BTreeMap::new(),
        aside: Vec::new(),
    };
    settler.parents()?;
    for (place, number) in &unsettled.late {
        settler.late(place, *number)?;
    }
    let copied_bytes = settler.hard_links()?;
    settler.restore_times()?;
    Ok(Settled {
        copied_bytes,
        changed: !unsettled.is_empty(),
    })
}

struct Settler<'a> {
    stacked: Stacked<'a>,
    /// Directories that the layer has no entry for, still to be settled.
    implied: BTreeSet<PathBuf>,
    links: Vec<UnsettledLink>,
    order: HashMap<u64, u64>,
    /// Times of the layer's directories before something was moved in or out of them.
    times: BTreeMap<PathBuf, Timestamps>,
    /// Directories put aside, and where they were.
    aside: Vec<(PathBuf, PathBuf)>,
}

impl Settler<'_> {
    fn parents(&mut self) -> Result<()> {
        // Parents come before what is in them, and moving one changes what follows.
        let mut done = PathBuf::new();
        loop {
            let after = (
                std::ops::Bound::Excluded(done.clone()),
                std::ops::Bound::Unbounded,
            );
            let Some(place) = self.implied.range(after).next().cloned() else {
                return Ok(());
            };
            let parts = parts(&place);
            match self.stacked.below(&parts)? {
                Found::Directory(lower) => {
                    let own = self.open(&parts)?;
                    copy::directory_attributes(&lower[0], &own).map_err(|error| {
                        failed("setting the attributes of", bytes(&place), error)
                    })?;
                    self.times.remove(&place);
                }
                Found::Other(other) if file_type(&other.stat) == FileType::Symlink => {
                    let target = fs::readlinkat(&other.directory, path(&other.name), Vec::new())
                        .map_err(|error| failed("reading the link", bytes(&place), error))?;
                    self.relocate(&parts, &parts, target.as_bytes(), None)?;
                    // What moved may lie before this place.
                    done = PathBuf::new();
                    continue;
                }
                _ => {}
            }
            done = place;
        }
    }

    /// A directory that got its entry after something in it: what came before the entry
    /// went through the lower link, which the entry then replaced.
    fn late(&mut self, place: &Path, number: u64) -> Result<()> {
        let parts = parts(place);
        if let Found::Other(other) = self.stacked.below(&parts)?
            && file_type(&other.stat) == FileType::Symlink
        {
            let target = fs::readlinkat(&other.directory, path(&other.name), Vec::new())
                .map_err(|error| failed("reading the link", bytes(place), error))?;
            self.relocate(&parts, &parts, target.as_bytes(), Some(number))?;
        }
        Ok(())
    }

    /// Moves what is in a directory to where a link with this target leads, which stands
    /// at `link`: under the same name in a lower layer, or where its parent was moved to.
    fn relocate(
        &mut self,
        from: &[Vec<u8>],
        link: &[Vec<u8>],
        target: &[u8],
        before: Option<u64>,
    ) -> Result<()> {
        let (name, parents) = from
            .split_last()
            .map_or((&[][..], from), |(n, p)| (&n[..], p));
        let mut walk = match target.starts_with(b"/") {
            true => Vec::new(),
            false => link[..link.len().saturating_sub(1)].to_vec(),
        };
        walk.extend(target.split(|&byte| byte == b'/').map(<[u8]>::to_vec));
        // An entry that replaced the link later does not hide where it led.
        let implied = self.implied.clone();
        let (to, end) = self.stacked.resolve(&walk, true, &implied)?;
        if matches!(end, End::Other) {
            // An entry of the layer itself came later and took the place of all this.
            if self.has_before(&to, u64::MAX)? && before.is_none() {
                return self.drop_directory(from);
            }
            return Err(failed("entering", target, Errno::NOTDIR));
        }
        if to.starts_with(from) {
            return Err(failed("entering", target, Errno::LOOP));
        }
        let is_aside = self.aside.iter().any(|(aside, _)| *aside == join(from));
        if from.starts_with(&to) && before.is_none() && !is_aside {
            // Among what it is merged with would be the directory itself.
            let aside = self.put_aside(from)?;
            return self.relocate(&aside, link, target, None);
        }
        self.make_directories(&to)?;
        self.merge(from, &to, before)?;
        if before.is_none() {
            self.keep_times(parents)?;
            let parent = self.open(parents)?;
            fs::unlinkat(&parent, path(name), AtFlags::REMOVEDIR)
                .map_err(|error| failed("removing", name, error))?;
            self.moved(&join(from), &join(&to));
        }
        Ok(())
    }

    /// Moves a directory to a name that no archive can make; gives its place there.
    fn put_aside(&mut self, place: &[Vec<u8>]) -> Result<Vec<Vec<u8>>> {
        let Some((name, parents)) = place.split_last() else {
            return Ok(Vec::new());
        };
        let aside = format!(".wh..wh.aside-{}", self.aside.len()).into_bytes();
        self.keep_times(parents)?;
        self.keep_times(&[])?;
        let (parent, root) = (self.open(parents)?, self.open(&[])?);
        fs::renameat(&parent, path(name), &root, path(&aside))
            .map_err(|error| failed("moving", name, error))?;
        let aside = vec![aside];
        self.moved(&join(place), &join(&aside));
        self.aside.push((join(&aside), join(place)));
        Ok(aside)
    }

    /// Removes a directory of the layer with all that was to be settled in it.
    fn drop_directory(&mut self, place: &[Vec<u8>]) -> Result<()> {
        let Some((name, parents)) = place.split_last() else {
            return Ok(());
        };
        self.keep_times(parents)?;
        remove_all(self.open(parents)?.as_fd(), name)?;
        let place = join(place);
        self.implied.retain(|path| !path.starts_with(&place));
        self.links.retain(|link| !link.path.starts_with(&place));
        Ok(())
    }

    /// Makes the directories of a path that the layer lacks, like the lower ones.
    fn make_directories(&mut self, parts: &[Vec<u8>]) -> Result<()> {
        for end in 1..=parts.len() {
            let (parents, name) = (&parts[..end - 1], &parts[end - 1][..]);
            let parent = self.open(parents)?;
            let mut hidden = false;
            match fs::statat(&parent, path(name), AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) if is_whiteout(&stat) => {
                    fs::unlinkat(&parent, path(name), AtFlags::empty())
                        .map_err(|error| failed("removing", name, error))?;
                    hidden = true;
                }
                Ok(_) => continue,
                Err(Errno::NOENT) => {}
                Err(error) => return Err(failed("looking at", name, error)),
            }
            let lower = self.stacked.below(&parts[..end])?;
            self.keep_times(parents)?;
            let make = || {
                fs::mkdirat(&parent, path(name), Mode::from_raw_mode(0o755))?;
                let made = fs::openat(&parent, path(name), crate::tree::DIRECTORY, Mode::empty())?;
                fs::fchmod(&made, Mode::from_raw_mode(0o755))?;
                match lower {
                    Found::Directory(lower) if !hidden => {
                        copy::directory_attributes(&lower[0], &made)
                    }
                    _ if hidden => set_opaque(&made),
                    _ => Ok(()),
                }
            };
            make().map_err(|error| failed("creating", name, error))?;
        }
        Ok(())
    }

    /// A directory of the layer; every component is one.
    fn open(&self, parts: &[Vec<u8>]) -> Result<OwnedFd> {
        let mut directory = copy::open(self.stacked.root, b".")?;
        for part in parts {
            directory = copy::open(&directory, part)?;
        }
        Ok(directory)
    }

    /// Notes the times of a directory that is about to change.
    fn keep_times(&mut self, parts: &[Vec<u8>]) -> Result<()> {
        let place = join(parts);
        if !self.times.contains_key(&place) {
            let directory = self.open(parts)?;
            let stat = fs::fstat(&directory)
                .map_err(|error| failed("looking at", bytes(&place), error))?;
            self.times.insert(place, copy::times_of(&stat));
        }
        Ok(())
    }

    fn restore_times(&mut self) -> Result<()> {
        for (place, times) in std::mem::take(&mut self.times) {
            let parts = parts(&place);
            // Moved away or removed meanwhile.
            if let Ok(directory) = self.open(&parts) {
                fs::futimens(&directory, &times)
                    .map_err(|error| failed("setting the times of", bytes(&place), error))?;
            }
        }
        Ok(())
    }

    /// What was below one path is below another now.
    fn moved(&mut self, from: &Path, to: &Path) {
        let rebase = |path: &Path| path.strip_prefix(from).map(|rest| to.join(rest)).ok();
        let implied = std::mem::take(&mut self.implied);
        self.implied = implied
            .into_iter()
            .filter(|path| path != from)
            .map(|path| rebase(&path).unwrap_or(path))
            .collect();
        for link in &mut self.links {
            if let Some(path) = rebase(&link.path) {
                link.path = path;
            }
        }
        let times = std::mem::take(&mut self.times);
        self.times = times
            .into_iter()
            .filter(|(path, _)| path != from)
            .map(|(path, times)| (rebase(&path).unwrap_or(path), times))
            .collect();
    }
}

fn parts(path: &Path) -> Vec<Vec<u8>> {
    path.iter().map(|part| part.as_bytes().to_vec()).collect()
}

fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}
