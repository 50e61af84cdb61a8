"""`--offline`: signing, and making keys, where the ledger is not. What comes of it is a file, to be appended where it is."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ledger.cli import beside, dry_run, given
from ledger.cli.common import (
    Reporter,
    only_identity,
    passphrases,
    plural,
    printable,
    short,
    tell_left_out,
)
from ledger.cli.sign_claims import claim_of, columns_of
from ledger.errors import RefusedInput
from ledger.spec import PROFILE_BYTES_MAX

if TYPE_CHECKING:
    from ledger.api.offline import OfflineKeys
    from ledger.signer.signing import Signed

_SHOWN_MAX: Final = 8  # artifacts that a person is shown one by one
_NOT_OFFLINE: Final = {"again": "--again", "receipts": "--receipts"}  # these ask the log


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of a command that can do without the ledger."""
    group = parser.add_argument_group("without the ledger")
    group.add_argument(
        "--offline",
        action="store_true",
        help="ask for no ledger: write what is signed to FILE, for `lineage append FILE` where the ledger is",
    )
    group.add_argument(
        "-o", "--output", metavar="FILE", help="with --offline: the new file, as notes.statement"
    )
    group.add_argument(
        "--log",
        metavar="VKEY",
        help="with --offline: the log that it is for (default: the only one whose keys are here)",
    )


def is_asked(args: argparse.Namespace) -> bool:
    """Whether the ledger is not to be asked. Raises RefusedInput `usage` for what is said for that case alone."""
    for name, option in (("output", "-o"), ("log", "--log")):
        if not args.offline and getattr(args, name) is not None:
            raise RefusedInput("usage", option, "it goes with --offline", "Say --offline, or leave it out.")
    return bool(args.offline)


class Parents:
    """What a claim asks of a ledger, where there is none."""

    def resolve(self, text: str) -> bytes:
        """An artifact id of 64 hex digits; nothing else can be looked up. Raises RefusedInput `schema`."""
        from ledger.api.offline import artifact_id_of

        return artifact_id_of(text)


def run_sign(args: argparse.Namespace, reporter: Reporter) -> int:
    """`lineage sign --offline`."""
    from ledger.api.offline import sign_files_offline, sign_rows_offline

    _refuse(args)
    if args.dry_run:
        return _run_dry(args, reporter)
    output = _output(args)
    keys = _keys(args)
    by = only_identity(keys, args.by)
    beside.foresee(args, keys)
    claim = claim_of(args, Parents())
    if args.rows is None:
        signed = sign_files_offline(keys, args.paths, output, by, claim, reporter.progress)
    else:
        column = None if args.rows == "." else args.rows
        signed = sign_rows_offline(
            keys, args.paths[0], column, output, by, claim, reporter.progress, columns=columns_of(args)
        )
    reporter.done()
    written = beside.write(args, keys, signed)
    if reporter.wants_json:
        _write_json(reporter, signed, "path" if args.rows is None else "row_index", output, written)
    else:
        reporter.write("\n".join([*_lines(signed, by, output), *written.lines()]) + "\n")
    tell_left_out(reporter, signed)
    for error in written.errors:
        reporter.note(f"Not written: {printable(str(error))}")
    return 2 if written.errors else 0


def _run_dry(args: argparse.Namespace, reporter: Reporter) -> int:
    from ledger.api.offline import foresee_files_offline, foresee_rows_offline

    keys = _keys(args)
    by = only_identity(keys, args.by)
    beside.foresee(args, keys)
    claim = claim_of(args, Parents())
    if args.rows is None:
        found = foresee_files_offline(keys, args.paths, by, claim)
    else:
        column = None if args.rows == "." else args.rows
        found = foresee_rows_offline(keys, args.paths[0], column, by, claim, columns=columns_of(args))
    dry_run.tell(reporter, found, is_rows=args.rows is not None)
    return 0


def run_new(args: argparse.Namespace, reporter: Reporter) -> int:
    """`lineage identity new --offline`."""
    from ledger.api.offline import new_identity_offline

    output = _output(args)
    keys = given.given_to_new(args)
    made = new_identity_offline(
        _keys(args),
        args.name,
        output,
        args.role,
        shape=(args.keys, args.threshold),
        given=keys,
        unencrypted=args.unencrypted,
        profile=profile_of(args),
    )
    given.tell_copied(args, reporter)
    document = {"id": made.id.hex(), "role": made.role, "name": made.name, "keys": str(made.folder)}
    lines = [
        f"Made keys for {made.role} '{made.name}'",
        "",
        f"  id    {made.id.hex()}",
        f"  keys  {printable(str(made.folder))}",
        "",
        f"The log knows nothing of it yet. Where the ledger is: lineage append {printable(str(output))}",
        f"Next here: lineage sign FILE --by {made.name} --offline -o FILE.statement",
    ]
    reporter.result(document | {"output": str(output)}, "\n".join(lines))
    return 0


def profile_of(args: argparse.Namespace) -> bytes | None:
    """The profile that --profile names. Raises RefusedInput `file-not-found`, `too-large`."""
    from ledger.datasets.files import load_file

    return None if args.profile is None else load_file(args.profile, max_bytes=PROFILE_BYTES_MAX)[1]


def _refuse(args: argparse.Namespace) -> None:
    """What cannot be done without the log. Raises RefusedInput `not-offline`."""
    for name, option in _NOT_OFFLINE.items():
        if getattr(args, name, None):
            raise RefusedInput(
                "not-offline",
                option,
                "it needs the ledger, which is not asked",
                "Leave it out, or --offline.",
            )


def _output(args: argparse.Namespace) -> Path:
    if args.output is None:
        raise RefusedInput(
            "usage", "--offline", "it writes a file, and none is named", "Add -o FILE.statement."
        )
    return Path(args.output)


def _keys(args: argparse.Namespace) -> OfflineKeys:
    from ledger.api.offline import open_keys

    return open_keys(args.log, passphrases=passphrases(args))


def _write_json(reporter: Reporter, signed: Signed, label: str, output: Path, written: beside.Beside) -> None:
    """One document, written piece by piece: a million rows are not held twice."""
    reporter.write('{"artifacts": [')
    items = zip(signed.labels, signed.ids, signed.log_indices, strict=True)
    for position, (name, artifact_id, number) in enumerate(items):
        item = {"id": artifact_id.hex(), label: name, "statement": number}
        reporter.write((", " if position else "") + json.dumps(item))
    counts = {"new": signed.new, "output": str(output)}
    reporter.write("], " + json.dumps(counts | written.fields())[1:] + "\n")


def _lines(signed: Signed, by: str, output: Path) -> list[str]:
    name = printable(str(output))
    lines = [f"Signed by '{by}' into {name}: {plural(signed.new, 'artifact')}"]
    for label, artifact_id in list(zip(signed.labels, signed.ids, strict=True))[:_SHOWN_MAX]:
        place = f"row {label}" if isinstance(label, int) else printable(label)
        lines.append(f"  {short(artifact_id)}  {place}")
    if len(signed.ids) > _SHOWN_MAX:
        lines.append(f"  … and {len(signed.ids) - _SHOWN_MAX:,} more (--json lists all)")
    lines.append(f"Nothing of it is logged yet. Where the ledger is: lineage append {name}")
    return lines
