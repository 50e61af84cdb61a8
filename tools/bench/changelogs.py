"""Real text with real duplicates: the changelogs of a Debian machine. Only digests of them are logged."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Final

from ledger.statements.template import RecordTemplate
from tests import changelogs
from tests.world import Actor, World
from tools.bench.measure import Row, Settings, rate_row, seconds, take_turns
from tools.bench.reading import audit_all
from tools.bench.scene import bare_record, disk_log, require_appended

_STATEMENT: Final = 256  # records at most


def bench_changelogs(settings: Settings) -> list[Row]:
    """Ingest and audit of every entry, by statements of up to 256 records, against hashing the texts alone."""
    if not changelogs.available():
        row = Row("changelogs", "no changelogs here", "-", None)
        return [replace(row, notes=(changelogs.REASON,))]
    texts = [entry.text.encode() for entry in changelogs.read_changelogs()][: settings.pick(100_000, 300)]
    rounds = settings.pick(5, 1)

    def limit() -> float:
        return len(texts) / seconds(lambda: [hashlib.sha256(text).digest() for text in texts])

    with disk_log(settings.folder, "changelogs") as world:
        actor = world.enrol("ada")
        ingest = take_turns(rounds, lambda: _ingest(world, actor, texts), limit)
    with disk_log(settings.folder, "changelogs") as world:
        _ingest(world, world.enrol("ada"), texts)
        audit = take_turns(rounds, lambda: len(texts) / seconds(lambda: audit_all(world)), limit)
    units = ("entries/s", "entries/s, only hashed")
    return [
        rate_row(f"changelogs, ingest of {len(texts):,}", ingest, units),
        rate_row("changelogs, audit", audit, units),
    ]


def _ingest(world: World, actor: Actor, texts: list[bytes]) -> float:
    """Entries a second from text to durable: hashing, records, signing and appending."""

    def work() -> None:
        template = RecordTemplate(
            kind="work", maker=actor.id, form="raw", media="text/plain", human=1_000_000
        )
        for at in range(0, len(texts), _STATEMENT):
            share = texts[at : at + _STATEMENT]
            # A statement names an artifact once, however often its text stands in the changelogs.
            unique = dict.fromkeys(
                template.encode(hashlib.sha256(text).digest(), len(text)) for text in share
            )
            entry, records = actor.artifacts([bare_record(encoded) for encoded in unique])
            require_appended(world.writer.append([(entry.encoded, records)]))

    return len(texts) / seconds(work)
