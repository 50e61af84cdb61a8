"""`lineage log compare`: do two log checkpoints tell one history? For whoever is shown them, and has the log's vkey."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ledger.cli.common import Reporter, add_common, command, printable
from ledger.cli.proof_words import BECAUSE
from ledger.errors import RefusedInput

if TYPE_CHECKING:
    from ledger.api.comparing import ComparedNotes
    from ledger.api.verifying import Trusted
    from ledger.proofs.checkpoint import Checkpoint

CONVICTED: Final = "It signed both. Trust neither, and show the evidence to others who use it."


def add_verb(verbs: Any) -> None:
    """Adds the verb to `lineage log`."""
    parser = command(
        verbs,
        "compare",
        "Check whether two log checkpoints tell one history, or evidence that they do not; nothing is remembered.",
        """
        lineage log compare 20-30-5f0c….views --vkey 'log.example/a1+3f2c…+AQ…'
        lineage log compare mine.note yours.note --tree ./public --vkey 'log.example/a1+3f2c…+AQ…'
        lineage log compare mine.note --tree ./public
        """,
    )
    parser.add_argument(
        "files",
        metavar="FILE",
        nargs="+",
        help="one file of two views (.views), as it is kept when two histories are found; or one or two log checkpoints (C2SP notes)",
    )
    parser.add_argument(
        "--tree",
        metavar="DIR",
        help="a copy of the log, by which log checkpoints of different sizes are compared: published, or the folder of a ledger of your own",
    )
    parser.add_argument(
        "--vkey",
        metavar="VKEY",
        help="the vkey of the log (default: that of the ledger at hand, else of the only log the keys here know)",
    )
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="write what convicts the log there, if anything does"
    )
    add_common(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, reporter: Reporter) -> int:
    """0: one history. 1: two, the log is convicted; or it was not decided."""
    from ledger.api import trusted_log
    from ledger.api.comparing import compare_files, load_files
    from ledger.api.copies import open_copy

    trusted = trusted_log(args.vkey, args.ledger)
    files = load_files(args.files)
    if args.tree is not None:
        with open_copy(args.tree, trusted.vkey) as copy:
            found = compare_files(files, trusted.vkey, copy)
    else:
        found = compare_files(files, trusted.vkey)
    written = _write(found, args.output) if args.output is not None else None
    lines = _lines(found)
    if args.output is not None:
        lines.append(f"  evidence   {printable(written) if written else 'none, and nothing was written'}")
    lines.append(f"Trusted: {printable(trusted.vkey.name)}, by {BECAUSE[trusted.because]}.")
    reporter.result(_document(found, trusted, written), "\n".join(lines))
    return 0 if found.histories == "one" else 1


def _write(found: ComparedNotes, output: str) -> str | None:
    """Writes the evidence; nothing is replaced by it. Raises RefusedInput `file-exists`."""
    from ledger.store.files import holds, write_atomically

    if found.views is None:
        return None
    data = found.views.format().encode()
    if os.path.lexists(output) and not holds(Path(output), data):
        raise RefusedInput(
            "file-exists", output, "it exists already, and is not replaced", "Name another file."
        )
    write_atomically(Path(output), data)
    return output


def _document(found: ComparedNotes, trusted: Trusted, written: str | None) -> dict[str, Any]:
    from ledger.statements.statement import log_id

    return {
        "histories": found.histories,
        "convicted": found.histories == "two",
        "log_origin": trusted.vkey.name,
        "log_id": log_id(str(trusted.vkey)).hex(),
        "earlier": _fields(found.earlier.checkpoint),
        "later": _fields(found.later.checkpoint),
        "root_in_later": found.views.root.hex() if found.views is not None else None,
        "why": found.why or None,
        "fix": found.fix or None,
        "evidence": written,
        "trusted": {"vkey": str(trusted.vkey), "because": trusted.because},
    }


def _fields(checkpoint: Checkpoint) -> dict[str, Any]:
    return {"size": checkpoint.size, "root": checkpoint.root.hex()}


def _lines(found: ComparedNotes) -> list[str]:
    earlier, later = found.earlier.checkpoint, found.later.checkpoint
    if found.histories == "undecided":
        return [f"Not decided: {printable(found.why)}.", f"  {found.fix}"]
    if found.views is None:
        if earlier == later:
            return [f"One history: both are of the same {later.size:,} entries."]
        return [
            f"One history: the log checkpoint of {later.size:,} entries holds all {earlier.size:,} of the other."
        ]
    return [
        f"TWO histories: the log {printable(later.origin)} is convicted. {CONVICTED}",
        f"  one says   its first {earlier.size:,} entries have the root {earlier.root.hex()}",
        f"  the other  of {later.size:,} entries, that they have the root {found.views.root.hex()}",
    ]
