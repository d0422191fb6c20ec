//! The undo stack: each step of a set-up stands beside what takes it back.

/// Actions that take back the steps done so far, run last-in first-out when dropped.
///
/// ```
/// # use corten_base::Undo;
/// let mut undone = Vec::new();
/// {
///     let mut undo = Undo::new();
///     undo.push(|| undone.push("mount"));
///     // … a later step failed: leaving the scope runs the stack.
/// }
/// assert_eq!(undone, ["mount"]);
/// ```
///
/// Invariant: an action must not panic and reports its own failure (tear-down goes on
/// after a failed action).
#[must_use = "dropping the stack undoes the steps at once"]
#[derive(Default)]
pub struct Undo<'a> {
    actions: Vec<Box<dyn FnOnce() + Send + 'a>>,
}

impl<'a> Undo<'a> {
    /// An empty stack.
    pub fn new() -> Self {
        Self {
            actions: Vec::new(),
        }
    }

    /// Adds the action that takes back the step just done.
    pub fn push(&mut self, action: impl FnOnce() + Send + 'a) {
        self.actions.push(Box::new(action));
    }

    /// The whole set-up succeeded: forgets every action.
    pub fn release(mut self) {
        self.actions.clear();
    }
}

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        while let Some(action) = self.actions.pop() {
            action();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn actions_run_in_reverse_unless_released() {
        let seen = Mutex::new(Vec::new());
        let mut undo = Undo::new();
        undo.push(|| seen.lock().unwrap().push(1));
        undo.push(|| seen.lock().unwrap().push(2));
        drop(undo);
        let mut undo = Undo::new();
        undo.push(|| seen.lock().unwrap().push(3));
        undo.release();
        assert_eq!(*seen.lock().unwrap(), [2, 1]);
    }
}
