"""`lineage log checkpoint --witness`: the log checkpoint is shown to witnesses, and what they gave is kept (SPEC §10.9)."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from ledger.cli.common import Reporter, moment, plural, printable
from ledger.errors import RefusedInput

if TYPE_CHECKING:
    from ledger.api import Ledger
    from ledger.api.cosigning import Answered, Cosigning


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    group = parser.add_argument_group("have it cosigned, by C2SP tlog-witnesses")
    group.add_argument(
        "--witness",
        metavar="WITNESS",
        action="append",
        nargs="?",
        const="",
        help="ask this one: 'VKEY URL', or its name or URL in --trust; may be repeated (alone: all that --trust gives a URL)",
    )
    group.add_argument(
        "--trust",
        metavar="T",
        help="the trust file whose tlog_policy names witnesses, and the quorum to be met",
    )


def check_options(args: argparse.Namespace) -> None:
    """Raises RefusedInput `usage` for what means nothing together."""
    if args.trust is not None and not args.witness:
        raise RefusedInput(
            "usage", "--trust", "it says by whom to have it cosigned, and nobody is asked", "Add --witness."
        )
    if args.witness and "" in args.witness and (len(args.witness) > 1 or args.trust is None):
        raise RefusedInput(
            "usage",
            "--witness",
            "alone it means all witnesses of the trust file"
            + (", and others are named besides" if len(args.witness) > 1 else ", and none is given"),
            "Name one or more: --witness 'VKEY URL'. Or leave all names out, and say --trust FILE.",
        )


def run(args: argparse.Namespace, ledger: Ledger, reporter: Reporter) -> int:
    """Asks, and prints the note with all lines that are kept of it."""
    cosigning = ledger.cosign([text for text in args.witness if text], args.trust, fresh=args.fresh)
    for line in _lines(cosigning):
        reporter.note(printable(line))
    reporter.result(_document(cosigning), cosigning.note.rstrip("\n"))
    return 0 if cosigning.is_well else 1


def _lines(cosigning: Cosigning) -> list[str]:
    lines = []
    for answered in cosigning.answers:
        name = answered.witness.name
        if answered.error is None:
            times = ", ".join(moment(time_s * 1_000) for time_s in answered.times_s)
            lines.append(f"Cosigned by {name}: {times}")
        else:
            lines.append(f"NOT cosigned by {name}: {answered.error.item}: {answered.error.reason}")
            lines.append(f"  {answered.error.fix}")
        if answered.remark:
            lines.append(f"  Of {name}: {answered.remark}.")
    if cosigning.quorum is not None:
        count = plural(len(cosigning.quorum.times_s), "witness", "witnesses")
        met = "met" if cosigning.quorum.is_met else "NOT met"
        lines.append(f"Quorum of the trust file: {met}, by {count}")
    return [*lines, *cosigning.told]


def _document(cosigning: Cosigning) -> dict[str, Any]:
    quorum = cosigning.quorum
    return {
        "origin": cosigning.checkpoint.origin,
        "size": cosigning.checkpoint.size,
        "root": cosigning.checkpoint.root.hex(),
        "note": cosigning.note,
        "ok": cosigning.is_well,
        "witnesses": [_answer(answered) for answered in cosigning.answers],
        "quorum": None
        if quorum is None
        else {
            "met": quorum.is_met,
            "witnesses": sorted(quorum.times_s),
            "existed_by_s": quorum.existed_by_s,
            "fresh_as_of_s": quorum.fresh_as_of_s,
        },
        "told": list(cosigning.told),
    }


def _answer(answered: Answered) -> dict[str, Any]:
    error = answered.error
    return {
        "name": answered.witness.name,
        "vkey": str(answered.witness.vkey),
        "url": answered.witness.url,
        "cosigned": error is None,
        "times_s": list(answered.times_s),
        "requests": answered.requests,
        "error": None
        if error is None
        else {
            "family": error.family,
            "code": error.code,
            "item": error.item,
            "reason": error.reason,
            "fix": error.fix,
        },
        "remark": answered.remark,
    }
