//! Which repositories there are.

use crate::{error::Result, layout, name::RepositoryName, registry::Registry};

impl Registry {
    /// All repositories that have or had a manifest, sorted.
    pub(crate) async fn repositories(&self) -> Result<Vec<RepositoryName>> {
        let entries = self.0.storage.entries(layout::CATALOG).await?;
        let mut names: Vec<RepositoryName> = entries
            .iter()
            .filter_map(|entry| RepositoryName::from_key(&entry.name))
            .collect();
        names.sort();
        Ok(names)
    }

    /// Whether a repository has been pushed to.
    pub(crate) async fn has_repository(&self, name: &RepositoryName) -> Result<bool> {
        let stat = self.0.storage.stat(&layout::catalog(name)).await?;
        Ok(stat.is_some())
    }
}

/// One page of a sorted list: what comes after `last`, at most `limit`; and whether more
/// follows.
pub(crate) fn page<T, K: AsRef<str>>(
    list: Vec<T>,
    key: impl Fn(&T) -> K,
    last: Option<&str>,
    limit: usize,
) -> (Vec<T>, bool) {
    let after = |item: &T| last.is_none_or(|last| key(item).as_ref() > last);
    let mut rest: Vec<T> = list.into_iter().filter(after).collect();
    let more = rest.len() > limit;
    rest.truncate(limit);
    (rest, more && limit > 0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn pages_join_without_gap_or_overlap() {
        let all = ["a", "b", "c", "d", "e"];
        let page = |last, limit| super::page(all.to_vec(), |item| *item, last, limit);
        assert_eq!(page(None, 2), (vec!["a", "b"], true));
        assert_eq!(page(Some("b"), 2), (vec!["c", "d"], true));
        assert_eq!(page(Some("d"), 2), (vec!["e"], false));
        assert_eq!(page(Some("bb"), 1), (vec!["c"], true));
        assert_eq!(page(None, 0), (vec![], false));
        assert_eq!(page(Some("z"), 9), (vec![], false));
    }
}
