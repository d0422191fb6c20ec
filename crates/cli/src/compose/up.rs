//! `compose up`, `create` and `scale`: the engine is made to have what the files say.

use super::{
    Compose, api_socket, attached, display::Lines, foreign, images, provider, selection, volumes,
};
use crate::{
    error::CliError,
    flags::{self, Parsed},
};
use corten_compose::{
    Project, Target,
    apply::{Apply, Settings, read_state},
    labels,
    plan::{self, Recreate, Rolls, State, Up},
};
use std::{collections::BTreeMap, time::Duration};

/// What the engine shall be made to have.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// The services named; none are all.
    pub named: Vec<String>,
    /// Without those they depend on.
    pub alone: bool,
    /// How many containers of a service, over what the files say.
    pub scale: BTreeMap<String, u32>,
    /// Which containers of the named services are made anew.
    pub recreate: Recreate,
    /// Which containers of their dependencies are.
    pub recreate_dependencies: Recreate,
    /// Containers are made and not started.
    pub no_start: bool,
    /// When services are rolled over.
    pub rolls: Rolls,
    /// Containers of services that are no longer there go.
    pub remove_orphans: bool,
    /// Nothing is said of them.
    pub ignore_orphans: bool,
    /// Anonymous volumes are not taken over.
    pub renew_volumes: bool,
    /// Seconds that a container gets to stop.
    pub timeout: Option<i64>,
    /// How images come to be there.
    pub images: images::Wanted,
    /// Every question is answered with yes.
    pub yes: bool,
}

impl Wanted {
    /// What the flags of `up` and `create` say.
    fn from_flags(compose: &Compose<'_>, project: &Project) -> Result<Self, CliError> {
        let parsed = &compose.call.parsed;
        // The variables are for `up` alone.
        let is_up = compose.call.command.path == "compose up";
        let remove_orphans = parsed.flag_or(
            "remove-orphans",
            is_up && compose.says_yes("COMPOSE_REMOVE_ORPHANS"),
        );
        let ignore_orphans = project.env.get("COMPOSE_IGNORE_ORPHANS");
        let ignore_orphans = is_up && ignore_orphans.is_some_and(|value| is_true(value));
        if remove_orphans && ignore_orphans {
            return Err(CliError::Text(
                "cannot combine COMPOSE_IGNORE_ORPHANS and --remove-orphans".into(),
            ));
        }
        Ok(Self {
            named: parsed.args.clone(),
            alone: parsed.is_on("no-deps"),
            scale: scales(project, parsed.all("scale"))?,
            recreate: recreate(parsed),
            recreate_dependencies: if parsed.is_on("always-recreate-deps") {
                Recreate::Always
            } else if parsed.is_on("no-recreate") {
                Recreate::Never
            } else {
                Recreate::Changed
            },
            no_start: false,
            rolls: Rolls::Now,
            remove_orphans,
            ignore_orphans,
            renew_volumes: parsed.is_on("renew-anon-volumes"),
            timeout: parsed.int("timeout"),
            images: images::Wanted::from_flags(parsed)?,
            yes: parsed.is_on("yes"),
        })
    }
}

impl Wanted {
    /// The same for the plan of these services.
    pub fn plan_options(&self, services: &[String]) -> Up {
        Up {
            services: services.to_vec(),
            selected: self.named.clone(),
            recreate: self.recreate,
            recreate_dependencies: self.recreate_dependencies,
            remove_orphans: self.remove_orphans,
            ignore_orphans: self.ignore_orphans,
            no_start: self.no_start,
            rolls: self.rolls,
            scale: self.scale.clone(),
            renewed_volumes: None,
            left_alone: Vec::new(),
            all_resources: false,
        }
    }
}

/// `compose up`.
pub async fn run(compose: &Compose<'_>) -> Result<u8, CliError> {
    let parsed = &compose.call.parsed;
    check_flags(parsed)?;
    let mut project = compose.lazy_project()?;
    let mut wanted = Wanted::from_flags(compose, &project)?;
    if !wanted.named.is_empty() {
        wanted.named = selection::expand(&mut project, &wanted.named)?;
    }
    if project.services().is_empty() && wanted.named.is_empty() {
        return Err(CliError::Text("no service selected".into()));
    }
    foreign::check(compose, &project)?;
    wanted.no_start = parsed.is_on("no-start");
    let wait = parsed.is_on("wait");
    if wanted.no_start || wait || parsed.is_on("detach") {
        let services = bring_up(compose, &mut project, &wanted).await?;
        if wait && !wanted.no_start {
            wait_for(compose, &project, &services).await?;
        }
        return Ok(0);
    }
    attached::run(compose, &mut project, &wanted).await
}

/// `compose create`.
pub async fn create(compose: &Compose<'_>) -> Result<u8, CliError> {
    check_flags(&compose.call.parsed)?;
    let mut project = compose.lazy_project()?;
    let mut wanted = Wanted::from_flags(compose, &project)?;
    if !wanted.named.is_empty() {
        wanted.named = selection::expand(&mut project, &wanted.named)?;
    }
    wanted.no_start = true;
    bring_up(compose, &mut project, &wanted).await?;
    Ok(0)
}

/// `compose scale`.
pub async fn scale(compose: &Compose<'_>) -> Result<u8, CliError> {
    let mut scale = BTreeMap::new();
    for word in &compose.call.parsed.args {
        let invalid = || CliError::Text(format!("invalid scale specifier: {word}"));
        let (service, count) = word.split_once('=').ok_or_else(invalid)?;
        if service.is_empty() || count.is_empty() {
            return Err(invalid());
        }
        let count = count.parse().map_err(|_| {
            CliError::Text(format!(
                "invalid scale specifier: can't parse replica value as int: {word}"
            ))
        })?;
        scale.insert(service.to_owned(), count);
    }
    let mut project = compose.lazy_project()?;
    let wanted = Wanted {
        named: scale.keys().cloned().collect(),
        alone: compose.call.parsed.is_on("no-deps"),
        scale,
        ..Wanted::default()
    };
    bring_up(compose, &mut project, &wanted).await?;
    Ok(0)
}

/// Flags that contradict each other, in Compose's words.
fn check_flags(parsed: &Parsed) -> Result<(), CliError> {
    let refuse = |sentence: &str| Err(CliError::Text(sentence.into()));
    let on = |flag| parsed.is_on(flag);
    let failure = on("abort-on-container-failure");
    let stop = on("abort-on-container-exit") || (parsed.given("exit-code-from") && !failure);
    if stop && failure {
        return refuse(
            "--abort-on-container-failure cannot be combined with --abort-on-container-exit",
        );
    }
    let attach = parsed.given("attach");
    if on("wait") && (on("attach-dependencies") || stop || attach) {
        return refuse(
            "--wait cannot be combined with --abort-on-container-exit, --attach or \
             --attach-dependencies",
        );
    }
    if on("build") && on("no-build") {
        return refuse("--build and --no-build are incompatible");
    }
    if (on("detach") || on("wait"))
        && (on("attach-dependencies") || stop || failure || attach || on("watch"))
    {
        let flag = if on("wait") { "--wait" } else { "--detach" };
        return refuse(&format!(
            "{flag} cannot be combined with --abort-on-container-exit, \
             --abort-on-container-failure, --attach, --attach-dependencies or --watch"
        ));
    }
    if attach && on("attach-dependencies") {
        return refuse("cannot combine --attach and --attach-dependencies");
    }
    for (one, other) in [
        ("no-recreate", "renew-anon-volumes"),
        ("force-recreate", "no-recreate"),
        ("always-recreate-deps", "no-recreate"),
        ("no-build", "watch"),
    ] {
        if on(one) && on(other) {
            return refuse(&format!("--{one} and --{other} are incompatible"));
        }
    }
    Ok(())
}

/// Makes the engine have what `wanted` says; the services that this was about.
pub async fn bring_up(
    compose: &Compose<'_>,
    project: &mut Project,
    wanted: &Wanted,
) -> Result<Vec<String>, CliError> {
    let services = selection::ready(project, &wanted.named, wanted.alone)?;
    project.choose_platforms(&services, Target::Here)?;
    refuse_models(project, &services)?;
    api_socket::give(compose, project)?;
    provider::up(compose, project, &services)?;
    let client = compose.call.client().await?;
    let state = read_state(client, &project.name, Some(project)).await?;
    let state = images::ensure(compose, project, &services, state, &wanted.images).await?;
    let mut options = wanted.plan_options(&services);
    options.left_alone = selection::with_dependencies(project, &services);
    options.all_resources = compose.group.is_on("all-resources");
    options.renewed_volumes = volumes::agreed(compose, project, &state, &services, wanted.yes)?;
    let plan = plan::up(project, &state, &options)?;
    let settings = Settings {
        stop_timeout: wanted.timeout,
        renew_anonymous_volumes: wanted.renew_volumes,
        ..settings(compose)
    };
    carry_out(compose, Some(project), &state, &plan, &settings).await?;
    Ok(services)
}

/// Models are run by a plugin of Docker's that is not part of this client.
pub fn refuse_models(project: &Project, services: &[String]) -> Result<(), CliError> {
    let wants = |name: &String| project.services()[name].get("models").is_some();
    match services.iter().any(wants) {
        true => Err(CliError::Text(
            "'models' support requires Docker Model plugin".into(),
        )),
        false => Ok(()),
    }
}

/// Waits until the services run or are healthy, at most as long as `--wait-timeout` says.
async fn wait_for(
    compose: &Compose<'_>,
    project: &Project,
    services: &[String],
) -> Result<(), CliError> {
    if compose.is_dry() {
        return Ok(());
    }
    let client = compose.call.client().await?;
    let state = read_state(client, &project.name, Some(project)).await?;
    let plan = plan::wait_all(project, services);
    let settings = settings(compose);
    let done = carry_out(compose, Some(project), &state, &plan, &settings);
    match compose.call.parsed.int("wait-timeout") {
        Some(seconds) if seconds > 0 => {
            let limit = Duration::from_secs(seconds.unsigned_abs());
            tokio::time::timeout(limit, done)
                .await
                .map_err(|_| CliError::Text(format!("application not healthy after {seconds}s")))?
        }
        _ => done.await,
    }
}

/// What `--parallel` or its variable says.
pub fn parallel(compose: &Compose<'_>) -> Result<Option<i64>, CliError> {
    let variable = compose.env.get("COMPOSE_PARALLEL_LIMIT");
    match (compose.group.int("parallel"), variable) {
        (Some(count), _) => Ok(Some(count)),
        (None, None) => Ok(None),
        (None, Some(text)) => text.parse().map(Some).map_err(|_| {
            CliError::Text(format!(
                "COMPOSE_PARALLEL_LIMIT must be an integer (found: {text:?})"
            ))
        }),
    }
}

/// How plans are carried out, as the group's flags say.
pub fn settings(compose: &Compose<'_>) -> Settings {
    // It was looked at before the command began.
    let parallel = match parallel(compose) {
        Ok(Some(count)) if count > 0 => usize::try_from(count).unwrap_or(usize::MAX),
        _ => usize::MAX,
    };
    let call = &compose.call;
    Settings {
        parallel,
        proxy: call
            .app
            .config()
            .proxy_variables(&call.app.default_host())
            .into_iter()
            .collect(),
        labels: env_file_label(compose),
        ..Settings::default()
    }
}

/// The label that names the files of `--env-file`.
fn env_file_label(compose: &Compose<'_>) -> BTreeMap<String, String> {
    let here = super::environment::here().unwrap_or_default();
    let files = super::environment::env_files(&compose.group, &here).into_iter();
    let files: Vec<String> = files
        .map(|file| file.to_string_lossy().into_owned())
        .collect();
    match files.is_empty() {
        true => BTreeMap::new(),
        false => [(labels::ENVIRONMENT_FILE.to_owned(), files.join(","))].into(),
    }
}

/// Carries a plan out, or prints it.
pub async fn carry_out(
    compose: &Compose<'_>,
    project: Option<&Project>,
    state: &State,
    plan: &plan::Plan,
    settings: &Settings,
) -> Result<(), CliError> {
    let lines = Lines::new(compose);
    let apply = Apply {
        client: compose.call.client().await?,
        project,
        state,
        settings,
        progress: &lines,
    };
    if compose.is_dry() {
        apply.show(plan);
        return Ok(());
    }
    Ok(apply.run(plan).await?)
}

fn recreate(parsed: &Parsed) -> Recreate {
    let whole = parsed.is_on("force-recreate") || parsed.is_on("renew-anon-volumes");
    if whole {
        Recreate::Always
    } else if parsed.is_on("no-recreate") {
        Recreate::Never
    } else {
        Recreate::Changed
    }
}

/// `SERVICE=NUM` values.
fn scales<'a>(
    project: &Project,
    values: impl Iterator<Item = &'a str>,
) -> Result<BTreeMap<String, u32>, CliError> {
    let refuse = |sentence: String| Err(CliError::Text(sentence));
    values
        .map(|value| {
            let [service, count] = value.split('=').collect::<Vec<_>>()[..] else {
                return refuse(format!(
                    "invalid --scale option {value:?}. Should be SERVICE=NUM"
                ));
            };
            let Ok(count) = count.parse() else {
                let count = flags::go_quote(count);
                return refuse(format!("strconv.Atoi: parsing {count}: invalid syntax"));
            };
            if !project.services().contains_key(service) {
                return refuse(format!("no such service: {service}: not found"));
            }
            Ok((service.to_owned(), count))
        })
        .collect()
}

/// What Compose takes for true.
pub fn is_true(value: &str) -> bool {
    matches!(
        value.to_lowercase().as_str(),
        "1" | "true" | "y" | "yes" | "t" | "on"
    )
}
