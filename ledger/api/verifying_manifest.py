"""Checking, offline, that data is what was gated: a verdict file, the receipt of its manifest, and the rows (SPEC §12.5).

Three things are held against each other. The receipt says who signed the manifest, and that it stands in the log. Its root says which rows were judged, in which order, and what each came to; the
verdict file has them. The rows of the data are then all that were judged, or exactly those that were admitted. All three are read once through, or the file twice beside
each other, a row group at a time: nothing grows with the rows.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import compress
from pathlib import Path
from typing import Any, Final, NamedTuple

from ledger.api.around import Progress, silent
from ledger.api.importing import ALONE_BYTES
from ledger.api.manifests import tree_of
from ledger.api.receipts import receipt_path
from ledger.api.verified import Signer, signer_of
from ledger.datasets.crew import Crew, worker_count
from ledger.datasets.dataset import Dataset, open_dataset
from ledger.datasets.files import load_file, printable
from ledger.datasets.looking import look
from ledger.datasets.verdict_file import NOTHING, VerdictFile, open_verdicts
from ledger.errors import NotFound, ProofInvalid, RefusedInput, Undecided
from ledger.identity.vkey import Vkey
from ledger.proofs.checkpoint import Checkpoint
from ledger.proofs.receipt import ReceiptFacts, check_receipt
from ledger.spec import HASH_BYTES, RECEIPT_BYTES_MAX
from ledger.statements.statement import log_id

JUDGED: Final = "judged"  # the data are all rows that were judged
ADMITTED: Final = "admitted"  # … exactly the rows that were admitted
_DIFFERENCES_MAX: Final = 4  # rows that differ which are told


@dataclass(slots=True)
class VerifiedManifest:
    """What became of a manifest and of data beside it.

    `facts`: of its receipt, where that holds. `about`: metadata of the verdict file. `data_rows`: how many rows the data has. `matches`: "judged", "admitted", or "" where it is neither, or was not compared.
    """

    manifest: str
    receipt: str
    data: str
    facts: ReceiptFacts | None = None
    about: dict[str, Any] = field(default_factory=dict)
    column: str | None = None
    data_rows: int = 0
    matches: str = ""
    faults: list[ProofInvalid] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether all holds, and the data is what was judged or admitted."""
        return bool(self.matches) and self.facts is not None and not self.faults

    @property
    def signer(self) -> Signer | None:
        """Who says so."""
        return None if self.facts is None else signer_of(self.facts)


def verify_manifest(
    manifest: str | os.PathLike[str],
    data: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    vkey: Vkey,
    *,
    receipt: str | os.PathLike[str] | None = None,
    column: str | None = None,
    workers: int | None = None,
    progress: Progress = silent,
) -> VerifiedManifest:
    """Checks a verdict file, the receipt of its manifest (the one beside it unless another is named) and data. What does not hold is in `faults`.

    `column`: the one that is compared, by default that of the verdict file. `workers`: processes that read the data. Raises NotFound `receipt-missing`; RefusedInput where
    data cannot be read or has no such column, and `file-changed`; StoreFault `worker-died`.
    """
    dataset = open_dataset(data)
    outcome = VerifiedManifest(
        os.fspath(manifest), os.fspath(receipt or receipt_path(manifest)), dataset.item
    )
    try:
        facts = _receipt(outcome.receipt, vkey, manifest)
        with open_verdicts(manifest) as file:
            outcome.about = file.about
            outcome.column = file.about["column"] if column is None else column
            dataset.check_column(outcome.column)
            _check_header(facts, file, vkey)
            _check_root(facts, file)
            outcome.facts = facts
            workers = _crew_size(dataset) if workers is None else workers
            with Crew(workers) as crew:
                _compare(outcome, file, crew, dataset, progress)
            file.check_unchanged()
    except ProofInvalid as error:
        outcome.faults.append(error)
    return outcome


def _crew_size(dataset: Dataset) -> int:
    return worker_count() if dataset.size_bytes > ALONE_BYTES else 0


def _receipt(path: str, vkey: Vkey, manifest: str | os.PathLike[str]) -> ReceiptFacts:
    """What the receipt proves, which is that of a manifest."""
    if not os.path.lexists(path):
        raise NotFound(
            "receipt-missing",
            printable(manifest),
            f"the receipt of its manifest does not lie beside it ({printable(Path(path).name)})",
            "Name it: --receipt FILE; whoever gated signs one: lineage gate DATASET --policy P --verdicts OUT --sign-by NAME",
        )
    try:
        _, text = load_file(path, max_bytes=RECEIPT_BYTES_MAX)
    except RefusedInput as error:
        if error.code != "too-large":
            raise
        raise ProofInvalid("receipt-invalid", printable(path), error.reason, error.fix) from error
    facts = check_receipt(text, vkey)
    record = facts.record
    if record.form != "manifest" or record.stance != "made":
        raise ProofInvalid(
            "manifest-differs",
            printable(path),
            f"it is the receipt of a '{record.kind}' of form '{record.form}' ({record.stance}), and not of what its signer judged",
            "Name the receipt of the manifest: --receipt FILE",
        )
    return facts


def _check_header(facts: ReceiptFacts, file: VerdictFile, vkey: Vkey) -> None:
    """Whether the metadata of the file are what was signed, and name this log and a checkpoint before the manifest."""
    about, said = file.about, facts.record.fields["facts"]
    for name, key in (("checkpoint", "checkpoint"), ("policy", "policy"), ("trust", "trust")):
        if said[name].hex() != about[key]:
            raise _differs(
                file, f"its metadata name another {name} ({about[key]}) than was signed ({said[name].hex()})"
            )
    for name, key in (("time", "at_ms"), ("count", "count")):
        if said[name] != about[key]:
            raise _differs(
                file, f"its metadata say another {name} ({about[key]}) than was signed ({said[name]})"
            )
    if about["log_id"] != log_id(str(vkey)).hex():
        raise _differs(file, f"its rows were judged by the log {about['log_origin']!a}, which is not trusted")
    checkpoint = None
    with suppress(ProofInvalid):
        checkpoint = Checkpoint(
            about["log_origin"], about["checkpoint_size"], bytes.fromhex(about["checkpoint_root"])
        )
    if checkpoint is None or checkpoint.digest != said["checkpoint"]:
        raise _differs(file, "its metadata name another origin, size or root than the log checkpoint signed")
    if facts.log_index < checkpoint.size:
        raise _differs(
            file,
            f"its manifest stands at log index {facts.log_index}, before the log checkpoint of size {checkpoint.size} under which its rows were judged",
        )


def _check_root(facts: ReceiptFacts, file: VerdictFile) -> None:
    try:
        tree = tree_of(file)
    except Undecided as error:
        raise _differs(file, "it has rows of which nothing is decided") from error
    if tree.root() != facts.record.content or tree.size_bytes != facts.record.fields["size"]:
        raise _differs(
            file,
            "its rows are not those that were signed: a digest, an artifact, a verdict or the order is another",
        )


def _differs(file: VerdictFile, reason: str) -> ProofInvalid:
    return ProofInvalid(
        "manifest-differs",
        printable(file.path),
        reason,
        "Ask whoever gated for the verdict file and its receipt again, or gate yourself: lineage gate",
    )


class _Difference(NamedTuple):
    """Where data is another: which row of it, which one was judged, and the digests of both; None: there is none any more."""

    row: int
    judged_row: int | None
    expected: bytes | None
    found: bytes | None


class _Follower:
    """Rows of the data, held against rows that are expected, until some differ."""

    def __init__(self, name: str, file: VerdictFile, count: int) -> None:
        self.name = name
        self.count = count
        self.differences: list[_Difference] = []
        self.before = b""  # the row of the data before the first that differs
        self._chunks = _judged(file) if name == JUDGED else _admitted(file)
        self._digests = b""
        self._places: Sequence[int] = ()  # in the judged dataset
        self._at = 0  # rows of the chunk that were compared
        self._row = 0
        self._last = b""

    def take(self, digests: bytes) -> None:
        """The next rows of the data."""
        start = 0
        while start < len(digests) and len(self.differences) < _DIFFERENCES_MAX:
            rows = min(self._left(), (len(digests) - start) // HASH_BYTES)
            if not rows:  # nothing more is expected
                self._differ(None, None, digests[start : start + HASH_BYTES])
                rows = 1
            else:
                at = self._at * HASH_BYTES
                expected = self._digests[at : at + rows * HASH_BYTES]
                if expected != digests[start : start + rows * HASH_BYTES]:
                    rows = self._first_difference(expected, digests[start : start + rows * HASH_BYTES])
                self._at += rows
            start += rows * HASH_BYTES
            self._row += rows
            self._last = digests[start - HASH_BYTES : start]

    def end(self) -> None:
        """There are no more rows."""
        if len(self.differences) < _DIFFERENCES_MAX and self._left():
            at = self._at * HASH_BYTES
            self._differ(self._places[self._at], self._digests[at : at + HASH_BYTES], None)

    def _left(self) -> int:
        """How many rows of the chunk at hand were not compared; of the next one where none is left."""
        while self._at >= len(self._places):
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._digests, self._places = chunk
            self._at = 0
        return len(self._places) - self._at

    def _first_difference(self, expected: bytes, found: bytes) -> int:
        """Notes the first row that differs; how many were compared with that."""
        size = HASH_BYTES
        at = next(
            at for at in range(0, len(found), size) if found[at : at + size] != expected[at : at + size]
        )
        place = at // size
        if place:
            self._last = found[at - size : at]
        self._row += place
        self._differ(self._places[self._at + place], expected[at : at + size], found[at : at + size])
        self._row -= place
        return place + 1

    def _differ(self, judged_row: int | None, expected: bytes | None, found: bytes | None) -> None:
        if not self.differences:
            self.before = self._last
        self.differences.append(_Difference(self._row, judged_row, expected, found))


_Chunk = tuple[bytes, Sequence[int]]  # digests, and which rows of the judged dataset they are


def _judged(file: VerdictFile) -> Iterator[_Chunk]:
    """All rows of the verdict file."""
    row_index = 0
    for digests, flags in file.digests():
        yield digests, range(row_index, row_index + len(flags))
        row_index += len(flags)


def _admitted(file: VerdictFile) -> Iterator[_Chunk]:
    """Those that were admitted."""
    row_index = 0
    for digests, flags in file.digests():
        places = list(compress(range(len(flags)), flags))
        found = b"".join(digests[place * HASH_BYTES : (place + 1) * HASH_BYTES] for place in places)
        yield found, [row_index + place for place in places]
        row_index += len(flags)


def _compare(
    outcome: VerifiedManifest, file: VerdictFile, crew: Crew, dataset: Dataset, progress: Progress
) -> None:
    """Reads the data once, beside all rows and beside those admitted."""
    followers = [
        _Follower(JUDGED, file, file.count),
        _Follower(ADMITTED, file, int(file.about["admitted"])),
    ]
    for run in look(crew, dataset, outcome.column):
        for follower in followers:
            follower.take(run.batch.digests)
        outcome.data_rows += run.batch.row_count
        progress(outcome.data_rows, dataset.row_count)
    for follower in followers:
        follower.end()
        if not follower.differences and not outcome.matches:
            outcome.matches = follower.name
    if not outcome.matches:
        outcome.faults += _faults(outcome, followers)


def _faults(outcome: VerifiedManifest, followers: Sequence[_Follower]) -> Iterator[ProofInvalid]:
    """The first rows that differ, from what the data comes nearest to."""

    def nearness(follower: _Follower) -> tuple[bool, int, int]:
        off = abs(follower.count - outcome.data_rows)
        return not off, follower.differences[0].row, -off

    near = max(followers, key=nearness)
    judged, admitted = (follower.count for follower in followers)
    counts = f"{outcome.data_rows:,} rows here, {judged:,} were judged, {admitted:,} admitted"
    for place, difference in enumerate(near.differences):
        item = f"{printable(outcome.data)}, row {difference.row}"
        if place:
            yield _data_differs(item, _alone(difference))
        else:
            yield _data_differs(
                item, f"{_first(near, difference)} ({counts}; compared with those {near.name})"
            )
        if difference.found is None or difference.expected is None:
            return


def _first(near: _Follower, first: _Difference) -> str:
    """What became of the first row that differs, by the one behind it."""
    behind = near.differences[1] if len(near.differences) > 1 else None
    if behind is None or behind.row != first.row + 1 or first.found is None or first.expected is None:
        return _twice(first) if near.before and first.found == near.before else _alone(first)
    if (first.found, behind.found) == (behind.expected, first.expected):
        return f"it and the next row have changed places: here should be row {first.judged_row} of the judged dataset"
    if first.found == behind.expected:
        return f"row {first.judged_row} of the judged dataset is missing here, and the rows behind it have moved up"
    if behind.found == first.expected:
        return (
            _twice(first)
            if first.found == near.before
            else "it is a row too many: the rows behind it have moved down"
        )
    return _alone(first)


def _twice(difference: _Difference) -> str:
    return f"it is the row before it once more; nothing was said of row {difference.row} like that"


def _alone(difference: _Difference) -> str:
    if difference.expected is None:
        return "it stands behind the last of the rows"
    if difference.found is None:
        return f"the data ends here; row {difference.judged_row} of the judged dataset, and what follows, is missing"
    if difference.found == NOTHING:
        return f"no reader takes it as a row; row {difference.judged_row} of the judged dataset was one"
    return f"its content is not that of row {difference.judged_row} of the judged dataset"


def _data_differs(item: str, reason: str) -> ProofInvalid:
    return ProofInvalid(
        "manifest-differs",
        item,
        reason,
        "Take the data as it was judged or written by the gate, or have it judged again: lineage gate DATASET --policy P --sign-by NAME",
    )
