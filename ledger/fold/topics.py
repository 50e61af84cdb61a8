"""Topics: which chains of the status map an entry extends (SPEC §9.4).

They follow from the entry's bytes alone. A verifier who holds all entries of a chain can recompute its value
without the rest of the log, and a status proof then shows that no entry is missing.
"""

from __future__ import annotations

import hashlib
from enum import IntEnum
from typing import Final, NamedTuple

from ledger import spec
from ledger.statements.statement import Statement, decode_statement

HEAD_OF_NONE: Final = bytes(spec.HASH_BYTES)


class Topic(IntEnum):
    """The topic numbers of SPEC §9.4."""

    KEY_EVENTS = 1
    DELEGATIONS = 2
    ENDORSEMENTS = 3
    EVIDENCE = 4
    NOTICES = 5
    RULES = 6
    ATTESTATIONS = 7


_PREFIXES: Final = {topic: spec.TAG_TOPIC + bytes([topic]) for topic in Topic}


class Chain(NamedTuple):
    """The entries on one topic and subject so far: how many, and the head of their hash chain."""

    length: int = 0
    head: bytes = HEAD_OF_NONE

    def extend(self, log_index: int, leaf_hash: bytes) -> Chain:
        """The chain with one entry more (SPEC §2, chain link)."""
        link = spec.TAG_CHAIN + self.head + log_index.to_bytes(8, "big") + leaf_hash
        return Chain(self.length + 1, hashlib.sha256(link).digest())

    def value(self) -> bytes:
        """What the status map holds for the chain (SPEC §2, chain value)."""
        data = spec.TAG_CHAIN_VALUE + self.length.to_bytes(8, "big") + self.head
        return hashlib.sha256(data).digest()


def topic_key(topic: Topic, subject: bytes) -> bytes:
    """The 32-byte key of the status map (SPEC §2)."""
    return hashlib.sha256(_PREFIXES[topic] + subject).digest()


def topics_of(statement: Statement) -> list[bytes]:
    """The topic keys that an entry with this statement extends, each once."""
    body = statement.body
    match statement.type:
        case "artifacts" | "state":  # most of a log
            return []
        case "genesis":
            pairs = [(Topic.KEY_EVENTS, statement.id), (Topic.RULES, statement.log)]
        case "enrol" | "rotate" | "recover" | "retire":
            pairs = [(Topic.KEY_EVENTS, statement.by)]
        case "delegate" | "undelegate":
            pairs = [(Topic.DELEGATIONS, body["pair"]), (Topic.DELEGATIONS, statement.by)]
        case "endorse":
            pairs = [(Topic.ENDORSEMENTS, body["subject"])]
        case "evidence":
            pairs = [(Topic.EVIDENCE, decode_statement(body["first"][0]).by)]
        case "notice":
            pairs = [(Topic.NOTICES, subject[0]) for subject in body["subjects"]]
        case "attest":
            pairs = [(Topic.ATTESTATIONS, subject[0]) for subject in body["subjects"]]
        case "rules":
            pairs = [(Topic.RULES, statement.log)]
        case _:
            pairs = []
    return list(dict.fromkeys(topic_key(topic, subject) for topic, subject in pairs))
