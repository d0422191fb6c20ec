//! A project that one tool made is gone on with by the other, both ways: what
//! is there after each step is what stock Compose alone would leave there.

use super::*;
use std::collections::BTreeMap;

const PROJECT: &str = r#"
name: shared
services:
  db:
    image: busybox
    command: sleep 1000
    stop_signal: SIGKILL
    networks: [back]
    volumes: ["data:/data", "/scratch"]
    secrets: [password]
  web:
    image: busybox
    command: sleep 1000
    stop_signal: SIGKILL
    deploy: { replicas: 2 }
    depends_on: [db]
    networks: { back: { aliases: [site] }, front: {} }
    configs: [{ source: motd, target: /etc/motd }, { source: page, target: /page }]
    ports: ["80"]
  job:
    image: busybox
    command: sleep 1000
    stop_signal: SIGKILL
    profiles: [jobs]
    networks: [back]
    volumes: ["data:/data"]
  tool:
    image: busybox
    command: sleep 1000
    stop_signal: SIGKILL
    profiles: [tools]
    networks: [front]
networks: { back: { labels: { kind: inner } }, front: {} }
volumes: { data: { labels: { kind: kept } } }
secrets: { password: { file: ./password.txt } }
configs:
  motd: { content: "hello" }
  page: { file: ./page.html }
"#;

/// IDs by name of all containers; names are followed by states.
fn all(engine: &Engine) -> BTreeMap<String, String> {
    let format = "{{.Names}} {{.State}}\t{{.ID}}";
    let listed = engine.docker(["ps", "-a", "--no-trunc", "--format", format]);
    let line = |line: &str| {
        let (name, id) = line.split_once('\t')?;
        // Stock Compose makes up the end of a one-off container's name.
        let known = name.find("-run-").map_or(name.to_owned(), |at| {
            let state = name.rsplit(' ').next().unwrap_or_default();
            format!("{}-run {state}", &name[..at])
        });
        Some((known, id.to_owned()))
    };
    listed.ok().lines().filter_map(line).collect()
}

/// Names and states, and what became of those that were there before.
fn changes(before: &BTreeMap<String, String>, engine: &Engine) -> String {
    let now = all(engine);
    let told = now.iter().map(|(name, id)| {
        let same = before.values().any(|old| old == id);
        format!("{name}{}", if same { "" } else { " (new)" })
    });
    told.collect::<Vec<_>>().join(", ")
}

/// The life of a project in the hands of both tools: what is there after each step.
fn life(engine: &Engine, first: bool, second: bool) -> Vec<String> {
    let files = [
        ("compose.yaml", PROJECT),
        ("password.txt", "sesame\n"),
        ("page.html", "page\n"),
    ];
    let directory = engine.files("shared", &files);
    let by = |is_ours: bool, words: &[&str]| match is_ours {
        true => ours(engine, &directory, words),
        false => stock(engine, &directory, words),
    };
    let mut told = Vec::new();
    let mut step = |is_ours: bool, words: &[&str]| {
        let before = all(engine);
        let ran = by(is_ours, words);
        ran.ok();
        told.push(format!("{words:?}: {}", changes(&before, engine)));
        ran
    };
    const SCALED: [&str; 4] = ["up", "-d", "--scale", "web=3"];
    step(first, &SCALED);
    step(first, &["run", "-d", "job"]);
    step(first, &["--profile", "tools", "up", "-d", "tool"]);
    // What either sees of it is the same.
    const LOOKS: [&[&str]; 6] = [
        &[
            "ps",
            "-a",
            "--format",
            "{{.Service}} {{.State}} {{.Project}} {{.Image}}",
        ],
        &["ps", "--services"],
        &["ps", "--orphans=false", "-q"],
        &["volumes", "--format", "{{.Name}} {{.Driver}}"],
        &["images", "-q"],
        &["ls", "--format", "json"],
    ];
    let both_here = first != second;
    for words in LOOKS.into_iter().filter(|_| both_here) {
        let [own, other] = [true, false].map(|is_ours| by(is_ours, words));
        assert_eq!(lines(own.ok()), lines(other.ok()), "{words:?}");
    }
    step(second, &SCALED);
    step(second, &["exec", "-T", "--index", "3", "web", "true"]);
    // Who is described otherwise is made anew, the others go on.
    let changed = PROJECT.replace("[site]", "[site, place]");
    fs::write(directory.join("compose.yaml"), changed).expect("a file");
    step(second, &SCALED);
    step(first, &SCALED);
    step(second, &["stop", "db"]);
    step(first, &["start", "db"]);
    step(second, &["restart", "web"]);
    step(first, &["up", "-d"]);
    step(second, &["rm", "-sf", "web"]);
    step(first, &["up", "-d", "--no-recreate"]);
    step(second, &["down"]);
    step(first, &["up", "-d", "--remove-orphans"]);
    step(
        second,
        &["--profile", "*", "down", "-v", "--remove-orphans"],
    );
    let networks = engine.docker([
        "network",
        "ls",
        "--filter",
        "type=custom",
        "--format",
        "{{.Name}}",
    ]);
    let volumes = engine.docker(["volume", "ls", "-q"]);
    // Those without names stay where nobody says -v; their names are by chance.
    let (unnamed, named): (Vec<_>, Vec<_>) = lines(volumes.ok())
        .into_iter()
        .partition(|name| name.len() == 64);
    told.push(format!("{} {named:?} {}", networks.ok(), unnamed.len()));
    engine.docker(["volume", "prune", "-af"]).ok();
    told
}

#[test]
fn the_other_tool_goes_on_with_what_one_made() {
    let engine = Engine::with_images(&["busybox"]);
    let [ours, stock] = [true, false];
    let wanted = life(&engine, stock, stock);
    let begun = "shared-db-1 running, shared-job-run running, shared-tool-1 running, \
                 shared-web-1 running, shared-web-2 running, shared-web-3 running";
    let changed = "shared-db-1 running, shared-job-run running, shared-tool-1 running, \
                   shared-web-1 running (new), shared-web-2 running (new), shared-web-3 running (new)";
    for (at, state) in [(3, begun), (4, begun), (5, changed), (6, begun)] {
        assert!(wanted[at].ends_with(state), "{}", wanted[at]);
    }
    for (first, second) in [(ours, stock), (stock, ours)] {
        let told = life(&engine, first, second);
        let pairs = told.iter().zip(&wanted);
        let wrong: Vec<_> = pairs.filter(|(told, wanted)| told != wanted).collect();
        assert!(
            wrong.is_empty(),
            "ours first: {first}, then: {second}: {wrong:#?}"
        );
    }
    nothing_is_left(&engine);
}
