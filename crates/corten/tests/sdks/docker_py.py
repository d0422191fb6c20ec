"""docker-py's everyday use. Each function is one story; the first that fails ends the run."""

import io
import pathlib
import socket
import tarfile
import tempfile
import threading

import docker
import websocket

client = docker.from_env()
# Docker-py attaches by WebSocket over TCP only.
far = docker.DockerClient(base_url="tcp://127.0.0.1:2375")


def sleeper(**options):
    return client.containers.run(
        "busybox", ["sleep", "1000"], detach=True, stop_signal="SIGKILL", **options
    )


def archive(name, content):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        entry.mode = 0o640
        tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def raw(stream):
    """The socket beneath what docker-py hands out."""
    return getattr(stream, "_sock", stream)


def frames(sock):
    """Docker's frames until the end: stream number and bytes."""
    found = []
    while True:
        head = read(sock, 8)
        if len(head) < 8:
            return found
        found.append((head[0], read(sock, int.from_bytes(head[4:], "big"))))


def read(sock, length):
    got = b""
    while len(got) < length:
        more = sock.recv(length - len(got))
        if not more:
            break
        got += more
    return got


def run_gives_output_and_errors():
    assert client.ping()
    assert client.containers.run("busybox", "echo hello", remove=True) == b"hello\n"
    try:
        client.containers.run("busybox", ["sh", "-c", "echo bad >&2; exit 3"], remove=True)
    except docker.errors.ContainerError as error:
        assert error.exit_status == 3, error
        assert error.stderr == b"bad\n", error.stderr
    else:
        raise AssertionError("exit code 3 is an error")
    try:
        client.containers.get("nobody")
    except docker.errors.NotFound as error:
        assert error.explanation == "No such container: nobody", error.explanation
    else:
        raise AssertionError("there is no such container")


def exec_gives_every_byte_every_time():
    box = sleeper()
    for number in range(60):
        code, output = box.exec_run(["echo", str(number)])
        assert (code, output) == (0, f"{number}\n".encode()), (number, code, output)
    code, output = box.exec_run(["sh", "-c", "echo out; echo err >&2; exit 7"], demux=True)
    assert (code, output) == (7, (b"out\n", b"err\n")), (code, output)
    code, output = box.exec_run(["tty"], tty=True)
    assert code == 0 and output.startswith(b"/dev/pts/"), output
    code, output = box.exec_run(["sh", "-c", "pwd; id -u; echo $A"], workdir="/tmp", user="1000", environment={"A": "b"})
    assert output == b"/tmp\n1000\nb\n", output
    code, output = box.exec_run(["no-such-program"])
    assert code == 127, code
    assert b"executable file not found" in output, output
    streamed = b"".join(box.exec_run(["seq", "1", "20000"], stream=True).output)
    assert streamed.split() == [str(n).encode() for n in range(1, 20001)]
    box.remove(force=True)


def exec_takes_input_by_its_socket():
    box = sleeper()
    made = client.api.exec_create(box.id, ["cat"], stdin=True)
    sock = raw(client.api.exec_start(made["Id"], socket=True))
    sock.sendall(b"typed\n")
    sock.shutdown(socket.SHUT_WR)
    assert frames(sock) == [(1, b"typed\n")]
    assert client.api.exec_inspect(made["Id"])["ExitCode"] == 0
    box.remove(force=True)


def attach_socket_carries_both_ways():
    box = client.containers.create("busybox", ["sh", "-c", "read a; echo got $a"], stdin_open=True)
    sock = raw(box.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1}))
    box.start()
    sock.sendall(b"something\n")
    assert frames(sock) == [(1, b"got something\n")]
    assert box.wait()["StatusCode"] == 0
    box.remove()


def attach_streams_from_a_terminal():
    box = client.containers.create("busybox", ["sh", "-c", "echo one; echo two"], tty=True)
    output = box.attach(stream=True, stdout=True)
    box.start()
    assert b"".join(output) == b"one\r\ntwo\r\n"
    # The stream ends with the terminal, a moment before the container is known to have ended.
    box.wait()
    box.remove()


def messages(ws):
    """What comes by a WebSocket until its end."""
    got = b""
    while True:
        try:
            opcode, data = ws.recv_data()
        except websocket.WebSocketConnectionClosedException:
            return got
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            return got
        assert opcode == websocket.ABNF.OPCODE_BINARY, opcode
        got += data


def a_websocket_carries_both_ways_and_ends():
    wanted = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
    script = ["sh", "-c", "read a; seq 1 $a; exit 3"]
    box = far.containers.create("busybox", script, stdin_open=True)
    ws = far.api.attach_socket(box.id, params=wanted, ws=True)
    ws.settimeout(30)
    box.start()
    ws.send("20000\n")
    assert messages(ws) == b"".join(b"%d\n" % n for n in range(1, 20001))
    assert box.wait()["StatusCode"] == 3
    box.remove()
    # A client that leaves ends nothing, and another takes up where it left.
    box = far.containers.create("busybox", ["cat"], stdin_open=True, tty=True)
    box.start()
    for word in ["one", "two"]:
        ws = far.api.attach_socket(box.id, params=wanted, ws=True)
        ws.settimeout(30)
        ws.send_binary(word.encode() + b"\n")
        got = b""
        while got.count(b"\n") < 2:
            got += ws.recv()
        # The terminal's echo, and what `cat` says.
        assert got == f"{word}\r\n{word}\r\n".encode(), got
        ws.close()
        box.reload()
        assert box.status == "running"
    box.remove(force=True)


def images_are_built_from_files_and_streams():
    files = {
        "Dockerfile": "FROM busybox AS one\nARG WORD\nRUN echo $WORD > /word\nLABEL a=b\n"
        "FROM one AS two\nCOPY word /word\n",
        "word": "of the context\n",
    }
    with tempfile.TemporaryDirectory() as context:
        for name, text in files.items():
            pathlib.Path(context, name).write_text(text)
        options = {"path": context, "buildargs": {"WORD": "hello"}, "rm": True}
        image, log = client.images.build(tag="built:1", target="one", labels={"c": "d"}, **options)
        said = [line["stream"] for line in log if "stream" in line]
        assert "Step 1/4 : FROM busybox AS one" in said[0], said
        assert "Successfully tagged built:1\n" in said, said
        assert {"a": "b", "c": "d"}.items() <= image.labels.items(), image.labels
        assert client.containers.run("built:1", "cat /word", remove=True) == b"hello\n"
        # The same again comes from the cache; without it, not.
        image, log = client.images.build(**options)
        assert any("Using cache" in line.get("stream", "") for line in log)
        found = client.containers.run(image.id, "cat /word", remove=True)
        assert found == b"of the context\n", found
        fresh, log = client.images.build(nocache=True, **options)
        assert not any("Using cache" in line.get("stream", "") for line in log)
        for it in {image.id, fresh.id, "built:1"}:
            client.images.remove(it, force=True)
    packed = archive("Dockerfile", b"FROM busybox\nRUN echo out; echo bad >&2; exit 5\n")
    try:
        client.images.build(fileobj=io.BytesIO(packed), custom_context=True)
    except docker.errors.BuildError as error:
        sentence = "The command '/bin/sh -c echo out; echo bad >&2; exit 5' returned a non-zero code: 5"
        assert error.msg == sentence, error.msg
        assert {"stream": "out\n"} in list(error.build_log)
    else:
        raise AssertionError("a step that fails fails the build")
    image, _ = client.images.build(fileobj=io.BytesIO(b"FROM busybox\nCMD echo alone\n"))
    assert client.containers.run(image.id, remove=True) == b"alone\n"
    client.images.remove(image.id, force=True)


def logs_are_followed_and_selected():
    script = "for n in 1 2 3; do echo line $n; sleep 0.1; done; echo last >&2"
    box = client.containers.run("busybox", ["sh", "-c", script], detach=True)
    followed = b"".join(box.logs(stream=True, follow=True))
    assert followed == b"line 1\nline 2\nline 3\nlast\n", followed
    assert box.logs(stdout=False) == b"last\n"
    assert box.logs(tail=1) == b"last\n"
    stamped = box.logs(timestamps=True, stderr=False).splitlines()
    assert len(stamped) == 3 and stamped[0].endswith(b"Z line 1"), stamped
    box.wait()
    box.remove()


def archives_go_in_and_come_back():
    box = client.containers.create("busybox", ["true"])
    assert box.put_archive("/tmp", archive("note", b"written"))
    bits, about = box.get_archive("/tmp/note")
    assert (about["name"], about["size"], about["linkTarget"]) == ("note", 7, ""), about
    with tarfile.open(fileobj=io.BytesIO(b"".join(bits))) as tar:
        assert tar.getmember("note").mode == 0o640
        assert tar.extractfile("note").read() == b"written"
    assert {"Path": "/tmp/note", "Kind": 1} in box.diff()
    try:
        box.get_archive("/nowhere")
    except docker.errors.NotFound:
        pass
    else:
        raise AssertionError("there is no /nowhere")
    box.remove()


def stats_come_once_and_as_a_stream():
    box = sleeper(mem_limit="64m")
    once = box.stats(stream=False)
    assert once["memory_stats"]["limit"] == 64 << 20, once["memory_stats"]
    assert once["cpu_stats"]["cpu_usage"]["total_usage"] > 0
    assert once["precpu_stats"]["system_cpu_usage"] > 0
    stream = box.stats(decode=True)
    first, second = next(stream), next(stream)
    assert second["read"] > first["read"]
    stream.close()
    box.remove(force=True)


def events_arrive_as_they_happen():
    events = client.events(decode=True, filters={"type": "container", "label": "story=events"})
    seen = []
    done = threading.Event()

    def listen():
        for event in events:
            seen.append(event["Action"])
            if event["Action"] == "destroy":
                break
        done.set()

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    # The stream stands when the request has been answered, which `events` has waited for.
    box = client.containers.run("busybox", ["true"], detach=True, labels={"story": "events"})
    box.wait()
    box.remove()
    assert done.wait(30), seen
    assert seen == ["create", "start", "die", "destroy"], seen


def verbs_change_what_inspect_says():
    box = sleeper(
        name="worker",
        environment={"A": "b"},
        labels={"team": "x"},
        volumes={"data": {"bind": "/data", "mode": "rw"}},
        ports={"80/tcp": ("127.0.0.1", 0)},
        restart_policy={"Name": "on-failure", "MaximumRetryCount": 2},
    )
    box.reload()
    assert box.status == "running"
    assert box.attrs["HostConfig"]["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 2}
    assert box.ports["80/tcp"][0]["HostIp"] == "127.0.0.1"
    assert "A=b" in box.attrs["Config"]["Env"]
    box.pause()
    box.reload()
    assert box.status == "paused"
    box.unpause()
    titles = box.top()["Titles"]
    assert "PID" in titles and "CMD" in titles, titles
    box.rename("renamed")
    box.update(mem_limit="128m", memswap_limit="128m")
    box.reload()
    assert box.name == "renamed" and box.attrs["HostConfig"]["Memory"] == 128 << 20
    assert [it.name for it in client.containers.list(filters={"label": "team=x"})] == ["renamed"]
    box.restart(timeout=0)
    box.kill()
    assert box.wait()["StatusCode"] == 137
    image = box.commit(repository="kept", tag="1", changes="CMD echo kept")
    assert client.containers.run("kept:1", remove=True) == b"kept\n"
    box.remove(v=True)
    client.volumes.get("data").remove()
    client.images.remove(image.id, force=True)


def networks_connect_by_name():
    network = client.networks.create("sdk", driver="bridge")
    server = sleeper(name="server", network="sdk")
    found = client.containers.run("busybox", ["nslookup", "server."], remove=True, network="sdk")
    network.reload()
    address = network.attrs["Containers"][server.id]["IPv4Address"].split("/")[0]
    assert address.encode() in found, (address, found)
    network.disconnect(server)
    server.remove(force=True)
    network.remove()


STORIES = [
    run_gives_output_and_errors,
    exec_gives_every_byte_every_time,
    exec_takes_input_by_its_socket,
    attach_socket_carries_both_ways,
    attach_streams_from_a_terminal,
    a_websocket_carries_both_ways_and_ends,
    images_are_built_from_files_and_streams,
    logs_are_followed_and_selected,
    archives_go_in_and_come_back,
    stats_come_once_and_as_a_stream,
    events_arrive_as_they_happen,
    verbs_change_what_inspect_says,
    networks_connect_by_name,
]

for story in STORIES:
    print(story.__name__, flush=True)
    story()
