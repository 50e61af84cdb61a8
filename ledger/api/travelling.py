"""Salts and ids that travel: `FILE.salt` beside a file, and a dataset's columns of its rows' lineage (SPEC §4.6, §11.4).

What is written here lets whoever has it tell what sealed records are about; it is for its owner alone until he hands it on.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ledger.api.salts import salt_beside, salt_path
from ledger.datasets.files import RegularFile, file_changed, printable, read_file, walk
from ledger.datasets.with_lineage import Lineage, check_format, write_with_lineage
from ledger.errors import NotFound, RefusedInput
from ledger.signer.signing import Signed
from ledger.store.files import PRIVATE, write_atomically, writing
from ledger.store.salts import Salts, SaltVault

_NAMED_MAX = 3  # files that an error names


def foresee_salts(vault: SaltVault, paths: Sequence[str | os.PathLike[str]]) -> None:
    """As `Ledger.foresee_salts`."""
    with vault.reading() as salts:
        for file in walk(paths).files:
            beside = _salt_there(file)
            if beside is not None:
                digest = read_file(file).digest
                if beside not in {kept.salt for kept in salts.of_content(digest)}:
                    raise _not_replaced(
                        printable(salt_path(file)),
                        "it is the salt of another content than the file has now, or of another machine's record",
                    )


def write_salts(vault: SaltVault, signed: Signed) -> list[Path]:
    """As `Ledger.write_salts`."""
    written, kept = [], []
    with vault.reading() as salts:
        for label, artifact_id in zip(signed.labels, signed.ids, strict=True):
            salt = None if isinstance(label, int) else salts.salt_of(artifact_id)
            if salt is None:
                raise RefusedInput(
                    "usage",
                    f"row {label}" if isinstance(label, int) else printable(label),
                    "it is no file that was signed sealed on this machine",
                    "Sign files sealed; the salts of rows travel in a column of their dataset.",
                )
            path = salt_path(str(label))
            if _salt_there(str(label)) in (None, salt):
                write_atomically(path, f"{salt.hex()}\n".encode(), private=True)
                written.append(path)
            else:
                kept.append(path)
    if kept:
        more = f" and {len(kept) - _NAMED_MAX} more" if len(kept) > _NAMED_MAX else ""
        raise _not_replaced(
            ", ".join(printable(path) for path in kept[:_NAMED_MAX]) + more,
            "it is the salt of another artifact. All was signed, but this salt not written",
        )
    return written


def _salt_there(path: str | os.PathLike[str]) -> bytes | None:
    """The salt beside a file. Raises RefusedInput `salt-exists` if something else lies there."""
    try:
        return salt_beside(path)
    except RefusedInput as error:
        raise _not_replaced(printable(salt_path(path)), error.reason) from error


def _not_replaced(item: str, reason: str) -> RefusedInput:
    return RefusedInput(
        "salt-exists",
        item,
        f"{reason}; a salt is not replaced, for without it nobody can tell what its record is about",
        "Move it away; the salts of what was sealed here are kept in the vault as well.",
    )


def foresee_lineage(path: str | os.PathLike[str], output: str | os.PathLike[str]) -> None:
    """As `Ledger.foresee_lineage`."""
    check_format(path, output)
    _refuse_existing(Path(output))
    if not Path(output).absolute().parent.is_dir():
        raise NotFound(
            "file-not-found",
            printable(Path(output).parent),
            "there is no such folder to write the dataset to",
            "Make it, or name another.",
        )


def write_lineage(
    vault: SaltVault, path: str | os.PathLike[str], output: str | os.PathLike[str], signed: Signed
) -> Path:
    """As `Ledger.write_lineage`."""
    foresee_lineage(path, output)
    target = Path(output)
    with RegularFile(path) as dataset, vault.reading() as salts:
        if dataset.fingerprint != signed.dataset_stamp:
            raise file_changed(Path(path))
        columns = _Columns(signed, salts)
        with _writing_new(target) as file:
            count = write_with_lineage(dataset, path, columns.of_row, file)
            if count != len(signed.ids):
                raise file_changed(Path(path))
    return target


class _Columns:
    """The two columns of each row that was signed."""

    def __init__(self, signed: Signed, salts: Salts) -> None:
        self._ids = signed.ids
        self._salts = salts

    def of_row(self, row_index: int, there: Lineage) -> Lineage:
        """Its id, and its salt, which may have come with the row. Of a row behind the last, nothing."""
        if row_index >= len(self._ids):
            return there
        artifact_id = self._ids[row_index]
        salt = self._salts.salt_of(artifact_id)
        digits = artifact_id.hex()
        if salt is None and isinstance(there.artifact_id, str) and there.artifact_id.lower() == digits:
            return Lineage(digits, there.salt)
        return Lineage(digits, salt.hex() if salt is not None else None)


@contextmanager
def _writing_new(path: Path) -> Iterator[BinaryIO]:
    """A new file for its owner alone: there whole when the block ends, and not at all if it fails. Never overwrites."""
    _refuse_existing(path)
    with writing(path, PRIVATE) as file:
        yield file
        _refuse_existing(path)  # somebody else may have made it meanwhile


def _refuse_existing(path: Path) -> None:
    if os.path.lexists(path):
        raise RefusedInput(
            "file-exists",
            printable(path),
            "it exists already, and a dataset is not written over another",
            "Name another file, or move it away.",
        )
