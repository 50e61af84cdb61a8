"""Contents and parents as Python gives them: a text, bytes, a file or a JSON value; an artifact of whatever name (SPEC §4.2, §4.3)."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from ledger.api.batch_item import Item, Seal
from ledger.datasets.experience import check_experience
from ledger.datasets.files import load_file, read_file
from ledger.datasets.jcs import lone_surrogate
from ledger.datasets.media import DEFAULT, guess_media
from ledger.datasets.rows import content_of
from ledger.errors import RefusedInput
from ledger.signer.written import parse_parent, parse_share
from ledger.spec import HASH_BYTES
from ledger.statements import legal
from ledger.statements.record import Parent

ID: Final = re.compile(r"[0-9a-f]{64}", re.ASCII | re.IGNORECASE)
Named = Parent | Item | bytes | str | tuple[bytes, int]  # what may stand for a parent
KindOf = Callable[[bytes], str]  # the kind of an artifact; "" if it is not known here


class Given(NamedTuple):
    """A content: its digest (32 bytes), how it became bytes, and the bytes themselves where they are to be kept; `seal` of one
    that is sealed.
    """

    digest: bytes
    size_bytes: int
    form: str
    media: str | None
    keep: tuple[bytes, ...] = ()
    seal: Seal | None = None


def content_given(content: Any, kind: str | None, media: str | None = None) -> Given:
    """A content: str is text, bytes are bytes, a path is a file, all else is JSON, of which the RFC 8785 form is meant.

    An experience is JSON in any of these, and is kept. Raises RefusedInput as the parts of `ledger.datasets` do.
    """
    is_kept = kind == "experience"
    if isinstance(content, os.PathLike):
        if not is_kept:
            file = read_file(content)
            return Given(file.digest, file.size_bytes, "raw", media or guess_media(content))
        _file, data = load_file(content)
        return _of_bytes(data, "raw", media or guess_media(content), is_kept=is_kept)
    if isinstance(content, str):
        try:
            data = content.encode()
        except UnicodeEncodeError as error:
            raise lone_surrogate() from error
        return _of_bytes(data, "raw", media or "text/plain", is_kept=is_kept)
    if isinstance(content, bytes | bytearray | memoryview):
        return _of_bytes(bytes(content), "raw", media or DEFAULT, is_kept=is_kept)
    data, form = content_of(content)
    return _of_bytes(data, form, media or "application/json", is_kept=is_kept)


def _of_bytes(data: bytes, form: str, media: str, *, is_kept: bool) -> Given:
    if is_kept:
        check_experience(data)
    return Given(hashlib.sha256(data).digest(), len(data), form, media, (data,) if is_kept else ())


def parents_given(parents: Iterable[Named], kind: str, kind_of: KindOf) -> tuple[Parent, ...]:
    """Parents of an artifact of `kind`, each once; where no relation is named, the one of `legal.default_relation`.

    Raises RefusedInput `schema`, `share-illegal`; `parent-kind` where no relation is meant by itself.
    """
    if isinstance(parents, str | bytes | Item | Parent):
        parents = (parents,)
    found = (parent_given(parent, kind, kind_of) for parent in parents)
    return tuple(dict.fromkeys(found))


def parent_given(parent: Named, kind: str, kind_of: KindOf) -> Parent:
    """As `parents_given`, of one."""
    if isinstance(parent, Parent):
        return parent
    if isinstance(parent, Item):
        return Parent(legal.default_relation(kind, parent.kind), parent.id)
    ppm = row = None
    relation = ""
    if isinstance(parent, str):
        relation, name, ppm = parse_parent(parent)
        relation = relation if "=" in parent else ""
        parent = bytes.fromhex(name) if ID.fullmatch(name) else b""
    elif isinstance(parent, tuple):
        parent, row = parent
    if not isinstance(parent, bytes) or len(parent) != HASH_BYTES or not isinstance(row, int | None):
        raise RefusedInput(
            "schema",
            "parent",
            "it is no artifact",
            "Give an id (32 bytes, or 64 hex digits), a Parent, what `add` returned, or (id, row_index).",
        )
    return Parent(relation or legal.default_relation(kind, kind_of(parent)), parent, ppm, row=row)


def share_given(share: float | str | None) -> int | None:
    """Ppm of a share: an integer is ppm; 0.7 and the texts "0.7" and "70%" are parts of the whole.

    Raises RefusedInput `share-illegal`.
    """
    if share is None or type(share) is int:
        return share
    return parse_share(share if isinstance(share, str) else repr(share))


def digests_given(evidence: Iterable[Any]) -> tuple[list[bytes], list[Item]]:
    """What an experience names as its evidence: digests, ascending (of files, of 64 hex digits, of 32 bytes), and artifacts.

    Raises RefusedInput `schema`, and as the reading of a file does.
    """
    digests: set[bytes] = set()
    items: list[Item] = []
    for each in evidence:
        if isinstance(each, Item):
            items.append(each)
        elif isinstance(each, os.PathLike):
            digests.add(read_file(each).digest)
        elif isinstance(each, bytes) and len(each) == HASH_BYTES:
            digests.add(each)
        elif isinstance(each, str) and ID.fullmatch(each):
            digests.add(bytes.fromhex(each))
        else:
            raise RefusedInput(
                "schema",
                "evidence",
                "it is neither a SHA-256 nor a file nor an artifact of this session",
                "Give 32 bytes, 64 hex digits, a Path, or what a verb of the session returned.",
            )
    return sorted(digests), items
