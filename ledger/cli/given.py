"""Keys that exist already: taken from the ssh-agent or from private key files, and where an identity's keys lie (SPEC §10.6)."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ledger.cli.common import Reporter, passphrases_from, printable
from ledger.errors import RefusedInput

if TYPE_CHECKING:
    from ledger.signer.newkeys import GivenKeys
    from ledger.signer.signers import Signer

_AGENT_HELP: Final = "its fingerprint (ssh-add -l), its comment or its .pub file"


def add_to_new(parser: argparse.ArgumentParser) -> None:
    """The options of `identity new`."""
    group = parser.add_argument_group(
        "keys that exist already", "Without these, keys are drawn. Each may be repeated, up to --keys."
    )
    group.add_argument(
        "--agent",
        metavar="KEY",
        action="append",
        default=[],
        help=f"the daily key stays in the ssh-agent: {_AGENT_HELP}",
    )
    _add_files(
        group,
        ("--current-key", "the daily key: a private Ed25519 key of OpenSSH or in PEM, which is copied"),
        ("--next-key", "likewise the next key"),
        ("--recovery-key", "likewise the recovery key"),
    )


def add_to_change(parser: argparse.ArgumentParser) -> None:
    """The options of `identity rotate` and `recover`, whose new keysets come into force later."""
    group = parser.add_argument_group(
        "keys that exist already", "Without these, new keys are drawn. Each may be repeated, up to --keys."
    )
    group.add_argument(
        "--new-next-agent",
        metavar="KEY",
        action="append",
        default=[],
        help=f"the key of the next rotation stays in the ssh-agent: {_AGENT_HELP}; whoever has the agent can then rotate",
    )
    _add_files(
        group,
        (
            "--new-next-key",
            "the key of the next rotation: a private Ed25519 key of OpenSSH or in PEM, which is copied",
        ),
        ("--new-recovery-key", "likewise the new recovery key"),
    )


def _add_files(group: argparse._ArgumentGroup, *options: tuple[str, str]) -> None:
    for option, words in options:
        group.add_argument(option, metavar="FILE", action="append", default=[], help=words)
    group.add_argument(
        "--import-passphrase-file",
        metavar="FILE",
        help="read the passphrase of the copied keys from FILE (default: ask)",
    )


def given_to_new(args: argparse.Namespace) -> GivenKeys:
    """The keys that the options of `identity new` name, opened. Raises as `choose_key` and `import_key`."""
    from ledger.signer.newkeys import GivenKeys

    return GivenKeys(
        current=[*_from_agent(args.agent), *_from_files(args, args.current_key)],
        next=_from_files(args, args.next_key),
        recovery=_from_files(args, args.recovery_key),
    )


def given_to_change(args: argparse.Namespace) -> GivenKeys:
    """The keys that the options of a change name, opened. Raises as `given_to_new`."""
    from ledger.signer.newkeys import GivenKeys

    return GivenKeys(
        next=[*_from_agent(args.new_next_agent), *_from_files(args, args.new_next_key)],
        recovery=_from_files(args, args.new_recovery_key),
    )


def tell_copied(args: argparse.Namespace, reporter: Reporter) -> None:
    """Says which keys were copied, and where they still lie."""
    from ledger.signer.sshwire import ed25519_blob, fingerprint

    for path, public in getattr(args, "copied", ()):
        reporter.note(
            f"Note: copied key {fingerprint(ed25519_blob(public))}; {printable(path)} still holds it: remove it if nothing else needs it."
        )


def _from_agent(named: Sequence[str]) -> list[Signer]:
    from ledger.signer.sshagent import choose_key

    return [choose_key(text) for text in named]


def _from_files(args: argparse.Namespace, named: Sequence[str]) -> list[Signer]:
    if not named:
        return []
    from ledger.signer.keyimport import HOW, import_key

    if not hasattr(args, "import_passphrases"):  # one for all: a right one is tried on the next file
        args.import_passphrases, args.copied = passphrases_from(args.import_passphrase_file, HOW), []
    signers: list[Signer] = []
    for text in named:
        signers.append(import_key(_path(text), args.import_passphrases))
        args.copied.append((text, signers[-1].public_key))
    return signers


def _path(text: str) -> Path:
    if not text or "\0" in text:
        raise RefusedInput("path-illegal", f"file {text!a}", "it is no name of a file", "Name one.")
    return Path(text)


def where_words(keys: Sequence[dict[str, Any]]) -> str:
    """Where an identity's daily keys lie, each in a few words."""
    return "; ".join(_where(key) for key in keys)


def lie_elsewhere(keys: Sequence[dict[str, Any]]) -> bool:
    """Whether any of them is in no file of this machine."""
    return any(key["lies"] != "file" for key in keys)


def _where(key: dict[str, Any]) -> str:
    if key["lies"] == "file":
        return "in a file, encrypted" if key["encrypted"] else "in a file, NOT encrypted"
    if key["lies"] == "ssh-agent":
        comment = f" ({printable(key['comment'])})" if key["comment"] else ""
        return f"in the ssh-agent{comment}"
    words = {"external": "with an external signer", "away": "not on this machine"}
    return words.get(key["lies"], "in a file that cannot be read")
