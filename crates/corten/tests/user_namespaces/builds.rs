//! Steps of builds in a user namespace, and what is mounted for them.

use super::{BASE, remapped};
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;

#[test]
fn steps_of_a_build_run_with_remapped_users() {
    let engine = remapped(&["busybox"]);
    let dockerfile = "FROM busybox\nRUN cat /proc/self/uid_map >/map; touch /f; chown 3:4 /f\n\
                      RUN --mount=type=cache,target=/c touch /c/x && stat -c %u /c /c/x >/owners\nUSER 5\nRUN id -u >/tmp/id\n";
    let context = engine.files("context", &[("Dockerfile", dockerfile)]);
    engine.install_buildx();
    engine
        .docker(["build", "-q", "-t", "made", &context.display().to_string()])
        .ok();
    let script = "stat -c %u:%g /f; cat /map /owners /tmp/id";
    let ran = engine.docker(["run", "--rm", "--user", "0", "made", "sh", "-c", script]);
    let said: Vec<&str> = ran.ok().split_whitespace().collect();
    let base = BASE.to_string();
    assert_eq!(said, ["3:4", "0", &base, "65536", "0", "0", "5"]);
}

/// An agent without keys: agent protocol, draft-ietf-sshm-ssh-agent § 3 and 4.4.
fn serve_no_keys(listener: UnixListener) {
    while let Ok((mut client, _)) = listener.accept() {
        let mut request = [0; 5];
        // A length of one byte, SSH_AGENTC_REQUEST_IDENTITIES.
        while client.read_exact(&mut request).is_ok() && request == [0, 0, 0, 1, 11] {
            let answer = [0, 0, 0, 5, 12, 0, 0, 0, 0];
            if client.write_all(&answer).is_err() {
                break;
            }
        }
    }
}

/// A step that asks the agent, by the socket it was given.
const ASK: &str = "perl -MIO::Socket::UNIX -e '$s = IO::Socket::UNIX->new($ENV{SSH_AUTH_SOCK}) or die $!; \
                   syswrite $s, pack(q(NC), 1, 11); read $s, $a, 9; print unpack(q(H*), $a), qq(\\n)'";

#[test]
fn secrets_agents_and_binds_of_a_step_belong_to_whom_it_sees_as_their_owner() {
    let engine = remapped(&["debian", "busybox"]);
    let dockerfile = format!(
        "FROM debian AS made\n\
         RUN touch /mine && chown 70:71 /mine\n\
         FROM debian\n\
         RUN --mount=type=secret,id=word,required stat -c 'secret %u:%g %a' /run/secrets/word >>/seen && cat /run/secrets/word >>/seen\n\
         RUN --mount=type=secret,id=word,target=/w,uid=5,gid=6,mode=0440 stat -c 'owned %u:%g %a' /w >>/seen\n\
         RUN --mount=type=secret,id=word,env=WORD echo $WORD >>/seen\n\
         RUN --mount=type=bind,target=/ctx stat -c 'context %u:%g' /ctx/file >>/seen && ! touch /ctx/x 2>/dev/null\n\
         RUN --mount=type=bind,target=/ctx,rw touch /ctx/new && stat -c 'written %u:%g' /ctx/new >>/seen\n\
         RUN --mount=type=bind,from=made,source=/mine,target=/m stat -c 'stage %u:%g' /m >>/seen\n\
         RUN --mount=type=bind,from=busybox,target=/b stat -c 'image %u:%g' /b/bin/sh >>/seen\n\
         RUN --mount=type=tmpfs,target=/t touch /t/x && stat -c 'tmpfs %u:%g' /t /t/x >>/seen\n\
         RUN --mount=type=cache,target=/c,uid=8,gid=9 stat -c 'cache %u:%g' /c >>/seen\n\
         RUN --mount=type=ssh stat -c 'agent %u:%g %a' $SSH_AUTH_SOCK >>/seen && {ASK} >>/seen\n\
         COPY --chown=12:13 file /owned\n\
         RUN stat -c 'copied %u:%g' /owned >>/seen; cat /proc/self/uid_map >>/seen; chmod 666 /seen\n\
         USER 5:6\n\
         RUN --mount=type=secret,id=word,target=/w,uid=5,mode=0400 cat /w >>/seen\n\
         RUN --mount=type=secret,id=word,target=/w cat /w 2>/dev/null || echo closed >>/seen\n\
         RUN --mount=type=ssh,uid=5,gid=6 {ASK} >>/seen\n"
    );
    let files = [
        ("Dockerfile", dockerfile.as_str()),
        ("file", "x"),
        ("word", "hush\n"),
    ];
    let context = engine.files("context", &files);
    let agent = engine.path("agent");
    let listener = UnixListener::bind(&agent).expect("a socket");
    std::thread::spawn(move || serve_no_keys(listener));
    engine.install_buildx();
    let secret = format!("id=word,src={}", context.join("word").display());
    let ssh = format!("default={}", agent.display());
    let context = context.display().to_string();
    let words = [
        "build", "-q", "-t", "made", "--secret", &secret, "--ssh", &ssh, &context,
    ];
    engine.docker(words).ok();
    let seen = engine.docker(["run", "--rm", "made", "cat", "/seen"]);
    let no_keys = "000000050c00000000";
    let wanted = format!(
        "secret 0:0 400\nhush\nowned 5:6 440\nhush\ncontext 0:0\nwritten 0:0\nstage 70:71\nimage 0:0\n\
         tmpfs 0:0\ntmpfs 0:0\ncache 8:9\nagent 0:0 600\n{no_keys}\ncopied 12:13\n\
         0 {BASE} 65536\nhush\nclosed\n{no_keys}"
    );
    let words = |text: &str| -> Vec<String> {
        let lines = text.lines();
        lines
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect()
    };
    assert_eq!(words(seen.ok()), words(&wanted));
}
