//! `cp` in, `cp` out and stat while somebody swaps the destination and each of its parents
//! for links that lead out.

use super::Canary;
use corten_testkit::{Engine, program, run};
use rustix::fs::{RenameFlags, renameat_with};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long each race lasts at least.
const RACE: Duration = Duration::from_secs(6);
/// How long it may take until each kind of copy has met what it needs to succeed.
const PATIENCE: Duration = Duration::from_secs(90);

/// An answer of the API: its status and everything behind it.
pub fn call(socket: &Path, method: &str, target: &str, body: &[u8]) -> (u16, Vec<u8>) {
    let mut stream = UnixStream::connect(socket).unwrap();
    let head = format!(
        "{method} {target} HTTP/1.1\r\nHost: d\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    // A refusal may come before all is sent.
    let _ = stream
        .write_all(head.as_bytes())
        .and_then(|()| stream.write_all(body));
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let status = String::from_utf8_lossy(answer.get(9..12).unwrap_or_default()).parse();
    (status.unwrap_or(0), answer)
}

/// A directory that is swapped with each of two links beside it.
struct Swapped {
    /// Held open: by its path the racers would themselves follow a link.
    parent: File,
    name: &'static str,
    links: [String; 2],
}

/// `a/b/c` below `root`, each with two links beside it that lead to `outside`, from which
/// the rest of the path goes on.
fn stage(root: &Path, outside: &Path) -> Vec<Swapped> {
    let mut all = Vec::new();
    let mut directory = root.to_path_buf();
    // What the links lead to has the same names below.
    let ends = [
        outside.to_path_buf(),
        outside.join("b"),
        outside.join("b/c"),
    ];
    for (name, end) in ["a", "b", "c"].into_iter().zip(ends) {
        let links = [format!("{name}-link"), format!("{name}-up")];
        std::fs::create_dir(directory.join(name)).unwrap();
        symlink(&end, directory.join(&links[0])).unwrap();
        let up = format!("../../../../../../../../..{}", end.display());
        symlink(up, directory.join(&links[1])).unwrap();
        let parent = File::open(&directory).unwrap();
        all.push(Swapped {
            parent,
            name,
            links,
        });
        directory = directory.join(name);
    }
    all
}

/// Runs `copies` again and again, for [`RACE`] and until it says that enough went well,
/// while every one of `swapped` is; gives the number of swaps.
fn race(swapped: &[Swapped], mut copies: impl FnMut() -> bool) -> u64 {
    let (stop, swaps) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for Swapped {
            parent,
            name,
            links,
        } in swapped
        {
            let (stop, swaps) = (&stop, &swaps);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    for link in links.iter().flat_map(|it| [it, it]) {
                        let flags = RenameFlags::EXCHANGE;
                        renameat_with(parent, *name, parent, link.as_str(), flags).unwrap();
                        swaps.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        let begin = Instant::now();
        let copying = std::panic::AssertUnwindSafe(|| {
            while !copies() || begin.elapsed() < RACE {
                assert!(begin.elapsed() < PATIENCE, "no copy goes well");
            }
        });
        let result = std::panic::catch_unwind(copying);
        stop.store(true, Ordering::Relaxed);
        if let Err(panic) = result {
            std::panic::resume_unwind(panic);
        }
    });
    swaps.into_inner()
}

/// What the links lead to: the canary, with the names of the stage below it.
struct Outside {
    canary: Canary,
    path: PathBuf,
}

impl Outside {
    fn new(engine: &Engine) -> Self {
        let path = engine.path("outside");
        std::fs::create_dir_all(path.join("b/c")).unwrap();
        std::fs::write(path.join("b/c/secret"), "of the host").unwrap();
        Self {
            canary: Canary::new(engine),
            path,
        }
    }

    #[track_caller]
    fn untouched(&self) {
        self.canary.untouched();
        let listed = run(&mut program(
            "find",
            [self.path.to_str().unwrap(), "-printf", "%P %s\n"],
        ));
        let mut names: Vec<_> = listed
            .stdout
            .lines()
            .map(|it| it.split(' ').next().unwrap())
            .collect();
        names.sort_unstable();
        assert_eq!(names, ["", "b", "b/c", "b/c/secret"]);
        assert_eq!(
            std::fs::read_to_string(self.path.join("b/c/secret")).unwrap(),
            "of the host"
        );
    }
}

/// A tar of a file, a directory with a file, and an empty file.
fn payload(engine: &Engine) -> Vec<u8> {
    let files = [("new", "broken"), ("d/new", "broken"), ("empty", "")];
    let files = engine.files("payload", &files).display().to_string();
    let tar = engine.path("payload.tar");
    let words = [
        "-cf",
        tar.to_str().unwrap(),
        "-C",
        &files,
        "new",
        "d",
        "empty",
    ];
    assert_eq!(run(&mut program("tar", words)).code, 0);
    std::fs::read(tar).unwrap()
}

/// All three ways of `cp` at `path` of a container; what went well is counted.
struct Copies<'a> {
    socket: PathBuf,
    container: &'a str,
    path: &'a str,
    body: Vec<u8>,
    counts: [u32; 3],
}

impl<'a> Copies<'a> {
    fn new(engine: &Engine, container: &'a str, path: &'a str) -> Self {
        let socket = engine.path("cortend.sock");
        Self {
            socket,
            container,
            path,
            body: payload(engine),
            counts: [0; 3],
        }
    }

    /// Whether each kind has gone well a few times.
    fn run(&mut self) -> bool {
        let Self {
            socket,
            container,
            path,
            ..
        } = self;
        let target = |path: &str| format!("/containers/{container}/archive?path={path}");
        let (status, _) = call(socket, "PUT", &target(path), &self.body);
        self.counts[0] += u32::from(status == 200);
        for below in ["", "/.", "/secret"] {
            let target = target(&format!("{path}{below}"));
            let (status, answer) = call(socket, "GET", &target, &[]);
            let leaked = answer.windows(11).any(|piece| piece == b"of the host");
            assert!(!leaked, "{target} gave the host's file");
            assert!(below != "/secret" || status != 200, "{target} was found");
            self.counts[1] += u32::from(status == 200);
            let (status, _) = call(socket, "HEAD", &target, &[]);
            assert!(below != "/secret" || status != 200, "{target} was found");
            self.counts[2] += u32::from(status == 200);
        }
        self.counts.iter().all(|count| *count >= 3)
    }
}

// CVE-2018-15664, CVE-2026-41568
#[test]
fn copies_into_and_out_of_a_running_container_stay_in_it_whatever_is_swapped() {
    let engine = Engine::with_images(&["busybox"]);
    let outside = Outside::new(&engine);
    engine
        .docker(["run", "-d", "--name", "cc", "busybox", "sleep", "1000"])
        .ok();
    let pid = engine.docker(["inspect", "-f", "{{.State.Pid}}", "cc"]);
    let root = PathBuf::from(format!("/proc/{}/root/srv", pid.ok()));
    std::fs::create_dir_all(&root).unwrap();
    let swapped = stage(&root, &outside.path);
    let mut copies = Copies::new(&engine, "cc", "/srv/a/b/c");
    let swaps = race(&swapped, || copies.run());
    assert!(swaps > 1000, "{swaps} swaps");
    outside.untouched();
}

// CVE-2026-42306: what lies in a volume is copied without the volume being mounted
// anywhere, so a mount point that is swapped leads nowhere.
#[test]
fn copies_to_a_stopped_containers_volumes_mount_nothing_and_stay_in_them() {
    let engine = Engine::with_images(&["busybox"]);
    let outside = Outside::new(&engine);
    let volumes = ["-v", "outer:/v", "-v", "inner:/v/a/b"];
    let words = |first: &[&str], last: &[&str]| -> Vec<String> {
        let all = first.iter().chain(&volumes).chain(last);
        all.map(|it| (*it).to_owned()).collect()
    };
    engine
        .docker(words(
            &["run", "-d", "--name", "racer"],
            &["busybox", "sleep", "1000"],
        ))
        .ok();
    engine
        .docker(words(&["create", "--name", "still"], &["busybox", "true"]))
        .ok();
    let mountpoint = |name: &str| {
        let found = engine.docker(["volume", "inspect", "-f", "{{.Mountpoint}}", name]);
        PathBuf::from(found.ok())
    };
    let (outer, inner) = (mountpoint("outer"), mountpoint("inner"));
    // As a process of `racer` can: the mount point of `inner` and its parent in `outer`.
    drop(std::fs::remove_dir_all(outer.join("a")));
    let mut swapped = stage(&outer, &outside.path);
    std::fs::create_dir_all(inner.join("top")).unwrap();
    swapped.extend(stage(&inner.join("top"), &outside.path));
    let own = engine.path("");
    // Engines of other tests mount volumes of theirs meanwhile.
    let is_anothers =
        |line: &&str| line.contains("/corten-test-") && !line.contains(own.to_str().unwrap());
    let mounts = || {
        let path = format!("/proc/{}/mountinfo", engine.daemon_pid());
        let table = std::fs::read_to_string(path).unwrap();
        let lines = table.lines().filter(|line| !is_anothers(line));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let before = mounts();
    let mut below_outer = Copies::new(&engine, "still", "/v/a");
    let mut below_inner = Copies::new(&engine, "still", "/v/a/b/top/a/b/c");
    let mut whole = Copies::new(&engine, "still", "/v/a/b");
    let swaps = race(&swapped, || {
        let enough = [&mut below_outer, &mut below_inner, &mut whole].map(Copies::run);
        assert_eq!(mounts(), before);
        enough == [true; 3]
    });
    assert!(swaps > 1000, "{swaps} swaps");
    outside.untouched();
    assert!(inner.join("new").exists(), "the copies came to the volume");
    // And a start finds its mount point, or says why not, and mounts nothing outside.
    let mut started = 0;
    race(&swapped, || {
        started += u32::from(engine.docker(["start", "-a", "still"]).code == 0);
        assert_eq!(mounts(), before);
        started > 0
    });
    outside.untouched();
}
