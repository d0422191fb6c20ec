//! `docker tag`: one more name for an image.

use crate::{Error, Result, messages, rooms::Inner, state::Change};
use corten_oci::{Digest, Reference};

/// Gives `source` the name `target`. Blocking.
pub(crate) fn tag(inner: &Inner, source: &str, target: &Reference) -> Result<Digest> {
    inner.change(|state| {
        let id = state.resolve(source)?.id;
        let mut change = Change::default();
        change.add_tag(state, &id, check_target(target)?);
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
