"""Receipts, written by naive code alone: how they are put together, and good ones (SPEC §11.1)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests import reference
from tests.cases.logs import (
    ORIGIN,
    Actor,
    Script,
    id_of,
    keys,
    private_key,
    public_key,
    signed,
)
from tests.cases.samples import Fields, changed, some
from tests.cases.worlds import WAIT_MS
from tests.reference import mth, pack

HEADER = "c2sp.org/tlog-proof@v1"


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def note(script: Script, *, origin: str = ORIGIN, more: str = "", signer: str = "log") -> str:
    """The checkpoint over all entries, signed by the log's key (C2SP tlog-checkpoint, signed-note)."""
    text = f"{origin}\n{len(script.entries)}\n{b64(mth(script.entries))}\n{more}"
    key_id = bytes.fromhex(script.vkey.split("+")[1])
    line = b64(key_id + private_key(signer).sign(text.encode()))
    return f"{text}\n— {ORIGIN} {line}\n"


@dataclass
class Parts:
    """A receipt taken apart; `extra` is packed, or stands as the text that it is, or is left out."""

    vkey: str
    index: int | str
    path: list[bytes]
    extra: Any
    note: str
    content: Fields | None = None
    header: str = HEADER

    def text(self) -> str:
        """The file (C2SP tlog-proof)."""
        extra = self.extra if isinstance(self.extra, str) or self.extra is None else b64(pack(self.extra))
        lines = [self.header, *([] if extra is None else [f"extra {extra}"]), f"index {self.index}"]
        return "\n".join([*lines, *map(b64, self.path), "", self.note])


class ReceiptCase(NamedTuple):
    """`facts` (artifact_id, maker, anchor, log_index) of a good one; `code` is the refusal of a bad one."""

    name: str
    what: str
    text: str
    vkey: str
    content: Fields | None
    facts: Fields | None
    code: str = ""


def content_of(text: str, form: str = "raw", size: int | None = None) -> Fields:
    data = text.encode()
    return {"form": form, "digest": sha(data), "size": len(data) if size is None else size}


@dataclass
class Scene:
    """Genesis 0, state 1, anna 2, ben 3, a machine 4, anna's pair 5, its delegation 6, state 7; then what a case adds.

    `version`: of the receipt (SPEC §11.1), and the fold number of its log.
    """

    version: int = 1
    script: Script = field(init=False)

    def __post_init__(self) -> None:
        self.script = Script(fold=self.version).begin()
        self.anna, self.ben = self.script.actor("anna"), self.script.actor("ben")
        self.machine = self.script.actor("machine", "machine")
        self.pair = self.script.actor("pair", "pair", self.anna.id)
        self.delegation = self.script.delegate(self.anna, self.pair, {"kinds": ["work"], "human": 200})
        self.script.state()

    def close(self, at: int, record_index: int, support: list[int], content: Fields | None = None) -> Parts:
        """A state, a checkpoint over all, and the receipt of a record of entry `at`."""
        self.script.state()
        script, held = self.script, [item for item in self.script.records[at] if isinstance(item, bytes)]
        record_path = reference.path(record_index, held)
        extra = {
            "v": self.version,
            "entry": script.entries[at],
            "record": held[record_index],
            "record_index": record_index,
            "record_path": record_path or None,
            "support": self.support(support),
        }
        path = reference.path(at, script.entries)
        return Parts(script.vkey, at, path, changed(extra), note(script), content)

    def support(self, indices: list[int]) -> list[list[Any]]:
        entries = self.script.entries
        return [[index, entries[index], reference.path(index, entries)] for index in indices]

    def alone(self, by: Actor, support: list[int], text: str = "alone", **changes: Any) -> Parts:
        """A statement over one record, and its receipt."""
        at = self.script.publish(by, self.script.work(by, text), **changes)
        return self.close(at, 0, support, content_of(text))

    def of_two(self) -> Parts:
        """The second of two records of the pair, at 8: the receipt that most of the bad ones are made from."""
        texts = ("first", "second")
        records = [self.script.work(self.pair, text, human=5) for text in texts]
        at = self.script.publish(self.pair, *records, delegation=self.delegation)
        return self.close(at, 1, [2, 5, 6], content_of("second"))


def good(name: str, what: str, parts: Parts, maker: Actor, anchor: Actor | None = None) -> ReceiptCase:
    facts = {
        "artifact_id": id_of(parts.extra["record"]),
        "maker": maker.id,
        "anchor": anchor.id if anchor else None,
        "log_index": parts.index,
    }
    return ReceiptCase(f"receipt/legal-{name}", what, parts.text(), parts.vkey, parts.content, facts)


def legal() -> Iterator[ReceiptCase]:
    scene = Scene()
    yield good(
        "human", "a human's only record, without record_path", scene.alone(scene.anna, [2]), scene.anna
    )
    scene = Scene()
    parts = scene.of_two()
    parts.content = None
    yield good("pair", "a pair's record; the content is not at hand", parts, scene.pair, scene.anna)
    scene = Scene()
    works = [scene.script.work(scene.ben, f"{number} of seven") for number in range(7)]
    parts = scene.close(scene.script.publish(scene.ben, *works), 4, [3], content_of("4 of seven"))
    yield good("of-seven", "the fifth of seven records of one statement", parts, scene.ben)
    scene = Scene()
    parent = {"rel": "derived-from", "id": some("source")}
    cut = scene.script.work(scene.script.operator, "cut", "derived", parents=[parent])
    parts = scene.close(scene.script.publish(scene.script.operator, cut), 0, [0], content_of("cut"))
    yield good("operator", "the operator, whose key event 0 is the genesis", parts, scene.script.operator)
    scene = Scene()
    model = scene.script.work(scene.machine, "said", "output")
    parts = scene.close(scene.script.publish(scene.machine, model), 0, [4], content_of("said"))
    yield good("machine", "a machine's output", parts, scene.machine)
    scene = Scene()
    sealed = scene.script.work(scene.anna, "s" * 33, form="sealed", size=64, media=None)
    content = content_of("s" * 33, "sealed")
    parts = scene.close(scene.script.publish(scene.anna, sealed), 0, [2], content)
    yield good("sealed", "sealed content of 33 bytes: size is its bucket, 64", parts, scene.anna)
    yield from legal_places()
    yield from legal_lives()


def legal_lives() -> Iterator[ReceiptCase]:
    """Receipts of version 2: the signer's key events up to the one that the statement names."""
    scene = Scene(2)
    at = scene.script.turn(scene.anna, "rotate")  # 8
    again = scene.script.turn(scene.anna, "rotate", compromised=[[public_key("anna/next"), at]])
    parts = scene.alone(scene.anna, [2, at, again])
    yield good("rotated", "signed under the second rotation", parts, scene.anna)
    scene = Scene(2)
    at = scene.script.publish(scene.anna, scene.script.work(scene.anna, "early"))
    scene.script.turn(scene.anna, "rotate", compromised=[[public_key("anna"), 0]])
    parts = scene.close(at, 0, [2], content_of("early"))
    yield good(
        "disowned", "disowned since: that is its standing, which a receipt does not know", parts, scene.anna
    )
    scene = Scene(2)
    at = scene.script.turn(scene.anna, "recover")
    scene.script.state()
    scene.script.state(tick=WAIT_MS)
    scene.anna.turn("anna/recovery", scene.anna.events[-1])
    parts = scene.alone(scene.anna, [2, at])
    yield good(
        "recovered", "signed under a recovery: being named shows that it was in force", parts, scene.anna
    )
    scene = Scene(2)
    at = scene.script.turn(scene.anna, "recover")
    scene.script.state()
    scene.script.state(tick=WAIT_MS)
    scene.anna.turn("anna/recovery", scene.anna.events[-1])
    again = scene.script.turn(scene.anna, "rotate")
    parts = scene.alone(scene.anna, [2, at, again])
    yield good("recovered-rotated", "a rotation to what a recovery committed to", parts, scene.anna)
    scene = Scene(2)
    at = scene.script.turn(scene.anna, "recover")
    veto = scene.script.turn(scene.anna, "rotate")
    parts = scene.alone(scene.anna, [2, at, veto])
    yield good(
        "vetoed", "a rotation that ended a recovery, to what its event before committed to", parts, scene.anna
    )
    scene = Scene(2)
    at = scene.script.turn(scene.anna, "recover")
    parts = scene.alone(scene.anna, [2])
    yield good(
        "pending", "a recovery that is pending is none of the events up to the one named", parts, scene.anna
    )
    scene = Scene(2)
    turned = scene.script.turn(scene.anna, "rotate")
    own = scene.script.turn(scene.pair, "rotate")
    anew = scene.script.delegate(scene.anna, scene.pair, {"kinds": ["work"]})  # 10
    scene.script.turn(scene.anna, "rotate")
    parts = scene.alone(scene.pair, [2, 5, turned, own, 10], delegation=anew)
    yield good(
        "pair-rotated", "a pair and its anchor, each up to the event named", parts, scene.pair, scene.anna
    )
    scene = Scene(2)
    parts = scene.alone(scene.anna, [2])
    parts.extra["v"] = 1
    yield good("version-1", "a receipt of the former version, in a log of fold 2", parts, scene.anna)


def legal_places() -> Iterator[ReceiptCase]:
    """What stands around the entry in the log, and beside the log's signature."""
    scene = Scene()
    renewed = scene.script.delegate(scene.anna, scene.pair, {"kinds": ["work"]})
    parts = scene.alone(scene.pair, [2, 5, 8], delegation=renewed)
    yield good("renewed", "a pair whose delegation was renewed: the later one", parts, scene.pair, scene.anna)
    scene = Scene()
    at = scene.script.publish(scene.anna, scene.script.work(scene.anna, "early"))
    for number in range(5):
        scene.script.actor(f"later {number}")
    parts = scene.close(at, 0, [2], content_of("early"))
    yield good("grown", "a log that has grown since", parts, scene.anna)
    scene = Scene()
    both = scene.script.enrolment("one", keyset=keys("one", "two", threshold=2))
    twin = Actor("one", "human", both)
    born = scene.script.add(signed(both, "one", "two"))
    work = scene.script.work(twin, "by two keys")
    fields = scene.script.artifacts(twin, [work])
    at = scene.script.add(signed(fields, "one", "two"), [work])
    parts = scene.close(at, 0, [born], content_of("by two keys"))
    yield good("two-keys", "a keyset of two keys, both of which must sign", parts, twin)
    scene = Scene()
    orphan = scene.script.work(scene.anna, "orphan", parents=[{"rel": "quotes", "id": some("nowhere")}])
    parts = scene.close(scene.script.publish(scene.anna, orphan), 0, [2], content_of("orphan"))
    yield good("orphan", "a parent that does not stand before: needs the log", parts, scene.anna)
    scene = Scene()
    parts = scene.alone(scene.anna, [2], seq=7, prev=some("statement before"))
    yield good("lane", "the eighth statement of a lane: what came before needs the log", parts, scene.anna)
    scene = Scene()
    parts = scene.alone(scene.anna, [2])
    parts.note += f"— witness.example/w {b64(some('key id')[:4] + bytes(72))}\n"
    yield good("cosigned", "a signature line of a key that nobody here knows", parts, scene.anna)
