"""What the first verification of ancestries costs, beside the raw verification of the signatures in them.

A log of statements of one record each, by many people in turn, every fourth derived from an earlier one. All of them are traced block by
block, as the gate does; nothing was verified before. The limit verifies the same signatures over the same bytes, and does nothing else.
Both run in one thread; so many processes as there are cores change neither's share.
"""

from __future__ import annotations

import hashlib
import random
from functools import partial
from typing import Final

from nacl.bindings import crypto_sign_open

from ledger.api.gate.collector import uncollected
from ledger.errors import InvariantBroken
from ledger.log.view import open_view
from ledger.log.writer import Submission
from ledger.proofs.facts import Presence
from ledger.proofs.trace import Tracer
from ledger.statements.record import Parent
from ledger.statements.template import RecordTemplate
from tests.world import Actor, World
from tools.bench.measure import Row, Settings, rate_row, seconds, take_turns
from tools.bench.scene import TEXT_BYTES, bare_record, disk_log, require_appended, signed_messages

TARGET: Final = 0.5
BLOCK: Final = 8_192  # rows of a dataset that are judged together
_PARENT_EACH: Final = 4  # one statement in so many names a parent
_COMMIT: Final = 2_000

Signed = tuple[bytes, bytes]  # the signature before the bytes that it covers, and the public key


def bench_tracing(settings: Settings) -> list[Row]:
    """One row for a dataset in the order of the log, one for a dataset in any order."""
    statements, people = settings.pick(100_000, 300), settings.pick(100, 7)
    with disk_log(settings.folder, "first-verification") as world:
        ids, signed = _publish(world, statements, people)
        rows = []
        for order in ("in the log's order", "in any order"):
            if order == "in any order":
                random.Random(1).shuffle(ids)
            turns = take_turns(
                settings.pick(5, 1),
                lambda: statements / seconds(partial(trace_all, world, ids)),
                lambda: statements / seconds(partial(_verify, signed)),
            )
            name = f"first-verification, {statements:,} x 1 record by {people}, {order}"
            rows.append(rate_row(name, turns, ("artifacts/s", "verifications/s"), TARGET))
    return rows


def _publish(world: World, statements: int, people: int) -> tuple[list[bytes], list[Signed]]:
    """The artifact ids, in the order of the log, and what was signed."""
    actors = [world.enrol(f"person {number}") for number in range(people)]
    templates: list[RecordTemplate] = [_template(actor) for actor in actors]
    chosen = random.Random(0)
    ids: list[bytes] = []
    signed: list[Signed] = []
    for start in range(0, statements, _COMMIT):
        batch: list[Submission] = []
        for number in range(start, min(start + _COMMIT, statements)):
            who = number % people
            template = templates[who]
            if number % _PARENT_EACH == _PARENT_EACH - 1:
                template = _template(actors[who], Parent("derived-from", ids[chosen.randrange(len(ids))]))
            content = hashlib.sha256(b"content %d" % number).digest()
            record = bare_record(template.encode(content, TEXT_BYTES + number % 100))
            ids.append(record.id)
            entry, records = actors[who].artifacts([record])
            batch.append((entry.encoded, records))
        require_appended(world.writer.append(batch))
        keys = [actors[number % people].public_key for number in range(start, start + len(batch))]
        signed += zip(signed_messages(batch), keys, strict=True)
    return ids, signed


def _template(actor: Actor, *parents: Parent) -> RecordTemplate:
    return RecordTemplate(kind="work", maker=actor.id, form="raw", media="text/plain", parents=parents)


def trace_all(world: World, ids: list[bytes]) -> None:
    """Traces all in blocks; raises if one does not stand."""
    with open_view(world.store, world.vkey) as view:
        tracer = Tracer(view, world.vkey, with_clocks=True)
        for start in range(0, len(ids), BLOCK):
            block = ids[start : start + BLOCK]
            with uncollected(block):  # as the gate traces
                found = tracer.trace(block)
            if any(found.nodes[root].presence is not Presence.STANDS for root in found.roots):
                raise InvariantBroken("trace", "bench", "an artifact of an honest log does not stand")


def _verify(signed: list[Signed]) -> None:
    for message, public_key in signed:
        crypto_sign_open(message, public_key)
