//! The first process: arguments, environment, limits.

use super::SpecInput;
use crate::{EngineError, Result, container::mounts::clean, messages};
use corten_model::{Container, Ulimit};
use corten_oci::runtime::{Capabilities, ConsoleSize, Process, Rlimit};
use std::{collections::HashSet, path::PathBuf};

/// Where Docker puts the init program.
pub(super) const INIT_PATH: &str = "/sbin/docker-init";

const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// getrlimit(2); the names that users write are these in lower case.
const RLIMITS: [&str; 16] = [
    "as",
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

pub(super) fn process(
    input: &SpecInput<'_>,
    capabilities: &[String],
    no_new_privileges: bool,
) -> Result<Process> {
    let (container, settings) = (input.container, input.settings);
    let config = &container.config;
    let mut args = Vec::new();
    if input.init.is_some() {
        args.extend([INIT_PATH.to_owned(), "--".to_owned()]);
    }
    args.push(container.path.clone());
    args.extend(container.args.iter().cloned());
    let [rows, columns] = container.host_config.console_size;
    let console_size = (config.tty && (rows, columns) != (0, 0)).then_some(ConsoleSize {
        height: rows.min(u16::MAX.into()) as u16,
        width: columns.min(u16::MAX.into()) as u16,
    });
    let cwd = match config.working_dir.as_str() {
        "" => PathBuf::from("/"),
        path => clean(path),
    };
    Ok(Process {
        terminal: config.tty,
        console_size,
        args,
        env: environment(container),
        cwd,
        capabilities: Some(capability_sets(&config.user, capabilities)),
        rlimits: rlimits(
            &container.host_config.resources.ulimits,
            &settings.default_ulimits,
        )?,
        no_new_privileges,
        apparmor_profile: container.app_armor_profile.clone(),
        oom_score_adj: Some(container.host_config.oom_score_adj as i32),
        ..Process::default()
    })
}

/// dockerd: a user other than root gets the bounding set only. A name is left to the
/// runtime, which knows its number.
pub(crate) fn capability_sets(user: &str, capabilities: &[String]) -> Capabilities {
    let list = capabilities.to_vec();
    let number = user.split(':').next().unwrap_or_default().parse::<u32>();
    if number.is_ok_and(|uid| uid != 0) {
        return Capabilities {
            bounding: list,
            ..Capabilities::default()
        };
    }
    Capabilities {
        bounding: list.clone(),
        effective: list.clone(),
        permitted: list,
        ..Capabilities::default()
    }
}

/// dockerd: the defaults first, then what the container says; a later value of the same
/// name replaces an earlier one in its place.
pub(crate) fn environment(container: &Container) -> Vec<String> {
    let mut list = vec![
        DEFAULT_PATH.to_owned(),
        format!("HOSTNAME={}", container.config.hostname),
    ];
    if container.config.tty {
        list.push("TERM=xterm".to_owned());
    }
    list.extend(
        container
            .network_settings
            .linked_environment
            .iter()
            .cloned(),
    );
    replace_or_append(
        &mut list,
        container.config.env.as_deref().unwrap_or_default(),
    );
    list
}

/// Puts `overrides` into `list`; `NAME` without a value removes it.
pub(crate) fn replace_or_append(list: &mut Vec<String>, overrides: &[String]) {
    let mut removed = HashSet::new();
    for variable in overrides {
        let name = variable.split('=').next().unwrap_or_default().to_owned();
        let place = list
            .iter()
            .position(|it| it.split('=').next() == Some(name.as_str()));
        match (variable.contains('='), place) {
            (true, Some(place)) => list[place] = variable.clone(),
            (true, None) => list.push(variable.clone()),
            (false, _) => {
                removed.insert(name);
            }
        }
    }
    list.retain(|it| !removed.contains(it.split('=').next().unwrap_or_default()));
}

pub(crate) fn rlimits(own: &Option<Vec<Ulimit>>, defaults: &[Ulimit]) -> Result<Vec<Rlimit>> {
    let own = own.as_deref().unwrap_or_default();
    let inherited = defaults
        .iter()
        .filter(|it| !own.iter().any(|mine| mine.name == it.name));
    own.iter()
        .chain(inherited)
        .map(|limit| {
            let kind = format!("RLIMIT_{}", limit.name.to_ascii_uppercase());
            if !RLIMITS.contains(&limit.name.as_str()) {
                return Err(EngineError::Failed(messages::invalid_rlimit(kind)));
            }
            // -1 is RLIM_INFINITY as an unsigned number.
            Ok(Rlimit {
                kind,
                hard: limit.hard as u64,
                soft: limit.soft as u64,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_replaced_in_its_place_and_removed_by_its_bare_name() {
        let mut list = vec!["A=1".to_owned(), "B=2".to_owned(), "C=3".to_owned()];
        replace_or_append(
            &mut list,
            &["B=x".to_owned(), "C".to_owned(), "D=4".to_owned()],
        );
        assert_eq!(list, ["A=1", "B=x", "D=4"]);
    }

    #[test]
    fn an_unlimited_ulimit_is_the_kernels_infinity() {
        let own = vec![Ulimit {
            name: "core".into(),
            soft: -1,
            hard: -1,
        }];
        let defaults = [Ulimit {
            name: "nofile".into(),
            soft: 5,
            hard: 6,
        }];
        let list = rlimits(&Some(own), &defaults).expect("known");
        assert_eq!(
            (list[0].kind.as_str(), list[0].soft),
            ("RLIMIT_CORE", u64::MAX)
        );
        assert_eq!((list[1].kind.as_str(), list[1].hard), ("RLIMIT_NOFILE", 6));
        let bogus = vec![Ulimit {
            name: "foo".into(),
            soft: 1,
            hard: 1,
        }];
        assert!(rlimits(&Some(bogus), &[]).is_err());
    }
}
