"""Reading for training: the rows of a dataset that a verdict file admits, and no other (SPEC §12.5).

    rows = ledger.admitted_rows("data/", "verdicts.parquet")
    for row in rows: ...                                             # each as it is in its file
    DataLoader(ledger.for_torch(rows), batch_size=32, num_workers=4)
    only = ledger.only_admitted(dataset, "verdicts.parquet")         # of rows in memory, such as a `datasets.Dataset`

Nothing is needed but the dataset and the verdict file: no ledger, no key, no store. Before a row is handed out, its digest is compared with the one that was
judged. So what a trainer gets was judged, whatever became of the dataset in between; and one that is not the judged one is an error, not a smaller dataset.

*Shares.* Several readers (ranks of a distributed training, workers of a loader) divide the admitted rows by their number, each a stretch of them that follow each
other, as even as can be. Each looks for its own stretch in the verdict file, passes over the rows before, and stops behind its last; who has the last stretch reads to the
end, and so sees whether there are more rows than were judged. Which share a worker of PyTorch's DataLoader has, PyTorch says in the worker.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Generator, Iterator, Sequence
from functools import cache
from importlib import import_module
from typing import Any, Final

from ledger.datasets.dataset import Part, open_dataset
from ledger.datasets.files import printable
from ledger.datasets.formats import JSONL, TEXT
from ledger.datasets.judged import Judged, Share, open_judged, rows_differ
from ledger.datasets.members import WholeRow, chosen_rows, member_names
from ledger.datasets.rows import column_missing, row_item
from ledger.errors import RefusedInput

Path_ = str | os.PathLike[str]
_TORCH_DATA: Final = "torch.utils.data"


class AdmittedRows:
    """The admitted rows of a dataset of files, in order; made by `admitted_rows`. It can be iterated again, pickled, and handed to workers.

    `about`: what the verdict file says of itself (SPEC §12.5). `len()`: how many rows this rank has.
    """

    def __init__(
        self,
        dataset: Path_ | Sequence[Path_],
        verdicts: Path_,
        *,
        column: str | None = None,
        rank: int = 0,
        world_size: int = 1,
        shuffle_rows: int = 0,
        seed: int = 0,
        format: str | None = None,  # noqa: A002 - what it is called everywhere else
        folder_is: str | None = None,
        partitions: bool = True,
    ) -> None:
        """As `admitted_rows` says."""
        if not 0 <= rank < world_size:
            reason = f"rank {rank} is none of {world_size}"
            raise RefusedInput("usage", "rank", reason, "Ranks are 0 to world_size - 1.")
        if shuffle_rows < 0:
            raise RefusedInput(
                "usage", "shuffle_rows", "it is negative", "Name how many rows are held; 0: none."
            )
        self._dataset = open_dataset(dataset, format_=format, folder_is=folder_is, partitions=partitions)
        self._verdicts = os.fspath(verdicts)
        self._column = column
        self._rank, self._world_size = rank, world_size
        self._shuffle_rows, self._seed, self._epoch = shuffle_rows, seed, 0
        with open_judged(verdicts) as judged:
            self.about = judged.about
            self._known = judged.fingerprint
            self._dataset.check_column(judged.column)
            row_count = self._dataset.row_count
            if row_count is not None:
                judged.check_count(row_count, self._dataset.item)
        if column is not None:
            for part in self._dataset.parts:
                _check_member(part, column)

    @property
    def column(self) -> str | None:
        """The column that is handed out, None for all of a row."""
        return self._column

    def __len__(self) -> int:
        first, stop = self._numbers(0, 1)
        return stop - first

    def __iter__(self) -> Iterator[Any]:
        worker, workers = _worker()
        rows = self._rows(worker, workers)
        if self._shuffle_rows > 1:
            return _shuffled(rows, self._shuffle_rows, f"{self._seed} {self._epoch} {self._rank} {worker}")
        return rows

    def set_epoch(self, epoch: int) -> None:
        """Shuffles in another order from the next iteration on, the same for the same seed and number."""
        self._epoch = epoch

    def _numbers(self, worker: int, workers: int) -> tuple[int, int]:
        """Which of the admitted rows a worker of this rank reads, by their number."""
        first, stop = _divided(0, int(self.about["admitted"]), self._rank, self._world_size)
        return _divided(first, stop, worker, workers)

    def _rows(self, worker: int, workers: int) -> Iterator[Any]:
        is_last = (self._rank, worker) == (self._world_size - 1, workers - 1)
        with open_judged(self._verdicts) as judged:
            judged.check_is(self._known)
            share = judged.share(*self._numbers(worker, workers))
            base = 0
            for part in self._dataset.parts:
                if base >= share.stop and not is_last:
                    break
                base += yield from self._of_part(part, base, judged, share, is_last=is_last)
            if is_last or base < share.stop:
                judged.check_count(base, self._dataset.item)
            judged.check_unchanged()

    def _of_part(
        self, part: Part, base: int, judged: Judged, share: Share, *, is_last: bool
    ) -> Generator[Any, None, int]:
        """The rows of a part, the first of which has that index in the dataset; returns how many there are, as far as they were counted."""
        if part.row_count is not None and (base + part.row_count <= share.first or base >= share.stop):
            return part.row_count

        def choose(first: int, count: int) -> bytes:
            if base + first + count > judged.count:
                first_surplus = judged.count - base
                reason = (
                    f"{printable(self._verdicts)} judges {judged.count:,} rows, and it stands behind them"
                )
                raise rows_differ(_row_item(part, first_surplus), reason)
            return judged.choose(share, base + first, count)

        stop = judged.count + 1 - base if is_last else share.stop - base
        first = max(0, share.first - base)
        rows = chosen_rows(part, judged.column, self._column, choose, first=first, stop=stop)
        while True:
            try:
                row = next(rows)
            except StopIteration as end:
                return int(end.value)
            yield self._checked(part, row, base, judged)

    def _checked(self, part: Part, row: WholeRow, base: int, judged: Judged) -> Any:
        """What is handed out of a row that is the one that was judged."""
        row_index = base + row.row_index
        if row.fault is not None:
            raise judged.no_row(row_index, _row_item(part, row.row_index), row.fault) from row.fault
        if judged.digest(row_index) != row.digest:
            raise judged.other_row(row_index, _row_item(part, row.row_index))
        if self._column is None:
            return row.members
        if self._column not in row.members:
            missing = column_missing(self._column, list(row.members))
            raise RefusedInput(missing.code, _row_item(part, row.row_index), missing.reason, missing.fix)
        return row.members[self._column]


def _check_member(part: Part, column: str) -> None:
    names = member_names(part)
    if names is not None and column not in names:
        missing = column_missing(column, names)
        raise RefusedInput(missing.code, printable(part.path), missing.reason, missing.fix)


def _row_item(part: Part, row_index: int) -> str:
    return row_item(printable(part.path), row_index, is_line=part.format.name in (JSONL, TEXT))


def _divided(first: int, stop: int, number: int, of: int) -> tuple[int, int]:
    """The share of that number, of so many, of a stretch: as even as can be, and one behind the other."""
    size = stop - first
    return first + size * number // of, first + size * (number + 1) // of


def _worker() -> tuple[int, int]:
    """Which worker of a PyTorch DataLoader this process is, and of how many; (0, 1) in none. A process that is one has PyTorch loaded."""
    data = sys.modules.get(_TORCH_DATA)
    told = None if data is None else data.get_worker_info()
    return (0, 1) if told is None else (told.id, told.num_workers)


def _shuffled(rows: Iterator[Any], held_max: int, seed: str) -> Iterator[Any]:
    """The rows in another order, the same for the same seed: so many are held, and each new one takes the place of one that is handed out."""
    chance = random.Random(seed)  # noqa: S311 - an order, not a secret
    held: list[Any] = []
    for row in rows:
        if len(held) < held_max:
            held.append(row)
            continue
        at = chance.randrange(held_max)
        yield held[at]
        held[at] = row
    chance.shuffle(held)
    yield from held


def for_torch(rows: AdmittedRows) -> AdmittedRows:
    """The same rows as an `IterableDataset` of PyTorch, by which its DataLoader knows that they come in order and are not asked for by number.

    Every worker of the loader (`num_workers`) reads its share, forked or spawned. Raises RefusedInput `extra-missing` where PyTorch is not installed.
    """
    return _of_class(_torch_class(), rows)


def _of_class(kind: type[AdmittedRows], rows: AdmittedRows) -> AdmittedRows:
    made = object.__new__(kind)
    vars(made).update(vars(rows))
    return made


def _reduced(rows: AdmittedRows) -> tuple[Any, ...]:
    """How it is pickled: the class is made anew where it is needed."""
    return for_torch, (_of_class(AdmittedRows, rows),)


@cache
def _torch_class() -> type[AdmittedRows]:
    try:
        data = import_module(_TORCH_DATA)
    except ImportError as error:
        raise RefusedInput(
            "extra-missing",
            "torch",
            f"this needs PyTorch, which is not installed ({error})",
            "Install it (https://pytorch.org), or iterate over the rows as they are",
        ) from error
    return type("TorchAdmittedRows", (AdmittedRows, data.IterableDataset), {"__reduce__": _reduced})


def admitted_rows(
    dataset: Path_ | Sequence[Path_],
    verdicts: Path_,
    *,
    column: str | None = None,
    rank: int = 0,
    world_size: int = 1,
    shuffle_rows: int = 0,
    seed: int = 0,
    format: str | None = None,  # noqa: A002 - what it is called everywhere else
    folder_is: str | None = None,
    partitions: bool = True,
) -> AdmittedRows:
    """The rows of a dataset of files that a verdict file admits, in order, each compared with what was judged before it is handed out (SPEC §12.5).

    `dataset`: a path, a pattern or several of them, as they were given to the gate, and `format`, `folder_is`, `partitions` likewise. `column`: the one that is
    handed out; None: each row as a mapping, as it is in its file, with what its folders tell; a line is {"text": ...}, a file {"path": ..., "bytes": ...}. What is compared is the column that was
    judged; what stands beside it nobody judged, unless the rows were judged as wholes. `rank` of `world_size`: of a distributed training; their numbers of rows differ
    by one at most. `shuffle_rows`: so many rows are held and handed out in another order, which `seed` and `set_epoch` decide; 0: none.

    Reads nothing of a ledger. Memory: one block or record batch and one row group of the verdict file, whatever the dataset's size; and the rows that are shuffled.

    Raises Undecided for a verdict file in which a row is not decided; ProofInvalid `verdicts-invalid`; RefusedInput `column-missing`, `usage`, as `open_dataset`; and when it is
    iterated `rows-differ` at the first row that is another one, missing or surplus, `file-changed`, and as its format's reader.
    """
    return AdmittedRows(
        dataset,
        verdicts,
        column=column,
        rank=rank,
        world_size=world_size,
        shuffle_rows=shuffle_rows,
        seed=seed,
        format=format,
        folder_is=folder_is,
        partitions=partitions,
    )
