//! Watching over the firewall's table: somebody else may flush it at any time.

use crate::{firewall::Firewall, networks::lock, registry::Registry};
use corten_netlink::nft::NftWatch;
use std::{
    sync::{Mutex, Weak},
    thread,
    time::Duration,
};

/// A change of somebody else comes in many pieces; it is over after this much silence.
const SILENCE: Duration = Duration::from_millis(20);
/// The thread sleeps until something is lost.
const FOREVER: Duration = Duration::from_secs(24 * 3600);

/// Starts a thread that makes the table anew when a part of it was changed by others. It
/// ends, at the next news, when the books are gone.
pub(crate) fn start(
    mut watch: NftWatch,
    (table, own): (String, u32),
    firewall: Weak<Firewall>,
    books: Weak<Mutex<Registry>>,
    forward_ours_only: bool,
) -> std::io::Result<()> {
    let work = move || {
        loop {
            match watch.change_of(&table, own, FOREVER) {
                Ok(true) => while matches!(watch.change_of(&table, own, SILENCE), Ok(true)) {},
                Ok(false) => continue,
                Err(error) => {
                    tracing::warn!(error = %error, "the firewall's table is not watched any more");
                    return;
                }
            }
            let (Some(firewall), Some(books)) = (firewall.upgrade(), books.upgrade()) else {
                return;
            };
            let contents = || lock(&books).firewall(forward_ours_only);
            if firewall.is_intact(contents).unwrap_or(false) {
                continue;
            }
            tracing::warn!("the firewall's table was changed by somebody else; making it anew");
            if let Err(error) = firewall.rebuild(contents) {
                tracing::warn!(error = %error, "making the firewall's table");
            }
        }
    };
    thread::Builder::new()
        .name("corten-net-watch".into())
        .stack_size(256 << 10)
        .spawn(work)
        .map(drop)
}
