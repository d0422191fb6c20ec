//! A disk that fills during a build: the build fails with the kernel's sentence, no result
//! of earlier builds is lost, and the next build works once there is room again.

use corten_testkit::{Engine, Ran, program, run};
use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
};

/// Bytes of the data root's file system.
const DISK_BYTES: u64 = 256 << 20;

/// A small file system as an engine's data root, taken away again at the end.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(path: PathBuf) -> Self {
        let options = format!("size={DISK_BYTES},mode=711");
        let words = ["-t", "tmpfs", "-o", &options, "small"];
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

/// Builds `file` of the directory; `kind` is `DOCKER_BUILDKIT`.
fn build(engine: &Engine, directory: &Path, file: &str, kind: &str) -> Ran {
    let (at, file) = (
        directory.display().to_string(),
        directory.join(file).display().to_string(),
    );
    let plain: &[&str] = if kind == "1" {
        &["--progress", "plain"]
    } else {
        &[]
    };
    let words = [&["build", "-t", "built"], plain, &["-f", &file, &at]].concat();
    let mut command = engine.docker_command(words);
    let command = command.env("DOCKER_BUILDKIT", kind);
    run(command.env("BUILDX_GIT_INFO", "false"))
}

#[track_caller]
fn has_no_room(ran: &Ran) {
    let said = format!("{}{}", ran.stdout, ran.stderr).to_lowercase();
    assert_ne!(ran.code, 0, "{said}");
    assert!(said.contains("no space left on device"), "{said}");
}

/// Bytes that no compression makes fewer.
fn noise(path: &Path, bytes: u64) {
    let count = format!("count={}", bytes >> 20);
    let to = format!("of={}", path.display());
    let words = ["if=/dev/urandom", &to, "bs=1M", &count, "status=none"];
    run(&mut program("dd", words)).ok();
}

#[test]
fn a_disk_that_fills_during_a_build_ends_it_and_loses_no_result() {
    let mut engine = Engine::start();
    engine.install_buildx();
    engine.stop_daemon();
    let disk = SmallDisk::mount(engine.path("data"));
    engine.start_daemon();
    engine.load("busybox");
    let files = [
        (
            "base",
            "FROM busybox\nRUN cat /proc/sys/kernel/random/uuid > /once\n",
        ),
        (
            "context",
            "FROM busybox\nRUN cat /proc/sys/kernel/random/uuid > /once\nCOPY big /big\n",
        ),
        (
            "process",
            "FROM busybox\nRUN cat /proc/sys/kernel/random/uuid > /once\nRUN dd if=/dev/zero of=/zeros bs=1M count=400\n",
        ),
        (
            "commit",
            "FROM busybox\nRUN cat /proc/sys/kernel/random/uuid > /once\nRUN dd if=/dev/zero of=/zeros bs=1M count=400; dd if=/dev/zero of=/rest bs=1 count=65536; true\n",
        ),
        (
            "export",
            "FROM busybox\nRUN cat /proc/sys/kernel/random/uuid > /once\nRUN dd if=/dev/urandom of=/noise bs=1M count=60\n",
        ),
        (".dockerignore", "*\n!big\n"),
    ];
    let directory = engine.files("files", &files);
    build(&engine, &directory, "base", "1").ok();
    let once = || {
        let ran = engine.docker(["run", "--rm", "built", "cat", "/once"]);
        ran.ok().to_owned()
    };
    let first = once();
    let well = |file: &str| {
        for kind in ["1", "0"] {
            build(&engine, &directory, file, kind).ok();
            assert_eq!(once(), first, "the first step came from the cache");
        }
        engine.corten(["image", "verify"]).ok();
    };
    // The context does not come whole; a classic one of this size is not kept in memory.
    noise(&directory.join("big"), 48 << 20);
    disk.fill_but(20 << 20);
    for kind in ["1", "0"] {
        has_no_room(&build(&engine, &directory, "context", kind));
    }
    disk.empty();
    std::fs::write(directory.join("big"), "small").expect("written");
    well("context");
    // The process of a step finds no room, and says so itself.
    has_no_room(&build(&engine, &directory, "process", "1"));
    well("base");
    // The step has ended well and left no room for its own record.
    has_no_room(&build(&engine, &directory, "commit", "1"));
    well("base");
    // Everything is built; its archive has no room. The steps are kept.
    disk.fill_but(85 << 20);
    has_no_room(&build(&engine, &directory, "export", "1"));
    has_no_room(&build(&engine, &directory, "export", "0"));
    disk.empty();
    let said = build(&engine, &directory, "export", "1");
    said.ok();
    let cached = said.stderr.lines().filter(|line| line.ends_with(" CACHED"));
    assert_eq!(cached.count(), 3, "{}", said.stderr);
    assert_eq!(once(), first);
    engine.corten(["image", "verify"]).ok();
    engine.stop_daemon();
}
