//! Which steps an operation passes, and what is left after a kill at one of them.
#![allow(dead_code, reason = "each test file uses its part")]

use corten_testkit::{Engine, Leftovers, until};
use std::path::PathBuf;

/// A step's name, and at which of its passages.
pub type Step = (String, usize);

/// Seconds in which what is done in the background is done.
const PATIENCE_SECONDS: u64 = 10;

/// A step that is passed more often than this is passed by pieces of one thing.
const PASSAGES: usize = 2;

/// The passages at which to kill: few ones all, many ones the first and one towards
/// the end, which the operation still reaches when it finds a little done already.
fn passages(count: usize) -> Vec<usize> {
    match count {
        0..=PASSAGES => (1..=count).collect(),
        _ => vec![1, count * 2 / 3],
    }
}

/// The steps of the daemon that `act` passes when nothing goes wrong, each as often as it
/// is worth being killed at.
pub fn steps_of(engine: &Engine, act: impl Fn(&Engine)) -> Vec<Step> {
    engine.steps().settled();
    engine.steps().forget();
    act(engine);
    let passed = engine.steps().settled();
    let own = passed
        .into_iter()
        .filter(|(name, _)| !name.starts_with("shim."));
    let steps: Vec<_> = own
        .flat_map(|(name, count)| passages(count).into_iter().map(move |n| (name.clone(), n)))
        .collect();
    println!("{} kills: {steps:?}", steps.len());
    steps
}

#[track_caller]
pub fn as_before(engine: &Engine, before: &Leftovers, step: &Step) {
    become_as(before, step, || engine.leftovers());
}

/// What the engine has once nothing is done in the background any more.
#[track_caller]
pub fn at_rest(engine: &Engine) -> Leftovers {
    let mut last = Leftovers::default();
    until("the engine is at rest", PATIENCE_SECONDS, || {
        engine.steps().settled();
        let now = engine.leftovers();
        let thrown = |path: &PathBuf| path.display().to_string().contains("/trash/");
        let same = now == last && !now.files.iter().any(thrown);
        last = now;
        same
    });
    last
}

/// Waits until `look` sees what there was before.
#[track_caller]
pub fn become_as(before: &Leftovers, step: &Step, look: impl Fn() -> Leftovers) {
    let start = std::time::Instant::now();
    while look() != *before {
        if start.elapsed().as_secs() > PATIENCE_SECONDS {
            tell_difference(&look(), before, step);
        }
        std::thread::sleep(std::time::Duration::from_millis(10)); // poll
    }
}

#[track_caller]
fn tell_difference(now: &Leftovers, before: &Leftovers, step: &Step) {
    let lines =
        |it: &Leftovers| -> Vec<String> { format!("{it:#?}").lines().map(str::to_owned).collect() };
    let (now, before) = (lines(now), lines(before));
    let more: Vec<_> = now.iter().filter(|line| !before.contains(line)).collect();
    let less: Vec<_> = before.iter().filter(|line| !now.contains(line)).collect();
    panic!("killed at {step:?}: left behind {more:#?}, missing {less:#?}");
}
