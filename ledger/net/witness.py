"""Asks a witness to cosign a log checkpoint (C2SP tlog-witness, SPEC §10.9).

A witness takes a checkpoint only with the proof that it holds the tree that it cosigned last, whose size the client has to
name. Who remembers it, asks once. Else the witness answers 409 with the size that it holds: a claim, which costs a proof and
one more request, and which may be a lie. A size that the log does not have, the same size again, or one conflict after another
ends the talk.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ledger import spec
from ledger.errors import RefusedInput
from ledger.net import add_checkpoint
from ledger.net.exchange import Exchange
from ledger.proofs.note import NoteSignature


@dataclass(frozen=True, slots=True)
class Submission:
    """A log checkpoint that is shown to witnesses: its note with the log's signature, its size, and how it is proved to hold less.

    `prove` gives the RFC 6962 consistency path from a size in (0, size); any thread may call it.
    """

    note: str
    size: int
    prove: Callable[[int], Sequence[bytes]]


@dataclass(frozen=True, slots=True)
class Given:
    """The lines that a witness gave, none of them verified; how often it was asked; the size that it said it held, if it said one."""

    lines: tuple[NoteSignature, ...]
    requests: int
    held_size: int | None


def submit(url: str, submission: Submission, known_size: int, wait_s: float = spec.WITNESS_WAIT_S) -> Given:
    """Asks the witness at `url`, which is known to have cosigned `known_size` entries (0: none), within `wait_s` seconds.

    Raises RefusedInput `usage` for what is no URL, `checkpoint-behind` if the witness has cosigned more than is submitted;
    StoreFault `witness-unreachable`; PolicyDenied `witness-refused`; ProofInvalid `witness-answer-invalid`; what `prove` raises.
    """
    old_size = known_size
    held_size = None
    with Exchange(url, wait_s) as exchange:
        for count in range(1, spec.WITNESS_REQUESTS_MAX + 1):
            path = submission.prove(old_size) if 0 < old_size < submission.size else ()
            answer = exchange.post(
                add_checkpoint.PATH, add_checkpoint.request(old_size, path, submission.note)
            )
            if answer.status == add_checkpoint.OK:
                return Given(add_checkpoint.lines_of(answer, url), count, held_size)
            if answer.status != add_checkpoint.CONFLICT:
                raise add_checkpoint.refusal(answer, url)
            held_size = add_checkpoint.size_of(answer, url)
            if held_size == old_size:
                raise add_checkpoint.invalid(
                    url, f"it says that it holds another size than {old_size:,}, and then that one"
                )
            if held_size > submission.size:
                raise _behind(url, submission.size, held_size)
            old_size = held_size
    raise add_checkpoint.invalid(
        url, f"it has named another size with each of {spec.WITNESS_REQUESTS_MAX} answers, {old_size:,} last"
    )


def _behind(url: str, size: int, held_size: int) -> RefusedInput:
    return RefusedInput(
        "checkpoint-behind",
        f"witness {url}",
        f"it says that it has cosigned {held_size:,} entries of this log, and the ledger shows {size:,}: another process has added to it "
        "meanwhile, or the ledger is an older copy, or it lies",
        "Ask once more. If it stays so, find the newest copy of the ledger, or ask the witness for the log checkpoint that it cosigned.",
    )
