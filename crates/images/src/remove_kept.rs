//! Images of an index that go: with the last name that keeps them, or by themselves
//! (`docker rmi --platform`).

use crate::{
    Error, ImageUser, RemoveOptions, Removed, Result, kept_image,
    kept_index::{KeptImage, KeptIndex},
    messages,
    record::NameRecord,
    remove::{self, Plan, collect, stacks},
    resolve::lookup_key,
    rooms::Inner,
    state::State,
};
use corten_oci::{Digest, Platform, Reference};

impl Plan<'_> {
    /// The index that a name keeps.
    pub fn index_of(&self, name: &Reference) -> Option<&KeptIndex> {
        self.state.names.get(name)?.index.as_deref()
    }

    /// Images without a name that only names which are gone have kept go, too. One that a
    /// container is made of stays, as any image without a name.
    pub fn let_go(&mut self) {
        let indexes = self.names_gone.iter().filter_map(|it| self.index_of(it));
        let images = indexes.flat_map(|index| index.images.iter());
        let kept: Vec<Digest> = images.map(|it| it.config.digest.clone()).collect();
        for id in kept {
            if self.is_free(&id) && self.images_gone.insert(id.clone()) {
                self.removed.push(Removed::Image(id));
            }
        }
    }

    /// Whether an image is here and nothing needs it.
    fn is_free(&self, id: &Digest) -> bool {
        let left = self.state.names.iter();
        let mut left = left.filter(|(name, _)| !self.names_gone.contains(*name));
        let is_kept = |record: &NameRecord| {
            let index = record.index.as_deref();
            record.image == *id || index.is_some_and(|index| index.holds(id))
        };
        self.state.images.contains_key(id)
            && !left.any(|(_, record)| is_kept(record))
            && self.children(id) == 0
            && !self.users.iter().any(|user| user.image == *id)
    }
}

/// Removes single platforms of what a name keeps. Blocking.
pub(crate) fn remove(
    inner: &Inner,
    text: &str,
    platforms: &[Platform],
    options: RemoveOptions,
    users: &[ImageUser],
) -> Result<Vec<Removed>> {
    let mut removed = Vec::new();
    for platform in platforms {
        removed.append(&mut remove_one(inner, text, platform, options, users)?);
    }
    Ok(removed)
}

/// What is to be done about one platform.
enum Way {
    /// Nothing else is under the name.
    Whole,
    /// One image of an index leaves; of those that are left the one that fits this machine
    /// best is what its names mean.
    Part(Box<Leaving>),
}

struct Leaving {
    kept: KeptIndex,
    image: KeptImage,
    best: KeptImage,
}

fn way(state: &State, host: &Platform, text: &str, platform: &Platform) -> Result<Way> {
    let image = state.resolve(text)?;
    let missing = || {
        let wanted = platform.normalised();
        Error::NotFound(messages::no_platform(text, &image.id, &wanted))
    };
    let is = |own: &Platform| own.normalised() == platform.normalised();
    let named = text.parse::<Reference>().ok();
    let named = named.and_then(|it| state.names.get(&lookup_key(&it)));
    let named = named.filter(|record| record.image == image.id);
    // An ID is removed with all of its names: what they keep is meant.
    let by_id = || {
        let mut names = state.names.values();
        names.find(|record| record.image == image.id && record.index.is_some())
    };
    let record = named.or_else(by_id);
    let Some(kept) = record.and_then(|record| record.index.as_deref()) else {
        return match is(&image.config.platform()) {
            true => Ok(Way::Whole),
            false => Err(missing()),
        };
    };
    let mut images = kept.images.iter();
    let found = images.find(|it| is(&it.platform)).ok_or_else(missing)?;
    Ok(match kept.without(found).best(host) {
        None => Way::Whole,
        Some(best) => Way::Part(Box::new(Leaving {
            kept: kept.clone(),
            image: found.clone(),
            best: best.clone(),
        })),
    })
}

fn remove_one(
    inner: &Inner,
    text: &str,
    platform: &Platform,
    options: RemoveOptions,
    users: &[ImageUser],
) -> Result<Vec<Removed>> {
    let way = way(&inner.state(), &inner.config.platform, text, platform)?;
    let Way::Part(leaving) = way else {
        return remove::remove(inner, text, options, users);
    };
    let Leaving { kept, image, best } = *leaving;
    let id = &image.config.digest;
    let user = users.iter().find(|user| user.image == *id);
    if let Some(user) = user.filter(|_| !options.force) {
        let container = remove::short(&user.container_id);
        return Err(Error::Conflict(messages::name_in_use(text, container, id)));
    }
    // The names need an image that is here.
    let means_it = |state: &State| state.names.values().any(|it| it.image == *id);
    if means_it(&inner.state()) {
        kept_image::unpack(inner, &best)?;
    }
    corten_base::step("rmi.platform");
    let (mut removed, stacks) = inner.change(|state| {
        let mut plan = Plan::new(state, users);
        let mut names = Vec::new();
        for (name, record) in &state.names {
            let index = record.index.as_deref();
            let Some(index) = index.filter(|it| it.root.digest == kept.root.digest) else {
                continue;
            };
            // Until the change is made, the plan sees names without what leaves them as gone.
            plan.names_gone.insert(name.clone());
            let mut record = record.clone();
            if record.image == *id {
                record.image = best.config.digest.clone();
                // Another removal has taken it meanwhile.
                if !state.images.contains_key(&record.image) {
                    return Err(Error::Interrupted);
                }
            }
            record.index = Some(Box::new(index.without(&image)));
            names.push((name.clone(), Some(record)));
        }
        let manifest = image.manifest.digest.clone();
        plan.removed.push(Removed::Manifest(manifest));
        if plan.is_free(id) {
            plan.images_gone.insert(id.clone());
        }
        let stacks = stacks(&plan);
        let mut change = plan.change();
        change.names = names;
        Ok((change, (plan.removed, stacks)))
    })?;
    collect(inner, &mut removed, stacks)?;
    corten_base::step("rmi.done");
    Ok(removed)
}
