//! What vendors' files make of a specification.

use corten_cdi::Registry;
use corten_oci::runtime::{IdMapping, Process, Spec};
use std::path::{Path, PathBuf};

const YAML: &str = "\
cdiVersion: 0.6.0
kind: vendor.com/thing
containerEdits:
  env: [COMMON=1]
devices:
- name: zero
  containerEdits:
    deviceNodes:
    - path: /dev/thing
      hostPath: /dev/zero
      permissions: r
    mounts:
    - {hostPath: /etc, containerPath: /srv/etc, options: [ro, nosuid]}
    hooks:
    - {hookName: createContainer, path: /bin/true, args: ['true', now]}
    additionalGids: [44]
- name: other
  containerEdits:
    env: ['OTHER=2']
";

fn directory(files: &[(&str, &str)]) -> (tempfile::TempDir, Vec<PathBuf>) {
    let directory = tempfile::tempdir().expect("a directory");
    for (name, text) in files {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        std::fs::write(path, text).expect("written");
    }
    let list = vec![directory.path().join("etc"), directory.path().join("run")];
    (directory, list)
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|it| (*it).to_owned()).collect()
}

fn spec() -> Spec {
    Spec {
        process: Some(Process {
            env: vec!["OTHER=0".into(), "PATH=/bin".into()],
            ..Process::default()
        }),
        ..Spec::default()
    }
}

#[test]
fn a_device_brings_its_node_mounts_variables_and_hooks() {
    let (_directory, list) = directory(&[("etc/thing.yaml", YAML)]);
    let registry = Registry::load(&list);
    assert_eq!(
        registry.names(),
        ["vendor.com/thing=other", "vendor.com/thing=zero"]
    );
    let mut spec = spec();
    let both = names(&["vendor.com/thing=zero", "vendor.com/thing=other"]);
    let groups = registry.inject(&both, &mut spec).expect("both are there");
    assert_eq!(groups, [44]);
    let process = spec.process.expect("a process");
    assert_eq!(process.env, ["PATH=/bin", "COMMON=1", "OTHER=2"]);
    let linux = spec.linux.expect("a Linux half");
    let node = &linux.devices[0];
    assert_eq!(
        (
            node.path.as_path(),
            node.kind.as_str(),
            node.major,
            node.minor
        ),
        (Path::new("/dev/thing"), "c", 1, 5)
    );
    let rule = &linux.resources.expect("resources").devices[0];
    assert_eq!(
        (rule.major, rule.minor, rule.access.as_str()),
        (Some(1), Some(5), "r")
    );
    assert_eq!(spec.mounts[0].options, ["rbind", "ro", "nosuid"]);
    let hooks = spec.hooks.expect("hooks");
    assert_eq!(hooks.create_container[0].args, ["true", "now"]);
}

#[test]
fn in_a_user_namespace_a_node_of_another_name_is_bound_and_allowed() {
    let (_directory, list) = directory(&[("etc/thing.yaml", YAML)]);
    let mut edited = spec();
    let map = IdMapping {
        container_id: 0,
        host_id: 100_000,
        size: 65536,
    };
    edited.linux.get_or_insert_default().uid_mappings = vec![map];
    let asked = names(&["vendor.com/thing=zero"]);
    let registry = Registry::load(&list);
    registry.inject(&asked, &mut edited).expect("is there");
    let linux = edited.linux.expect("devices");
    assert!(linux.devices.is_empty(), "{:?}", linux.devices);
    let rules = linux.resources.expect("rules").devices;
    assert_eq!((rules[0].major, rules[0].minor), (Some(1), Some(5)));
    let mut mounts = edited.mounts.iter();
    let thing = mounts.find(|it| it.destination == Path::new("/dev/thing"));
    let thing = thing.expect("a mount");
    assert_eq!(thing.source.as_deref(), Some(Path::new("/dev/zero")));
}

#[test]
fn missing_devices_are_all_named_and_nothing_is_changed() {
    let (_directory, list) = directory(&[("etc/thing.yaml", YAML)]);
    let mut edited = spec();
    let asked = names(&["vendor.com/thing=zero", "a.b/c=d", "foo"]);
    let error = Registry::load(&list)
        .inject(&asked, &mut edited)
        .expect_err("two are not there");
    assert_eq!(error.to_string(), "unresolvable CDI devices a.b/c=d, foo");
    assert_eq!(edited, spec());
}

#[test]
fn a_later_directory_wins_and_two_files_of_one_make_a_conflict() {
    let file = |value: &str| {
        format!(
            r#"{{"kind":"v.com/c","devices":[{{"name":"d","containerEdits":{{"env":["A={value}"]}}}}]}}"#
        )
    };
    let (one, two) = (file("1"), file("2"));
    let (_directory, list) = directory(&[("etc/a.json", &one), ("run/a.json", &two)]);
    let mut edited = spec();
    let asked = names(&["v.com/c=d"]);
    Registry::load(&list)
        .inject(&asked, &mut edited)
        .expect("is there");
    let env = edited.process.expect("a process").env;
    assert!(env.contains(&"A=2".to_owned()), "{env:?}");

    let (_directory, list) = directory(&[("etc/a.json", &one), ("etc/b.json", &two)]);
    assert!(Registry::load(&list).names().is_empty());
}

#[test]
fn a_broken_file_takes_nothing_from_the_others() {
    let (_directory, list) = directory(&[
        ("etc/a.json", "{"),
        ("etc/b.json", r#"{"kind":"nokind","devices":[]}"#),
        ("etc/c.yaml", YAML),
        ("etc/d.txt", "x"),
    ]);
    assert_eq!(Registry::load(&list).names().len(), 2);
}
