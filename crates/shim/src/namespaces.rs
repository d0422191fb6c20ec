//! `corten-shim namespaces [FILE]`: makes a user namespace and a network namespace of it,
//! for whoever started the program.
//!
//! A process of several threads, as the engine is, cannot make a user namespace; and a
//! network namespace belongs to the user namespace in which it is made, for good. One byte
//! on standard output says that they are there. They are held until standard input ends:
//! by then whoever asked has written the maps and opened both.

use corten_sys::namespace::{self, NEWNET, NEWUSER};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;

/// Makes them and waits. `users`: the file of a user namespace that is there already; only
/// a network namespace is made then.
///
/// # Errors
/// Those of setns(2), of unshare(2), and of the standard streams.
pub fn hold_namespaces(users: Option<&Path>) -> io::Result<()> {
    let new = match users {
        None => NEWUSER | NEWNET,
        Some(path) => {
            namespace::setns(File::open(path)?.as_fd(), NEWUSER)?;
            NEWNET
        }
    };
    namespace::unshare(new)?;
    io::stdout().write_all(b".")?;
    io::stdout().flush()?;
    io::stdin().read(&mut [0]).map(drop)
}
