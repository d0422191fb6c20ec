//! The allocator's own settings.

/// Lets the allocator keep at most `arenas` pools of memory. Fewer pools hold less memory
/// that nobody uses, more let more threads allocate at the same time.
///
/// mallopt(3), `M_ARENA_MAX`; without effect on C libraries that have no arenas.
pub fn limit_arenas(arenas: i32) {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt takes two integers, and reports a value it does not take by its
    // return value; a limit that is not set costs memory, no more.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, arenas);
    }
    #[cfg(not(target_env = "gnu"))]
    let _ = arenas;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allocation_goes_on_with_one_arena() {
        limit_arenas(1);
        let threads: Vec<_> = (0..4)
            .map(|n| std::thread::spawn(move || vec![n; 1 << 16]))
            .collect();
        for (n, thread) in threads.into_iter().enumerate() {
            assert_eq!(thread.join().expect("it only allocates")[7], n);
        }
    }
}
