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
        (["/etc"], "exec: \"/etc\": is a directory", false),
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
