//! `docker tag`: one more name for an image.

use crate::{
    Error, Result, messages,
    record::NameRecord,
    rooms::Inner,
    state::{Change, State},
};
use corten_base::Timestamp;
use corten_oci::{Digest, Reference};

/// Gives `source` the name `target`. Blocking.
pub(crate) fn tag(inner: &Inner, source: &str, target: &Reference) -> Result<Digest> {
    inner.change(|state| {
        let id = state.resolve(source)?.id;
        let change = tag_change(state, &id, target)?;
        Ok((change, id))
    })
}

/// What giving an image a name changes.
pub(crate) fn tag_change(state: &State, id: &Digest, target: &Reference) -> Result<Change> {
    let target = check_target(target)?;
    let mut change = Change::default();
    if let Some(entry) = state.images.get(id) {
        let mut entry = entry.clone();
        entry.record.last_tag_time = Timestamp::now();
        change.images.push((id.clone(), Some(entry)));
    }
    change.names.push((
        target,
        Some(NameRecord {
            image: id.clone(),
            descriptor: None,
        }),
    ));
    Ok(change)
}

/// The form in which a name can be given: with a tag, not with a digest.
pub(crate) fn check_target(target: &Reference) -> Result<Reference> {
    if target.digest().is_some() {
        return Err(Error::Invalid(messages::TAG_IS_DIGEST.into()));
    }
    if target.familiar_name() == "sha256" {
        return Err(Error::Invalid(messages::TAG_IS_ALGORITHM.into()));
    }
    Ok(target.clone().or_latest())
}
