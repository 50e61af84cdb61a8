"""`lineage verify F.lineage`: an ancestry proof checked offline, and what it comes to under a trust file and a policy (SPEC §11.2)."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Final, NamedTuple

from ledger.cli import proof_document, proof_words
from ledger.cli.common import Reporter, at_least_0
from ledger.cli.gate import parse_time
from ledger.errors import ProofInvalid, RefusedInput
from ledger.spec import ANCESTRY_SUFFIX, RECEIPT_SUFFIX, ROW_RECEIPTS_SUFFIX

_OF_PROOFS: Final = (
    "trust",
    "policy",
    "at",
    "tree",
    "no_memory",
    "depth",
)  # options that mean nothing for receipts
_OF_RECEIPTS: Final = ("receipt", "salt")


class Named(NamedTuple):
    """A proof file, and the files that it is said to be about."""

    proof: str
    contents: list[str]


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `lineage verify` that are about ancestry proofs."""
    group = parser.add_argument_group("an ancestry proof, F.lineage")
    group.add_argument(
        "--trust",
        metavar="T",
        help="whose word counts: a TOML file (default: the log, and everybody enrolled in it)",
    )
    group.add_argument(
        "--policy",
        metavar="P",
        help="judge also whether it may be trained on: balanced, strict, inventory, or a TOML file (default: facts alone)",
    )
    group.add_argument(
        "--at", metavar="TIME", help="judge as of then: 2026-11-27T12:00:00Z, or unix ms (default: now)"
    )
    group.add_argument(
        "--tree",
        metavar="DIR",
        help="a copy of the log, published or a ledger's folder: compare with what was accepted here before by that, too",
    )
    group.add_argument(
        "--no-memory",
        action="store_const",
        const=True,
        help="compare with nothing that was accepted of the log here before, and remember nothing",
    )
    group.add_argument(
        "--depth",
        metavar="N",
        type=at_least_0,
        help=f"generations to show, at most (default: {proof_words.DEPTH_MAX})",
    )


def named(args: argparse.Namespace) -> Named | None:
    """The proof among the files named, or beside the one file that is; None: it is about receipts, or data that was gated.

    Raises RefusedInput `usage` for what does not go together; and as `RegularFile`.
    """
    given = [option for option in _OF_PROOFS if getattr(args, option) is not None]
    if args.manifest is not None:
        if given:
            raise _usage(_option(given[0]), "it is for ancestry proofs, and data is compared with a manifest")
        return None
    proofs = [file for file in args.files if _is_proof(file)]
    if len(proofs) > 1:
        raise RefusedInput(
            "usage", "verify", f"{len(proofs)} ancestry proofs are named", "Check them one by one."
        )
    if proofs:
        found = Named(proofs[0], [file for file in args.files if file != proofs[0]])
    else:
        beside = _beside(args, is_meant=bool(given))
        if beside is None:
            if given:
                raise _no_proof(given[0], args.files)
            return None
        found = Named(beside, list(args.files))
    for option in _OF_RECEIPTS:
        if getattr(args, option) is not None:
            fix = (
                "Put it beside its file, as FILE.salt."
                if option == "salt"
                else "Check it by a command of its own."
            )
            raise RefusedInput(
                "usage", f"--{option}", "it is of a receipt, and an ancestry proof is named", fix
            )
    return found


def _is_proof(file: str) -> bool:
    """Whether a file begins as one; or is called so, and no receipt of it lies there: it was cut short, then."""
    from ledger.api.verifying_ancestry import is_ancestry

    return is_ancestry(file) or (file.endswith(ANCESTRY_SUFFIX) and not _has_receipt(file))


def _has_receipt(file: str) -> bool:
    return any(os.path.lexists(file + suffix) for suffix in (RECEIPT_SUFFIX, ROW_RECEIPTS_SUFFIX))


def _beside(args: argparse.Namespace, *, is_meant: bool) -> str | None:
    """The proof beside the one file that is named; where a receipt lies there too, that is checked unless a proof `is_meant`."""
    if len(args.files) != 1 or args.receipt is not None:
        return None
    beside = args.files[0] + ANCESTRY_SUFFIX
    if not Path(beside).is_file():
        return None
    return beside if is_meant or not _has_receipt(args.files[0]) else None


def _no_proof(option: str, files: list[str]) -> RefusedInput:
    what = f"{files[0]} is none" if len(files) == 1 else "none is named"
    return _usage(_option(option), f"it is for ancestry proofs, and {what}")


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _usage(item: str, reason: str) -> RefusedInput:
    return RefusedInput(
        "usage", item, reason, "Name a proof: lineage verify F.lineage; it is made by: lineage prove"
    )


def run(args: argparse.Namespace, reporter: Reporter, given: Named) -> int:
    """0 if the proof holds, every subject is well, and every content given is a subject's; else 1."""
    from ledger.api.gate.terms import trust_named
    from ledger.api.verifying_ancestry import trusted_logs, verify_ancestry

    if args.no_memory and args.tree is not None:
        raise _usage(
            "--tree", "it is to compare with what is remembered, and --no-memory compares with nothing"
        )
    trust = trust_named(args.trust)
    at_ms = None if args.at is None else parse_time("--at", args.at)
    trusted = trusted_logs(trust, args.vkey, args.ledger)
    try:
        verified = verify_ancestry(
            given.proof,
            trust,
            at_ms=at_ms,
            policy=args.policy,
            contents=given.contents,
            tree=args.tree,
            remember=not args.no_memory,
            vkey=args.vkey,
            ledger=args.ledger,
        )
    except ProofInvalid as error:
        document = proof_document.of_invalid(given.proof, error, trusted, at_ms)
        reporter.result(document, "\n".join(proof_words.of_invalid(given.proof, error, trusted)))
        return 1
    document = proof_document.of_verified(given.proof, verified) if reporter.wants_json else {}
    depth = proof_words.DEPTH_MAX if args.depth is None else args.depth
    text = "" if reporter.wants_json else "\n".join(proof_words.of_verified(given.proof, verified, depth))
    reporter.result(document, text)
    return 0 if verified.ok else 1
