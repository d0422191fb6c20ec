//! Who a process of a container is, and what it may do, however it comes into it.

use super::{hostile_image, image_with};
use corten_testkit::{Engine, until};
use rustix::fs::{XattrFlags, setxattr};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

/// CAP_NET_RAW, which a default container may have.
const NET_RAW: u32 = 1 << 13;

/// Makes `path` a `cat` with capabilities, capabilities(7): permitted and inheritable sets,
/// the effective bit.
fn cat_with(path: &Path, permitted: u32, inheritable: u32) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::copy("/bin/busybox", path).unwrap();
    let words = [0x0200_0001, permitted, inheritable, 0, 0];
    let value: Vec<u8> = words
        .iter()
        .flat_map(|word: &u32| word.to_le_bytes())
        .collect();
    setxattr(path, "security.capability", &value, XattrFlags::empty()).unwrap();
}

/// The sets of a process, by the names that /proc gives them.
fn sets(status: &str) -> Vec<(&str, u64)> {
    let lines = status.lines().filter(|line| line.starts_with("Cap"));
    let words = lines.filter_map(|line| line.split_once(":\t"));
    words
        .map(|(name, value)| (name, u64::from_str_radix(value.trim(), 16).unwrap()))
        .collect()
}

// CVE-2022-24769, CVE-2022-29162, CVE-2022-27649, CVE-2022-27652
#[test]
fn a_user_gains_nothing_by_inheritable_capabilities_whoever_starts_the_process() {
    let engine = Engine::start();
    hostile_image(&engine, "caps", |root| {
        cat_with(&root.join("gain/cat"), 0, u32::MAX);
        cat_with(&root.join("own/cat"), NET_RAW, 0);
        let open = PermissionsExt::from_mode(0o1777);
        std::fs::set_permissions(root.join("tmp"), open).unwrap();
    });
    let nothing = |status: &str, how: &str| {
        let sets = sets(status);
        assert_eq!(sets.len(), 5, "{how}: {status}");
        for (name, value) in sets.into_iter().filter(|(name, _)| *name != "CapBnd") {
            assert_eq!(value, 0, "{how} {name}");
        }
    };
    let gain = ["/gain/cat", "/proc/self/status"];
    let run = ["run", "--rm", "--user", "1000", "caps"];
    nothing(engine.docker(run.iter().chain(&gain)).ok(), "run");
    // What a file gives by itself, it gives.
    let own = run.iter().chain(&["/own/cat", "/proc/self/status"]);
    let own = engine.docker(own);
    let permitted = sets(own.ok())
        .into_iter()
        .find(|(name, _)| *name == "CapPrm");
    assert_eq!(permitted, Some(("CapPrm", u64::from(NET_RAW))));
    let health = gain.join(" ");
    let words = ["run", "-d", "--name", "cc", "--user", "1000"];
    let probe = ["--health-interval", "1s", "--health-cmd", &health];
    let last = ["caps", "sleep", "1000"];
    engine.docker(words.iter().chain(&probe).chain(&last)).ok();
    nothing(
        engine.docker(["exec", "cc"].iter().chain(&gain)).ok(),
        "exec",
    );
    let other = ["exec", "-u", "1001:1001", "cc"];
    nothing(engine.docker(other.iter().chain(&gain)).ok(), "exec -u");
    let template = "{{range .State.Health.Log}}{{.Output}}END{{end}}";
    let mut probe = String::new();
    until("a probe has run", 20, || {
        probe = engine.docker(["inspect", "-f", template, "cc"]).stdout;
        probe.contains("END")
    });
    nothing(
        probe.split("END").next().unwrap_or_default(),
        "health check",
    );
    // A root process inherits nothing either.
    let root = ["run", "--rm", "caps", "cat", "/proc/self/status"];
    for (name, value) in sets(engine.docker(root).ok()) {
        assert!(
            !["CapInh", "CapAmb"].contains(&name) || value == 0,
            "{name}"
        );
    }
    let dockerfile = format!("FROM caps\nUSER 1000\nRUN {health} >/tmp/status\n");
    let context = engine.files("context", &[("Dockerfile", &dockerfile)]);
    engine.install_buildx();
    engine
        .docker(["build", "-q", "-t", "built", &context.display().to_string()])
        .ok();
    let built = engine.docker(["run", "--rm", "built", "cat", "/tmp/status"]);
    nothing(built.ok(), "build");
}

// CVE-2023-25173, CVE-2022-36109, CVE-2022-2989, CVE-2022-2990, CVE-2022-2995
#[test]
fn a_user_has_its_own_groups_and_all_of_them_wherever_it_runs() {
    let engine = Engine::start();
    hostile_image(&engine, "groups", |root| {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nu:x:5:6::/:/bin/sh\n";
        std::fs::write(root.join("etc/passwd"), passwd).unwrap();
        let group = "root:x:0:root\ng:x:6:\na:x:7:u\nb:x:8:root,u\nc:x:9:root\n";
        std::fs::write(root.join("etc/group"), group).unwrap();
        // Everybody may, but the groups 6 and 8 may not.
        for id in [6, 8] {
            let path = root.join(format!("not-{id}"));
            std::fs::write(&path, "seen").unwrap();
            chown(&path, Some(0), Some(id)).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o604)).unwrap();
        }
        let open = PermissionsExt::from_mode(0o1777);
        std::fs::set_permissions(root.join("tmp"), open).unwrap();
    });
    let script = "id -G; cat /not-6 /not-8 2>/dev/null; true";
    let run = ["run", "--rm", "--user", "u", "groups", "sh", "-c", script];
    assert_eq!(engine.docker(run).ok(), "6 7 8");
    engine
        .docker(["run", "-d", "--name", "of-root", "groups", "sleep", "1000"])
        .ok();
    engine
        .docker([
            "run", "-d", "--name", "of-u", "--user", "u", "groups", "sleep", "1000",
        ])
        .ok();
    for words in [
        &["exec", "-u", "u", "of-root"][..],
        &["exec", "-u", "5", "of-root"],
        &["exec", "of-u"],
    ] {
        let ran = engine.docker(words.iter().chain(&["sh", "-c", script]));
        assert_eq!(ran.ok(), "6 7 8", "{words:?}");
    }
    let groups = engine.docker(["exec", "-u", "root", "of-u", "id", "-G"]);
    assert_eq!(groups.ok(), "0 8 9", "root has its own again");
    let groups = engine.docker(["exec", "-u", "u:c", "of-root", "id", "-G"]);
    assert_eq!(groups.ok(), "9", "a group that was given is the only one");
    let dockerfile = format!("FROM groups\nUSER u\nRUN {{ {script}; }} >/tmp/seen\n");
    let context = engine.files("context", &[("Dockerfile", &dockerfile)]);
    engine.install_buildx();
    engine
        .docker(["build", "-q", "-t", "built", &context.display().to_string()])
        .ok();
    let built = engine.docker(["run", "--rm", "built", "cat", "/tmp/seen"]);
    assert_eq!(built.ok(), "6 7 8");
}

// crun CVE-2026-30892, CVE-2024-40635, CVE-2026-46680
#[test]
fn no_text_for_a_user_ends_as_root_by_mistake() {
    let engine = Engine::start();
    let passwd = "root:x:0:0:root:/root:/bin/sh\n4294967296:x:0:0::/:/bin/sh\n\
                  2147483648:x:0:0::/:/bin/sh\n99999999999:x:0:0::/:/bin/sh\n-1:x:0:0::/:/bin/sh\n\
                  0x3e8:x:7:7::/:/bin/sh\n";
    let make = |name: &str, user: &str| {
        let change = format!("USER {user}");
        let changes = if user.is_empty() {
            &[][..]
        } else {
            &[change.as_str()]
        };
        image_with(&engine, name, changes, |root| {
            std::fs::write(root.join("etc/passwd"), passwd).unwrap();
        });
    };
    make("plain", "");
    engine
        .docker(["run", "-d", "--name", "cc", "plain", "sleep", "1000"])
        .ok();
    let long = "9".repeat(10_000);
    for user in [
        "4294967296",
        "4294968296",
        "2147483648",
        "99999999999",
        "-1",
        "1000:0:0",
        "1000:4294967296",
        "1000:-1",
        "1000:nosuch",
        "nosuch",
        "no\nsuch",
        &long,
    ] {
        for words in [
            &["exec", "-u", user, "cc"][..],
            &["run", "--rm", "-u", user, "plain"],
        ] {
            let ran = engine.docker(words.iter().chain(&["id", "-u"]));
            assert!(ran.code != 0 && ran.stdout.is_empty(), "{words:?}: {ran:?}");
        }
    }
    for (user, ids) in [
        ("1000:", "1000"),
        ("+1000", "1000"),
        ("0x3e8", "7"),
        ("65534", "65534"),
    ] {
        for words in [
            &["exec", "-u", user, "cc"][..],
            &["run", "--rm", "-u", user, "plain"],
        ] {
            let ran = engine.docker(words.iter().chain(&["id", "-u"]));
            assert_eq!(ran.ok(), ids, "{words:?}");
        }
    }
    // CVE-2022-4318: nobody adds a line for a user that has none.
    let lines = "HOME=/x\ntoor::0:0::/:/bin/sh";
    let words = [
        "run",
        "--rm",
        "-u",
        "4242:4242",
        "-e",
        lines,
        "plain",
        "cat",
        "/etc/passwd",
    ];
    assert_eq!(engine.docker(words).ok(), passwd.trim_end());
    for (number, user) in ["2147483648", "4294967296", "99999999999"]
        .iter()
        .enumerate()
    {
        let name = format!("user{number}");
        make(&name, user);
        let ran = engine.docker(["run", "--rm", &name, "id", "-u"]);
        assert!(
            ran.code != 0 && ran.stdout.is_empty(),
            "USER {user}: {ran:?}"
        );
    }
}

// GO-2022-0396
#[test]
fn devices_that_were_not_given_stay_closed_after_an_update() {
    let engine = Engine::with_images(&["busybox"]);
    // A node can be made of any device; opening it is what the group decides.
    let open = "mknod /tmp/fuse c 10 229 2>/dev/null; mknod /tmp/loop b 7 0 2>/dev/null; \
                for it in fuse loop; do (: </tmp/$it) 2>&1; done; head -c 2 /dev/zero | wc -c";
    let closed = |ran: &corten_testkit::Ran| {
        let denied = ran.stdout.matches("Operation not permitted").count();
        assert!(denied == 2 && ran.stdout.ends_with("2\n"), "{ran:?}");
    };
    engine
        .docker(["run", "-d", "--name", "cc", "busybox", "sleep", "1000"])
        .ok();
    closed(&engine.docker(["exec", "cc", "sh", "-c", open]));
    for change in [
        "--memory 64m --memory-swap 96m",
        "--pids-limit 50",
        "--cpu-shares 512",
    ] {
        let words = ["update"].into_iter().chain(change.split(' '));
        engine.docker(words.chain(["cc"])).ok();
        closed(&engine.docker(["exec", "cc", "sh", "-c", open]));
    }
    engine
        .docker(["exec", "--privileged", "cc", "sh", "-c", open])
        .ok();
    engine.docker(["pause", "cc"]).ok();
    engine.docker(["unpause", "cc"]).ok();
    closed(&engine.docker(["exec", "cc", "sh", "-c", open]));
    let rule = [
        "--device-cgroup-rule",
        "c 10:229 rwm",
        "--device-cgroup-rule",
        "b 7:* r",
    ];
    let last = ["busybox", "sh", "-c", open];
    let words = ["run", "--rm"].iter().chain(&rule).chain(&last);
    let given = engine.docker(words);
    assert!(!given.ok().contains("not permitted"), "{given:?}");
}
