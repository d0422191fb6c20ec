//! `manifest annotate`.

use super::{reference, store::Store};
use crate::{app::Call, error::CliError};
use corten_oci::Reference;

/// What Go builds for: the only pairs the stock client takes.
const PAIRS: &[(&str, &[&str])] = &[
    ("darwin", &["386", "amd64", "arm", "arm64"]),
    ("dragonfly", &["amd64"]),
    ("freebsd", &["386", "amd64", "arm"]),
    (
        "linux",
        &[
            "386", "amd64", "arm", "arm64", "ppc64le", "mips64", "mips64le", "riscv64", "s390x",
        ],
    ),
    ("netbsd", &["386", "amd64", "arm"]),
    ("openbsd", &["386", "amd64", "arm"]),
    ("plan9", &["386", "amd64"]),
    ("solaris", &["amd64"]),
    ("windows", &["386", "amd64"]),
];

/// Says for which platform a manifest of a list is.
pub async fn run(call: &Call<'_>) -> Result<u8, CliError> {
    let (list_name, name) = (call.arg(0), call.arg(1));
    let list = parsed(list_name, "manifest list")?;
    let image = parsed(name, "manifest")?;
    let store = Store::of(call.app);
    let mut entry = store.get(&list, &image)?.ok_or_else(|| {
        CliError::Text(format!(
            "manifest for image {name} does not exist in {list_name}"
        ))
    })?;
    let flags = &call.parsed;
    let (os, architecture) = (flags.text("os"), flags.text("arch"));
    let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let platform = entry.platform.get_or_insert_default();
    if let Some(os) = given(os) {
        platform.os = os;
    }
    if let Some(architecture) = given(architecture) {
        platform.architecture = architecture;
    }
    for feature in flags.all("os-features") {
        let known = platform.os_features.get_or_insert_default();
        if !known.iter().any(|known| known == feature) {
            known.push(feature.to_owned());
        }
    }
    if let Some(variant) = given(flags.text("variant")) {
        platform.variant = Some(variant);
    }
    if let Some(version) = given(flags.text("os-version")) {
        platform.os_version = Some(version);
    }
    let known = PAIRS.iter().any(|(system, architectures)| {
        *system == platform.os && architectures.contains(&platform.architecture.as_str())
    });
    if !known {
        return Err(CliError::Text(format!(
            "manifest entry for image has unsupported os/arch combination: {os}/{architecture}"
        )));
    }
    store.save(&list, &image, &entry)?;
    Ok(0)
}

fn parsed(text: &str, what: &str) -> Result<Reference, CliError> {
    reference(text).map_err(|error| {
        CliError::Text(format!(
            "annotate: error parsing name for {what} {text}: {error}"
        ))
    })
}
