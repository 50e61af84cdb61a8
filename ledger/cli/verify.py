"""`lineage verify`: ancestry proofs, receipts beside files and datasets, and what a gate said of data, checked offline."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ledger.cli import verify_manifest, verify_proof
from ledger.cli.common import Reporter, add_common, command, plural, printable, short
from ledger.cli.proof_words import BECAUSE
from ledger.errors import RefusedInput

if TYPE_CHECKING:
    from ledger.api import Verified
    from ledger.api.verified import Signer
    from ledger.api.verifying import Trusted
    from ledger.errors import ProofInvalid

SIGNERS_SHOWN_MAX: Final = 8
STANDING: Final = """Standing: unknown. A receipt cannot show whether keys, notices or owners said otherwise since; with the ledger at
hand: lineage trace"""


def add(commands: Any) -> None:
    """Adds the command."""
    parser = command(
        commands,
        "verify",
        "Check proofs, offline: a whole ancestry (F.lineage), receipts beside files and datasets, data that was gated.",
        """
        lineage verify notes.md.lineage
        lineage verify notes.md.lineage notes.md --vkey 'log.example/a1+3f2c…+AQ…'
        lineage verify both.lineage --trust trust.toml --policy strict --at 2026-11-27T12:00:00Z
        lineage verify notes.md
        lineage verify data.jsonl --vkey 'log.example/a1+3f2c…+AQ…'
        lineage verify notes.md --receipt downloads/notes.tlog-proof
        lineage verify --manifest verdicts.parquet --data admitted.jsonl
        """,
    )
    parser.add_argument(
        "files",
        metavar="FILE",
        nargs="*",
        help="an ancestry proof, and what it is about, if that is to be compared; or what was signed, whose receipt (or proof) is found beside it",
    )
    parser.add_argument("--receipt", metavar="R", help="the receipt of the one FILE, wherever it lies")
    parser.add_argument(
        "--vkey",
        metavar="VKEY",
        help="the vkey of the log that you trust (default: those that --trust lists; else that of the ledger at hand, else of the only log the keys here know)",
    )
    parser.add_argument(
        "--salt",
        metavar="HEX",
        help="the salt of the one FILE, if it is sealed (default: that of FILE.salt, else the one kept here)",
    )
    verify_proof.add_options(parser)
    verify_manifest.add_options(parser)
    add_common(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, reporter: Reporter) -> int:
    """0 if every receipt holds and every row has one, or the proof and all in it is well, or the data is what was gated; else 1."""
    from ledger.api import receipts_of, trusted_log, verify
    from ledger.api.salts import parse_salt
    from ledger.api.verifying import salts_here

    verify_manifest.check(args)
    proof = verify_proof.named(args)
    if proof is not None:
        return verify_proof.run(args, reporter, proof)
    for option in ("receipt", "salt"):
        if getattr(args, option) is not None and len(args.files) > 1:
            raise RefusedInput(
                "usage",
                f"--{option}",
                f"it is of one file, and {len(args.files)} are named",
                "Name one file.",
            )
    salt = parse_salt("--salt", args.salt) if args.salt is not None else None
    trusted = trusted_log(args.vkey, args.ledger)
    if args.manifest is not None:
        document, lines, is_ok = verify_manifest.run(args, reporter, trusted)
        document["trusted"] = _trusted(trusted)
        reporter.result(document, "\n".join([*lines, "", STANDING, _trusted_line(trusted)]))
        return 0 if is_ok else 1
    # All are found before the first is checked, so that a name that was mistyped is no verdict.
    found = [
        (file, receipt)
        for file in args.files
        for receipt in ([Path(args.receipt)] if args.receipt is not None else receipts_of(file))
    ]
    vault = salts_here(trusted.vkey)
    outcomes = [verify(file, receipt, trusted.vkey, salt, vault=vault) for file, receipt in found]
    lines = [line for outcome in outcomes for line in _lines(outcome)]
    if any(outcome.verified for outcome in outcomes):
        lines += ["", STANDING]
    lines.append(_trusted_line(trusted))
    reporter.result(_document(outcomes, trusted), "\n".join(lines))
    return 0 if all(outcome.ok for outcome in outcomes) else 1


def _trusted(trusted: Trusted) -> dict[str, str]:
    return {"vkey": str(trusted.vkey), "because": trusted.because}


def _trusted_line(trusted: Trusted) -> str:
    return f"Trusted: {printable(trusted.vkey.name)}, by {BECAUSE[trusted.because]}."


def _document(outcomes: list[Verified], trusted: Trusted) -> dict[str, Any]:
    from ledger.api.verified import LEVEL, PROVES, UNKNOWN
    from ledger.proofs.receipt import STANDING as NOT_KNOWN

    ok = all(outcome.ok for outcome in outcomes)
    tables = [outcome for outcome in outcomes if outcome.is_table]
    rows = {
        name: sum(getattr(outcome, name) for outcome in tables)
        for name in ("verified", "unlogged", "invalid")
    }
    return {
        "ok": ok,
        "level": LEVEL if ok else "L0",
        "proves": PROVES if ok else None,
        "humans": sorted({human.hex() for outcome in outcomes for human in outcome.humans}),
        "unknown": list(UNKNOWN),
        "standing": NOT_KNOWN,
        "faults": [_fault(fault) for outcome in outcomes for fault in outcome.faults],
        "trusted": _trusted(trusted),
        "files": [_fields(outcome) for outcome in outcomes],
    } | ({"rows": rows} if tables else {})


def _fields(outcome: Verified) -> dict[str, Any]:
    fields: dict[str, Any] = {"path": outcome.path, "receipt": outcome.receipt, "ok": outcome.ok}
    fields["checkpoint_size"] = outcome.size or None
    if outcome.is_table:
        fields["column"] = outcome.column
        fields["rows"] = {
            "verified": outcome.verified,
            "unlogged": outcome.unlogged,
            "invalid": outcome.invalid,
        }
        fields["fault_count"] = outcome.fault_count
    elif outcome.facts is not None:
        facts = outcome.facts
        fields |= {
            "id": facts.artifact_id.hex(),
            "kind": facts.record.kind,
            "stance": facts.record.stance,
            "log_index": facts.log_index,
            "record_index": facts.record_index,
        }
    fields["signers"] = [
        _signer_fields(signer) | {"stance": stance, "artifacts": count}
        for stance, counts in (("made", outcome.made_by), ("reported", outcome.reported_by))
        for signer, count in counts.items()
    ]
    fields["faults"] = [_fault(fault) for fault in outcome.faults]
    return fields


def _signer_fields(signer: Signer) -> dict[str, Any]:
    anchor = {} if signer.anchor is None else {"anchor": signer.anchor.hex()}
    return {"maker": signer.maker.hex(), "role": signer.role} | anchor


def _fault(fault: ProofInvalid) -> dict[str, str]:
    return {"code": fault.code, "item": fault.item, "reason": fault.reason}


def _lines(outcome: Verified) -> list[str]:
    """What became of one receipt, in words."""
    from ledger.api.verified import LEVEL, PROVES

    name = printable(outcome.path)
    if outcome.is_table:
        counts = f"{plural(outcome.verified, 'row')} {PROVES} ({LEVEL})"
        counts += f", {outcome.unlogged:,} without a receipt" if outcome.unlogged else ""
        counts += f", {outcome.invalid:,} invalid" if outcome.invalid else ""
        what = "the whole row" if outcome.column is None else f"column {outcome.column!a}"
        lines = [f"{name}: {counts}", f"  what       {what}"]
    elif outcome.facts is not None:
        facts = outcome.facts
        lines = [
            f"{name}: {PROVES} ({LEVEL})",
            f"  artifact   {short(facts.artifact_id)}  {facts.record.kind}, {facts.record.stance}",
            f"  where      log index {facts.log_index}, record {facts.record_index} of its statement",
        ]
    else:
        lines = [f"{name}: NOT proved"]
    lines += [
        *_signer_lines(outcome),
        *(
            [f"  when       before the log had {outcome.size:,} entries; a time is in no receipt"]
            if outcome.size
            else []
        ),
    ]
    for fault in outcome.faults:
        lines.append(f"  fault      {printable(fault.item)}: {printable(fault.reason)} [{fault.code}]")
    if outcome.fault_count > len(outcome.faults):
        lines.append(f"  fault      … and {outcome.fault_count - len(outcome.faults):,} more")
    return lines


def _signer_lines(outcome: Verified) -> list[str]:
    signers = [
        (signer, count, verb)
        for verb, counts in (("signed by", outcome.made_by), ("reported by", outcome.reported_by))
        for signer, count in counts.most_common()
    ]
    lines = []
    for signer, count, verb in signers[:SIGNERS_SHOWN_MAX]:
        anchor = f", answered for by {short(signer.anchor)} (human)" if signer.anchor is not None else ""
        rows = f": {plural(count, 'row')}" if outcome.is_table else ""
        lines.append(f"  {verb:<11}{short(signer.maker)} ({signer.role}){anchor}{rows}")
    if len(signers) > SIGNERS_SHOWN_MAX:
        lines.append(f"  … and {len(signers) - SIGNERS_SHOWN_MAX:,} more signers")
    return lines
