#!/usr/bin/env python3
"""Where the golden frames of version 1 come from.

Every field is packed at its offset, from the tables of the protocol alone; nothing of the crate
beside it takes part. Writes the files that are missing next to this one, and fails if one that is
there holds other bytes. Files once released are never edited.
"""

import pathlib
import struct
import sys

MAGIC, VERSION = 0x44534150, 1
UUID_1 = "d5d1e1acf44a0207bba262457d5e36f9"
UUID_2 = "00112233445566778899aabbccddeeff"


def record(size, *fields):
    """A record of zeros, and each (offset, format, value) packed into it; a text is (offset, text)."""
    out = bytearray(size)
    for at, *what in fields:
        if isinstance(what[0], bytes):
            out[at : at + len(what[0])] = what[0]
        elif len(what) == 1:
            text = what[0].encode()
            out[at : at + len(text)] = text
        else:
            struct.pack_into(">" + what[0], out, at, what[1])
    return bytes(out)


def message(number, payload=b""):
    """Opcode or status, and payload."""
    return struct.pack(">IHHI", MAGIC, VERSION, number, len(payload)) + payload


def target(text):
    return record(256, (0, text))


def lifecycle(text, timeout):
    return record(260, (0, text), (256, "i", timeout))


def port(host, host_end, container, container_end, proto):
    return record(
        12,
        (0, "H", host),
        (2, "H", host_end),
        (4, "H", container),
        (6, "H", container_end),
        (8, "B", proto),
    )


def container(name, uuid, image, hostname, address, init, pid, net_mode, ports, started_at):
    return record(
        2817,
        (0, name),
        (256, uuid),
        (289, image),
        (1313, hostname),
        (1569, address),
        (1585, init),
        (2609, "i", pid),
        (2613, "B", net_mode),
        (2614, "B", len(ports)),
        (2617, b"".join(ports)),
        (2809, "q", started_at),
    )


def image(name, path, uuid, running):
    return record(1329, (0, name), (256, path), (1280, uuid), (1313, "i", running))


def event(time_ns, action, uuid, name):
    return record(
        369,
        (0, "q", time_ns // 1_000_000_000),
        (8, "q", time_ns),
        (16, "container"),
        (48, action),
        (80, uuid),
        (113, name),
    )


TINY = container("tiny", UUID_1, "/srv/rootfs/tiny", "tiny", "", "", 17899, 0, [], 1795309629)
WEB = container(
    "web server",
    UUID_2,
    "/data/local/Droidspaces/Containers/web-server/rootfs.img",
    "web",
    "172.28.17.4",
    "/usr/lib/systemd/systemd",
    4242,
    1,
    [port(8080, 0, 80, 0, 0), port(6000, 6003, 7000, 7003, 1)],
    1795309700,
)
# The longest texts, the most ports, the mode that is not in the protocol's own header.
FULL = container(
    "n" * 255,
    "",
    "/" + "i" * 1022,
    "h" * 255,
    "255.255.255.255",
    "/" + "p" * 1022,
    0,
    3,
    [port(65535 - n, 0, n + 1, 0, n % 2) for n in range(16)],
    0,
)
BARE = container("bare", "", "/srv/bare", "", "", "", 0, 2, [], 0)

INSPECTED = record(
    111553,
    (0, "H", 1),
    (4, "I", 111553),
    (8, "web server"),
    (264, UUID_2),
    (297, "/srv/web"),
    (1321, "/srv/web"),
    (2345, "web"),
    (2601, "172.28.17.4"),
    (2617, "/usr/lib/systemd/systemd"),
    (3641, "1.1.1.1,8.8.8.8"),
    (4665, "i", 4242),
    (4669, "q", 1795309700),
    (4677, "q", 536870912),
    (4685, "q", 150000),
    (4693, "q", 100000),
    (4701, "q", 512),
    (4709, "i", 1 | 4 | 16),
    (4713, "B", 1),
    # foreground, force_cgroupv1, android_storage, hw_access, termux_x11, is_img_mount
    (4714, bytes([1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1])),
    (4725, "H", 2),
    (4727, "H", 3),
    (4729, "H", 32),
    (4731, "H", 40),
    (4733, "H", 1),
    (4735, "H", 1),
    (4737, "LANG"),
    (4737 + 256, "C.UTF-8"),
    (4737 + 1280, "EMPTY"),
    *[(45697 + 2052 * n, f"/srv/{n}") for n in range(32)],
    *[(45697 + 2052 * n + 1024, f"/mnt/{n}") for n in range(32)],
    *[(45697 + 2052 * n + 2048, "B", n % 2) for n in range(32)],
    (111361, port(8080, 0, 80, 0, 0)),
)

EVENTS = [
    event(1795309630204501482, "start", UUID_1, "tiny"),
    event(1795309640000000000, "die", UUID_1, "tiny"),
    event(1795309640999999999, "restart", "", "web server"),
    # A name that is also the kind.
    event(1795309641000000001, "start", UUID_2, "container"),
]

FRAMES = {
    "ping-request": message(1),
    "ping-request-with-payload": message(1, b"whatever"),
    "ping-response": message(0, b"PONG"),
    "capabilities-request": message(2),
    "capabilities-response": message(0, struct.pack(">I", 0x1FF)),
    "info-request": message(3),
    "info-response": message(0, struct.pack(">III", 100, 3, 97)),
    "list-request": message(4, bytes([1, 0, 0, 0])),
    "list-running-request": message(4, bytes(4)),
    "list-running-request-without-payload": message(4),
    "list-response": message(0, TINY + WEB + FULL + BARE),
    "list-response-empty": message(0),
    "inspect-request": message(5, target("web server")),
    "inspect-request-longest": message(5, target("r" * 255)),
    "inspect-response": message(0, INSPECTED),
    "start-request": message(6, lifecycle("tiny", -1)),
    "start-response": message(0),
    "stop-request": message(7, lifecycle(UUID_1, 10)),
    "stop-response": message(0),
    "restart-request": message(8, lifecycle("d5d1", 0)),
    "restart-response": message(0),
    "images-request": message(9),
    "images-response": message(
        0, image("tiny", "/srv/rootfs/tiny", UUID_1, 1) + image("bare", "/srv/bare", "", 0)
    ),
    "events-request": message(10, struct.pack(">q", 1795309640)),
    "events-request-without-payload": message(10),
    "events-response": message(0, b"".join(EVENTS)),
    "status-0-ok": message(0),
    "status-1-bad-request": message(1),
    "status-2-unsupported": message(2),
    "status-3-not-found": message(3),
    "status-4-internal-error": message(4),
    "status-5-forbidden": message(5),
    "status-6-already-running": message(6),
    "status-7-already-stopped": message(7),
    # A file of events, as a short write of 10 bytes and one of 200 leave it.
    "events-file-torn": EVENTS[0][:10] + EVENTS[0] + EVENTS[1] + EVENTS[2][:200] + EVENTS[2] + EVENTS[3] + EVENTS[0][:368],
}


def main():
    folder = pathlib.Path(__file__).resolve().parent
    wrong = False
    for name, content in FRAMES.items():
        path = folder / f"{name}.bin"
        if not path.exists():
            path.write_bytes(content)
        elif path.read_bytes() != content:
            print(f"{path} holds other bytes", file=sys.stderr)
            wrong = True
    return wrong


if __name__ == "__main__":
    sys.exit(main())
