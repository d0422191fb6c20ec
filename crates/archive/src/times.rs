//! Times of files as an archive tells them.

use crate::tar::Time;

/// Which times entries get. Seconds are those since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Times {
    /// The files' own.
    #[default]
    Kept,
    /// The files' own, later ones brought back to this one.
    AtMost(i64),
    /// This one for all.
    All(i64),
}

impl Times {
    /// What a file's time is told as.
    pub(crate) fn told(self, own: Time) -> Time {
        let at = |seconds| Time {
            seconds,
            nanoseconds: 0,
        };
        match self {
            Self::Kept => own,
            Self::AtMost(last) if own.seconds < last => own,
            Self::AtMost(seconds) | Self::All(seconds) => at(seconds),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_times_are_brought_back_and_earlier_ones_stay() {
        let time = |seconds, nanoseconds| Time {
            seconds,
            nanoseconds,
        };
        assert_eq!(Times::AtMost(5).told(time(4, 9)), time(4, 9));
        assert_eq!(Times::AtMost(5).told(time(5, 9)), time(5, 0));
        assert_eq!(Times::AtMost(5).told(time(-9, 1)), time(-9, 1));
        assert_eq!(Times::AtMost(5).told(time(6, 0)), time(5, 0));
        assert_eq!(Times::All(5).told(time(4, 9)), time(5, 0));
        assert_eq!(Times::Kept.told(time(6, 7)), time(6, 7));
    }
}
