//! When an image that is here is pulled all the same.

use super::*;

/// A policy, what stands beside it, and whether the image is pulled although it is here.
/// Stock Compose takes `refresh` for `missing`, as it does not know `pull_refresh_after`.
const POLICIES: [(&str, &str, bool); 12] = [
    ("always", "", true),
    ("never", "", false),
    ("missing", "", false),
    ("if_not_present", "", false),
    ("build", "", false),
    ("daily", "", false),
    ("weekly", "", false),
    ("every_0s", "", true),
    ("every_1w2d", "", false),
    ("refresh", "", false),
    ("refresh", "pull_refresh_after: 1w", false),
    ("refresh", "pull_refresh_after: 0s", true),
];

#[test]
fn a_policy_says_when_an_image_is_pulled_again() {
    let engine = Engine::with_registries();
    let image = "127.0.0.1:5000/busybox";
    engine.docker(["pull", "-q", image]).ok();
    // Windows are counted from when the image got its name by hand, as with dockerd.
    engine.docker(["tag", image, image]).ok();
    for (policy, beside, pulled) in POLICIES {
        let text = format!(
            "services:\n  one:\n    image: {image}\n    pull_policy: {policy}\n    {beside}\n"
        );
        let directory = engine.files("pulls", &[("compose.yaml", &text)]);
        let words = ["--dry-run", "create"];
        let own = ours(&engine, &directory, &words);
        own.ok();
        let is_pulled = |ran: &Ran| ran.stderr.contains("one Pulled");
        assert_eq!(is_pulled(&own), pulled, "{policy} {beside}: {own:?}");
        if beside.is_empty() {
            let stock = inside(&engine, &corten_testkit::compose(), &directory, &words);
            assert_eq!(is_pulled(&stock), pulled, "{policy}: {stock:?}");
        }
    }
    // A window that no number holds is one that never ends.
    let text = format!(
        "services: {{ one: {{ image: \"{image}\", pull_policy: every_99999999999999999999d }} }}\n"
    );
    let directory = engine.files("pulls", &[("compose.yaml", &text)]);
    let ran = ours(&engine, &directory, &["--dry-run", "create"]);
    ran.ok();
    assert!(!ran.stderr.contains("Pulled"), "{ran:?}");
}
