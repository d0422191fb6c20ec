//! From up to down, and from one tool to the other.

use super::*;

#[test]
fn a_project_comes_up_in_order_and_goes_without_leaving_anything() {
    let engine = Engine::with_images(&["busybox"]);
    let shop = shop(&engine);
    let up = ours(&engine, &shop, &["up", "-d"]);
    up.ok();
    let told = |line: &str| up.stderr.lines().position(|told| told.trim() == line);
    let [healthy, started] = [
        "Container shop-db-1  Healthy",
        "Container shop-web-1  Started",
    ]
    .map(told);
    assert!(
        healthy.is_some() && healthy < started,
        "the condition is waited for: {}",
        up.stderr
    );
    let ps = ours(
        &engine,
        &shop,
        &["ps", "--format", "{{.Name}} {{.State}} {{.Health}}"],
    );
    assert_eq!(
        lines(ps.ok()),
        ["shop-db-1 running healthy", "shop-web-1 running"]
    );
    until("what the web writes is in the logs", 10, || {
        let logs = ours(&engine, &shop, &["logs", "--no-color", "web"]);
        let wanted = ["sesame", "hello from the config", "ready"];
        logs.ok() == wanted.map(|line| format!("web-1  | {line}")).join("\n")
    });
    let before = containers(&engine);
    let again = ours(&engine, &shop, &["up", "-d"]);
    assert!(
        again.stderr.contains("Container shop-web-1  Running"),
        "{}",
        again.stderr
    );
    assert_eq!(before, containers(&engine), "nothing has changed");
    let down = ours(&engine, &shop, &["down", "-v", "-t", "0"]);
    assert!(
        down.stderr.contains("Volume shop_data  Removed"),
        "{}",
        down.stderr
    );
    nothing_is_left(&engine);
}

#[test]
fn either_tool_goes_on_with_the_others_project() {
    let engine = Engine::with_images(&["busybox"]);
    let shop = shop(&engine);
    stock(&engine, &shop, &["up", "-d"]).ok();
    let before = containers(&engine);
    assert_eq!(before.len(), 2);
    ours(&engine, &shop, &["up", "-d"]).ok();
    assert_eq!(
        before,
        containers(&engine),
        "stock Compose's containers are as ours would be"
    );
    let ps = ours(&engine, &shop, &["ps", "--services"]);
    assert_eq!(lines(ps.ok()), ["db", "web"]);
    ours(&engine, &shop, &["down", "-v", "-t", "0"]).ok();
    nothing_is_left(&engine);

    ours(&engine, &shop, &["up", "-d"]).ok();
    let before = containers(&engine);
    stock(&engine, &shop, &["up", "-d"]).ok();
    assert_eq!(
        before,
        containers(&engine),
        "ours are as stock Compose's would be"
    );
    let ps = stock(&engine, &shop, &["ps", "--services"]);
    assert_eq!(lines(ps.ok()), ["db", "web"]);
    let listed = stock(&engine, &shop, &["ls", "--format", "json"]);
    assert!(listed.ok().contains("running(2)"), "{}", listed.stdout);
    stock(&engine, &shop, &["down", "-v", "-t", "0"]).ok();
    nothing_is_left(&engine);
}
