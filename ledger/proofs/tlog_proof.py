"""A proof of inclusion as one text file (C2SP tlog-proof; SPEC §11.1).

    c2sp.org/tlog-proof@v1
    extra <base64>                    left out if there is none
    index <0-based index, decimal>
    <base64 of a hash>                the inclusion path, leaf's sibling first; none in a tree of one leaf
    <an empty line>
    <the checkpoint note, verbatim>

This module reads and writes the file; it decides nothing. `extra` is not authenticated by it. To verify: the leaf
hash, the checkpoint's signature (`checkpoint.open_checkpoint`), then index and path against size and root.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from ledger.errors import ProofInvalid
from ledger.identity.c2sp_text import as_text, decode_base64, decode_decimal, encode_base64
from ledger.proofs.checkpoint import Checkpoint
from ledger.proofs.note import parse_note
from ledger.spec import HASH_BYTES, RECEIPT_BYTES_MAX, TREE_SIZE_MAX

PATH_HASHES_MAX: Final = 64  # a path in a tree of 2^64 leaves

HEADER: Final = "c2sp.org/tlog-proof@v1"
_EXTRA: Final = "extra "
_INDEX: Final = "index "


@dataclass(frozen=True, slots=True)
class TlogProof:
    """`index` of the leaf, `path` (0 to 64 hashes of 32 bytes), the checkpoint note as text, `extra` bytes or None.

    Raises ProofInvalid: "receipt-invalid", or "note-invalid" and "checkpoint-invalid" for its checkpoint's form.
    """

    index: int
    path: tuple[bytes, ...]
    checkpoint_note: str
    extra: bytes | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.index < TREE_SIZE_MAX:
            raise _receipt_invalid(f"index {self.index} is not within 0 to {TREE_SIZE_MAX - 1}")
        if len(self.path) > PATH_HASHES_MAX or any(len(node) != HASH_BYTES for node in self.path):
            raise _receipt_invalid(f"the path is not at most {PATH_HASHES_MAX} hashes of {HASH_BYTES} bytes")
        if self.extra == b"":
            raise _receipt_invalid("extra data is empty; it is left out instead")
        note = parse_note(self.checkpoint_note)
        checkpoint = Checkpoint.parse(note.text)
        if self.index >= checkpoint.size:
            raise _receipt_invalid(f"index {self.index} is not in a tree of {checkpoint.size} leaves")
        if as_text(self.format(), RECEIPT_BYTES_MAX) is None:
            raise _receipt_invalid(f"has over {RECEIPT_BYTES_MAX} bytes")

    @classmethod
    def parse(cls, data: bytes | str) -> Self:
        """Read a `.tlog-proof` file. Nothing in it is verified. Raises ProofInvalid as the constructor does."""
        text = as_text(data, RECEIPT_BYTES_MAX)
        if text is None:
            raise _receipt_invalid(f"is not UTF-8, or has over {RECEIPT_BYTES_MAX} bytes")
        head, blank, checkpoint_note = text.partition("\n\n")
        # header, extra, index, path; one part more shows that there were too many lines, and is not split
        lines = head.split("\n", PATH_HASHES_MAX + 3)
        if lines.pop(0) != HEADER or not blank:
            raise _receipt_invalid(
                f"does not begin with {HEADER!r}, or no empty line precedes the checkpoint"
            )
        extra = None
        if lines and lines[0].startswith(_EXTRA):
            extra = decode_base64(lines.pop(0).removeprefix(_EXTRA))
            if extra is None:
                raise _receipt_invalid("extra data is not canonical base64")
        index_line = lines.pop(0) if lines else ""
        index = decode_decimal(index_line.removeprefix(_INDEX), TREE_SIZE_MAX)
        if not index_line.startswith(_INDEX) or index is None:
            raise _receipt_invalid("no line with the index, a decimal, follows")
        path = tuple(node for node in map(decode_base64, lines) if node is not None)
        if len(path) != len(lines):
            raise _receipt_invalid("a line of the path is not canonical base64")
        return cls(index, path, checkpoint_note, extra)

    def format(self) -> str:
        """The file's text: inverse of `parse`."""
        head = [HEADER]
        if self.extra is not None:
            head.append(_EXTRA + encode_base64(self.extra))
        head.append(f"{_INDEX}{self.index}")
        head.extend(map(encode_base64, self.path))
        return "\n".join(head) + "\n\n" + self.checkpoint_note


def _receipt_invalid(reason: str) -> ProofInvalid:
    return ProofInvalid("receipt-invalid", "tlog-proof", reason, "Ask the log for the receipt again.")
