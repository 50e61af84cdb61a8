"""One log, one history: a later checkpoint holds all of an earlier one (SPEC §12.4).

A log may show each of two people a history of its own, each signed and sound. Whoever remembers one checkpoint finds out as
soon as he is shown one of the other: of a greater tree no path leads to the remembered root, and of an equal one the root is
another. A smaller tree proves nothing either way: it is the log's past, or the beginning of another history.

The path is verified here, whoever gave it, so that it may come from a store, from a network or from a file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ledger.errors import ProofInvalid, RefusedInput
from ledger.merkle.tree import EMPTY_ROOT, verify_consistency
from ledger.proofs.checkpoint import Checkpoint

# The path from that many leaves to the later tree (RFC 6962 §2.1.2).
ProveConsistency = Callable[[int], Sequence[bytes]]


def check_extends(before: Checkpoint, after: Checkpoint, prove: ProveConsistency) -> None:
    """That `after` holds all of `before`, by the path that `prove` gives; of trees of one size none is asked for.

    Whether the log signed them is the caller's matter. Raises RefusedInput `checkpoint-behind` if `after` is smaller,
    `wrong-log`; ProofInvalid `checkpoint-inconsistent`: the log showed two histories, or the proof of one is kept back. What
    `prove` raises is passed on.
    """
    if before.origin != after.origin:
        raise RefusedInput(
            "wrong-log",
            f"log checkpoint of {after.origin!r}",
            f"it is compared with one of {before.origin!r}",
            "Give checkpoints of one log.",
        )
    if after.size < before.size:
        raise RefusedInput(
            "checkpoint-behind",
            f"log checkpoint of {after.size:,} entries",
            f"the log has signed one of {before.size:,}: this is an older copy of it, or the beginning of another history",
            "Take the newest copy of the log.",
        )
    if before.root == EMPTY_ROOT and not before.size:  # whatever follows holds it; no path says so
        return
    path = prove(before.size) if after.size > before.size else ()
    try:
        verify_consistency(before.size, before.root, after.size, after.root, path)
    except ProofInvalid as error:
        what = (
            f"it has another root than an earlier one of {before.size:,} entries"
            if after.size == before.size
            else f"nothing proves that it holds the {before.size:,} entries of an earlier one ({error.reason})"
        )
        raise two_histories(after, what) from error


def two_histories(after: Checkpoint, what: str) -> ProofInvalid:
    """The accusation of a log by one of its checkpoints; `what` speaks against it."""
    return ProofInvalid(
        "checkpoint-inconsistent",
        f"log checkpoint of {after.size:,} entries",
        f"{what}: the log has shown two histories",
        "Trust neither, and show both to the log's operator and to others who use it.",
    )
