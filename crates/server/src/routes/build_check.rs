//! What dockerd's door refuses of a build, and what its classic builder says otherwise than
//! BuildKit.

use crate::{error::ApiError, http::Query, messages};
use corten_base::Kind;
use std::path::{Component, Path};

/// What dockerd looks at before it takes a context.
pub(super) fn before(query: &Query) -> Result<(), ApiError> {
    let version = query.text("version");
    if !matches!(version, "" | "1" | "2") {
        return Err(ApiError::invalid(messages::invalid_version(version)));
    }
    let isolation = query.text("isolation");
    if !isolation.is_empty() && !isolation.eq_ignore_ascii_case("default") {
        return Err(ApiError::invalid(messages::unsupported_isolation(
            isolation,
        )));
    }
    for name in query.all("t").iter().filter(|name| !name.is_empty()) {
        let parsed = name.parse::<corten_oci::Reference>();
        parsed.map_err(|error| ApiError::new(Kind::Internal, error.to_string()))?;
    }
    Ok(())
}

/// A path that leads out of the context is refused.
pub(super) fn dockerfile(path: &str) -> Result<(), ApiError> {
    let outside = || ApiError::new(Kind::Internal, messages::dockerfile_outside(path));
    inside(path).ok_or_else(outside)
}

fn inside(path: &str) -> Option<()> {
    let mut depth = 0_usize;
    for part in Path::new(path).components() {
        match part {
            Component::Normal(_) => depth += 1,
            Component::ParentDir => depth = depth.checked_sub(1)?,
            _ => {}
        }
    }
    Some(())
}

/// What the classic builder says otherwise than BuildKit about a Dockerfile.
pub(super) fn classic(error: corten_build::Error, file: &str) -> ApiError {
    let sentence = corten_base::chain(&error);
    match &error {
        corten_build::Error::RemoteStatus { url, status } => {
            let kind = match status {
                400 => Kind::InvalidParameter,
                401 => Kind::Unauthorized,
                403 => Kind::Forbidden,
                404 => Kind::NotFound,
                _ => Kind::Internal,
            };
            ApiError::new(kind, messages::remote_context_status(url, *status))
        }
        corten_build::Error::NotFound(_) if sentence.starts_with("failed to read dockerfile:") => {
            ApiError::new(Kind::Internal, messages::no_dockerfile(file))
        }
        corten_build::Error::Dockerfile(_) if sentence == "the Dockerfile cannot be empty" => {
            ApiError::invalid(messages::empty_dockerfile(file))
        }
        _ => ApiError::from(error),
    }
}
