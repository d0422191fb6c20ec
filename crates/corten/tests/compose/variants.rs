//! What `config` prints in all its variants, and what the variables and flags of the group
//! do: word for word what stock Compose says, with the same exit code.

use super::*;
use std::os::unix::process::CommandExt;

const SHOP: &str = r#"
services:
  db:
    image: postgres:${PGV:-16}
    volumes: [ "data:/var/lib/postgresql", "./conf:/conf:ro" ]
    networks: [back]
    environment: { PASS: "a$$b", U: }
  cache:
    image: redis
    profiles: [fast]
    networks: [back]
  web:
    build: ./web
    env_file: [ ./web.env ]
    depends_on: [db]
    networks: [back, front]
    ports: ["8080:80"]
  worker:
    image: me/worker@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
    profiles: [fast, slow]
    depends_on: { cache: { condition: service_started } }
  job:
    image: busybox
    profiles: [slow]
    depends_on: { cache: { condition: service_started } }
  batch:
    image: busybox
    secrets: [s]
    configs: [c]
    depends_on: { cache: { condition: service_started, required: false } }
    command: ["echo", "${X}", "$$HOME", "${PWD}"]
networks: { back: {}, front: {}, unused: {} }
volumes: { data: {}, extra: {}, ext: { external: true } }
secrets: { s: { file: ./s.txt }, s2: { environment: E } }
configs: { c: { content: "hi ${Y:-y}" } }
models: { small: { model: ai/small }, large: { model: ai/large } }
"#;

const FILES: [(&str, &str); 18] = [
    ("compose.yaml", SHOP),
    ("web.env", "A=1\n"),
    ("s.txt", "s\n"),
    ("one.yaml", "services: { one: { image: \"one:${V}\" } }"),
    (
        "two.yaml",
        "services: { two: { image: two, environment: { V: \"${V}\" } } }",
    ),
    ("one.env", "V=first\nCOMPOSE_PROFILES=fast\n"),
    (
        "two.env",
        "V=second\nCOMPOSE_PROJECT_NAME=named\nCOMPOSE_ANSI=never\n",
    ),
    ("bad.env", "lower =\nBAD LINE x\n"),
    (
        "sub/compose.yaml",
        "services: { sub: { image: \"sub:${V:-none}\" } }",
    ),
    ("sub/.env", "V=sub\nCOMPOSE_PROJECT_NAME=subname\n"),
    (
        "lost/compose.yaml",
        "services: { a: { image: a }, b: { image: b, env_file: nope.env } }",
    ),
    ("many/compose.yaml", "services: { a: { image: first } }"),
    (
        "many/docker-compose.yml",
        "services: { a: { image: second } }",
    ),
    (
        "many/compose.override.yml",
        "services: { a: { command: first } }",
    ),
    (
        "many/compose.override.yaml",
        "services: { a: { command: second } }",
    ),
    ("web/Dockerfile", "FROM busybox\n"),
    ("conf/x", ""),
    ("dir.env/x", ""),
];

/// `VARIABLE=value … | words`; where stock Compose's order is that of a hash map, a `~` says
/// that lines are compared in any order.
const LINES: &str = "
| config
| config --format json
| config --format xml
| config web
| config worker
| config cache
| config job
| config batch
| config web batch
| config nope
| config w*
| config ?atch
| config [a-c]*
| config x*
~ config --services
~ config --services web
~ config --images
~ config --images web
~ config --images worker
~ config --volumes
~ config --volumes web
~ config --networks
~ config --networks batch
~ config --models
~ --all-resources config --volumes
~ --all-resources config --networks
~ --all-resources config --models
~ config --services --images
~ config --images --services --hash *
~ config --environment --services
~ config --quiet --services
| config --profiles
| config --profiles web
| config --hash *
| config --hash web
| config --hash web,db
| config --hash nope
| config --hash db,nope
| config --hash worker
| config --hash=
~ config --variables
~ config --variables web
| config --no-interpolate
| config --no-interpolate --format json
| config --no-interpolate web
~ config --no-interpolate --services
| config --no-interpolate --hash *
| config --no-interpolate --no-normalize
| config --no-interpolate --no-path-resolution
| config --no-normalize
| config --no-normalize --format json
| config --no-path-resolution --no-normalize
| config --no-consistency
| config -q
| config -q nope
| config -o written.txt
~ --profile fast config --services
~ --profile * config --services
| --profile fast --profile slow config --profiles
| --all-resources config --format json
| --all-resources config web
| --compatibility config
~ --compatibility config --images
| -p Foo config
| -p foo_bar config --format json
| -f nofile config
| -f one.yaml -f two.yaml config
| -f ./sub/../one.yaml config
| --project-directory sub config
| --workdir sub config
| --workdir sub --project-directory sub config
| --env-file one.env -f two.yaml config
| --env-file one.env --env-file two.env -f two.yaml config
| --env-file none.env -f two.yaml config
| --env-file dir.env -f two.yaml config
| --env-file bad.env -f two.yaml config
~ --env-file one.env config --services
| --env-file two.env --progress tty config
| --ansi never --progress tty config -q
| --ansi always --progress plain config -q
| --ansi never --progress json config -q
| --ansi foo config -q
| --no-ansi config -q
| --no-ansi --ansi never config -q
| --no-ansi --progress tty config -q
| --progress foo config -q
| --progress json config nope
| --progress json -f nofile config
| --parallel 0 config -q
| --parallel x config -q
| config --bogus
| config -x
| --bogus config
| config --hash
| exec
| exec web
| port web
| commit
| stats a b
| up --scale
| down --rmi some
| create --build --no-build
| --project-directory many config
| --project-directory lost config
| --project-directory lost config a
COMPOSE_FILE=one.yaml | config
COMPOSE_FILE=one.yaml:two.yaml | config
COMPOSE_FILE=one.yaml,two.yaml COMPOSE_PATH_SEPARATOR=, | config
COMPOSE_FILE=one.yaml::two.yaml COMPOSE_PATH_SEPARATOR=:: | config
COMPOSE_FILE=one.yaml:two.yaml COMPOSE_PATH_SEPARATOR= | config
COMPOSE_FILE=nope.yaml | config
COMPOSE_FILE= | config
COMPOSE_FILE=one.yaml: | config
COMPOSE_FILE=nope.yaml | -f two.yaml config
COMPOSE_FILE=sub/compose.yaml:one.yaml | config
COMPOSE_PROJECT_NAME=Up | config
COMPOSE_PROJECT_NAME=ok | -f one.yaml config
COMPOSE_PROJECT_NAME=ok | -p other -f one.yaml config
COMPOSE_PROFILES=fast ~ config --services
COMPOSE_PROFILES=,fast,slow ~ config --services
COMPOSE_PROFILES=slow ~ --profile fast config --services
COMPOSE_PROFILES=* ~ config --services
COMPOSE_PARALLEL_LIMIT=3 | config -q
COMPOSE_PARALLEL_LIMIT=x | config -q
COMPOSE_PARALLEL_LIMIT= | config -q
COMPOSE_PARALLEL_LIMIT=x | --parallel 2 config -q
COMPOSE_ENV_FILES=one.env,two.env | -f two.yaml config
COMPOSE_ENV_FILES=nope.env | config
COMPOSE_ENV_FILES=nope.env | --env-file one.env -f one.yaml config
COMPOSE_ENV_FILES=, | -f two.yaml config
COMPOSE_DISABLE_ENV_FILE=1 | --project-directory sub -f one.yaml config
COMPOSE_DISABLE_ENV_FILE=0 | --project-directory sub -f one.yaml config
COMPOSE_DISABLE_ENV_FILE=x | -f one.yaml config
COMPOSE_ANSI=never | --progress tty config -q
COMPOSE_ANSI=always | --progress plain config -q
COMPOSE_PROGRESS=foo | config -q
COMPOSE_PROGRESS=foo | --progress plain config -q
COMPOSE_PROGRESS=json | config nope
COMPOSE_PROGRESS=none | config -q
COMPOSE_CONVERT_WINDOWS_PATHS=1 | config
COMPOSE_COMPATIBILITY=1 ~ config --images
COMPOSE_EXPERIMENTAL=x | config -q
COMPOSE_MENU=x | config -q
COMPOSE_STATUS_STDOUT=x | config -q
PWD=/elsewhere | config batch
| attach --help
| build --help
| commit --help
| config --help
| cp --help
| create --help
| down --help
| events --help
| exec --help
| export --help
| images --help
| kill --help
| logs --help
| ls --help
| pause --help
| port --help
| ps --help
| publish --help
| pull --help
| push --help
| restart --help
| rm --help
| run --help
| scale --help
| start --help
| stats --help
| stop --help
| top --help
| unpause --help
| up --help
| version --help
| volumes --help
| wait --help
| watch --help
";

/// Exit code, standard output and standard error without the time of day. What ours has
/// beyond stock Compose's: the place of an env file's name and what to write instead; a warning is told once.
pub(super) fn told(command: &mut Command, any_order: bool) -> (i32, String, String) {
    let ran = run(command);
    let untimed = |text: &str| {
        let lines = text.lines().map(|line| {
            let line = match line.split_once(" level=") {
                Some((time, rest)) if time.starts_with("time=") => rest,
                _ => line,
            };
            let line = match line.split_once(": env file ") {
                Some((place, _)) => {
                    &line[place.len() + 2..line.find("; correct").unwrap_or(line.len())]
                }
                None => line,
            };
            let at = line.find(",\"time\":\"").unwrap_or(line.len());
            line[..at].trim_end().to_owned()
        });
        let mut lines: Vec<String> = lines.collect();
        lines.dedup_by(|one, other| one == other && one.starts_with("warning "));
        if any_order {
            lines.sort();
        }
        lines.join("\n")
    };
    (ran.code, untimed(&ran.stdout), untimed(&ran.stderr))
}

#[test]
fn every_variant_of_config_says_what_stock_compose_says() {
    let engine = Engine::start();
    let directory = engine.files("variants", &FILES);
    let mut wrong = Vec::new();
    for line in LINES.lines().filter(|line| !line.is_empty()) {
        let at = line.find(['|', '~']).expect("a line has its mark");
        let (variables, words) = line.split_at(at);
        let any_order = words.starts_with('~');
        let words: Vec<&str> = words[1..].split_whitespace().collect();
        let command = |mut command: Command| {
            command.current_dir(&directory);
            for variable in variables.split_whitespace() {
                let (name, value) = variable.split_once('=').expect("a variable");
                command.env(name, value);
            }
            told(&mut command, any_order)
        };
        let mut own = ours_command(&engine, &directory, &words);
        own.arg0("docker");
        let own = command(own);
        let stock = command(engine.compose_command(&words));
        if own != stock {
            wrong.push(format!("{line}\n  ours  {own:?}\n  stock {stock:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
