//! Go's `omitempty`.

/// Whether `value` is what Go leaves out under `omitempty`.
pub(crate) fn empty<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
