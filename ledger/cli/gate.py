"""`lineage gate`: which rows of a dataset may be trained on, and why the others not."""

from __future__ import annotations

import argparse
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ledger.cli.common import Reporter, add_common, command, moment, open_for, plural, printable
from ledger.datasets.formats import NAMEABLE
from ledger.errors import InvariantBroken, LineageError, RefusedInput
from ledger.extras import load
from ledger.spec import TIME_MAX_MS

if TYPE_CHECKING:
    from ledger.api.gate.gating import Options
    from ledger.api.gate.result import Gated

AUTO: Final = ""
REASONS_SHOWN_MAX: Final = 12
_UNIX_MS: Final = re.compile(r"[0-9]{1,16}", re.ASCII)
UNDECIDED: Final = 2  # exit code
_OF_ANOTHER_RUN: Final = frozenset(
    {
        "file-exists",
        "gate-busy",
        "output-in-input",
        "resume-damaged",
        "resume-differs",
        "run-unfinished",
        "usage",
    }
)  # errors which say themselves what to do with what lies there
_REFUSED: Final = "row-refused"
_VERDICTS: Final = ("admitted", "quarantined", "rejected", "undecided")


def add(commands: Any) -> None:
    """Adds the command."""
    parser = command(
        commands,
        "gate",
        "Judge every row of a dataset before training: which may enter, and why not.",
        """
        lineage gate data.jsonl --policy balanced
        lineage gate data.jsonl --policy balanced --admitted train.jsonl
        lineage gate data.jsonl --policy balanced --verdicts verdicts.parquet
        lineage gate 'shards/*.parquet' --policy inventory --report report.html
        lineage gate data.jsonl --policy mine.toml --trust trust.toml --strict
        lineage gate data.jsonl --policy balanced --admitted train.jsonl --resume
        lineage gate data.jsonl --policy balanced --proof data.lineage --trust trust.toml
        """,
    )
    parser.add_argument(
        "dataset",
        metavar="DATASET",
        nargs="+",
        help="what is to be trained on: JSON Lines, CSV, text (also .gz, .zst), Parquet, Arrow; a folder of "
        "these or a 'pattern*' in quotes; a folder whose files are one row each",
    )
    parser.add_argument(
        "--policy",
        metavar="P",
        required=True,
        help="what may enter: balanced (what people of the ledger made and signed, at once), strict (vouched for "
        "and a week old; needs --trust), inventory (decides nothing, counts everything), or a TOML file",
    )
    parser.add_argument(
        "--trust",
        metavar="T",
        help="whose word counts: a TOML file (default: this ledger and everybody enrolled in it)",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--column",
        metavar="C",
        help="the column that was signed or imported (default: found out by looking up the first rows)",
    )
    what.add_argument(
        "--whole-row", action="store_true", help="whole rows were signed or imported, or lines of text"
    )
    _add_outputs(parser)
    _add_reading(parser)
    add_common(parser, writes=True)
    parser.set_defaults(run=run)


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what is written, none of it over a file that is there")
    group.add_argument(
        "--admitted", metavar="OUT", help="the admitted rows, in the dataset's own format and order"
    )
    group.add_argument(
        "--verdicts", metavar="OUT", help="a Parquet file with a row for each row: its verdict, and why"
    )
    group.add_argument(
        "--report",
        metavar="OUT.html",
        help="a page to look at: numbers, reasons, samples with their ancestry",
    )
    group.add_argument(
        "--sign-by", metavar="NAME", help="log what was decided as a dataset artifact (needs --verdicts)"
    )
    group.add_argument(
        "--resume",
        action="store_true",
        help="go on with a run that was interrupted, behind what it finished: the same command, and this",
    )
    group.add_argument("--strict", action="store_true", help="exit with 1 if any row was not admitted")


def _add_reading(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("by what is judged, and how the dataset is read")
    group.add_argument(
        "--at", metavar="TIME", help="judge as of then: 2026-11-27T12:00:00Z, or unix ms (default: now)"
    )
    group.add_argument(
        "--checkpoint",
        metavar="NOTE",
        action="append",
        default=[],
        help="a file: a checkpoint of the log that witnesses cosigned, for --trust, besides those that are kept; may be repeated",
    )
    group.add_argument(
        "--proof",
        metavar="F.lineage",
        help="an ancestry proof, by which is judged instead of a ledger: none is opened, and no key",
    )
    group.add_argument(
        "--vkey",
        metavar="VKEY",
        help="with --proof, the vkey of the log that you trust (default: those that --trust lists, else those known here)",
    )
    group.add_argument("--format", choices=NAMEABLE, help="of the files, where their names do not say it")
    group.add_argument(
        "--folder-is",
        choices=("shards", "files"),
        help="its files hold rows each, or are one row each (default: by their names)",
    )
    group.add_argument("--no-partitions", action="store_true", help="folders named key=value are no columns")
    group.add_argument(
        "--workers",
        metavar="N",
        type=_workers,
        help="processes that read (default: one for each processor; 0: this one alone)",
    )


def run(args: argparse.Namespace, reporter: Reporter) -> int:
    """0: decided, and no `[fail_if]` of the policy is met; 1: one is, or with --strict any row was not admitted.

    2, as of everything that could not be decided, also where a proof or a log checkpoint does not hold (SPEC §12.6).
    """
    before = _there(args), _left(args)
    try:
        gated = _gate(args, reporter)
    except KeyboardInterrupt:
        reporter.note(f"lineage: interrupted: {_outcome(args, before) or 'nothing was written'}")
        return UNDECIDED
    except LineageError as error:
        if isinstance(error, InvariantBroken):
            raise
        reporter.error(error)
        outcome = _outcome(args, before)
        if outcome is not None and error.code not in _OF_ANOTHER_RUN:
            reporter.note(f"  {outcome}")
        return UNDECIDED
    reporter.result(_document(gated), "\n".join(_lines(gated)))
    is_failed = bool(gated.failures) or (args.strict and gated.counts["admitted"] < gated.tally.rows)
    return 1 if is_failed else 0


def _gate(args: argparse.Namespace, reporter: Reporter) -> Gated:
    from ledger.api.gate.by_proof import gate_by_proof, refuse_ledger, vkey_without_proof

    if args.sign_by is not None and args.verdicts is None:
        raise RefusedInput(
            "usage",
            "--sign-by",
            "what is signed is the verdict file, and none is written",
            "Name --verdicts OUT too.",
        )
    if args.column == "":
        raise RefusedInput("usage", "--column", "it names no column", "Leave it out, and it is found out.")
    if args.verdicts is not None:
        load("pyarrow", "parquet")
    options: Options = {
        "column": None if args.whole_row else args.column or AUTO,
        "admitted": args.admitted,
        "verdicts": args.verdicts,
        "report": args.report,
        "at_ms": None if args.at is None else parse_time("--at", args.at),
        "checkpoints": args.checkpoint,
        "resume": args.resume,
        "workers": args.workers,
        "progress": reporter.progress,
        "format": args.format,
        "folder_is": args.folder_is,
        "partitions": not args.no_partitions,
    }
    if args.proof is not None:
        refuse_ledger({"--ledger": args.ledger, "--sign-by": args.sign_by})
        return gate_by_proof(
            args.dataset, args.policy, args.trust, proof=args.proof, vkey=args.vkey, **options
        )
    if args.vkey is not None:
        raise vkey_without_proof("--vkey", "--proof")
    with open_for(args, readonly=args.sign_by is None) as ledger:
        return ledger.gate(args.dataset, args.policy, args.trust, sign_by=args.sign_by, **options)


def _outcome(args: argparse.Namespace, before: tuple[list[str], str | None]) -> str | None:
    """What this run left when it ended before its time, in words; `before`: what was there when it began."""
    there_before, left_before = before
    left = _left(args)
    if left is not None and (args.resume or left != left_before):
        return left
    there = [out for out in _there(args) if out not in there_before]
    return f"whole, and under their names, are: {', '.join(there)}" if there else None


def _left(args: argparse.Namespace) -> str | None:
    """What an unfinished run left, and how it goes on."""
    from ledger.api.gate.partial import unfinished_rows
    from ledger.api.gate.run import Outputs

    paths = (None if out is None else Path(out) for out in (args.admitted, args.verdicts))
    partial = Outputs(*paths).partial
    rows = None if partial is None else unfinished_rows(partial)
    if rows is None:
        return None
    return (
        f"{plural(rows, 'row')} that are finished lie in {printable(str(partial))}; "
        "the same command with --resume goes on behind them"
    )


def _there(args: argparse.Namespace) -> list[str]:
    """The outputs that are there."""
    named = [out for out in (args.admitted, args.verdicts, args.report) if out is not None]
    return [printable(out) for out in named if os.path.lexists(out)]


def _document(gated: Gated) -> dict[str, Any]:
    names = ("verdicts", "admitted", "report")
    return {
        "rows": gated.tally.rows,
        **gated.counts,
        "reasons": gated.reasons,
        "refused": dict(sorted(gated.tally.refused.items())),
        "levels": _levels(gated),
        "failures": list(gated.failures),
        "notes": list(gated.notes),
        "self_trusted": gated.is_self_trusted,
        "judged_by": dict(gated.about),
        "resumed_rows": gated.resumed_rows,
        "files": {name: str(path) for name in names if (path := getattr(gated, name)) is not None},
        "manifest": None if gated.manifest is None else gated.manifest.hex(),
    }


def _levels(gated: Gated) -> dict[str, int]:
    found: dict[str, int] = {}
    for (level, _), rows in sorted(gated.tally.levels.items()):
        found[level] = found.get(level, 0) + rows
    return found


def _lines(gated: Gated) -> list[str]:
    about, tally = gated.about, gated.tally
    of = "the whole row" if about["column"] is None else f"column {printable(about['column'])!r}"
    at = f"as of {moment(about['at_ms'])}, log checkpoint of {about['checkpoint_size']:,} entries"
    lines = [
        f"{printable(about['dataset'])}: {plural(tally.rows, 'row')}, {of}",
        f"by the policy {printable(about['policy_name'])}, {at}",
        "",
    ]
    lines += [
        f"  {verdict:<12} {rows:>12,}  {_share(rows, tally.rows)}"
        for verdict, rows in gated.counts.items()
        if rows or verdict != "undecided"
    ]
    lines += ["", "Why:"]
    told = sorted(tally.reasons.items(), key=lambda item: (_VERDICTS.index(item[0][0]), -item[1], item[0][1]))
    lines += [
        f"  {verdict:<12} {rows:>12,}  {code}{_refused(gated) if code == _REFUSED else ''}"
        for (verdict, code), rows in told[:REASONS_SHOWN_MAX]
    ]
    if len(told) > REASONS_SHOWN_MAX:
        lines.append(f"  and {len(told) - REASONS_SHOWN_MAX} reasons more: --json, or --report")
    lines += ["", *_examples(gated)]
    if tally.rivals:
        lines.append(f"Rows with rival claims: {tally.rivals:,}")
    lines += [
        f"Written: {printable(str(path))}" for path in (gated.admitted, gated.verdicts, gated.report) if path
    ]
    if gated.manifest is not None:
        lines.append(f"Signed: manifest {gated.manifest.hex()}")
    lines += [f"FAILED: {failure}" for failure in gated.failures]
    return [*lines, *gated.notes]


def _examples(gated: Gated) -> list[str]:
    """The first row of each reason for which one was not admitted."""
    seen: set[tuple[str, str]] = set()
    found = []
    for sample in gated.tally.samples:
        if sample.verdict in ("quarantined", "rejected") and (sample.verdict, sample.code) not in seen:
            seen.add((sample.verdict, sample.code))
            found.append(f"  row {sample.row_index:,}: {printable(sample.why)}")
    more = len(found) - REASONS_SHOWN_MAX
    shown = found[:REASONS_SHOWN_MAX] + ([f"  and {more} more"] if more > 0 else [])
    return ["For instance:", *shown, ""] if found else []


def _refused(gated: Gated) -> str:
    """Why rows were no rows, the most frequent first."""
    return f" ({', '.join(f'{code} {rows:,}' for code, rows in gated.tally.refused.most_common(4))})"


def _share(rows: int, total: int) -> str:
    """A percentage that says neither 0 nor 100 % of what is not none or all."""
    if not total:
        return "-"
    share = 100 * rows / total
    if 0 < rows < total:
        share = min(max(share, 0.01), 99.99)
    return f"{share:6.2f} %"


def parse_time(option: str, text: str) -> int:
    """Unix milliseconds of an ISO 8601 time with its zone, or of a number. Raises RefusedInput `usage`."""
    try:
        if _UNIX_MS.fullmatch(text):
            time_ms = int(text)
        else:
            found = datetime.fromisoformat(text)
            if found.tzinfo is None:
                raise ValueError
            time_ms = (found - datetime.fromtimestamp(0, UTC)) // timedelta(milliseconds=1)
        if not 0 <= time_ms <= TIME_MAX_MS:
            raise ValueError
        return time_ms
    except (ValueError, OverflowError):
        raise RefusedInput(
            "usage",
            option,
            f"{text!a} is no time",
            "Write 2026-11-27T12:00:00Z, with its zone, or unix milliseconds.",
        ) from None


def _workers(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 1_024):
        raise argparse.ArgumentTypeError(f"{text!a} is no number of processes up to 1,024")
    return int(text)
