//! What a build does not do: steps whose results nobody reads any more, and their bases.

use corten_testkit::{Engine, Ran};

/// A base of its own, at the second registry and nowhere else.
const BASE: &str = "127.0.0.1:5001/base:1";

const STAGES: &str = "FROM 127.0.0.1:5001/base:1 AS tool
RUN cat /base /proc/sys/kernel/random/uuid > /tool
FROM busybox
COPY --from=tool /tool /tool
RUN cat /tool > /twice
";

fn build(engine: &Engine, words: &[&str]) -> Ran {
    let directory = engine.path("lazy").display().to_string();
    let own = ["build", "--progress", "plain", "-t", "built"];
    let ran = engine.corten([&own, words, &[&directory]].concat());
    ran.ok();
    ran
}

fn content(engine: &Engine, words: &[&str]) -> String {
    let run = [&["run", "--rm", "built", "cat"], words].concat();
    engine.docker(run).ok().to_owned()
}

fn has_base(engine: &Engine) -> bool {
    let listed = engine.docker(["images", "-q", BASE]);
    !listed.ok().trim().is_empty()
}

fn with_base() -> Engine {
    let engine = Engine::with_registries();
    engine.install_buildx();
    engine.load("busybox");
    let file = "FROM busybox\nRUN echo base > /base\n";
    let directory = engine.files("base", &[("Dockerfile", file)]);
    let directory = directory.display().to_string();
    engine.docker(["build", "-t", BASE, &directory]).ok();
    engine.docker(["push", BASE]).ok();
    engine.docker(["image", "rm", BASE]).ok();
    engine.docker(["builder", "prune", "-a", "-f"]).ok();
    engine.files("lazy", &[("Dockerfile", STAGES)]);
    engine
}

/// The lines that tell of a step: `CACHED` or `DONE 0.1s`.
fn told(ran: &Ran, step: &str) -> String {
    let lines: Vec<&str> = ran.stderr.lines().collect();
    let number = lines.iter().find_map(|line| {
        let (number, name) = line.split_once(' ')?;
        name.contains(step).then_some(number)
    });
    let number = number.unwrap_or_else(|| panic!("{step} in {}", ran.stderr));
    let own = lines.iter().filter_map(|it| it.strip_prefix(number));
    own.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_stage_that_only_a_cached_step_reads_is_not_done_again_nor_its_base_pulled() {
    let engine = with_base();
    let built = build(&engine, &[]);
    assert!(told(&built, "RUN cat /base").contains("DONE"));
    assert!(has_base(&engine));
    let first = content(&engine, &["/twice"]);
    engine.docker(["image", "rm", BASE]).ok();
    let only = "description~=random/uuid";
    let pruned = engine.docker(["buildx", "prune", "-af", "--filter", only]);
    assert!(pruned.ok().lines().count() > 2, "{}", pruned.stdout);
    let again = build(&engine, &[]);
    for step in ["RUN cat /base", "COPY --from=tool", "RUN cat /tool"] {
        assert!(told(&again, step).contains("CACHED"), "{}", again.stderr);
    }
    assert_eq!(content(&engine, &["/twice"]), first);
    assert!(!has_base(&engine), "{}", again.stderr);
    // A step that has to be done needs them.
    engine.files(
        "lazy",
        &[(
            "Dockerfile",
            &STAGES.replace("/tool /tool\n", "/tool /it\nCOPY --from=tool /base /tool\n"),
        )],
    );
    let changed = build(&engine, &[]);
    assert!(
        told(&changed, "RUN cat /base").contains("DONE"),
        "{}",
        changed.stderr
    );
    assert!(has_base(&engine));
    assert_eq!(content(&engine, &["/twice"]), "base");
}

#[test]
fn a_cache_at_a_registry_stands_in_for_stages_that_it_does_not_have() {
    let engine = with_base();
    let cache = "type=registry,ref=127.0.0.1:5001/few:1";
    build(&engine, &["--cache-to", cache]);
    let first = content(&engine, &["/twice"]);
    engine.docker(["image", "rm", BASE]).ok();
    engine.docker(["image", "rm", "-f", "built"]).ok();
    engine.docker(["builder", "prune", "-a", "-f"]).ok();
    let again = build(&engine, &["--cache-from", cache]);
    assert!(
        told(&again, "RUN cat /base").contains("CACHED"),
        "{}",
        again.stderr
    );
    assert_eq!(content(&engine, &["/twice"]), first);
    assert!(!has_base(&engine), "{}", again.stderr);
    // What came is on record: the next build needs no cache elsewhere.
    let own = build(&engine, &[]);
    assert!(
        told(&own, "RUN cat /tool").contains("CACHED"),
        "{}",
        own.stderr
    );
    assert_eq!(content(&engine, &["/twice"]), first);
}

#[test]
fn what_is_done_anew_on_request_is_seen_by_the_stages_that_read_it() {
    let engine = Engine::with_images(&["busybox"]);
    let file = "FROM busybox AS tool
RUN cat /proc/sys/kernel/random/uuid > /tool
RUN echo same > /same
FROM busybox AS other
COPY --from=tool /same /same
FROM tool AS next
RUN cat /tool > /next
FROM busybox
COPY --from=tool /tool /tool
COPY --from=next /next /next
COPY --from=other /same /same
";
    engine.files("lazy", &[("Dockerfile", file)]);
    let files = ["/tool", "/next"];
    build(&engine, &[]);
    let first = content(&engine, &files);
    let anew = build(&engine, &["--no-cache-filter", "tool"]);
    let second = content(&engine, &files);
    let lines: Vec<&str> = second.lines().collect();
    assert_eq!(lines[0], lines[1]);
    assert_ne!(first, second, "{}", anew.stderr);
    // What came out the same is found by that.
    assert!(
        told(&anew, "[other 2/2] COPY").contains("CACHED"),
        "{}",
        anew.stderr
    );
    assert!(
        told(&anew, "RUN echo same").contains("DONE"),
        "{}",
        anew.stderr
    );
    // The cache has what was done last.
    let again = build(&engine, &[]);
    assert_eq!(content(&engine, &files), second, "{}", again.stderr);
    assert!(told(&again, "RUN cat /tool").contains("CACHED"));
}
