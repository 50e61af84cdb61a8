"""What all commands share: common options, opening a ledger, printing, progress, small parsers of arguments."""

from __future__ import annotations

import argparse
import getpass
import json
import math
import os
import re
import sys
import textwrap
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from ledger.errors import LineageError, RefusedInput, StoreFault
from ledger.spec import GUESSABLE_BYTES, HASH_BYTES, WRITER_WAIT_S

if TYPE_CHECKING:
    from ledger.api import Ledger
    from ledger.api.offline import OfflineKeys
    from ledger.signer.passphrases import Passphrases
    from ledger.signer.signing import Signed

NAME_AT_VERSION: Final = re.compile(r"(?P<name>.+)@(?P<version>[^@]+)", re.DOTALL)
PROGRESS_EVERY_S: Final = 0.2
SHORT_ID: Final = 16  # hex digits of an id that a person is shown, and may type


def add_common(parser: argparse.ArgumentParser, *, writes: bool = False, confirms: bool = False) -> None:
    """The options that every command takes; `writes`: those of commands that need keys; `confirms`: that ask first."""
    group = parser.add_argument_group("common options")
    group.add_argument(
        "--ledger",
        metavar="DIR",
        help="the ledger's folder (default: LINEAGE_LEDGER, else the platform's data folder)",
    )
    group.add_argument("--json", action="store_true", help="one JSON document on stdout, all else on stderr")
    if confirms:
        group.add_argument("--yes", action="store_true", help="do not ask before what cannot be undone")
    if writes:
        group.add_argument(
            "--passphrase-file",
            metavar="FILE",
            help="read the passphrase from FILE (default: LINEAGE_PASSPHRASE, else ask)",
        )
        add_wait(group)


def add_wait(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """How long to wait for another writer."""
    parser.add_argument(
        "--wait",
        metavar="S",
        type=_seconds,
        default=WRITER_WAIT_S,
        help="seconds to wait for another writer (default: %(default)s)",
    )


class Parser(argparse.ArgumentParser):
    """Reports a wrong argument like every other failure; options are never guessed from their beginnings."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        command = self.prog.removeprefix("lineage").strip() or "arguments"
        raise RefusedInput("usage", command, message, f"See: {self.prog} --help")


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!a} is no number of seconds")
    return value


def at_least_0(text: str) -> int:
    """An argument that counts something."""
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!a} is no whole number from 0 on")
    return int(text)


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

    def __init__(self, *, as_json: bool) -> None:
        self.wants_json = as_json
        self._live = sys.stderr is not None and sys.stderr.isatty()
        self._shown_at = 0.0
        self._began: tuple[int, float] | None = None  # what was done before the first was told, and when

    def result(self, document: dict[str, Any], text: str) -> None:
        """The one result of a command."""
        self.done()
        self.write((json.dumps(document) if self.wants_json else text) + "\n")

    def write(self, text: str) -> None:
        """To stdout. Once its reader has seen enough the rest goes nowhere: what is done is done, and has its exit code."""
        try:
            print(text, end="")
        except OSError as error:
            self._lost(error)

    def flush(self) -> None:
        """The last of stdout. Raises StoreFault `output-failed` if it was lost for another reason than its reader's leaving."""
        try:
            if sys.stdout is not None:
                sys.stdout.flush()
        except OSError as error:
            self._lost(error)

    def _lost(self, error: OSError) -> None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise StoreFault(
                "output-failed",
                "stdout",
                f"the result could not be written ({error.strerror}); the command itself was done",
                "Look to where its output goes.",
            ) from error

    def note(self, text: str) -> None:
        """Something that a person should know, beside the result."""
        self.done()
        print(text, file=sys.stderr)

    def progress(self, done: int, total: int | None) -> None:
        """A line that is rewritten, on a terminal only: rate and time left by what was done since the first was told."""
        now = time.monotonic()
        if self._began is None:
            self._began = (done, now)
        if not self._live or now - self._shown_at < PROGRESS_EVERY_S:
            return
        self._shown_at = now
        before, since = self._began
        words = f"{done:,}" + (f" of {total:,}" if total else "")
        if done > before:
            rate = (done - before) / max(now - since, 1e-6)
            words += f", {max(0, total - done) / rate:,.0f} s left" if total else ""
            words += f" ({rate:,.0f}/s)"
        print(f"\r\033[K{words}", end="", file=sys.stderr, flush=True)

    def done(self) -> None:
        """Clears the line of progress."""
        if self._live and self._shown_at:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
            self._shown_at = 0.0

    def error(self, error: LineageError) -> None:
        """A failure: the item, the reason, the fix."""
        self.done()
        if self.wants_json:
            fields = {"family": error.family, "code": error.code, "item": error.item}
            fields |= {"reason": error.reason, "fix": error.fix}
            self.write(json.dumps({"error": fields}) + "\n")
        print(f"lineage: {printable(error.item)}: {printable(error.reason)}", file=sys.stderr)
        if error.fix:
            print(f"  {printable(error.fix)}", file=sys.stderr)


def printable(text: str) -> str:
    """Text that cannot move the cursor or colour a terminal, whoever wrote it."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


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
    """From --passphrase-file, else LINEAGE_PASSPHRASE, else asked on a terminal; one command asks for each but once."""
    held: Passphrases | None = getattr(args, "passphrases", None)
    if held is None:
        held = args.passphrases = _passphrases(args)
    return held


def _passphrases(args: argparse.Namespace) -> Passphrases:
    from ledger.signer.passphrases import HOW, Passphrases

    named = getattr(args, "passphrase_file", None)
    if named is not None:
        return passphrases_from(named, HOW)
    return Passphrases.from_environment(_ask if is_terminal() else None)


def passphrases_from(named: str | None, how: str) -> Passphrases:
    """Those in the file named, if one is, else asked on a terminal; `how` else one is given. Raises RefusedInput `passphrase-missing`."""
    from ledger.signer.passphrases import Passphrases

    known = None
    if named is not None:
        try:
            known = Path(named).read_bytes().removesuffix(b"\n").removesuffix(b"\r")
        except OSError as error:
            raise RefusedInput(
                "passphrase-missing", named, f"it cannot be read ({error.strerror})", "Name a readable file."
            ) from error
    return Passphrases(known, _ask if is_terminal() else None, how)


def _ask(name: str) -> bytes:
    from ledger.signer.passphrases import NEW_KEYS

    if name != NEW_KEYS:
        return _typed(f"Passphrase for {printable(name)}: ")
    while True:
        first = _typed("A passphrase for the new keys: ")
        if not first:
            print("It is empty; once more.", file=sys.stderr)
        elif first == _typed("The same again: "):
            return first
        else:
            print("They differ; once more.", file=sys.stderr)


def _typed(prompt: str) -> bytes:
    try:
        return os.fsencode(getpass.getpass(prompt))
    except EOFError as error:
        raise RefusedInput(
            "passphrase-missing",
            "terminal",
            "no passphrase was typed",
            "Try again, or set LINEAGE_PASSPHRASE.",
        ) from error


def is_terminal() -> bool:
    """Whether somebody is there to be asked."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


def confirm(args: argparse.Namespace, reporter: Reporter, warning: str) -> None:
    """Asks before what cannot be undone, unless --yes was said. Raises RefusedInput `usage` if it was not confirmed."""
    if args.yes:
        return
    if not is_terminal():
        raise RefusedInput(
            "usage",
            "--yes",
            "this cannot be undone, and nobody is here to be asked",
            "Make sure that it is meant, then say --yes.",
        )
    reporter.note(warning)
    print("This cannot be undone. Go on? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise RefusedInput(
            "usage", "terminal", "it was not confirmed, and nothing was done", "Answer y to go on."
        )


def tell_kept(reporter: Reporter, ledger: Ledger, by: str) -> None:
    """Says what a signing by this identity sends first: a kept change of keys that ends it, or disowns something."""
    for type_, starts in ledger.kept_changes(by):
        if type_ == "retire" or starts:
            cut = f", and disowns from log index {starts[0]} on" if starts else ""
            reporter.note(f"Note: a {type_} of '{by}' that was signed and kept is sent first{cut}.")


def tell_left_out(reporter: Reporter, signed: Signed) -> None:
    """What was not signed with the rest, and what may be guessed of what was."""
    tell_not_walked(reporter, signed.hidden_files, signed.companions)
    if signed.guessable:
        reporter.note(
            f"Contents under {GUESSABLE_BYTES} bytes: {signed.guessable:,}. The log holds only their digests, "
            "but whoever guesses one can confirm it. What nobody shall guess is signed with --sealed."
        )


def tell_not_walked(reporter: Reporter, hidden_files: int, companions: int) -> None:
    """What lies in a folder and is not signed with it."""
    if hidden_files:
        reporter.note(f"Hidden files and folders left out: {hidden_files:,}")
    if companions:
        reporter.note(f"Receipts, salts and proofs beside their files left out: {companions:,}")


def tell_pending_recovery(reporter: Reporter, ledger: Ledger, by: str) -> None:
    """Warns who signs while somebody, perhaps a thief, recovers his identity."""
    log_index = ledger.pending_recovery(by)
    if log_index is not None:
        reporter.note(
            f"RECOVERY PENDING since log index {log_index}: if it is not yours, rotate now: lineage identity rotate {by}"
        )


def only_identity(ledger: Ledger | OfflineKeys, by: str | None) -> str:
    """Who signs: the one named, else the only identity here but for the operator. Raises RefusedInput `name-unknown`."""
    if by is not None:
        return by
    names = [item.name for item in ledger.keys.identities() if item.role != "operator"]
    if len(names) != 1:
        raise RefusedInput(
            "name-unknown",
            "--by",
            f"there are {len(names)} identities here" + (f": {', '.join(names)}" if names else ""),
            "Name one." if names else "Make one first: lineage identity new NAME",
        )
    return names[0]


def parse_digest(option: str, text: str) -> bytes:
    """The 32 bytes of 64 hex digits. Raises RefusedInput `schema`."""
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        digest = b""
    if len(digest) != HASH_BYTES:
        raise RefusedInput(
            "schema", f"{option} '{text}'", "it is no 64 hex digits", "Write it as sha256sum prints it."
        )
    return digest


def parse_versioned(option: str, text: str) -> tuple[str, str]:
    """Name and version of "NAME@VERSION". Raises RefusedInput `schema`."""
    found = NAME_AT_VERSION.fullmatch(text)
    if found is None:
        raise RefusedInput(
            "schema", f"{option} '{text}'", "it is no name with a version", "Write NAME@VERSION."
        )
    return found["name"], found["version"]


def percent(ppm: int) -> str:
    """Ppm as a person reads it: 700,000 is 70 %."""
    return (
        f"{Decimal(ppm) / 10_000:f}".rstrip("0").rstrip(".") + " %" if ppm % 10_000 else f"{ppm // 10_000} %"
    )


def moment(time_ms: int) -> str:
    """Unix milliseconds as a person reads them, in UTC; as a number beyond the years that a calendar has."""
    try:
        return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return f"{time_ms} ms"


def duration(time_ms: int) -> str:
    """A length of time as a person reads it, in its two greatest units at most."""
    seconds = time_ms // 1_000
    parts = []
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}{'s' if count != 1 else ''}")
    return " ".join(parts[:2]) or "less than a second"


def plural(count: int, one: str, many: str | None = None) -> str:
    """A number of things in words: 1 artifact, 2 artifacts."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def short(identifier: bytes) -> str:
    """The first digits of an id, enough to be typed again."""
    return identifier.hex()[:SHORT_ID]
