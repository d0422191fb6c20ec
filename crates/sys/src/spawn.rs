//! How the standard library starts programs.

/// Lets [`std::process::Command`] start programs without a copy of this process's page
/// tables, also in a statically linked program: it does so by posix_spawn(3) (`CLONE_VFORK`),
/// which it uses if it finds the C library's version and `addchdir_np` through weak symbols.
/// A static link leaves weak symbols empty unless something refers to them by name, as this
/// does; then it forks, which takes longer the more memory the caller has.
pub fn without_fork() {
    #[cfg(target_env = "gnu")]
    std::hint::black_box((
        libc::gnu_get_libc_version as *const (),
        libc::posix_spawn_file_actions_addchdir_np as *const (),
    ));
}
