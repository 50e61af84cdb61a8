"""Points: earlier log checkpoints that a proof file leads from to its own (SPEC §11.2).

A file says what was so at its checkpoint. A *point* is a smaller tree of the same log, by size and root, with the RFC 6962
§2.1.2 path that shows it to be the beginning of the checkpoint's; and, where somebody signed that very tree, the note. So
whoever remembers that size sees whether he was shown the same history (SPEC §12.4), and the witnesses' lines beneath an old
note tell since when what stands before it has existed (SPEC §12.1).

Nothing of a point is believed: the path is verified against the checkpoint, and the note under the log's vkey.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from ledger.errors import ProofInvalid
from ledger.identity.vkey import Vkey
from ledger.merkle.tree import verify_consistency
from ledger.proofs.checkpoint import Checkpoint, open_checkpoint

_FIX: Final = "Ask for the file again; if it stays so, do not trust it."


class Point(NamedTuple):
    """An earlier tree of `size` leaves and `root` (32 bytes); `note`: a log checkpoint of it, or None; `path` to the file's."""

    size: int
    root: bytes
    note: bytes | None
    path: tuple[bytes, ...]


def check_points(points: Iterable[Point], checkpoint: Checkpoint, vkey: Vkey) -> None:
    """That each point is a beginning of `checkpoint`, which the log of `vkey` has signed, and its note the log's, of that tree.

    Raises ProofInvalid: `consistency-invalid` for a path that does not hold; `proof-invalid` for points whose sizes do not
    ascend within 1 to the checkpoint's less one, and for a note that the log did not sign, or of another size or root.
    """
    last = 0
    for point in points:
        if not last < point.size < checkpoint.size:
            raise _proof_invalid(point, f"sizes ascend from 1 to less than {checkpoint.size:,}")
        last = point.size
        verify_consistency(point.size, point.root, checkpoint.size, checkpoint.root, point.path)
        if point.note is not None:
            _check_note(point, point.note, vkey)


def _check_note(point: Point, note: bytes, vkey: Vkey) -> None:
    try:
        noted = open_checkpoint(note, [vkey])
    except ProofInvalid as error:
        raise _proof_invalid(point, f"its note is none that the log signed: {error.reason}") from error
    if (noted.size, noted.root) != (point.size, point.root):
        raise _proof_invalid(point, "its note is of another size or root")


def _proof_invalid(point: Point, reason: str) -> ProofInvalid:
    return ProofInvalid("proof-invalid", f"point of {point.size:,} entries", reason, _FIX)
