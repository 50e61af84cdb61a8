"""`lineage identity endorse | contest`: what an identity says of another one."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ledger.cli.common import (
    Reporter,
    add_common,
    command,
    moment,
    only_identity,
    open_for,
    parse_digest,
    printable,
)
from ledger.errors import RefusedInput
from ledger.signer.written import parse_date_ms

if TYPE_CHECKING:
    from ledger.api import Ledger


def add_verbs(verbs: Any) -> None:
    """Adds the two verbs."""
    endorse = command(
        verbs,
        "endorse",
        "Grade another identity: how far do you know who it is? Where the log admits by an allow-list, registrars open it so.",
        """
        lineage identity endorse ada --grade verified --method document --by registry --until 2028-01-01
        lineage identity endorse ada --end --by registry
        """,
    )
    endorse.add_argument("subject", metavar="SUBJECT", help="a name here, or all 64 digits of an identity id")
    endorse.add_argument(
        "--grade",
        choices=("claimed", "known", "verified", "documented"),
        help="claimed: it says so itself; known: to you; verified: you checked; documented: you keep the evidence",
    )
    endorse.add_argument(
        "--method",
        choices=("in-person", "document", "web", "employment", "community", "other"),
        help="how you came to know",
    )
    endorse.add_argument("--until", metavar="DATE", help="until 2028-01-31 (UTC), by the log's clock")
    endorse.add_argument("--log", metavar="HEX", help="the id of the other log in which SUBJECT is enrolled")
    endorse.add_argument("--end", action="store_true", help="end your endorsement of SUBJECT")
    endorse.add_argument("--by", metavar="NAME", help="who endorses (default: the only identity here)")
    add_common(endorse, writes=True)
    endorse.set_defaults(run=run_endorse)

    contest = command(
        verbs,
        "contest",
        "Log the proof that an identity signed two different statements at one place. Anybody may.",
        "lineage identity contest one.entry other.tlog-proof --by ada",
    )
    for name in ("first", "second"):
        contest.add_argument(
            name,
            metavar=name.upper(),
            help="a file with the entry's bytes, or a receipt (.tlog-proof) that carries it",
        )
    contest.add_argument("--by", metavar="NAME", help="who says so (default: the only identity here)")
    add_common(contest, writes=True)
    contest.set_defaults(run=run_contest)


def run_endorse(args: argparse.Namespace, reporter: Reporter) -> int:
    """Says, or ends, a grade."""
    if args.end == (args.grade is not None or args.method is not None or args.until is not None):
        raise RefusedInput(
            "usage",
            "endorsement",
            "it takes a grade and a method; or --end, and nothing else",
            "Say --grade GRADE --method METHOD, or --end.",
        )
    if not args.end and (args.grade is None or args.method is None):
        raise RefusedInput(
            "usage", "endorsement", "it takes both a grade and a method", "Say --grade GRADE --method METHOD."
        )
    if args.end and args.log is not None:
        raise RefusedInput(
            "usage",
            "--end",
            "it ends what was said of an identity of this log, not of one in another log",
            "Say the same with --log again, with an --until that is past: the latest word counts.",
        )
    with open_for(args, readonly=False) as ledger:
        by = only_identity(ledger, args.by)
        if args.end:
            log_index = ledger.end_endorsement(args.subject, by)
            text = f"'{by}' ended the endorsement of '{printable(args.subject)}', at log index {log_index}"
        else:
            log_index, text = _endorse(args, ledger, by)
        subject = args.subject if args.log else ledger.identity_id(args.subject).hex()
        document = {"subject": subject, "by": ledger.keys.find(by).id.hex(), "log_index": log_index}
    document |= {"grade": args.grade, "method": args.method, "ended": args.end}
    reporter.result(document, text)
    return 0


def _endorse(args: argparse.Namespace, ledger: Ledger, by: str) -> tuple[int, str]:
    until = parse_date_ms(args.until) if args.until is not None else None
    log = parse_digest("--log", args.log) if args.log is not None else None
    if log is not None:
        parse_digest("SUBJECT", args.subject)
    log_index = ledger.endorse(args.subject, by, args.grade, args.method, until=until, log=log)
    text = f"'{by}' endorsed '{printable(args.subject)}' as {args.grade} ({args.method}), at log index {log_index}"
    if until is not None:
        text += f", until {moment(until)}"
    lists = ledger.rules().get("registrars", ())
    if log is None and ledger.keys.find(by).id not in lists:
        text += "\nThe log does not list the signer as a registrar: it is said, and opens no allow-list."
    return log_index, text


def run_contest(args: argparse.Namespace, reporter: Reporter) -> int:
    """Logs the evidence of a fork."""
    from ledger.api import read_entry
    from ledger.statements.entry import decode_entry

    with open_for(args, readonly=False) as ledger:
        by = only_identity(ledger, args.by)
        entries = [read_entry(Path(name)) for name in (args.first, args.second)]
        log_index = ledger.contest(entries, by)
        accused = decode_entry(entries[0]).statement.by
    reporter.result(
        {"accused": accused.hex(), "log_index": log_index},
        f"Logged at log index {log_index}: identity {accused.hex()} signed two statements at one place.\n"
        "It is contested until other keys of it come into force; nothing that it says is refused for that.",
    )
    return 0
