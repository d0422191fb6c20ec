//! Questions about containers as people ask them: filters of lists, `top` with ps's options,
//! health, and what is refused. Each answer is dockerd 28.5's.

use corten_testkit::{Engine, until};
use std::path::{Path, PathBuf};
use std::process::Command;

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(' ')
}

#[test]
fn names_in_filters_are_regular_expressions() {
    let engine = Engine::with_images(&["busybox"]);
    for name in ["web1", "web2", "db"] {
        for make in ["volume create", "network create"] {
            engine.docker(words(make).chain([name])).ok();
        }
        engine
            .docker(["create", "--name", name, "busybox", "true"])
            .ok();
    }
    let lists = ["ps -a --format {{.Names}}", "volume ls -q"];
    let listed = |list: &str, filter: &str| {
        let ran = engine.docker(words(list).chain(["--filter", filter]));
        let mut names: Vec<String> = ran.ok().lines().map(str::to_owned).collect();
        names.sort();
        names.join(" ")
    };
    for (pattern, wanted) in [
        ("name=web.", "web1 web2"),
        ("name=^(web1|db)$", "db web1"),
        (r"name=\d$", "web1 web2"),
        ("name=(?i)WEB1", "web1"),
        ("name=eb1", "web1"),
        ("name=w*2$", "web2"),
        ("name=^eb1", ""),
        ("name=web[", ""),
    ] {
        for list in lists {
            assert_eq!(listed(list, pattern), wanted, "{list} {pattern}");
        }
        let own = listed("network ls --format {{.Name}}", pattern);
        assert_eq!(own, wanted, "network ls {pattern}");
    }
    assert_eq!(listed(lists[0], "name=^/web1$"), "web1");
    assert_eq!(listed(lists[0], "id="), "", "nobody's ID begins so");
    let id = engine.docker(words("network inspect -f {{.Id}} db"));
    let middle = &id.ok()[3..20];
    let networks = "network ls --format {{.Name}}";
    assert_eq!(listed(networks, &format!("id={middle}")), "db");
}

#[test]
fn filters_may_be_written_into_the_address_as_they_are() {
    let engine = Engine::with_images(&["busybox"]);
    engine.docker(words("create --name web busybox true")).ok();
    engine.docker(words("create --name db busybox true")).ok();
    let path = r#"/containers/json?all=1&filters={"name":["web"]}"#;
    let (status, body) = engine.request("GET", path, "");
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("/web") && !body.contains("/db"), "{body}");
}

#[test]
fn a_paused_container_is_not_known_to_be_well_and_probes_outlive_a_restart() {
    let engine = Engine::with_images(&["busybox"]);
    let check = "run -d --name web --health-cmd true --health-interval 200ms busybox sleep 1000";
    engine.docker(words(check)).ok();
    let shown = |what: &str| {
        let format = format!("{{{{{what}}}}}");
        engine
            .docker(["inspect", "-f", &format, "web"])
            .ok()
            .to_owned()
    };
    let healthy = || shown(".State.Health.Status") == "healthy";
    until("it is healthy", 20, healthy);
    engine.docker(["pause", "web"]).ok();
    assert_eq!(shown(".State.Health.Status"), "unhealthy");
    engine.docker(["unpause", "web"]).ok();
    until("it is healthy again", 20, healthy);
    engine.docker(["pause", "web"]).ok();
    engine.docker(["unpause", "web"]).ok();
    until("it has been looked at five times", 20, || {
        shown("len .State.Health.Log") == "5"
    });
    engine.docker(words("restart -t 0 web")).ok();
    assert_eq!(shown("len .State.Health.Log"), "5");
}

#[test]
fn top_takes_the_options_of_ps() {
    let engine = Engine::with_images(&["busybox"]);
    let script = "sleep 1001 & (sleep 1002 & sleep 1003; true) & wait";
    engine
        .docker(words("run -d --name web busybox sh -c").chain([script]))
        .ok();
    engine.docker(words("exec -d web sleep 1004")).ok();
    let top = |options: &str| {
        let ran = engine.docker(words("top web").chain(words(options)));
        let lines = ran.ok().lines().map(|line| {
            let cells: Vec<&str> = line.split_whitespace().collect();
            cells.join(" ")
        });
        lines.collect::<Vec<_>>()
    };
    until("all run", 20, || top("-ef").len() == 7);
    let pid = engine.docker(words("inspect -f {{.State.Pid}} web"));
    let pid = pid.ok();
    let drawn = top("-o pid,args --forest").join("\n").replace(script, "…");
    let drawn: Vec<&str> = drawn
        .lines()
        .filter_map(|it| it.split_once(' '))
        .map(|it| it.1)
        .collect();
    assert_eq!(
        drawn,
        [
            "COMMAND",
            r"\_ sh -c …",
            r"| \_ sleep 1001",
            r"| \_ sh -c …",
            r"| \_ sleep 1002",
            r"| \_ sleep 1003",
            r"\_ sleep 1004",
        ]
    );
    let threads = top("-eLf");
    assert_eq!(threads[0], "UID PID PPID LWP C NLWP STIME TTY TIME CMD");
    assert_eq!(threads.len(), 7, "{threads:?}");
    assert_eq!(top(&format!("-o pid -p {pid}")), ["PID", pid]);
    assert_eq!(top("-o pid,args -C sleep").len(), 5);
    let children = top(&format!("-o pid,args --ppid {pid}"));
    assert_eq!(children.len(), 3, "{children:?}");
    let wrong = engine.docker(words("top web -p x"));
    wrong.fails(1, "ps: error: process ID list syntax error");
    let wrong = engine.docker(words("top web -y"));
    wrong.fails(1, "-y");
}

#[test]
fn a_directory_that_cannot_be_entered_ends_an_exec_as_with_dockerd() {
    let engine = Engine::with_images(&["busybox"]);
    engine
        .docker(words("run -d --name web busybox sleep 1000"))
        .ok();
    for (directory, status, sentence) in [
        (
            "relative",
            128,
            "OCI runtime exec failed: exec failed: Cwd must be an absolute path",
        ),
        ("/nosuch", 127, "no such file or directory"),
        (
            "/bin/busybox",
            127,
            "not a directory: Are you trying to mount a directory onto a file (or vice-versa)?",
        ),
    ] {
        let ran = engine.docker(["exec", "-w", directory, "web", "pwd"]);
        assert_eq!(ran.code, status, "{directory}: {}", ran.stdout);
        assert!(ran.stdout.contains(sentence), "{}", ran.stdout);
    }
}

#[test]
fn what_dockerd_refuses_is_refused_in_its_words() {
    let engine = Engine::with_images(&["busybox"]);
    engine.docker(words("create --name web busybox sh")).ok();
    let several = "more than one until filter specified";
    for what in ["container", "image", "network"] {
        let prune = format!("{what} prune -f --filter until=1h --filter until=2h");
        engine.docker(words(&prune)).fails(1, several);
    }
    engine
        .docker(words("rm --link nosuch"))
        .fails(1, "No such container: nosuch");
    engine.docker(words("rm --link web")).fails(
        1,
        "Conflict, cannot remove the default link name of the container",
    );
    engine
        .docker(["commit", "-c", "", "web"])
        .fails(1, "file with no instructions");
    let (status, body) = engine.request("GET", "/containers/web/logs?stdout=1&since=5.", "");
    assert_eq!(status, 500, "{body}");
    assert!(body.contains("strconv.ParseInt"), "{body}");
    if !Path::new("/run/systemd/journal/socket").exists() {
        let ran = engine.docker(words("run --log-driver journald busybox true"));
        ran.fails(
            125,
            "failed to initialize logging driver: journald is not enabled on this host",
        );
    }
}

#[test]
fn a_commit_shows_the_containers_command_and_has_the_one_that_is_asked_for() {
    let engine = Engine::with_images(&["busybox"]);
    engine.docker(words("create --name web busybox sh -x")).ok();
    let body = r#"{"Cmd":["a","b"]}"#;
    let (status, told) = engine.request("POST", "/commit?container=web&repo=kept&tag=1", body);
    assert_eq!(status, 201, "{told}");
    let shown = engine.docker(words("history --no-trunc --format {{.CreatedBy}} kept:1"));
    assert_eq!(shown.ok().lines().next(), Some("sh -x"));
    let shown = engine.docker(words("inspect -f {{.Config.Cmd}} kept:1"));
    assert_eq!(shown.ok(), "[a b]");
}

#[test]
fn a_tmpfs_may_be_asked_for_twice_at_one_place() {
    let engine = Engine::with_images(&["busybox"]);
    let look = ["busybox", "sh", "-c", "df -k /a | tail -1"];
    let run = words("run --rm --tmpfs /a:size=1m --mount type=tmpfs,target=/a,tmpfs-size=2m");
    let ran = engine.docker(run.chain(look));
    assert!(ran.ok().contains(" 2048 "), "the mount: {}", ran.stdout);
    let run = words("run --rm --tmpfs /a:size=1m --mount type=volume,target=/a");
    let ran = engine.docker(run.chain(look));
    assert!(ran.ok().contains(" 1024 "), "the tmpfs: {}", ran.stdout);
    let run = words("run --rm --tmpfs /a -v /tmp:/a busybox true");
    engine.docker(run).fails(125, "Duplicate mount point: /a");
}

#[test]
fn the_build_cache_is_pruned_by_what_it_is_and_by_space() {
    let engine = Engine::with_images(&["busybox"]);
    let context = engine.files(
        "context",
        &[(
            "Dockerfile",
            "FROM busybox\nRUN --mount=type=cache,target=/cache echo kept > /cache/file\nRUN echo step > /file\n",
        )],
    );
    engine.install_buildx();
    engine
        .docker(["build", "-q", context.to_str().expect("UTF-8")])
        .ok();
    let pruned = |query: &str| {
        let (status, body) = engine.request("POST", &format!("/build/prune?all=1&{query}"), "");
        assert_eq!(status, 200, "{body}");
        let report: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        report["CachesDeleted"].as_array().map_or(0, Vec::len)
    };
    let filters = |text: &str| format!("filters={text}");
    assert_eq!(pruned("min-free-space=1"), 0, "enough is free");
    assert_eq!(pruned("max-used-space=1000000000000"), 0, "it is smaller");
    assert_eq!(pruned(&filters(r#"{"id":["nosuch"]}"#)), 0);
    assert_eq!(pruned(&filters(r#"{"unused-for":["1000h"]}"#)), 0);
    assert_eq!(pruned(&filters(r#"{"type":["exec.cachemount"]}"#)), 1);
    assert_eq!(pruned(&filters(r#"{"type":["exec.cachemount"]}"#)), 0);
    assert!(pruned("min-free-space=1000000000000000") > 0, "all goes");
    for (query, sentence) in [
        (r#"{"id":["a","b"]}"#, "filters expect only one value"),
        (
            r#"{"until":["1h"],"unused-for":["1h"]}"#,
            "conflicting filters",
        ),
        (r#"{"bogus":["b"]}"#, "invalid filter 'bogus'"),
    ] {
        let path = format!("/build/prune?{}", filters(query));
        let (status, body) = engine.request("POST", &path, "");
        assert_eq!(status, 400, "{body}");
        assert!(body.contains(sentence), "{body}");
    }
}

/// A tmpfs of this machine with one file, for as long as the value lives.
struct Mounted(PathBuf);

impl Mounted {
    fn on(directory: PathBuf) -> Self {
        let mount = ["-t", "tmpfs", "none"];
        let ran = Command::new("mount").args(mount).arg(&directory).status();
        assert!(ran.expect("mount").success());
        std::fs::write(directory.join("deep"), "kept").expect("a file");
        Self(directory)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        Command::new("umount").arg(&self.0).status().ok();
    }
}

#[test]
fn a_copy_at_rest_sees_what_is_mounted_below_a_bind_as_the_container_does() {
    let engine = Engine::with_images(&["busybox"]);
    let shared = engine.path("shared");
    std::fs::create_dir_all(shared.join("sub")).expect("directories");
    let below = Mounted::on(shared.join("sub"));
    let mount =
        |options: &str| format!("type=bind,source={},target=/srv{options}", shared.display());
    for (name, options) in [
        ("all", ""),
        ("flat", ",bind-recursive=disabled"),
        ("fixed", ",readonly"),
    ] {
        let words = [
            "create",
            "--name",
            name,
            "--mount",
            &mount(options),
            "busybox",
            "true",
        ];
        engine.docker(words).ok();
    }
    let copied = |container: &str| {
        let out = engine.path(container);
        let words = [
            "cp",
            &format!("{container}:/srv"),
            out.to_str().expect("UTF-8"),
        ];
        engine.docker(words).ok();
        out.join("sub/deep").exists()
    };
    assert!(copied("all") && copied("fixed"));
    assert!(!copied("flat"), "it would not be there when it runs");
    let new = engine.files("new", &[("sub/deep", "overwritten")]);
    let ran = engine.docker(["cp", &format!("{}/.", new.display()), "fixed:/srv"]);
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    let deep = std::fs::read_to_string(below.0.join("deep")).expect("a file");
    assert_eq!(deep, "kept");
}
