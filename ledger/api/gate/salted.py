"""Sealed artifacts about the rows of a dataset, by the salts that the rows bring and by those at hand (SPEC §4.6, §10.8)."""

from __future__ import annotations

from collections.abc import Iterator

from ledger import spec
from ledger.api.gate.block import Block
from ledger.api.gate.shown import KeptSalts, ShownLog
from ledger.api.salts import parse_salt
from ledger.datasets.gathered import FAULTY
from ledger.datasets.looking import Looked
from ledger.datasets.rows import LINEAGE_ID, LINEAGE_SALT
from ledger.errors import RefusedInput

_ID_DIGITS = 2 * spec.HASH_BYTES


class Salted:
    """Finds them for one run."""

    def __init__(self, shown: ShownLog, salts: KeptSalts) -> None:
        self._shown = shown
        self._salts = salts
        self._sealers: list[bytes] | None = None

    def find(self, block: Block) -> Iterator[tuple[int, bytes]]:
        """(offset in the block, artifact id). Raises RefusedInput of a file that is read once more; StoreFault of the vault."""
        for start, run in block.starts():
            for at, cells, behind in run.salted():
                salt = _salt(cells[LINEAGE_SALT])
                if salt is not None:
                    for maker in self._makers(cells.get(LINEAGE_ID)):
                        digest = behind(spec.TAG_SEALED + maker + salt)
                        yield from ((start + at, found) for found in self._about(digest))
            yield from self._by_kept(start, run, block)

    def _by_kept(self, start: int, run: Looked, block: Block) -> Iterator[tuple[int, bytes]]:
        """What was sealed under a salt at hand: a look-up by the content's digest, compared with the content itself."""
        digests = block.digests[start : start + run.batch.row_count]
        kept = self._salts.of_contents(dict.fromkeys(digests))
        if not kept:
            return
        hits = [
            at for at, digest in enumerate(digests) if digest in kept and block.forms[start + at] != FAULTY
        ]
        for at, behind in run.behind(hits):
            for each in kept[digests[at]]:
                maker = self._shown.sealer_of(each.artifact_id)
                if maker is not None:
                    digest = behind(spec.TAG_SEALED + maker + each.salt)
                    yield from ((start + at, found) for found in self._about(digest))

    def _makers(self, named: object) -> list[bytes]:
        """Whose artifact it may be: of the one that the row names, else whoever sealed anything in this log."""
        if isinstance(named, str) and len(named) == _ID_DIGITS:
            try:
                maker = self._shown.sealer_of(bytes.fromhex(named))
            except ValueError:
                maker = None
            if maker is not None:
                return [maker]
        if self._sealers is None:
            self._sealers = sorted(self._shown.sealers())
        return self._sealers

    def _about(self, digest: bytes) -> list[bytes]:
        return [
            each.artifact_id
            for each in self._shown.find_contents(digest).get(digest, ())
            if each.form == "sealed"
        ]


def _salt(cell: object) -> bytes | None:
    """The salt in a cell; None if it holds none: such a row has no sealed artifact that could be found."""
    try:
        return parse_salt("salt", cell) if isinstance(cell, str) else None
    except RefusedInput:
        return None
