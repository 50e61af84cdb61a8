"""Checking receipts, offline: no ledger and no key is needed, only the vkey of the log that is trusted (SPEC §11.1, §11.4).

A receipt proves *logged and signed*. Whether the keys were in force and what was said later takes the log: the standing
stays unknown, whatever else holds.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

from ledger.api.receipt_table import is_table
from ledger.api.receipts import receipt_path, row_receipts_path
from ledger.api.salts import salt_beside, salt_path, sealed_file
from ledger.api.verified import Verified, signer_of
from ledger.api.verifying_rows import verify_rows
from ledger.datasets.files import RegularFile, load_file, printable, read_file
from ledger.datasets.jcs import canonical_json, parse_json
from ledger.errors import NotFound, NotYet, ProofInvalid, RefusedInput
from ledger.identity.vkey import Vkey
from ledger.proofs.receipt import Content, ReceiptFacts, check_receipt
from ledger.signer.keystore import Keystore
from ledger.signer.known_logs import known_logs
from ledger.signer.places import config_folder, ledger_folder
from ledger.spec import RECEIPT_BYTES_MAX, RECEIPT_SUFFIX, ROW_RECEIPTS_SUFFIX
from ledger.statements.statement import log_id
from ledger.store.folder import MARKER_FILE, open_folder
from ledger.store.salts import SaltVault


class Trusted(NamedTuple):
    """The log by whose vkey receipts are checked; `because`: "given", "trust" (its trust file lists it), "ledger" (at hand) or "keys" (the only log known)."""

    vkey: Vkey
    because: str


def trusted_log(vkey: str | None, ledger: str | None = None, config: str | None = None) -> Trusted:
    """The vkey given, else that of the ledger at hand, else of the only log that the key store knows.

    Raises RefusedInput `key-refused`, `not-a-ledger` for a ledger that is named and is none, `vkey-missing`.
    """
    if vkey is not None:
        return Trusted(Vkey.parse(vkey), "given")
    folder = ledger_folder(ledger)
    if ledger is not None or os.path.lexists(folder / MARKER_FILE):
        return Trusted(Vkey.parse(open_folder(folder).vkey), "ledger")
    known = known_logs(config_folder(config))
    if len(known) == 1:
        return Trusted(known[0], "keys")
    raise RefusedInput(
        "vkey-missing",
        "--vkey",
        f"{f'keys of {len(known)} logs lie here' if known else 'no log is known here'}, and none is named: whose signature counts?",
        "Give the vkey of the log that you trust, as `lineage status` shows it there: --vkey VKEY",
    )


def receipts_of(path: str | os.PathLike[str]) -> list[Path]:
    """The receipts that lie beside a file: its own, and those of its rows. Raises NotFound `receipt-missing`."""
    name = os.fspath(path)
    found = [place for place in (receipt_path(name), row_receipts_path(name)) if os.path.lexists(place)]
    if found:
        return found
    with RegularFile(path):  # what is not there needs no receipt
        pass
    about = name.removesuffix(RECEIPT_SUFFIX).removesuffix(ROW_RECEIPTS_SUFFIX)
    if about != name:
        raise NotFound(
            "receipt-missing",
            printable(name),
            "it is a receipt, as its name says, and not what one is about",
            f"Name what it is about: lineage verify {printable(about)}",
        )
    raise NotFound(
        "receipt-missing",
        printable(name),
        f"no receipt lies beside it ({printable(receipt_path(name).name)})",
        "Name it: --receipt FILE; whoever has the ledger writes it: lineage log proof FILE -o FILE.tlog-proof",
    )


def verify_receipt(
    path: str | os.PathLike[str],
    receipt: str | os.PathLike[str] | None = None,
    *,
    vkey: str | None = None,
    salt: bytes | None = None,
    ledger: str | None = None,
    config: str | None = None,
) -> Verified:
    """Checks the receipt of a file, or of a dataset's rows: the one named, else the one beside it (SPEC §11.4).

    `salt`: of a sealed file, where it neither lies beside it nor is kept here. Whose signature counts, `trusted_log` says. What does not hold is in the result; raises as `verify`, `trusted_log` and
    `receipts_of`; RefusedInput `ambiguous` if receipts of the file and of its rows lie there.
    """
    trusted = trusted_log(vkey, ledger, config)
    found = [Path(receipt)] if receipt is not None else receipts_of(path)
    if len(found) > 1:
        raise RefusedInput(
            "ambiguous",
            printable(path),
            "receipts of the file and of its rows lie beside it",
            "Name the one that is meant.",
        )
    return verify(path, found[0], trusted.vkey, salt, vault=salts_here(trusted.vkey, config))


def salts_here(vkey: Vkey, config: str | None = None) -> SaltVault:
    """The salts of a log that this machine's user keeps, if there are any."""
    return Keystore(config_folder(config), log_id(str(vkey))).salts


def verify(
    path: str | os.PathLike[str],
    receipt: str | os.PathLike[str],
    vkey: Vkey,
    salt: bytes | None = None,
    *,
    vault: SaltVault | None = None,
) -> Verified:
    """Checks one receipt of a file, or of a dataset's rows. What does not hold is in `faults`.

    `salt`: of a sealed file, else it is looked for beside it, and then in `vault`; those of sealed rows stand in their
    column `lineage_salt`, else in `vault`. Raises RefusedInput where file or dataset cannot be read, `salt-missing`; NotYet for a record about rows or a manifest.
    """
    outcome = Verified(os.fspath(path), os.fspath(receipt))
    with RegularFile(receipt) as file:
        outcome.is_table = is_table(file.readline(RECEIPT_BYTES_MAX)[:4])
    try:
        if outcome.is_table:
            verify_rows(outcome, vkey, vault)
        else:
            _verify_file(outcome, vkey, salt, vault)
    except ProofInvalid as error:
        outcome.fault(error)
    return outcome


def _verify_file(outcome: Verified, vkey: Vkey, salt: bytes | None, vault: SaltVault | None) -> None:
    try:
        _, text = load_file(outcome.receipt, max_bytes=RECEIPT_BYTES_MAX)
    except RefusedInput as error:
        if error.code != "too-large":
            raise
        raise ProofInvalid("receipt-invalid", printable(outcome.receipt), error.reason) from error
    facts = check_receipt(text, vkey)
    facts = facts.about(_content(outcome.path, facts, salt, vault))
    outcome.facts = facts
    outcome.size = facts.checkpoint.size
    outcome.count(signer_of(facts), facts.record.stance)


def _content(path: str, facts: ReceiptFacts, salt: bytes | None, vault: SaltVault | None) -> Content:
    """A file's content under the form that its record names."""
    form = facts.record.form
    if form == "sealed":
        return sealed_file(path, facts.maker, _salt_of(path, facts, salt, vault))
    if form == "raw":
        file = read_file(path)
        return Content(form, file.digest, file.size_bytes)
    if form == "jcs":
        _, text = load_file(path)
        try:
            canonical = canonical_json(parse_json(text))
        except RefusedInput as error:
            raise RefusedInput(error.code, printable(path), error.reason, error.fix) from error
        return Content(form, hashlib.sha256(canonical).digest(), len(canonical))
    if form == "manifest":
        fix = f"Name the data that was gated: lineage verify --manifest {printable(path)} --data DATASET"
    else:
        fix = "Look it up in its ledger: lineage trace FILE"
    raise NotYet(
        "not-yet",
        printable(path),
        f"its record is of form '{form}', whose content is not checked by a receipt alone",
        fix,
    )


def _salt_of(path: str, facts: ReceiptFacts, salt: bytes | None, vault: SaltVault | None) -> bytes:
    """The salt given, else the one beside the file, else the one kept here."""
    beside = salt_beside(path) if salt is None else None
    given = beside if salt is None else salt
    kept = None if vault is None else vault.salt_of(facts.artifact_id)
    if given is not None and kept is not None and given != kept:
        raise ProofInvalid(
            "salt-differs",
            "salt" if beside is None else printable(salt_path(path)),
            "it is not the salt under which the artifact was sealed, which this machine keeps",
            "Leave it out, and the one that is kept counts; or bring the right one.",
        )
    found = kept if given is None else given
    if found is None:
        raise RefusedInput(
            "salt-missing",
            printable(path),
            "its record is sealed, and without its salt nobody can tell what it is about",
            f"Put the salt beside it ({printable(salt_path(path).name)}), or give it: --salt HEX",
        )
    return found
