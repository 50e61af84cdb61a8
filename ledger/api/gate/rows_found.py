"""What is common to all ways in which rows are found in datasets: what is said of single rows, and rows that follow one another alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ledger.api.gate.block import RowDigests
from ledger.api.gate.shown import Stretch
from ledger.merkle.groups import GROUP
from ledger.origin.claims import Claim
from ledger.spec import HASH_BYTES
from ledger.statements.record import Record


class Digests(Protocol):
    """Rows as they are held."""

    def digests(self, start: int, stop: int) -> bytes:
        """The digests of the rows held, [start, stop), 32 bytes each, as far as there are so many."""
        ...


@dataclass(slots=True)
class Voiced:
    """A dataset of some of whose rows something is said by itself: each of them is a claim, all the others are one, `quiet`.

    `spoken`: by digest the rows of which something is said; `copies`: how many rows such a digest has, as far as they are held.
    """

    quiet: Claim = (b"", None)
    spoken: dict[bytes, list[int]] = field(default_factory=dict)
    copies: dict[bytes, int] = field(default_factory=dict)

    def count(self, digests: Iterable[bytes]) -> None:
        """Takes digests of rows, of which some may be copies."""
        for digest in digests:
            if digest in self.spoken:
                self.copies[digest] = self.copies.get(digest, 0) + 1

    def claims(self, digest: bytes) -> list[Claim]:
        """Of a digest that stands in the dataset: one claim for all rows of which nothing is said, one for each other."""
        rows = self.spoken.get(digest, [])
        spoken: list[Claim] = [(self.quiet[0], row) for row in rows]
        return spoken if rows and self.copies[digest] <= len(rows) else [*spoken, self.quiet]


def quiet_claim(record: Record, spoken: Iterable[int]) -> Claim:
    """The claim of all rows of a `rows` record of which nothing is said by itself."""
    taken = set(spoken)
    return record.id, next((row for row in range(record.row_count) if row not in taken), 0)


def pieces_of(data: bytes) -> list[bytes]:
    """Digests that lie one behind the other, each for itself."""
    return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]


def outside(digests: RowDigests, stretches: Sequence[Stretch]) -> Iterator[bytes]:
    """The digests of rows that are in no stretch; these ascend."""
    at = 0
    for stretch in (*stretches, Stretch(len(digests), len(digests), (b"", None))):
        if at < stretch.start:
            yield from digests[at : stretch.start]
        at = stretch.stop


def common_rows(digests: RowDigests, at: int, rows: Digests, row: int) -> int:
    """How many digests from `at` on are those of `rows` from `row` on, one after the other."""
    count = 0
    while at + count < len(digests):
        part = digests.part(at + count, at + count + GROUP)
        held = rows.digests(row + count, row + count + GROUP)
        if part == held[: len(part)] and len(held) >= len(part):
            count += len(part) // HASH_BYTES
            continue
        for place in range(0, min(len(part), len(held)), HASH_BYTES):
            if part[place : place + HASH_BYTES] != held[place : place + HASH_BYTES]:
                break
            count += 1
        break
    return count
