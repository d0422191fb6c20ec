//! The daemon is killed at each step of a push, of a pull whose layers must be read twice,
//! and of a pull whose layers are kept as tars; and its disk fills at each write of a pull
//! and of a load.

mod steps;

use corten_testkit::{Engine, Leftovers, Options, program, run};
use std::{
    fs::File,
    io::Write,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};
use steps::{as_before, at_rest, become_as, steps_of};

/// An image in the second registry whose upper layer writes through a link of the lower one.
const LEANING: &str = "127.0.0.1:5001/leaning:1";

/// What a kill may leave of an image for the next attempt: parts of blobs.
fn without_parts(mut leftovers: Leftovers) -> Leftovers {
    leftovers
        .blobs
        .retain(|path| !path.display().to_string().contains("/ingest/"));
    leftovers
}

fn pack(tar: &Path, from: &Path, names: &[&str]) {
    let mut command = program("tar", ["-cf"]);
    run(command.arg(tar).arg("-C").arg(from).args(names)).ok();
}

fn hash(file: &Path) -> String {
    run(&mut program("sha256sum", [file])).ok()[..64].to_owned()
}

/// Puts [`LEANING`] together and pushes it by skopeo.
fn push_leaning(engine: &Engine) {
    let (lower, upper) = (engine.path("lower"), engine.path("upper"));
    std::fs::create_dir_all(lower.join("real")).expect("made");
    std::fs::write(lower.join("real/kept"), "kept").expect("written");
    symlink("real", lower.join("alias")).expect("linked");
    std::fs::create_dir_all(upper.join("alias")).expect("made");
    std::fs::write(upper.join("alias/through"), "through").expect("written");
    let noise: Vec<u8> = (0..2_000_000_u32)
        .map(|n| (n.wrapping_mul(n) >> 7) as u8)
        .collect();
    std::fs::write(upper.join("large"), noise).expect("written");
    let archive = engine.path("archive");
    std::fs::create_dir_all(&archive).expect("made");
    let tars = ["0.tar", "1.tar"].map(|name| archive.join(name));
    pack(&tars[0], &lower, &["."]);
    // Without an entry for the directory, which would replace the link.
    pack(&tars[1], &upper, &["./alias/through", "./large"]);
    let ids = tars
        .each_ref()
        .map(|tar| format!("\"sha256:{}\"", hash(tar)));
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","config":{{}},"rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
        ids.join(",")
    );
    std::fs::write(archive.join("config.json"), config).expect("written");
    let list = r#"[{"Config":"config.json","RepoTags":["leaning:1"],"Layers":["0.tar","1.tar"]}]"#;
    std::fs::write(archive.join("manifest.json"), list).expect("written");
    let whole = engine.path("leaning.tar");
    pack(&whole, &archive, &["."]);
    let words = ["copy", "--insecure-policy", "--dest-tls-verify=false"];
    run(engine.inside("skopeo").args(words).args([
        format!("docker-archive:{}", whole.display()),
        format!("docker://{LEANING}"),
    ]))
    .ok();
}

fn pull(engine: &Engine, name: &str) -> bool {
    let path = format!("/images/create?fromImage={name}");
    let (_, said) = engine.request("POST", &path, "");
    said.contains("Status: Downloaded newer image")
}

fn has(engine: &Engine, name: &str) -> bool {
    engine.get(&format!("/images/{name}/json")).is_some()
}

/// With all its names.
fn remove(engine: &Engine, name: &str) -> bool {
    let id = engine.docker(["image", "inspect", "-f", "{{.Id}}", name]);
    let path = format!("/images/{}?force=1", id.ok());
    engine.request("DELETE", &path, "").0 == 200
}

/// What `container` of the image has at `path`, by copying it out.
fn file_of(engine: &Engine, image: &str, path: &str) -> String {
    let words = ["create", "--name", "look", image, "x"];
    engine.docker(words).ok();
    let to = engine.path("copied");
    let from = format!("look:{path}");
    engine.docker(["cp", &from, &to.display().to_string()]).ok();
    engine.docker(["rm", "look"]).ok();
    std::fs::read_to_string(to).expect("text")
}

/// Kills the daemon at each step of a pull of `name`, which is in the registry and not here.
fn killed_pulls(
    engine: &mut Engine,
    name: &str,
    wanted: &[&str],
    is_well: impl Fn(&Engine) -> bool,
) {
    assert!(pull(engine, name) && is_well(engine) && remove(engine, name));
    let before = at_rest(engine);
    let steps = steps_of(engine, |engine| assert!(pull(engine, name)));
    for step in wanted {
        assert!(steps.iter().any(|(it, _)| it == step), "{step}: {steps:?}");
    }
    assert!(remove(engine, name));
    for step in steps {
        engine.steps().kill_at(&step.0, step.1);
        let acknowledged = pull(engine, name);
        engine.daemon_dies();
        engine.start_daemon();
        assert!(!acknowledged || has(engine, name), "{step:?}: acknowledged");
        if !has(engine, name) {
            become_as(&before, &step, || without_parts(engine.leftovers()));
            assert!(pull(engine, name), "{step:?}: {}", engine.log());
        }
        assert!(is_well(engine), "{step:?}");
        assert!(remove(engine, name), "{step:?}");
        as_before(engine, &before, &step);
    }
}

#[test]
fn a_daemon_killed_while_it_reads_a_layer_a_second_time_pulls_it_again() {
    let mut engine = Engine::with_registries();
    push_leaning(&engine);
    let wanted = ["layer.settle", "layer.reread", "layer.settled"];
    killed_pulls(&mut engine, LEANING, &wanted, |engine| {
        file_of(engine, LEANING, "/real/through") == "through"
    });
}

#[test]
fn a_daemon_killed_at_each_step_of_a_pull_of_tars_to_be_mounted_pulls_them_again() {
    let mut engine = Engine::start_with(Options {
        registries: true,
        arguments: vec!["--storage-driver".into(), "erofs".into()],
        ..Options::default()
    });
    killed_pulls(
        &mut engine,
        "busybox:latest",
        &["layer.unpacked"],
        |engine| {
            let words = ["run", "--rm", "busybox", "echo", "whole"];
            engine.docker(words).ok() == "whole"
        },
    );
}

#[test]
fn a_daemon_killed_at_each_step_of_a_push_pushes_again() {
    let mut engine = Engine::with_registries();
    let push = |engine: &Engine, name: &str| engine.docker(["push", "-q", name]).code == 0;
    let name = |number: usize| format!("127.0.0.1:5001/pushed/{number}:1");
    // Packed anew each time: what is loaded is not what is pushed.
    let load = |engine: &Engine, number: usize| {
        engine.load("busybox");
        engine.docker(["tag", "busybox", &name(number)]).ok();
    };
    let before = at_rest(&engine);
    load(&engine, 0);
    let steps = steps_of(&engine, |engine| assert!(push(engine, &name(0))));
    assert!(steps.len() > 10, "{steps:?}");
    let digest = |engine: &Engine, name: &str| {
        let words = ["inspect", "--tls-verify=false", "--format={{.Digest}}"];
        let at = format!("docker://{name}");
        let ran = run(engine.inside("skopeo").args(words).arg(at));
        ran.ok().to_owned()
    };
    let first = digest(&engine, &name(0));
    assert!(remove(&engine, "busybox"));
    for (number, step) in steps.iter().enumerate() {
        load(&engine, number + 1);
        let name = name(number + 1);
        engine.steps().kill_at(&step.0, step.1);
        let acknowledged = push(&engine, &name);
        engine.daemon_dies();
        engine.start_daemon();
        if acknowledged {
            assert_eq!(digest(&engine, &name), first, "{step:?}");
        }
        engine.corten(["image", "verify"]).ok();
        assert!(push(&engine, &name), "{step:?}: {}", engine.log());
        assert_eq!(digest(&engine, &name), first, "{step:?}");
        assert!(remove(&engine, "busybox"), "{step:?}");
        as_before(&engine, &before, step);
    }
}

/// A small file system as an engine's data root, taken away again at the end.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(path: PathBuf) -> Self {
        let words = ["-t", "tmpfs", "-o", "size=192m,mode=711", "small"];
        run(program("mount", words).arg(&path)).ok();
        Self(path)
    }

    /// Leaves `left` bytes to others.
    fn fill_but(&self, left: u64) {
        let mut file = File::create(self.0.join("filler")).expect("made");
        let piece = vec![1; 1 << 16];
        while file.write_all(&piece).is_ok() {}
        while file.write_all(&[1]).is_ok() {}
        let size = file.metadata().expect("its size").len();
        file.set_len(size.saturating_sub(left)).expect("shorter");
    }

    fn empty(&self) {
        std::fs::remove_file(self.0.join("filler")).expect("is there");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        run(program("umount", ["-l"]).arg(&self.0));
    }
}

#[test]
fn a_disk_that_fills_at_any_write_of_a_pull_or_load_leaves_nothing_and_loses_nothing() {
    let mut engine = Engine::with_registries();
    push_leaning(&engine);
    engine.stop_daemon();
    let disk = SmallDisk::mount(engine.path("data"));
    engine.start_daemon();
    engine.load("busybox");
    let archive = engine.path("leaning.tar").display().to_string();
    let load = |engine: &Engine| engine.docker(["load", "-q", "-i", &archive]).code == 0;
    let through = |image: &str| assert_eq!(file_of(&engine, image, "/real/through"), "through");
    assert!(pull(&engine, LEANING));
    through(LEANING);
    assert!(remove(&engine, LEANING));
    let before = at_rest(&engine);
    // What both need at least, and where they have enough: the unpacking keeps 64 MiB free.
    let (mut failed, mut done) = (0, 0);
    for left in (0..12).map(|n| n * (800 << 10)).chain([100 << 20]) {
        for is_pull in [true, false] {
            let name = if is_pull { LEANING } else { "leaning:1" };
            let step = (format!("{left} bytes left, {name}"), 0);
            disk.fill_but(left);
            let made = match is_pull {
                true => pull(&engine, name),
                false => load(&engine),
            };
            assert_eq!(made, has(&engine, name), "{step:?}");
            // What is here can be looked at and goes, however little room there is.
            if made {
                done += 1;
                assert!(remove(&engine, name), "{step:?}");
            } else {
                failed += 1;
            }
            disk.empty();
            become_as(&before, &step, || without_parts(engine.leftovers()));
            engine.corten(["image", "verify"]).ok();
        }
    }
    println!("{failed} failed, {done} were done");
    assert!(failed > 10 && done > 1, "{failed} failed, {done} were done");
    assert!(pull(&engine, LEANING) && load(&engine));
    through(LEANING);
    through("leaning:1");
    engine.stop_daemon();
}
