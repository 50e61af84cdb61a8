"""`lineage init`: makes a ledger."""

from __future__ import annotations

import argparse
from typing import Any

from ledger.cli.common import Reporter, add_common, command, passphrases, printable


def add(commands: Any) -> None:
    """Adds the command."""
    parser = command(
        commands,
        "init",
        "Make a ledger: its log, the log's key and its operator's keys.",
        """
        lineage init
        lineage init --ledger ./my-ledger --origin example.org/lineage/2026
        """,
    )
    parser.add_argument(
        "--origin", metavar="NAME", help="the log's name, for ever (default: one with a random part)"
    )
    parser.add_argument(
        "--unencrypted",
        action="store_true",
        help="keep the keys in clear: for tests, or a machine nobody else reads",
    )
    add_common(parser, writes=True)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, reporter: Reporter) -> int:
    """Makes the ledger and says what to keep."""
    from ledger.api import OPERATOR, create_ledger

    with create_ledger(
        args.ledger, origin=args.origin, unencrypted=args.unencrypted, passphrases=passphrases(args)
    ) as made:
        operator = made.keys.find(OPERATOR)
        document = {
            "ledger": str(made.path),
            "log_origin": made.marker.origin,
            "vkey": made.marker.vkey,
            "log_id": made.marker.log_id.hex(),
            "keys": str(made.keys.folder),
        }
        text = f"""Made a ledger in {printable(str(made.path))}

  log origin  {made.marker.origin}
  vkey        {made.marker.vkey}
  keys        {made.keys.folder}{"  (NOT encrypted)" if args.unencrypted else ""}

Give the vkey to whoever is to verify your log: it is all they need to trust.
Move these two away from this machine now; they undo a theft of the operator's daily key:
  {operator.key_file("next")}
  {operator.key_file("recovery")}

Next: lineage identity new NAME"""
        reporter.result(document, text)
    return 0
