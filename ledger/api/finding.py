"""From what a person holds (a file, a text) to the artifacts about it. A digest is compared under its form alone (SPEC §2)."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Final

from ledger.api.sidecars import Found, find_rows, prove, row_digests
from ledger.datasets.files import load_file, printable, read_file
from ledger.datasets.jcs import canonical_json, parse_json
from ledger.errors import NotFound, RefusedInput
from ledger.log.view import LogView
from ledger.signer.written import quoted
from ledger.spec import ROW_BYTES_MAX
from ledger.store.rows_file import RowsFolder

ID_CHARS_LEAST: Final = 16  # hex digits that name an artifact
_ELSEWHERE: Final = "Sign it, or look into another ledger."
HEX: Final = re.compile(r"[0-9a-f]{1,64}", re.ASCII | re.IGNORECASE)
_ROW: Final = re.compile(r"(?P<id>[0-9a-f]{16,64}):(?P<row>[0-9]{1,9})", re.ASCII | re.IGNORECASE)


def find(view: LogView, text: str | os.PathLike[str]) -> list[bytes]:
    """All artifact ids that an id in hex, or a file's content, may mean; in log order. Raises NotFound `unlogged`."""
    named = os.fspath(text)
    if HEX.fullmatch(named) and not Path(named).exists():
        if len(named) < ID_CHARS_LEAST:
            raise NotFound(
                "file-not-found",
                named,
                f"there is no such file, and as an id it is too short: it takes {ID_CHARS_LEAST} digits",
                "Check the path, or give more of the id.",
            )
        return _find_id(view, named)
    found = find_file(view, named)
    if not found:
        raise NotFound(
            "unlogged",
            printable(Path(named)),
            "no artifact of this log has this content; one changed byte is enough for that",
            _ELSEWHERE,
        )
    return list(dict.fromkeys(found))


def _find_id(view: LogView, digits: str) -> list[bytes]:
    """The artifacts whose ids begin with these hex digits, two at least. Raises NotFound `unlogged`."""
    digits = digits.lower()
    leaves = map(view.record_leaf, view.find_prefix(bytes.fromhex(digits[: len(digits) & ~1])))
    found = [artifact_id for artifact_id in leaves if artifact_id.hex().startswith(digits)]
    if not found:
        raise NotFound("unlogged", digits, "no artifact of this log has that id", _ELSEWHERE)
    return list(dict.fromkeys(found))


def resolve_id(view: LogView, text: str) -> bytes:
    """The one artifact whose id begins with these hex digits, and no file whatever its name.

    Raises RefusedInput `schema` for what is no beginning of an id, `ambiguous`; NotFound `unlogged`.
    """
    if not HEX.fullmatch(text) or len(text) < ID_CHARS_LEAST:
        raise RefusedInput(
            "schema",
            f"id {quoted(text)!a}",
            f"it is no artifact id: that takes {ID_CHARS_LEAST} to 64 hex digits",
            "Give the id that `lineage sign` printed.",
        )
    return _only(text, _find_id(view, text))


def resolve(view: LogView, text: str | os.PathLike[str]) -> bytes:
    """The one artifact that is meant. Raises as `find`; RefusedInput `ambiguous` if several artifacts have that content."""
    return _only(printable(Path(text)), find(view, text))


def _only(item: str, found: list[bytes]) -> bytes:
    if len(found) > 1:
        raise RefusedInput(
            "ambiguous",
            item,
            f"{len(found)} artifacts of this log are meant by it",
            f"Name one by its id: {', '.join(artifact_id.hex()[:16] for artifact_id in found)}",
        )
    return found[0]


def search(view: LogView, rows: RowsFolder, named: str | os.PathLike[str]) -> Found:
    """What an id in hex, ID:ROW or a file's content may mean, in log order, rows of imported datasets too.

    Raises NotFound `file-not-found`; of ID:ROW as `resolve_id` and `ledger.api.sidecars.prove`.
    """
    text = os.fspath(named)
    row = _ROW.fullmatch(text)
    if row and not Path(text).exists():
        return Found(rows=[prove(rows, resolve_id(view, row["id"]), int(row["row"]))])
    if HEX.fullmatch(text) and not Path(text).exists():
        try:
            return Found(find(view, text))
        except NotFound as error:
            if error.code != "unlogged":
                raise
            return Found()
    file = read_file(text)
    if file.size_bytes > ROW_BYTES_MAX:
        return Found(find_content(view, "raw", file.digest, file.size_bytes))
    return _search_bytes(view, rows, load_file(text)[1])


def search_text(view: LogView, rows: RowsFolder, text: str) -> Found:
    """The same of a text, in UTF-8 or the bytes that it was given in."""
    return _search_bytes(view, rows, text.encode("utf-8", "surrogateescape"))


def _search_bytes(view: LogView, rows: RowsFolder, content: bytes) -> Found:
    in_rows = find_rows(view, rows, row_digests(content))
    return Found(list(dict.fromkeys(find_bytes(view, content))), in_rows.rows, in_rows.unsearched)


def ids_found(found: Found, item: str, fix: str = _ELSEWHERE) -> list[bytes]:
    """The artifacts that were found, and the datasets with such a row. Raises NotFound `unlogged` if there is none."""
    if found.ids:
        return found.ids
    reason = "no artifact of this log has this content; one changed byte is enough for that"
    if HEX.fullmatch(item):
        reason = "no artifact of this log has that id"
    if found.unsearched:
        reason += f". The rows of {len(found.unsearched)} imported datasets could not be looked at: {found.unsearched[0][1]}"
        fix = "Make their sidecars anew: lineage import DATASET --column C --rebuild"
    raise NotFound("unlogged", printable(Path(item)), reason, fix)


def find_content(view: LogView, form: str, digest: bytes, size_bytes: int | None = None) -> list[bytes]:
    """The ids of all artifacts about a content, in log order: of this form and digest, and size where it is given."""
    numbers = view.find_content(form, digest, size_bytes)
    return list(dict.fromkeys(view.record_leaf(number) for number in numbers))


def find_file(view: LogView, path: str) -> list[bytes]:
    """The artifacts about a file: of its bytes, and of its JCS form if it is JSON no larger than a row may be."""
    file = read_file(path)
    if file.size_bytes > ROW_BYTES_MAX:
        return find_content(view, "raw", file.digest, file.size_bytes)
    return find_bytes(view, load_file(path)[1])


def find_bytes(view: LogView, content: bytes) -> list[bytes]:
    """The same of bytes at hand."""
    found = find_content(view, "raw", hashlib.sha256(content).digest(), len(content))
    try:
        canonical = canonical_json(parse_json(content))
    except RefusedInput:
        return found
    return found + find_content(view, "jcs", hashlib.sha256(canonical).digest(), len(canonical))
