"""What is said to a witness and by it: the texts of C2SP tlog-witness, `add-checkpoint` (SPEC §10.9).

    old <size>                              the tree that the witness cosigned last, 0: none
    <base64 of a hash>                      the consistency proof from there (RFC 6962 §2.1.2), 63 lines at most
    <an empty line>
    <the log checkpoint, a signed note>

It answers 200 with signature lines; 409 with the size that it cosigned last, if that is another than `old`; anything else is a
refusal. Nothing that it says is believed here: what is returned is of the right form, and no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ledger.errors import PolicyDenied, ProofInvalid
from ledger.identity.c2sp_text import as_text, decode_decimal, encode_base64
from ledger.net.exchange import Answer
from ledger.proofs.note import NoteSignature
from ledger.spec import NOTE_SIGNATURES_MAX, WITNESS_ANSWER_BYTES_MAX

PATH: Final = "/add-checkpoint"
OK: Final = 200
CONFLICT: Final = 409
SIZE_TYPE: Final = "text/x.tlog.size"
_SIZE_MAX: Final = 2**63 - 1
_QUOTED_CHARS_MAX: Final = 120
_REDIRECTS: Final = range(300, 400)
_ITS_OPERATOR: Final = "Ask its operator: `lineage status` prints the log's origin and vkey."

# By status (C2SP tlog-witness): what it says, and what helps.
_MEANS: Final = {
    400: ("it calls the request malformed", "Tell its operator, and whoever maintains this program."),
    403: (
        "it finds no signature by a key that it knows of this log",
        f"It may know the log under another key. {_ITS_OPERATOR}",
    ),
    404: (
        "it does not know this log, or no witness answers under this URL",
        f"Check the URL, the prefix under which it takes checkpoints. {_ITS_OPERATOR}",
    ),
    413: ("it takes no request of this size", "Tell its operator."),
    422: (
        "it says that this log checkpoint does not hold what it has cosigned of this log: another history",
        "Find out whether this ledger is a copy, or was put back from one. Ask the witness for the log checkpoint that it cosigned; compare.",
    ),
    429: ("it has been asked too often", "Ask again later."),
    503: ("it cannot cosign now", "Ask again later; if it stays so, tell its operator."),
}
_ELSE: Final = ("it refuses", "Ask again later; if it stays so, tell its operator.")


def request(old_size: int, path: Sequence[bytes], note: str) -> bytes:
    """The body of a request."""
    proof = "".join(f"{encode_base64(each)}\n" for each in path)
    return f"old {old_size}\n{proof}\n{note}".encode()


def lines_of(answer: Answer, url: str) -> tuple[NoteSignature, ...]:
    """The signature lines of an answer 200. Raises ProofInvalid `witness-answer-invalid`."""
    text = as_text(answer.body, WITNESS_ANSWER_BYTES_MAX)
    if not text or not text.endswith("\n"):
        raise invalid(url, "its answer is no text of signature lines, each ended by a newline")
    if text.count("\n") > NOTE_SIGNATURES_MAX:
        raise invalid(url, f"its answer has over {NOTE_SIGNATURES_MAX} lines")
    try:
        return tuple(NoteSignature.parse(line) for line in text[:-1].split("\n"))
    except ProofInvalid:
        raise invalid(url, "its answer holds what is no signature line") from None


def size_of(answer: Answer, url: str) -> int:
    """The size that an answer 409 says. Raises ProofInvalid `witness-answer-invalid`."""
    media = answer.media.partition(";")[0].strip().lower()
    text = as_text(answer.body, len(str(_SIZE_MAX)) + 1) or ""
    size = decode_decimal(text[:-1], _SIZE_MAX) if text.endswith("\n") else None
    if media != SIZE_TYPE or size is None:
        raise invalid(url, f"it answers 409, and not with a size of type {SIZE_TYPE}")
    return size


def refusal(answer: Answer, url: str) -> PolicyDenied:
    """The error of any other answer: what its status says, and what stands in it, as far as it can be shown."""
    means, fix = _MEANS.get(answer.status, _ELSE)
    if answer.status in _REDIRECTS:
        means = f"it answers that it is elsewhere: {_quoted(answer.location)}"
        fix = "Nobody is followed there unasked. If that is where the witness is, name that URL."
    words = _quoted(answer.body.decode("utf-8", "replace").strip())
    said = f", and says {words}" if words != "''" and answer.status not in _REDIRECTS else ""
    return PolicyDenied("witness-refused", f"witness {url}", f"{means} (HTTP {answer.status}){said}", fix)


def invalid(url: str, reason: str) -> ProofInvalid:
    """The error of an answer that is none, or does not hold."""
    return ProofInvalid(
        "witness-answer-invalid",
        f"witness {url}",
        reason,
        "Nothing of it was kept. Check the URL and the witness's vkey; if they are right, tell its operator.",
    )


def _quoted(text: str) -> str:
    short = text[:_QUOTED_CHARS_MAX]
    return f"{short!a}" + ("…" if len(text) > _QUOTED_CHARS_MAX else "")
