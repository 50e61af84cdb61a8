"""The digest index, held to the log: every digest is found where it stands, and nowhere else (SPEC §10.4).

What is expected is collected as 16 bytes a pair, in 256 parts by the first byte of the digest, and compared part by
part: an artifact costs 32 bytes, a statement 16. Pairs under a prefix that no digest of the log has cannot be seen
through a snapshot; a reader who meets one compares the full digest and finds nothing.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import groupby
from typing import Final

from ledger.audit.report import AuditReport
from ledger.errors import StoreFault
from ledger.fold.faults import Fault
from ledger.store.contract import U64_BYTES, Snapshot, key_u64
from ledger.store.index import PREFIX_BYTES, statement_index

_PAIR_BYTES: Final = PREFIX_BYTES + U64_BYTES


class IndexAudit:
    """Collects (digest, position) pairs, then compares."""

    def __init__(self) -> None:
        self._parts = [bytearray() for _ in range(256)]
        self._allowed: set[int] = set()

    def expect(self, digest: bytes, position: int) -> None:
        """The index must find `digest` at `position`."""
        self._parts[digest[0]] += digest[:PREFIX_BYTES] + key_u64(position)

    def allow(self, position: int) -> None:
        """The index may hold other digests of what stands at `position`, a record that is at fault."""
        self._allowed.add(position)

    def compare(self, snapshot: Snapshot, report: AuditReport, starts: Sequence[int], records: int) -> None:
        """Reports what the index of `snapshot` lacks and has beside.

        `starts`: how many records stand before each entry. Positions behind the last of them, and behind `records`, are not
        looked at.
        """
        size = len(starts)
        for part in self._parts:
            pairs = sorted({bytes(part[at : at + _PAIR_BYTES]) for at in range(0, len(part), _PAIR_BYTES)})
            for prefix, group in groupby(pairs, lambda pair: pair[:PREFIX_BYTES]):
                wanted = {int.from_bytes(pair[PREFIX_BYTES:], "big") for pair in group}
                try:
                    found = set(snapshot.positions(int.from_bytes(prefix, "big")))
                except StoreFault as error:
                    report.miss(Fault(0, error.code, f"digest index of entries [0, {size}): {error.reason}"))
                    return
                for position in sorted(wanted - found):
                    _accuse(report, starts, position, f"the digest index does not find {prefix.hex()}…")
                for position in sorted(found - wanted - self._allowed):
                    log_index = statement_index(position)
                    if position < records or (log_index is not None and log_index < size):
                        _accuse(
                            report, starts, position, f"the digest index has {prefix.hex()}… where it is not"
                        )


def _accuse(report: AuditReport, starts: Sequence[int], position: int, text: str) -> None:
    log_index = statement_index(position)
    if log_index is not None:
        report.accuse(Fault(log_index, "index-differs", f"{text}: the statement of entry {log_index}"))
        return
    log_index = max(0, bisect_right(starts, position) - 1)
    report.accuse(
        Fault(log_index, "index-differs", f"{text}: record number {position}", position - starts[log_index])
    )
