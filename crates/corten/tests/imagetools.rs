//! `buildx imagetools` of the stock plugin and of ours beside each other, at registries:
//! what they show of images, what they put together and push.

use corten_testkit::{Engine, Ran, Registry, binary, docker_current, run};
use serde_json::Value;
use std::fs;

const R: &str = "127.0.0.1:5001";
const CLOSED: &str = "127.0.0.1:5002";

/// A client where the registries are.
fn tool(engine: &Engine, ours: bool, words: &[&str]) -> Ran {
    let program = if ours {
        binary("corten")
    } else {
        docker_current()
    };
    let mut command = engine.inside(program);
    command
        .args(["buildx", "imagetools"])
        .args(words)
        .env("HOME", engine.path(""))
        .env("DOCKER_CONFIG", engine.path("docker-config"))
        .env("DOCKER_HOST", engine.host());
    run(&mut command)
}

/// Both, with the same words; they say the same.
fn both(engine: &Engine, words: &[&str]) -> Ran {
    let (theirs, mine) = (tool(engine, false, words), tool(engine, true, words));
    // Go's maps have no order: neither have annotations in a listing.
    let lines = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        if text.starts_with("Name:") {
            lines.sort();
        }
        lines
    };
    let told = |ran: &Ran| (ran.code, lines(&ran.stdout), ran.stderr.clone());
    assert_eq!(told(&mine), told(&theirs), "imagetools {words:?}");
    mine
}

fn engine() -> Engine {
    let engine = Engine::with_registries();
    engine.install_buildx();
    for (name, target) in [("busybox", "team/one:busybox"), ("alpine", "team/two")] {
        engine.docker(["pull", "-q", name]).ok();
        let target = format!("{R}/{target}");
        engine.docker(["tag", name, &target]).ok();
        engine.docker(["push", "-q", &target]).ok();
    }
    let dockerfile =
        "FROM scratch\nCOPY a /a\nENV A=<b>&c\nLABEL z=1 a=2\nCMD [\"/a\"]\nEXPOSE 80\n";
    let context = engine.files("it", &[("Dockerfile", dockerfile), ("a", "a")]);
    let context = context.display().to_string();
    for (tag, platforms) in [("all", "linux/amd64,linux/arm/v7"), ("one", "linux/amd64")] {
        let name = format!("{R}/team/multi:{tag}");
        let mut words = vec![
            "build",
            "-q",
            "--push",
            "--platform",
            platforms,
            "-t",
            &name,
        ];
        words.extend(["--provenance=mode=max", "--sbom=true", &context]);
        engine.corten(words).ok();
    }
    engine
}

#[test]
fn images_are_shown_as_by_the_stock_plugin() {
    let engine = engine();
    let (all, one) = (format!("{R}/team/multi:all"), format!("{R}/team/multi:one"));
    let (docker, bare) = (format!("{R}/team/one:busybox"), format!("{R}/team/two"));
    let top = tool(
        &engine,
        true,
        &["inspect", "--format", "x{{.Manifest.Digest}}", &one],
    );
    let digest = top.ok().trim_start_matches('x').to_owned();
    let exact = format!("{R}/team/multi@{digest}");
    let formats = [
        "{{json .}}",
        "{{json .Manifest}}",
        "{{ .Manifest }}",
        "x{{.Manifest.Digest}} {{.Name}}",
        "{{json .Image}}",
        "{{json .Provenance}}",
        "{{json .SBOM}}",
        "{{range .Manifest.Manifests}}{{.Digest}} {{.Platform}}{{println}}{{end}}",
        "{{.Foo}}",
        "{{upper .Name}}",
        "{{",
        "before {{.Image.Config.Env}} {{.Image.RootFS.DiffIDs}} {{.Image.Architecture}}",
        "{{ (index .Image \"linux/arm/v7\").Config.Cmd }}",
        "{{ (index .Provenance \"linux/amd64\").SLSA.buildDefinition.buildType }}",
        "{{ .Provenance.SLSA.buildDefinition.buildType }}",
        "{{ .SBOM.SPDX.spdxVersion }}",
    ];
    for (name, formats) in [
        (&all, &formats[..]),
        (&one, &formats[..]),
        (&docker, &formats[..8]),
        (&bare, &formats[..1]),
        (&exact, &formats[..1]),
    ] {
        both(&engine, &["inspect", name]);
        both(&engine, &["inspect", "--raw", name]);
        for format in formats {
            both(&engine, &["inspect", "--format", format, name]);
        }
    }
    let platforms = "{{range $platform, $image := .Image}}{{$platform}} {{end}}";
    let shown = both(&engine, &["inspect", "--format", platforms, &all]);
    assert_eq!(shown.ok(), "linux/amd64 linux/arm/v7");
    for words in [
        &["inspect", &format!("{R}/team/one:none")][..],
        &["inspect", &format!("{R}/team/none")],
        &["inspect", "UPPER"],
        &["inspect", "--raw", "--format", "x", &one],
    ] {
        assert_eq!(both(&engine, words).code, 1);
    }
    // What the stock plugin learned after 0.29: a template that begins with the manifest.
    let words = ["inspect", "--format", "{{.Manifest.Digest}}", &one];
    assert_eq!(tool(&engine, true, &words).ok(), digest);
}

#[test]
fn images_are_put_together_as_by_the_stock_plugin() {
    let engine = engine();
    let (all, one) = (format!("{R}/team/multi:all"), format!("{R}/team/multi:one"));
    let (docker, alpine) = (format!("{R}/team/one:busybox"), format!("{R}/team/two"));
    let raw: Value =
        serde_json::from_str(tool(&engine, true, &["inspect", "--raw", &one]).ok()).expect("JSON");
    let digest = raw["manifests"][0]["digest"].as_str().expect("a digest");
    let own = format!("{R}/team/multi:new");
    let platform = r#""platform":{"architecture":"riscv64","os":"linux"}"#;
    let files = [
        format!(r#"{{"digest":"{digest}","annotations":{{"z":"1","a":"<2>"}},{platform}}}"#),
        digest.to_owned(),
        format!("{{\"digest\":\"{digest}\",\"size\":5}}"),
        "sha256:1234".to_owned(),
    ];
    let mut paths = Vec::new();
    for (at, text) in files.iter().enumerate() {
        let path = engine.path(&format!("descriptor-{at}"));
        fs::write(&path, text).expect("a file");
        paths.push(path.display().to_string());
    }
    let lines: Vec<Vec<&str>> = vec![
        vec![],
        vec![&docker],
        vec!["--dry-run", &docker],
        vec!["--dry-run", "--prefer-index=false", &docker],
        vec!["--dry-run", &all],
        vec!["--dry-run", &all, &docker, &alpine],
        vec!["--dry-run", &docker, "127.0.0.1:5000/library/debian"],
        vec!["--dry-run", "-t", &own, digest],
        vec!["--dry-run", "-t", &own, digest, &docker],
        vec!["--dry-run", digest],
        vec!["--dry-run", "-t", &own, "-f", &paths[0]],
        vec!["--dry-run", "-t", &own, "-f", &paths[1]],
        vec!["--dry-run", "-t", &own, "-f", &paths[2]],
        vec!["--dry-run", "-t", &own, "-f", &paths[3]],
        vec!["--dry-run", "-t", &own, "-f", "/nowhere"],
        vec!["--dry-run", "-t", &one, "--append", &alpine],
        vec!["--dry-run", "-t", &own, "--append", &alpine],
        vec![
            "--dry-run",
            "--annotation",
            "index:a=b",
            "--annotation",
            "manifest-descriptor[linux/amd64]:c=<d>",
            &all,
        ],
        vec![
            "--dry-run",
            "--annotation",
            "manifest-descriptor:c=d",
            &docker,
            &one,
        ],
        vec!["--dry-run", "--annotation", "a=b", &all],
        vec!["--dry-run", "--annotation", "manifest:a=b", &all],
        vec!["--dry-run", "--annotation", "index-descriptor:a=b", &all],
        vec!["--dry-run", "--annotation", "bogus:a=b", &all],
        vec!["--dry-run", "--annotation", "nothing", &all],
        vec!["--dry-run", "--platform", "linux/arm/v7", &all],
        vec!["--dry-run", "--platform", "linux/amd64,linux/arm", &all],
        vec!["--dry-run", "-p", "linux/s390x", &all],
        vec![
            "--dry-run",
            "-p",
            "linux/s390x",
            "--prefer-index=false",
            &docker,
        ],
        vec!["--dry-run", "-p", "foo", &all],
        vec!["--dry-run", "UPPER"],
        vec!["--dry-run", "-t", "UPPER", &all],
        vec!["--dry-run", "sha256:123"],
        vec!["--progress", "bogus", "-t", &own, &all],
    ];
    for line in lines {
        both(&engine, &[&["create"], &line[..]].concat());
    }
}

#[test]
fn images_are_pushed_with_what_they_need_from_other_repositories_and_registries() {
    let engine = engine();
    let login = ["login", CLOSED, "-u", Registry::USER, "--password-stdin"];
    let secret = Registry::PASSWORD.as_bytes();
    let mut command = engine.inside(docker_current());
    command
        .args(login)
        .env("DOCKER_CONFIG", engine.path("docker-config"))
        .env("DOCKER_HOST", engine.host());
    corten_testkit::run_with_input(&mut command, secret).ok();
    let (all, busybox) = (
        format!("{R}/team/multi:all"),
        format!("{R}/team/one:busybox"),
    );
    let elsewhere = "127.0.0.1:5000/library/debian";
    // Into another repository of the registry, and into one that asks who comes.
    for registry in [R, CLOSED] {
        let mine = ["1", "2"].map(|tag| format!("{registry}/ours/new:{tag}"));
        let told = engine.path("told.json").display().to_string();
        let mut words = vec!["create", "-t", &mine[0], "-t", &mine[1]];
        words.extend(["--metadata-file", &told, &all, &busybox, elsewhere]);
        let pushed = tool(&engine, true, &words);
        pushed.ok();
        assert!(
            pushed.stderr.contains(" copying sha256:"),
            "{}",
            pushed.stderr
        );
        assert!(
            pushed
                .stderr
                .contains(&format!("#1 [internal] pushing {}", mine[0])),
            "{}",
            pushed.stderr
        );
        // The same bytes; the stock plugin's own push of this now and then gets in its own way.
        let words = ["create", "--dry-run", &all, &busybox, elsewhere];
        let expected = tool(&engine, false, &words).ok().to_owned();
        let raw = |name: &str| tool(&engine, false, &["inspect", "--raw", name]).stdout;
        assert_eq!(raw(&mine[0]), expected);
        assert_eq!(raw(&mine[1]), expected);
        let told: Value = serde_json::from_slice(&fs::read(&told).expect("a file")).expect("JSON");
        assert_eq!(told["image.name"], format!("{registry}/ours/new"));
        let described = &told["containerimage.descriptor"];
        assert_eq!(described["size"], raw(&mine[0]).len());
        // A second image beside what is there.
        let words = [
            "create",
            "-t",
            &mine[0],
            "--append",
            &format!("{R}/team/two"),
        ];
        tool(&engine, true, &words).ok();
        let listed: Value = serde_json::from_str(&raw(&mine[0])).expect("JSON");
        let before: Value = serde_json::from_str(&raw(&mine[1])).expect("JSON");
        let count = |it: &Value| it["manifests"].as_array().map_or(0, Vec::len);
        assert_eq!(count(&listed), count(&before) + 1, "{listed}");
    }
    // What was copied is an image that runs, and none of it lies in the first repository only.
    let copy = format!("{R}/ours/busybox:1");
    let words = ["create", "--prefer-index=false", "-t", &copy, &busybox];
    tool(&engine, true, &words).ok();
    engine
        .docker(["image", "rm", "-f", "busybox", &busybox])
        .ok();
    engine.docker(["pull", "-q", &copy]).ok();
    engine.docker(["run", "--rm", &copy, "true"]).ok();
    // Who is not known is told so, and where.
    fs::remove_file(engine.path("docker-config/config.json")).expect("the login");
    let target = format!("{CLOSED}/ours/new:3");
    let refused = tool(&engine, true, &["create", "-t", &target, &all]);
    assert_eq!(refused.code, 1);
    assert!(
        refused.stderr.contains("no basic auth credentials"),
        "{}",
        refused.stderr
    );
    let ended = refused
        .stderr
        .contains(&format!("[internal] pushing {target}"));
    assert!(ended, "{}", refused.stderr);
}
