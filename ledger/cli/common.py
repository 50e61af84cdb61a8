"""What all commands share: common options, opening a ledger, printing, progress, small parsers of arguments."""

from __future__ import annotations

import argparse
import getpass
import json
import os
import sys
import textwrap
import time
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ledger.errors import LineageError, RefusedInput
from ledger.spec import PPM, WRITER_WAIT_S

if TYPE_CHECKING:
    from ledger.api import Ledger
    from ledger.signer.passphrases import Passphrases

PROGRESS_EVERY_S: Final = 0.2
SHORT_ID: Final = 16  # hex digits of an id that a person is shown, and may type


def add_common(parser: argparse.ArgumentParser, *, writes: bool = False) -> None:
    """The options that every command takes; `writes`: those of commands that need keys."""
    group = parser.add_argument_group("common options")
    group.add_argument(
        "--ledger",
        metavar="DIR",
        help="the ledger's folder (default: LINEAGE_LEDGER, else the platform's data folder)",
    )
    group.add_argument("--json", action="store_true", help="one JSON document on stdout, all else on stderr")
    if writes:
        group.add_argument(
            "--passphrase-file",
            metavar="FILE",
            help="read the passphrase from FILE (default: LINEAGE_PASSPHRASE, else ask)",
        )
        group.add_argument(
            "--wait",
            metavar="S",
            type=float,
            default=WRITER_WAIT_S,
            help="seconds to wait for another writer (default: %(default)s)",
        )


def command(commands: Any, name: str, summary: str, example: str) -> argparse.ArgumentParser:
    """A subcommand whose --help ends with an example."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=summary,
        epilog="examples:\n" + textwrap.indent(textwrap.dedent(example).strip(), "  "),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return parser


class Reporter:
    """Prints results: words for a person, or one JSON document."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._json = bool(getattr(args, "json", False))
        self._live = sys.stderr.isatty()
        self._shown_at = 0.0
        self._started_at = time.monotonic()

    @property
    def wants_json(self) -> bool:
        return self._json

    def result(self, document: dict[str, Any], text: str) -> None:
        """The one result of a command."""
        self.done()
        print(json.dumps(document, ensure_ascii=False) if self._json else text)

    def note(self, text: str) -> None:
        """Something that a person should know, beside the result."""
        self.done()
        print(text, file=sys.stderr)

    def progress(self, done: int, total: int | None) -> None:
        """A line that is rewritten, on a terminal only."""
        now = time.monotonic()
        if not self._live or now - self._shown_at < PROGRESS_EVERY_S:
            return
        self._shown_at = now
        rate = done / max(now - self._started_at, 1e-6)
        left = f" of {total:,}, {max(0, total - done) / max(rate, 1e-6):,.0f} s left" if total else ""
        print(f"\r\033[K{done:,}{left} ({rate:,.0f}/s)", end="", file=sys.stderr, flush=True)

    def done(self) -> None:
        """Clears the line of progress."""
        if self._live and self._shown_at:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
            self._shown_at = 0.0

    def error(self, error: LineageError) -> None:
        """A failure: the item, the reason, the fix."""
        self.done()
        if self._json:
            fields = {"family": error.family, "code": error.code, "item": error.item}
            fields |= {"reason": error.reason, "fix": error.fix}
            print(json.dumps({"error": fields}, ensure_ascii=False))
        print(f"lineage: {printable(error.item)}: {printable(error.reason)}", file=sys.stderr)
        if error.fix:
            print(f"  {printable(error.fix)}", file=sys.stderr)


def printable(text: str) -> str:
    """Text that cannot move the cursor or colour a terminal, whoever wrote it."""
    return "".join(character if character.isprintable() else f"\\x{ord(character):02x}" for character in text)


def open_for(args: argparse.Namespace, *, readonly: bool = True) -> Ledger:
    """The ledger that the options name."""
    from ledger.api import open_ledger

    return open_ledger(
        args.ledger,
        readonly=readonly,
        passphrases=passphrases(args),
        wait_s=getattr(args, "wait", WRITER_WAIT_S),
    )


def passphrases(args: argparse.Namespace) -> Passphrases:
    """From --passphrase-file, else LINEAGE_PASSPHRASE, else asked on a terminal."""
    from ledger.signer.passphrases import Passphrases

    named = getattr(args, "passphrase_file", None)
    ask = _ask if sys.stdin.isatty() and sys.stderr.isatty() else None
    if named:
        try:
            known = Path(named).read_bytes()
        except OSError as error:
            raise RefusedInput(
                "passphrase-missing", named, f"it cannot be read ({error.strerror})", "Name a readable file."
            ) from error
        return Passphrases(known.removesuffix(b"\n").removesuffix(b"\r"), ask)
    from_environment = os.environ.get("LINEAGE_PASSPHRASE")
    return Passphrases(os.fsencode(from_environment) if from_environment is not None else None, ask)


def _ask(name: str) -> bytes:
    if name != "new keys":
        return getpass.getpass(f"Passphrase for {name}: ").encode()
    while True:
        first = getpass.getpass("Passphrase for the new keys: ")
        if first and first == getpass.getpass("The same again: "):
            return first.encode()
        print("They differ, or are empty; once more.", file=sys.stderr)


def parse_share(text: str) -> int:
    """Ppm of "70%", "0.7" or "12.5%". Raises RefusedInput `share-illegal`."""
    try:
        value = Decimal(text.removesuffix("%")) * (PPM // 100 if text.endswith("%") else PPM)
    except InvalidOperation:
        value = Decimal(-1)
    if not 0 <= value <= PPM or value != int(value):
        raise RefusedInput(
            "share-illegal",
            f"share '{printable(text)}'",
            "it is no share from 0 to 1",
            "Write 70%, or 0.7; at most six decimals.",
        )
    return int(value)


def percent(ppm: int) -> str:
    """ppm as a person reads it: 700,000 is 70 %."""
    return (
        f"{Decimal(ppm) / 10_000:f}".rstrip("0").rstrip(".") + " %" if ppm % 10_000 else f"{ppm // 10_000} %"
    )


def short(identifier: bytes) -> str:
    """The first digits of an id, enough to be typed again."""
    return identifier.hex()[:SHORT_ID]
