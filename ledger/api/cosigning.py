"""Has the newest log checkpoint cosigned by witnesses, and keeps what they gave (SPEC §10.9).

Each witness is asked by its URL and believed by its vkey alone: a URL whose key nobody named is not asked, for nobody could
tell its cosignature from noise. What comes back is verified, line by line, before anything of it is kept; and a time that the
log's clock or this machine's contradicts is not kept either, since a quorum that rests on it would convict the log.
One witness that fails keeps no other from being asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from threading import Lock
from typing import Final

from ledger import spec
from ledger.api.access import Access
from ledger.api.around import now_ms
from ledger.api.gate.terms import Named, trust_named
from ledger.api.kept import Kept, KeptNotes, kept_notes, kept_of
from ledger.errors import InvariantBroken, LineageError, PolicyDenied, ProofInvalid, RefusedInput
from ledger.identity.vkey import Vkey
from ledger.log.view import LogView
from ledger.net.add_checkpoint import invalid
from ledger.net.exchange import parse_prefix
from ledger.net.witness import Submission, submit
from ledger.origin.moment import cosigned_under
from ledger.origin.trust import Trust
from ledger.proofs.checkpoint import Checkpoint
from ledger.proofs.cosignatures import Line, bounded, surplus, verify_lines, without_cosignatures
from ledger.proofs.note import Note, NoteSignature, format_note, parse_note
from ledger.proofs.quorum import Cosigned
from ledger.proofs.tlog_policy import COSIGNING_TYPES, TlogPolicy

_MS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Witness:
    """A witness that is asked: what it is called, its key, its URL."""

    name: str
    vkey: Vkey
    url: str


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of one witness: the times of the lines that were kept (POSIX seconds), or why there are none.

    `requests`: how often its URL was asked; 0: nobody answered. `remark`: what else a person should know of it.
    """

    witness: Witness
    times_s: tuple[int, ...] = ()
    requests: int = 0
    error: LineageError | None = None
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Cosigning:
    """What came of asking. `note`: of `checkpoint`, with all lines that are kept of it.

    `quorum`: what the trust file's witnesses say of it; None without a trust file that asks for a quorum. `told`: what was kept
    before and does not hold.
    """

    checkpoint: Checkpoint
    note: str
    answers: tuple[Answered, ...]
    quorum: Cosigned | None
    told: tuple[str, ...]

    @property
    def is_well(self) -> bool:
        """Whether the trust file's quorum is met; without one, whether all that were asked have cosigned."""
        if self.quorum is not None:
            return self.quorum.is_met
        return all(answered.error is None for answered in self.answers)


def cosign(
    access: Access, named: Sequence[str], trust: Named | Trust | None, wait_s: float, *, fresh: bool = False
) -> Cosigning:
    """Asks witnesses to cosign the newest signed log checkpoint, and keeps their lines; with `fresh` one is signed first.

    `named`: of each `VKEY URL`, or a name or URL of the trust file's tlog_policy; empty: all of it that have a URL. `wait_s`: for each.
    Raises before anything is signed or asked RefusedInput `witness-unknown`, `usage`, `trust-invalid`, `tlog-policy-invalid`;
    PolicyDenied `log-not-trusted`; StoreFault `store-readonly`. What a witness does is told in `answers`.
    """
    access.check_writable()
    believed = trust_named(trust)
    if believed is not None:
        believed.check_log(access.vkey)
    asked = witnesses_named(named, None if believed is None else believed.tlog_policy)
    if fresh:
        with access.writer() as writer:
            writer.tick()
    kept = kept_notes(access.cosigned, access.vkey)
    with access.view() as view:
        checkpoint = view.checkpoint
        plain = without_cosignatures(parse_note(view.note), access.vkey)
        given = _ask_all(asked, plain, view, kept, wait_s)
        checked = [_checked(witness, one, plain.text, view.clock_ms) for witness, one in given]
    lines = [line.signature for _answered, found in checked for line in found]
    note = format_note(_keep(access, checkpoint, plain, lines, [witness.vkey for witness in asked]))
    quorum = None
    if believed is not None and believed.has_quorum:
        quorum = cosigned_under(believed, access.vkey, note, now_ms())
    return Cosigning(checkpoint, note, tuple(answered for answered, _found in checked), quorum, kept.told)


def witnesses_named(named: Sequence[str], policy: TlogPolicy | None) -> list[Witness]:
    """Who is meant by these names. Raises RefusedInput `witness-unknown`, `usage`, `key-refused`."""
    known = [
        Witness(each.name, each.vkey, each.url)
        for each in (policy.witnesses if policy is not None else ())
        if each.url is not None
    ]
    found: list[Witness] = []
    for text in named:
        found += _named(text, known, policy)
    if not named:
        found = known
    if not found:
        raise _unknown(
            "the trust file" if policy is not None else "--witness",
            "no witness with a URL is named"
            + (
                " by its tlog_policy"
                if policy is not None
                else ", and there is no trust file with a tlog_policy"
            ),
        )
    by_key: dict[bytes, Witness] = {}
    for witness in found:
        by_key.setdefault(witness.vkey.key, witness)
    return list(by_key.values())


def _named(text: str, known: Iterable[Witness], policy: TlogPolicy | None) -> list[Witness]:
    vkey, _space, url = text.strip().rpartition(" ")
    if vkey:
        parse_prefix(url)
        parsed = Vkey.parse(vkey.strip())
        if parsed.signature_type not in COSIGNING_TYPES:
            raise RefusedInput(
                "usage",
                f"witness {parsed.name!r}",
                f"a key of type 0x{parsed.signature_type:02x} signs no cosignatures",
                "Give the witness's vkey, of type 0x04 or 0x06.",
            )
        return [Witness(parsed.name, parsed, url)]
    found = [each for each in known if text == each.name or each.url.rstrip("/") == text.rstrip("/")]
    if found:
        for each in found:
            parse_prefix(each.url)
        return found
    if policy is not None and any(each.name == text for each in policy.witnesses):
        raise _unknown(text, "the trust file gives it no URL")
    if "://" in text:
        parse_prefix(text)
    if policy is not None:
        raise _unknown(text, "the trust file's tlog_policy has no witness of this name or URL")
    raise _unknown(text, "its vkey is not known: nobody could tell what it answers from noise")


def _unknown(item: str, reason: str) -> RefusedInput:
    return RefusedInput(
        "witness-unknown",
        f"witness {item[: spec.VERDICT_NAME_CHARS_MAX]}",
        reason,
        "Give both, --witness 'VKEY URL', or a trust file (--trust) whose tlog_policy has the line: witness NAME VKEY URL",
    )


@dataclass(frozen=True, slots=True)
class _Given:
    """What came from one URL."""

    lines: tuple[NoteSignature, ...] = ()
    requests: int = 0
    error: LineageError | None = None
    remark: str = ""


def _ask_all(
    asked: Sequence[Witness], plain: Note, view: LogView, kept: KeptNotes, wait_s: float
) -> list[tuple[Witness, _Given]]:
    """What each gave. Witnesses of one URL are asked by one submission."""
    size = view.checkpoint.size
    sizes = kept.known_sizes(size)
    by_url: dict[str, int] = {}
    for witness in asked:
        known = sizes.get((witness.vkey.name, witness.vkey.key_id), 0)
        by_url[witness.url] = max(known, by_url.get(witness.url, 0))
    one_at_a_time = Lock()  # a view is for one thread

    def prove(old_size: int) -> Sequence[bytes]:
        with one_at_a_time:
            return view.consistency_path(old_size)

    submission = Submission(format_note(plain), size, prove)
    with ThreadPoolExecutor(min(len(by_url), spec.WITNESSES_AT_ONCE)) as pool:
        found = dict(zip(by_url, pool.map(partial(_ask, submission, wait_s), by_url.items()), strict=True))
    return [(witness, found[witness.url]) for witness in asked]


def _ask(submission: Submission, wait_s: float, asked: tuple[str, int]) -> _Given:
    url, known_size = asked
    try:
        given = submit(url, submission, known_size, wait_s)
    except InvariantBroken:
        raise
    except LineageError as error:
        return _Given(error=error)
    remark = ""
    if given.held_size is not None and given.held_size < known_size:
        remark = (
            f"it says that it had cosigned {given.held_size:,} entries of this log, and a cosignature of it over {known_size:,} is kept: "
            "it has lost what it knew, and could be shown another history"
        )
    return _Given(given.lines, given.requests, remark=remark)


def _checked(witness: Witness, given: _Given, text: str, clock_ms: int) -> tuple[Answered, tuple[Line, ...]]:
    """Which of the lines are by this witness's key and may be kept; else why not."""
    answered = Answered(witness, requests=given.requests, error=given.error, remark=given.remark)
    if given.error is not None:
        return answered, ()
    try:
        lines = verify_lines(text, given.lines, witness.vkey)
    except ProofInvalid as error:
        return replace(answered, error=invalid(witness.url, error.reason)), ()
    if lines is None:
        return replace(answered, error=_unverifiable(witness)), ()
    if not lines:
        return replace(
            answered, error=invalid(witness.url, f"no line of its answer is by {witness.vkey.name}")
        ), ()
    least_s = clock_ms // _MS - spec.CLOCK_AHEAD_MAX_S
    most_s = now_ms() // _MS + spec.CLOCK_AHEAD_MAX_S
    wrong = next((line.time_s for line in lines if not least_s <= line.time_s <= most_s), None)
    if wrong is not None:
        return replace(answered, error=_untimely(witness, wrong, least_s)), ()
    return replace(answered, times_s=tuple(sorted({line.time_s for line in lines}))), lines


def _unverifiable(witness: Witness) -> PolicyDenied:
    return PolicyDenied(
        "witness-unverified",
        f"witness {witness.url}",
        f"no library at hand verifies ML-DSA-44, by which {witness.vkey.name} signs: what cannot be verified is not kept",
        "Install a newer cryptography: pip install -U cryptography",
    )


def _untimely(witness: Witness, time_s: int, least_s: int) -> ProofInvalid:
    side = "behind the log's clock" if time_s < least_s else "ahead of this machine's clock"
    return ProofInvalid(
        "witness-answer-invalid",
        f"witness {witness.url}",
        f"it cosigned at {time_s:,} (unix seconds), over {spec.CLOCK_AHEAD_MAX_S} s {side}: one of the two clocks is wrong",
        "Nothing of it was kept. Compare this machine's clock with the time of day; if it is right, tell the witness's operator.",
    )


def _keep(
    access: Access, checkpoint: Checkpoint, plain: Note, lines: Sequence[NoteSignature], vkeys: Sequence[Vkey]
) -> Note:
    """Adds verified lines to what is kept of a checkpoint; the whole note. Raises StoreFault.

    Of what was kept, a line by one of `vkeys` that does not hold is left out: a bit that flipped must not spoil the note for ever.
    """
    notes, log = access.cosigned, access.vkey
    if not lines:
        return _joined(plain, kept_of(notes, log, checkpoint), vkeys, log)
    with notes.held():
        before = _joined(plain, kept_of(notes, log, checkpoint), vkeys, log)
        whole = bounded(plain.text, [*before.signatures, *lines], log)
        notes.put(checkpoint.size, format_note(whole).encode())
        held = {each.checkpoint.size: each.note for each in kept_notes(notes, log).notes}
        for size in surplus(held, log, spec.COSIGNED_KEPT_MAX):
            notes.drop(size)
    return whole


def _joined(plain: Note, kept: Kept | None, vkeys: Sequence[Vkey], log: Vkey) -> Note:
    found = () if kept is None else kept.note.signatures
    sound = [line for line in found if all(_may_hold(plain.text, line, vkey) for vkey in vkeys)]
    return bounded(plain.text, [*plain.signatures, *sound], log)


def _may_hold(text: str, line: NoteSignature, vkey: Vkey) -> bool:
    """Whether a line is not by this key, or holds, or nobody here can tell."""
    try:
        verify_lines(text, [line], vkey)
    except ProofInvalid:
        return False
    return True


def note_with_kept(access: Access, note: bytes, checkpoint: Checkpoint) -> str:
    """A log checkpoint's note with the lines that are kept of it, if any are that hold."""
    kept = kept_of(access.cosigned, access.vkey, checkpoint)
    return note.decode() if kept is None else format_note(_joined(parse_note(note), kept, (), access.vkey))
