//! The declared clean-up of images, as its operator sees it.

use corten_testkit::Engine;

#[test]
fn images_that_the_policy_lets_go_are_shown_and_then_removed() {
    let mut engine = Engine::with_images(&["busybox", "debian", "redis"]);
    engine
        .corten(["system", "cleanup"])
        .fails(1, "no clean-up of images is declared");
    engine.docker(["create", "--name", "uses", "redis"]).ok();
    engine.stop_daemon();
    let policy = r#"{"image-cleanup": {"older-than": "1s", "protect-images": ["debian"]}}"#;
    std::fs::write(engine.path("daemon.json"), policy).expect("daemon.json");
    engine.start_daemon();
    let shown = || {
        engine
            .corten(["system", "cleanup", "--dry-run"])
            .ok()
            .to_owned()
    };
    corten_testkit::until("a second has passed", 20, || {
        shown().contains("busybox:latest")
    });
    let text = shown();
    assert!(
        !text.contains("debian") && !text.contains("redis") && text.contains("(age)"),
        "{text}"
    );
    let names = || {
        let list = engine.docker(["images", "--format", "{{.Repository}}"]);
        let mut names: Vec<String> = list.ok().lines().map(str::to_owned).collect();
        names.sort();
        names.dedup();
        names
    };
    assert_eq!(names(), ["busybox", "debian", "redis"]);
    let done = engine.corten(["system", "cleanup"]);
    assert!(done.ok().contains("busybox:latest"), "{}", done.stdout);
    assert_eq!(names(), ["debian", "redis"]);
    let again = engine.corten(["system", "cleanup"]);
    assert_eq!(again.ok(), "Total reclaimed space: 0B");
}
