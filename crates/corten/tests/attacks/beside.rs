//! What the engine and its client use beside a container's tree: the processes that they
//! list, the files that a build keeps for a while, the servers that they download from.

use super::{Canary, hostile_image};
use corten_testkit::{Engine, Options, binary, program, run, until};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

// CVE-2022-1227
#[test]
fn no_program_of_a_container_is_run_to_list_its_processes() {
    for arguments in [&[][..], &["--userns-remap", "default"]] {
        let engine = Engine::start_with(Options {
            arguments: arguments.iter().map(|it| (*it).to_owned()).collect(),
            ..Options::default()
        });
        let canary = Canary::new(&engine);
        let mark = canary.0.join("ran").display().to_string();
        hostile_image(&engine, "helpers", |root| {
            for directory in ["bin", "usr/bin", "sbin", "usr/local/bin"] {
                std::fs::create_dir_all(root.join(directory)).unwrap();
                for name in ["ps", "top", "nsenter", "getent", "corten", "corten-shim"] {
                    let path = root.join(directory).join(name);
                    let script =
                        format!("#!/bin/sh\necho $0 >>/tmp/ran\necho $0 >>{mark}\nsleep 1000\n");
                    std::fs::write(&path, script).unwrap();
                    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
                }
            }
        });
        engine
            .docker(["run", "-d", "--name", "cc", "helpers", "/usr/bin/nsenter"])
            .ok();
        // Itself it may run: that is the one line of it.
        let ran = || engine.docker(["exec", "cc", "cat", "/tmp/ran"]).stdout;
        until("it runs", 20, || ran().trim() == "/usr/bin/nsenter");
        for words in [
            &["top", "cc"][..],
            &["top", "cc", "-eo", "pid,user,group,comm,args"],
            &["top", "cc", "aux"],
        ] {
            let listed = engine.docker(words);
            assert!(listed.ok().contains("/usr/bin/nsenter"), "{listed:?}");
        }
        engine.docker(["stats", "--no-stream", "cc"]).ok();
        assert_eq!(ran().trim(), "/usr/bin/nsenter");
        canary.untouched();
    }
}

/// A process that is ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// What `find` shows below a directory, by `-readable` what the user can read: root, or
/// somebody without any rights.
fn find(directory: &Path, is_root: bool) -> String {
    let words = ["-mindepth", "1", "-readable", "-print"];
    let mut command = match is_root {
        true => Command::new("find"),
        false => {
            let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups", "find"];
            let mut command = Command::new("setpriv");
            command.args(nobody);
            command
        }
    };
    run(command.arg(directory).args(words)).stdout
}

// CVE-2025-4953: what lies in a directory that everybody shares can be read, and exchanged.
#[test]
fn what_a_build_keeps_for_a_while_is_out_of_other_users_reach() {
    const SECRET: &str = "s3cret-0f-the-bu1ld";
    let shared = tempfile::tempdir_in("/var/tmp").unwrap();
    std::fs::set_permissions(shared.path(), PermissionsExt::from_mode(0o1777)).unwrap();
    let temporary = ("TMPDIR".to_owned(), shared.path().display().to_string());
    let engine = Engine::start_with(Options {
        environment: vec![temporary.clone()],
        ..Options::default()
    });
    engine.load("busybox");
    let inline =
        "FROM busybox\n      COPY file /\n      RUN --mount=type=secret,id=token sleep 1000";
    let project = format!(
        "name: p\nservices:\n  a:\n    build:\n      context: .\n      secrets: [token]\n      \
         dockerfile_inline: |\n        {}\nsecrets:\n  token:\n    environment: TOKEN\n",
        inline.replace("\n      ", "\n        ")
    );
    let files = engine.files("project", &[("compose.yaml", &project), ("file", SECRET)]);
    let file = files.join("compose.yaml").display().to_string();
    let mut command = engine.corten_command(["compose", "-f", &file, "build"]);
    command.env("TOKEN", SECRET).env(&temporary.0, &temporary.1);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let _building = Running(command.spawn().unwrap());
    // With the older builder the daemon has the whole context.
    let classic = engine.files(
        "classic",
        &[
            ("Dockerfile", "FROM busybox\nCOPY file /\nRUN sleep 1001\n"),
            ("file", SECRET),
        ],
    );
    let mut command = engine.docker_command(["build", &classic.display().to_string()]);
    command
        .env("DOCKER_BUILDKIT", "0")
        .env(&temporary.0, &temporary.1);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let _other = Running(command.spawn().unwrap());
    let steps = || {
        let all = run(&mut program("ps", ["-eo", "args"])).stdout;
        all.contains("sleep 1000") && all.contains("sleep 1001")
    };
    until("both builds are at their last step", 60, steps);

    let data = engine.path("data");
    assert!(
        find(shared.path(), true).contains("secret-"),
        "the client keeps it here"
    );
    assert!(
        find(&data, true).contains("layers/"),
        "{}",
        find(&data, true)
    );
    for directory in [shared.path(), &data] {
        assert_eq!(find(directory, false), "", "{}", directory.display());
    }
    // Of the daemon's open files none is among everybody's.
    let open = std::fs::read_dir(format!("/proc/{}/fd", engine.daemon_pid())).unwrap();
    for descriptor in open.flatten() {
        let Ok(target) = std::fs::read_link(descriptor.path()) else {
            continue;
        };
        let everybodys = [Path::new("/tmp"), Path::new("/dev/shm"), shared.path()];
        let is_there = everybodys.iter().any(|place| target.starts_with(place));
        assert!(!is_there, "{}", target.display());
    }
}

// CVE-2025-6032
#[test]
fn nothing_is_downloaded_from_a_server_that_nobody_vouches_for() {
    const ADDRESS: &str = "10.99.0.1:5443";
    let mut engine = Engine::with_images(&["busybox"]);
    let made = rcgen::generate_simple_self_signed(vec!["10.99.0.1".to_owned()]).unwrap();
    let (certificate, key) = (engine.path("cert.pem"), engine.path("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let mut add = engine.inside("ip");
    run(add.args(["address", "add", "10.99.0.1/32", "dev", "lo"])).ok();
    let mut server = engine.inside(binary("corten"));
    server.args(["registry", "serve", "--root"]);
    server
        .arg(engine.path("registry"))
        .arg(format!("--listen={ADDRESS}"));
    server
        .arg("--tls-cert")
        .arg(&certificate)
        .arg("--tls-key")
        .arg(&key);
    engine.beside(server);
    let url = format!("https://{ADDRESS}/health");
    let ask = || {
        run(engine
            .inside("curl")
            .args(["-skf", "--max-time", "2", &url]))
        .code
    };
    until("the server answers", 20, || ask() == 0);

    engine.install_buildx();
    let word = "certificate";
    let refused = |what: &str, ran: corten_testkit::Ran| {
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(ran.code != 0 && said.contains(word), "{what}: {ran:?}");
    };
    refused("import", engine.docker(["import", &url, "x"]));
    refused("pull", engine.docker(["pull", &format!("{ADDRESS}/x:1")]));
    refused(
        "login",
        engine.docker(["login", "-u", "a", "-p", "b", ADDRESS]),
    );
    let added = format!("FROM busybox\nADD {url} /x\n");
    let context = engine.files("context", &[("Dockerfile", &added)]);
    let context = context.display().to_string();
    let classic = ["build", context.as_str()];
    let mut build = engine.docker_command(classic);
    refused("build", run(build.env("DOCKER_BUILDKIT", "0")));
    // A Dockerfile from elsewhere the older builder's client fetches, not the engine.
    for place in [context.as_str(), &format!("https://{ADDRESS}/Dockerfile")] {
        let build = engine.docker(["build", "--progress=plain", place]);
        refused(&format!("buildx build {place}"), build);
    }
    let inside = |words: &[&str]| {
        let mut command = engine.inside("/usr/bin/env");
        command.arg(format!("HOME={}", engine.path("home").display()));
        run(command.arg(binary("corten")).args(words))
    };
    let artifact = format!("oci://{ADDRESS}/project:1");
    refused("compose", inside(&["compose", "-f", &artifact, "config"]));
    refused(
        "manifest",
        inside(&["manifest", "inspect", &format!("{ADDRESS}/x:1")]),
    );
}
