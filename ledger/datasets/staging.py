"""Where what is written of a dataset comes together: `OUT.partial/`, until all of it is there and takes its name `OUT` at once.

    staging = Staging(out, dataset)
    for segment in dataset.segments():
        if not staging.has(segment):                       # a run that was interrupted goes on behind its finished pieces
            staging.write(segment, keep)                   # or staging.submit(crew, segment, keep), for a worker to do
    staging.publish()

`OUT` is a file where the dataset is one file that was named itself; else a folder with the parts under their names. A part of which nothing is kept is left out of
a folder; a file alone is then one of the same format without rows. What binds the pieces to the run that made them (its verdicts, the dataset's
`state`) is its caller's matter: the folder `OUT.partial/` is there for that, too.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from ledger.datasets.crew import Crew
from ledger.datasets.dataset import Dataset, Part, Segment
from ledger.datasets.files import printable
from ledger.datasets.formats import FILES, by_name
from ledger.datasets.outputs import file_exists, give_name, sync_tree, told
from ledger.datasets.writing import join_pieces, write_empty, write_segment
from ledger.errors import RefusedInput

PARTIAL: Final = ".partial"
PIECES: Final = "pieces"
TREE: Final = "tree"


class Staging:
    """The pieces of one output."""

    def __init__(
        self, out: str | os.PathLike[str], dataset: Dataset, segments: Sequence[Segment] | None = None
    ) -> None:
        """`segments`: those of the dataset, where they are known. Raises RefusedInput: file-exists, output-in-input, output-format."""
        self.out = Path(out)
        self.folder = self.out.with_name(self.out.name + PARTIAL)
        self._dataset = dataset
        self._segments = dataset.segments() if segments is None else list(segments)
        if os.path.lexists(self.out):
            raise file_exists(self.out)
        check_apart(self.out, dataset, is_folder=dataset.is_tree)
        if not dataset.is_tree:
            self._check_format(dataset.parts[0])

    def path(self, segment: Segment) -> Path:
        """Where the piece of a segment is when it is finished."""
        return self.folder / PIECES / f"{segment.part:06d}-{segment.number:06d}"

    def has(self, segment: Segment) -> bool:
        """Whether that piece is finished."""
        return os.path.lexists(self.path(segment)) or self.is_put(segment.part)

    def write(self, segment: Segment, keep: bytes) -> int:
        """Writes the piece of a segment, of whose rows those with a 1 are kept. How many. Raises as `write_segment`."""
        return write_segment(*self._arguments(segment, keep))

    def submit(self, crew: Crew, segment: Segment, keep: bytes) -> Future[Any]:
        """The same, by a worker."""
        path, format_, fingerprint, bounds, keep, target, files = self._arguments(segment, keep)
        entries = [[entry.name, list(entry.fingerprint)] for entry in files]
        return crew.submit(
            "write segment",
            os.fspath(path),
            list(format_),
            list(fingerprint),
            list(bounds),
            keep,
            os.fspath(target),
            entries,
        )

    def is_put(self, number: int) -> bool:
        """Whether a part that is a file was put together of its pieces, which need not be there any more."""
        is_file = self._dataset.parts[number].format.name != FILES
        return is_file and os.path.lexists(self._place(number))

    def assemble(self) -> Path:
        """Puts the pieces together. What `publish` then gives its name.

        Raises RefusedInput output-unfinished while pieces are missing; StoreFault output-failed.
        """
        tree = self.folder / TREE
        with told(self.folder):
            tree.mkdir(parents=True, exist_ok=True)
        for part in self._dataset.parts:
            self._put(part)
        with told(self.out):
            sync_tree(tree)
        return tree if self._dataset.is_tree else self._place(0)

    def publish(self) -> Path:
        """Puts the pieces together, and gives the whole its name; what is left of `OUT.partial` is the caller's.

        Raises as `assemble`, and RefusedInput file-exists.
        """
        tree = self.folder / TREE
        give_name(self.assemble(), self.out)
        with suppress(OSError):
            shutil.rmtree(tree, ignore_errors=True)
            shutil.rmtree(self.folder / PIECES, ignore_errors=True)
            self.folder.rmdir()
        return self.out

    def _arguments(self, segment: Segment, keep: bytes) -> tuple[Any, ...]:
        part = self._dataset.parts[segment.part]
        files = part.files[segment.start : segment.stop]
        bounds = (segment.start, segment.stop)
        return part.path, part.format, part.fingerprint, bounds, keep, self.path(segment), files

    def _place(self, number: int) -> Path:
        """Where a part lies in the tree."""
        name = self._dataset.parts[number].name
        return self.folder / TREE / name if name else self.folder / TREE

    def _put(self, part: Part) -> None:
        """Makes the part of its pieces, if that was not done before the last run was interrupted."""
        pieces = [self.path(segment) for segment in self._segments if segment.part == part.number]
        place = self._place(part.number)
        if part.format.name == FILES:
            self._put_files(pieces, place)
            return
        if os.path.lexists(place):
            return
        _check_finished(pieces)
        full = [piece for piece in pieces if piece.stat().st_size]
        if len(full) > 1:
            join_pieces(part.path, part.format, part.fingerprint, full, place)
            for piece in full:
                with told(piece):
                    piece.unlink()
        elif full:
            give_name(full[0], place)
        elif not self._dataset.is_tree:
            write_empty(part.path, part.format, part.fingerprint, place)

    def _put_files(self, pieces: list[Path], place: Path) -> None:
        _check_finished(pieces)
        for piece in pieces:
            if not piece.is_dir():
                continue  # nothing was kept
            for folder, _, names in os.walk(piece):
                below = place / Path(folder).relative_to(piece)
                for name in names:
                    with told(below / name):
                        below.mkdir(parents=True, exist_ok=True)
                        (Path(folder) / name).rename(below / name)

    def _check_format(self, part: Part) -> None:
        said = by_name(self.out)
        if said is not None and said != part.format:
            named = part.format.name + (f", packed by {part.format.packing}" if part.format.packing else "")
            raise RefusedInput(
                "output-format",
                printable(self.out),
                f"rows are written in the format they came in, which is {named}, and the name says another",
                f"Name it {printable(self.out.with_name(self.out.name.split('.')[0]))}{''.join(part.path.suffixes)}",
            )


def check_apart(out: Path, dataset: Dataset, *, is_folder: bool = False) -> None:
    """Raises RefusedInput `output-in-input` where what is written would lie in what is read, or the other way round."""
    if dataset.could_hold(out, is_folder=is_folder):
        raise RefusedInput(
            "output-in-input",
            printable(out),
            f"it would lie in the dataset, or over it ({dataset.item})",
            "Name an output beside the dataset",
        )


def _check_finished(pieces: list[Path]) -> None:
    for piece in pieces:
        if not os.path.lexists(piece):
            raise RefusedInput(
                "output-unfinished",
                printable(piece),
                "a piece of the output is not written yet",
                "Run the same command again: it goes on behind what stands",
            )
