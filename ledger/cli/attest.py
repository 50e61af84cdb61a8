"""`lineage attest` and `lineage notice`: what is said of artifacts after they were signed."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any, Final

from ledger.cli import erase
from ledger.cli.common import (
    Reporter,
    add_common,
    command,
    confirm,
    only_identity,
    open_for,
    parse_digest,
    plural,
    short,
)
from ledger.signer.written import split_row

if TYPE_CHECKING:
    from ledger.api import Ledger, Subject

_SUBJECT_HELP: Final = (
    "an artifact id (16 hex digits or more), a signed file, or ID:ROW for a row of a dataset"
)
_PAST: Final = {
    "hold": "held",
    "release": "released",
    "retract": "retracted",
    "erase": "asked to erase",
    "dispute": "disputed",
}
_SUMMARIES: Final = {
    "hold": "Hold artifacts back until you release them: traces show them as quarantined. For who the log lists.",
    "release": "End your hold on artifacts.",
    "retract": "Take artifacts back for good. For their maker, a pair's anchor, and who the log lists.",
    "erase": "Retract artifacts, destroy what this machine keeps of your own, and ask that their records be erased. For whom `retract` is for.",
    "dispute": "Say that something is wrong with artifacts: traces show them as conditional. For who the log lists.",
}
_FOR_GOOD: Final = ("retract", "erase", "dispute")  # what does not end (SPEC §7.6)


def add(commands: Any) -> None:
    """Adds the two commands."""
    attest = command(
        commands,
        "attest",
        "Say what you found out about somebody's artifacts: that he wrote them, that they are what they say.",
        """
        lineage attest notes.md --claim authorship --result confirmed --by bea
        lineage attest 4f2a9c01d3e4b5a6:17 --claim content --result refuted
        """,
    )
    attest.add_argument("ids", metavar="ID", nargs="+", help=_SUBJECT_HELP)
    attest.add_argument(
        "--claim",
        choices=("authorship", "content", "evidence", "origin", "reproduced"),
        required=True,
        help="what you looked at: who made it, what it says, what it rests on, where it comes from, or you did it again",
    )
    attest.add_argument("--result", choices=("confirmed", "refuted", "unclear"), required=True)
    attest.add_argument(
        "--evidence",
        metavar="HEX",
        nargs="+",
        action="extend",
        default=[],
        help="SHA-256 of what shows it; it stays with you",
    )
    attest.add_argument("--by", metavar="NAME", help="who says so (default: the only identity here)")
    add_common(attest, writes=True)
    attest.set_defaults(run=run_attest)

    notice = command(
        commands,
        "notice",
        "Hold, release, retract, erase or dispute artifacts that stand in the log.",
        """
        lineage notice retract notes.md --reason error
        lineage notice hold 4f2a9c01d3e4b5a6 --reason rights --by curator
        """,
    )
    acts = notice.add_subparsers(metavar="ACT", dest="act", required=True)
    for act, summary in _SUMMARIES.items():
        _add_act(acts, act, summary)


def _add_act(acts: Any, act: str, summary: str) -> None:
    parser = command(acts, act, summary, f"lineage notice {act} notes.md --by ada")
    parser.add_argument("ids", metavar="ID", nargs="+", help=_SUBJECT_HELP)
    parser.add_argument(
        "--reason",
        choices=("error", "rights", "privacy", "harm", "duplicate", "machine-origin", "compromise", "other"),
    )
    if act == "release":
        parser.add_argument(
            "--cancels", metavar="STATEMENT", help="the id of the hold (default: every hold of yours on them)"
        )
    if act == "erase":
        erase.add_options(parser)
    parser.add_argument("--by", metavar="NAME", help="who says so (default: the only identity here)")
    add_common(parser, writes=True, confirms=act in _FOR_GOOD)
    parser.set_defaults(run=run_notice)


def run_attest(args: argparse.Namespace, reporter: Reporter) -> int:
    """Signs the attestation."""
    evidence = [parse_digest("--evidence", text) for text in args.evidence]
    with open_for(args, readonly=False) as ledger:
        by = only_identity(ledger, args.by)
        subjects = parse_subjects(args.ids, ledger)
        places = ledger.attest(subjects, by, args.claim, args.result, evidence)
    reporter.result(
        {"claim": args.claim, "result": args.result, **_document(subjects, places)},
        f"'{by}' says {args.claim} {args.result} of {_counted(subjects)}, at log index {_shown(places)}",
    )
    return 0


def run_notice(args: argparse.Namespace, reporter: Reporter) -> int:
    """Signs the notice; asks before what does not end."""
    cancels = getattr(args, "cancels", None)
    hold = parse_digest("--cancels", cancels) if cancels is not None else None
    with open_for(args, readonly=False) as ledger:
        by = only_identity(ledger, args.by)
        subjects = parse_subjects(args.ids, ledger)
        if args.act in _FOR_GOOD:
            more = f"\n{erase.warning(ledger, subjects, by)}" if args.act == "erase" else ""
            confirm(args, reporter, f"{args.act}: {_counted(subjects)}, for good, by '{by}'.{more}")
        if args.act == "erase":
            return _erase(args, reporter, ledger, subjects, by)
        places = ledger.notice(subjects, by, args.act, reason=args.reason, cancels=hold)
    text = f"'{by}' {_PAST[args.act]} {_counted(subjects)}, at log index {_shown(places)}"
    if args.act == "retract":
        text += f"\n{_touches(subjects)}"
    reporter.result({"act": args.act, "reason": args.reason, **_document(subjects, places)}, text)
    return 0


def _erase(
    args: argparse.Namespace, reporter: Reporter, ledger: Ledger, subjects: list[Subject], by: str
) -> int:
    done = ledger.erase(subjects, by, reason=args.reason, although_shared=args.although_shared)
    where = f"at log index {_shown(done.log_indices)}" if done.log_indices else "as he had before"
    text = f"'{by}' {_PAST['erase']} {_counted(subjects)}, {where}\n{erase.told_at_once(done)}\n{_touches(subjects)}"
    facts = {"act": "erase", "reason": args.reason, **_document(subjects, done.log_indices)}
    reporter.result({**facts, **erase.document(done)}, text)
    return 0


def _touches(subjects: list[Subject]) -> str:
    return f"What it touches: lineage trace {short(subjects[0][0])} --descendants"


def parse_subjects(texts: list[str], ledger: Ledger) -> list[Subject]:
    """ID, file or ID:ROW, each once. A file that is there is meant by its name, whatever colons that has.

    Raises as `Ledger.resolve`; RefusedInput `schema` for a row that is no number.
    """
    return list(dict.fromkeys(_parse_subject(text, ledger) for text in texts))


def _parse_subject(text: str, ledger: Ledger) -> Subject:
    name, row = (text, None) if os.path.lexists(text) else split_row(text)
    return (ledger.resolve(name),) if row is None else (ledger.resolve(name), row)


def _counted(subjects: list[Subject]) -> str:
    words = [f"{short(item[0])}{f':{item[1]}' if len(item) == 2 else ''}" for item in subjects[:3]]
    more = " …" if len(subjects) > len(words) else ""
    return f"{plural(len(subjects), 'subject')} ({', '.join(words)}{more})"


def _shown(places: list[int]) -> str:
    return ", ".join(map(str, places))


def _document(subjects: list[Subject], places: list[int]) -> dict[str, Any]:
    return {
        "subjects": [
            {"id": item[0].hex(), "row_index": item[1] if len(item) == 2 else None} for item in subjects
        ],
        "log_indices": places,
    }
