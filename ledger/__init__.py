"""The lineage ledger: traces training data to its human origin, by proofs that need no trust in an operator.

    import ledger

    with ledger.open("my-ledger") as l:
        signed = l.sign(["notes.md"], by="ada")
        print(l.trace(signed.ids[0]).humans)

Importing it loads nothing heavy; the first call does.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ledger.api import Batch, Item, Ledger, Session
    from ledger.api.derive import Derivation
    from ledger.api.gate.result import Gated
    from ledger.api.proving import Proof
    from ledger.api.verified import Verified
    from ledger.api.verifying_ancestry import VerifiedAncestry
    from ledger.datasets.admitted import AdmittedRows, admitted_rows, for_torch
    from ledger.datasets.only_admitted import only_admitted
    from ledger.signer.claims import Claim
    from ledger.signer.newkeys import GivenKeys
    from ledger.signer.signers import CallableSigner, Signer
    from ledger.signer.signing import Signed
    from ledger.statements.record import Parent

__all__ = [
    "AdmittedRows",
    "Batch",
    "CallableSigner",
    "Claim",
    "Gated",
    "GivenKeys",
    "Item",
    "Ledger",
    "Parent",
    "Proof",
    "Session",
    "Signed",
    "Signer",
    "Verified",
    "VerifiedAncestry",
    "admitted_rows",
    "agent_key",
    "create",
    "derive",
    "for_torch",
    "gate",
    "import_key",
    "only_admitted",
    "open",
    "verify",
    "verify_receipt",
]

_HOMES = {
    "AdmittedRows": "ledger.datasets.admitted",
    "Batch": "ledger.api",
    "CallableSigner": "ledger.signer.signers",
    "Claim": "ledger.signer.claims",
    "Gated": "ledger.api.gate.result",
    "GivenKeys": "ledger.signer.newkeys",
    "Item": "ledger.api",
    "Ledger": "ledger.api",
    "Parent": "ledger.statements.record",
    "Session": "ledger.api",
    "Signed": "ledger.signer.signing",
    "Signer": "ledger.signer.signers",
    "Proof": "ledger.api.proving",
    "Verified": "ledger.api.verified",
    "VerifiedAncestry": "ledger.api.verifying_ancestry",
    "admitted_rows": "ledger.datasets.admitted",
    "for_torch": "ledger.datasets.admitted",
    "only_admitted": "ledger.datasets.only_admitted",
}


def open(path: str | os.PathLike[str] | None = None, **options: Any) -> Ledger:  # noqa: A001 - ledger.open is the door
    """Opens a ledger; see `ledger.api.open_ledger` for the options and errors."""
    from ledger.api import open_ledger

    return open_ledger(path, **options)


def create(path: str | os.PathLike[str] | None = None, **options: Any) -> Ledger:
    """Makes a ledger and opens it; see `ledger.api.create_ledger` for the options and errors."""
    from ledger.api import create_ledger

    return create_ledger(path, **options)


def agent_key(text: str) -> Signer:
    """The signer of a key in the ssh-agent, by fingerprint, comment or .pub file; see `ledger.signer.sshagent.choose_key`."""
    from ledger.signer.sshagent import choose_key

    return choose_key(text)


def import_key(path: str | os.PathLike[str], passphrase: bytes | None = None) -> Signer:
    """The signer of a private key file (OpenSSH, or PEM PKCS#8); see `ledger.signer.keyimport.import_key` for what it refuses."""
    from pathlib import Path

    from ledger.signer.keyimport import HOW_IN_PYTHON
    from ledger.signer.keyimport import import_key as read
    from ledger.signer.passphrases import Passphrases

    return read(Path(path), Passphrases(passphrase, how=HOW_IN_PYTHON))


def derive(
    tool: str,
    version: str,
    params: Any = None,
    *,
    column: str | None = "text",
    unsigned: str = "refuse",
) -> Derivation:
    """A deterministic tool, as a decorator or a context for functions of rows; see `ledger.api.derive`.

    `params`: any JSON value, of which the digest is signed. `column`: the content of a row, None for the row as a whole.
    `unsigned`: what becomes of a row without `lineage_id`: "refuse", "find" (by its content, also among the rows of
    imported datasets), "report" (it is signed as reported), or "skip".
    """
    from ledger.api.derive import Derivation

    return Derivation(tool, version, params, column=column, unsigned=unsigned)


def gate(
    dataset: Any,
    policy: Any = "balanced",
    trust: Any = None,
    *,
    path: str | os.PathLike[str] | None = None,
    config: str | None = None,
    proof: str | os.PathLike[str] | bytes | None = None,
    vkey: str | None = None,
    **options: Any,
) -> Gated:
    """Which rows may be trained on, and why the others not; see `ledger.api.gate.verbs.GateVerbs.gate` for the options and errors.

    `dataset`: paths, or rows in memory. `path` and `config` of the ledger as of `open`; it is opened for reading, so that whoever
    signs the manifest (`sign_by`) asks an open ledger: `ledger.open(path).gate(…)`. `proof`: an ancestry proof, its path or its bytes, by
    which is judged instead, where no ledger is; of the log of `vkey`, of those that the trust file lists, or that are known here: see
    `ledger.api.gate.by_proof.gate_by_proof`.
    """
    if proof is not None:
        from ledger.api.gate.by_proof import gate_by_proof, refuse_ledger

        refuse_ledger({"path": path, "sign_by": options.pop("sign_by", None)})
        return gate_by_proof(dataset, policy, trust, proof=proof, vkey=vkey, config=config, **options)
    if vkey is not None:
        from ledger.api.gate.by_proof import vkey_without_proof

        raise vkey_without_proof("vkey", "proof")
    with open(path, config=config, readonly=True) as opened:
        return opened.gate(dataset, policy, trust, **options)


def verify(proof: str | os.PathLike[str] | bytes, trust: Any = None, **options: Any) -> VerifiedAncestry:
    """Checks an ancestry proof, a file or its bytes, offline; see `ledger.api.verifying_ancestry.verify_ancestry` for the options and errors.

    `trust`: a trust file or its bytes; None: the log alone is trusted.
    """
    from ledger.api.verifying_ancestry import verify_ancestry

    return verify_ancestry(proof, trust, **options)


def verify_receipt(path: str | os.PathLike[str], **options: Any) -> Verified:
    """Checks the receipt of a file or of a dataset's rows, offline; see `ledger.api.verify_receipt`."""
    from ledger.api import verify_receipt

    return verify_receipt(path, **options)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(name)
