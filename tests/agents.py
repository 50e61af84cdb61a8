"""ssh-agents for tests: OpenSSH's own on a socket of the test, and one that answers whatever it is told to."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from ledger.identity import ed25519
from ledger.signer.sshwire import Reader, ed25519_blob, string
from tests.world import seed_of

STARTED_S = 10.0
NEEDED = ("ssh-agent", "ssh-add", "ssh-keygen")


class RealAgent:
    """OpenSSH's agent, of this test alone. It ends with the `with` block of `real_agent`."""

    def __init__(self, folder: Path) -> None:
        """`folder`: a short path, since a socket's name has at most 108 bytes."""
        missing = [name for name in NEEDED if shutil.which(name) is None]
        if missing:
            pytest.skip(f"{', '.join(missing)} not found: apt-get install openssh-client")
        self.folder = folder
        self.socket = folder / "s"
        self._askpass = folder / "askpass"
        self._askpass.write_text(f"#!/bin/sh\ntest -e {folder}/no && exit 1\necho yes\n")
        self._askpass.chmod(0o700)
        self.env = os.environ | {
            "SSH_AUTH_SOCK": str(self.socket),
            "SSH_ASKPASS": str(self._askpass),
            "SSH_ASKPASS_REQUIRE": "force",
            "DISPLAY": ":0",
        }
        self._process = subprocess.Popen(
            ["ssh-agent", "-D", "-a", str(self.socket)],
            env=self.env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + STARTED_S
        while not self._answers():
            assert time.monotonic() < deadline, "ssh-agent did not start"

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, suppress(OSError):
            probe.connect(str(self.socket))
            return True
        return False

    def key(self, name: str = "k", *options: str, kind: str = "ed25519", comment: str | None = None) -> Path:
        """A new private key file without passphrase, `options` being ssh-keygen's; not given to the agent."""
        path = self.folder / name
        said = name if comment is None else comment
        command = ["ssh-keygen", "-q", "-t", kind, "-f", str(path), "-C", said]
        subprocess.run([*command, *(options or ("-N", ""))], check=True, timeout=60)
        return path

    def add(self, *arguments: str | Path) -> None:
        """`ssh-add` with these arguments."""
        done = subprocess.run(
            ["ssh-add", "-q", *map(str, arguments)],
            env=self.env,
            check=False,
            timeout=60,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr

    def confirms(self, answer: bool) -> None:
        """What whoever is asked for a confirmation says."""
        refusal = self.folder / "no"
        if answer:
            refusal.unlink(missing_ok=True)
        else:
            refusal.touch()

    @property
    def pid(self) -> int:
        return self._process.pid

    def end(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=STARTED_S)


@contextmanager
def real_agent(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RealAgent]:
    """An agent that this process's environment names."""
    agent = RealAgent(folder)
    try:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(agent.socket))
        yield agent
    finally:
        agent.end()


@pytest.fixture
def sockets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose path is short enough for a socket."""
    return tmp_path_factory.mktemp("a")


@pytest.fixture
def agent(sockets: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RealAgent]:
    """OpenSSH's agent, without keys; skipped where OpenSSH is not installed."""
    with real_agent(sockets, monkeypatch) as started:
        yield started


Answer = Callable[
    [int, bytes], bytes | None
]  # type and fields of a request to what is sent back; None: nothing more


class FakeAgent:
    """Answers each request as `answer` says; a whole answer is made by `frame`. It lives until its `with` block ends."""

    def __init__(self, path: Path, answer: Answer, *, dies: bool = False) -> None:
        """`dies`: each connection ends behind its first answer."""
        self.answer = answer
        self.pause_s = 0.0  # before each byte of an answer
        self._dies = dies
        self.requests: list[tuple[int, bytes]] = []
        self.released = threading.Event()  # for an answer that waits
        self._path = path
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._server.bind(str(path))
        self._server.listen(64)
        self._threads = [threading.Thread(target=self._serve)]
        self._threads[0].start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _address = self._server.accept()
            except OSError:
                return
            if self.released.is_set():
                connection.close()
                return
            thread = threading.Thread(target=self._talk, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _talk(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            while True:
                head = connection.recv(4, socket.MSG_WAITALL)
                if len(head) < 4:
                    return
                request = connection.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL)
                self.requests.append((request[0], request[1:]))
                answer = self.answer(request[0], request[1:])
                if answer is None:
                    return
                if self.pause_s:
                    self._trickle(connection, answer)
                else:
                    connection.sendall(answer)
                if self._dies:
                    return

    def _trickle(self, connection: socket.socket, answer: bytes) -> None:
        """Byte by byte, each after a pause."""
        for at in range(len(answer)):
            if not self.released.wait(self.pause_s):
                connection.send(answer[at : at + 1])

    def end(self) -> None:
        """Lets every waiting answer go, and waits for all threads."""
        self.released.set()
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as last:
            last.connect(str(self._path))
        self._threads[0].join()
        self._server.close()
        for thread in self._threads:
            thread.join()


@contextmanager
def fake_agent(
    folder: Path, monkeypatch: pytest.MonkeyPatch, answer: Answer, *, dies: bool = False
) -> Iterator[FakeAgent]:
    """A hostile agent that this process's environment names."""
    path = folder / "f"
    agent = FakeAgent(path, answer, dies=dies)
    try:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
        yield agent
    finally:
        agent.end()
        path.unlink()


def frame(kind: int, fields: bytes = b"") -> bytes:
    """An answer as it is sent."""
    return string(bytes([kind]) + fields)


def listing(*keys: tuple[bytes, str | bytes], count: int | None = None) -> bytes:
    """The answer that lists these keys (SSH form, comment); `count`: how many it claims."""
    said = [(blob, comment if isinstance(comment, bytes) else comment.encode()) for blob, comment in keys]
    body = b"".join(string(blob) + string(comment) for blob, comment in said)
    return frame(12, (len(said) if count is None else count).to_bytes(4, "big") + body)


def signature(raw: bytes, kind: bytes = b"ssh-ed25519") -> bytes:
    """The answer that carries a signature."""
    return frame(14, string(string(kind) + string(raw)))


def message_of(request: bytes) -> bytes:
    """What a sign request is about."""
    reader = Reader(request)
    reader.string()
    return reader.string()


def holding(names: Sequence[str] = ("ada",), answer: Answer | None = None) -> Answer:
    """An agent that has the keys of these names, and signs rightly unless `answer` does something else."""
    blobs = {ed25519_blob(ed25519.public_key(seed_of(name))): name for name in names}

    def right(kind: int, fields: bytes) -> bytes | None:
        if kind == 11:
            return listing(*blobs.items())
        if kind == 13 and answer is not None:
            return answer(kind, fields)
        if kind == 13:
            name = blobs[Reader(fields).string()]
            return signature(ed25519.sign(seed_of(name), message_of(fields)))
        return frame(5)

    return right
