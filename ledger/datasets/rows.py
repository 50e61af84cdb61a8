"""What every dataset format yields: rows, each the bytes that are hashed and how they became bytes.

A row is named by its artifact and its 0-based row index (SPEC §4.2). Its digest is the SHA-256 of its content, whatever
file format carried it: the same text in JSONL and in another format is the same row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Form = Literal["raw", "jcs"]

_MEDIA: Final[dict[Form, str]] = {"raw": "text/plain", "jcs": "application/json"}


@dataclass(frozen=True, slots=True)
class Row:
    """One row: content is the UTF-8 of a string (form raw), or the RFC 8785 form of any other JSON value (form jcs)."""

    row_index: int  # 0-based
    content: bytes
    form: Form

    @property
    def size_bytes(self) -> int:
        """Length of the content in bytes."""
        return len(self.content)

    @property
    def media(self) -> str:
        """Media type of the content: text/plain or application/json."""
        return _MEDIA[self.form]
