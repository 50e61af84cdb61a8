"""CSV character by character, as `ledger.datasets.delimited` tells it: slow, and with no pattern in it."""

from __future__ import annotations

from typing import NamedTuple


class Record(NamedTuple):
    """One record: its bytes, and its cells or the code of what is wrong with it."""

    raw: bytes
    cells: list[str] | None
    code: str = ""


def read(data: bytes, separator: bytes, row_bytes_max: int) -> tuple[list[Record], str]:
    """All records, the header among them, and the code of what ended the reading, if anything did."""
    records: list[Record] = []
    at = 0
    while at < len(data):
        end, fault, cells, is_open = _record(data, at, separator, row_bytes_max + 3)
        if is_open:
            return records, "quote-broken"
        records.append(_judged(data[at:end], fault, cells, row_bytes_max))
        at = end
    return records, ""


def _record(data: bytes, start: int, separator: bytes, limit: int) -> tuple[int, bool, list[bytes], bool]:
    """Where the record ends; whether it is against the grammar; its cells; whether a quote was open where it had to end."""
    cells = [b""]
    state = "begin"  # of a cell; then plain, quoted, closed; or faulty
    at = start
    while at < len(data):
        if at - start == limit:  # no end within what a row may have
            if state in ("quoted", "closed"):
                return at, True, [], True
            line_end = data.find(b"\n", at)
            return (len(data) if line_end < 0 else line_end + 1), True, [], False
        byte = data[at : at + 1]
        if state == "faulty":
            if byte == b"\n":
                return at + 1, True, [], False
        elif state == "quoted":
            if byte == b'"':
                state = "closed"
            else:
                cells[-1] += byte
        elif state == "closed" and byte == b'"':
            cells[-1] += b'"'
            state = "quoted"
        elif byte == separator:
            cells.append(b"")
            state = "begin"
        elif byte == b"\n":
            return at + 1, False, cells, False
        elif byte == b"\r":
            if data[at + 1 : at + 2] == b"\n" and at + 1 - start < limit:
                return at + 2, False, cells, False
            state = "faulty"
        elif byte == b'"' and state == "begin":
            state = "quoted"
        elif byte == b'"' or state == "closed":
            state = "faulty"
        else:
            cells[-1] += byte
            state = "plain"
        at += 1
    return at, state == "faulty", cells, state == "quoted"


def _judged(raw: bytes, fault: bool, cells: list[bytes], row_bytes_max: int) -> Record:
    body = raw
    if body.endswith(b"\n"):
        body = body[:-1]
        if body.endswith(b"\r"):
            body = body[:-1]
    if len(body) > row_bytes_max:
        return Record(raw, None, "too-large")
    if not body:
        return Record(raw, None, "row-blank")
    if b"\0" in body:
        return Record(raw, None, "zero-byte")
    if fault:
        return Record(raw, None, "quote-broken")
    try:
        return Record(raw, [cell.decode() for cell in cells])
    except UnicodeDecodeError:
        return Record(raw, None, "not-utf8")
