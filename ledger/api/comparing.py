"""Do log checkpoints tell one history? What anybody may ask who has the log's vkey and no memory of it (SPEC §12.4).

Asked are one file of two views, which convicts the log by itself or convicts nobody; or notes, with a copy of the log at hand
where they are of different sizes. A note alone is compared with the copy's own. Nothing is written, and nothing remembered.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final, NamedTuple

from ledger import spec
from ledger.api.copies import LogCopy
from ledger.datasets.files import load_file, printable
from ledger.errors import ProofInvalid, RefusedInput
from ledger.identity.vkey import Vkey
from ledger.proofs.checkpoint import Signed, open_checkpoint
from ledger.proofs.views import HEADER, Histories, TwoViews, compare, convict

_NOTES_MAX: Final = 2


class GivenFile(NamedTuple):
    """A file to be compared: its name as it may be printed, and its bytes."""

    name: str
    data: bytes

    @property
    def is_evidence(self) -> bool:
        """Whether it says that it is a file of two views."""
        return self.data.startswith(f"{HEADER}\n".encode())


@dataclass(frozen=True, slots=True)
class ComparedNotes:
    """`histories`: one, two or undecided, and then `why`; `earlier` and `later`: the two checkpoints that it is said of.

    `views`: of two histories, what convicts the log before anybody.
    """

    histories: Histories
    earlier: Signed
    later: Signed
    views: TwoViews | None = None
    why: str = ""

    @property
    def fix(self) -> str:
        """How it is decided, where it was not; else empty."""
        if self.histories != "undecided":
            return ""
        return (
            f"Name a copy of the log of {self.later.checkpoint.size:,} entries or more, published or a ledger's folder: "
            "--tree DIR"
        )


def load_files(paths: Sequence[str | os.PathLike[str]]) -> list[GivenFile]:
    """The files to be compared. Raises RefusedInput `usage` for too many, and as `load_file`: `too-large`."""
    if not 1 <= len(paths) <= _NOTES_MAX:
        raise _usage(f"{len(paths)} files are named", "Name one file of two views, or two log checkpoints.")
    return [GivenFile(printable(path), load_file(path, max_bytes=spec.VIEWS_BYTES_MAX)[1]) for path in paths]


def compare_files(files: Sequence[GivenFile], vkey: Vkey, copy: LogCopy | None = None) -> ComparedNotes:
    """Whether these tell one history, or convict the log of `vkey`.

    With a copy at hand its own log checkpoint is looked at, too: two histories among the three are told, whichever they
    are. Raises RefusedInput `usage` for what cannot be compared; ProofInvalid, naming the file, `views-invalid` for evidence
    that convicts nobody, `note-invalid` and `checkpoint-invalid` for a note that the log did not sign; what the copy raises.
    """
    if any(file.is_evidence for file in files):
        if len(files) > 1 or copy is not None:
            raise _usage("a file of two views stands for itself", "Name it alone, without --tree.")
        return _convicted(files[0], vkey)
    notes = [_opened(file, vkey) for file in files]
    if copy is not None:
        notes.append(copy.signed)
    if len(notes) < _NOTES_MAX:
        raise _usage(
            "one log checkpoint is compared with nothing",
            "Name another one, or a copy of the log: --tree DIR.",
        )
    pairs = [_compared(*pair, copy) for pair in combinations(notes, 2)]
    return next((pair for pair in pairs if pair.histories == "two"), pairs[0])


def _convicted(file: GivenFile, vkey: Vkey) -> ComparedNotes:
    try:
        views = TwoViews.parse(file.data)
        return ComparedNotes("two", *convict(views, vkey), views)
    except ProofInvalid as error:
        raise _named(error, file) from error


def _compared(one: Signed, other: Signed, copy: LogCopy | None) -> ComparedNotes:
    earlier, later = sorted((one, other), key=lambda signed: signed.checkpoint.size)
    found = compare(earlier, later, copy)
    return ComparedNotes(found.histories, earlier, later, found.views, found.why)


def _opened(file: GivenFile, vkey: Vkey) -> Signed:
    try:
        return Signed(file.data, open_checkpoint(file.data, [vkey]))
    except ProofInvalid as error:
        raise _named(error, file) from error


def _named(error: ProofInvalid, file: GivenFile) -> ProofInvalid:
    return ProofInvalid(error.code, f"{file.name}: {error.item}", error.reason, error.fix)


def _usage(reason: str, fix: str) -> RefusedInput:
    return RefusedInput("usage", "files to compare", reason, fix)
