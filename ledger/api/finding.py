"""From what a person holds (a file, a text) to the artifacts about it. A digest is compared under its form alone (SPEC §2)."""

from __future__ import annotations

import hashlib

from ledger.datasets.files import load_file, read_file
from ledger.datasets.jcs import canonical_json, parse_json
from ledger.errors import RefusedInput
from ledger.log.view import LogView
from ledger.spec import ROW_BYTES_MAX


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
