"""docker-py, the client that Python programs use, against a running pair.

Usage: docker_py.py unix:///path/to/docker.sock
The pair holds the image bb:latest (a busybox). Exits 0 where everything is as with Docker.
"""

import io
import sys
import tarfile
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


def run(client, script, **options):
    return client.containers.run("bb:latest", ["/bin/sh", "-c", script], detach=True, **options)


def until(what, look, limit=20):
    """Looks until there is something to see: what is waited for gives no sign of itself."""
    deadline = time.monotonic() + limit
    while not (seen := look()):
        assert time.monotonic() < deadline, f"{what}: not within {limit} s"
        time.sleep(0.02)
    return seen


def a_log(client):
    container = run(client, "echo one; echo two; echo bad >&2; exit 0")
    container.wait()
    assert container.logs(stdout=True, stderr=False) == b"one\ntwo\n"
    assert container.logs(stdout=False, stderr=True) == b"bad\n"
    assert len(container.logs(tail=2).splitlines()) == 2
    assert container.logs(since=int(time.time()) + 100) == b""
    stamped = container.logs(stderr=False, timestamps=True).decode().splitlines()
    assert [line.split(" ", 1)[1] for line in stamped] == ["one", "two"], stamped
    assert b"".join(container.logs(stream=True, stderr=False)) == b"one\ntwo\n"
    container.remove()
    container = run(client, "echo before; while ! [ -e /go ]; do sleep 0.05; done; echo after")
    follower = container.logs(stream=True, follow=True)
    assert next(follower) == b"before\n"
    assert container.exec_run(["/bin/busybox", "touch", "/go"]).exit_code == 0
    assert b"".join(follower) == b"after\n", "the follower ends with the container"
    container.wait()
    container.remove()


def commands_inside(client):
    container = run(client, "exec sleep 100000", environment={"A": "own"})
    script = "echo out; echo err >&2; exit 3"
    result = container.exec_run(["/bin/sh", "-c", script], demux=True)
    assert (result.exit_code, result.output) == (3, (b"out\n", b"err\n")), result
    assert container.exec_run(["/bin/sh", "-c", script], stderr=False).output == b"out\n"
    result = container.exec_run(["/bin/sh", "-c", "echo $A $B; pwd"], environment={"B": "more"}, workdir="/bin")
    assert (result.exit_code, result.output) == (0, b"own more\n/bin\n"), result
    assert container.exec_run(["/bin/sh", "-c", "echo shown"], tty=True).output == b"shown\r\n"
    stream = container.exec_run(["/bin/sh", "-c", "echo a; echo b"], stream=True).output
    assert b"".join(stream) == b"a\nb\n"
    result = container.exec_run(["nosuch"])
    assert result.exit_code == 127 and b"nosuch" in result.output, result
    ident = client.api.exec_create(container.id, ["/bin/busybox", "cat"], stdin=True)["Id"]
    assert client.api.exec_inspect(ident)["Running"] is False
    channel = client.api.exec_start(ident, socket=True)
    channel._sock.sendall(b"back and forth")
    # One frame: a header of eight bytes, of which the last four are the length.
    header = exactly(channel, 8)
    assert header[0] == 1, header
    assert exactly(channel, int.from_bytes(header[4:], "big")) == b"back and forth"
    channel._sock.close()
    channel.close()
    until("the command ends with its client", lambda: client.api.exec_inspect(ident)["Running"] is False)
    container.stop(timeout=0)
    try:
        container.exec_run(["/bin/true"])
    except APIError as refusal:
        assert refusal.status_code == 409 and "is not running" in refusal.explanation, refusal
    else:
        raise AssertionError("a command runs in a container that does not")
    container.remove()


def exactly(channel, count):
    got = b""
    while len(got) < count:
        more = channel._sock.recv(count - len(got))
        assert more, got
        got += more
    return got


def an_attached_client(client):
    container = client.containers.create("bb:latest", ["/bin/busybox", "cat"], stdin_open=True)
    channel = container.attach_socket(params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
    container.start()
    channel._sock.sendall(b"hello\n")
    header = exactly(channel, 8)
    assert (header[0], exactly(channel, int.from_bytes(header[4:], "big"))) == (1, b"hello\n")
    channel._sock.close()
    channel.close()
    # docker-py asks for StdinOnce: the end of its input is the container's.
    assert container.wait()["StatusCode"] == 0
    assert container.logs() == b"hello\n"
    container.remove()


def files(client):
    container = run(client, "exec sleep 100000")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in [("in/greeting", b"hello\n"), ("in/big", b"x" * 3_000_000)]:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o640
            tar.addfile(entry, io.BytesIO(content))
    for state in ["running", "stopped"]:
        assert container.put_archive("/", packed.getvalue()) is True
        stream, stat = container.get_archive("/in")
        assert stat["name"] == "in", stat
        with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as tar:
            assert sorted(tar.getnames()) == ["in", "in/big", "in/greeting"], tar.getnames()
            assert tar.extractfile("in/greeting").read() == b"hello\n"
            assert tar.getmember("in/big").size == 3_000_000
            assert tar.getmember("in/greeting").mode == 0o640
        if state == "running":
            assert container.exec_run(["/bin/busybox", "cat", "/in/greeting"]).output == b"hello\n"
            container.stop(timeout=0)
    for error, ask in [
        (NotFound, lambda: container.get_archive("/nosuch")),
        (NotFound, lambda: container.put_archive("/nosuch", packed.getvalue())),
    ]:
        try:
            ask()
        except error:
            continue
        raise AssertionError("files of a path that is not there")
    changes = {change["Path"]: change["Kind"] for change in container.diff()}
    assert changes["/in"] == 1 and changes["/in/greeting"] == 1, changes
    with tarfile.open(fileobj=io.BytesIO(b"".join(container.export()))) as tar:
        assert "in/greeting" in tar.getnames() and "bin/busybox" in tar.getnames()
    image = container.commit(repository="made", tag="here", changes="ENV MADE=yes")
    script = "echo $MADE; /bin/busybox cat /in/greeting"
    assert client.containers.run("made:here", ["/bin/sh", "-c", script], remove=True) == b"yes\nhello\n"
    client.images.remove(image.id, force=True)
    container.remove()


def what_it_uses(client):
    container = run(client, "exec sleep 100000")
    now = container.stats(stream=False)
    assert now["id"] == container.id and now["cpu_stats"]["cpu_usage"]["total_usage"] > 0, now
    assert now["memory_stats"]["usage"] > 0 and now["pids_stats"]["current"] == 1, now
    samples = container.stats(stream=True, decode=True)
    first, second = next(samples), next(samples)
    assert first["read"] < second["read"] and second["preread"] == first["read"]
    samples.close()
    top = container.top()
    assert "PID" in top["Titles"] and len(top["Processes"]) == 1, top
    assert "sleep" in top["Processes"][0][-1], top
    assert container.top(ps_args="-o pid,args")["Titles"][0] == "PID"
    container.pause()
    container.reload()
    assert container.status == "paused"
    container.unpause()
    container.reload()
    assert container.status == "running"
    container.update(mem_limit="64m", memswap_limit="64m")
    container.reload()
    assert container.attrs["HostConfig"]["Memory"] == 64 << 20
    assert container.stats(stream=False)["memory_stats"]["limit"] == 64 << 20
    container.kill()
    container.remove()


def health(client):
    probe = {"test": ["CMD-SHELL", "[ -e /well ]"], "interval": 100_000_000, "timeout": 10**9, "retries": 2}
    container = run(client, ">/well; exec sleep 100000", healthcheck=probe)

    def comes(status):
        container.reload()
        return container.health == status

    until("it is healthy", lambda: comes("healthy"))
    container.exec_run(["/bin/busybox", "rm", "/well"])
    until("it is unhealthy", lambda: comes("unhealthy"))
    assert container.attrs["State"]["Health"]["FailingStreak"] >= 2
    container.kill()
    container.remove()


def main():
    tests = [
        what_is_there,
        a_container_s_life,
        exit_codes,
        a_log,
        commands_inside,
        an_attached_client,
        files,
        what_it_uses,
        health,
        things_that_are_not_there,
    ]
    client = docker.DockerClient(base_url=sys.argv[1], timeout=60)
    for test in tests:
        test(client)
        print(f"docker-py {test.__name__}: ok", flush=True)
    print(f"{len(tests)} passed, 0 failed")


if __name__ == "__main__":
    main()
