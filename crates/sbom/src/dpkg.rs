//! dpkg's records: one file for all (`status`), or one for each (`status.d`, as in images
//! without dpkg).

use crate::{
    fields::paragraphs,
    package::{Kind, Package, clean},
};

/// The packages of a file at `record` that are installed.
pub(crate) fn packages(text: &str, record: &str) -> Vec<Package> {
    let one = |fields: std::collections::HashMap<&str, &str>| {
        let field = |name: &str| clean(fields.get(name).copied().unwrap_or_default());
        // deb-control(5): `install ok installed`; files of `status.d` have no such line.
        let status = fields.get("Status").copied();
        let here = status.is_none_or(|it| it.split(' ').next_back() == Some("installed"));
        let name = field("Package");
        (here && !name.is_empty()).then(|| Package {
            kind: Kind::Deb,
            name,
            version: field("Version"),
            architecture: field("Architecture"),
            supplier: field("Maintainer"),
            license: String::new(),
            record: record.to_owned(),
        })
    };
    paragraphs(text).filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_that_are_removed_are_not_listed() {
        let text = "Package: a\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n\n\
                    Package: b\nStatus: deinstall ok config-files\nVersion: 2\n\n\
                    Package: c\nVersion: 3\nMaintainer: Somebody <a@b>\n\nNonsense: x\n";
        let found = packages(text, "/var/lib/dpkg/status");
        let names: Vec<&str> = found.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["a", "c"]);
        assert_eq!(found[0].architecture, "all");
        assert_eq!(found[1].supplier, "Somebody <a@b>");
    }
}
