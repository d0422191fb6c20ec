//! `docker tag`: one more name for an image.

use crate::{
    Error, Result, kept_index::of_name, messages, resolve::lookup_key, rooms::Inner, state::Change,
};
use corten_oci::{Digest, Reference};

/// Gives `source` the name `target`. Blocking.
pub(crate) fn tag(inner: &Inner, source: &str, target: &Reference) -> Result<Digest> {
    inner.change(|state| {
        let id = state.resolve(source)?.id;
        let named = source.parse::<Reference>().ok();
        let named = named.and_then(|it| state.names.get(&lookup_key(&it)));
        let index = of_name(named, &id);
        let mut change = Change::default();
        change.add_tag(state, &id, check_target(target)?, index);
        Ok((change, id))
    })
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
