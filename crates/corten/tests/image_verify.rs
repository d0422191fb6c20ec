//! `corten image verify`, typed at an engine whose disk was damaged.

use corten_testkit::Engine;

#[test]
fn a_damaged_file_of_an_image_is_found_and_mended() {
    let engine = Engine::with_registries();
    engine.docker(["pull", "-q", "busybox"]).ok();
    let whole = engine.corten(["image", "verify", "busybox"]);
    assert!(
        whole
            .ok()
            .ends_with("1 images, 1 layers: 0 damaged, 0 repaired"),
        "{}",
        whole.stdout
    );
    let format = "{{.GraphDriver.Data.UpperDir}}";
    let directory = engine.docker(["image", "inspect", "-f", format, "busybox"]);
    let file = std::path::Path::new(directory.ok()).join("bin/busybox");
    std::fs::write(&file, "no program").expect("the file is damaged");
    let found = engine.corten(["image", "verify"]);
    found.fails(1, "damaged parts: 1");
    assert!(
        found.stdout.contains("files: ") && found.stdout.contains("bin/"),
        "{}",
        found.stdout
    );
    engine.corten(["image", "verify", "--repair"]).ok();
    engine.docker(["run", "--rm", "busybox", "true"]).ok();
    engine.corten(["image", "verify"]).ok();
    engine
        .corten(["image", "verify", "nothing"])
        .fails(1, "No such image: nothing:latest");
    // The stock client's command line has no such command.
    engine.corten_as_docker(["image", "verify"]).fails(1, "");
}
