//! `corten registry serve` beside an engine, with the stock client between them.

use corten_testkit::{Engine, binary, program, run, run_with_input, until};

/// Starts our registry on a loopback port of the engine's.
fn serve(engine: &mut Engine, port: u16) {
    let mut registry = engine.inside(binary("corten"));
    let root = engine.path(&format!("own-registry-{port}"));
    registry.args(["registry", "serve", "--root"]).arg(root);
    registry.arg(format!("--listen=127.0.0.1:{port}"));
    engine.beside(registry);
    let url = format!("http://127.0.0.1:{port}/v2/");
    until("our registry answers", 20, || {
        run(engine.inside("curl").args(["-sf", "--max-time", "2", &url])).code == 0
    });
}

#[test]
fn an_image_goes_to_our_registry_and_comes_back_with_the_same_digest() {
    let mut engine = Engine::with_images(&["busybox"]);
    serve(&mut engine, 5055);
    let name = "127.0.0.1:5055/team/busybox:1";
    engine.docker(["tag", "busybox", name]).ok();
    let pushed = engine.docker(["push", name]).ok().to_owned();
    let digest = pushed.split("digest: ").nth(1).unwrap_or_default();
    let digest = digest.split(' ').next().unwrap_or_default().to_owned();
    assert!(digest.starts_with("sha256:"), "{pushed}");
    // Another repository gets the layer mounted, a second push finds everything there.
    let other = "127.0.0.1:5055/other/busybox:1";
    engine.docker(["tag", "busybox", other]).ok();
    assert!(
        engine
            .docker(["push", other])
            .ok()
            .contains("Mounted from team/busybox")
    );
    assert!(
        engine
            .docker(["push", name])
            .ok()
            .contains("Layer already exists")
    );
    let id = engine
        .docker(["inspect", "-f", "{{.Id}}", "busybox"])
        .ok()
        .to_owned();
    for tag in [name, other, "busybox"] {
        engine.docker(["rmi", tag]).ok();
    }
    assert!(engine.docker(["pull", name]).ok().contains(&digest));
    assert_eq!(engine.docker(["inspect", "-f", "{{.Id}}", name]).ok(), id);
    assert_eq!(
        engine.docker(["run", "--rm", name, "echo", "hello"]).ok(),
        "hello"
    );
    // What the registry says of it, through the engine.
    let (status, found) = engine.request("GET", &format!("/distribution/{name}/json"), "");
    assert_eq!(status, 200, "{found}");
    assert!(
        found.contains(&digest) && found.contains(r#""os":"linux""#),
        "{found}"
    );
    let (status, found) = engine.request("GET", "/distribution/127.0.0.1:5055/none/json", "");
    assert_eq!(status, 404, "{found}");
    // It has no search of the first version's API, which is said and not hidden.
    engine
        .docker(["search", "127.0.0.1:5055/busybox"])
        .fails(1, "Unexpected status code 404");
    engine
        .docker(["search", "--limit", "500", "x"])
        .fails(1, "limit 500 is outside the range of [1, 100]");
    engine
        .docker(["inspect", "--type", "image", "--format", "{{.Os}}", name])
        .ok();
    engine
        .docker(["image", "inspect", "--platform", "linux/arm64", name])
        .fails(1, "does not match the specified platform (linux/arm64)");
    let page = run(engine
        .inside("curl")
        .args(["-s", "http://127.0.0.1:5055/r/team/busybox"]));
    assert!(page.ok().contains("linux/amd64"), "{}", page.stdout);
}

#[test]
fn archives_packed_with_xz_and_bzip2_are_loaded_and_imported() {
    let engine = Engine::with_images(&["busybox"]);
    let id = engine
        .docker(["inspect", "-f", "{{.Id}}", "busybox"])
        .ok()
        .to_owned();
    let saved = engine.path("saved.tar");
    let saved = saved.to_str().expect("a path of ours").to_owned();
    engine.docker(["save", "-o", &saved, "busybox:latest"]).ok();
    engine.docker(["create", "--name", "box", "busybox"]).ok();
    let tree = engine.path("tree.tar");
    let tree = tree.to_str().expect("a path of ours").to_owned();
    engine.docker(["export", "-o", &tree, "box"]).ok();
    engine.docker(["rm", "box"]).ok();
    for tool in ["xz", "bzip2"] {
        for file in [&saved, &tree] {
            run(&mut program(tool, ["-1", "-k", "-f", file])).ok();
        }
        let ending = if tool == "xz" { "xz" } else { "bz2" };
        engine.docker(["rmi", "-f", &id]).ok();
        let loaded = engine.docker(["load", "-i", &format!("{saved}.{ending}")]);
        assert_eq!(loaded.ok(), "Loaded image: busybox:latest");
        assert_eq!(
            engine.docker(["inspect", "-f", "{{.Id}}", "busybox"]).ok(),
            id
        );
        let name = format!("tree-{tool}");
        let packed = std::fs::read(format!("{tree}.{ending}")).expect("the packed tree");
        let mut import = engine.docker_command(["import", "-c", "CMD echo imported", "-", &name]);
        run_with_input(&mut import, &packed).ok();
        assert_eq!(engine.docker(["run", "--rm", &name]).ok(), "imported");
    }
}
