//! What a project says, and its end by hand.

use super::*;

const TALK: &str = r#"
services:
  long:
    image: busybox
    command: sh -c "echo long speaks; exec sleep 1000"
    stop_signal: SIGKILL
  short:
    image: busybox
    command: sh -c "echo short speaks; echo error >&2; exit 7"
    depends_on: [long]
  mute:
    image: busybox
    command: sh -c "echo mute speaks; exec sleep 1000"
    stop_signal: SIGKILL
    attach: false
"#;

#[test]
fn up_in_the_foreground_shows_what_is_said_and_ends_as_asked() {
    let engine = Engine::with_images(&["busybox"]);
    let talk = engine.files("talk", &[("compose.yaml", TALK)]);
    let ran = ours(&engine, &talk, &["up", "--abort-on-container-exit"]);
    assert_eq!(ran.code, 7, "{ran:?}");
    assert!(
        ran.stdout.starts_with("Attaching to long-1, short-1\n"),
        "{}",
        ran.stdout
    );
    for line in [
        "long-1   | long speaks\n",
        "short-1  | short speaks\n",
        "short-1 exited with code 7\n",
    ] {
        assert!(ran.stdout.contains(line), "{line:?} in {}", ran.stdout);
    }
    assert!(ran.stderr.contains("short-1  | error\n"), "{}", ran.stderr);
    assert!(!ran.stdout.contains("mute"), "{}", ran.stdout);
    assert!(
        ran.stderr.contains("Aborting on container exit..."),
        "{}",
        ran.stderr
    );
    let ran = ours(
        &engine,
        &talk,
        &["up", "--exit-code-from", "long", "--no-log-prefix"],
    );
    assert_eq!(ran.code, 137, "{ran:?}");
    assert!(ran.stdout.contains("\nlong speaks\n"), "{}", ran.stdout);
    ours(&engine, &talk, &["down"]).ok();
}

#[test]
fn ctrl_c_stops_a_project_in_order() {
    let engine = Engine::with_images(&["busybox"]);
    let talk = engine.files("talk", &[("compose.yaml", TALK)]);
    let file = talk.join("compose.yaml");
    let line = format!(
        "{} compose -f {} up long",
        binary("corten").display(),
        file.display()
    );
    let environment = [
        ("DOCKER_HOST", engine.host()),
        ("HOME", "/nonexistent".into()),
    ];
    let mut terminal = Terminal::run(&line, &environment);
    terminal.shows("\x1b[36mlong-1  | \x1b[0mlong speaks");
    terminal.types("\x03");
    terminal.shows("Gracefully Stopping... press Ctrl+C again to force");
    terminal.shows("long-1 exited with code 137");
    assert_eq!(terminal.ends(), 130);
    ours(&engine, &talk, &["down"]).ok();
}

const MENU: &str = r#"
services:
  web:
    image: busybox
    command: sh -c "echo begun; tail -n 0 -f /say"
    stop_signal: SIGKILL
    configs: [{ source: say, target: /say }]
    develop:
      watch: [{ action: sync, path: ./page, target: /page }]
  quiet:
    image: busybox
    command: sleep 1000
    stop_signal: SIGKILL
configs: { say: { content: "" } }
"#;

#[test]
fn the_keys_of_the_menu_watch_and_detach() {
    let engine = Engine::with_images(&["busybox"]);
    let files = [("compose.yaml", MENU), ("page", "one\n")];
    let menu = engine.files("menu", &files);
    let environment = [
        ("DOCKER_HOST", engine.host()),
        ("HOME", "/nonexistent".into()),
    ];
    let up = |rest: &str| {
        let program = binary("corten");
        let file = menu.join("compose.yaml");
        let (program, file) = (program.display(), file.display());
        let line = format!("{program} compose -f {file} up {rest}; echo code $?; stty -a");
        Terminal::run(&line, &environment)
    };
    let say = |text: &str| {
        let said = format!("echo {text} >> /say");
        let words = ["exec", "-T", "web", "sh", "-c", &said];
        ours(&engine, &menu, &words).ok();
    };
    const MENU_LINE: &str = "\x1b[1;7mw\x1b[0m\x1b[2m Enable Watch\x1b[0m   \
        \x1b[1;7md\x1b[0m\x1b[2m Detach\x1b[0m   ";
    let mut terminal = up("");
    terminal.shows(&format!("begun\r\n{MENU_LINE}"));
    // What is said stands where the menu was, and the menu below.
    say("first");
    let line = "\r\x1b[0J\x1b[33mweb-1    | \x1b[0mfirst\r\n";
    terminal.shows(&format!("{MENU_LINE}{line}{MENU_LINE}"));
    terminal.types("x");
    terminal.types("w");
    terminal.shows("Watch enabled\r\n");
    terminal.shows("\x1b[2m Disable Watch\x1b[0m");
    fs::write(menu.join("page"), "two\n").expect("a file");
    terminal.shows("Syncing service \"web\" after 1 changes were detected");
    let page = ours(&engine, &menu, &["exec", "-T", "web", "cat", "/page"]);
    assert_eq!(page.ok(), "two");
    terminal.types("w");
    terminal.shows("Watch disabled\r\n");
    assert!(
        terminal.screen().ends_with(MENU_LINE),
        "{}",
        terminal.screen()
    );
    terminal.types("d");
    terminal.shows("code 0");
    terminal.shows(" icanon");
    assert!(
        !terminal.screen().contains("-echo "),
        "{}",
        terminal.screen()
    );
    terminal.ends();
    let running = engine.docker(["ps", "-q"]);
    assert_eq!(lines(running.ok()).len(), 2, "detached is not stopped");

    let mut terminal = up("--attach quiet quiet");
    terminal.shows(MENU_LINE);
    terminal.types("w");
    terminal.shows("none of the selected services is configured for watch");
    terminal.types("\x03");
    terminal.shows("\r\x1b[0JGracefully Stopping... press Ctrl+C again to force");
    terminal.shows("code 130");
    terminal.shows(" icanon");
    terminal.ends();

    let mut terminal = up("--menu=false quiet");
    terminal.shows("Attaching to quiet-1");
    until("it runs", 20, || {
        lines(&engine.docker(["ps", "-q"]).stdout).len() == 2
    });
    terminal.types("d\x03");
    terminal.shows("code 130");
    assert!(
        !terminal.screen().contains("Detach"),
        "{}",
        terminal.screen()
    );
    terminal.ends();
    ours(&engine, &menu, &["down", "-t", "0"]).ok();
    nothing_is_left(&engine);
}

#[test]
fn logs_follow_a_service_through_its_restart() {
    let engine = Engine::with_images(&["busybox"]);
    let talk = engine.files("talk", &[("compose.yaml", TALK)]);
    let words = ["logs", "-f", "long"];
    let mut stock_follow = engine.compose_command(words);
    stock_follow.current_dir(&talk);
    for (command, restarting) in [
        (ours_command(&engine, &talk, &words), "ours"),
        (stock_follow, "stock"),
    ] {
        follows_through_a_restart(&engine, &talk, command, restarting);
    }
}

fn follows_through_a_restart(engine: &Engine, talk: &Path, mut command: Command, whose: &str) {
    ours(engine, talk, &["up", "-d", "long"]).ok();
    let out = engine.path(&format!("followed-{whose}"));
    let file = fs::File::create(&out).expect("a file");
    let mut follow = command.stdout(file).spawn().expect("it starts");
    let said = || fs::read_to_string(&out).unwrap_or_default();
    until("the log is shown", 10, || said().contains("long speaks"));
    stock(engine, talk, &["restart", "-t", "0", "long"]).ok();
    until("it goes on after the restart", 10, || {
        said().matches("long speaks").count() == 2
    });
    ours(engine, talk, &["down", "-t", "0"]).ok();
    until("it ends with the last container", 10, || {
        follow.try_wait().expect("it is ours").is_some()
    });
    let text = said();
    assert!(
        text.contains("long-1 exited with code 137 (restarting)\n"),
        "{whose}: {text}"
    );
    assert!(
        text.ends_with("long-1 exited with code 137\n"),
        "{whose}: {text}"
    );
}
