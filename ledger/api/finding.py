"""From what a person holds (a file, a text) to the artifacts about it. A digest is compared under its form alone (SPEC §2)."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from ledger.api.salts import salt_beside, salt_path
from ledger.api.sidecars import Found, find_rows, prove, row_digests
from ledger.api.unsealing import HeldContent, find_by_salt, find_by_vault
from ledger.datasets.files import load_file, printable, read_file
from ledger.datasets.jcs import canonical_json, parse_json
from ledger.errors import NotFound, RefusedInput
from ledger.log.view import LogView
from ledger.signer.written import quoted
from ledger.spec import ROW_BYTES_MAX
from ledger.statements.record import Record, decode_record
from ledger.statements.superseding import why_without_effect
from ledger.store.rows_file import RowsFolder
from ledger.store.salts import SaltVault

ID_CHARS_LEAST: Final = 16  # hex digits that name an artifact
_ELSEWHERE: Final = "Sign it, or look into another ledger."
HEX: Final = re.compile(r"[0-9a-f]{1,64}", re.ASCII | re.IGNORECASE)
_ROW: Final = re.compile(r"(?P<id>[0-9a-f]{16,64}):(?P<row>[0-9]{1,9})", re.ASCII | re.IGNORECASE)
_SUPERSEDES: Final = "supersedes"


def find(
    view: LogView, text: str | os.PathLike[str], vault: SaltVault, salt: bytes | None = None
) -> list[bytes]:
    """All artifact ids that an id in hex, or a file's content, may mean; in log order.

    Sealed content is found by the salts that are kept here, and by the one beside the file; with `salt` by that alone.
    Raises NotFound `unlogged`; RefusedInput `salt-differs` if what lies beside the file is not its salt, `usage` for an id
    with a salt.
    """
    named = os.fspath(text)
    if HEX.fullmatch(named) and not Path(named).exists():
        if len(named) < ID_CHARS_LEAST:
            raise NotFound(
                "file-not-found",
                named,
                f"there is no such file, and as an id it is too short: it takes {ID_CHARS_LEAST} digits",
                "Check the path, or give more of the id.",
            )
        if salt is not None:
            raise RefusedInput("usage", "salt", "an id is found without any", "Leave it out, or name a file.")
        return _find_id(view, named)
    plain, contents = _held_in(named)
    if salt is not None:
        return _in_order(view, _under(view, salt, contents, printable(named)))
    found = _find_plain(view, plain)
    opened = find_by_vault(view, vault, contents)
    beside, trouble = _beside(named)
    by_salt = [] if beside is None else find_by_salt(view, beside, contents)
    found += opened.ids + by_salt
    if opened.ids and beside is not None and not by_salt:
        raise RefusedInput(
            "salt-differs",
            printable(salt_path(named)),
            "it is not the salt under which the file beside it was sealed, which this machine keeps",
            "Move it away, and write it anew: lineage sign FILE --sealed --salt-beside",
        )
    if not found:
        raise _unlogged(named, trouble, is_kept=bool(opened.salts))
    return _in_order(view, found)


def find_text(view: LogView, text: str, vault: SaltVault, salt: bytes | None = None) -> list[bytes]:
    """The ids of all artifacts whose content is this text in UTF-8; `salt` as of `find`. Raises NotFound `unlogged`."""
    content = text.encode("utf-8", "surrogateescape")  # as an argument that is no UTF-8 comes in
    plain = _forms_of(content)
    contents = [held for _form, held in plain]
    if salt is not None:
        return _in_order(view, _under(view, salt, contents, "text"))
    found = _find_plain(view, plain) + find_by_vault(view, vault, contents).ids
    if not found:
        raise NotFound(
            "unlogged",
            "text",
            "no artifact of this log has this content",
            "Is it the whole text, to the letter? What is sealed takes its salt: --salt HEX",
        )
    return _in_order(view, found)


def search(
    view: LogView,
    rows: RowsFolder,
    vault: SaltVault,
    named: str | os.PathLike[str],
    salt: bytes | None = None,
) -> Found:
    """What an id in hex, ID:ROW or a file's content may mean, in log order, rows of imported datasets too; `salt` as of `find`.

    Raises NotFound `file-not-found`; of ID:ROW as `resolve_id` and `ledger.api.sidecars.prove`; RefusedInput as `find`.
    """
    text = os.fspath(named)
    row = _ROW.fullmatch(text)
    if row and not Path(text).exists():
        return Found(rows=[prove(rows, resolve_id(view, row["id"]), int(row["row"]))])
    found = _artifacts(lambda: find(view, text, vault, salt))
    is_id = HEX.fullmatch(text) and not Path(text).exists()
    if is_id or salt is not None or read_file(text).size_bytes > ROW_BYTES_MAX:
        return found
    return _with_rows(view, rows, found, load_file(text)[1])


def search_text(
    view: LogView, rows: RowsFolder, vault: SaltVault, text: str, salt: bytes | None = None
) -> Found:
    """The same of a text, in UTF-8 or the bytes that it was given in."""
    found = _artifacts(lambda: find_text(view, text, vault, salt))
    if salt is not None:
        return found
    return _with_rows(view, rows, found, text.encode("utf-8", "surrogateescape"))


def _artifacts(find_: Callable[[], list[bytes]]) -> Found:
    try:
        return Found(find_())
    except NotFound as error:
        if error.code != "unlogged":
            raise
        return Found(missing=error)


def _with_rows(view: LogView, rows: RowsFolder, found: Found, content: bytes) -> Found:
    in_rows = find_rows(view, rows, row_digests(content))
    return replace(found, rows=in_rows.rows, unsearched=in_rows.unsearched)


def ids_found(found: Found) -> list[bytes]:
    """The artifacts that were found, and the datasets with such a row. Raises NotFound `unlogged` if there is none."""
    if found.ids:
        return found.ids
    error = found.missing or NotFound("unlogged", "content", "no artifact of this log has it", _ELSEWHERE)
    if found.unsearched:
        error = NotFound(
            error.code,
            error.item,
            f"{error.reason}. The rows of {len(found.unsearched)} imported datasets could not be looked at: {found.unsearched[0][1]}",
            "Make their sidecars anew: lineage import DATASET --column C --rebuild",
        )
    raise error


def _unlogged(named: str, trouble: str, *, is_kept: bool) -> NotFound:
    item = printable(Path(named))
    if is_kept:
        return NotFound(
            "unlogged",
            item,
            "it was sealed on this machine, and what was signed is not in this log yet",
            "Append it (lineage append FILE.statement), or sign it again.",
        )
    reason = "no artifact of this log has this content; one changed byte is enough for that"
    return NotFound("unlogged", item, f"{reason}{trouble}", _ELSEWHERE)


def _beside(named: str) -> tuple[bytes | None, str]:
    """The salt beside a file; what to say of it if nothing is found."""
    name = printable(salt_path(named).name)
    try:
        beside = salt_beside(named)
    except RefusedInput as error:
        return None, f". {name} beside it was not used: {error.reason}"
    tried = f". Nor was it sealed under the salt beside it ({name}): that is another's, or one of the two was changed"
    return beside, "" if beside is None else tried


def _under(view: LogView, salt: bytes, contents: Sequence[HeldContent], item: str) -> list[bytes]:
    """What was sealed under a salt that is given. Raises NotFound `unlogged`."""
    found = find_by_salt(view, salt, contents)
    if not found:
        raise NotFound(
            "unlogged",
            item,
            "no artifact of this log has this content sealed under that salt; one changed byte of either is enough for that",
            "Look to where the salt was kept.",
        )
    return found


def _in_order(view: LogView, found: Iterable[bytes]) -> list[bytes]:
    """Each once, by its first place in the log."""
    return sorted(set(found), key=lambda artifact_id: view.find_artifact(artifact_id)[0])


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


def resolve(view: LogView, text: str | os.PathLike[str], vault: SaltVault) -> bytes:
    """The one artifact that is meant; of a file, what its maker has superseded is left out (SPEC §4.3).

    Raises as `find`; RefusedInput `ambiguous` if several artifacts have that content.
    """
    found = find(view, text, vault)
    former = superseded(view, found) if len(found) > 1 else {}
    return _only(printable(Path(text)), [item for item in found if item not in former])


def superseded(view: LogView, artifact_ids: Sequence[bytes]) -> dict[bytes, bytes]:
    """Of artifacts about one content: which are replaced, and by which, that stands (SPEC §4.3)."""
    among = set(artifact_ids)
    found = {}
    for artifact_id in artifact_ids:
        record = record_of(view, artifact_id)
        if record is None or not any(map(view.stands, view.find_artifact(artifact_id))):
            continue
        for older_id in corrected(record):
            older = record_of(view, older_id) if older_id in among else None
            if older is not None and _of_one_content(record, older) and not why_without_effect(record, older):
                found[older_id] = artifact_id
    return found


def without_effect(view: LogView, artifact_id: bytes) -> dict[bytes, str]:
    """As `Ledger.without_effect`."""
    record = record_of(view, artifact_id)
    return {} if record is None else why_in_vain(view, record)


def why_in_vain(view: LogView, newer: Record) -> dict[bytes, str]:
    """The artifacts that a record names by `supersedes` and does not replace, and why (SPEC §4.3)."""
    found = {}
    for older_id in corrected(newer):
        older = record_of(view, older_id)
        if older is None:
            continue
        other = None if _of_one_content(newer, older) else "it is about another content"
        why = other or why_without_effect(newer, older)
        if why is not None:
            found[older_id] = why
    return found


def _of_one_content(one: Record, other: Record) -> bool:
    """Whether two records that were found by one content are about the same form of it; sealed, they do not say."""
    return "sealed" in (one.form, other.form) or (one.form, one.content) == (other.form, other.content)


def corrected(record: Record) -> list[bytes]:
    """The artifacts of this log that a record names by `supersedes`."""
    return [parent.id for parent in record.parents if parent.rel == _SUPERSEDES and parent.log is None]


def record_of(view: LogView, artifact_id: bytes) -> Record | None:
    """The record of an artifact, if the log holds it."""
    for number in view.find_artifact(artifact_id):
        data = view.record(number)
        try:
            if data is not None:
                return decode_record(data)
        except RefusedInput:
            continue
    return None


def _only(item: str, found: list[bytes]) -> bytes:
    if len(found) > 1:
        raise RefusedInput(
            "ambiguous",
            item,
            f"{len(found)} artifacts of this log are meant by it",
            f"Name one by its id: {', '.join(artifact_id.hex()[:16] for artifact_id in found)}",
        )
    return found[0]


def find_content(view: LogView, form: str, digest: bytes, size_bytes: int | None = None) -> list[bytes]:
    """The ids of all artifacts about a content, in log order: of this form and digest, and size where it is given."""
    numbers = view.find_content(form, digest, size_bytes)
    return list(dict.fromkeys(view.record_leaf(number) for number in numbers))


def _find_plain(view: LogView, plain: Iterable[tuple[str, HeldContent]]) -> list[bytes]:
    return [
        artifact_id
        for form, held in plain
        for artifact_id in find_content(view, form, held.digest, held.size_bytes)
    ]


def _held_in(path: str) -> tuple[list[tuple[str, HeldContent]], list[HeldContent]]:
    """What a file holds, by the form that it would have unsealed; and the same as it may be sealed."""
    file = read_file(path)
    if file.size_bytes > ROW_BYTES_MAX:
        plain = [("raw", HeldContent.of_file(file.path, file.digest, file.size_bytes))]
    else:
        plain = _forms_of(load_file(path)[1])
    return plain, list({held.digest: held for _form, held in plain}.values())


def _forms_of(content: bytes) -> list[tuple[str, HeldContent]]:
    """The bytes, and their JCS form if they are JSON."""
    raw = [("raw", HeldContent.of_bytes(content))]
    try:
        return [*raw, ("jcs", HeldContent.of_bytes(canonical_json(parse_json(content))))]
    except RefusedInput:
        return raw
