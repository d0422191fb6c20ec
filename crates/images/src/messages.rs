//! Sentences that Docker's users know, to the letter.

use corten_oci::{Digest, Platform, Reference};

pub(crate) fn no_such_image(reference: &str) -> String {
    format!("No such image: {reference}")
}

/// What `save` says of a tag or digest that nothing bears.
pub(crate) fn no_reference() -> String {
    "reference does not exist".to_owned()
}

/// The form in which Docker names an image that does not exist.
pub(crate) fn familiar_with_tag(reference: &Reference) -> String {
    reference.clone().or_latest().familiar()
}

pub(crate) fn name_in_use(name: &str, container: &str, image: &Digest) -> String {
    format!(
        "conflict: unable to remove repository reference {name:?} (must force) - container \
         {container} is using its referenced image {}",
        image.short()
    )
}

pub(crate) fn cannot_delete(image: &Digest, hard: bool, reason: &str) -> String {
    let force = if hard {
        "cannot be forced"
    } else {
        "must be forced"
    };
    format!(
        "conflict: unable to delete {} ({force}) - {reason}",
        image.short()
    )
}

pub(crate) const HAS_CHILDREN: &str = "image has dependent child images";
pub(crate) const MULTIPLE_REPOSITORIES: &str = "image is referenced in multiple repositories";

pub(crate) fn used_by_running(container: &str) -> String {
    format!("image is being used by running container {container}")
}

pub(crate) fn used_by_stopped(container: &str) -> String {
    format!("image is being used by stopped container {container}")
}

pub(crate) const OS_UNSUPPORTED: &str = "operating system is not supported";

pub(crate) const TAG_IS_DIGEST: &str = "refusing to create a tag with a digest reference";
pub(crate) const TAG_IS_ALGORITHM: &str =
    "refusing to create an ambiguous tag using digest algorithm as name";

pub(crate) fn wrong_platform(name: &str, actual: &Platform, wanted: &Platform) -> String {
    format!(
        "image with reference {name} was found but its platform ({}) does not match the \
         specified platform ({wanted})",
        actual.normalised()
    )
}

/// What `rmi --platform` says of a platform that is not there.
pub(crate) fn no_platform(name: &str, id: &Digest, wanted: &Platform) -> String {
    format!(
        "failed to delete platform {wanted} for image {id}: image with reference {name} was found \
         but does not provide the specified platform ({wanted})"
    )
}

/// What `push` says of an index of which parts were removed.
pub(crate) fn missing_parts(name: &str) -> String {
    format!(
        "{name} lists images for platforms that are not on this machine: push one of those that \
         are with --platform"
    )
}

pub(crate) fn nothing_to_save(platform: &Platform) -> String {
    format!("no suitable export target found for platform {platform}")
}
