"""docker-py, the client that Python programs use, against a running pair.

Usage: docker_py.py unix:///path/to/docker.sock
The pair holds the image bb:latest (a busybox). Exits 0 where everything is as with Docker.
"""

import sys
import time

import docker
from docker.errors import APIError, ContainerError, ImageNotFound, NotFound


def what_is_there(client):
    assert client.ping() is True
    assert client.version()["ApiVersion"] == "1.51"
    assert client.info()["Swarm"]["LocalNodeState"] == "inactive"
    assert [image.tags for image in client.images.list()] == [["bb:latest"]]
    assert sorted(network.name for network in client.networks.list()) == ["bridge", "host", "none"]
    assert client.volumes.list() == []
    assert "LayersSize" in client.df()


def a_container_s_life(client):
    begin = time.time()
    container = client.containers.create(
        "bb:latest", ["/bin/sleep", "100000"], name="web", labels={"team": "a"}, environment={"GREETING": "hello"}
    )
    assert container.status == "created"
    container.start()
    container.reload()
    assert container.status == "running"
    assert [found.name for found in client.containers.list(filters={"label": "team=a"})] == ["web"]
    container.stop(timeout=0)
    assert container.wait()["StatusCode"] == 137
    container.restart(timeout=0)
    container.rename("site")
    container.kill()
    assert client.containers.get("site").wait()["StatusCode"] == 137
    container.remove()
    assert client.containers.list(all=True) == []
    events = client.events(since=begin, until=time.time(), decode=True, filters={"type": "container"})
    actions = [event["Action"] for event in events]
    assert actions[:2] == ["create", "start"] and actions[-1] == "destroy", actions
    assert "rename" in actions and "restart" in actions, actions


def exit_codes(client):
    container = client.containers.run("bb:latest", ["/bin/sh", "-c", "exit 7"], detach=True)
    assert container.wait()["StatusCode"] == 7
    container.remove()


def things_that_are_not_there(client):
    for error, ask in [
        (NotFound, lambda: client.containers.get("nosuch")),
        (ImageNotFound, lambda: client.images.get("nosuch")),
        (NotFound, lambda: client.networks.get("nosuch")),
        (ImageNotFound, lambda: client.containers.create("nosuch:tag")),
    ]:
        try:
            ask()
        except error:
            continue
        raise AssertionError(f"{error.__name__} was expected")
    try:
        client.containers.run("bb:latest", ["/nothere"], detach=True, name="lost")
    except (APIError, ContainerError) as refusal:
        assert "/nothere" in str(refusal), refusal
    else:
        raise AssertionError("a command that is not there runs")
    client.containers.get("lost").remove()


def main():
    tests = [what_is_there, a_container_s_life, exit_codes, things_that_are_not_there]
    client = docker.DockerClient(base_url=sys.argv[1], timeout=60)
    for test in tests:
        test(client)
        print(f"docker-py {test.__name__}: ok", flush=True)
    print(f"{len(tests)} passed, 0 failed")


if __name__ == "__main__":
    main()
