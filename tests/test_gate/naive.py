"""The gate's look-ups by their definition (SPEC §12.6), naive: for each row all records of the log, all sidecars, one by one. For tests only.

Beside `ledger.api.gate` and not from it: no index, no blocks, no order of a sidecar is used, and every row is traced and judged for itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ledger.datasets.jcs import canonical_json
from ledger.errors import RefusedInput
from ledger.identity.vkey import Vkey
from ledger.log.view import LogView
from ledger.origin.judge import Judge
from ledger.origin.lattice import Verdict
from ledger.origin.moment import Moment
from ledger.origin.policy import Policy
from ledger.origin.trust import Trust
from ledger.proofs.trace import trace_many
from ledger.statements.record import Record, decode_record, sealed_content
from tests import reference

Claim = tuple[bytes, int | None]


class Said(NamedTuple):
    """What a gate says of a row."""

    digest: bytes
    artifact_id: bytes | None
    verdict: str
    code: str
    level: str
    why: str


@dataclass(frozen=True)
class Naive:
    """A log as it is shown, the folder of its sidecars, and terms."""

    view: LogView
    log: Vkey
    folder: Path
    policy: Policy
    trust: Trust
    at_ms: int

    def judge(self, value: Any, salt: bytes | None = None) -> Said:
        """A cell, and the salt beside it."""
        content, form = content_of(value)
        if not content:
            verdict = Verdict.REJECTED if self.policy.decides else Verdict.UNDECIDED
            return Said(bytes(32), None, verdict.label, "row-refused", "L0", "")
        claims = self.claims(content, form, salt)
        rules = self.view.state.header.rules
        graders = frozenset(rules.get("registrars", ())) if self.trust.is_self else self.trust.graders
        traced = trace_many(
            self.view,
            [artifact_id for artifact_id, _ in claims],
            self.log,
            self.trust.accept,
            graders=graders,
            with_clocks=True,
        )
        moment = Moment(self.at_ms, self.log, traced.checkpoint, traced.clock_ms, None, (), traced.clocks)
        found = Judge(traced.nodes, self.policy, self.trust, moment).row(claims)
        digest = hashlib.sha256(content).digest()
        return Said(
            digest, found.artifact_id, found.verdict.label, str(found.code), found.level.code, found.why
        )

    def claims(self, content: bytes, form: str, salt: bytes | None) -> list[Claim]:
        digest = hashlib.sha256(content).digest()
        found: list[Claim] = []
        for number in range(self.view.record_count):
            record = readable(self.view.record(number))
            if record is None:
                continue
            if record.form == form and record.content == digest:
                found.append((record.id, None))
            if record.form == "sealed" and salt is not None:
                maker = record.fields["maker"]
                if record.content == sealed_content(maker, salt, content):
                    found.append((record.id, None))
            if record.form == "rows":
                rows = self.sidecar(record)
                found += [(record.id, row) for row, each in enumerate(rows) if each == digest]
        return found

    def sidecar(self, record: Record) -> list[bytes]:
        """All digests of a sidecar, hashed up to the signed root."""
        data = (self.folder / "rows" / record.id.hex()).read_bytes()
        begin = 24 + len(record.encoded)
        digests = [data[begin + 32 * row : begin + 32 * row + 32] for row in range(record.row_count)]
        assert reference.mth(digests) == record.content
        return digests


def content_of(value: Any) -> tuple[bytes, str]:
    """The bytes of a cell, and how it became bytes; none of a cell that is no row."""
    if value is None:
        return b"", "raw"
    return (value.encode(), "raw") if isinstance(value, str) else (canonical_json(value), "jcs")


def readable(data: bytes | None) -> Record | None:
    try:
        return None if data is None else decode_record(data)
    except RefusedInput:
        return None


def all_of(naive: Naive, rows: Sequence[tuple[Any, bytes | None]]) -> list[Said]:
    return [naive.judge(value, salt) for value, salt in rows]
