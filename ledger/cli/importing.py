"""`lineage import`: legacy data as reported, a signature for up to a million rows; and its sidecars made anew."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from ledger.cli.common import (
    Reporter,
    add_common,
    at_least_0,
    command,
    only_identity,
    open_for,
    plural,
    printable,
    short,
    tell_kept,
    tell_pending_recovery,
)
from ledger.cli.first import offer
from ledger.cli.sign_claims import parse_parent
from ledger.errors import RefusedInput
from ledger.statements.words import CATEGORIES, TRAIN

if TYPE_CHECKING:
    from ledger.api import Imported, ImportedRecord, Ledger, RebuiltRows

SHOWN_MAX = 8  # records that a person is shown one by one


def add(commands: Any) -> None:
    """Adds the command."""
    parser = command(
        commands,
        "import",
        "Import datasets that nobody signed, as reported: every row can be found and proved, at level L1.",
        """
        lineage import old/*.jsonl --column text --source https://example.org/corpus --license CC-BY-4.0
        lineage import shards/ --whole-row --source doi:10.1000/182 --license NOASSERTION --category archive
        lineage import lines.txt --source https://example.org/lines --license CC0-1.0
        lineage import old/*.jsonl --column text --rebuild
        """,
    )
    parser.add_argument(
        "paths",
        metavar="DATASET",
        nargs="+",
        help="a file (JSON Lines, .parquet, or .txt by line), or a folder of such; hidden files are left out",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--column", metavar="COLUMN", help="what of each row is imported")
    what.add_argument(
        "--whole-row", action="store_true", help="the row as a whole, in canonical JSON; or the line"
    )
    parser.add_argument("--source", metavar="URI", help="where the data is from")
    parser.add_argument(
        "--license", metavar="SPDX", help="for example CC-BY-4.0; NOASSERTION where nobody knows"
    )
    parser.add_argument("--category", choices=sorted(CATEGORIES), help="what kind of source it is")
    parser.add_argument("--train", choices=sorted(TRAIN), help="whether it may be trained on")
    parser.add_argument(
        "--parent",
        metavar="[RELATION=]ID[:ROW][@SHARE]",
        action="append",
        default=[],
        help="what the data descends from; may be repeated (default relation: derived-from)",
    )
    parser.add_argument("--by", metavar="NAME", help="who reports it (default: the only identity here)")
    parser.add_argument(
        "--restart",
        action="store_true",
        help="an import that was interrupted begins at its first row: for shards that changed since",
    )
    parser.add_argument(
        "--rebuild",
        action="store_true",
        help="sign nothing; make the sidecars of what was imported anew, where they are lost",
    )
    parser.add_argument(
        "--workers",
        metavar="N",
        type=at_least_0,
        help="processes that read (default: one for each processor; 0: this one alone)",
    )
    add_common(parser, writes=True)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, reporter: Reporter) -> int:
    """Imports, and says where everything stands; with --rebuild 1 if no record of the log is about some of the rows."""
    _check(args)
    if args.rebuild:
        with open_for(args) as ledger:
            rebuilt = ledger.rebuild_rows(
                args.paths, args.column, progress=reporter.progress, workers=args.workers
            )
        reporter.result(_rebuilt_fields(rebuilt), _rebuilt_words(rebuilt))
        return 1 if rebuilt.unknown else 0
    offer(args, reporter)
    with open_for(args, readonly=False) as ledger:
        by = only_identity(ledger, args.by)
        tell_kept(reporter, ledger, by)
        imported = _import(args, ledger, by, reporter)
        tell_pending_recovery(reporter, ledger, by)
    reporter.result(_fields(imported), _words(imported, by))
    for count, what in (
        (imported.hidden_files, "Hidden files and folders left out"),
        (imported.companions, "Receipts, salts and proofs beside their files left out"),
        (imported.foreign_files, "Files of no dataset format left out"),
    ):
        if count:
            reporter.note(f"{what}: {count:,}")
    return 0


def _check(args: argparse.Namespace) -> None:
    """What argparse cannot say. Raises RefusedInput `usage`."""
    from ledger.datasets.opened import TEXT, suffix_of

    if args.column is None and not args.whole_row and not all(suffix_of(path) in TEXT for path in args.paths):
        raise RefusedInput(
            "usage",
            "--column",
            "which column is to be imported is not said",
            "Say --column C, or --whole-row.",
        )
    needed = [] if args.rebuild else ["source", "license"]
    for name in needed:
        if getattr(args, name) is None:
            raise RefusedInput(
                "usage",
                f"--{name}",
                "imported data says where it is from and what licence it is under",
                "Say --source URI --license SPDX; NOASSERTION where nobody knows the licence.",
            )
    surplus = ["source", "license", "category", "train", "restart", "by"] if args.rebuild else []
    given = [name for name in surplus if getattr(args, name)] + ["parent"] * bool(
        args.rebuild and args.parent
    )
    if given:
        raise RefusedInput("usage", f"--{given[0]}", "with --rebuild nothing is said anew", "Leave it out.")


def _import(args: argparse.Namespace, ledger: Ledger, by: str, reporter: Reporter) -> Imported:
    return ledger.import_rows(
        args.paths,
        args.column,
        by,
        source=args.source,
        license=args.license,
        category=args.category,
        train=args.train,
        parents=[parse_parent(text, ledger) for text in args.parent],
        progress=reporter.progress,
        workers=args.workers,
        restart=args.restart,
    )


def _record_fields(record: ImportedRecord) -> dict[str, Any]:
    return {
        "id": record.id.hex(),
        "path": record.path,
        "first_row": record.first_row,
        "rows": record.rows,
        "log_index": record.log_index,
    }


def _fields(imported: Imported) -> dict[str, Any]:
    return {
        "records": [_record_fields(record) for record in imported.records],
        "rows": imported.rows,
        "new": imported.new,
        "already_logged": len(imported.records) - imported.new,
    }


def _words(imported: Imported, by: str) -> str:
    count = len(imported.records)
    head = f"Imported by '{by}': {plural(imported.rows, 'row')} in {plural(count, 'record')}: {imported.new:,} new"
    if imported.new < count:
        head += f", {count - imported.new:,} already logged"
    lines = [head, *map(_line, imported.records[:SHOWN_MAX])]
    if count > SHOWN_MAX:
        lines.append(f"  … and {count - SHOWN_MAX:,} more (--json lists all)")
    lines.append("Level L1, reported. Find a row: lineage trace --text TEXT")
    return "\n".join(lines)


def _line(record: ImportedRecord) -> str:
    last = record.first_row + record.rows - 1
    rows = f"row {last:,}" if record.rows == 1 else f"rows {record.first_row:,} to {last:,}"
    return f"  {short(record.id)}  at log index {record.log_index}  {printable(record.path)}, {rows}"


def _rebuilt_fields(rebuilt: RebuiltRows) -> dict[str, Any]:
    return {
        "rebuilt": [_record_fields(record) for record in rebuilt.written],
        "whole": [_record_fields(record) for record in rebuilt.whole],
        "unknown": [
            {"path": path, "first_row": first, "rows": rows} for path, first, rows in rebuilt.unknown
        ],
    }


def _rebuilt_words(rebuilt: RebuiltRows) -> str:
    lines = [
        f"Made anew: {plural(len(rebuilt.written), 'sidecar')}; whole were {len(rebuilt.whole):,}",
        *map(_line, rebuilt.written[:SHOWN_MAX]),
    ]
    for path, first, rows in rebuilt.unknown[:SHOWN_MAX]:
        lines.append(
            f"  {printable(path)}, rows {first:,} to {first + rows - 1:,}: no record of this log is about them; "
            "was it another column, or were they changed?"
        )
    return "\n".join(lines)
