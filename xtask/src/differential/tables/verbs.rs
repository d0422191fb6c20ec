//! The verbs on containers that live.

use super::{Call, Group, Look, call, group};

fn started(body: &'static str) -> Vec<Call> {
    vec![
        call("POST /containers/create?name=$name")
            .json(body)
            .keep("id", "/Id"),
        call("POST /containers/$name/start"),
    ]
}

const SLEEP: &str = r#"{"Image":"$image","Cmd":["sh","-c","trap 'exit 7' TERM; echo ready; while :; do sleep 0.1; done"],"Labels":{"cdiff":"1"},"StopTimeout":2}"#;

fn with(mut calls: Vec<Call>, more: Vec<Call>) -> Vec<Call> {
    calls.push(
        call("GET /containers/$name/logs?stdout=1")
            .look(Look::Status)
            .until("ready"),
    );
    calls.extend(more);
    calls
}

pub fn groups() -> Vec<Group> {
    let mut list = vec![
        life(),
        list_group(),
        update(),
        exec(),
        archive(),
        archive_stopped(),
    ];
    list.extend([
        commit(),
        wait(),
        events(),
        health(),
        stats(),
        prune(),
        pause(),
        rename(),
    ]);
    list
}

fn life() -> Group {
    group(
        "life",
        with(
            started(SLEEP),
            vec![
                call("POST /containers/$name/start"),
                call("POST /containers/create?name=$name").json(r#"{"Image":"$image"}"#),
                call("DELETE /containers/$name"),
                call("GET /containers/$name/top").look(Look::Shape),
                call("GET /containers/$name/top?ps_args=-o%20pid,comm").look(Look::Shape),
                call("GET /containers/$name/top?ps_args=-o%20comm"),
                call("POST /containers/$name/kill?signal=FOO"),
                call("POST /containers/$name/kill?signal=0"),
                call("POST /containers/$name/kill?signal=-1"),
                call("POST /containers/$name/kill?signal=999"),
                call("POST /containers/$name/kill?signal=USR1x"),
                call("POST /containers/$name/kill?signal=CONT"),
                call("POST /containers/$name/kill?signal=SIGRTMIN%2B3"),
                call("POST /containers/$name/resize?h=10&w=10"),
                call("POST /containers/$name/resize?h=x&w=10"),
                call("GET /containers/$name/logs"),
                call("GET /containers/$name/logs?stdout=1&tail=1").look(Look::Text),
                call("GET /containers/$name/logs?stdout=1&tail=x").look(Look::Text),
                call("GET /containers/$name/logs?stdout=1&since=x"),
                call("GET /containers/$name/logs?stdout=1&until=x"),
                call("POST /containers/$name/stop?t=x"),
                call("POST /containers/$name/stop?signal=FOO"),
                call("POST /containers/$name/start?checkpoint=x"),
                call("POST /containers/$name/start").json(r#"{"HostConfig":{}}"#),
                call("POST /containers/$name/restart?t=5"),
                call("GET /containers/$name/json"),
                call("POST /containers/$name/stop?t=5"),
                call("GET /containers/$name/json"),
                call("POST /containers/$name/stop"),
                call("POST /containers/$name/kill"),
                call("POST /containers/$name/pause"),
                call("POST /containers/$name/unpause"),
                call("GET /containers/$name/top"),
                call("GET /containers/$name/stats?stream=0").look(Look::Shape),
                call("POST /containers/$name/resize?h=10&w=10"),
                call("POST /containers/$name/exec").json(r#"{"Cmd":["true"]}"#),
                call("POST /containers/$name/attach?stdout=1").look(Look::Status),
                call("DELETE /containers/$name?link=1"),
                call("DELETE /containers/$name?v=1"),
                call("DELETE /containers/$name"),
            ],
        ),
    )
}

fn list_group() -> Group {
    let filter = |json: &str| {
        let encoded = json
            .replace('{', "%7B")
            .replace('}', "%7D")
            .replace('"', "%22")
            .replace('[', "%5B")
            .replace(']', "%5D");
        call(format!("GET /containers/json?all=1&filters={encoded}"))
    };
    group(
        "list",
        with(
            started(SLEEP),
            vec![
                filter(r#"{"name":["cdiff-list"]}"#),
                call(
                    "GET /containers/json?all=1&size=1&filters=%7B%22name%22%3A%5B%22cdiff-list%22%5D%7D",
                ),
                call(
                    "GET /v1.24/containers/json?all=1&filters=%7B%22name%22%3A%5B%22cdiff-list%22%5D%7D",
                ),
                call(
                    "GET /v1.40/containers/json?all=1&filters=%7B%22name%22%3A%5B%22cdiff-list%22%5D%7D",
                ),
                call("GET /v1.24/containers/$name/json"),
                call("GET /v1.40/containers/$name/json"),
                call("GET /v1.44/containers/$name/json"),
                call("GET /containers/$name/json?size=1"),
                filter(r#"{"name":["^/cdiff-list$"]}"#),
                filter(r#"{"id":["$id"]}"#),
                filter(r#"{"label":["cdiff=1"]}"#),
                filter(r#"{"label":["cdiff=2"]}"#),
                filter(r#"{"label!":["cdiff"],"name":["cdiff-list"]}"#),
                filter(r#"{"status":["running"],"name":["cdiff-list"]}"#),
                filter(r#"{"status":["exited"],"name":["cdiff-list"]}"#),
                filter(r#"{"ancestor":["$image"]}"#),
                filter(r#"{"ancestor":["nonono"]}"#),
                filter(r#"{"health":["none"],"name":["cdiff-list"]}"#),
                filter(r#"{"network":["bridge"],"name":["cdiff-list"]}"#),
                filter(r#"{"network":["nonono"]}"#),
                filter(r#"{"volume":["nonono"]}"#),
                filter(r#"{"publish":["80"]}"#),
                filter(r#"{"publish":["x"]}"#),
                filter(r#"{"expose":["80-90/tcp"]}"#),
                filter(r#"{"is-task":["true"]}"#),
                filter(r#"{"is-task":["x"]}"#),
                filter(r#"{"since":["cdiff-list"]}"#),
                filter(r#"{"exited":["7"]}"#),
                filter(r#"{"isolation":["default"],"name":["cdiff-list"]}"#),
            ],
        ),
    )
}

fn update() -> Group {
    let update = |body: &'static str| call("POST /containers/$name/update").json(body);
    group("update", with(started(SLEEP), vec![
        update(r#"{"Memory":104857600,"MemorySwap":209715200}"#),
        update(r#"{"CpuShares":512,"CpuQuota":50000,"CpuPeriod":100000}"#),
        update(r#"{"NanoCpus":500000000}"#),
        update(r#"{"CpusetCpus":"0"}"#),
        update(r#"{"CpusetCpus":"77"}"#),
        update(r#"{"PidsLimit":50}"#),
        update(r#"{"PidsLimit":-1}"#),
        update(r#"{"BlkioWeight":500}"#),
        update(r#"{"BlkioWeight":5}"#),
        update(r#"{"Memory":1}"#),
        update(r#"{"Memory":524288000}"#),
        update(r#"{"KernelMemory":524288000}"#),
        update(r#"{"MemoryReservation":52428800}"#),
        update(r#"{"RestartPolicy":{"Name":"always"}}"#),
        update(r#"{"RestartPolicy":{"Name":"foo"}}"#),
        update(r#"{"RestartPolicy":{"Name":"on-failure","MaximumRetryCount":2}}"#),
        update(r#"{"RestartPolicy":{"Name":"always","MaximumRetryCount":2}}"#),
        update(r#"{"RestartPolicy":{"Name":"no"}}"#),
        update(r#"{"Devices":[{"PathOnHost":"/dev/null","PathInContainer":"/dev/x","CgroupPermissions":"rwm"}]}"#),
        update(r#"{"Ulimits":[{"Name":"nofile","Soft":1,"Hard":1}]}"#),
        update(r#"{"CpuRealtimeRuntime":1000}"#),
        update(r#"{"OomKillDisable":true}"#),
        update(r#"{"#),
        call("GET /containers/$name/json"),
        call("POST /containers/$name/exec").json(r#"{"Cmd":["sh","-c","cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes memory/memory.memsw.limit_in_bytes cpu/cpu.shares cpu/cpu.cfs_quota_us pids/pids.max cpuset/cpuset.cpus"],"AttachStdout":true,"AttachStderr":true}"#).keep("exec", "/Id"),
        call("POST /exec/$exec/start").json(r#"{"Detach":false,"Tty":false}"#).look(Look::Text),
    ]))
}

fn exec() -> Group {
    let create = |body: &'static str| {
        call("POST /containers/$name/exec")
            .json(body)
            .keep("exec", "/Id")
    };
    let start = || {
        call("POST /exec/$exec/start")
            .json(r#"{"Detach":false,"Tty":false}"#)
            .look(Look::Text)
    };
    let inspect = || call("GET /exec/$exec/json");
    group(
        "exec",
        with(
            started(SLEEP),
            vec![
                create("{}"),
                create(r#"{"Cmd":[]}"#),
                create(
                    r#"{"Cmd":["sh","-c","id; pwd; echo $A; exit 5"],"AttachStdout":true,"AttachStderr":true,"User":"1000","WorkingDir":"/tmp","Env":["A=1"]}"#,
                ),
                inspect(),
                start(),
                inspect(),
                start(),
                create(
                    r#"{"Cmd":["sh","-c","grep -E 'Cap|Seccomp|NoNew' /proc/self/status"],"AttachStdout":true,"Privileged":true}"#,
                ),
                inspect(),
                start(),
                create(
                    r#"{"Cmd":["sh","-c","grep -E 'Cap|Seccomp|NoNew|Groups' /proc/self/status; cat /proc/self/limits; cat /proc/self/oom_score_adj"],"AttachStdout":true}"#,
                ),
                start(),
                create(r#"{"Cmd":["nonono"],"AttachStdout":true}"#),
                start(),
                inspect(),
                create(r#"{"Cmd":["/etc/passwd"],"AttachStdout":true}"#),
                start(),
                inspect(),
                create(r#"{"Cmd":["true"],"User":"nonono"}"#),
                create(r#"{"Cmd":["true"],"WorkingDir":"/nonono"}"#),
                start(),
                inspect(),
                create(r#"{"Cmd":["true"],"WorkingDir":"relative"}"#),
                create(r#"{"Cmd":["true"],"DetachKeys":"foo"}"#),
                create(
                    r#"{"Cmd":["stty","size"],"Tty":true,"AttachStdout":true,"ConsoleSize":[30,100]}"#,
                ),
                call("POST /exec/$exec/start")
                    .json(r#"{"Detach":false,"Tty":true,"ConsoleSize":[31,101]}"#)
                    .look(Look::Text),
                create(r#"{"Cmd":["stty","size"],"Tty":true,"AttachStdout":true}"#),
                call("POST /exec/$exec/start")
                    .json(r#"{"Detach":false,"Tty":true,"ConsoleSize":[31,101]}"#)
                    .look(Look::Text),
                create(r#"{"Cmd":["stty","size"],"AttachStdout":true,"ConsoleSize":[30,100]}"#),
                call("POST /exec/$exec/start")
                    .json(r#"{"Detach":false,"Tty":false,"ConsoleSize":[31,101]}"#)
                    .look(Look::Text),
                create(r#"{"Cmd":["sleep","1"]}"#),
                call("POST /exec/$exec/resize?h=10&w=20"),
                call("POST /exec/$exec/start")
                    .json(r#"{"Detach":true}"#)
                    .look(Look::Text),
                inspect(),
                call("POST /exec/$exec/start").json(r#"{"Detach":true}"#),
                call("GET /containers/$name/json").until(r#""ExecIDs":null"#),
            ],
        ),
    )
}

const ARCHIVE: &[Step] = &[
    (
        "HEAD /containers/$name/archive?path=/etc/passwd",
        NO,
        Look::Status,
    ),
    (
        "HEAD /containers/$name/archive?path=/nonono",
        NO,
        Look::Status,
    ),
    ("HEAD /containers/$name/archive", NO, Look::Status),
    ("GET /containers/$name/archive", NO, Look::Values),
    ("GET /containers/$name/archive?path=", NO, Look::Values),
    (
        "GET /containers/$name/archive?path=/nonono",
        NO,
        Look::Values,
    ),
    (
        "GET /containers/$name/archive?path=/etc/passwd/",
        NO,
        Look::Values,
    ),
    (
        "PUT /containers/$name/archive?path=/nonono",
        &[("a", "x")],
        Look::Values,
    ),
    (
        "PUT /containers/$name/archive?path=/etc/passwd",
        &[("a", "x")],
        Look::Values,
    ),
    (
        "PUT /containers/$name/archive?path=/tmp",
        &[
            ("d/", ""),
            ("d/f", "hello"),
            ("l", "->d/f"),
            ("up", "->/etc"),
        ],
        Look::Values,
    ),
    ("GET /containers/$name/archive?path=/tmp", NO, Look::Tar),
    ("GET /containers/$name/archive?path=/tmp/.", NO, Look::Tar),
    ("GET /containers/$name/archive?path=/tmp/d", NO, Look::Tar),
    ("GET /containers/$name/archive?path=/tmp/d/", NO, Look::Tar),
    ("GET /containers/$name/archive?path=/tmp/d/.", NO, Look::Tar),
    ("GET /containers/$name/archive?path=/tmp/l", NO, Look::Tar),
    ("GET /containers/$name/archive?path=tmp/d/f", NO, Look::Tar),
    (
        "GET /containers/$name/archive?path=/../../tmp/d/f",
        NO,
        Look::Tar,
    ),
    (
        "GET /containers/$name/archive?path=/tmp/up/",
        NO,
        Look::Status,
    ),
    (
        "GET /containers/$name/archive?path=/tmp/up/hostname",
        NO,
        Look::Status,
    ),
    (
        "PUT /containers/$name/archive?path=/tmp&noOverwriteDirNonDir=1",
        &[("d", "now a file")],
        Look::Values,
    ),
    (
        "PUT /containers/$name/archive?path=/tmp&noOverwriteDirNonDir=true",
        &[("d/f/", "")],
        Look::Values,
    ),
    (
        "PUT /containers/$name/archive?path=/tmp",
        &[("d/f/", "")],
        Look::Values,
    ),
    (
        "PUT /containers/$name/archive?path=/tmp",
        &[("d", "now a file")],
        Look::Values,
    ),
    ("GET /containers/$name/archive?path=/tmp/d", NO, Look::Tar),
    (
        "PUT /containers/$name/archive?path=/tmp",
        &[("../escape", "x")],
        Look::Values,
    ),
    (
        "PUT /containers/$name/archive?path=/tmp",
        &[("/absolute", "x")],
        Look::Values,
    ),
    (
        "PUT /containers/$name/archive?path=/tmp",
        &[("e/../../escape", "x")],
        Look::Values,
    ),
    (
        "PUT /containers/$name/archive?path=/tmp",
        &[("up/through", "x")],
        Look::Values,
    ),
    (
        "GET /containers/$name/archive?path=/etc/through",
        NO,
        Look::Tar,
    ),
    (
        "PUT /containers/$name/archive?path=/tmp",
        &[("evil", "->/etc"), ("evil/inside", "x")],
        Look::Values,
    ),
    (
        "PUT /containers/$name/archive?path=/tmp&copyUIDGID=1",
        &[("owned", "x")],
        Look::Values,
    ),
    (
        "GET /containers/$name/archive?path=/tmp/owned",
        NO,
        Look::Tar,
    ),
    (
        "PUT /containers/$name/archive?path=/tmp/up",
        &[("vialink", "x")],
        Look::Values,
    ),
    (
        "PUT /containers/$name/archive?path=/proc",
        &[("x", "x")],
        Look::Status,
    ),
    ("GET /containers/$name/changes", NO, Look::Set),
];

type Step = (&'static str, &'static [(&'static str, &'static str)], Look);

const NO: &[(&str, &str)] = &[];

fn archive_calls() -> Vec<Call> {
    let step = |(line, files, look): &Step| {
        let made = call(*line).look(*look);
        if line.starts_with("PUT") {
            made.tar(files)
        } else {
            made
        }
    };
    ARCHIVE.iter().map(step).collect()
}

fn archive() -> Group {
    group("archive", with(started(SLEEP), archive_calls()))
}

fn archive_stopped() -> Group {
    let mut calls = vec![
        call("POST /containers/create?name=$name")
            .json(r#"{"Image":"$image","Cmd":["true"],"User":"1000:1000"}"#),
    ];
    calls.extend(archive_calls());
    calls.push(call("GET /containers/$name/export").look(Look::Tar));
    group("archive-stopped", calls)
}

fn commit() -> Group {
    group("commit", with(started(SLEEP), vec![
        call("POST /commit?container=$name&repo=cdiff-commit&tag=1&comment=hello&author=me&pause=1&changes=ENV%20A%3D1%0AEXPOSE%2080%0ALABEL%20x%3Dy%0ACMD%20%5B%22ls%22%5D%0AENTRYPOINT%20%5B%22a%22%5D%0AWORKDIR%20%2Fx%0AUSER%201%0AVOLUME%20%2Fv%0ASTOPSIGNAL%20INT%0AONBUILD%20RUN%20x").json(r#"{"Labels":{"z":"1"}}"#),
        call("GET /images/cdiff-commit:1/json"),
        call("POST /commit?container=$name&repo=cdiff-commit&tag=2&changes=RUN%20x"),
        call("POST /commit?container=$name&repo=cdiff-commit&tag=2&changes=FOO%20x"),
        call("POST /commit?container=$name&repo=Cdiff&tag=2"),
        call("POST /commit?container=$name&repo=cdiff-commit&tag=a%20b"),
        call("POST /commit"),
        call("POST /commit?container=$name&repo=cdiff-commit&tag=3&pause=0&changes=HEALTHCHECK%20--interval%3D5s%20CMD%20true").look(Look::Shape),
        call("GET /images/cdiff-commit:3/json"),
        call("DELETE /images/cdiff-commit:3").look(Look::Status),
        call("DELETE /images/cdiff-commit:1").look(Look::Status),
    ]))
}

fn wait() -> Group {
    group(
        "wait",
        vec![
            call("POST /containers/create?name=$name")
                .json(r#"{"Image":"$image","Cmd":["sh","-c","exit 3"]}"#),
            call("POST /containers/$name/wait?condition=not-running"),
            call("POST /containers/$name/start"),
            call("POST /containers/$name/wait"),
            call("POST /containers/$name/wait?condition=not-running"),
            call("POST /containers/$name/wait?condition="),
            call("POST /containers/$name/wait?condition=foo"),
            call("POST /v1.29/containers/$name/wait"),
        ],
    )
}

fn events() -> Group {
    let filter =
        "&filters=%7B%22container%22%3A%5B%22cdiff-events%22%2C%22cdiff-events-new%22%5D%7D";
    group(
        "events",
        with(
            vec![
                call("POST /containers/create?name=$name").json(SLEEP),
                call("POST /containers/$name/start"),
            ],
            vec![
                call("POST /containers/$name/pause"),
                call("POST /containers/$name/unpause"),
                call("POST /containers/$name/exec")
                    .json(r#"{"Cmd":["true","x"]}"#)
                    .keep("exec", "/Id"),
                call("POST /exec/$exec/start").json(r#"{"Detach":true}"#),
                call("GET /exec/$exec/json")
                    .look(Look::Status)
                    .until(r#""Running":false"#),
                call("POST /containers/$name/kill?signal=CONT"),
                call("GET /containers/$name/top").look(Look::Status),
                call("PUT /containers/$name/archive?path=/tmp").tar(&[("a", "x")]),
                call("GET /containers/$name/archive?path=/tmp/a").look(Look::Tar),
                call("GET /containers/$name/export").look(Look::Status),
                call("POST /containers/$name/update")
                    .json(r#"{"Memory":104857600,"MemorySwap":-1}"#),
                call("POST /containers/$name/resize?h=10&w=20").look(Look::Status),
                call("POST /containers/$name/rename?name=cdiff-events-new"),
                call("POST /containers/cdiff-events-new/restart?t=3"),
                call("POST /containers/cdiff-events-new/stop?t=3"),
                call("POST /containers/cdiff-events-new/start"),
                call("POST /containers/cdiff-events-new/kill"),
                call("POST /containers/cdiff-events-new/wait"),
                call("DELETE /containers/cdiff-events-new"),
                call(format!("GET /events?since=$begun&until=$now{filter}"))
                    .look(Look::Status)
                    .until("destroy"),
                call(format!("GET /events?since=0&until=1{filter}")).look(Look::Lines),
                call(format!("GET /events?since=$begun&until=$now{filter}")).look(Look::Lines),
            ],
        ),
    )
}

fn health() -> Group {
    group("health", vec![
        call("POST /containers/create?name=$name").json(r#"{"Image":"$image","Cmd":["sleep","60"],"StopTimeout":0,"Healthcheck":{"Test":["CMD-SHELL","echo probe; test -e /ok"],"Interval":300000000,"Timeout":1000000000,"Retries":2}}"#),
        call("POST /containers/$name/start"),
        call("GET /containers/$name/json").look(Look::Shape).until("unhealthy"),
        call("PUT /containers/$name/archive?path=/").tar(&[("ok", "")]),
        call("GET /containers/$name/json").look(Look::Shape).until("\"healthy"),
        call("POST /containers/$name/kill"),
        call("POST /containers/$name/wait"),
        call("GET /containers/$name/json").look(Look::Shape),
    ])
}

fn stats() -> Group {
    group(
        "stats",
        with(
            started(SLEEP),
            vec![
                call("GET /containers/$name/stats?stream=0").look(Look::Shape),
                call("GET /containers/$name/stats?stream=0&one-shot=1").look(Look::Shape),
                call("GET /containers/$name/stats?stream=1&one-shot=1"),
                call("GET /v1.40/containers/$name/stats?stream=0").look(Look::Shape),
            ],
        ),
    )
}

fn prune() -> Group {
    group(
        "prune",
        vec![
            call("POST /containers/create?name=$name")
                .json(r#"{"Image":"$image","Cmd":["true"],"Labels":{"cdiff-prune":"1"}}"#),
            call("POST /containers/prune?filters=%7B%22label%22%3A%5B%22cdiff-prune%3D2%22%5D%7D"),
            call(
                "POST /containers/prune?filters=%7B%22label%22%3A%5B%22cdiff-prune%22%5D%2C%22until%22%3A%5B%221h%22%5D%7D",
            ),
            call("POST /containers/prune?filters=%7B%22label%22%3A%5B%22cdiff-prune%22%5D%7D"),
            call("GET /containers/$name/json"),
        ],
    )
}

fn pause() -> Group {
    group(
        "pause",
        with(
            started(SLEEP),
            vec![
                call("POST /containers/$name/unpause"),
                call("POST /containers/$name/pause"),
                call("POST /containers/$name/pause"),
                call("GET /containers/$name/json"),
                call("POST /containers/$name/start"),
                call("POST /containers/$name/exec").json(r#"{"Cmd":["true"]}"#),
                call("POST /containers/$name/attach?stdout=1"),
                call("DELETE /containers/$name"),
                call("GET /containers/$name/top").look(Look::Shape),
                call("POST /containers/$name/unpause"),
                call("POST /containers/$name/pause"),
                call("POST /containers/$name/stop?t=3"),
                call("GET /containers/$name/json"),
            ],
        ),
    )
}

fn rename() -> Group {
    group(
        "rename",
        with(
            started(SLEEP),
            vec![
                call("POST /containers/$name/rename"),
                call("POST /containers/$name/rename?name=$name"),
                call("POST /containers/$name/rename?name=a%20b"),
                call("POST /containers/$name/rename?name=/"),
            ],
        ),
    )
}
