//! What commands on a project that runs say, and what a dry run of those tells that change
//! it: word for word what stock Compose says, with the same exit code.

use super::{variants::told, *};
use std::os::unix::process::CommandExt;

const SHOP: &str = r#"
name: shop
services:
  db:
    image: busybox
    command: sh -c "echo from db; exec sleep 1000"
    stop_signal: SIGKILL
    volumes: ["data:/data"]
    networks: [back]
  web:
    build: ./web
    image: 127.0.0.1:5001/shop/web:1
    command: sleep 1000
    stop_signal: SIGKILL
    depends_on: [db]
    ports: ["127.0.0.1:8080:80", "9000"]
    networks: [front]
  off:
    image: busybox
    profiles: [x]
    networks: [aside]
volumes: { data: {} }
networks: { front: {}, back: {}, aside: {} }
"#;

/// `| words`; a `~` says that lines are compared in any order.
const LINES: &str = r#"
| ps --format {{.Publishers}}
| ps --format {{range.Publishers}}{{.URL}}-{{.TargetPort}}/{{.Protocol}};{{end}}
| ps --format {{json.Publishers}}
| ps --format {{len.Publishers}}{{.ExitCode}}{{.Health}}
| ps --format {{.Foo}}
| ps --format {{
| ps --format {{(index.Publishers0).Foo}}
| ps --filter foo
| ps --filter foo=bar
| ps --filter status=exited -q
| ps --services
| ps nope
| volumes --format {{.Foo}}
| volumes --format {{.Name}}
| stats --no-stream --format {{.Foo}}
| stats --no-stream --format {{.Name}}
| ls --format {{.Name}}
| ls --format json
| ls
| ls --format table
| ls --filter x
| images --format {{.ID}}
| images -q
| events --until 0s
| events --since x
| top nope
| port web 81
| port db 80
| port web x
| logs --no-log-prefix db
| logs nope
| export -o /nowhere/x.tar db
| attach nope
| attach
| -p none start
| -p none stop
| -p none rm -f
| -p none logs
| up --attach x
| up --exit-code-from nope
| up --scale db=x
| kill nope
| kill -s NOPE db
| rm -f
| rm -f off
| wait nope
| --verbose ps -q
~ --dry-run up -d
~ --dry-run up -d --scale db=2
~ --dry-run up -d --no-deps web
~ -p other --dry-run up -d
~ -p other --dry-run up -d web
~ -p other --dry-run up -d db
~ -p other --dry-run up -d --no-deps web
~ -p other --dry-run up -d --no-deps off
~ -p other --dry-run create web
~ -p other --dry-run run --no-deps web true
~ --dry-run create
~ --dry-run build
~ --dry-run build web
~ --dry-run build -q
~ --dry-run build nope
~ --dry-run stop
~ --dry-run stop db
~ --dry-run restart
~ --dry-run restart --no-deps web
~ --dry-run kill
~ --dry-run pause
~ --dry-run rm -sf db
~ --dry-run scale db=2
~ --dry-run pull --ignore-buildable --policy never
~ --dry-run push --include-deps db
| --dry-run cp db:/etc/passwd ./x
| --dry-run commit db shop:2
| --dry-run export -o x.tar db
| --dry-run exec db true
| --dry-run exec -d db echo a
| --dry-run attach db
| --dry-run run db true
| --dry-run run -d --name shop-other db true
| --dry-run down nope
~ --dry-run --progress json stop db
~ --dry-run --progress json build web
| cp db:/etc/hostname ./hostname
| cp ./compose.yaml db:/tmp/
| cp ./nothing db:/tmp/
| cp db:/nothing .
| commit db
| --progress json cp db:/etc/hostname ./hostname
~ --progress json up -d
~ up -d
~ push db
~ run --rm -T db echo ran
~ exec -T db echo done
"#;

/// IDs are not the same twice.
fn without_ids(text: &str) -> String {
    let word = |word: &str| {
        let digits = word.trim_matches(|c: char| !c.is_ascii_hexdigit());
        let is_id = digits.len() >= 12 && digits.bytes().all(|it| it.is_ascii_hexdigit());
        match is_id {
            true => word.replace(digits, "ID"),
            false => word.to_owned(),
        }
    };
    let pieces = text.split_inclusive([' ', '\n', ':', '-']);
    pieces.map(word).collect()
}

#[test]
fn commands_and_their_dry_runs_say_what_stock_compose_says() {
    let engine = Engine::with_images(&["busybox"]);
    engine.install_buildx();
    let name = "127.0.0.1:5001/shop/web:1";
    engine.docker(["tag", "busybox", name]).ok();
    let files = [("compose.yaml", SHOP), ("web/Dockerfile", "FROM busybox\n")];
    let directory = engine.files("shop", &files);
    stock(&engine, &directory, &["up", "-d"]).ok();
    let before = containers(&engine);
    let mut wrong = Vec::new();
    for line in LINES.lines().filter(|line| !line.is_empty()) {
        let any_order = line.starts_with('~');
        let words: Vec<&str> = line[1..].split_whitespace().collect();
        let said = |mut command: Command| {
            let (code, out, err) = told(command.current_dir(&directory), any_order);
            (code, without_ids(&out), without_ids(&err))
        };
        let mut own = ours_command(&engine, &directory, &words);
        own.arg0("docker");
        let own = said(own);
        let stock = said(engine.compose_command(&words));
        if own != stock {
            wrong.push(format!("{line}\n  ours  {own:?}\n  stock {stock:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(before, containers(&engine), "a dry run does nothing");
    let down = ["down", "-v", "-t", "0"];
    ours(&engine, &directory, &down).ok();
    nothing_is_left(&engine);
}

#[test]
fn a_project_is_named_after_the_link_that_led_to_it() {
    let engine = Engine::start();
    let text = "services: { a: { image: busybox, volumes: [\"./x:/x\"] } }";
    let real = engine.files("real", &[("compose.yaml", text)]);
    let link = engine.path("Link_to");
    std::os::unix::fs::symlink(&real, &link).expect("a link");
    let at =
        |mut command: Command, pwd: &Path| told(command.current_dir(&link).env("PWD", pwd), false);
    // A shell says where the user believes to be; what it says of elsewhere does not count.
    for (pwd, name) in [(&*link, "link_to"), (Path::new("/elsewhere"), "real")] {
        let own = at(ours_command(&engine, &link, &["config"]), pwd);
        let stock = at(engine.compose_command(["config"]), pwd);
        assert_eq!(own, stock);
        assert!(own.1.starts_with(&format!("name: {name}\n")), "{own:?}");
        assert_eq!(
            own.2.contains("from a symlink"),
            name == "link_to",
            "{own:?}"
        );
    }
}

const WAITED: &str = r#"
name: waited
services:
  well:
    image: busybox
    command: sleep 1000
    stop_signal: SIGKILL
    healthcheck: { test: "true", interval: 50ms }
  sick:
    image: busybox
    command: sleep 1000
    stop_signal: SIGKILL
    healthcheck: { test: "false", interval: 50ms, retries: 1 }
  slow:
    image: busybox
    command: sleep 1000
    stop_signal: SIGKILL
    healthcheck: { test: "false", interval: 1h }
  done: { image: busybox, command: "true" }
  broken: { image: busybox, command: sh -c "exit 3" }
  lost: { image: busybox, command: /nothing }
  behind:
    image: busybox
    command: sleep 1000
    stop_signal: SIGKILL
    depends_on: { sick: { condition: service_healthy } }
  after:
    image: busybox
    command: sleep 1000
    stop_signal: SIGKILL
    depends_on: { broken: { condition: service_completed_successfully } }
"#;

#[test]
fn what_is_waited_for_in_vain_is_told_as_stock_compose_tells_it() {
    let engine = Engine::with_images(&["busybox"]);
    let directory = engine.files("waited", &[("compose.yaml", WAITED)]);
    let mut wrong = Vec::new();
    for line in [
        "up -d --wait well",
        "up -d --wait sick",
        "up -d --wait --wait-timeout 1 slow",
        "up -d --wait done",
        "up -d --wait broken",
        "up -d --wait lost",
        "up -d behind",
        "up -d --wait behind",
        "up -d after",
        "up -d --wait after",
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        let said = |mut command: Command| {
            let (code, out, err) = told(command.current_dir(&directory), true);
            ours(&engine, &directory, &["down", "-t", "0"]).ok();
            (code, without_ids(&out), without_ids(&err))
        };
        let mut own = ours_command(&engine, &directory, &words);
        own.arg0("docker");
        let own = said(own);
        let stock = said(engine.compose_command(&words));
        if own != stock {
            wrong.push(format!("{line}\n  ours  {own:?}\n  stock {stock:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    nothing_is_left(&engine);
}
