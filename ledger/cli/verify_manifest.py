"""`lineage verify --manifest`: whether data is what was gated, checked offline (SPEC §12.5)."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from ledger.cli.common import Reporter, moment, plural, printable, short
from ledger.errors import RefusedInput

if TYPE_CHECKING:
    from ledger.api.verifying import Trusted
    from ledger.api.verifying_manifest import VerifiedManifest


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `lineage verify` that are about data."""
    group = parser.add_argument_group("data that was gated")
    group.add_argument(
        "--manifest",
        metavar="M",
        help="the verdict file of a gate; the receipt of its manifest lies beside it, as M.tlog-proof",
    )
    group.add_argument(
        "--data",
        metavar="D",
        nargs="+",
        help="the data to compare with it: files, folders or patterns, in order",
    )
    group.add_argument(
        "--column", metavar="C", help="the column that was judged (default: the one that M names)"
    )


def check(args: argparse.Namespace) -> None:
    """Whether what is named goes together. Raises RefusedInput `usage`."""
    if args.manifest is None:
        for option in ("data", "column"):
            if getattr(args, option) is not None:
                raise _usage(
                    f"--{option}",
                    "it is compared with a verdict file, and none is named",
                    "Name it: --manifest M",
                )
        if not args.files:
            raise _usage(
                "verify",
                "nothing is named",
                "Name an ancestry proof, files that were signed, or what a gate said: --manifest M --data D",
            )
        return
    if args.data is None:
        raise _usage("--manifest", "no data is named to compare with it", "Name it: --data D")
    if args.files:
        raise _usage(
            "verify", "files and a manifest are named at once", "Check them by two commands; data: --data D"
        )
    if args.salt is not None:
        raise _usage(
            "--salt",
            "rows are compared as they are, without any salt",
            "Leave it out: digests of sealed rows are of what is read",
        )


def _usage(item: str, reason: str, fix: str) -> RefusedInput:
    return RefusedInput("usage", item, reason, fix)


def run(
    args: argparse.Namespace, reporter: Reporter, trusted: Trusted
) -> tuple[dict[str, Any], list[str], bool]:
    """Checks; the document, the lines, and whether all holds."""
    from ledger.api.verifying_manifest import verify_manifest

    outcome = verify_manifest(
        args.manifest,
        args.data,
        trusted.vkey,
        receipt=args.receipt,
        column=args.column,
        progress=reporter.progress,
    )
    return _document(outcome), _lines(outcome, is_column_named=args.column is not None), outcome.ok


def _document(outcome: VerifiedManifest) -> dict[str, Any]:
    from ledger.api.verified import LEVEL, PROVES, UNKNOWN
    from ledger.proofs.receipt import STANDING

    about, facts, signer = outcome.about, outcome.facts, outcome.signer
    human = None if signer is None or facts is None else signer.human
    return {
        "ok": outcome.ok,
        "level": LEVEL if outcome.ok else "L0",
        "proves": PROVES if outcome.ok else None,
        "humans": [] if human is None or not outcome.ok else [human.hex()],
        "unknown": list(UNKNOWN),
        "standing": STANDING,
        "faults": [
            {"code": fault.code, "item": fault.item, "reason": fault.reason, "fix": fault.fix}
            for fault in outcome.faults
        ],
        "matches": outcome.matches or None,
        "rows": about.get("count"),
        "admitted": about.get("admitted"),
        "data_rows": outcome.data_rows,
        "column": outcome.column,
        "path": outcome.manifest,
        "receipt": outcome.receipt,
        "data": outcome.data,
        "manifest": None
        if facts is None or signer is None
        else {
            "id": facts.artifact_id.hex(),
            "log_index": facts.log_index,
            "maker": signer.maker.hex(),
            "role": signer.role,
            **({} if signer.anchor is None else {"anchor": signer.anchor.hex()}),
            **{
                name: about[name]
                for name in ("checkpoint_size", "checkpoint_root", "policy", "trust", "at_ms")
            },
        },
    }


def _lines(outcome: VerifiedManifest, *, is_column_named: bool) -> list[str]:
    about, facts, signer = outcome.about, outcome.facts, outcome.signer
    name = printable(outcome.data)
    if not outcome.ok or facts is None or signer is None:
        lines = [f"{name}: NOT what was gated"]
    elif outcome.matches == "admitted":
        admitted = plural(about["admitted"], "row that was admitted", "rows that were admitted")
        lines = [f"{name}: exactly the {admitted}, of {about['count']:,} judged"]
    else:
        judged = plural(about["count"], "row that was judged", "rows that were judged")
        lines = [f"{name}: all {judged}"]
        others = about["count"] - about["admitted"]
        if others:
            lines.append(f"  {others:,} of them were NOT admitted: train on what the gate wrote, not on this")
    if facts is not None and signer is not None:
        anchor = "" if signer.anchor is None else f", answered for by {short(signer.anchor)} (human)"
        what = "the whole row" if outcome.column is None else f"column {outcome.column!a}"
        if not is_column_named:  # SPEC §12.5: who hands on the file may have changed which column it names
            what += ", as the verdict file says, which is not signed: train on nothing else"
        trust = "self-trusted" if not int(about["trust"], 16) else f"trust file {about['trust'][:16]}"
        lines += [
            f"  what       {what}",
            f"  manifest   {short(facts.artifact_id)}, at log index {facts.log_index}",
            f"  signed by  {short(signer.maker)} ({signer.role}){anchor}",
            f"  judged     {moment(about['at_ms'])}, under log checkpoint {about['checkpoint_size']:,} ({about['checkpoint_root'][:16]})",
            f"  by         policy file {about['policy'][:16]}, {trust}",
        ]
    lines += [
        f"  fault      {printable(fault.item)}: {printable(fault.reason)} [{fault.code}]. {printable(fault.fix)}"
        for fault in outcome.faults
    ]
    return lines
