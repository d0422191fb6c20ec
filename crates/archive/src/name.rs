//! Names of an archive made into paths inside a root.

use crate::{Error, Limit, Limits, Result, tar::over};
use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

/// The components of a name, lexically cleaned: no empty ones, no `.`, each `..` taken
/// with the one before it. Fails with [`Error::Escape`] where `..` leads above the root.
///
/// Docker cleans names the same way before it looks at the disk.
pub(crate) fn components<'a>(name: &'a [u8], limits: &Limits) -> Result<Vec<&'a [u8]>> {
    if name.len() > limits.path_bytes {
        return Err(over(Limit::PathBytes, limits));
    }
    let mut parts = Vec::new();
    for part in name.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop().ok_or_else(|| Error::Escape {
                    path: path(name).into(),
                })?;
            }
            _ => parts.push(part),
        }
    }
    match parts.len() > limits.path_depth {
        true => Err(over(Limit::PathDepth, limits)),
        false => Ok(parts),
    }
}

/// Bytes as a path.
pub(crate) fn path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

/// Components joined to a relative path.
pub(crate) fn join<T: AsRef<[u8]>>(parts: &[T]) -> PathBuf {
    let mut bytes = Vec::new();
    for part in parts {
        if !bytes.is_empty() {
            bytes.push(b'/');
        }
        bytes.extend_from_slice(part.as_ref());
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cleaned_and_kept_inside() {
        let clean = |name: &str| components(name.as_bytes(), &Limits::default()).map(|p| join(&p));
        assert_eq!(clean("/a//./b/").unwrap(), Path::new("a/b"));
        assert_eq!(clean("a/../b").unwrap(), Path::new("b"));
        assert_eq!(clean("./").unwrap(), Path::new(""));
        for bad in ["..", "../x", "/../x", "a/../../x"] {
            assert!(matches!(clean(bad), Err(Error::Escape { .. })), "{bad}");
        }
        assert!(clean(&"d/".repeat(600)).is_err());
    }
}
