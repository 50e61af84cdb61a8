"""`lineage prove`: one file that proves a whole ancestry, for whoever has neither ledger nor network (SPEC §11.2)."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ledger.cli.common import Reporter, add_common, at_least_0, command, open_for, plural, printable
from ledger.cli.proof_document import disclosed_fields
from ledger.cli.proof_words import disclosed_lines
from ledger.errors import NotFound, RefusedInput
from ledger.spec import ANCESTRY_SUFFIX

if TYPE_CHECKING:
    from ledger.api.proving import Proof

POINTS_SHOWN_MAX: Final = 8
_NO_FILE: Final = re.compile(r"[0-9a-f]+(:(all|[0-9]+(-[0-9]+)?))?", re.ASCII | re.IGNORECASE)
_ROWS: Final = (
    "A dataset whose rows were signed: lineage gate DATASET --verdicts V, then lineage prove --gated V"
)


def add(commands: Any) -> None:
    """Adds the command."""
    parser = command(
        commands,
        "prove",
        "Write one file that proves where something comes from, all of its ancestry, to whoever is offline.",
        """
        lineage prove summary.md
        lineage prove summary.md notes.md 4f2a9c01d3e4b5a6 -o both.lineage
        lineage prove 4f2a9c01d3e4b5a6:0-99 -o rows.lineage
        lineage prove --gated verdicts.parquet -o admitted.lineage
        lineage prove summary.md --trust theirs.toml --since 1204
        lineage prove sealed.md --disclose sealed.md --disclose ada
        """,
    )
    parser.add_argument(
        "subjects",
        metavar="FILE|ID|ID:ROWS",
        nargs="*",
        help="what it is about: a file (every claim on it), an artifact id (16 hex digits or more), rows of an imported "
        "dataset (ID:17, ID:0-99, ID:all)",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="F.lineage",
        help="where it is written (default: of one FILE, FILE.lineage beside it)",
    )
    parser.add_argument(
        "--gated",
        metavar="VERDICTS",
        help="a verdict file of `lineage gate`: it is about all rows that were admitted, too",
    )
    parser.add_argument(
        "--trust",
        metavar="T",
        help="made for who trusts so, a TOML file: whoever that names is shown (default: for anybody)",
    )
    parser.add_argument(
        "--since",
        metavar="SIZE",
        type=at_least_0,
        action="append",
        default=[],
        help="the size of a log checkpoint that its reader remembers, so that he sees the same history go on; may be repeated",
    )
    parser.add_argument(
        "--disclose",
        metavar="FILE|ID|NAME",
        action="append",
        default=[],
        help="put what is sealed into it, with its salt, for whoever gets the file, for ever: a sealed file, an artifact's id, or "
        "an identity with a profile; may be repeated (default: nothing sealed is in it)",
    )
    add_common(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, reporter: Reporter) -> int:
    """0: it is written."""
    output = _output(args)
    with open_for(args) as ledger:
        try:
            proof = ledger.prove(
                args.subjects,
                output,
                trust=args.trust,
                since=sorted(set(args.since)),
                disclose=args.disclose,
                gated=args.gated,
            )
        except NotFound as error:
            if error.code == "unlogged":
                raise NotFound(error.code, error.item, error.reason, f"{error.fix} {_ROWS}") from error
            raise
        vkey = ledger.marker.vkey
    for told in proof.told:
        reporter.note(printable(told))
    reporter.result(_document(proof, output, vkey), "\n".join(_lines(proof, output, vkey)))
    return 0


def _output(args: argparse.Namespace) -> str:
    """Where it goes. Raises RefusedInput `usage` where that is not clear."""
    if not args.subjects and args.gated is None:
        raise RefusedInput(
            "usage",
            "prove",
            "nothing is named that it should be about",
            "Name files, ids or rows; or what was admitted: --gated VERDICTS",
        )
    if args.output is not None:
        if not args.output:
            raise RefusedInput("usage", "--output", "it names no file", "Name one: -o F.lineage")
        return str(args.output)
    named = args.subjects[0] if len(args.subjects) == 1 and args.gated is None else None
    if named is None or (_NO_FILE.fullmatch(named) and not Path(named).exists()):
        reason = (
            "what it is about is no file, beside which it would lie"
            if named is not None
            else "it is about several things, so that its name is yours to choose"
        )
        raise RefusedInput("usage", "--output", reason, "Name it: -o F.lineage")
    return f"{named}{ANCESTRY_SUFFIX}"


def _check(output: str, vkey: str) -> str:
    """The command by which others check it."""
    return f"lineage verify {shlex.quote(output)} --vkey {shlex.quote(vkey)}"


def _document(proof: Proof, output: str, vkey: str) -> dict[str, Any]:
    return {
        "path": output,
        "size_bytes": proof.size_bytes,
        "artifacts": proof.artifacts,
        "rows": proof.rows,
        "ancestors": proof.ancestors,
        "checkpoint": {
            "origin": proof.checkpoint.origin,
            "size": proof.checkpoint.size,
            "root": proof.checkpoint.root.hex(),
        },
        "since": list(proof.points),
        "disclosed": disclosed_fields(proof.disclosed),
        "left_out": proof.left_out,
        "told": list(proof.told),
        "vkey": vkey,
        "check": _check(output, vkey),
    }


def _lines(proof: Proof, output: str, vkey: str) -> list[str]:
    about = [
        plural(count, what)
        for count, what in ((proof.artifacts, "artifact"), (proof.rows, "row"))
        if count or (what == "artifact" and not proof.rows)
    ]
    ancestors = plural(proof.ancestors, "ancestor") if proof.ancestors else "no ancestors"
    checkpoint = proof.checkpoint
    as_of = f"the log checkpoint of {checkpoint.size:,} entries of {printable(checkpoint.origin)}"
    lines = [
        f"Wrote {printable(output)}: {' and '.join(about)}, with {ancestors}; {plural(proof.size_bytes, 'byte')}",
        f"  as of      {as_of}; what is said later is not in it",
    ]
    if proof.points:
        shown = ", ".join(f"{size:,}" for size in proof.points[:POINTS_SHOWN_MAX])
        more = (
            f" and {len(proof.points) - POINTS_SHOWN_MAX} more"
            if len(proof.points) > POINTS_SHOWN_MAX
            else ""
        )
        lines.append(
            f"  since      {shown}{more} entries: earlier log checkpoints that it leads on from, with the cosignatures kept of them"
        )
    lines += [f"  disclosed  {line}" for line in disclosed_lines(proof.disclosed)]
    if proof.left_out:
        lines.append(
            f"  left out   {plural(proof.left_out, 'identity', 'identities')} who attest or endorse: too many for one file. For whose trust "
            "file names one of them, make it with that: --trust T"
        )
    return [*lines, f"Others check it, offline, with: {printable(_check(output, vkey))}"]
