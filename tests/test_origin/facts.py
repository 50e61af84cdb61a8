"""Made-up facts to judge: identities, artifacts and what is said of them, without a log. For tests only."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from ledger.api.policies import shipped_policy
from ledger.identity import ed25519
from ledger.identity.vkey import Vkey
from ledger.origin.judge import Judge, Judged
from ledger.origin.moment import Moment
from ledger.origin.policy import Policy, parse_policy
from ledger.origin.trust import Trust, parse_trust, self_trust
from ledger.proofs.checkpoint import Checkpoint
from ledger.proofs.facts import Attestation, Disowning, Existed, Grade, Node, Notice, Place, Presence
from ledger.proofs.quorum import Cosigned
from ledger.statements.record import Parent, Record

DAY_MS = 86_400_000
NOW_MS = 1_000 * DAY_MS
SIZE = 10_000
CHECKPOINT = Checkpoint("log.example/test", SIZE, bytes(32))
LOG_VKEY = Vkey.make(CHECKPOINT.origin, ed25519.public_key(bytes([7]) * 32))
MOMENT = Moment(NOW_MS, LOG_VKEY, CHECKPOINT, NOW_MS)
COSIGNED = Cosigned(CHECKPOINT, {"w": (NOW_MS // 1_000,)}, NOW_MS // 1_000, NOW_MS // 1_000)
LOG = hashlib.sha256(b"another log").digest()


def id_of(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


@dataclass(frozen=True)
class Who:
    """An identity: its role, and its anchor if it is a pair."""

    name: str
    role: str = "human"
    of: str | None = None

    @property
    def id(self) -> bytes:
        return id_of(self.name)

    @property
    def anchor(self) -> bytes | None:
        return id_of(self.of) if self.of else self.id if self.role == "human" else None


ANNA, BEN, CARA, DORA = Who("anna"), Who("ben"), Who("cara"), Who("dora")
PAIR, MACHINE, TOOL = Who("pair", "pair", "anna"), Who("machine", "machine"), Who("tool", "machine")
CURATOR, REGISTRAR = Who("curator", "curator"), Who("registrar", "registrar")
LISTED = Who("listed", "curator")

MODEL_FACTS = {"name": "m", "version": "1"}
TOOL_FACTS = {"tool": "t", "version": "1", "parameters": bytes(32)}
FACTS_BY_KIND = {"model": MODEL_FACTS, "derived": TOOL_FACTS}


def artifact(
    name: str, who: Who = ANNA, kind: str = "work", parents: Iterable[Parent] = (), /, **changes: Any
) -> Node:
    """A node that stands. Changes of the record: `stance`, `human`, `rights`, ...; of the node: its own fields."""
    parents = tuple(parents)
    record: dict[str, Any] = {
        "kind": kind,
        "stance": "made",
        "maker": who.id,
        "form": "raw",
        "content": id_of("content of " + name),
        "parents": [
            {key: value for key, value in parent._asdict().items() if value is not None} for parent in parents
        ],
    }
    if kind in FACTS_BY_KIND:
        record["facts"] = FACTS_BY_KIND[kind]
    if kind == "work" and who.role == "human":
        record["human"] = 1_000_000 if not parents else changes.pop("human", None)
    of_node = {key: changes.pop(key) for key in list(changes) if key in Node.__dataclass_fields__}
    record |= changes
    fields = {key: value for key, value in record.items() if value is not None}
    index = of_node.pop("log_index", 7)
    return Node(
        id_of(name),
        of_node.pop("presence", Presence.STANDS),
        record=Record(b"", fields, id_of(name)),
        maker=who.id,
        role=who.role,
        anchor=who.anchor,
        log_index=index,
        record_index=0,
        parents=parents,
        places=of_node.pop("places", (Place(index, 0),)),
        **of_node,
    )


def rows_of(name: str, who: Who = ANNA, **changes: Any) -> Node:
    """A `rows` record, reported unless said otherwise."""
    fields = {"stance": "reported", "form": "rows", "facts": {"count": 100}, "human": None} | changes
    return artifact(name, who, "dataset", **fields)


def over(rel: str, node: Node | str, ppm: int | None = None, row: int | None = None) -> Parent:
    return Parent(rel, id_of(node) if isinstance(node, str) else node.id, ppm, None, row)


def notice(by: Who, act: str, row: int | None = None, log_index: int = 1_204) -> Notice:
    return Notice(id_of(f"{by.name} {act} {row} {log_index}"), log_index, by.id, act, None, row)


def grade(issuer: Who, subject: Who, word: str = "verified", *, listed: bool = False) -> Grade:
    return Grade(subject.id, issuer.id, word, "document", None, 3, listed)


def attestation(
    by: Who,
    claim: str = "authorship",
    result: str = "confirmed",
    row: int | None = None,
    *,
    grades: Iterable[Grade] = (),
    contested: bool = False,
) -> Attestation:
    return Attestation(
        id_of(f"{by.name} {claim} {row}"),
        9,
        by.id,
        claim,
        result,
        row,
        by.role,
        by.anchor,
        contested,
        tuple(grades),
    )


def disowned(node: Node, *, suspect: bool = False) -> Node:
    index = node.log_index or 0
    event = Disowning(id_of("event"), index + 5, 5, 5, suspect)
    return replace(node, presence=Presence.DISOWNED, places=(Place(index, 0, None, event),))


def trust_of(text: str = "", **lists: Iterable[Who]) -> Trust:
    """A trust file of these lists of identities, and more text before them."""
    lines = [
        f"{name} = [{', '.join(repr(who.id.hex()) for who in people)}]" for name, people in lists.items()
    ]
    return parse_trust("\n".join([*lines, text]).encode())


SELF = self_trust([BEN.id, CARA.id])
WITNESS = Vkey.make("w", ed25519.public_key(bytes(32)), 4)
QUORUM = f'tlog_policy = """witness w {WITNESS}\nquorum w\n"""'
UNDER_QUORUM = replace(MOMENT, cosigned=COSIGNED)


def shipped(name: str) -> Policy:
    return parse_policy(shipped_policy(name))


BALANCED, STRICT, INVENTORY = shipped("balanced"), shipped("strict"), shipped("inventory")


@dataclass
class Bench:
    """What is judged by: `nodes` by id, a policy, a trust, a moment."""

    nodes: dict[bytes, Node] = field(default_factory=dict)
    policy: Policy = BALANCED
    trust: Trust = SELF
    moment: Moment = MOMENT

    def judge(self) -> Judge:
        return Judge(self.nodes, self.policy, self.trust, self.moment)

    def __call__(self, node: Node, row: int | None = None) -> Judged:
        return self.judge().artifact(node.id, row)


def bench(*nodes: Node, **changes: Any) -> Bench:
    return Bench({node.id: node for node in nodes}, **changes)


def judged(*nodes: Node, row: int | None = None, **changes: Any) -> Judged:
    """What the last of these nodes comes to."""
    return bench(*nodes, **changes)(nodes[-1], row)


def policy_of(text: str) -> Policy:
    """Everything may enter at L1, unless the text says otherwise of a whole table."""
    lines = {
        "rows": "work='L1'\nexperience='L1'\nabstract='L1'\noutput='L1'\nderived='L1'\nmodel='L1'\ndataset='L1'",
        "reported": "work='L1'\nexperience='L1'\nabstract='L1'\noutput='L1'\nderived='L1'\nmodel='L1'\ndataset='L1'",
        "ancestors.kinds": "work='L1'\nexperience='L1'\nabstract='L1'\noutput='L1'\nderived='L1'\nmodel='L1'\ndataset='L1'",
    }
    head, _, tail = text.partition("[")
    body = "[" + tail if tail else ""
    for name, entries in lines.items():
        if f"[{name}]" not in body:
            body += f"\n[{name}]\n{entries}\n"
    return parse_policy(f"version = 1\n{head}\n{body}".encode())


def older(size: int, days: int) -> Existed:
    """That what stands before `size` existed so many days ago."""
    return Existed(size, NOW_MS - days * DAY_MS)


TRUSTED = trust_of(QUORUM, makers=[ANNA, BEN, CARA], curators=[CURATOR])
OLD = replace(UNDER_QUORUM, older=(older(8, 7),))
