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
from ledger.datasets.experience import check_experience
from ledger.datasets.files import load_file, printable, read_file
from ledger.datasets.media import guess_media
from ledger.datasets.opened import by_line, read_rows
from ledger.datasets.rows import LINEAGE_ID, Row, row_item
from ledger.errors import RefusedInput
from ledger.signer.claims import NOTHING_SAID, Claimant, Said
from ledger.statements.record import decode_record
from ledger.store.content import ContentStore

ARTIFACT_ID: Final = re.compile(r"[0-9a-f]{64}", re.ASCII | re.IGNORECASE)
Keep = Callable[[bytes], None]  # checks an experience's content and keeps it


class Content(NamedTuple):
    """One content to be signed: `label` is its path or 0-based row index, `digest` has 32 bytes.

    `said` is what a row's cells claim of it. `held`: the record under which it stands in the log already, as its
    `lineage_id` says.
    """

    label: str | int
    digest: bytes
    size_bytes: int
    form: str
    media: str
    said: Said = NOTHING_SAID
    held: bytes | None = None


Contents = Generator[Content, None, None]  # to be closed by who reads it: it may hold a file, or a view
FindRecord = Callable[[bytes], bytes | None]  # of an artifact id: its record, if it stands in the log


class Rows(NamedTuple):
    """A dataset whose rows are to be signed: one column, or with None whole rows.

    `mapped`: the columns that claim something; `resolve`: the artifact that a parent's hex digits mean; `find_record`
    looks up a row's `lineage_id`, None where no ledger is.
    """

    path: str | os.PathLike[str]
    column: str | None
    mapped: RowMap
    resolve: Resolve
    find_record: FindRecord | None = None


def file_contents(files: Sequence[Path], keep: Keep | None) -> Contents:
    """Each file as content of form `raw`; `keep` is given where they are experiences. Raises RefusedInput."""
    for path in files:
        if keep is None:
            file = read_file(path)
        else:
            file, content = load_file(path)
            keep(content)
        yield Content(os.fspath(path), file.digest, file.size_bytes, "raw", guess_media(path))


def row_contents(rows: Rows, claimant: Claimant, keep: Keep, earlier: Sequence[bytes]) -> Contents:
    """Each row of a dataset; `earlier` are the artifact ids of the rows before. Raises RefusedInput."""
    cells = (LINEAGE_ID, *rows.mapped.names)
    for row in read_rows(rows.path, rows.column, cells):
        digest = hashlib.sha256(row.content).digest()
        held = None
        try:
            said = rows.mapped.said(row.cells, earlier, rows.resolve)
            if row.cells.get(LINEAGE_ID) is not None:
                held = _held(row, digest, rows.find_record)
            if not row.content:
                raise RefusedInput("row-blank", "row", "the line is empty", "Delete it")
            if held is None and said != NOTHING_SAID:
                claimant.check(row.form, row.media, said)
            if held is None and claimant.kind_of(said) == "experience":
                keep(row.content)
            yield Content(row.row_index, digest, row.size_bytes, row.form, row.media, said, held)
        except RefusedInput as error:
            raise in_row(error, rows.path, row.row_index) from error


def in_row(error: RefusedInput, path: str | os.PathLike[str], row_index: int) -> RefusedInput:
    """The same refusal, which says in which row."""
    where = row_item(printable(path), row_index, is_line=by_line(path))
    item = where if error.item == "row" else f"{where}, {error.item}"
    return RefusedInput(error.code, item, error.reason, error.fix)


def _held(row: Row, digest: bytes, find_record: FindRecord | None) -> bytes:
    """The record that a row's `lineage_id` names, which must be about the row (SPEC §4.6). Raises RefusedInput."""
    cell = row.cells[LINEAGE_ID]
    item = f"column '{LINEAGE_ID}'"
    if find_record is None:
        raise RefusedInput(
            "not-offline", item, "only the ledger knows what an id stands for", "Sign it where the ledger is."
        )
    if not isinstance(cell, str) or not ARTIFACT_ID.fullmatch(cell):
        raise RefusedInput(
            "cell-illegal", item, "it is no artifact id", "Write 64 hex digits, or null for a row of its own."
        )
    found = find_record(bytes.fromhex(cell))
    if found is None:
        raise RefusedInput(
            "lineage-id-unknown",
            item,
            "no artifact with this id stands in this log",
            "Name the ledger in which it was signed, or take the id away to sign the row anew.",
        )
    record = decode_record(found)
    if (record.form, record.content) != (row.form, digest):
        raise RefusedInput(
            "lineage-id-differs",
            item,
            "the artifact of this id has another content than the row: one was changed after it was signed",
            "Take the id away to sign the row anew, with the old id as its parent if it descends from it.",
        )
    return found


@contextmanager
def keeping(store: ContentStore) -> Iterator[Keep]:
    """An experience's content is always kept beside the log (SPEC §4.1); what a failed block kept anew is removed."""
    new: list[bytes] = []

    def keep(content: bytes) -> None:
        check_experience(content)
        digest = hashlib.sha256(content).digest()
        if not store.path(digest).exists():
            new.append(digest)
        store.put(content)

    try:
        yield keep
    except BaseException:
        for digest in new:
            store.remove(digest)
        raise
