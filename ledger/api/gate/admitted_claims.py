"""From a verdict file back to what stands in the log: the artifacts, and rows of imported datasets, by which its rows were admitted (SPEC §12.5).

A verdict file names for each row the artifact by which it was judged. Of a row of a `rows` record that is the record, and the row in it is found
again by its digest: first where the rows follow one another in both as they did when the dataset was imported, else through the order of the sidecar.
Which of several rows with one digest is taken makes no difference, unless something is said of one of them by itself: then it is all of them.

Nothing here is proved: whoever makes a proof of these subjects hashes each up to the signed root.
"""

from __future__ import annotations

import os
from array import array
from collections import OrderedDict
from collections.abc import Iterator
from itertools import groupby
from typing import Final, NamedTuple, Self

from ledger.api.access import Access
from ledger.api.gate.block import RowDigests
from ledger.api.gate.rows_found import common_rows, pieces_of
from ledger.datasets.files import printable
from ledger.datasets.verdict_file import NOTHING, VerdictBlock, VerdictFile, open_verdicts
from ledger.datasets.verdict_form import invalid
from ledger.errors import RefusedInput, Undecided
from ledger.fold.topics import Topic, topic_key
from ledger.log.rows import rows_records
from ledger.log.view import LogView
from ledger.merkle.order import find_in_order
from ledger.origin.lattice import Verdict
from ledger.proofs.rows import open_rows, rows_differ
from ledger.spec import HASH_BYTES
from ledger.store.rows_file import RowsFile, RowsFolder

_OPEN_MAX: Final = 64  # sidecars
_TRIES_MAX: Final = 4  # to find where rows follow one another again, in a block
_SEEK_ROWS: Final = 400  # rows that are gone through in the time in which one digest is sought
_CHUNK: Final = 65_536  # rows that are gone through together
_SUBJECTS: Final = (Topic.NOTICES, Topic.ATTESTATIONS)


class AdmittedSubjects(NamedTuple):
    """`artifacts`: ids, each once, in the order of the rows; `rows`: by the id of a `rows` record, ascending, its row indices, ascending (arrays of "I")."""

    artifacts: list[bytes]
    rows: dict[bytes, array[int]]


def admitted_subjects(access: Access, view: LogView, path: str | os.PathLike[str]) -> AdmittedSubjects:
    """The subjects of all admitted rows of a verdict file.

    Holds one row group at a time, each distinct id, and of each dataset a byte a row. Raises ProofInvalid `verdicts-invalid`, `rows-differ`
    where a row that was admitted is in its dataset no more; RefusedInput `wrong-log`, `checkpoint-behind`; Undecided `undecided`; StoreFault `rows-missing`, `rows-damaged`.
    """
    artifacts: dict[bytes, None] = {}
    with open_verdicts(path) as file, _Sidecars(access.rows) as sidecars:
        _check_may_be_proved(access, view, file)
        sets = {item.record.id for item in rows_records(view)}
        found: dict[bytes, _Dataset] = {}
        for block in file.blocks():
            digests = RowDigests(block.digests)
            touched: dict[bytes, _Dataset] = {}
            for start, stop, artifact_id in _admitted_runs(block):
                if artifact_id == NOTHING:
                    raise invalid(file.path, f"row {block.row_index + start} is admitted by no artifact")
                if artifact_id not in sets:
                    artifacts[artifact_id] = None
                    continue
                sidecar = sidecars.get(artifact_id)
                if artifact_id not in found:
                    found[artifact_id] = _Dataset(view, artifact_id, sidecar)
                dataset = touched[artifact_id] = found[artifact_id]
                dataset.take(sidecar, RowDigests(digests.part(start, stop)), block.row_index + start)
            for artifact_id, dataset in touched.items():
                dataset.settle(sidecars.get(artifact_id))
        file.check_unchanged()
    return AdmittedSubjects(
        list(artifacts), {artifact_id: found[artifact_id].taken() for artifact_id in sorted(found)}
    )


class _Sidecars:
    """Sidecars that are open, a few at once."""

    def __init__(self, folder: RowsFolder) -> None:
        self._folder = folder
        self._open: OrderedDict[bytes, RowsFile] = OrderedDict()

    def get(self, artifact_id: bytes) -> RowsFile:
        """The sidecar of a record. Raises StoreFault as `RowsFolder.open`."""
        sidecar = self._open.get(artifact_id)
        if sidecar is None:
            sidecar = self._open[artifact_id] = self._folder.open(artifact_id)
            if len(self._open) > _OPEN_MAX:
                self._open.popitem(last=False)[1].close()
        self._open.move_to_end(artifact_id)
        return sidecar

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        for sidecar in self._open.values():
            sidecar.close()


class _Dataset:
    """A `rows` record, and which of its rows were admitted."""

    def __init__(self, view: LogView, artifact_id: bytes, sidecar: RowsFile) -> None:
        open_rows(artifact_id, sidecar)
        self._id = artifact_id
        self._taken = bytearray(sidecar.count)
        self._shift = (
            0  # from the number of a row in the judged dataset to its row here, as of the last that was found
        )
        self._tries = _TRIES_MAX
        self._missed: dict[
            bytes, int
        ] = {}  # digests that are not where the last one was, and the number of a row with each
        self._alone = {sidecar.digest(row) for row in _named_rows(view, artifact_id) if row < sidecar.count}

    def take(self, sidecar: RowsFile, digests: RowDigests, number: int) -> None:
        """Rows that follow one another, the first of which has this number; some are found when they are settled."""
        at = 0
        while at < len(digests):
            row = self._place(sidecar, digests[at], number + at)
            if row is None:
                self._missed.setdefault(digests[at], number + at)
                at += 1
                continue
            count = common_rows(digests, at, sidecar, row)
            self._taken[row : row + count] = b"\1" * count
            self._shift = row - (number + at)
            at += count
        if self._alone:
            for digest in self._alone.intersection(digests):
                for place in _places(sidecar, digest):
                    self._taken[sidecar.order[place]] = 1

    def settle(self, sidecar: RowsFile) -> None:
        """Finds what is in another order here: few digests by the sidecar's order, many by going through it once.

        Raises ProofInvalid `rows-differ`.
        """
        missed, self._missed, self._tries = self._missed, {}, _TRIES_MAX
        if len(missed) * _SEEK_ROWS < sidecar.count:
            for digest in list(missed):
                places = _places(sidecar, digest)
                if places:
                    self._taken[sidecar.order[places.start]] = 1
                    del missed[digest]
        for start in range(0, sidecar.count, _CHUNK):
            if not missed:
                return
            for row, digest in enumerate(pieces_of(sidecar.digests(start, start + _CHUNK)), start):
                if digest in missed:
                    self._taken[row] = 1
                    del missed[digest]
        if missed:
            reason = f"row {min(missed.values())} of the verdict file was admitted by it, and is not in it"
            raise rows_differ(self._id, reason)

    def _place(self, sidecar: RowsFile, digest: bytes, number: int) -> int | None:
        """Where a row is, if it follows the last one as it did there; a few times in a block it is sought."""
        row = number + self._shift
        if sidecar.digest(row) == digest:
            return row
        if not self._tries:
            return None
        self._tries -= 1
        places = _places(sidecar, digest)
        return sidecar.order[places.start] if places else None

    def taken(self) -> array[int]:
        """The rows, ascending."""
        return array("I", (row for row, flag in enumerate(self._taken) if flag))


def _places(sidecar: RowsFile, digest: bytes) -> range:
    return find_in_order(digest, sidecar.order, sidecar.digest)


def _named_rows(view: LogView, artifact_id: bytes) -> Iterator[int]:
    """The rows of a dataset of which anybody said anything by itself, whether it counts or not."""
    for topic in _SUBJECTS:
        for log_index in view.topic_entries(topic_key(topic, artifact_id)):
            for subject in view.statement(log_index).body["subjects"]:
                if subject[0] == artifact_id and len(subject) > 1:
                    yield subject[1]


def _admitted_runs(block: VerdictBlock) -> Iterator[tuple[int, int, bytes]]:
    """[start, stop) of rows that follow one another and were admitted by one artifact; its id."""
    flags = [told.verdict == Verdict.ADMITTED.label for told in block.told]
    ids = block.artifact_ids

    def by(at: int) -> bytes | None:
        return bytes(ids[at * HASH_BYTES : (at + 1) * HASH_BYTES]) if flags[block.outcomes[at]] else None

    at = 0
    for artifact_id, run in groupby(range(len(block.outcomes)), by):
        count = sum(1 for _ in run)
        if artifact_id is not None:
            yield at, at + count, artifact_id
        at += count


def _check_may_be_proved(access: Access, view: LogView, file: VerdictFile) -> None:
    about = file.about
    if about["log_id"] != view.log_id.hex():
        raise RefusedInput(
            "wrong-log",
            printable(file.path),
            f"its rows were judged by the log {about['log_origin']!a}, and this is {access.marker.origin!a}",
            "Prove it from the ledger by which it was judged: --ledger DIR",
        )
    if about["undecided"]:
        raise Undecided(
            "undecided",
            printable(file.path),
            f"of {about['undecided']:,} of its rows nothing is decided",
            "Gate by a policy that decides: lineage gate DATASET --policy balanced --verdicts OUT",
        )
    if about["checkpoint_size"] > view.checkpoint.size:
        raise RefusedInput(
            "checkpoint-behind",
            f"ledger of {view.checkpoint.size:,} entries",
            f"{printable(file.path)} was judged by {about['checkpoint_size']:,}: the ledger is an older copy, or the beginning of another history",
            "Take the newest copy of the ledger.",
        )
