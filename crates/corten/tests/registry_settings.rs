//! What `daemon.json` says of single registries, and of proxies.

use corten_testkit::{Engine, binary, run, until};

/// An address of the engine's namespace that is not loopback, where nothing is trusted
/// without being told so.
const ADDRESS: &str = "10.99.0.1:5443";

/// Where that registry tells its figures.
const METRICS: &str = "127.0.0.1:5444";

/// Starts our registry with a certificate that only `ca.pem` of the engine vouches for.
fn serve(engine: &mut Engine) {
    let made = rcgen::generate_simple_self_signed(vec!["10.99.0.1".to_owned()]);
    let made = made.expect("a certificate");
    let (certificate, key) = (engine.path("ca.pem"), engine.path("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).expect("the certificate");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("its key");
    let mut add = engine.inside("ip");
    run(add.args(["address", "add", "10.99.0.1/32", "dev", "lo"])).ok();
    let mut registry = engine.inside(binary("corten"));
    registry
        .args(["registry", "serve", "--root"])
        .arg(engine.path("registry-tls"))
        .arg(format!("--listen={ADDRESS}"))
        .arg(format!("--metrics={METRICS}"))
        .arg("--tls-cert")
        .arg(&certificate)
        .arg("--tls-key")
        .arg(&key);
    engine.beside(registry);
    let url = format!("https://{ADDRESS}/v2/");
    until("our registry answers", 20, || {
        let mut ask = engine.inside("curl");
        run(ask.args(["-skf", "--max-time", "2", &url])).code == 0
    });
}

/// Has the daemon read `text` and waits until it has; `mark` is its label.
fn reload(engine: &Engine, mark: &str, text: &str) {
    let text = format!(r#"{{"labels": ["mark={mark}"], {text}}}"#);
    std::fs::write(engine.path("daemon.json"), text).expect("daemon.json");
    let pid = i32::try_from(engine.daemon_pid()).expect("a process number");
    let pid = rustix::process::Pid::from_raw(pid).expect("a process");
    rustix::process::kill_process(pid, rustix::process::Signal::HUP).expect("it is ours");
    until("the settings are read", 20, || {
        engine.docker(["info", "-f", "{{.Labels}}"]).ok() == format!("[mark={mark}]")
    });
}

#[test]
fn a_registry_is_trusted_by_its_own_authority_or_when_it_is_called_insecure() {
    let mut engine = Engine::with_images(&["busybox"]);
    serve(&mut engine);
    let name = format!("{ADDRESS}/team/box:1");
    engine.docker(["tag", "busybox", &name]).ok();
    let unknown = "tls: failed to verify certificate: x509: ";
    engine.docker(["push", &name]).fails(1, unknown);
    let authority = engine.path("ca.pem").display().to_string();
    let vouched = format!(r#""registries": {{"{ADDRESS}": {{"ca": "{authority}"}}}}"#);
    reload(&engine, "ca", &vouched);
    engine.docker(["push", "-q", &name]).ok();
    // The rule of one registry is no other's.
    let other = r#""registries": {"10.99.0.2:5443": {"insecure": true}}"#;
    reload(&engine, "other", other);
    engine.docker(["pull", &name]).fails(1, unknown);
    let insecure = format!(r#""registries": {{"{ADDRESS}": {{"insecure": true}}}}"#);
    reload(&engine, "insecure", &insecure);
    engine.docker(["pull", "-q", &name]).ok();

    // It speaks TLS only, and tells Prometheus what it did.
    let plain = format!("http://{ADDRESS}/v2/");
    let mut ask = engine.inside("curl");
    let refused = run(ask.args(["-s", "-o", "/dev/null", "--max-time", "5", &plain]));
    assert_ne!(refused.code, 0, "{refused:?}");
    let mut ask = engine.inside("curl");
    let figures = run(ask.args(["-sf", &format!("http://{METRICS}/metrics")]));
    let figure = |name: &str| -> u64 {
        let line = figures
            .ok()
            .lines()
            .find_map(|line| line.strip_prefix(name));
        line.and_then(|value| value.trim().parse().ok())
            .unwrap_or(0)
    };
    assert!(figure("corten_registry_requests_total{method=\"PUT\",status=\"2xx\"}") >= 3);
    assert!(figure("corten_registry_received_bytes_total") > 100_000);
    let mut ask = engine.inside("curl");
    run(ask.args(["-sf", &format!("http://{METRICS}/health")])).ok();
}

#[test]
fn any_registry_may_have_mirrors_and_the_daemon_its_proxies() {
    let engine = Engine::with_registries();
    // The name leads nowhere: the image can only come from the mirror.
    let name = "registry.invalid/busybox";
    let mirrored =
        r#""registries": {"registry.invalid": {"mirrors": ["http://127.0.0.1:5000/v2/library"]}}"#;
    reload(&engine, "mirror", mirrored);
    let pulled = engine.docker(["pull", name]);
    assert!(
        pulled.ok().ends_with("registry.invalid/busybox:latest"),
        "{}",
        pulled.stdout
    );
    engine.docker(["run", "--rm", name, "true"]).ok();

    // Nobody listens there, so that it is seen who was asked.
    let proxies = r#""proxies": {"https-proxy": "http://me:secret@127.0.0.1:9", "no-proxy": "direct.invalid"}"#;
    reload(&engine, "proxy", proxies);
    engine.docker(["pull", "other.invalid/busybox"]).fails(
        1,
        "proxyconnect tcp: dial tcp 127.0.0.1:9: connect: connection refused",
    );
    engine
        .docker(["pull", "direct.invalid/busybox"])
        .fails(1, "lookup direct.invalid");
    let mut engine = engine;
    engine.stop_daemon();
    engine.start_daemon();
    let shown = engine.docker(["info", "-f", "{{.HTTPSProxy}} {{.NoProxy}}"]);
    assert_eq!(shown.ok(), "http://xxxxx:xxxxx@127.0.0.1:9 direct.invalid");
}
