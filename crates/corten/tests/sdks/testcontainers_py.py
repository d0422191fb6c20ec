"""Testcontainers' everyday use from Python: a service with a mapped port, waited for."""

import pathlib
import tempfile
import urllib.request

import docker
from testcontainers.core.container import DockerContainer
from testcontainers.core.image import DockerImage
from testcontainers.core.network import Network
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

SERVE = ["sh", "-c", "echo hello >/tmp/index.html; echo ready; exec httpd -f -p 80 -h /tmp"]


def a_service_is_started_waited_for_and_reached():
    web = DockerContainer("busybox", command=SERVE).with_exposed_ports(80)
    web = web.with_env("A", "b").waiting_for(LogMessageWaitStrategy("ready"))
    with web:
        url = f"http://{web.get_container_host_ip()}:{web.get_exposed_port(80)}/"
        with urllib.request.urlopen(url, timeout=20) as answer:
            assert answer.read() == b"hello\n"
        code, output = web.exec(["sh", "-c", "echo $A"])
        assert (code, output) == (0, b"b\n"), (code, output)
        out, err = web.get_logs()
        assert (out, err) == (b"ready\n", b""), (out, err)


def containers_of_a_network_know_their_aliases():
    with Network() as network:
        web = DockerContainer("busybox", command=SERVE).with_network(network)
        web = web.with_network_aliases("web").waiting_for(LogMessageWaitStrategy("ready"))
        with web:
            client = DockerContainer("busybox", command=["sleep", "1000"]).with_network(network)
            with client:
                code, output = client.exec(["wget", "-q", "-O", "-", "http://web/"])
                assert (code, output) == (0, b"hello\n"), (code, output)


def an_image_is_built_run_and_removed():
    with tempfile.TemporaryDirectory() as context:
        text = "FROM busybox\nARG WORD\nRUN echo $WORD > /word\nCMD echo ready; exec sleep 1000\n"
        pathlib.Path(context, "Dockerfile.it").write_text(text)
        options = {"dockerfile_path": "Dockerfile.it", "buildargs": {"WORD": "hello"}}
        with DockerImage(path=context, tag="of-a-test:1", **options) as image:
            said = [line["stream"] for line in image.get_logs() if "stream" in line]
            assert said[0].startswith("Step 1/4 : FROM busybox"), said
            assert f"Successfully built {image.short_id}\n" in said, said
            box = DockerContainer(str(image)).waiting_for(LogMessageWaitStrategy("ready"))
            with box:
                assert box.exec(["cat", "/word"]) == (0, b"hello\n")
    left = docker.from_env().images.list(name="of-a-test")
    assert left == [], left


for story in [
    a_service_is_started_waited_for_and_reached,
    containers_of_a_network_know_their_aliases,
    an_image_is_built_run_and_removed,
]:
    print(story.__name__, flush=True)
    story()
