"""The log's tree, from its entries alone: every leaf, every tile, the root (RFC 6962 §2.1, C2SP tlog-tiles).

One pass, a bundle at a time; of each level only the tile under way is kept. If the entries hash to the signed root they
are the ones that were signed, and a tile that departs from them is the tile's damage. If they do not, the stored
hashes say where to look: from the first entry that its tile contradicts, what the log meant is not known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ledger.audit.report import AuditReport, entries_named
from ledger.audit.sources import Source
from ledger.errors import StoreFault
from ledger.fold.faults import Fault
from ledger.merkle import tiles
from ledger.merkle.tree import EMPTY_ROOT, hash_leaf
from ledger.spec import HASH_BYTES, TILE_HEIGHT, TILE_WIDTH
from ledger.store.bundles import encode

Advance = Callable[[int], None]  # how many entries have been done


@dataclass(slots=True)
class _Level:
    number: int = 0
    row: list[bytes] = field(default_factory=list)


class TreeAudit:
    """The pass over all entries of `source`; `readable` is how many of them may be folded afterwards."""

    def __init__(self, source: Source, report: AuditReport) -> None:
        self._source = source
        self._report = report
        self._levels: list[_Level] = []
        self._suspect: int | None = None  # first entry that a stored hash contradicts
        self.readable = source.size

    def run(self, root: bytes | None, advance: Advance) -> None:
        """Hashes everything and compares; `root` is the signed one, None where no note is at hand to compare with."""
        size = self._source.size
        for number in range(-(-size // TILE_WIDTH)):
            start, stop = number * TILE_WIDTH, min(size, (number + 1) * TILE_WIDTH)
            hashes = self._hashes(number, start, stop)
            if hashes is None:
                return
            for leaf_hash in hashes:
                self._push(0, leaf_hash)
            advance(stop)
        for level in range(len(self._levels)):
            self._compare(level)
        if root is not None and self._root() != root:
            where = 0 if self._suspect is None else self._suspect
            text = f"{entries_named(where, size)} do not hash to the root of the checkpoint of size {size}"
            self._report.accuse(Fault(where, "tree-differs", text))
            if self._suspect is not None:
                self._stop_at(self._suspect)

    def _stop_at(self, log_index: int) -> None:
        self._report.incomplete = True
        self.readable = min(self.readable, log_index)

    def _hashes(self, number: int, start: int, stop: int) -> list[bytes] | None:
        """Leaf hashes of a bundle; where it cannot be read those of its tile, or None: the tree cannot be computed."""
        named = entries_named(start, stop)
        try:
            entries = self._source.entries(number)
        except StoreFault as error:
            self._stop_at(start)
            self._report.miss(Fault(start, error.code, f"{named}: {error.item}: {error.reason}"))
            try:
                hashes = self._source.leaf_hashes(number)
            except StoreFault:
                hashes = []
            return hashes if len(hashes) == stop - start else None
        for wrong in self._source.beside(
            tiles.bundle_path("tile/entries", number, TILE_WIDTH), [encode(entry) for entry in entries]
        ):
            self._report.accuse(Fault(start, "tile-differs", f"{named}: {wrong}"))
        return [hash_leaf(entry) for entry in entries]

    def _push(self, level: int, node: bytes) -> None:
        if level == len(self._levels):
            self._levels.append(_Level())
        here = self._levels[level]
        here.row.append(node)
        if len(here.row) == TILE_WIDTH:
            self._push(level + 1, self._compare(level))
            here.number, here.row = here.number + 1, []

    def _compare(self, level: int) -> bytes:
        """Holds the stored tile to the row under way. Returns the last node of the recomputed one: of a full tile its root."""
        number, row = self._levels[level].number, self._levels[level].row
        if not row:
            return b""
        expanded = tiles.expand(row)
        span = 1 << TILE_HEIGHT * level
        start, size = number * TILE_WIDTH * span, self._source.size
        stop = min(size, start + TILE_WIDTH * span)
        named = f"tile {level}/{number} over {entries_named(start, stop)}"
        try:
            found = self._source.difference(level, number, expanded)
        except StoreFault as error:
            self._report.accuse(Fault(start, error.code, f"{named}: {error.reason}"))
            found = None
        if found is not None:
            position, reason = found
            if position is not None:
                start = min(size - 1, start + position * span)
                named += f", at hash {position}"
                if level == 0 and (self._suspect is None or start < self._suspect):
                    self._suspect = start
            self._report.accuse(Fault(start, "tile-differs", f"{named}: {reason}"))
        for wrong in self._source.beside(tiles.tile_path(level, number, TILE_WIDTH), row):
            self._report.accuse(Fault(start, "tile-differs", f"{named}: {wrong}"))
        return expanded[-HASH_BYTES:]

    def _root(self) -> bytes:
        """The root over all leaves pushed: the last, partial tile of each level is what `tiles.root` asks for."""
        if not self._levels:
            return EMPTY_ROOT
        return tiles.root(lambda level, _number: tiles.expand(self._levels[level].row), self._source.size)
