"""What is to be signed, read from files and datasets as the digests that records name (SPEC §4.2)."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from ledger.api.row_map import Resolve, RowMap
from ledger.api.salts import FindSalt, Sealed, id_differs, row_salt
from ledger.datasets.experience import check_experience
from ledger.datasets.files import load_file, printable, read_file
from ledger.datasets.media import guess_media
from ledger.datasets.opened import by_line, read_rows
from ledger.datasets.rows import LINEAGE_ID, LINEAGE_SALT, Row, row_item
from ledger.errors import RefusedInput
from ledger.signer.claims import NOTHING_SAID, Claimant, Said
from ledger.statements.record import decode_record
from ledger.store.content import ContentStore

ARTIFACT_ID: Final = re.compile(r"[0-9a-f]{64}", re.ASCII | re.IGNORECASE)
Keep = Callable[[bytes, bytes], None]  # keeps an experience's content under the digest that its record names


class Content(NamedTuple):
    """One content to be signed: `label` is its path or 0-based row index, `digest` has 32 bytes.

    `opened`: the content itself, or the file that holds it. `said` is what a row's cells claim of it. `held`: the record
    under which it stands in the log already, as its `lineage_id` says.
    """

    label: str | int
    digest: bytes
    size_bytes: int
    form: str
    media: str | None
    opened: bytes | Path = b""
    said: Said = NOTHING_SAID
    held: bytes | None = None


Contents = Generator[Content, None, None]  # to be closed by who reads it: it may hold a file, or a view
FindRecord = Callable[[bytes], bytes | None]  # of an artifact id: its record, if it stands in the log


class Rows(NamedTuple):
    """A dataset whose rows are to be signed: one column, or with None whole rows.

    `mapped`: the columns that claim something; `resolve`: the artifact that a parent's hex digits mean; `find_record`
    looks up a row's `lineage_id`, None where no ledger is; `find_salt` the salt of what is sealed.
    """

    path: str | os.PathLike[str]
    column: str | None
    mapped: RowMap
    resolve: Resolve
    find_record: FindRecord | None = None
    find_salt: FindSalt | None = None


def file_contents(files: Sequence[Path], *, are_experiences: bool = False) -> Contents:
    """Each file as content of form `raw`. Raises RefusedInput."""
    for path in files:
        opened: bytes | Path = path
        if are_experiences:
            file, opened = load_file(path)
            check_experience(opened)
        else:
            file = read_file(path)
        yield Content(os.fspath(path), file.digest, file.size_bytes, "raw", guess_media(path), opened)


def row_contents(rows: Rows, claimant: Claimant, earlier: Sequence[bytes]) -> Contents:
    """Each row of a dataset; `earlier` are the artifact ids of the rows before. Raises RefusedInput, which names the row."""
    cells = (LINEAGE_ID, LINEAGE_SALT, *rows.mapped.names)
    for row in read_rows(rows.path, rows.column, cells):
        try:
            content = _row_content(row, rows, claimant, earlier)
        except RefusedInput as error:
            raise in_row(error, rows.path, row.row_index) from error
        yield content


def _row_content(row: Row, rows: Rows, claimant: Claimant, earlier: Sequence[bytes]) -> Content:
    digest = hashlib.sha256(row.content).digest()
    said = rows.mapped.said(row.cells, earlier, rows.resolve)
    if not row.content:
        raise RefusedInput("row-blank", "row", "the line is empty", "Delete it")
    if row.cells.get(LINEAGE_ID) is not None:
        return _held(row, digest, rows)
    if claimant.kind_of(said) == "experience":
        if rows.find_record is None:
            raise experience_offline()
        check_experience(row.content)
    claimant.check(row.form, row.media, said)
    return Content(row.row_index, digest, row.size_bytes, row.form, row.media, row.content, said)


def in_row(error: RefusedInput, path: str | os.PathLike[str], row_index: int) -> RefusedInput:
    """The same refusal, which says in which row."""
    where = row_item(printable(path), row_index, is_line=by_line(path))
    item = where if error.item == "row" else f"{where}, {error.item}"
    return RefusedInput(error.code, item, error.reason, error.fix)


def _held(row: Row, digest: bytes, rows: Rows) -> Content:
    """The artifact that a row's `lineage_id` names, which must be about the row (SPEC §4.6). Raises RefusedInput."""
    cell = row.cells[LINEAGE_ID]
    item = f"column '{LINEAGE_ID}'"
    if rows.find_record is None:
        raise RefusedInput(
            "not-offline", item, "only the ledger knows what an id stands for", "Sign it where the ledger is."
        )
    if not isinstance(cell, str) or not ARTIFACT_ID.fullmatch(cell):
        raise RefusedInput(
            "cell-illegal", item, "it is no artifact id", "Write 64 hex digits, or null for a row of its own."
        )
    artifact_id = bytes.fromhex(cell)
    found = rows.find_record(artifact_id)
    if found is None:
        raise RefusedInput(
            "lineage-id-unknown",
            item,
            "no artifact with this id stands in this log",
            "Name the ledger in which it was signed, or take the id away to sign the row anew.",
        )
    record = decode_record(found)
    if record.form == "sealed":
        sealed = Sealed(record.id, record.maker, record.content)
        row_salt(row.cells.get(LINEAGE_SALT), sealed, row.content, rows.find_salt)
    elif (record.form, record.content) != (row.form, digest):
        raise id_differs()
    return Content(row.row_index, record.content, record.fields["size"], record.form, None, held=found)


def experience_offline() -> RefusedInput:
    """The refusal of an experience where no ledger is."""
    return RefusedInput(
        "not-offline",
        "kind 'experience'",
        "an experience's content is kept beside the log, which is not here",
        "Sign it where the ledger is.",
    )


@contextmanager
def keeping(store: ContentStore) -> Iterator[Keep]:
    """An experience's content is always kept beside the log (SPEC §4.1); what a failed block kept anew is removed."""
    new: list[bytes] = []

    def keep(content: bytes, digest: bytes) -> None:
        if not store.path(digest).exists():
            new.append(digest)
        store.put(content, digest)

    try:
        yield keep
    except BaseException:
        for digest in new:
            store.remove(digest)
        raise
