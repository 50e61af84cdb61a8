"""`lineage identity history`: the life of an identity as one time line."""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path
from typing import Any, Final

from ledger.cli.common import Reporter, add_common, at_least_0, command, open_for, printable
from ledger.errors import RefusedInput, StoreFault

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
        if args.report is not None:
            _refuse_to_replace(Path(args.report), ledger.keys.folder.parents[1])
        told = ledger.history(args.name, args.gap * DAY_MS, reporter.progress)
        names = ledger.names()
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


def _refuse_to_replace(path: Path, keys: Path) -> None:
    """A page takes the place of a page like it, or of nothing: a word too few before OUT must not cost a key or a work.

    `keys` is the folder of this user's keys. Raises RefusedInput `path-illegal`, `not-a-regular-file`, `file-exists`.
    """
    from ledger.cli.timeline import BEGINNING
    from ledger.store.files import open_regular

    fix = "Give --report another name."
    real = Path(os.path.realpath(path))  # a loop of links is no reason to end, as it is for Path.resolve
    if real.is_relative_to(os.path.realpath(keys)):
        raise RefusedInput("path-illegal", f"--report {path}", "that is in the folder of the keys", fix)
    if not os.path.lexists(path):
        return
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            is_page = file.read(len(BEGINNING.encode())) == BEGINNING.encode()
    except StoreFault as error:
        raise RefusedInput(error.code, f"--report {path}", error.reason, fix) from error
    except OSError as error:
        raise RefusedInput(
            "file-exists", f"--report {path}", f"it cannot be read ({error.strerror})", fix
        ) from error
    if not is_page:
        raise RefusedInput(
            "file-exists", f"--report {path}", "that file is no page of a history, and is not replaced", fix
        )
