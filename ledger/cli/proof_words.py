"""What an ancestry proof came to, in words for a person: `lineage verify F.lineage`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Final

from ledger.cli import trace_words
from ledger.cli.common import moment, plural, printable, short
from ledger.cli.proof_document import (
    FAULTS_TOLD_MAX,
    LOG_UNKNOWN,
    faults_of_file,
    faults_of_subjects,
    name_of,
)

if TYPE_CHECKING:
    from ledger.api.verifying import Trusted
    from ledger.api.verifying_ancestry import VerifiedAncestry
    from ledger.errors import ProofInvalid
    from ledger.origin.proved import ProvedLog, SubjectProved
    from ledger.proofs.ancestry_file import Disclosed

DEPTH_MAX: Final = 64  # generations that are drawn
TREES_SHOWN_MAX: Final = 4  # subjects whose ancestry is drawn; more are counted
FAULTS_SHOWN_MAX: Final = 8
SHOWN_MAX: Final = 16  # humans, unknown ancestors and disclosed parts that are named
SHORT_ID: Final = 16  # hex digits of an id, as `short` has it

BECAUSE: Final = {
    "given": "the vkey that you gave",
    "trust": "your trust file",
    "ledger": "the ledger at hand (self-trusted)",
    "keys": "the only log that the keys here know (self-trusted)",
}
NOT_COMPARED: Final = "Compared: with nothing that was accepted here before (--no-memory)."
NOT_PROVEN: Final = """Not proven: that a key's owner is human, wrote it, or tells the truth; when it was made (only that it existed by then);
the shares, which are claims; what was said after this log checkpoint."""
_GONE: Final = {
    "erased": "erased",
    "foreign": "of another log",
    "unproved": "not in the proof",
    "absent": "not in the log",
}
_FIXES: Final = {
    "checkpoint-too-old": "Ask for a newer proof: lineage prove",
    "quorum-unmet": "Ask for a proof that is made once it is cosigned: lineage log checkpoint --witness, then lineage prove",
    "content-differs": "A file is compared whole, with what each subject is about. Rows of a dataset: lineage gate DATASET --proof F.lineage",
    "auditor-missing": "Ask for a proof that is made once an auditor cosigned.",
}  # what to do, for who holds a file and no ledger; of what else is missing the policy's own words


def of_invalid(path: str, error: ProofInvalid, trusted: tuple[Trusted, ...]) -> list[str]:
    """A file that does not hold."""
    lines = [
        f"{printable(path)}: NOT proved, and nothing in it counts",
        f"  fault      {printable(error.item)}: {printable(error.reason)} [{error.code}]",
    ]
    if error.fix:
        lines.append(f"  {printable(error.fix)}")
    return [*lines, *_trusted_lines(trusted)]


def of_verified(path: str, verified: VerifiedAncestry, depth_max: int) -> list[str]:
    """A file that holds: how it comes out, its ancestry, its people, what is not known, and by what all this is said."""
    from ledger.api.gate.terms import RIVALS_UNSEARCHED

    proved = verified.proved
    lines = [f"{printable(path)}: {_head(verified)}"]
    for each in proved.logs:
        lines += _log_lines(verified, each, depth_max)
    lines += _fault_lines(verified)
    lines += [
        f"Content: {printable(each.path)} is what {', '.join(map(short, each.subjects))} is about"
        for each in verified.contents
        if each.fault is None
    ]
    lines += [f"Disclosed: {line}" for line in disclosed_lines(proved.disclosed)]
    if proved.logs:
        lines += ["", *_words_of_trust(proved.logs), *_compared(verified), RIVALS_UNSEARCHED, NOT_PROVEN]
    in_file = {str(each.log.vkey) for each in proved.logs}
    of_file = tuple(each for each in verified.trusted if str(each.vkey) in in_file)
    return [*lines, *_trusted_lines(of_file or verified.trusted)]


def _head(verified: VerifiedAncestry) -> str:
    """The one line that says how it came out."""
    proved = verified.proved
    if not proved.logs:
        return "NOT proved: it is of no log that is trusted here"
    subjects = [subject for each in proved.logs for subject in each.subjects]
    others = sum(each.fault is not None for each in verified.contents)
    but = f"; {plural(others, 'file')} not what it is about" if others else ""
    but += (
        f"; {plural(len(proved.unknown_logs), 'log')} in it not trusted here" if proved.unknown_logs else ""
    )
    is_open = any(each.missing for each in proved.logs) or any(_is_open(each) for each in subjects)
    outcome = "proved" if verified.ok else "NOT decided" if is_open else "NOT well"
    if len(subjects) == 1:
        (subject,) = subjects
        verdict = "" if subject.verdict is None else f", {subject.verdict.label}"
        return f"{outcome}: {_level(subject)}, {subject.standing.label}{verdict}{but}"
    well = sum(subject.ok for subject in subjects)
    of_them = "all well" if well == len(subjects) else f"{well:,} of them well"
    return f"{outcome}: {plural(len(subjects), 'subject')}, {of_them}{but}"


def _is_open(subject: SubjectProved) -> bool:
    """Whether a policy was asked that decides nothing."""
    return subject.verdict is not None and subject.verdict.label == "undecided"


def _level(subject: SubjectProved) -> str:
    return f"{subject.level.code} {subject.level.label}"


# The ancestry


def _log_lines(verified: VerifiedAncestry, log: ProvedLog, depth_max: int) -> list[str]:
    lines = _trees(log, depth_max) if len(log.subjects) <= TREES_SHOWN_MAX else _summary(log)
    lines += ["", *_standings(log), *_people(log), *_unknown_lines(log)]
    checkpoint = log.log.checkpoint
    lines.append(f"Log checkpoint: {printable(checkpoint.origin)}, {checkpoint.size:,} entries")
    lines += _times(verified, log)
    return lines


def _trees(log: ProvedLog, depth_max: int) -> list[str]:
    lines: list[str] = []
    for artifact_id in dict.fromkeys(subject.id for subject in log.subjects):
        ancestry = log.ancestry(artifact_id)
        places = [place for node in ancestry.nodes.values() for place in node.places]
        events = {
            place.disowned.log_index: _event_type(log, place.disowned.log_index)
            for place in places
            if place.disowned is not None
        }
        known = trace_words.Known(events=events, accepting="--trust")
        lines += ["", *trace_words.tree(ancestry, known, depth_max)]
        lines += trace_words.explanations(ancestry)
    return lines[1:]


def _event_type(log: ProvedLog, log_index: int) -> str:
    entry = log.log.entry(log_index)
    return "" if entry is None else entry.statement.type


def _summary(log: ProvedLog) -> list[str]:
    """Many subjects, counted by what they come to."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for subject in log.subjects:
        rows = sum(count for _, count in subject.rows) or 1
        verdict = "" if subject.verdict is None else subject.verdict.label
        counts[_level(subject), subject.standing.label, verdict] += rows
    return [
        f"  {level:<16} {standing:<12} {verdict + ' ' if verdict else ''}{count:>12,}"
        for (level, standing, verdict), count in sorted(counts.items(), reverse=True)
    ]


def _standings(log: ProvedLog) -> list[str]:
    """Of few subjects what they come to, and why; of many, `_fault_lines` tells what is not well."""
    if len(log.subjects) > TREES_SHOWN_MAX:
        return []
    lines = []
    for subject in log.subjects:
        of = (
            f" of {name_of(subject, SHORT_ID)}"
            if len(log.subjects) > 1 or subject.rows or subject.row is not None
            else ""
        )
        code = "" if subject.code in (None, "clear") else f" [{subject.code}]"
        standing = f"Standing{of}: {subject.standing.label}"
        if log.missing:
            lines.append(f"{standing}, for what is missing")
        elif subject.verdict is None:
            lines.append(f"{standing}: {printable(subject.why)}{code}")
        else:
            why = "this policy decides nothing; " if _is_open(subject) else ""
            lines += [standing, f"Verdict{of}: {subject.verdict.label}: {why}{printable(subject.why)}{code}"]
    return lines


def _people(log: ProvedLog) -> list[str]:
    people = log.people
    lines = [
        f"Humans who answer for it: {_listed(people.humans)}",
        f"Authors among them:       {_listed(people.authors)}",
    ]
    if people.behind:
        lines.append(f"Behind what was disowned: {_listed(people.behind)}")
    return lines


def _listed(identities: Collection[bytes]) -> str:
    shown = [item.hex() for item in list(identities)[:SHOWN_MAX]]
    more = len(identities) - len(shown)
    return (", ".join(shown) or "none") + (f" and {more:,} more" if more else "")


def _unknown_lines(log: ProvedLog) -> list[str]:
    unknowns = log.unknowns
    if not unknowns:
        return ["Unknown among its ancestors: none"]
    shown = ", ".join(f"{short(item.id)} ({_GONE[item.what]})" for item in unknowns[:SHOWN_MAX])
    more = f" and {len(unknowns) - SHOWN_MAX:,} more" if len(unknowns) > SHOWN_MAX else ""
    return [f"Unknown among its ancestors: {shown}{more}"]


# Times and trust


def _times(verified: VerifiedAncestry, log: ProvedLog) -> Iterator[str]:
    footing = log.footing
    if footing.is_by_own_clock:
        by = "by the log's own clock"
    elif footing.is_cosigned and log.moment.cosigned is not None:
        by = f"cosigned by a quorum: {', '.join(map(printable, sorted(log.moment.cosigned.times_s)))}"
    else:
        by = "not cosigned by the quorum of your trust file"
    fresh = "unknown" if footing.fresh_ms is None else moment(footing.fresh_ms)
    yield f"Fresh as of: {fresh}, {by}"
    times = [log.existed_by_ms(subject) for subject in log.subjects]
    known = [time_ms for time_ms in times if time_ms is not None]
    if len(known) < len(times):
        yield "Existed by: unknown"
    elif known:
        yield f"Existed by:  {moment(max(known))}{', all of it' if len(times) > 1 else ''}"
    early = footing.fresh_ms is not None and verified.at_ms < footing.fresh_ms
    yield f"Judged as of {moment(verified.at_ms)}{', before this log checkpoint was there' if early else ''}"


def _fault_lines(verified: VerifiedAncestry) -> list[str]:
    """What keeps it from being well, but for the standing of few subjects, which was told with why."""
    logs = verified.proved.logs
    found = [
        *faults_of_file(verified),
        *(
            fault
            for each in logs
            if len(each.subjects) > TREES_SHOWN_MAX
            for fault in faults_of_subjects(each)
        ),
    ]
    missing = {lack.code: lack.fix for each in logs for lack in each.missing}
    fixes = missing | _FIXES | {LOG_UNKNOWN: "Name its vkey, if you trust that log: --vkey VKEY"}
    lines = []
    for fault in found[:FAULTS_SHOWN_MAX]:
        code = fault["code"]
        what = "Missing" if code in missing else f"NOT well: {printable(fault['item'])}"
        lines.append(f"{what}: {printable(fault['reason'])} [{code}]")
        lines += [f"  {fixes[code]}"] if code in fixes else []
    if len(found) > FAULTS_SHOWN_MAX:
        lines.append(f"NOT well: {len(found) - FAULTS_SHOWN_MAX:,} more (--json tells {FAULTS_TOLD_MAX})")
    return lines


def _words_of_trust(logs: tuple[ProvedLog, ...]) -> list[str]:
    """By whose word it is said, as a gate says it."""
    from ledger.api.gate.terms import BY_OPERATOR, OWN_CLOCK, SELF_TRUSTED_LOG

    lines = []
    if any(each.footing.is_self for each in logs):
        lines.append(SELF_TRUSTED_LOG)
    elif any(each.footing.is_by_own_clock for each in logs):
        lines.append(OWN_CLOCK)
    if not all(each.footing.is_audited for each in logs):
        lines.append(BY_OPERATOR)
    cosigned = [each.moment.cosigned for each in logs]
    auditors = sorted({vkey.name for each in cosigned if each is not None for vkey in each.auditors})
    if auditors:
        lines.append(
            f"Status by the word of an auditor of your trust file: {', '.join(map(printable, auditors))}"
        )
    return lines


def _compared(verified: VerifiedAncestry) -> list[str]:
    """How the log checkpoint stands to what was accepted of its log before (SPEC §12.4)."""
    lines = []
    for known in verified.known:
        lines.append(f"Compared: {printable(known.words)}")
        lines += [f"  {printable(known.fix)}"] if known.fix else []
    return lines or [NOT_COMPARED]


def _trusted_lines(trusted: tuple[Trusted, ...]) -> list[str]:
    return [
        f"Trusted: {printable(each.vkey.name)}, by {BECAUSE[each.because]}." for each in trusted[:SHOWN_MAX]
    ] + ([f"Trusted: {len(trusted) - SHOWN_MAX:,} logs more."] if len(trusted) > SHOWN_MAX else [])


def disclosed_lines(items: Collection[Disclosed]) -> list[str]:
    """What is disclosed in a proof, a line each; the first of many."""
    from ledger.proofs.ancestry_file import CONTENT

    lines = [
        f"the {'content' if item.what == CONTENT else 'profile'} of {short(item.id)}, {plural(len(item.data), 'byte')}"
        for item in list(items)[:SHOWN_MAX]
    ]
    more = len(items) - len(lines)
    return [*lines, f"and {more:,} more"] if more else lines
