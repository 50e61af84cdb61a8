"""What an audit reads: a ledger's store, or the folder of files that a log published (SPEC §10.3).

Both give bundles of entries and records by number and tell where a stored tile departs from the one recomputed.
Neither is believed: whatever is given is hashed, and what is damaged or absent is a StoreFault that the audit names.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from ledger.audit.report import AuditReport, entries_named
from ledger.errors import ProofInvalid, RefusedInput, StoreFault
from ledger.fold.faults import Fault, fault_of
from ledger.identity.vkey import Vkey
from ledger.merkle import tiles
from ledger.merkle.tree import hash_leaf
from ledger.proofs.checkpoint import Checkpoint, open_checkpoint
from ledger.proofs.note import parse_note
from ledger.spec import HASH_BYTES, TILE_WIDTH, TREE_SIZE_MAX
from ledger.statements.entry import decode_entry
from ledger.store.bundles import Erased, items, offsets, record_items
from ledger.store.contract import Snapshot, Space, key_u64
from ledger.store.head import Head, decode_head
from ledger.store.reader import StoreReader
from ledger.store.static import StaticReader

Difference = tuple[int | None, str]  # position in the tile's row, or None: above it; and what is wrong

_OTHER_HASHES: Final = "it is not what its entries hash to"


class Source(ABC):
    """One copy of a log. `open` sets `size`, as far as the copy can say it."""

    vkey: Vkey | None
    size: int = 0

    @abstractmethod
    def open(self, report: AuditReport) -> None:
        """Reads note, size and vkey into `report` and self; faults are reported. Without a size nothing else is possible."""

    @abstractmethod
    def entries(self, number: int) -> list[bytes]:
        """The entries of a bundle, as many as `size` has there. Raises StoreFault."""

    @abstractmethod
    def records(self, number: int) -> list[bytes | Erased]:
        """The records of a bundle, as many as are there. Raises StoreFault."""

    @abstractmethod
    def leaf_hashes(self, number: int) -> list[bytes]:
        """The row of a tile of level 0, as it is stored. Raises StoreFault."""

    @abstractmethod
    def difference(self, level: int, number: int, expanded: bytes) -> Difference | None:
        """Where the stored tile departs from `expanded`, the one recomputed. Raises StoreFault."""

    @abstractmethod
    def beside(self, full_path: str, parts: Sequence[bytes]) -> list[str]:
        """What is wrong with the copy's other files of a tile or bundle, of which `parts` were audited.

        `full_path` is that of the full one; `parts` are its hashes, or its items with their lengths.
        """

    def _open_note(self, note: bytes, report: AuditReport) -> Checkpoint | None:
        """The checkpoint of a note, its signature checked; with a fault, what it says unsigned, if it says anything."""
        report.note = note
        try:
            if self.vkey is None:
                raise ProofInvalid("note-invalid", "signed note", "no vkey is known to check it with")
            report.checkpoint = open_checkpoint(note, [self.vkey])
            return report.checkpoint
        except ProofInvalid as error:
            report.accuse(fault_of(error, 0))
        try:
            return Checkpoint.parse(parse_note(note).text)
        except ProofInvalid:
            return None


def _first_difference(stored: bytes, expected: bytes) -> int:
    starts = range(0, max(len(stored), len(expected)), HASH_BYTES)
    return (
        next(at for at in starts if stored[at : at + HASH_BYTES] != expected[at : at + HASH_BYTES])
        // HASH_BYTES
    )


def _split(row: bytes) -> list[bytes]:
    return [row[at : at + HASH_BYTES] for at in range(0, len(row), HASH_BYTES)]


class LedgerSource(Source):
    """A ledger's store, as of one snapshot; `vkey` is the marker's."""

    def __init__(self, snapshot: Snapshot, vkey: Vkey) -> None:
        self.snapshot = snapshot
        self.vkey: Vkey = vkey
        self.head = Head()
        self._reader = StoreReader(snapshot)

    @property
    def is_ahead(self) -> bool:
        """Whether entries are stored behind the signed ones: a commit that did not come to its end."""
        return self.head.size > self.size

    def open(self, report: AuditReport) -> None:
        """The head, and the note in it (Source)."""
        try:
            self.head = decode_head(bytes(self.snapshot.head()))
        except StoreFault as error:
            report.miss(fault_of(error, 0))
            return
        checkpoint = self._open_note(self.head.note, report) if self.head.note else None
        if self.head.size > TREE_SIZE_MAX:
            report.accuse(
                Fault(0, "ledger-damaged", f"the head says {self.head.size} entries, over {TREE_SIZE_MAX}")
            )
            self.head = replace(self.head, size=checkpoint.size if checkpoint else 0)
        self.size = checkpoint.size if checkpoint else self.head.size
        if not self.head.note:
            report.incomplete = True
            report.remarks.append("There is no signed checkpoint yet.")
        if report.checkpoint and self.is_ahead:
            report.remarks.append(
                f"Unfinished commit of entries [{self.size}, {self.head.size}): open the ledger for writing to finish it."
            )

    def extend(self) -> None:
        """From here on the entries of a commit in flight are seen, too."""
        self.size = self.head.size

    def entries(self, number: int) -> list[bytes]:
        """A bundle of entries (Source)."""
        bundle = self.snapshot.get(Space.ENTRIES, key_u64(number))
        found = [] if bundle is None else [bytes(item) for item in items(bundle)]
        width = min(TILE_WIDTH, self.size - number * TILE_WIDTH)
        if len(found) < width:
            raise StoreFault(
                "entry-missing", f"entry {number * TILE_WIDTH + len(found)}", "the store does not hold it"
            )
        return found[:width]

    def records(self, number: int) -> list[bytes | Erased]:
        """A bundle of records (Source)."""
        bundle = self.snapshot.get(Space.RECORDS, key_u64(number))
        if bundle is None:
            return []
        return [item if isinstance(item, Erased) else bytes(item) for item in record_items(bundle)]

    def leaf_hashes(self, number: int) -> list[bytes]:
        """A tile's row (Source)."""
        width = min(TILE_WIDTH, self.size - number * TILE_WIDTH)
        return _split(self._reader.tile(0, number)[: width * HASH_BYTES])

    def beside(self, _full_path: str, _parts: Sequence[bytes]) -> list[str]:
        """A store keeps each once (Source)."""
        return []

    def difference(self, level: int, number: int, expanded: bytes) -> Difference | None:
        """All nodes of an expanded tile (Source). Behind an unfinished commit it may be wider than the signed size asks."""
        stored = self._reader.tile(level, number)
        if stored == expanded:
            return None
        width = tiles.width_of(expanded)
        if self.is_ahead and len(stored) > len(expanded):
            is_wider = _is_wider(stored, tiles.row(expanded))
            return None if is_wider else (None, "it is no tile that extends the signed one")
        position = _first_difference(stored, expanded)
        return position if position < width else None, _OTHER_HASHES


def _is_wider(stored: bytes, row: bytes) -> bool:
    """Whether `stored` is a sound expanded tile whose row begins with `row`."""
    for width in range(len(row) // HASH_BYTES + 1, TILE_WIDTH + 1):
        wide = stored[: width * HASH_BYTES]
        if len(stored) == (2 * width - width.bit_count()) * HASH_BYTES:
            return wide.startswith(row) and tiles.expand(_split(wide)) == stored
    return False


class FolderSource(Source):
    """A published folder. Without `vkey` the log's own genesis names it, and the report says `self_trusted`.

    How much there is to read is believed of a signed checkpoint alone: without a signature that holds there is no size.
    """

    def __init__(self, folder: Path, vkey: Vkey | None = None) -> None:
        self._folder = folder
        self._given = self.vkey = vkey
        self._reader = StaticReader(folder, 0, 0)

    def open(self, report: AuditReport) -> None:
        """The checkpoint file; then, in the last entry, how many records there are (Source)."""
        report.self_trusted = self._given is None
        try:
            note = self._reader.checkpoint()
            unsigned = Checkpoint.parse(parse_note(note).text)
        except (StoreFault, ProofInvalid) as error:
            report.miss(fault_of(error, 0))
            return
        self._reader = StaticReader(self._folder, unsigned.size, 0)
        if self.vkey is None:
            self.vkey = self._own_vkey(report)
        self._open_note(note, report)
        if report.checkpoint is None:
            report.incomplete = True
            return
        self.size = report.checkpoint.size
        self._reader = StaticReader(self._folder, self.size, self._record_count())

    def _own_vkey(self, report: AuditReport) -> Vkey | None:
        try:
            return Vkey.parse(decode_entry(self._reader.entry(0)).statement.body["vkeys"][0])
        except KeyError:
            reason = "entry 0 names no vkey"
        except (RefusedInput, StoreFault) as error:
            reason = error.reason
        bundle = entries_named(0, min(TILE_WIDTH, self._reader.size))
        text = f"no vkey can be taken from the genesis, in {bundle}: {reason}"
        report.miss(Fault(0, "genesis-illegal", text))
        return None

    def _record_count(self) -> int:
        """What the last entry says; it is held to the replay like every state."""
        try:
            statement = decode_entry(self._reader.entry(self.size - 1)).statement
        except (RefusedInput, StoreFault):
            return 0
        return int(statement.body["records"]) if statement.type == "state" else 0

    def entries(self, number: int) -> list[bytes]:
        """A bundle of entries (Source)."""
        start = number * TILE_WIDTH
        return list(self._reader.entries(start, min(start + TILE_WIDTH, self.size)))

    def records(self, number: int) -> list[bytes | Erased]:
        """A bundle of records (Source)."""
        start = number * TILE_WIDTH
        return list(self._reader.records(start, min(start + TILE_WIDTH, self._reader.record_count)))

    def leaf_hashes(self, number: int) -> list[bytes]:
        """A tile's row (Source)."""
        return _split(self._reader.hashes(0, number))

    def difference(self, level: int, number: int, expanded: bytes) -> Difference | None:
        """The row of a tile (Source)."""
        row = tiles.row(expanded)
        stored = self._reader.hashes(level, number)
        return None if stored == row else (_first_difference(stored, row), _OTHER_HASHES)

    def beside(self, full_path: str, parts: Sequence[bytes]) -> list[str]:
        """Files of other sizes, which a reader may be served or fall back to (C2SP tlog-tiles, "Partial Tiles").

        Those of earlier sizes are the beginning of `parts`, but for records that were erased since. Wider ones may be of a publication under way, whose
        checkpoint is still to come: they are well-formed and begin with `parts`; what follows nobody has signed yet.
        """
        wrong = []
        try:
            widths = self._reader.widths(full_path)
        except StoreFault as error:
            return [f"{full_path}.p: {error.reason}"]
        for width in widths:
            if width == len(parts):
                continue
            name = full_path if width == TILE_WIDTH else f"{full_path}.p/{width}"
            try:
                is_sound = _agrees(full_path, self._reader.read(name), width, parts)
            except StoreFault as error:
                wrong.append(f"{name}: {error.reason}")
                continue
            if not is_sound:
                wrong.append(
                    f"{name} is not of {width} of which the first {min(width, len(parts))} are the log's"
                )
        return wrong


def _agrees(full_path: str, data: bytes, width: int, parts: Sequence[bytes]) -> bool:
    """Whether a file holds `width` hashes or items, and those of `parts` among them. Raises StoreFault."""
    if full_path.startswith("records/"):
        return _are_records(data, width, parts)
    if width < len(parts):
        return data == b"".join(parts[:width])
    if not data.startswith(b"".join(parts)):
        return False
    if full_path.startswith("tile/entries/"):
        return len(offsets(data)) == width
    return len(data) == width * HASH_BYTES


def _are_records(data: bytes, width: int, parts: Sequence[bytes]) -> bool:
    """The same of a bundle of records, which is not immutable (SPEC §8.2): an earlier one may hold what is erased by now, one of a
    publication under way may have erased what is held, and either says the same of which records they are. Raises StoreFault.
    """
    found, audited = _leaves(data), [leaf for part in parts for leaf in _leaves(part)]
    known = min(width, len(audited))
    if len(found) != width or [leaf for leaf, _ in found[:known]] != [leaf for leaf, _ in audited[:known]]:
        return False
    is_wider = width > len(audited)
    return is_wider or all(
        was_erased or not is_erased
        for (_, is_erased), (_, was_erased) in zip(found, audited[:known], strict=True)
    )


def _leaves(bundle: bytes) -> list[tuple[bytes, bool]]:
    """Of each record the leaf hash, and whether it is erased."""
    return [
        (item.leaf_hash, True) if isinstance(item, Erased) else (hash_leaf(bytes(item)), False)
        for item in record_items(bundle)
    ]
