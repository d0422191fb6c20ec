//! Completion: `__complete WORDS…`, as spf13/cobra's shell scripts ask for it, and short
//! scripts of our own that ask the same way.

use crate::{
    app::App,
    dispatch,
    error::CliError,
    output::Json,
    tables::{self, Command, Entry, Found},
};

/// Cobra's directives: the shell may complete files, or must not.
const FILES: u8 = 0;
const NO_FILES: u8 = 4;

/// Objects whose names complete an argument.
#[derive(Clone, Copy)]
enum Names {
    /// Containers, with a filter on their state (`""`: all).
    Containers(&'static str),
    Images,
    Networks,
    Volumes,
    Contexts,
    /// Targets and groups of the bake files here.
    Targets,
    Files,
    Nothing,
}

/// Prints candidates for the last word, one a line, then the directive.
pub fn run(app: &App, words: &[String]) -> Result<u8, CliError> {
    let (last, before) = match words.split_last() {
        Some((last, before)) => (last.as_str(), before),
        None => ("", words),
    };
    let (candidates, directive) = candidates(app, before, last);
    let mut text = String::new();
    for (name, about) in candidates.iter().filter(|(name, _)| name.starts_with(last)) {
        text.push_str(name);
        if !about.is_empty() {
            text.push('\t');
            text.push_str(about);
        }
        text.push('\n');
    }
    app.out(&format!("{text}:{directive}\n"))?;
    let name = if directive == FILES {
        "ShellCompDirectiveDefault"
    } else {
        "ShellCompDirectiveNoFileComp"
    };
    app.warn(&format!("Completion ended with directive: {name}"));
    Ok(0)
}

type Candidates = (Vec<(String, String)>, u8);

fn candidates(app: &App, before: &[String], last: &str) -> Candidates {
    if before.is_empty() {
        let root = tables::root();
        if last.starts_with('-') {
            return (flags(&root), NO_FILES);
        }
        let names = root.entries.iter().filter_map(|entry| match entry {
            Entry::Command(name, about) if !name.ends_with('*') => {
                Some(((*name).to_owned(), (*about).to_owned()))
            }
            _ => None,
        });
        return (names.collect(), NO_FILES);
    }
    match tables::find_for(app.program, before) {
        None => (Vec::new(), NO_FILES),
        Some((Found::Group(group), _)) => {
            let members = tables::members(group.path, app.program);
            (
                members
                    .into_iter()
                    .map(|(n, a)| (n.to_owned(), a.to_owned()))
                    .collect(),
                NO_FILES,
            )
        }
        Some((Found::Command(command), used)) => arguments(app, &command, &before[used..], last),
    }
}

fn arguments(app: &App, command: &Command, before: &[String], last: &str) -> Candidates {
    let stops = dispatch::stops_at_first_argument(command.path);
    let mut given = 0;
    let mut awaits = None;
    for word in before {
        if awaits.take().is_some() || (stops && given > 0) {
            continue;
        }
        match word.strip_prefix("--") {
            Some(long) => {
                let flag = command.flags.iter().find(|f| f.name == long);
                awaits = flag.filter(|f| !f.is_bool());
            }
            None if word.len() > 1 && word.starts_with('-') => {
                let short = word.chars().next_back();
                awaits = command
                    .flags
                    .iter()
                    .find(|f| f.short == short)
                    .filter(|f| !f.is_bool());
            }
            None => given += 1,
        }
    }
    if let Some(flag) = awaits {
        let names = match flag.name {
            "network" | "net" => Names::Networks,
            "volumes-from" | "link" => Names::Containers(""),
            "file" | "metadata-file" | "iidfile" | "env-file" | "label-file" | "cidfile"
            | "input" | "output" | "volume" => Names::Files,
            _ => Names::Nothing,
        };
        return named(app, names);
    }
    if last.starts_with('-') && !(stops && given > 0) {
        return (flags(command), NO_FILES);
    }
    named(app, argument(command.path, given))
}

/// What the argument at `index` of a command is.
fn argument(path: &str, index: usize) -> Names {
    match (path, index) {
        ("container attach" | "container exec" | "container top", 0)
        | ("container kill" | "container pause" | "container stop", _) => {
            Names::Containers("running")
        }
        ("container unpause", _) => Names::Containers("paused"),
        ("container run" | "container create", 0)
        | ("image history" | "image push" | "image tag" | "image pull", 0)
        | ("image rm" | "image verify" | "image inspect" | "image save", _) => Names::Images,
        ("container run" | "container create" | "container exec" | "container cp", _)
        | ("image import", 0) => Names::Files,
        (
            "container commit" | "container diff" | "container export" | "container logs"
            | "container port" | "container rename",
            0,
        )
        | (
            "container inspect" | "container restart" | "container rm" | "container start"
            | "container stats" | "container update" | "container wait" | "inspect",
            _,
        ) => Names::Containers(""),
        ("buildx bake", _) => Names::Targets,
        ("image build", _) => Names::Files,
        ("network connect" | "network disconnect", 0) => Names::Networks,
        ("network connect" | "network disconnect", 1) => Names::Containers(""),
        ("network inspect" | "network rm", _) => Names::Networks,
        ("volume inspect" | "volume rm", _) => Names::Volumes,
        ("context use" | "context inspect" | "context rm" | "context update", _) => Names::Contexts,
        _ => Names::Nothing,
    }
}

fn flags(command: &Command) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for flag in command.flags.iter().filter(|f| !f.hidden) {
        let about = flag.help.split("\\n").next().unwrap_or("").to_owned();
        all.push((format!("--{}", flag.name), about.clone()));
        if let Some(short) = flag.short {
            all.push((format!("-{short}"), about));
        }
    }
    all
}

fn named(app: &App, names: Names) -> Candidates {
    let plain = |names: Vec<String>| names.into_iter().map(|n| (n, String::new())).collect();
    match names {
        Names::Files => (Vec::new(), FILES),
        Names::Nothing => (Vec::new(), NO_FILES),
        Names::Contexts => {
            let all = crate::config::contexts::all(&app.config_directory);
            (plain(all.into_iter().map(|c| c.name).collect()), NO_FILES)
        }
        Names::Targets => (plain(crate::bake::names()), NO_FILES),
        // Without an engine there is nothing to offer, and nobody to tell why.
        other => (plain(asked(app, other).unwrap_or_default()), NO_FILES),
    }
}

fn asked(app: &App, names: Names) -> Option<Vec<String>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .ok()?;
    runtime.block_on(async {
        let client = app.client().await.ok()?;
        let (path, status) = match names {
            Names::Containers(status) => ("/containers/json", status),
            Names::Images => ("/images/json", ""),
            Names::Networks => ("/networks", ""),
            _ => ("/volumes", ""),
        };
        let mut filters = crate::filters::Filters::default();
        if !status.is_empty() {
            filters.add("status", status);
        }
        let request = client
            .get(path)
            .flag("all", matches!(names, Names::Containers("")))
            .query_if("filters", filters.json());
        let list: Json = request.send().await.ok()?.json().await.ok()?;
        Some(match names {
            Names::Containers(_) => texts(&list, "Names")
                .into_iter()
                .map(|name| name.trim_start_matches('/').to_owned())
                .collect(),
            Names::Images => texts(&list, "RepoTags"),
            Names::Networks => list
                .list(&[])
                .iter()
                .map(|n| n.text(&["Name"]).to_owned())
                .collect(),
            _ => list
                .list(&["Volumes"])
                .iter()
                .map(|v| v.text(&["Name"]).to_owned())
                .collect(),
        })
    })
}

fn texts(list: &Json, key: &str) -> Vec<String> {
    list.list(&[])
        .iter()
        .flat_map(|item| item.texts(&[key]))
        .map(str::to_owned)
        .collect()
}

/// `completion --help`.
pub fn usage(program: &str) -> String {
    format!(
        "Usage:  {program} completion COMMAND\n\n\
         Generate the autocompletion script for {program} for the specified shell.\n\
         See each sub-command's help for details on how to use the generated script.\n\n\
         Commands:\n  \
         bash        Generate the autocompletion script for bash\n  \
         fish        Generate the autocompletion script for fish\n  \
         zsh         Generate the autocompletion script for zsh\n\n\
         Run '{program} completion COMMAND --help' for more information on a command.\n"
    )
}

/// `completion SHELL`: a script that asks `__complete`.
pub fn script(app: &App, shell: &str) -> Result<u8, CliError> {
    let text = match shell {
        "bash" => BASH,
        "zsh" => ZSH,
        "fish" => FISH,
        other => {
            return Err(CliError::Text(format!(
                "{}: no completion for the shell {other:?}; there is one for bash, zsh and fish",
                app.program
            )));
        }
    };
    app.out(&text.replace("PROGRAM", app.program))?;
    Ok(0)
}

const BASH: &str = r#"# bash completion for PROGRAM: source <(PROGRAM completion bash)
_PROGRAM() {
    local answer directive word=${COMP_WORDS[COMP_CWORD]}
    answer=$(PROGRAM __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null) || return
    directive=${answer##*:}
    COMPREPLY=()
    while IFS=$'\t' read -r name _; do
        [[ $name == :* ]] || COMPREPLY+=("$name")
    done <<<"$answer"
    [[ $directive == 0 && ${#COMPREPLY[@]} == 0 ]] && compopt -o default
    declare -F __ltrim_colon_completions >/dev/null && __ltrim_colon_completions "$word"
    return 0
}
complete -F _PROGRAM PROGRAM
"#;

const ZSH: &str = r#"#compdef PROGRAM
# zsh completion for PROGRAM: source <(PROGRAM completion zsh)
_PROGRAM() {
    local -a lines candidates
    lines=("${(@f)$(PROGRAM __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    local line directive=0
    for line in $lines; do
        if [[ $line == :* ]]; then directive=${line#:}; continue; fi
        candidates+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
    done
    if (( ${#candidates} )); then _describe 'PROGRAM' candidates
    elif [[ $directive == 0 ]]; then _files; fi
}
compdef _PROGRAM PROGRAM
"#;

const FISH: &str = r#"# fish completion for PROGRAM: PROGRAM completion fish | source
function __PROGRAM_complete
    set -l words (commandline -opc) (commandline -ct)
    PROGRAM __complete $words[2..-1] 2>/dev/null | string match -v -r '^:'
end
complete -c PROGRAM -f -a '(__PROGRAM_complete)'
"#;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::Parsed;

    fn names(before: &[&str], last: &str) -> Vec<String> {
        let before: Vec<String> = before.iter().map(|w| (*w).to_owned()).collect();
        let app = App::new("docker", Parsed::default());
        let (all, _) = candidates(&app, &before, last);
        all.into_iter()
            .map(|(name, _)| name)
            .filter(|name| name.starts_with(last))
            .collect()
    }

    #[test]
    fn commands_and_flags_complete() {
        assert_eq!(
            names(&["container"], "r"),
            ["rename", "restart", "rm", "run"]
        );
        assert_eq!(names(&["ps"], "--f"), ["--filter", "--format"]);
        assert!(names(&[], "pus").contains(&"push".to_owned()));
        // What follows the image is the container's own.
        assert!(names(&["run", "busybox", "ls"], "-").is_empty());
    }
}
