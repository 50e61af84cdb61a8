"""Manifests: what a gate decided of every row, as one record that somebody signs (SPEC §12.5).

The record holds a root over all rows of a verdict file, so it takes the file to say what was decided, and the record to say who says so. The receipt lies beside the file.
Checking both is `ledger.api.verifying_manifest`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from ledger.api.access import Access
from ledger.api.around import Progress, silent, unseen
from ledger.api.receipts import not_replaced, number_at, receipt_path, receipt_there
from ledger.datasets.files import printable
from ledger.datasets.verdict_file import VerdictBlock, VerdictFile, open_verdicts
from ledger.errors import RefusedInput, Undecided
from ledger.origin.lattice import Verdict
from ledger.proofs.receipt import make_receipt
from ledger.signer import signing
from ledger.signer.signing import Signed
from ledger.statements.manifest import ManifestTree, make_manifest_record
from ledger.store.files import writing


class SignedManifest(NamedTuple):
    """A manifest that stands in the log; `is_new`: it was appended now. `receipt`: where that lies."""

    id: bytes
    log_index: int
    receipt: Path
    rows: int
    is_new: bool


def sign_manifest(
    access: Access, verdicts: str | os.PathLike[str], by: str, progress: Progress = silent
) -> SignedManifest:
    """As `Ledger.sign_manifest`."""
    signer = access.unlock(by)
    target = receipt_path(verdicts)
    there = receipt_there(access.vkey, target)
    with open_verdicts(verdicts) as file:
        _check_may_be_signed(access, file)
        tree = tree_of(file, progress)
        file.check_unchanged()
        about = file.about
    record = make_manifest_record(
        maker=signer.identity.id,
        tree=tree,
        checkpoint=bytes.fromhex(about["checkpoint"]),
        policy=bytes.fromhex(about["policy"]),
        trust=bytes.fromhex(about["trust"]),
        time_ms=about["at_ms"],
    )
    if there is not None and there.artifact_id != record.id:
        raise not_replaced(printable(target), "it is the receipt of another artifact. Nothing was signed")
    signed = Signed(ids=[record.id])
    with access.door() as door:
        signing.append_records(door, signer, [record.encoded], signed, unseen)
    (log_index,) = signed.log_indices
    with access.view() as view:
        text = make_receipt(view, number_at(view, record.id, log_index))
    with writing(target, replace=there is not None) as out:
        out.write(text.encode())
    return SignedManifest(record.id, log_index, target, tree.count, bool(signed.new))


def tree_of(file: VerdictFile, progress: Progress = silent) -> ManifestTree:
    """The tree over all rows of a verdict file. Raises ProofInvalid `verdicts-invalid`; Undecided where a row is undecided."""
    tree = ManifestTree()
    for block in file.blocks():
        tree.add(block.digests, block.artifact_ids, codes_of(block))
        progress(tree.count, file.count)
    return tree


def codes_of(block: VerdictBlock) -> bytes:
    """The verdict of each row, as a manifest has it. Raises Undecided."""
    codes = bytes(Verdict[told.verdict.upper()].manifest_code for told in block.told)
    return bytes(map(codes.__getitem__, block.outcomes))


def _check_may_be_signed(access: Access, file: VerdictFile) -> None:
    """Raises Undecided; RefusedInput `wrong-log`, `dataset-empty`."""
    if file.about["undecided"]:
        raise Undecided(
            "undecided",
            printable(file.path),
            f"of {file.about['undecided']:,} of its rows nothing is decided, and a manifest says what was decided",
            "Gate by another policy: lineage gate DATASET --policy balanced --verdicts OUT",
        )
    if not file.count:
        raise RefusedInput(
            "dataset-empty", printable(file.path), "it has no row", "Gate a dataset that has rows"
        )
    if bytes.fromhex(file.about["log_id"]) != access.marker.log_id:
        raise RefusedInput(
            "wrong-log",
            printable(file.path),
            f"its rows were judged by the log {file.about['log_origin']!a}, and this is {access.marker.origin!a}",
            "Sign it in the ledger by which it was judged: --ledger DIR",
        )
