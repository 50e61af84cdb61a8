"""One HTTP exchange after another with one server, bounded in time and in bytes (SPEC §10.9).

Whoever answers may be slow on purpose, endless, or no HTTP at all. So one deadline holds for everything that is done with him,
however his bytes trickle in, and the bytes of each answer are counted as they come off the wire, headers too. Nothing is
followed to elsewhere, no proxy of the environment is used, no cookie or credential is sent. TLS is verified by the system's
authorities where the URL says https. With http nobody vouches for who answers, and nobody needs to: what comes back counts by
its signatures alone.

A connection serves several exchanges, as C2SP tlog-witness asks for; one that the server has closed meanwhile is opened anew.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, NamedTuple, Self
from urllib.parse import urlsplit

from ledger import spec
from ledger.errors import RefusedInput, StoreFault

_PORTS: Final = {"http": 80, "https": 443}
_LEAST_WAIT_S: Final = 0.001  # a timeout of 0 would mean: do not wait, whatever is there
_PIECE_BYTES: Final = 16_384
_REQUEST_TYPE: Final = "application/octet-stream"
_AGENT: Final = "lineage-ledger"


class Answer(NamedTuple):
    """What came back: status, media type and Location as they were sent, and the whole body."""

    status: int
    media: str
    location: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Prefix:
    """A URL to whose path others are appended: scheme http or https, `path` without a slash at its end."""

    scheme: str
    host: str
    port: int
    path: str


class TooMuch(Exception):
    """An answer has more bytes than it may have."""


def parse_prefix(url: str) -> Prefix:
    """Reads the URL of a server. Raises RefusedInput `usage`."""
    if len(url) > spec.WITNESS_URL_CHARS_MAX or not url.isascii() or not url.isprintable() or " " in url:
        raise _unusable(
            url, f"it is no printable ASCII text of {spec.WITNESS_URL_CHARS_MAX:,} characters at most"
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _unusable(url, f"it is no URL ({error})") from None
    if parts.scheme not in _PORTS or not parts.hostname:
        raise _unusable(url, "it is no URL of scheme https or http with a host")
    if "@" in parts.netloc or "?" in url or "#" in url:
        raise _unusable(url, "it has a user, a query or a fragment, which a prefix has not")
    return Prefix(
        parts.scheme, parts.hostname, _PORTS[parts.scheme] if port is None else port, parts.path.rstrip("/")
    )


class Exchange:
    """All that is said to one server, within `wait_s` seconds from now on. For one thread; use `with`."""

    def __init__(self, url: str, wait_s: float) -> None:
        """Raises RefusedInput `usage`. Nothing is sent yet."""
        self._url = url
        self._prefix = parse_prefix(url)
        self._wait_s = wait_s
        self._deadline = time.monotonic() + wait_s
        self._connection: http.client.HTTPConnection | None = None
        self._wire: _Wire

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def post(self, path: str, body: bytes) -> Answer:
        """Sends one request to prefix and path. Raises StoreFault `witness-unreachable`, whatever kept the answer away."""
        is_reused = self._connection is not None
        try:
            return self._post(path, body)
        except (ConnectionResetError, BrokenPipeError, http.client.RemoteDisconnected) as error:
            if not is_reused:
                raise self._unreachable(error) from error
        except (OSError, http.client.HTTPException, TooMuch, ValueError) as error:
            raise self._unreachable(error) from error
        try:  # it had closed the connection since
            return self._post(path, body)
        except (OSError, http.client.HTTPException, TooMuch, ValueError) as error:
            raise self._unreachable(error) from error

    def _post(self, path: str, body: bytes) -> Answer:
        connection = self._connection or self._open()
        try:
            self._wire.left = spec.WITNESS_ANSWER_BYTES_MAX
            headers = {"Content-Type": _REQUEST_TYPE, "User-Agent": _AGENT, "Accept-Encoding": "identity"}
            connection.request("POST", self._prefix.path + path, body, headers)
            with connection.getresponse() as response:
                answer = Answer(
                    response.status,
                    response.getheader("Content-Type", ""),
                    response.getheader("Location", ""),
                    _all_of(response),
                )
            if connection.sock is None:  # the server, or its way of answering, ends the connection
                self._close()
            return answer
        except BaseException:
            self._close()
            raise

    def _open(self) -> http.client.HTTPConnection:
        prefix = self._prefix
        plain = self._connected()
        try:
            if prefix.scheme == "https":
                plain.settimeout(self._left_s())
                plain = ssl.create_default_context().wrap_socket(plain, server_hostname=prefix.host)
        except BaseException:
            plain.close()
            raise
        connection = http.client.HTTPConnection(prefix.host, prefix.port)
        connection.default_port = _PORTS[prefix.scheme]  # which `Host` leaves out
        connection.auto_open = 0  # it would wait without a deadline
        self._wire = connection.sock = _Wire(plain, self._left_s)
        self._connection = connection
        return connection

    def _connected(self) -> socket.socket:
        """A connection to the first of the host's addresses that takes one."""
        failed: OSError = OSError("the host has no address")
        found = socket.getaddrinfo(self._prefix.host, self._prefix.port, type=socket.SOCK_STREAM)
        for family, kind, protocol, _name, address in found:
            opened = socket.socket(family, kind, protocol)
            try:
                opened.settimeout(self._left_s())
                opened.connect(address)
                return opened
            except OSError as error:
                opened.close()
                failed = error
        raise failed

    def _left_s(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return max(left, _LEAST_WAIT_S)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._wire.end()
            self._connection = None

    def _unreachable(self, error: Exception) -> StoreFault:
        if isinstance(error, TimeoutError):
            reason = f"it has not answered within {self._wait_s:g} s"
        elif isinstance(error, TooMuch):
            reason = f"its answer has over {spec.WITNESS_ANSWER_BYTES_MAX:,} bytes, and was not read further"
        elif isinstance(error, ssl.SSLCertVerificationError):
            reason = f"its TLS certificate does not hold ({error.verify_message})"
        elif isinstance(error, http.client.HTTPException):
            reason = f"what it answers is no HTTP ({type(error).__name__})"
        else:
            reason = f"it cannot be reached ({getattr(error, 'strerror', None) or type(error).__name__})"
        return StoreFault(
            "witness-unreachable",
            f"witness {self._url}",
            reason,
            "Check the URL and the network, then ask again: nothing is lost, and what others cosigned is kept.",
        )


class _Wire:
    """A socket as http.client uses it, that never waits behind the deadline nor gives more bytes than it may."""

    def __init__(self, raw: socket.socket, left_s: Any) -> None:
        self._raw = raw
        self._left_s = left_s
        self.left = 0

    def sendall(self, data: Any) -> None:
        self._raw.settimeout(self._left_s())  # for all of it
        self._raw.sendall(data)

    def makefile(self, _mode: str, *_more: Any) -> io.BufferedReader:
        return io.BufferedReader(_Reading(self))

    def receive(self, into: Any) -> int:
        """Some bytes. Raises TooMuch, TimeoutError, OSError."""
        if self.left <= 0:
            raise TooMuch
        self._raw.settimeout(self._left_s())
        count = self._raw.recv_into(into, min(len(into), self.left))
        self.left -= count
        return count

    def close(self) -> None:
        """As of http.client, which calls it before it has read an answer that ends with the connection."""

    def end(self) -> None:
        self._raw.close()


class _Reading(io.RawIOBase):
    def __init__(self, wire: _Wire) -> None:
        self._wire = wire

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        return self._wire.receive(into)


def _all_of(response: http.client.HTTPResponse) -> bytes:
    """The body, in pieces of one size: whoever answers may say any length, and must not have so much allocated."""
    found = bytearray()
    piece = bytearray(_PIECE_BYTES)
    while count := response.readinto(piece):
        found += piece[:count]
    if response.length:
        raise http.client.IncompleteRead(bytes(found), response.length)
    return bytes(found)


def _unusable(url: str, reason: str) -> RefusedInput:
    return RefusedInput(
        "usage",
        f"witness {url[: spec.VERDICT_NAME_CHARS_MAX]!a}",
        reason,
        "Give the prefix to which `/add-checkpoint` is appended: https://witness.example/w1",
    )
