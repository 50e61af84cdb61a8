"""What a gate has to know of a run of rows, gathered: digests and forms, what is faulty, and what the rows say of their lineage.

It travels between processes, so it is made of bytes, numbers and short strings; and whatever the rows are, it takes no more room than they.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from ledger import spec
from ledger.datasets.digests import Fault
from ledger.datasets.row_files import FileRow
from ledger.datasets.rows import LINEAGE_SALT, Form
from ledger.errors import RefusedInput

FAULTY: Final = 0  # forms of rows, as numbers
RAW: Final = 1
JCS: Final = 2
_NO_DIGEST: Final = bytes(spec.HASH_BYTES)
_FORM_NUMBERS: Final[dict[Form, int]] = {"raw": RAW, "jcs": JCS}


class RowBatch(NamedTuple):
    """A run of rows. `digests`: 32 bytes of each, zero of a faulty one; `forms`: one number of each; `size_bytes` of all contents.

    By offset in the run: `faults` (offset, number among `reasons`, line counted from the run's first line), `cells` (offset, number among the
    names asked for, value as `cell_of` reads it), `sealed` (offset, content) of rows that bring a salt, or were asked for. `lines`: how many.
    `ended`: why nothing behind these rows can be read. Of lines that were read apart: where in the file the first begins and the last ends,
    -1 where none does.
    """

    digests: bytes = b""
    forms: bytes = b""
    size_bytes: int = 0
    reasons: tuple[Fault, ...] = ()
    faults: tuple[tuple[int, int, int], ...] = ()
    cells: tuple[tuple[int, int, str | bytes], ...] = ()
    sealed: tuple[tuple[int, bytes], ...] = ()
    lines: int = 0
    ended: Fault | None = None
    first: int = -1
    end: int = -1

    @property
    def row_count(self) -> int:
        """How many rows, faulty ones too."""
        return len(self.forms)


def cell_of(value: str | bytes) -> Any:
    """A cell as it was in its row: a string as it is, anything else as JSON."""
    return json.loads(value) if isinstance(value, bytes) else value


def row_batch_of(answer: Any) -> RowBatch:
    """A `RowBatch` as it comes out of another process."""
    fields = list(answer)
    fields[3] = tuple(Fault(*reason) for reason in fields[3])
    for at in (4, 5, 6):
        fields[at] = tuple(map(tuple, fields[at]))
    fields[8] = None if fields[8] is None else Fault(*fields[8])
    return RowBatch(*fields)


class Gathered:
    """Collects rows in order."""

    def __init__(self, names: tuple[str, ...], contents: frozenset[int] = frozenset()) -> None:
        """`names`: the cells that are asked for; `contents`: offsets of rows whose content is."""
        self.hashes: list[bytes] = []
        self.size_bytes = 0
        self.lines = 0  # what the caller counts, where rows are not lines
        self.first = self.end = -1
        self._ended: Fault | None = None
        self._names = {name: at for at, name in enumerate(names)}
        self._contents = contents
        self._salt = self._names.get(LINEAGE_SALT)
        self._not_raw: list[tuple[int, int]] = []  # (offset, form)
        self._reasons: dict[Fault, int] = {}
        self._faults: list[tuple[int, int, int]] = []
        self._cells: list[tuple[int, int, str | bytes]] = []
        self._sealed: list[tuple[int, bytes]] = []

    def add(self, content: bytes, form: Form, cells: Mapping[str, Any]) -> None:
        """One row more."""
        if form != "raw":
            self._not_raw.append((len(self.hashes), _FORM_NUMBERS[form]))
        if cells:
            self.add_cells(len(self.hashes), content, cells)
        if self._contents and len(self.hashes) in self._contents:
            self._sealed.append((len(self.hashes), content))
        self.hashes.append(hashlib.sha256(content).digest())
        self.size_bytes += len(content)

    def add_cells(self, offset: int, content: bytes, cells: Mapping[str, Any]) -> None:
        """The cells of the row at an offset; those that are null say nothing."""
        for name, value in cells.items():
            if value is None:
                continue
            at = self._names[name]
            self._cells.append((offset, at, _packed(value)))
            if at == self._salt:
                self._sealed.append((offset, content))

    def add_file(self, row: FileRow) -> None:
        """One row more, which is a file: its content stays where it is."""
        for name, value in row.cells.items():
            self._cells.append((len(self.hashes), self._names[name], _packed(value)))
        self.hashes.append(row.digest)
        self.size_bytes += row.size_bytes

    def fault(self, error: RefusedInput, line: int | None = None) -> None:
        """One row more, which is none; `line` where it is not the row's offset."""
        offset = len(self.hashes)
        self._not_raw.append((offset, FAULTY))
        number = self._reasons.setdefault(Fault.of(error), len(self._reasons))
        self._faults.append((offset, number, offset if line is None else line))
        self.hashes.append(_NO_DIGEST)

    def stop(self, error: RefusedInput) -> None:
        """Nothing behind these rows can be read."""
        self._ended = Fault.of(error)

    def batch(self) -> RowBatch:
        """All of it."""
        forms = bytearray(bytes([RAW]) * len(self.hashes))
        for offset, form in self._not_raw:
            forms[offset] = form
        return RowBatch(
            b"".join(self.hashes),
            bytes(forms),
            self.size_bytes,
            tuple(self._reasons),
            tuple(self._faults),
            tuple(self._cells),
            tuple(self._sealed),
            self.lines or len(self.hashes),
            self._ended,
            self.first,
            self.end,
        )


def _packed(value: Any) -> str | bytes:
    if type(value) is str and value.isascii():
        return value
    return json.dumps(value).encode()
