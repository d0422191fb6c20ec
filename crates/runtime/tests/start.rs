//! What a user sees from inside a container that was started.

mod container;

use container::Container;

#[test]
fn the_program_is_process_one_of_its_own_namespaces() {
    let output = Container::shell("echo $$; hostname; ls /proc | grep -c '^[0-9]'; pwd").output();
    let lines: Vec<_> = output.lines().collect();
    assert_eq!(lines[..2], ["1", "box"]);
    assert_eq!(lines[3], "/");
}

#[test]
fn an_added_process_sees_the_container_and_leaves_nothing_behind() {
    let container = Container::new(&["sleep", "100"]);
    let (running, _output) = container.start().unwrap();
    let process = container.process_of(&["sh", "-c", "echo $$; hostname; exit 7"]);
    let outcome = container.exec(&running, &process).unwrap();
    assert_eq!(outcome.status, 7);
    let lines: Vec<_> = outcome.output.lines().collect();
    assert_ne!(lines[0], "1");
    assert_eq!(lines[1], "box");
    container::kill(&running);
}

#[test]
fn a_program_that_does_not_exist_says_so_with_dockers_words() {
    for (args, sentence, missing) in [
        (
            ["nix"],
            "exec: \"nix\": executable file not found in $PATH",
            true,
        ),
        (
            ["/bin/nix"],
            "exec: \"/bin/nix\": stat /bin/nix: no such file or directory",
            true,
        ),
        (
            ["/etc/passwd"],
            "exec: \"/etc/passwd\": permission denied",
            false,
        ),
        (
            ["/etc"],
            "exec: \"/etc\": is a directory: permission denied",
            false,
        ),
    ] {
        let error = Container::new(&args).run().unwrap_err();
        assert_eq!(error.to_string(), sentence);
        assert_eq!(
            (error.is_not_found(), error.is_not_executable()),
            (missing, !missing)
        );
    }
    let container = Container::new(&["sleep", "100"]);
    let (running, _output) = container.start().unwrap();
    let error = container
        .exec(&running, &container.process_of(&["nix"]))
        .unwrap_err();
    assert!(error.is_not_found());
    container::kill(&running);
}

/// As with Docker 28: the container has run.
#[test]
fn a_program_that_the_kernel_does_not_run_says_so_itself_and_ends_with_255() {
    use std::os::unix::fs::PermissionsExt;
    let sleeper = Container::new(&["sleep", "100"]);
    let (running, _output) = sleeper.start().unwrap();
    for (text, said) in [
        ("#!/nix/sh\n", "exec /program: no such file or directory\n"),
        ("echo hello\n", "exec /program: exec format error\n"),
    ] {
        let container = Container::new(&["/program"]);
        for tree in [container.rootfs(), sleeper.rootfs()] {
            let path = tree.join("program");
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let outcome = container.run().unwrap();
        assert_eq!((outcome.output.as_str(), outcome.status), (said, 255));
        let outcome = sleeper
            .exec(&running, &sleeper.process_of(&["/program"]))
            .unwrap();
        assert_eq!((outcome.output.as_str(), outcome.status), (said, 255));
    }
    container::kill(&running);
}

#[test]
fn a_limit_that_cannot_be_raised_is_told_with_runcs_words() {
    let mut container = Container::new(&["true"]);
    let kind = "RLIMIT_NOFILE".to_owned();
    let limit = 1 << 40;
    container.process().rlimits = vec![corten_oci::runtime::Rlimit {
        kind,
        soft: limit,
        hard: limit,
    }];
    assert_eq!(
        container.run().unwrap_err().to_string(),
        "error setting rlimits for ready process: error setting rlimit type 7: \
         operation not permitted"
    );
}
