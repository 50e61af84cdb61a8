"""A small HTTP server on loopback that answers what it is told to, byte by byte if need be. For tests only."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

WAIT_S = 30.0  # after which a test that hangs fails


class Request(NamedTuple):
    """What came: the request line, the header fields in lower case, the body, and over which connection."""

    line: str
    headers: dict[str, str]
    body: bytes
    connection: int


Sent = bytes | Iterable[bytes] | None  # None: the connection is closed without a word
Answering = Callable[[Request], Sent]


def http(status: int, body: bytes = b"", media: str = "text/plain", **headers: str) -> bytes:
    """A whole answer."""
    lines = [f"HTTP/1.1 {status} As told", f"Content-Type: {media}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def sized(size: object) -> bytes:
    """A conflict, as C2SP tlog-witness has it."""
    return http(409, f"{size}\n".encode(), "text/x.tlog.size")


@dataclass
class Loopback:
    """A server that runs; `requests` are those that came whole."""

    url: str
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    stopped: threading.Event = field(default_factory=threading.Event)

    def slowly(self, data: bytes, pause_s: float) -> Iterator[bytes]:
        """The same bytes one by one."""
        for place in range(len(data)):
            self.stopped.wait(pause_s)
            yield data[place : place + 1]


@contextmanager
def serving(answering: Answering, tls: ssl.SSLContext | None = None) -> Iterator[Loopback]:
    """A server on a free port; what it has sent off when the block ends is all."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        server = Loopback(f"{'http' if tls is None else 'https'}://127.0.0.1:{port}")
        open_: list[socket.socket] = []
        threads: list[threading.Thread] = []

        def accept() -> None:
            while True:
                try:
                    raw, _address = listening.accept()
                except OSError:
                    return
                if server.stopped.is_set():
                    raw.close()
                    return
                raw.settimeout(WAIT_S)
                server.connections += 1
                open_.append(raw)
                thread = threading.Thread(
                    target=_serve, args=(server, raw, tls, answering, server.connections), daemon=True
                )
                threads.append(thread)
                thread.start()

        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        try:
            yield server
        finally:
            server.stopped.set()
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()  # so that it stops waiting for one
            accepting.join(WAIT_S)
            for each in open_:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join(WAIT_S)


def _serve(
    server: Loopback, raw: socket.socket, tls: ssl.SSLContext | None, answering: Answering, number: int
) -> None:
    with suppress(OSError), raw:
        sock: Any = raw if tls is None else tls.wrap_socket(raw, server_side=True)
        with sock, sock.makefile("rb") as reading:
            while (request := _read(reading, number)) is not None:
                server.requests.append(request)
                sent = answering(request)
                if sent is None:
                    return
                for piece in [sent] if isinstance(sent, bytes) else sent:
                    sock.sendall(piece)
                    if server.stopped.is_set():
                        return
                if not isinstance(sent, bytes):
                    return


def _read(reading: Any, number: int) -> Request | None:
    line = reading.readline().decode().strip()
    if not line:
        return None
    headers = {}
    while field_ := reading.readline().decode().strip():
        name, _colon, value = field_.partition(":")
        headers[name.strip().lower()] = value.strip()
    return Request(line, headers, reading.read(int(headers.get("content-length", "0"))), number)
