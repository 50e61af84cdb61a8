"""The user's ssh-agent: lists keys, signs by one (draft-ietf-sshm-ssh-agent; OpenSSH's PROTOCOL.agent).

    u32 length ‖ u8 type ‖ fields         request and answer; strings as in `ledger.signer.sshwire`
    11 → 12 u32 count, (key, comment)…    which keys there are
    13 key, message, u32 0 → 14 signature
    27 name, fields → 6                   an extension; here session-bind@openssh.com alone
    anything → 5                          it does not, and says no more than that

paramiko has a client, which does not fit: it waits for an agent without end, takes as many keys as a short answer
claims (2³² of them), lists none if one comment is no UTF-8 or one key malformed, and does not tell no agent from one
without keys. So the protocol is spoken here; the tests hold it to paramiko's.

An agent answers every refusal alike. What was meant is found out: whether the key is still listed tells a key that is
gone from one that the agent will not use, because nobody confirmed (`ssh-add -c`) or because it signs logins alone
(`ssh-add -h`). A locked agent lists nothing, as an empty one does, but answers no session binding, with a key made up
for the question. Each conversation has a connection of its own, so that none is shared between threads or with a
forked child.
"""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from ledger import spec
from ledger.errors import LineageError, RefusedInput, StoreFault
from ledger.identity import ed25519
from ledger.signer import sshwire
from ledger.signer.keyfile import SSH_AGENT
from ledger.signer.signers import SHOWN_DIGITS, OutsideSigner
from ledger.signer.sshwire import Malformed, Reader, string
from ledger.store.files import read_regular

VARIABLE: Final = "SSH_AUTH_SOCK"
_ITEM: Final = "ssh-agent"
_START: Final = 'Start one and give it the key: eval "$(ssh-agent)"; ssh-add FILE'
_SHOWN_KEYS_MAX: Final = 8  # that an error names
_PUBLIC_FILE_BYTES_MAX: Final = 16_384

_FAILURE: Final = 5
_SUCCESS: Final = 6
_LIST: Final = 11
_LISTED: Final = 12
_SIGN: Final = 13
_SIGNED: Final = 14
_EXTENSION: Final = 27


class AgentKey(NamedTuple):
    """A key that an agent lists: its SSH form, and what its owner calls it."""

    blob: bytes
    comment: str

    @property
    def public(self) -> bytes | None:
        """The Ed25519 key (32 bytes); None of any other type."""
        return sshwire.ed25519_public(self.blob)

    @property
    def fingerprint(self) -> str:
        """As `ssh-add -l` shows it."""
        return sshwire.fingerprint(self.blob)


def agent_keys(wait_s: float | None = None) -> list[AgentKey]:
    """The keys that the agent lists, of all types; none from one that is locked. `wait_s`: by default `spec.SIGNER_WAIT_S`.

    Raises RefusedInput `agent-missing`; StoreFault `agent-failed`, `signer-late`.
    """
    with _talk(wait_s) as talk:
        return talk.keys()


def choose_key(text: str) -> OutsideSigner:
    """The signer of the key that a person means: its fingerprint (SHA256:…), its comment, or the path of its public key file.

    Raises as `agent_keys`; RefusedInput `agent-locked`, `agent-key-missing`, `name-ambiguous`, `key-refused`, and
    `key-unfit` for a key of another type.
    """
    wanted = _blob_in(text)
    with _talk() as talk:
        listed = talk.keys()
        found = [key for key in listed if (key.comment == text if wanted is None else _is(key, text, wanted))]
        fit = [key for key in found if key.public is not None]
        if not found:
            raise talk.why_missing(f"key '{text}'", listed)
    if len({key.blob for key in fit}) > 1:
        raise RefusedInput(
            "name-ambiguous",
            f"key '{text}'",
            f"the agent lists several of that name: {_names(fit)}",
            "Name one by its fingerprint.",
        )
    if not fit:
        raise _unfit(found[0])
    return _signer_of(fit[0])


def find_key(public: bytes, wait_s: float | None = None) -> OutsideSigner:
    """The signer of an Ed25519 key (32 bytes) that the agent has. Raises as `choose_key`."""
    with _talk(wait_s) as talk:
        listed = talk.keys()
        for key in listed:
            if key.public == public:
                return _signer_of(key)
        raise talk.why_missing(_item(public), listed)


def _signer_of(key: AgentKey) -> OutsideSigner:
    return OutsideSigner(_AgentSigner(key.public or b""), SSH_AGENT, key.comment)


class _AgentSigner:
    """Asks the agent that `SSH_AUTH_SOCK` names at that moment."""

    def __init__(self, public_key: bytes) -> None:
        self.public_key = public_key

    def sign(self, message: bytes) -> bytes:
        """What the agent answers: whether it is a signature is its caller's question."""
        with _talk() as talk:
            request = string(sshwire.ed25519_blob(self.public_key)) + string(message) + bytes(4)
            kind, answer = talk.ask(_SIGN, request)
            if kind == _SIGNED:
                return _signature_in(answer)
        raise _why_refused(self.public_key)


def _signature_in(answer: bytes) -> bytes:
    reader = Reader(answer)
    try:
        blob = reader.string()
        reader.end()
    except Malformed as error:
        raise _failed(f"its signature is malformed: {error}") from error
    signature = sshwire.ed25519_signature(blob)
    if signature is None:
        raise _failed("it answered with a signature of another type")
    return signature


def _why_refused(public: bytes) -> LineageError:
    """Why an agent did not sign: the key is gone, the agent is, or it does not want to."""
    try:
        find_key(public)
    except LineageError as error:
        return error
    return RefusedInput(
        "agent-refuses",
        _item(public),
        "the agent holds it, and does not sign with it",
        "If it asks before each use (ssh-add -c), confirm it and try again. If it is bound to destinations (ssh-add -h), it signs logins "
        "alone: add it without.",
    )


class _Talk:
    """One conversation with an agent."""

    def __init__(self, connection: socket.socket, wait_s: float) -> None:
        self._connection = connection
        self._wait_s = wait_s

    def ask(self, kind: int, fields: bytes = b"") -> tuple[int, bytes]:
        """Type and fields of the answer. Raises StoreFault `agent-failed`, `signer-late`."""
        deadline = time.monotonic() + self._wait_s
        try:
            self._connection.settimeout(self._wait_s)
            self._connection.sendall(string(bytes([kind]) + fields))
            size = int.from_bytes(self._receive(4, deadline), "big")
            if not 1 <= size <= spec.AGENT_ANSWER_BYTES_MAX:
                raise _failed(f"its answer claims {size} bytes")
            answer = self._receive(size, deadline)
        except TimeoutError as error:
            raise _late(self._wait_s) from error
        except OSError as error:
            raise _failed(f"it broke off: {error.strerror or error}") from error
        return answer[0], answer[1:]

    def _receive(self, count: int, deadline: float) -> bytes:
        """Exactly `count` bytes, by the deadline however small the pieces are."""
        pieces: list[bytes] = []
        while count:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise TimeoutError
            self._connection.settimeout(left_s)
            piece = self._connection.recv(min(count, 65_536))
            if not piece:
                raise _failed("it ended in the middle of an answer")
            pieces.append(piece)
            count -= len(piece)
        return b"".join(pieces)

    def keys(self) -> list[AgentKey]:
        """All keys; of a comment that is no UTF-8, what can be read."""
        kind, answer = self.ask(_LIST)
        if kind != _LISTED:
            raise _failed(f"asked for its keys, it answered {kind}")
        reader = Reader(answer)
        try:
            count = reader.u32()
            keys = [
                AgentKey(reader.string(), reader.string().decode("utf-8", "replace")) for _ in range(count)
            ]
            reader.end()
        except Malformed as error:
            raise _failed(f"its list of keys is malformed: {error}") from error
        return keys

    def why_missing(self, item: str, listed: list[AgentKey]) -> LineageError:
        """Why a key is not among those listed."""
        if listed:
            fix = "Give it to the agent: ssh-add FILE"
            return RefusedInput(
                "agent-key-missing", item, f"the agent has {_names(listed)}, not this one", fix
            )
        if self._answers_binding():
            return RefusedInput(
                "agent-key-missing", item, "the agent has no key", "Give it one: ssh-add FILE"
            )
        return RefusedInput(
            "agent-locked",
            item,
            "the agent shows no key: it is locked, or has none",
            "Unlock it: ssh-add -X; or give it the key: ssh-add FILE",
        )

    def _answers_binding(self) -> bool:
        """Whether the agent does what only an unlocked one does: bind this connection to a host, which is made up and forgotten."""
        host, session = os.urandom(ed25519.SEED_BYTES), os.urandom(spec.HASH_BYTES)
        signed = string(sshwire.ED25519.encode()) + string(ed25519.sign(host, session))
        fields = (sshwire.ed25519_blob(ed25519.public_key(host)), session, signed)
        request = string(b"session-bind@openssh.com") + b"".join(map(string, fields)) + bytes(1)
        return self.ask(_EXTENSION, request)[0] == _SUCCESS


@contextmanager
def _talk(wait_s: float | None = None) -> Iterator[_Talk]:
    """A new conversation with the agent that the environment names. Raises RefusedInput `agent-missing`; StoreFault `signer-late`."""
    path = os.environ.get(VARIABLE)
    if not path:
        raise RefusedInput("agent-missing", _ITEM, f"{VARIABLE} is not set: no agent is known here", _START)
    if not hasattr(socket, "AF_UNIX"):
        raise RefusedInput(
            "agent-missing",
            _ITEM,
            "this system has no Unix sockets, by which agents are spoken to",
            "Use an encrypted key file: lineage identity new NAME",
        )
    wait_s = spec.SIGNER_WAIT_S if wait_s is None else wait_s
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(wait_s)
        try:
            connection.connect(path)
        except OSError as error:
            if isinstance(error, TimeoutError) or error.errno == errno.EAGAIN:  # too many wait already
                raise _late(wait_s) from error
            reason = f"no agent answers at {path} ({error.strerror or error}); {VARIABLE} names it"
            raise RefusedInput("agent-missing", _ITEM, reason, _START) from error
        yield _Talk(connection, wait_s)


def _blob_in(text: str) -> bytes | None:
    """The SSH form of the key in a public key file of that path; empty for a fingerprint, None for a comment.

    Raises RefusedInput `key-unfit` for a file that is no public key.
    """
    if text.startswith("SHA256:"):
        return b""
    path = Path(text)
    if not text or "\0" in text or not path.is_file():
        return None
    data = read_regular(path.resolve(), _PUBLIC_FILE_BYTES_MAX)
    try:
        return sshwire.public_line(data.decode("utf-8", "replace"))
    except Malformed as error:
        raise RefusedInput(
            "key-unfit",
            str(path),
            f"it is no public key file: {error}",
            "Name the file that ends in .pub, or the key's fingerprint (ssh-add -l).",
        ) from error


def _is(key: AgentKey, text: str, wanted: bytes) -> bool:
    return key.blob == wanted if wanted else key.fingerprint == text.rstrip("=")


def _unfit(key: AgentKey) -> RefusedInput:
    """Why a key of another type cannot sign here."""
    try:
        kind = sshwire.key_type(key.blob)
    except Malformed:
        kind = "malformed"
    reason = f"it is of type {kind}; statements are signed by Ed25519 alone"
    fix = "Use an Ed25519 key: ssh-keygen -t ed25519"
    if kind.startswith("sk-"):
        reason = f"it is of type {kind}: a security key signs what it is given wrapped in words of its own, not a statement"
        fix = "Use an Ed25519 key without a security key: ssh-keygen -t ed25519"
    elif "-cert-v" in kind:
        reason, fix = f"it is a certificate ({kind}), not a key", "Name the key itself: ssh-add -l"
    return RefusedInput("key-unfit", f"ssh-agent key {key.fingerprint}", reason, fix)


def _names(keys: list[AgentKey]) -> str:
    shown = ", ".join(f"{key.fingerprint} ({key.comment})" for key in keys[:_SHOWN_KEYS_MAX])
    more = len(keys) - _SHOWN_KEYS_MAX
    return f"{shown} and {more} more" if more > 0 else shown


def _item(public: bytes) -> str:
    fingerprint = sshwire.fingerprint(sshwire.ed25519_blob(public))
    return f"ssh-agent key {fingerprint} (public key {public.hex()[:SHOWN_DIGITS]}…)"


def _failed(reason: str) -> StoreFault:
    return StoreFault(
        "agent-failed",
        _ITEM,
        reason,
        "Nothing was kept or sent. See that the agent is well (ssh-add -l), then try again.",
    )


def _late(wait_s: float) -> StoreFault:
    return StoreFault(
        "signer-late",
        _ITEM,
        f"it did not answer within {wait_s:g} s",
        "Nothing was kept or sent. Does it wait for somebody to confirm? Then confirm, and try again.",
    )
