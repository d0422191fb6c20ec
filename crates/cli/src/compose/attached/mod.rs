//! `compose up` in the foreground: the containers' output until they have ended or the
//! user has enough.

mod interrupts;
mod keys;

use super::{
    Compose,
    display::Lines,
    logs::{self, Part},
    monitor::{Monitor, Seen, What},
    printer::{Look, Printer, WATCH},
    selection,
    targets::{self, MADE},
    up::{self, Wanted},
};
use crate::{container::run as container_run, error::CliError};
use corten_base::{Kind, KindOf};
use corten_client::{Client, Hijacked, stream};
use corten_compose::{
    Project, Value,
    apply::{Apply, Event, Phase, Progress, Settings, read_state},
    plan::{self, Action, Found, Rolls, State, starts_first},
};
use futures_util::stream::{FuturesUnordered, StreamExt};
use interrupts::Interrupts;
use keys::{going_on, pressed};
use std::{cell::RefCell, collections::BTreeSet, pin::Pin, time::Duration};
use tokio::sync::Notify;

/// Exit code after the user's Ctrl-C.
const INTERRUPTED_CODE: u8 = 130;
/// Output that is still on its way when the last container has ended gets so long.
const DRAIN: Duration = Duration::from_secs(2);

/// What one of the things that go on at the same time came to.
enum Done {
    Stream(Result<(), CliError>),
    Started(Result<(), CliError>),
    Stopped(Result<(), CliError>),
}

type Task<'t> = Pin<Box<dyn Future<Output = Done> + 't>>;

/// Makes the containers, attaches, starts them and shows what they write.
pub async fn run(
    compose: &Compose<'_>,
    project: &mut Project,
    wanted: &Wanted,
) -> Result<u8, CliError> {
    let exit_code_from = compose.call.parsed.get("exit-code-from");
    if let Some(service) = exit_code_from
        && !project.services().contains_key(service)
    {
        let refused = format!("no such service: {service}: not found");
        return Err(CliError::Text(refused));
    }
    let selected = selection::select(project, &wanted.named, wanted.alone)?;
    let attach = attached_services(compose, project, &selected, &wanted.named)?;
    let creating = Wanted {
        no_start: true,
        rolls: Rolls::Later,
        ..wanted.clone()
    };
    let services = up::bring_up(compose, project, &creating).await?;
    if compose.is_dry() {
        compose
            .call
            .app
            .line("end of 'compose up' output, interactive run is not supported in dry-run mode")?;
        return Ok(0);
    }
    let printer = Printer::new(
        compose.call.app,
        Look::from_flags(compose, compose.call.parsed.is_on("timestamps")),
    );
    let session = Session {
        compose,
        client: compose.call.client().await?,
        project,
        services,
        attach,
        wanted,
        printer,
        rolled: RefCell::default(),
        watch_off: Notify::new(),
    };
    session.run().await
}

/// The services whose output is shown.
fn attached_services(
    compose: &Compose<'_>,
    project: &Project,
    services: &[String],
    named: &[String],
) -> Result<Vec<String>, CliError> {
    let parsed = &compose.call.parsed;
    let hidden = parsed.list("no-attach");
    let given = parsed.list("attach");
    let unknown: Vec<&str> = given
        .iter()
        .filter(|name| !services.contains(name))
        .map(String::as_str)
        .collect();
    if !unknown.is_empty() {
        return Err(CliError::Text(format!(
            "cannot attach to services not included in up: {}",
            unknown.join(", ")
        )));
    }
    let wants = |name: &String| {
        let attach = project.services()[name].get("attach");
        attach.is_none_or(|attach| attach.value != Value::Bool(false))
    };
    let mut shown = given;
    if shown.is_empty() {
        let all = named.is_empty() || parsed.is_on("attach-dependencies");
        let candidates = if all { services } else { named };
        shown = candidates
            .iter()
            .filter(|name| wants(name))
            .cloned()
            .collect();
    }
    shown.retain(|name| !hidden.contains(name));
    Ok(shown)
}

struct Session<'a> {
    compose: &'a Compose<'a>,
    client: &'a Client,
    project: &'a Project,
    services: Vec<String>,
    attach: Vec<String>,
    wanted: &'a Wanted,
    printer: Printer<'a>,
    /// IDs of containers whose end is no end of their service.
    rolled: RefCell<BTreeSet<String>>,
    /// Tells the watch that it is enough.
    watch_off: Notify,
}

/// How far the session has come.
#[derive(Default)]
struct Course {
    attached: BTreeSet<String>,
    started: bool,
    /// No container is left.
    over: bool,
    interrupted: bool,
    /// The user has gone; the containers stay.
    detached: bool,
    /// Stops that have begun and are not done.
    stopping: usize,
    code: Option<i64>,
    code_from: Option<i64>,
}

impl Session<'_> {
    async fn run(&self) -> Result<u8, CliError> {
        let mut interrupts = Interrupts::new()?;
        let watched = match self.wanted.named.as_slice() {
            [] => &self.attach,
            named => named,
        };
        let mut monitor = Monitor::begin(self.compose, &self.project.name, watched).await?;
        let mut course = Course::default();
        let mut tasks: FuturesUnordered<Task<'_>> = FuturesUnordered::new();
        self.attach_all(&mut course, &tasks).await?;
        tasks.push(Box::pin(async { Done::Started(self.start().await) }));
        let mut keys = self.open_menu();
        let mut watching = match self.compose.call.parsed.is_on("watch") {
            true => Some(self.watch(self.rules()?)),
            false => None,
        };
        while !course.started || course.stopping > 0 || !course.over {
            if course.detached && course.started {
                self.printer.set_menu(None);
                return Ok(0);
            }
            if course.stopping > 0 {
                monitor.expect_the_end();
            }
            tokio::select! {
                () = interrupts.next() => self.interrupt(&mut course, &tasks)?,
                event = monitor.event(), if !course.over => match event? {
                    None => course.over = true,
                    Some(event) => {
                        if let Some(seen) = monitor.seen(self.client, &event).await? {
                            self.happened(seen, &mut course, &tasks)?;
                        }
                    }
                },
                Some(done) = tasks.next(), if !tasks.is_empty() => {
                    self.done(done, &mut course)?;
                }
                Some(key) = pressed(&mut keys), if !course.interrupted => {
                    self.pressed(key, &mut course, &mut watching)?;
                }
                result = going_on(&mut watching), if course.started && !course.interrupted => {
                    watching = None;
                    result?;
                }
            }
        }
        self.printer.set_menu(None);
        let rest = async {
            while let Some(done) = tasks.next().await {
                self.done(done, &mut course)?;
            }
            Ok::<_, CliError>(())
        };
        // A stream that never ends must not hold the command.
        if let Ok(result) = tokio::time::timeout(DRAIN, rest).await {
            result?;
        }
        if course.interrupted {
            return Err(CliError::Exit(INTERRUPTED_CODE));
        }
        Ok((course.code_from.or(course.code).unwrap_or(0) & 0xff) as u8)
    }

    async fn attach_all<'t>(
        &'t self,
        course: &mut Course,
        tasks: &FuturesUnordered<Task<'t>>,
    ) -> Result<(), CliError> {
        if self.attach.is_empty() {
            return Ok(());
        }
        let name = &self.project.name;
        let targets = targets::containers(self.compose, name, &self.attach, MADE).await?;
        let found: Vec<Found> = targets.into_iter().map(|target| target.found).collect();
        if found.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = found
            .iter()
            .map(|found| targets::short_name(name, found))
            .collect();
        let app = self.compose.call.app;
        app.line(&format!("Attaching to {}", names.join(", ")))?;
        for name in &names {
            self.printer.register(name);
        }
        if self.compose.call.parsed.is_on("watch") {
            self.printer.register(WATCH);
        }
        for (found, name) in found.into_iter().zip(names) {
            let streams = [false, true, true];
            let hijacked = container_run::attach(self.client, &found.id, streams, "").await?;
            course.attached.insert(found.id.clone());
            tasks.push(Box::pin(async move {
                Done::Stream(self.show(hijacked, &found, &name).await)
            }));
        }
        Ok(())
    }

    /// Shows what a container writes until it ends.
    async fn show(
        &self,
        mut hijacked: Hijacked,
        found: &Found,
        name: &str,
    ) -> Result<(), CliError> {
        let tty = self.project.services()[&found.service].get("tty");
        let tty = tty.is_some_and(|tty| tty.value == Value::Bool(true));
        let mut out = self.printer.sink(name, false);
        let copied = if hijacked.multiplexed.unwrap_or(!tty) {
            let err = self.printer.sink(name, true);
            stream::demultiplex(&mut hijacked, &mut out, err).await
        } else {
            tokio::io::copy(&mut hijacked, &mut out).await.map(drop)
        };
        drop(out);
        if self.printer.is_closed() {
            return Err(CliError::Closed);
        }
        copied.map_err(|error| CliError::Text(error.to_string()))
    }

    /// Starts what is there, in order.
    async fn start(&self) -> Result<(), CliError> {
        let state = read_state(self.client, &self.project.name, Some(self.project)).await?;
        let services = || {
            self.services
                .iter()
                .map(|name| &self.project.services()[name])
        };
        let plan = match services().any(starts_first) {
            true => self.rolling_plan(&state)?,
            false => plan::start(Some(self.project), &state, &self.services),
        };
        let quiet = Quiet(self);
        let settings = up::settings(self.compose);
        let apply = Apply {
            client: self.client,
            project: Some(self.project),
            state: &state,
            settings: &settings,
            progress: &quiet,
        };
        Ok(apply.run(&plan).await?)
    }

    /// Starts what is there, and rolls over what goes on until the new serves.
    fn rolling_plan(&self, state: &State) -> Result<plan::Plan, CliError> {
        let wanted = Wanted {
            rolls: Rolls::Only,
            remove_orphans: false,
            ignore_orphans: true,
            ..self.wanted.clone()
        };
        let plan = plan::up(self.project, state, &wanted.plan_options(&self.services))?;
        let old = plan.steps.iter().filter_map(|step| match &step.action {
            Action::Roll { old, .. } => Some(old.id.clone()),
            _ => None,
        });
        self.rolled.borrow_mut().extend(old);
        Ok(plan::Plan {
            running: Vec::new(),
            ..plan
        })
    }

    async fn stop(&self) -> Result<(), CliError> {
        let state = read_state(self.client, &self.project.name, Some(self.project)).await?;
        let plan = plan::stop(Some(self.project), &state, &self.services);
        let settings = Settings {
            stop_timeout: self.wanted.timeout,
            ..up::settings(self.compose)
        };
        let lines = Lines::titled(self.compose, "Stopping");
        let apply = Apply {
            client: self.client,
            project: Some(self.project),
            state: &state,
            settings: &settings,
            progress: &lines,
        };
        Ok(apply.run(&plan).await?)
    }

    async fn kill(&self) -> Result<(), CliError> {
        let name = &self.project.name;
        let choice = targets::RUNNING;
        let targets = targets::containers(self.compose, name, &self.services, choice).await?;
        let found: Vec<Found> = targets.into_iter().map(|target| target.found).collect();
        let plan = plan::each(&found, |container| Action::Kill {
            container,
            signal: "SIGKILL".into(),
        });
        let settings = up::settings(self.compose);
        let state = Default::default();
        // A container that has ended meanwhile needs no signal.
        match up::carry_out(self.compose, Some(self.project), &state, &plan, &settings).await {
            Err(CliError::Client(error))
                if matches!(error.kind(), Kind::NotFound | Kind::Conflict) =>
            {
                Ok(())
            }
            other => other,
        }
    }

    fn interrupt<'t>(
        &'t self,
        course: &mut Course,
        tasks: &FuturesUnordered<Task<'t>>,
    ) -> Result<(), CliError> {
        course.stopping += 1;
        if course.interrupted {
            tasks.push(Box::pin(async { Done::Stopped(self.kill().await) }));
            return Ok(());
        }
        course.interrupted = true;
        // The terminal is as it was before anything is waited for.
        self.printer.set_menu(None);
        let app = self.compose.call.app;
        app.line("Gracefully Stopping... press Ctrl+C again to force")?;
        tasks.push(Box::pin(async { Done::Stopped(self.stop().await) }));
        Ok(())
    }

    fn happened<'t>(
        &'t self,
        seen: Seen,
        course: &mut Course,
        tasks: &FuturesUnordered<Task<'t>>,
    ) -> Result<(), CliError> {
        match seen.what {
            What::Recreated(old) => self.printer.status(&old, "has been recreated")?,
            What::Exited { code, restarting } => {
                let text = logs::exit_text(code, restarting);
                self.printer.status(&seen.name, &text)?;
                if !self.rolled.borrow().contains(&seen.id) {
                    self.exited(&seen.service, code, course, tasks);
                }
            }
            What::Started { again } => {
                let new = course.attached.insert(seen.id.clone());
                if (new || again) && self.attach.contains(&seen.service) {
                    tasks.push(Box::pin(async move {
                        let part = Part {
                            follow: true,
                            ..Part::default()
                        };
                        let (client, printer) = (self.client, &self.printer);
                        Done::Stream(
                            logs::from_start(client, printer, &seen.id, &seen.name, &part).await,
                        )
                    }));
                }
            }
        }
        Ok(())
    }

    /// `--abort-on-container-exit` and its kin.
    fn exited<'t>(
        &'t self,
        service: &str,
        code: i64,
        course: &mut Course,
        tasks: &FuturesUnordered<Task<'t>>,
    ) {
        let parsed = &self.compose.call.parsed;
        let from = parsed.get("exit-code-from");
        if from == Some(service) {
            course.code_from.get_or_insert(code);
        }
        let failure = parsed.is_on("abort-on-container-failure");
        let stops = failure || parsed.is_on("abort-on-container-exit") || from.is_some();
        if !stops || course.code.is_some() || course.interrupted || (failure && code == 0) {
            return;
        }
        course.code = Some(code);
        course.stopping += 1;
        let sentence = "Aborting on container exit...";
        // In colour also where there is no terminal, as stock Compose has it.
        let line = match std::env::var("NO_COLOR").is_ok_and(|it| !it.is_empty()) {
            true => sentence.to_owned(),
            false => format!("\u{1b}[31m\u{1b}[1m{sentence}\u{1b}[0m"),
        };
        self.compose.call.app.warn(&line);
        tasks.push(Box::pin(async { Done::Stopped(self.stop().await) }));
    }

    fn done(&self, done: Done, course: &mut Course) -> Result<(), CliError> {
        match done {
            Done::Stream(result) => result,
            Done::Started(result) => {
                course.started = true;
                // What was being started is being stopped.
                if course.interrupted || course.code.is_some() {
                    return Ok(());
                }
                result
            }
            Done::Stopped(result) => {
                course.stopping -= 1;
                result
            }
        }
    }
}

/// Only what goes wrong is told: the containers speak for themselves.
struct Quiet<'a>(&'a Session<'a>);

impl Progress for Quiet<'_> {
    fn event(&self, event: Event) {
        if matches!(event.phase, Phase::Error | Phase::Warning) {
            let line = format!(" {} {} {}", event.id, event.text, event.status);
            let above = self.0.printer.above();
            self.0.compose.call.app.warn(&line);
            drop(above);
        }
    }

    fn warn(&self, sentence: &str) {
        let above = self.0.printer.above();
        self.0.compose.warn(sentence);
        drop(above);
    }
}
