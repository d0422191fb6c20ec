//! What docker 28.5 says and sends, recorded, against what this program says and sends.

use crate::{
    container::options,
    flags::{self, Grammar},
    help::{self, Look},
    line,
    output::{Json, list::render},
    tables::{self, Found},
};

const LOOK: Look<'_> = Look {
    program: "docker",
    columns: None,
    config_directory: "/root/.docker",
    plugins: &[],
};

/// Blocks that begin with `### `: the rest of that line, and the lines after it.
fn blocks(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split("### ")
        .skip(1)
        .filter_map(|block| block.split_once('\n'))
}

/// A recorded command line: words, some in double quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let (mut quoted, mut escaped) = (false, false);
    for c in line.chars() {
        match c {
            _ if escaped => {
                escaped = false;
                words.last_mut().unwrap().push(c);
            }
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words
}

#[test]
fn help_is_dockers_to_the_byte() {
    for (line, text) in blocks(include_str!("recorded/help.txt")) {
        let words = words(line.strip_prefix("docker ").unwrap());
        let shown = match tables::find_for("docker", &words) {
            Some((Found::Command(command) | Found::Group(command), _)) => {
                help::help(&command, &LOOK)
            }
            None => {
                let plugins = ["buildx".to_owned(), "compose".to_owned()];
                help::root(
                    &tables::root(),
                    &Look {
                        plugins: &plugins,
                        ..LOOK
                    },
                )
            }
        };
        assert_eq!(shown, text, "{line}");
    }
}

#[test]
fn lines_that_cannot_work_are_refused_in_dockers_words_with_its_exit_codes() {
    let mut count = 0;
    for (head, text) in blocks(include_str!("recorded/refusals.txt")) {
        let (code, command) = head.split_once(" docker ").unwrap();
        // Nothing listens here: a line that is not refused before the engine is asked fails.
        let mut all = vec!["--host".to_owned(), "unix:///nonexistent".to_owned()];
        all.extend(words(command));
        let error = line("docker", &all).expect_err(command);
        assert_eq!(format!("{error}\n"), text, "{command}");
        assert_eq!(error.code().to_string(), code, "{command}");
        count += 1;
    }
    assert!(count > 60);
}

#[test]
fn the_create_request_is_the_one_that_dockers_client_sends() {
    let recorded: serde_json::Value =
        serde_json::from_str(include_str!("recorded/requests.json")).unwrap();
    for record in recorded.as_array().unwrap() {
        let words: Vec<String> = serde_json::from_value(record["line"].clone()).unwrap();
        let Some((Found::Command(command), used)) = tables::find(&words) else {
            panic!()
        };
        let grammar = Grammar {
            flags: &command.flags,
            stops_at_first_argument: true,
            check: options::checks::check,
        };
        let parsed = flags::parse(&grammar, &words[used..]).unwrap();
        let mut request = options::request(&parsed).unwrap();
        if parsed.is_on("detach") {
            let config = &mut request.config;
            (
                config.attach_stdin,
                config.attach_stdout,
                config.attach_stderr,
            ) = (false, false, false);
            config.stdin_once = false;
        }
        let sent = serde_json::to_value(&request).unwrap();
        assert_eq!(sent, record["request"], "{words:?}");
    }
}

#[test]
fn containers_are_listed_as_docker_lists_them() {
    let list: Json = serde_json::from_str(include_str!("recorded/containers.json")).unwrap();
    let (format, table) = include_str!("recorded/containers.txt")
        .split_once('\n')
        .unwrap();
    let rows = list
        .list(&[])
        .iter()
        .map(crate::container::list::plain_row)
        .collect();
    assert_eq!(
        render(&crate::container::list::LOOK, format, rows).unwrap(),
        table
    );
}
