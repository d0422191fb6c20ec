//! Values of version 1, in which the specification speaks, as values of version 2.
//!
//! The formulas are runc's (up to 1.3, which dockerd 28 ships), so that a container has
//! the same weight under both engines.

use crate::CgroupError;

/// `cpu.weight` (1 to 10000) for processor shares (2 to 262144). `None` for 0, which
/// means "not given".
pub(crate) fn cpu_weight(shares: u64) -> Option<u64> {
    let shares = match shares {
        0 => return None,
        shares => shares.clamp(2, 262_144),
    };
    Some(1 + (shares - 2) * 9999 / 262_142)
}

/// `io.weight` (1 to 10000) for a block I/O weight (10 to 1000).
pub(crate) fn io_weight(weight: u16) -> Option<u64> {
    match weight {
        0 => None,
        weight => Some(1 + (u64::from(weight).max(10) - 10) * 9999 / 990),
    }
}

/// `memory.swap.max` for a limit of memory and swap together: `None` for "leave it".
pub(crate) fn swap(memory: Option<i64>, both: Option<i64>) -> Result<Option<i64>, CgroupError> {
    let invalid = |value: String| CgroupError::InvalidValue {
        limit: "memory.swap",
        value,
    };
    match (memory.unwrap_or(0), both.unwrap_or(0)) {
        // Memory without limit and swap not given: no limit on swap either, as in v1.
        (-1, 0) | (_, -1) => Ok(Some(-1)),
        (_, 0) => Ok(None),
        (0 | -1, both) => Err(invalid(format!("{both} without a memory limit"))),
        (memory, both) if memory < 0 || both < memory => Err(invalid(format!(
            "{both} is below the memory limit {memory}"
        ))),
        (memory, both) => Ok(Some(both - memory)),
    }
}

/// `max` for -1, else the number.
pub(crate) fn limit(value: i64) -> String {
    if value < 0 {
        "max".to_owned()
    } else {
        value.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_those_of_runc() {
        for (shares, weight) in [
            (0, None),
            (2, Some(1)),
            (1024, Some(39)),
            (512, Some(20)),
            (262_144, Some(10_000)),
        ] {
            assert_eq!(cpu_weight(shares), weight, "{shares}");
        }
        for (block, weight) in [
            (0, None),
            (10, Some(1)),
            (100, Some(910)),
            (500, Some(4950)),
            (1000, Some(10_000)),
        ] {
            assert_eq!(io_weight(block), weight, "{block}");
        }
    }

    #[test]
    fn swap_is_what_remains_after_memory() {
        for (memory, both, swap_only) in [
            (Some(100), Some(300), Some(Some(200))),
            (Some(100), Some(100), Some(Some(0))),
            (Some(100), Some(-1), Some(Some(-1))),
            (Some(100), None, Some(None)),
            (Some(-1), None, Some(Some(-1))),
            (None, Some(100), None),
            (Some(200), Some(100), None),
        ] {
            assert_eq!(swap(memory, both).ok(), swap_only, "{memory:?} {both:?}");
        }
    }
}
