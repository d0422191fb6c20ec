//! What `up` and `down` would do, for what the engine has.

use corten_compose::plan::{
    Action, Down, Found, FoundNetwork, Plan, Recreate, Rolls, State, Up, changed_volumes, down,
    restart, start, stop, up,
};
use corten_compose::{Disk, Project, Request, Source, Steps, body, hash, labels, load};
use std::collections::BTreeMap;

fn project(text: &str) -> Project {
    let request = Request {
        files: vec![Source::Text {
            name: "compose.yaml".into(),
            text: text.to_owned(),
        }],
        directory: "/p".into(),
        name: Some("p".into()),
        fallback_name: String::new(),
        env: Default::default(),
        profiles: Vec::new(),
        steps: Steps::default(),
    };
    match load(&request, &Disk) {
        Ok(loaded) => loaded.project,
        Err(error) => panic!("{error}"),
    }
}

/// A step in few words, and after which steps.
fn words(plan: &Plan) -> Vec<String> {
    let word = |action: &Action| match action {
        Action::CreateNetwork { name, .. } => format!("network {name}"),
        Action::CreateVolume { name, .. } => format!("volume {name}"),
        Action::Create { name, replaces, .. } => match replaces {
            Some(old) => format!("create {name} for {}", old.id),
            None => format!("create {name}"),
        },
        Action::Replace { name, .. } => format!("replace {name}"),
        Action::Roll { name, old, .. } => format!("roll {name} over {}", old.id),
        Action::Start { name, .. } => format!("start {name}"),
        Action::Wait {
            service, condition, ..
        } => format!("wait {service} {condition}"),
        Action::Stop { container } => format!("stop {}", container.name),
        Action::Restart { container } => format!("restart {}", container.name),
        Action::Kill { container, signal } => format!("kill {} {signal}", container.name),
        Action::Pause { container } => format!("pause {}", container.name),
        Action::Unpause { container } => format!("unpause {}", container.name),
        Action::RemoveImage { name } => format!("remove image {name}"),
        Action::Remove { container, .. } => format!("remove {}", container.name),
        Action::RemoveNetwork { name } => format!("remove network {name}"),
        Action::RenewVolume { name, .. } => format!("renew volume {name}"),
        Action::RemoveVolume { name } => format!("remove volume {name}"),
    };
    plan.steps
        .iter()
        .map(|step| {
            let after: Vec<String> = step.after.iter().map(usize::to_string).collect();
            format!("{} [{}]", word(&step.action), after.join(","))
        })
        .collect()
}

const APP: &str = "
services:
  web: {image: w, depends_on: {db: {condition: service_healthy, restart: true}, job: {condition: service_completed_successfully}}}
  db: {image: d, volumes: ['data:/d']}
  job: {image: j, network_mode: 'service:db'}
volumes: {data: }
";

/// What the engine has after `up` of [`APP`].
fn running(project: &Project) -> State {
    let container = |number: usize, (name, service): (&String, &corten_compose::Node)| {
        let ids = BTreeMap::from([("db".to_owned(), "id0".to_owned())]);
        let resolved = body::with_references(name, service, &ids).expect("db is there");
        let labels = [
            (labels::CONFIG_HASH, hash::service(&resolved)),
            (labels::PROJECT, "p".to_owned()),
        ];
        Found {
            id: format!("id{number}"),
            name: format!("p-{name}-1"),
            service: name.clone(),
            number: 1,
            state: "running".into(),
            one_off: false,
            labels: labels.map(|(key, value)| (key.to_owned(), value)).into(),
            networks: vec!["net".into()],
            mounts: vec![body::OldMount {
                kind: "volume".into(),
                source: "p_data".into(),
                target: "/d".into(),
                writable: true,
            }],
            contents: None,
        }
    };
    let services = project.services().iter().enumerate();
    State {
        containers: services
            .map(|(number, service)| container(number, service))
            .collect(),
        networks: vec![FoundNetwork {
            id: "net".into(),
            name: "p_default".into(),
            labels: BTreeMap::from([
                (labels::PROJECT.to_owned(), "p".to_owned()),
                (labels::NETWORK.to_owned(), "default".to_owned()),
            ]),
        }],
        volumes: vec![corten_compose::plan::FoundVolume {
            name: "p_data".into(),
            labels: BTreeMap::from([(labels::PROJECT.to_owned(), "p".to_owned())]),
        }],
        images: BTreeMap::new(),
        contents: BTreeMap::new(),
        hands_over: false,
    }
}

#[test]
fn the_first_up_makes_everything_in_the_order_of_need() {
    let plan = up(&project(APP), &State::default(), &Up::default()).expect("a plan");
    assert_eq!(
        words(&plan),
        [
            "network p_default []",
            "volume p_data []",
            "create p-db-1 [0,1]",
            "create p-job-1 [2]",
            "create p-web-1 [0]",
            "start p-db-1 [2]",
            "start p-job-1 [3,5]",
            "wait db service_healthy [5]",
            "wait job service_completed_successfully [6]",
            "start p-web-1 [4,7,8]",
        ]
    );
}

#[test]
fn nothing_is_done_where_nothing_has_changed() {
    let project = project(APP);
    let plan = up(&project, &running(&project), &Up::default()).expect("a plan");
    assert!(
        plan.steps
            .iter()
            .all(|step| matches!(step.action, Action::Wait { .. })),
        "{:?}",
        words(&plan)
    );
}

#[test]
fn only_what_has_changed_is_made_anew_and_what_depends_on_it_starts_again() {
    let before = project(APP);
    let after = project(&APP.replace("image: d,", "image: d, user: me,"));
    let plan = up(&after, &running(&before), &Up::default()).expect("a plan");
    assert_eq!(
        words(&plan),
        [
            "create p-db-1 for id0 []",
            // A shared network is a dependency that starts again, too.
            "stop p-job-1 []",
            "stop p-web-1 []",
            "replace p-db-1 [0,1,2]",
            // The container whose network it shares is another one now.
            "create p-job-1 for id1 [3]",
            "replace p-job-1 [4]",
            "start p-db-1 [3]",
            "start p-job-1 [1,5,6]",
            "wait db service_healthy [6]",
            "wait job service_completed_successfully [7]",
            "start p-web-1 [2,8,9]",
        ]
    );
}

#[test]
fn scaling_keeps_numbers_and_takes_the_last() {
    let text = "services: {a: {image: x, network_mode: none}}";
    let three = |count: u32| Up {
        scale: BTreeMap::from([("a".to_owned(), count)]),
        ..Up::default()
    };
    let project = project(text);
    let plan = up(&project, &State::default(), &three(3)).expect("a plan");
    let made: Vec<String> = words(&plan).into_iter().take(3).collect();
    assert_eq!(
        made,
        ["create p-a-1 []", "create p-a-2 []", "create p-a-3 []"]
    );
    let hash = hash::service(&project.services()["a"]);
    let containers = (1..=3).map(|number| Found {
        id: format!("id{number}"),
        name: format!("p-a-{number}"),
        service: "a".into(),
        number,
        state: "running".into(),
        labels: BTreeMap::from([(labels::CONFIG_HASH.to_owned(), hash.clone())]),
        ..Found::default()
    });
    let state = State {
        containers: containers.collect(),
        ..State::default()
    };
    let plan = up(&project, &state, &three(1)).expect("a plan");
    assert_eq!(
        words(&plan),
        [
            "stop p-a-2 []",
            "remove p-a-2 [0]",
            "stop p-a-3 []",
            "remove p-a-3 [2]"
        ]
    );
}

#[test]
fn containers_of_services_that_are_gone_are_named_or_removed() {
    let before = project(APP);
    let after = project("services: {db: {image: d, volumes: ['data:/d']}}\nvolumes: {data: }");
    let state = running(&before);
    let plan = up(&after, &state, &Up::default()).expect("a plan");
    assert!(plan.warnings[0].starts_with("Found orphan containers ([p-job-1 p-web-1])"));
    let remove = Up {
        remove_orphans: true,
        ..Up::default()
    };
    let plan = up(&after, &state, &remove).expect("a plan");
    assert!(
        words(&plan).contains(&"remove p-web-1 [2]".to_owned()),
        "{:?}",
        words(&plan)
    );
}

#[test]
fn what_was_never_made_and_is_not_ours_is_missing() {
    let message = |text: &str| {
        up(&project(text), &State::default(), &Up::default())
            .expect_err("no plan")
            .to_string()
    };
    assert!(
        message("services: {a: {image: x, networks: [n]}}\nnetworks: {n: {external: true}}")
            .contains("network n declared as external, but could not be found")
    );
    assert!(
        message("services: {a: {image: x, volumes: ['vol:/v']}}\nvolumes: {vol: {external: true}}")
            .contains("external volume \"vol\" not found")
    );
}

#[test]
fn recreation_can_be_forced_or_forbidden() {
    let project = project(APP);
    let state = running(&project);
    let with = |recreate| Up {
        recreate,
        ..Up::default()
    };
    let always = up(&project, &state, &with(Recreate::Always)).expect("a plan");
    let replaced = |plan: &Plan| {
        let replaces =
            |step: &&corten_compose::plan::Step| matches!(step.action, Action::Replace { .. });
        plan.steps.iter().filter(replaces).count()
    };
    assert_eq!(replaced(&always), 3);
    let mut other = state;
    other.containers[0].labels.clear();
    let never = up(&project, &other, &with(Recreate::Never)).expect("a plan");
    assert_eq!(replaced(&never), 0);
}

#[test]
fn down_stops_dependents_first_and_keeps_volumes_unless_asked() {
    let project = project(APP);
    let state = running(&project);
    let plan = down(Some(&project), &state, &Down::default());
    assert_eq!(
        words(&plan),
        [
            "stop p-web-1 []",
            "remove p-web-1 [0]",
            "stop p-job-1 [1]",
            "remove p-job-1 [2]",
            "stop p-db-1 [1,3]",
            "remove p-db-1 [4]",
            "remove network p_default [1,3,5]",
        ]
    );
    let all = Down {
        volumes: true,
        ..Down::default()
    };
    let plan = down(Some(&project), &state, &all);
    assert!(words(&plan).contains(&"remove volume p_data [1,3,5]".to_owned()));
}

#[test]
fn containers_stop_after_those_that_need_them_and_start_before() {
    let project = project(APP);
    let mut state = running(&project);
    let all = ["web", "db", "job"].map(String::from);
    let plan = stop(Some(&project), &state, &all);
    assert_eq!(
        words(&plan),
        ["stop p-web-1 []", "stop p-job-1 [0]", "stop p-db-1 [0,1]"]
    );
    for found in &mut state.containers {
        found.state = "exited".into();
    }
    // As with stock Compose, those that have ended are told to be stopped, too.
    assert_eq!(stop(Some(&project), &state, &all).steps.len(), 3);
    let started = [
        "start p-db-1 []",
        "start p-job-1 [0]",
        "wait db service_healthy [0]",
        "wait job service_completed_successfully [1]",
        "start p-web-1 [2,3]",
    ];
    assert_eq!(words(&start(Some(&project), &state, &all)), started);
    // Without the files, the labels tell as much.
    let label = "db:service_healthy:true,job:service_completed_successfully:false";
    for found in &mut state.containers {
        let on = match found.service.as_str() {
            "web" => label,
            "job" => "db:service_started:false",
            _ => "",
        };
        found.labels.insert(labels::DEPENDS_ON.into(), on.into());
    }
    assert_eq!(words(&start(None, &state, &all)), started);
}

#[test]
fn a_restart_takes_those_with_it_whose_dependency_says_so() {
    let project = project(APP);
    let state = running(&project);
    let db = ["db".to_owned()];
    assert_eq!(
        words(&restart(Some(&project), &state, &db, false)),
        // The job shares the network of the container that is restarted.
        [
            "restart p-db-1 []",
            "restart p-job-1 [0]",
            "wait db service_healthy [0]",
            "restart p-web-1 [2]"
        ]
    );
    assert_eq!(
        words(&restart(Some(&project), &state, &db, true)),
        ["restart p-db-1 []"]
    );
}

#[test]
fn up_in_the_foreground_rolls_over_when_all_else_is_made() {
    let text = "
services:
  web: {image: w, deploy: {update_config: {order: start-first}}}
  other: {image: o}
";
    let project = project(text);
    let state = running(&project);
    let planned = |rolls, no_start| {
        let options = Up {
            recreate: Recreate::Always,
            no_start,
            rolls,
            ..Up::default()
        };
        words(&up(&project, &state, &options).expect("a plan"))
    };
    assert_eq!(
        planned(Rolls::Later, true),
        ["create p-other-1 for id0 []", "replace p-other-1 [0]"]
    );
    assert_eq!(planned(Rolls::Only, false), ["roll p-web-1 over id1 []"]);
}

#[test]
fn a_service_that_starts_first_rolls_over_one_after_the_other() {
    let text = "
services:
  web: {image: w, scale: 2, deploy: {update_config: {order: start-first}}, ports: ['80']}
";
    let project = project(text);
    let mut state = running(&project);
    let mut second = state.containers[0].clone();
    second.id = "second".into();
    second.number = 2;
    second.name = "p-web-2".into();
    state.containers.push(second);
    let always = Up {
        recreate: Recreate::Always,
        ..Up::default()
    };
    let plan = up(&project, &state, &always).expect("a plan");
    assert_eq!(
        words(&plan),
        ["roll p-web-1 over id0 []", "roll p-web-2 over second [0]",]
    );
    let fixed = text.replace("['80']", "['80:80']");
    let plan = up(&crate::project(&fixed), &state, &always).expect("a plan");
    assert!(plan.warnings[0].contains("stop-first instead of start-first"));
    assert!(words(&plan).contains(&"replace p-web-1 [0]".to_owned()));
    state.hands_over = true;
    let plan = up(&crate::project(&fixed), &state, &always).expect("a plan");
    assert!(plan.warnings.is_empty(), "the engine passes the port on");
    assert_eq!(plan.steps.len(), 2);
}

#[test]
fn a_volume_that_the_user_agreed_to_lose_is_made_anew_with_what_mounts_it() {
    let project = project(APP);
    let mut state = running(&project);
    let hash = (
        labels::CONFIG_HASH.to_owned(),
        "of something else".to_owned(),
    );
    state.volumes[0].labels.extend([hash]);
    assert_eq!(changed_volumes(&project, &state, &[]), ["p_data"]);
    let web = ["web".to_owned()];
    assert_eq!(changed_volumes(&project, &state, &web), [""; 0]);
    let options = |renewed_volumes| Up {
        renewed_volumes,
        ..Up::default()
    };
    let agreed = Some(["p_data".to_owned()].into());
    let plan = up(&project, &state, &options(agreed)).expect("a plan");
    let begin = [
        "stop p-db-1 []",
        "remove p-db-1 [0]",
        "renew volume p_data [1]",
    ];
    assert_eq!(words(&plan)[..3], begin);
    assert!(
        words(&plan).contains(&"create p-db-1 [2]".to_owned()),
        "{plan:?}"
    );
    assert!(plan.warnings.is_empty(), "{:?}", plan.warnings);
    let refused = up(&project, &state, &options(Some([].into()))).expect("a plan");
    assert!(
        words(&refused).iter().all(|step| step.starts_with("wait")) && refused.warnings.is_empty(),
        "{refused:?}"
    );
    let nobody_asked = up(&project, &state, &options(None)).expect("a plan");
    assert!(nobody_asked.warnings[0].contains("is kept as it is"));
}

#[test]
fn an_update_takes_so_many_at_once_and_pauses_as_it_is_told() {
    let text = "
services:
  web:
    image: w
    scale: 3
    deploy:
      update_config: {order: start-first, parallelism: 2, delay: 3s, failure_action: continue}
";
    let project = project(text);
    let mut state = running(&project);
    for number in 2..=3 {
        let mut next = state.containers[0].clone();
        next.id = format!("id of {number}");
        next.number = number;
        next.name = format!("p-web-{number}");
        state.containers.push(next);
    }
    let always = Up {
        recreate: Recreate::Always,
        ..Up::default()
    };
    let plan = up(&project, &state, &always).expect("a plan");
    let rolls: Vec<_> = plan
        .steps
        .iter()
        .map(|step| match &step.action {
            Action::Roll {
                number,
                pause_nanoseconds,
                required,
                ..
            } => (*number, step.after.clone(), *pause_nanoseconds, *required),
            other => panic!("{other:?}"),
        })
        .collect();
    let three_seconds = 3_000_000_000;
    assert_eq!(
        rolls,
        [
            (1, vec![], 0, false),
            (2, vec![], 0, false),
            (3, vec![0, 1], three_seconds, false)
        ]
    );
    let careful = text.replace(", failure_action: continue", "");
    let plan = up(&crate::project(&careful), &state, &always).expect("a plan");
    let required = |step: &corten_compose::plan::Step| matches!(step.action, Action::Roll { required, .. } if required);
    assert!(plan.steps.iter().all(required), "the first failure ends it");
}
