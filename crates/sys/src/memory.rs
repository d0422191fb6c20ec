//! Giving memory back that a long-lived small program used only once.

use std::io;

/// Lower pages of the stack than this far below the caller are in nobody's use: far more
/// than the frame of [`advise`] and the red zone.
const STACK_MARGIN: usize = 8 << 10;

/// A page of the usual size; where pages are larger, the call is refused and nothing is
/// given back.
const PAGE: usize = 4 << 10;

/// What only the beginning of a program needed: the pages of the stack below the caller,
/// and the mapped pages of its code, which come back from the page cache when they are
/// executed again.
///
/// To be called by the main thread of a program that has no other; elsewhere the stack
/// that it finds is not the caller's, and is left alone.
///
/// # Errors
/// What reading `/proc/self/maps` says.
pub fn release_after_start() -> io::Result<()> {
    let here = 0_u8;
    let stack_pointer = std::ptr::from_ref(&here).addr();
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    for line in maps.lines() {
        let mut fields = line.split_ascii_whitespace();
        let (range, rights) = (fields.next(), fields.next().unwrap_or_default());
        let Some((start, end)) = range.and_then(|range| range.split_once('-')) else {
            continue;
        };
        let parse = |text| usize::from_str_radix(text, 16).unwrap_or_default();
        let (start, end) = (parse(start), parse(end));
        if line.ends_with("[stack]") && (start..end).contains(&stack_pointer) {
            let unused = stack_pointer.saturating_sub(STACK_MARGIN) & !(PAGE - 1);
            if unused > start {
                advise(start, unused - start)?;
            }
        } else if rights.starts_with("r-x") && line.contains('/') {
            // Code of a file. Not constants: those with relocations were changed in
            // memory before they were protected.
            advise(start, end - start)?;
        }
    }
    Ok(())
}

fn advise(start: usize, length: usize) -> io::Result<()> {
    let start = std::ptr::with_exposed_provenance_mut(start);
    // SAFETY: the pages are either unused stack, below every live frame, or code
    // of a file, which the kernel reads again when it is executed.
    match unsafe { libc::madvise(start, length, libc::MADV_DONTNEED) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_goes_on_after_giving_memory_back() {
        let kept = vec![7_u8; 100_000];
        release_after_start().unwrap();
        assert!(kept.iter().all(|&byte| byte == 7));
        assert_eq!(format!("{}", kept.len()), "100000");
    }
}
