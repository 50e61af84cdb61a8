"""The digest index, held to the log: every digest is found where it stands, and nowhere else (SPEC §10.4).

What is expected is collected as 16 bytes a pair, in 256 parts by the first byte of the digest, and compared part by
part: an artifact costs 32 bytes, a statement 16. Pairs under a prefix that no digest of the log has are not seen one
by one through a snapshot, but counted: what is there beyond those that were looked at stands under such a prefix.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import groupby
from typing import Final

from ledger.audit.report import AuditReport, entries_named
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
        self._spare = 0

    def expect(self, digest: bytes, position: int) -> None:
        """The index must find `digest` at `position`."""
        self._parts[digest[0]] += digest[:PREFIX_BYTES] + key_u64(position)

    def allow(self, position: int, digests: int = 1) -> None:
        """The index may hold other digests, so many, of what stands at `position`: it is at fault, or not held."""
        self._allowed.add(position)
        self._spare += digests

    def compare(
        self, snapshot: Snapshot, report: AuditReport, starts: Sequence[int], records: int, *, is_whole: bool
    ) -> None:
        """Reports what the index of `snapshot` lacks and has beside.

        `starts`: how many records stand before each entry. Positions behind the last of them, and behind `records`, are not
        looked at. `is_whole`: nothing stands behind them, so that every pair of the index can be accounted for.
        """
        try:
            seen = self._compare_each(snapshot, report, starts, records)
            surplus = snapshot.index_size() - seen - self._spare
        except StoreFault as error:
            text = f"digest index of {entries_named(0, len(starts))}: {error.reason}"
            report.miss(Fault(0, error.code, text))
            return
        if is_whole and surplus > 0:
            text = f"the digest index of {entries_named(0, len(starts))} has {surplus} pairs under digests that are not in it"
            report.accuse(Fault(0, "index-differs", text))

    def _compare_each(
        self, snapshot: Snapshot, report: AuditReport, starts: Sequence[int], records: int
    ) -> int:
        """Every prefix that a digest of the log has; returns how many pairs stand there that are not allowed beside."""
        size, seen = len(starts), 0
        for part in self._parts:
            pairs = sorted({bytes(part[at : at + _PAIR_BYTES]) for at in range(0, len(part), _PAIR_BYTES)})
            for prefix, group in groupby(pairs, lambda pair: pair[:PREFIX_BYTES]):
                wanted = {int.from_bytes(pair[PREFIX_BYTES:], "big") for pair in group}
                found = set(snapshot.positions(int.from_bytes(prefix, "big")))
                seen += len(found) - len((found - wanted) & self._allowed)
                for position in sorted(wanted - found):
                    _accuse(report, starts, position, f"the digest index does not find {prefix.hex()}…")
                for position in sorted(found - wanted - self._allowed):
                    log_index = statement_index(position)
                    if position < records or (log_index is not None and log_index < size):
                        _accuse(
                            report, starts, position, f"the digest index has {prefix.hex()}… where it is not"
                        )
        return seen


def _accuse(report: AuditReport, starts: Sequence[int], position: int, text: str) -> None:
    log_index = statement_index(position)
    if log_index is not None:
        report.accuse(Fault(log_index, "index-differs", f"{text}: the statement of entry {log_index}"))
        return
    log_index = max(0, bisect_right(starts, position) - 1)
    report.accuse(
        Fault(log_index, "index-differs", f"{text}: record number {position}", position - starts[log_index])
    )
