//! Images built by the stock clients: buildx over BuildKit's gRPC, and the classic request.

use corten_testkit::{Engine, Ran, run};
use std::{fs, process::Command};

/// The stock client with its plugin.
fn with_buildx(engine: &Engine, words: &[&str]) -> Command {
    engine.install_buildx();
    let mut command = engine.docker_command(words.iter().copied());
    command.env("BUILDX_GIT_INFO", "false");
    command
}

fn build(engine: &Engine, directory: &std::path::Path, words: &[&str]) -> Ran {
    let directory = directory.display().to_string();
    let all = [
        &["build", "--progress", "plain"],
        words,
        &[directory.as_str()],
    ]
    .concat();
    run(&mut with_buildx(engine, &all))
}

fn classic(engine: &Engine, directory: &std::path::Path, words: &[&str]) -> Ran {
    let directory = directory.display().to_string();
    let all = [&["build"], words, &[directory.as_str()]].concat();
    let mut command = engine.docker_command(all.iter().copied());
    run(command.env("DOCKER_BUILDKIT", "0"))
}

fn inspect(engine: &Engine, image: &str, template: &str) -> String {
    let out = engine.docker(["image", "inspect", "-f", template, image]);
    out.ok().trim().to_owned()
}

const EVERYTHING: &str = r#"ARG BASE=busybox
FROM ${BASE} AS one
ARG FOO=bar
ENV A=b C="d e"
WORKDIR /app
COPY a.txt d/ ./
COPY --chown=1:2 --chmod=600 a.txt /b.txt
RUN echo hi > /app/r && echo $FOO
RUN ["touch","/exec"]
LABEL x=y z="q r"
EXPOSE 80 81/udp
VOLUME /vol
USER 1000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s CMD true
SHELL ["/bin/sh","-ec"]
ONBUILD RUN echo x
CMD echo a
ENTRYPOINT ["sh"]
RUN <<EOF
echo heredoc
true
EOF
COPY <<EOF /tmp/here
data $A
EOF
FROM one AS two
MAINTAINER me
COPY --link --from=one /app/r /link/r
ADD a.txt /added
"#;

/// What BuildKit in dockerd 28.5 writes for [`EVERYTHING`].
const HISTORY: &str = r#"ARG FOO=bar
ENV A=b C=d e
WORKDIR /app
COPY a.txt d/ ./ # buildkit
COPY --chown=1:2 --chmod=600 a.txt /b.txt # buildkit
RUN |1 FOO=bar /bin/sh -c echo hi > /app/r && echo $FOO # buildkit
RUN |1 FOO=bar touch /exec # buildkit
LABEL x=y z=q r
EXPOSE [80/tcp 81/udp]
VOLUME [/vol]
USER 1000
STOPSIGNAL SIGTERM
HEALTHCHECK &{["CMD-SHELL" "true"] "5s" "0s" "0s" "0s" '\x00'}
SHELL [/bin/sh -ec]
CMD ["/bin/sh" "-ec" "echo a"]
ENTRYPOINT ["sh"]
RUN |1 FOO=bar /bin/sh -ec echo heredoc
true
 # buildkit
COPY <<EOF /tmp/here # buildkit
RUN |1 FOO=bar /bin/sh -ec echo x # buildkit
MAINTAINER me
COPY /app/r /link/r # buildkit
ADD a.txt /added # buildkit"#;

#[test]
fn a_dockerfile_of_every_kind_gives_the_image_that_buildkit_gives_from_both_requests() {
    let engine = Engine::with_images(&["busybox"]);
    let files = [
        ("Dockerfile", EVERYTHING),
        ("a.txt", "hi\n"),
        ("d/x", "x\n"),
    ];
    let directory = engine.files("everything", &files);
    build(&engine, &directory, &["-t", "new"]).ok();
    let told = classic(&engine, &directory, &["-t", "old"]);
    assert!(
        told.ok().contains("Successfully tagged old:latest"),
        "{}",
        told.stdout
    );
    // The second one came from the cache, whoever asked.
    assert_eq!(
        inspect(&engine, "new", "{{.Id}}"),
        inspect(&engine, "old", "{{.Id}}")
    );
    let template = "{{.Config.User}} {{json .Config.Cmd}} {{json .Config.Entrypoint}} {{.Config.WorkingDir}} {{json .Config.Labels.z}} {{json .Config.ExposedPorts}} {{json .Config.Volumes}} {{.Config.StopSignal}} {{.Author}}";
    assert_eq!(
        inspect(&engine, "new", template),
        r#"1000 ["/bin/sh","-ec","echo a"] ["sh"] /app "q r" {"80/tcp":{},"81/udp":{}} {"/vol":{}} SIGTERM me"#
    );
    let history = engine.docker(["history", "--no-trunc", "--format", "{{.CreatedBy}}", "new"]);
    let lines: Vec<&str> = HISTORY.split('\n').collect();
    // The newest first there; the here document is one entry of three lines.
    let mut expected: Vec<String> = Vec::new();
    for line in lines {
        match expected.last_mut() {
            Some(last) if line == "true" || line == " # buildkit" => {
                last.push_str(&format!("\n{line}"))
            }
            _ => expected.push(line.to_owned()),
        }
    }
    expected.reverse();
    assert!(
        history.ok().starts_with(&expected.join("\n")),
        "{}",
        history.stdout
    );
    let seen = engine.docker([
        "run", "--rm", "--entrypoint", "/bin/sh", "-u", "0", "new", "-c",
        "cat /app/a.txt /app/x /app/r /link/r /tmp/here; stat -c '%u:%g %a' /b.txt; ls /exec /added",
    ]);
    assert_eq!(seen.ok(), "hi\nx\nhi\nhi\ndata b\n1:2 600\n/added\n/exec");
}

#[test]
fn a_change_in_the_source_repeats_only_what_stands_on_it() {
    let engine = Engine::with_images(&["busybox"]);
    let file = "FROM busybox\nCOPY list /list\nRUN cat /proc/sys/kernel/random/uuid > /once\nCOPY . /all\nRUN cat /proc/sys/kernel/random/uuid > /twice\n";
    let directory = engine.files(
        "source",
        &[("Dockerfile", file), ("list", "1"), ("main", "1")],
    );
    let read = |image: &str| {
        let out = engine.docker(["run", "--rm", image, "cat", "/once", "/twice"]);
        let lines: Vec<String> = out.ok().lines().map(str::to_owned).collect();
        (lines[0].clone(), lines[1].clone())
    };
    build(&engine, &directory, &["-t", "a"]).ok();
    fs::write(directory.join("main"), "2").expect("a change");
    build(&engine, &directory, &["-t", "b"]).ok();
    let (first, second) = (read("a"), read("b"));
    assert_eq!(first.0, second.0);
    assert_ne!(first.1, second.1);
    let again = build(&engine, &directory, &["-t", "c", "--no-cache"]);
    again.ok();
    assert_ne!(read("c").0, first.0);
}

#[test]
fn only_what_the_target_needs_is_built_and_the_context_obeys_dockerignore() {
    let engine = Engine::with_images(&["busybox"]);
    let file = "FROM busybox AS broken\nRUN false\nFROM busybox AS good\nCOPY . /c\nFROM broken\nCOPY --from=good /c /c\n";
    let files = [
        ("Dockerfile", file),
        (".dockerignore", "*.log\n!keep.log\nskip\n"),
        ("a.log", ""),
        ("keep.log", ""),
        ("skip/x", ""),
        ("src/y", ""),
    ];
    let directory = engine.files("target", &files);
    build(&engine, &directory, &["-t", "good", "--target", "good"]).ok();
    let seen = engine.docker(["run", "--rm", "good", "find", "/c", "-type", "f"]);
    let mut seen: Vec<&str> = seen.ok().lines().collect();
    seen.sort_unstable();
    assert_eq!(
        seen,
        [
            "/c/.dockerignore",
            "/c/Dockerfile",
            "/c/keep.log",
            "/c/src/y"
        ]
    );
    let failed = build(&engine, &directory, &["-t", "all"]);
    assert_ne!(failed.code, 0);
    assert!(
        failed
            .stderr
            .contains("process \"/bin/sh -c false\" did not complete successfully: exit code: 1"),
        "{}",
        failed.stderr
    );
    assert!(
        failed.stderr.contains("   2 | >>> RUN false"),
        "{}",
        failed.stderr
    );
    let failed = classic(&engine, &directory, &["-t", "all"]);
    assert_eq!(failed.code, 1);
    assert!(
        failed
            .stderr
            .contains("The command '/bin/sh -c false' returned a non-zero code: 1"),
        "{}",
        failed.stderr
    );
}

#[test]
fn a_secret_reaches_its_step_and_is_found_nowhere_afterwards() {
    const CANARY: &str = "c4n4ry-0f-the-bu1ld";
    let engine = Engine::with_images(&["busybox"]);
    let file = "FROM busybox\nRUN --mount=type=secret,id=t,required test \"$(cat /run/secrets/t | wc -c)\" = 19\nRUN --mount=type=secret,id=t,env=T test \"$T\" = \"$(printf c4n4ry-0f-the; printf -- -bu1ld)\"\nRUN test ! -s /run/secrets/t && test -z \"$T\"\n";
    let directory = engine.files("secret", &[("Dockerfile", file)]);
    let secret = engine.path("the-secret");
    fs::write(&secret, CANARY).expect("a secret");
    let option = format!("id=t,src={}", secret.display());
    build(&engine, &directory, &["-t", "s", "--secret", &option]).ok();
    fs::remove_file(&secret).expect("the secret goes");
    for place in ["data", "exec", "log"] {
        let found = run(Command::new("grep")
            .args(["-r", "-l", "-a", CANARY])
            .arg(engine.path(place)));
        assert_eq!(found.stdout, "", "in {place}");
    }
    let missing = build(&engine, &directory, &["-t", "s", "--no-cache"]);
    assert!(
        missing.stderr.contains("secret t: not found"),
        "{}",
        missing.stderr
    );
}

// A variable that a step gets as a secret has the secret there, and no other value is shown.
#[test]
fn a_step_is_told_with_stars_for_its_secret_variables() {
    let engine = Engine::with_images(&["busybox"]);
    let file = "FROM busybox\nARG WORD=arg1\nENV KEY=env1 \\\n OTHER=env2\n\
        RUN --mount=type=secret,id=k,env=WORD --mount=type=secret,id=k,env=KEY test $WORD$KEY$OTHER = onceonceenv2\n\
        RUN --mount=type=secret,id=k,env=NEW test \"${NEW}\" = once && echo \"said $NEW\"\n\
        RUN test $WORD$KEY = arg1env1\n";
    let directory = engine.files("stars", &[("Dockerfile", file), ("k", "once")]);
    let secret = format!("id=k,src={}", directory.join("k").display());
    let built = build(&engine, &directory, &["-t", "s", "--secret", &secret]);
    built.ok();
    for title in [
        " 2/4] RUN --mount=type=secret,id=k,env=WORD --mount=type=secret,id=k,env=KEY test ********env2 = onceonceenv2",
        " 3/4] RUN --mount=type=secret,id=k,env=NEW test \"****\" = once && echo \"said ****\"",
        " 4/4] RUN test arg1env1 = arg1env1",
    ] {
        let told = built.stderr.lines().any(|line| line.ends_with(title));
        assert!(told, "{title}: {}", built.stderr);
    }
    // So it is remembered, and with the output of the step.
    let list = ["buildx", "history", "logs"];
    let logs = run(&mut with_buildx(&engine, &list));
    let logs = format!("{}{}", logs.ok(), logs.stderr);
    assert!(logs.contains("test ********env2 ="), "{logs}");
    assert!(logs.contains("said once"), "{logs}");
}

#[test]
fn mounts_of_a_step_are_there_for_it_alone() {
    let engine = Engine::with_images(&["busybox"]);
    let file = "FROM busybox AS tools\nRUN echo tool > /tool\nFROM busybox\n\
        RUN --mount=type=cache,target=/cache echo $(($(cat /cache/n 2>/dev/null || echo 0) + 1)) > /cache/n\n\
        RUN --mount=type=bind,source=in,target=/in --mount=type=bind,from=tools,source=/tool,target=/tool cat /in /tool > /out\n\
        RUN --mount=type=tmpfs,target=/t touch /t/x && mount | grep -q ' /t type tmpfs'\n\
        RUN --mount=type=bind,target=/w,rw touch /w/new\n\
        RUN --network=none ! ip route | grep -q default\n\
        RUN --mount=type=cache,target=/cache cp /cache/n /n\n\
        RUN test ! -e /cache && test ! -e /in && test ! -e /tool && test ! -e /t && test ! -e /w\n";
    let directory = engine.files("mounts", &[("Dockerfile", file), ("in", "in\n")]);
    build(&engine, &directory, &["-t", "m"]).ok();
    let seen = engine.docker(["run", "--rm", "m", "cat", "/out", "/n"]);
    assert_eq!(seen.ok(), "in\ntool\n1");
    build(&engine, &directory, &["-t", "m", "--no-cache"]).ok();
    assert_eq!(engine.docker(["run", "--rm", "m", "cat", "/n"]).ok(), "2");
    assert!(!directory.join("new").exists());
}

#[test]
fn a_context_cannot_lead_out_of_itself() {
    let engine = Engine::with_images(&["busybox"]);
    let file = "FROM busybox\nCOPY link /x\n";
    let directory = engine.files("attack", &[("Dockerfile", file)]);
    let secret = engine.path("host-file");
    fs::write(&secret, "of the host").expect("a file of the host");
    std::os::unix::fs::symlink(&secret, directory.join("link")).expect("a link");
    for built in [
        build(&engine, &directory, &["-t", "x"]),
        classic(&engine, &directory, &["-t", "x"]),
    ] {
        assert_ne!(built.code, 0, "{}", built.stdout);
        assert!(built.stderr.contains("not found"), "{}", built.stderr);
    }
    // A stage whose directories are links to the host's.
    let file = format!(
        "FROM busybox AS evil\nRUN ln -s {} /dir\nFROM busybox\nCOPY --from=evil /dir/host-file /x\n",
        engine.path("").display()
    );
    fs::write(directory.join("Dockerfile"), file).expect("a Dockerfile");
    let built = build(&engine, &directory, &["-t", "x"]);
    assert_ne!(built.code, 0);
    assert!(built.stderr.contains("not found"), "{}", built.stderr);
    let file = "FROM busybox\nRUN --mount=type=cache,target=/etc/../../c,id=../../../x touch /c/y\nCOPY ../../../host-file /x\n";
    fs::write(directory.join("Dockerfile"), file).expect("a Dockerfile");
    assert_ne!(build(&engine, &directory, &["-t", "x"]).code, 0);
}

#[test]
fn a_build_that_is_given_up_leaves_nothing() {
    let mut engine = Engine::with_images(&["busybox"]);
    let file = "FROM busybox\nRUN echo begun && sleep 1000\n";
    let directory = engine.files("gone", &[("Dockerfile", file)]);
    let path = directory.display().to_string();
    let mut command = with_buildx(&engine, &["build", "--progress", "plain", &path]);
    let mut client = command
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the client starts");
    let containers = engine.path("data/containers");
    let count = || fs::read_dir(&containers).map_or(0, Iterator::count);
    corten_testkit::until("the step runs", 30, || count() == 1);
    run(Command::new("kill").args(["-INT", &client.id().to_string()]));
    client.wait().expect("the client ends");
    corten_testkit::until("the step is gone", 30, || count() == 0);
    engine.stop_daemon();
}

#[test]
fn a_tree_can_be_taken_out_and_the_cache_be_seen_and_pruned() {
    let engine = Engine::with_images(&["busybox"]);
    let file = "FROM scratch\nCOPY f /d/f\n";
    let directory = engine.files("out", &[("Dockerfile", file), ("f", "f\n")]);
    let tar = engine.path("out.tar");
    let option = format!("type=tar,dest={}", tar.display());
    build(&engine, &directory, &["-o", &option]).ok();
    let listed = run(Command::new("tar").arg("-xOf").arg(&tar).arg("d/f"));
    assert_eq!(listed.ok(), "f");
    let used = run(&mut with_buildx(&engine, &["buildx", "du"]));
    assert!(used.ok().contains("Total:"), "{}", used.stdout);
    let pruned = run(&mut with_buildx(&engine, &["builder", "prune", "-af"]));
    pruned.ok();
    let again = build(&engine, &directory, &["-o", &option]);
    assert!(!again.stderr.contains("CACHED"), "{}", again.stderr);
}
