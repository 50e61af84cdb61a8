"""`lineage identity history`: the life of an identity as one time line."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Any, Final

from ledger.cli.common import Reporter, add_common, at_least_0, command, open_for, printable

GAP_DAYS: Final = 30
DAY_MS: Final = 86_400_000
_COLUMNS: Final = 100  # where the terminal does not say how wide it is


def add_verbs(verbs: Any) -> None:
    """Adds the verb."""
    history = command(
        verbs,
        "history",
        "The whole life of an identity as one time line: keys, delegations, grades, lanes, silences.",
        """
        lineage identity history ada+model
        lineage identity history ada --gap 7 --report ada.html
        """,
    )
    history.add_argument("name", metavar="NAME|ID", help="a name here, or all 64 digits of an identity id")
    history.add_argument(
        "--report", metavar="OUT.html", help="write it as a page too: one file, nothing loaded from elsewhere"
    )
    history.add_argument(
        "--gap",
        metavar="DAYS",
        type=at_least_0,
        default=GAP_DAYS,
        help="tell silences longer than that (default: %(default)s)",
    )
    add_common(history)
    history.set_defaults(run=run_history)


def run_history(args: argparse.Namespace, reporter: Reporter) -> int:
    """Reads; with --report writes one file."""
    from ledger.cli import history_words

    with open_for(args) as ledger:
        told = ledger.history(args.name, args.gap * DAY_MS, reporter.progress)
        names = {item.id: item.name for item in ledger.keys.identities()}
        origin = ledger.marker.origin
    who = history_words.who_by(names)
    document = history_words.document(told)
    words = history_words.text(told, who, shutil.get_terminal_size((_COLUMNS, 0)).columns)
    if args.report is not None:
        from ledger.cli.timeline import page
        from ledger.store.files import write_atomically

        write_atomically(Path(args.report), page(told, who, origin).encode(), replace=True)
        document["report"] = args.report
        words += (
            f"\n\nWrote {printable(args.report)}: open it in any browser; it loads nothing from elsewhere"
        )
    reporter.result(document, words)
    return 0
