//! What a container takes from its image (moby: `runconfig.Merge`).

use super::mounts::clean;
use corten_model::{ContainerConfig, HealthConfig, Port};
use corten_oci::RunConfig;

/// Fills in what the request left open.
pub(super) fn merge(config: &mut ContainerConfig, image: &RunConfig) {
    if config.user.is_empty() {
        config.user = image.user.clone().unwrap_or_default();
    }
    let exposed = image.exposed_ports.iter().flatten();
    config
        .exposed_ports
        .extend(exposed.filter_map(|port| port.parse::<Port>().ok()));
    merge_environment(config, image.env.as_deref().unwrap_or_default());
    for (name, value) in image.labels.iter().flatten() {
        config
            .labels
            .entry(name.clone())
            .or_insert_with(|| value.clone());
    }
    if config.entrypoint.as_ref().is_none_or(Vec::is_empty) {
        if config.cmd.as_ref().is_none_or(Vec::is_empty) {
            config.cmd = image.cmd.clone();
        }
        // An empty list asks for no entry point at all; `[""]` too, see `command`.
        if config.entrypoint.is_none() {
            config.entrypoint = image.entrypoint.clone();
        }
    }
    if let Some(health) = &image.healthcheck {
        merge_health(config, health);
    }
    if config.working_dir.is_empty() {
        config.working_dir = image.working_dir.clone().unwrap_or_default();
    }
    if let Some(volumes) = image.volumes.as_ref().filter(|it| !it.is_empty()) {
        config
            .volumes
            .get_or_insert_default()
            .extend(volumes.iter().cloned());
    }
    if config.stop_signal.as_ref().is_none_or(String::is_empty) {
        config.stop_signal = image.stop_signal.clone();
    }
    config.stop_timeout = config.stop_timeout.or(image.stop_timeout);
    if config.shell.is_none() {
        config.shell = image.shell.clone();
    }
}

/// The user's variables first, then the image's that have another name.
fn merge_environment(config: &mut ContainerConfig, image: &[String]) {
    let name = |variable: &str| variable.split('=').next().unwrap_or_default().to_owned();
    let own = config.env.take().unwrap_or_default();
    let names: Vec<String> = own.iter().map(|it| name(it)).collect();
    let inherited = image
        .iter()
        .filter(|it| !names.contains(&name(it)))
        .cloned();
    config.env = Some(own.iter().cloned().chain(inherited).collect());
}

fn merge_health(config: &mut ContainerConfig, image: &corten_oci::Healthcheck) {
    let health = config.healthcheck.get_or_insert_with(HealthConfig::default);
    if health.test.is_empty() {
        health.test = image.test.clone().unwrap_or_default();
    }
    for (own, inherited) in [
        (&mut health.interval, image.interval),
        (&mut health.timeout, image.timeout),
        (&mut health.start_period, image.start_period),
        (&mut health.start_interval, image.start_interval),
        (&mut health.retries, image.retries),
    ] {
        if *own == 0 {
            *own = inherited;
        }
    }
}

/// What dockerd shows of a configuration that is merged: no entry point for an empty one, the
/// working directory without detours.
pub(super) fn tidy(config: &mut ContainerConfig) {
    if config
        .entrypoint
        .as_ref()
        .is_some_and(|it| matches!(it.as_slice(), [word] if word.is_empty()))
    {
        config.entrypoint = None;
    }
    if !config.working_dir.is_empty() {
        config.working_dir = clean(&config.working_dir).to_string_lossy().into_owned();
    }
}

/// The executable and its arguments. `None`: there is nothing to run.
pub(super) fn command(config: &ContainerConfig) -> Option<(String, Vec<String>)> {
    let entrypoint = config.entrypoint.iter().flatten().skip_while(|word| {
        // `--entrypoint ""` arrives as one empty word.
        word.is_empty() && config.entrypoint.as_ref().is_some_and(|it| it.len() == 1)
    });
    let mut words = entrypoint.chain(config.cmd.iter().flatten()).cloned();
    let path = words.next()?;
    Some((path, words.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(words: &[&str]) -> Option<Vec<String>> {
        Some(words.iter().map(|it| (*it).to_owned()).collect())
    }

    fn image() -> RunConfig {
        RunConfig {
            entrypoint: list(&["/entry"]),
            cmd: list(&["serve"]),
            env: list(&["PATH=/bin", "A=image"]),
            ..RunConfig::default()
        }
    }

    #[test]
    fn a_command_replaces_the_images_but_keeps_its_entry_point() {
        let mut config = ContainerConfig {
            cmd: list(&["-v"]),
            ..ContainerConfig::default()
        };
        merge(&mut config, &image());
        assert_eq!(command(&config), Some(("/entry".into(), vec!["-v".into()])));
    }

    #[test]
    fn an_entry_point_drops_the_images_command() {
        let mut config = ContainerConfig {
            entrypoint: list(&["sh"]),
            ..ContainerConfig::default()
        };
        merge(&mut config, &image());
        assert_eq!(command(&config), Some(("sh".into(), vec![])));
        let mut config = ContainerConfig {
            entrypoint: list(&[""]),
            ..ContainerConfig::default()
        };
        merge(&mut config, &image());
        assert_eq!(command(&config), None);
    }

    #[test]
    fn the_users_variables_win() {
        let mut config = ContainerConfig {
            env: list(&["A=user", "B=1"]),
            ..ContainerConfig::default()
        };
        merge(&mut config, &image());
        assert_eq!(config.env, list(&["A=user", "B=1", "PATH=/bin"]));
    }
}
