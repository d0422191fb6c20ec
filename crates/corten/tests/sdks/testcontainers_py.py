"""Testcontainers' everyday use from Python: a service with a mapped port, waited for."""

import urllib.request

from testcontainers.core.container import DockerContainer
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


for story in [
    a_service_is_started_waited_for_and_reached,
    containers_of_a_network_know_their_aliases,
]:
    print(story.__name__, flush=True)
    story()
