"""The gate by a proof: rows are judged by one file that proves ancestries, where no ledger is (SPEC §12.6)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple, Unpack

from ledger.api.gate.from_proof import Compare, ShownProof
from ledger.api.gate.gating import Options, ask, gate_shown
from ledger.api.gate.reporting import report_gate
from ledger.api.gate.result import Gated
from ledger.api.gate.terms import Named, trust_named
from ledger.api.verifying import Trusted
from ledger.api.verifying_ancestry import opened_proof, trusted_logs
from ledger.datasets.files import printable
from ledger.errors import ProofInvalid, RefusedInput
from ledger.origin.policy import Policy
from ledger.origin.proved import OpenedFile, open_file
from ledger.origin.trust import Trust
from ledger.proofs.proven import ProvenLog
from ledger.signer.places import config_folder
from ledger.signer.remembered import CheckpointMemory

_BECAUSE: Final = {
    "given": "the vkey that you gave",
    "trust": "the trust file",
    "ledger": "the ledger at hand",
    "keys": "the only log that the keys here know",
}  # by what a log is the one that counts
_FIX: Final = "Ask for the file again; if it stays so, do not rely on it."

Proof = str | os.PathLike[str] | bytes


class ReadProof(NamedTuple):
    """A file that was verified; `digest`: SHA-256 of it."""

    file: OpenedFile
    digest: bytes


def gate_by_proof(
    dataset: Any,
    policy: Named | Policy = "balanced",
    trust: Named | Trust | None = None,
    *,
    proof: Proof,
    vkey: str | None = None,
    config: str | None = None,
    compare: Compare | None = None,
    **options: Unpack[Options],
) -> Gated:
    """As `ledger.api.gate.verbs.GateVerbs.gate`, by an ancestry proof: its path, or its bytes. Nobody signs the manifest.

    Which log counts: that of `vkey`, else those that the trust file lists, else as `trusted_log`. The digests of the
    file's rows are held in memory, 32 bytes a row.

    Raises besides ProofInvalid with the codes of SPEC §11.2; RefusedInput `log-unknown` where the file holds no log that counts, `ambiguous` where several.
    """
    asked = ask(dataset, policy, trust, **options)
    believed = trust_named(trust)
    logs = trusted_logs(believed, vkey, None, config)
    read = read_proof(proof, logs)
    log = _chosen(read.file, logs, _name_of(proof))
    memory = CheckpointMemory(config_folder(config), log.vkey)
    shown = ShownProof(log, read.file.disclosed, read.digest, memory, compare)
    gated, terms = gate_shown(shown, replace(asked, trust=believed))
    gated.notes = (*gated.notes, f"Trusted: {printable(log.vkey.name)}, by {_BECAUSE[logs[0].because]}.")
    if asked.outputs.report is not None:
        report_gate(shown, gated, terms, trust, asked.outputs.report)
    return gated


def refuse_ledger(given: Mapping[str, object]) -> None:
    """Raises RefusedInput `usage` where something is said, by what it is called, that only a ledger can do."""
    for name, value in given.items():
        if value is not None:
            raise RefusedInput(
                "usage",
                name,
                "a proof is judged by alone: no ledger is opened, and nothing is signed there",
                "Leave it out, or the proof.",
            )


def vkey_without_proof(name: str, proof: str) -> RefusedInput:
    """The refusal of a vkey beside a ledger, which has its own; both as they are called."""
    return RefusedInput(
        "usage", name, f"it is of a proof ({proof}), and a ledger has its own", "Leave it out."
    )


def read_proof(proof: Proof, logs: Sequence[Trusted]) -> ReadProof:
    """A file, read once and verified, with the digests of its rows. Raises ProofInvalid, and as `opened_proof`."""
    digest = hashlib.sha256()
    with opened_proof(proof) as read:

        def hashed(size: int) -> bytes:
            data = read(size)
            digest.update(data)
            return data

        try:
            opened = open_file(hashed, [each.vkey for each in logs], keep_rows=True)
        except ProofInvalid as error:
            item = f"{_name_of(proof)}: {error.item}"
            raise ProofInvalid(error.code, item, error.reason, error.fix or _FIX) from error
    return ReadProof(opened, digest.digest())


def _name_of(proof: Proof) -> str:
    return "proof" if isinstance(proof, bytes) else printable(proof)


def _chosen(file: OpenedFile, logs: Sequence[Trusted], item: str) -> ProvenLog:
    """The one log of the file that counts."""
    if len(file.logs) == 1:
        return file.logs[0]
    if file.logs:
        names = ", ".join(printable(str(log.vkey)) for log in file.logs)
        raise RefusedInput(
            "ambiguous",
            item,
            f"it holds {len(file.logs)} logs that are known here, and rows are judged by one",
            f"Say by which: --vkey V, one of {names}",
        )
    names = ", ".join(printable(each.vkey.name) for each in logs)
    ids = ", ".join(each.hex()[:16] for each in file.unknown_logs)
    raise RefusedInput(
        "log-unknown",
        item,
        f"it is of the log {ids}, and not of {names}, {_BECAUSE[logs[0].because]}",
        "Name the vkey of its log, if you trust that: --vkey VKEY",
    )
