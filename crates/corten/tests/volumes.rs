//! Volumes: the stock client's commands, and what must never happen to a user's files.

use corten_testkit::Engine;
use std::fs;

#[test]
fn volume_commands_answer_as_dockerds() {
    let engine = Engine::with_images(&["busybox"]);
    engine.agrees_with(include_str!("transcripts/volumes.txt"));
}

#[test]
fn a_mount_below_a_volume_is_neither_removed_nor_pruned_through() {
    let engine = Engine::start();
    let precious = engine.path("precious");
    fs::create_dir(&precious).expect("a directory of the user's");
    fs::write(precious.join("file"), "x").expect("the user's file");
    engine.docker(["volume", "create", "data"]).ok();
    let point = engine.path("data/volumes/data/_data/point");
    fs::create_dir(&point).expect("a mount point");
    rustix::mount::mount_bind(&precious, &point).expect("binds");
    engine
        .docker(["volume", "rm", "data"])
        .fails(1, "is a mount point; unmount it first");
    engine.docker(["volume", "prune", "-a", "-f"]).ok();
    assert!(precious.join("file").exists());
    let flags = rustix::mount::UnmountFlags::empty();
    rustix::mount::unmount(&point, flags).expect("unmounts");
    engine.docker(["volume", "rm", "data"]).ok();
    assert!(precious.join("file").exists());
}

#[test]
fn a_tmpfs_volume_lives_through_a_daemons_death_as_long_as_its_container() {
    let mut engine = Engine::with_images(&["busybox"]);
    let options = ["-o", "type=tmpfs", "-o", "device=tmpfs"];
    let create = ["volume", "create"].into_iter().chain(options);
    engine.docker(create.chain(["mem"])).ok();
    let run = ["run", "-d", "--name", "one", "-v", "mem:/d", "busybox"];
    engine
        .docker(
            run.into_iter()
                .chain(["sh", "-c", "echo kept > /d/file; sleep 1000"]),
        )
        .ok();
    corten_testkit::until("the file is there", 10, || {
        engine.docker(["exec", "one", "cat", "/d/file"]).stdout == "kept\n"
    });
    engine.kill_daemon();
    engine.start_daemon();
    let read = ["run", "--rm", "-v", "mem:/e", "busybox", "cat", "/e/file"];
    assert_eq!(engine.docker(read).ok(), "kept");
    engine.docker(["rm", "-f", "one"]).ok();
    let table = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    let mine = engine.path("data/volumes").display().to_string();
    assert!(!table.contains(&mine), "a volume stays mounted");
}

#[test]
fn a_subpath_that_is_swapped_for_a_link_shows_nothing_of_the_host() {
    let engine = Engine::with_images(&["busybox"]);
    let swap = "mkdir -p /v/a; while :; do mv /v/a /v/b; ln -s / /v/a; rm /v/a; mv /v/b /v/a; done";
    engine
        .docker(["run", "-d", "-v", "vol:/v", "busybox", "sh", "-c", swap])
        .ok();
    let mount = "type=volume,src=vol,dst=/x,volume-subpath=a";
    for _ in 0..20 {
        let ran = engine.docker(["run", "--rm", "--mount", mount, "busybox", "ls", "/x"]);
        assert!(!ran.stdout.contains("etc"), "{}", ran.stdout);
    }
}

#[test]
fn a_daemon_killed_at_any_step_of_making_or_removing_a_volume_leaves_no_half() {
    let mut engine = Engine::start();
    let steps = engine.steps();
    for (verb, step, there) in [
        ("create", "volume-create.directory", false),
        ("create", "volume-create.record", false),
        ("create", "volume-create.done", true),
        ("rm", "volume-remove.record", true),
        ("rm", "volume-remove.directory", false),
        ("rm", "volume-remove.done", false),
    ] {
        if verb == "rm" {
            engine.docker(["volume", "create", "data"]).ok();
            fs::write(engine.path("data/volumes/data/_data/file"), "").expect("a file");
        } else {
            engine.docker(["volume", "rm", "-f", "data"]).ok();
        }
        steps.kill_at(step, 1);
        let ran = engine.docker(["volume", verb, "data"]);
        assert!(ran.code != 0 && steps.killed(), "{step} was not reached");
        engine.kill_daemon();
        engine.start_daemon();
        let listed = engine.docker(["volume", "ls", "-q"]).ok() == "data";
        assert_eq!(listed, there, "{step}");
        let directory = engine.path("data/volumes/data/_data").exists();
        assert_eq!(listed, directory, "{step}: record and directory");
    }
}

#[test]
fn a_volume_is_exported_imported_copied_kept_and_renamed() {
    let engine = Engine::with_images(&["busybox"]);
    let write = "mkdir /v/d && echo one > /v/d/file && chown 7:8 /v/d/file";
    engine
        .docker(["run", "--rm", "-v", "data:/v", "busybox", "sh", "-c", write])
        .ok();
    let tar = engine.path("data.tar").display().to_string();
    engine.corten(["volume", "export", "-o", &tar, "data"]).ok();
    assert_eq!(
        engine.corten(["volume", "import", "again", &tar]).ok(),
        "again"
    );
    engine.corten(["volume", "import", "again", &tar]).fails(
        1,
        "import again: the volume has files: import into a new one",
    );
    let see = |volume: &str| {
        let mount = format!("{volume}:/v");
        let line = "stat -c %u:%g /v/d/file; cat /v/d/file";
        let ran = engine.docker(["run", "--rm", "-v", &mount, "busybox", "sh", "-c", line]);
        ran.ok().replace('\n', " ")
    };
    assert_eq!(see("again"), "7:8 one");
    assert_eq!(
        engine.corten(["volume", "clone", "data", "copy"]).ok(),
        "copy"
    );
    assert_eq!(see("copy"), "7:8 one");
    engine
        .corten(["volume", "clone", "data", "copy"])
        .fails(1, "clone data: a volume named copy already exists");

    let kept = engine
        .corten(["volume", "snapshot", "data"])
        .ok()
        .to_owned();
    assert!(kept.starts_with("data-20"), "{kept}");
    let change = [
        "run",
        "--rm",
        "-v",
        "data:/v",
        "busybox",
        "sh",
        "-c",
        "echo two > /v/d/file",
    ];
    engine.docker(change).ok();
    assert_eq!(see(&kept), "7:8 one");
    let mount = format!("{kept}:/v");
    engine
        .docker(["run", "--rm", "-v", &mount, "busybox", "touch", "/v/x"])
        .fails(1, "Read-only file system");

    engine
        .docker(["create", "--name", "user", "-v", "data:/v", "busybox"])
        .ok();
    engine
        .corten(["volume", "rename", "data", "other"])
        .fails(1, "rename data: volume is in use - [");
    engine.docker(["rm", "user"]).ok();
    engine.corten(["volume", "rename", "data", "other"]).ok();
    assert_eq!(see("other"), "7:8 two");
    engine
        .docker(["volume", "inspect", "data"])
        .fails(1, "get data: no such volume");
    // The stock client's name does not have these.
    let ran = engine.docker(["volume", "clone", "other", "x"]);
    assert_ne!(ran.code, 0);
}

#[test]
fn files_made_through_an_idmapped_bind_belong_to_the_user_who_asked() {
    use std::os::unix::fs::{MetadataExt, chown};
    let engine = Engine::with_images(&["busybox"]);
    let home = engine.path("home");
    fs::create_dir(&home).expect("a user's directory");
    fs::write(home.join("old"), "").expect("a user's file");
    chown(&home, Some(1000), Some(1001)).expect("its owner");
    chown(home.join("old"), Some(1000), Some(1001)).expect("its owner");
    let bind = format!("type=bind,src={},dst=/h,idmap=1000:1001", home.display());
    let line = "stat -c %u:%g /h/old; echo x > /h/new; chown 5:6 /h/old; stat -c %u:%g /h/old";
    let ran = engine.corten(["run", "--rm", "--mount", &bind, "busybox", "sh", "-c", line]);
    assert_eq!(ran.ok(), "0:0\n5:6");
    let owner = |name: &str| {
        let stat = fs::metadata(home.join(name)).expect("a file");
        (stat.uid(), stat.gid())
    };
    assert_eq!(owner("new"), (1000, 1001));
    assert_eq!(owner("old"), (5, 6));
    let bind = format!(
        "type=bind,src={},dst=/h,idmap=uids=0-1000-1;gids=0-1001-1",
        home.display()
    );
    let line = "touch /h/newer && stat -c %u:%g /h/old";
    let ran = engine.corten(["run", "--rm", "--mount", &bind, "busybox", "sh", "-c", line]);
    assert_eq!(ran.ok(), "65534:65534");
    assert_eq!(owner("newer"), (1000, 1001));
    let request = r#"{"Image":"busybox","HostConfig":{"Mounts":[{"Type":"bind","Source":"/tmp","Target":"/h",
        "BindOptions":{"IDMap":{"UIDs":[{"Container":0,"Host":1,"Size":2},{"Container":1,"Host":9,"Size":1}],"GIDs":[{"Container":0,"Host":1,"Size":2}]}}}]}}"#;
    let (status, said) = engine.request("POST", "/v1.51/containers/create", request);
    assert_eq!(status, 400, "{said}");
    assert!(said.contains("IDMap has ranges that overlap"), "{said}");
}
