"""schemathesis, which asks an API whatever its document allows, and what it does not, against a running coordinator.

Usage: schemathesis_api.py unix:///path/to/docker.sock path/to/socketd-fleet
The pair behind the socket holds the image bb:latest (a busybox). A coordinator and its nodes are started and ended here;
what is asked of containers is done to real ones. Exits 0 where the API does for everybody what its document says.
"""

import base64
import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import docker

LIMIT_SECONDS = 60
# As many for each operation, beside those that are made of the document's bounds.
EXAMPLES = 15
SEED = 9
# The two WebSockets are left out: schemathesis speaks HTTP alone, and would see nothing but 426.
WEBSOCKETS = ["/observe-containers", "/api/nodes/{node_id}/exec"]
OLD = [f"old{number}" for number in range(8)]
# Ends when it is told to, as soon as it is told.
WAITS = "trap 'exit 0' TERM; echo one; echo two >&2; while :; do sleep 1; done"


def until(what, look):
    deadline = time.monotonic() + LIMIT_SECONDS
    while not (seen := look()):
        assert time.monotonic() < deadline, f"{what}: not within {LIMIT_SECONDS} s"
        time.sleep(0.05)
    return seen


class Fleet:
    """A coordinator and nodes; all that they keep and say is in one folder."""

    def __init__(self, program, socket, folder, cleanup):
        self.program, self.socket, self.folder, self.cleanup = program, socket, folder, cleanup
        self.state = folder / "coordinator"
        self.run("coordinator", "coordinator", "--state-dir", self.state, "--grpc-port", "0", "--api-port", "0")
        line = until("the coordinator listens", lambda: self.said("coordinator", "listening"))
        addresses = dict(re.findall(r"(nodes|users)=(\S+)", line))
        self.nodes, self.users = f"http://{addresses['nodes']}", f"http://{addresses['users']}"

    def run(self, name, *arguments):
        with open(self.folder / f"{name}.log", "wb") as log:
            process = subprocess.Popen([self.program, *arguments], stdout=log, stderr=log)
        self.cleanup.callback(process.wait)
        self.cleanup.callback(process.terminate)
        return process

    def said(self, name, word):
        log = (self.folder / f"{name}.log").read_text()
        # The last line may be half a line.
        return next((line for line in log.split("\n")[:-1] if word in line), None)

    def order(self, *words):
        command = [self.program, "coordinator", *words, "--json", "--state-dir", self.state]
        return json.loads(subprocess.check_output(command))

    def node(self, name):
        """A node that is connected: its id, its owner's password, its process."""
        token, state = self.folder / f"{name}.token", self.folder / name
        token.write_text(self.order("enrol")["token"])
        command = [self.program, "node", "identity", "--json", "--state-dir", state]
        identity = json.loads(subprocess.check_output(command))
        node_id = identity["node_id"]
        process = self.run(
            name, "node", "--coordinator", self.nodes, "--token-file", token, "--docker", self.socket, "--state-dir", state
        )

        def is_there():
            nodes = self.order("nodes")["nodes"]
            return any(node["node_id"] == node_id and node["engine"] for node in nodes)

        until(f"the node {name} is there", is_there)
        return node_id, identity["password"], process


SETTINGS = """
seed = {seed}
continue-on-failure = true
request-timeout = 20
hooks = "{hooks}"
generation = {{ max-examples = {examples}, database = "none", deterministic = true }}

[phases.stateful]
enabled = false

[phases.coverage.extra-data-sources]
responses = false

[phases.fuzzing.extra-data-sources]
responses = false

[checks.not_a_server_error]
# A node that is away is 502; and that there are as many ports or keys as there may be is 507.
expected-statuses = ["2xx", "3xx", "4xx", "502", "507"]

[warnings]
# Of these, nothing would have been tried.
fail-on = ["rate_limited", "unmatched_filter"]
display = ["rate_limited", "unmatched_filter"]

[dictionaries]
containers = {{ values = ["web", "idle", "{full_id}", "{short_id}"] }}
old-containers = {{ values = {old} }}
nodes = {{ values = ["{node_id}", "{away_id}", "nosuch"] }}
old-nodes = {{ values = ["{old_id}", "nosuch"] }}
old-keys = {{ values = {old} }}
old-ports = {{ values = {ports} }}
commands = {{ values = ["/bin/true", "/bin/nothere"] }}
addresses = {{ values = ["127.0.0.1:0", "0.0.0.0:0", "[::1]:0"] }}

[parameters]
"path.id" = {{ dictionary = "containers", probability = 0.7 }}
"path.node_id" = {{ dictionary = "nodes", probability = 0.7 }}
"query.node_id" = {{ dictionary = "nodes", probability = 0.7 }}
"body.node_id" = {{ dictionary = "nodes", probability = 0.7 }}
"body.command[*]" = {{ dictionary = "commands", probability = 0.7 }}
"body.address" = {{ dictionary = "addresses", probability = 0.7 }}

# What is taken away is never what the next request needs.
[[operations]]
include-operation-id = "delete"
parameters = {{ "path.id" = {{ dictionary = "old-containers" }} }}

# One takes a second or two.
[[operations]]
include-operation-id = "stats"
generation = {{ max-examples = 3 }}

[[operations]]
include-operation-id = "revoke"
parameters = {{ "path.node_id" = {{ dictionary = "old-nodes" }} }}

[[operations]]
include-operation-id = "remove_key"
parameters = {{ "path.name" = {{ dictionary = "old-keys" }} }}

[[operations]]
include-operation-id = "close"
parameters = {{ "path.address" = {{ dictionary = "old-ports" }} }}
"""

HOOKS = '''
import itertools
import json
import os
import socket

import jsonschema_rs
import schemathesis
import urllib3

numbers = itertools.count()


class Elsewhere(urllib3.connection.HTTPConnection):
    """Each request comes from another address: wrong passwords, which are tried too, would bar the only one."""

    def request(self, *arguments, **options):
        self.close()
        self.source_address = ("127.1.{}.{}".format(*divmod(next(numbers), 256)), 0)
        super().request(*arguments, **options)

    def _new_conn(self):
        """The admin socket, for who may open it."""
        if "ADMIN_SOCKET" not in os.environ:
            return super()._new_conn()
        stream = socket.socket(socket.AF_UNIX)
        stream.connect(os.environ["ADMIN_SOCKET"])
        return stream


urllib3.connectionpool.HTTPConnectionPool.ConnectionCls = Elsewhere


@schemathesis.hook
def before_call(context, case, kwargs):
    """A follower that does not say until when would be read for ever."""
    if (case.query or {}).get("follow") in (True, "true"):
        case.query["until"] = "1s"


@schemathesis.check
def every_line(context, response, case):
    """A stream of lines has no schema but that of each line."""
    if response.headers.get("content-type") != ["application/x-ndjson"]:
        return
    document = case.operation.schema.raw_schema
    content = document["paths"][case.operation.path]["get"]["responses"]["200"]["content"]
    schema = content["application/x-ndjson"]["schema"] | {"components": document["components"]}
    validator = jsonschema_rs.validator_for(schema)
    for line in response.content.splitlines():
        validator.validate(json.loads(line))
'''


def containers(client, cleanup):
    def gone(name):
        with contextlib.suppress(docker.errors.NotFound):
            client.containers.get(name).remove(force=True)

    made = {}
    for name in ["web", "idle", *OLD]:
        cleanup.callback(gone, name)
        made[name] = client.containers.create("bb:latest", ["/bin/sh", "-c", WAITS], name=name)
    made["web"].start()
    return made["web"].id


def settings(fleet, web):
    """Writes what schemathesis is told: what there is, and what may be taken away. Gives the owner of the node that stays."""
    node_id, password, _ = fleet.node("here")
    ids = {}
    for name in ["away", "old"]:
        ids[name], _, process = fleet.node(name)
        process.terminate()
        process.wait()
    ports = []
    for name in OLD:
        fleet.order("key", "add", name, "--access", "read")
        ports.append(fleet.order("port", "open", node_id, "--listen", "127.0.0.1:0")["address"])
    (fleet.folder / "schemathesis_hooks.py").write_text(HOOKS)
    (fleet.folder / "schemathesis.toml").write_text(
        SETTINGS.format(
            seed=SEED,
            examples=EXAMPLES,
            hooks="schemathesis_hooks",
            full_id=web,
            short_id=web[:12],
            node_id=node_id,
            away_id=ids["away"],
            old_id=ids["old"],
            old=json.dumps([*OLD, "nosuch"]),
            ports=json.dumps([*ports, "127.0.0.1:1"]),
        )
    )
    return f"{node_id}:{password}"


class Asker:
    """schemathesis, as somebody."""

    def __init__(self, fleet, who, shown=None):
        self.who, self.out, self.begin = who, fleet.folder / f"{who}.out", time.monotonic()
        command = [pathlib.Path(sys.executable).with_name("schemathesis")]
        command += ["--config-file", fleet.folder / "schemathesis.toml", "run", f"{fleet.users}/api/openapi.json"]
        command += ["--no-color", "--checks", "all"]
        environment = {**os.environ, "PYTHONPATH": str(fleet.folder)}
        if shown:
            command += ["--header", f"Authorization: {shown}"]
        else:
            # Whoever may open the socket shows nothing.
            environment["ADMIN_SOCKET"] = str(fleet.state / "admin.sock")
            command += ["--exclude-checks", "ignored_auth"]
        for path in WEBSOCKETS:
            command += ["--exclude-path", path]
        with open(self.out, "wb") as out:
            self.process = subprocess.Popen(command, cwd=fleet.folder, env=environment, stdout=out, stderr=out)

    def is_content(self):
        is_content = self.process.wait() == 0
        told = self.out.read_text()
        if not is_content:
            print(told)
        cases = re.search(r"Test cases:\n *(.*)", told)
        took = time.monotonic() - self.begin
        print(f"schemathesis as {self.who}: {cases and cases[1]}, {took:.0f} s: {'ok' if is_content else 'FAILED'}", flush=True)
        return is_content


def main():
    socket, program = sys.argv[1:]
    with contextlib.ExitStack() as cleanup:
        folder = pathlib.Path(cleanup.enter_context(tempfile.TemporaryDirectory()))
        client = docker.DockerClient(base_url=socket, timeout=60)
        web = containers(client, cleanup)
        fleet = Fleet(program, socket, folder, cleanup)
        owner = base64.b64encode(settings(fleet, web).encode()).decode()
        key = fleet.order("key", "add", "all", "--access", "full")["key"]
        askers = [
            Asker(fleet, "a node's owner", f"Basic {owner}"),
            Asker(fleet, "a key for every node", f"Bearer {key}"),
            Asker(fleet, "the admin socket"),
        ]
        is_well = all([asker.is_content() for asker in askers])
    sys.exit(not is_well)


if __name__ == "__main__":
    main()
