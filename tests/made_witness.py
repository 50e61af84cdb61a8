"""A witness over loopback, written from the text of C2SP tlog-witness; it shares no code with the ledger but the signing of a line. For tests only."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from ledger.proofs.checkpoint import Checkpoint
from tests.loopback import Loopback, Request, Sent, http, serving, sized
from tests.test_proofs.witnesses import Cosigner


def now_s() -> int:
    return int(time.time_ns() // 1_000_000_000)


@dataclass
class MadeWitness:
    """Its keys; `held`: size and root that it cosigned last, by origin. It believes the log's signature: that is not what is tested."""

    cosigners: Sequence[Cosigner]
    time_s: Callable[[], int] = now_s
    held: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    statuses: list[int] = field(default_factory=list)
    instead: Callable[[Request], Sent] | None = None  # answers in its place
    url: str = ""

    def answer(self, request: Request) -> Sent:
        if self.instead is not None:
            return self.instead(request)
        sent = self._answer(request)
        self.statuses.append(int(sent.split(b" ", 2)[1]))
        return sent

    def _answer(self, request: Request) -> bytes:
        if not request.line.startswith("POST ") or not request.line.split(" ")[1].endswith("/add-checkpoint"):
            return http(404, b"no such thing\n")
        head, note = request.body.split(b"\n\n", 1)
        first, *proof = head.decode().split("\n")
        old = int(first.removeprefix("old "))
        origin, size_text, root_text = note.decode().split("\n\n")[0].split("\n")
        size, root = int(size_text), base64.b64decode(root_text)
        held_size, held_root = self.held.get(origin, (0, hashlib.sha256().digest()))
        if old > size:
            return http(400, b"old is beyond the checkpoint\n")
        if old != held_size:
            return sized(held_size)
        hashes = [base64.b64decode(each) for each in proof]
        if not _is_consistent(old, held_root, size, root, hashes):
            return http(422, b"inconsistent\n")
        self.held[origin] = (size, root)
        checkpoint = Checkpoint(origin, size, root)
        lines = "".join(cosigner.line(checkpoint, self.time_s()) for cosigner in self.cosigners)
        return http(200, lines.encode())


@contextmanager
def witnessing(*cosigners: Cosigner) -> Iterator[tuple[MadeWitness, Loopback]]:
    """A witness of these keys that can be reached."""
    witness = MadeWitness(cosigners)
    with serving(witness.answer) as server:
        witness.url = server.url
        yield witness, server


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def _is_consistent(old: int, old_root: bytes, new: int, new_root: bytes, proof: list[bytes]) -> bool:
    """RFC 9162 §2.1.4.2, word for word."""
    if old == 0:
        return not proof
    if old == new:
        return not proof and old_root == new_root
    if not proof:
        return False
    path = [old_root, *proof] if old & (old - 1) == 0 else proof
    fn, sn = old - 1, new - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for each in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = _node(each, fr), _node(each, sr)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = _node(sr, each)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and fr == old_root and sr == new_root
