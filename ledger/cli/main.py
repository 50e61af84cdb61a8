"""`lineage`: parses, runs one command, prints errors, and ends with the exit code of SPEC §14.

0: decided and well. 1: a negative verdict. 2: usage or I/O. What is incomplete never ends with 0. Command modules import
the rooms they need when they run, so that `--help` is quick.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Final

from ledger.cli import (
    append,
    attest,
    audit,
    completion,
    doctor,
    gate,
    identity,
    importing,
    init,
    log,
    prove,
    sign,
    status,
    trace,
    verify,
)
from ledger.cli.common import Parser, Reporter
from ledger.errors import InvariantBroken, LineageError, ProofInvalid, StoreFault

WELL: Final = 0
NEGATIVE: Final = 1
USAGE: Final = 2

COMMANDS: Final = (
    init,
    identity,
    sign,
    importing,
    append,
    attest,
    trace,
    prove,
    verify,
    gate,
    log,
    audit,
    doctor,
    status,
    completion,
)

DESCRIPTION: Final = """Trace training data to its human origin.

Four words are enough to begin: identity, sign, trace, gate.

  lineage init                        make a ledger
  lineage identity new ada            make keys for a person
  lineage sign notes.md --by ada      sign a file
  lineage trace notes.md              see where it comes from
  lineage gate data.jsonl --policy balanced
                                      see which rows may be trained on
"""

EPILOG: Final = """environment:
  LINEAGE_LEDGER      the ledger's folder, where --ledger does not name it
  LINEAGE_CONFIG      where keys are kept (default: the platform's config folder)
  LINEAGE_PASSPHRASE  the passphrase of the keys, where --passphrase-file does not name it

exit codes: 0 decided and well; 1 a negative verdict; 2 usage or I/O
"""


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = Parser(
        prog="lineage",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_true", help="print the version and stop")
    commands = parser.add_subparsers(metavar="COMMAND", dest="command")
    for module in COMMANDS:
        module.add(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    reporter = Reporter(as_json="--json" in given)  # for what is wrong with the arguments themselves
    try:
        code = _run(given, reporter)
        reporter.flush()
    except KeyboardInterrupt:
        reporter.done()
        print("lineage: interrupted; what was acknowledged is durable", file=sys.stderr)
        return USAGE
    except LineageError as error:  # InvariantBroken too: here the process stops
        reporter.error(error)
        return NEGATIVE if isinstance(error, ProofInvalid) else USAGE
    except OSError as error:  # a file or folder that no room expected to fail
        item, reason = str(error.filename or type(error).__name__), error.strerror or str(error)
        reporter.error(StoreFault("io", item, reason, "Look to its permissions and its disk."))
        return USAGE
    except Exception as error:  # noqa: BLE001 - Python's own exit code, 1, would read as a verdict
        traceback.print_exc()
        reporter.error(
            InvariantBroken(
                "bug", type(error).__name__, str(error), "This is a bug; please report the lines above."
            )
        )
        return USAGE
    return code


def _run(arguments: Sequence[str], reporter: Reporter) -> int:
    parser = build_parser()
    if completion.ASKED in os.environ:
        completion.complete(parser)
    args = parser.parse_args(arguments)
    if args.version:
        from importlib.metadata import version

        reporter.write(f"lineage {version('lineage-ledger')}\n")
        return WELL
    if args.command is None:
        parser.print_help(sys.stderr)
        return USAGE
    reporter.wants_json = args.json
    code: int = args.run(args, reporter)
    return code


def entry_point() -> None:
    """The console script."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(
                errors="backslashreplace"
            )  # a terminal that lacks a character is no reason to fail
    sys.exit(main())
