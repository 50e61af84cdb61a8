"""Signing without a ledger: only the key store is asked, and a statement file is written (SPEC §11.5).

Nothing is known here of what the log holds: what stands there already is signed once more, harmlessly, and parents are not
looked up. The file is appended where the ledger is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ledger.api.around import Progress, silent, unseen
from ledger.api.beside import Travels
from ledger.api.contents import ARTIFACT_ID, Rows, experience_offline, file_contents, row_contents
from ledger.api.drafting import Drafts, Read, drafted
from ledger.api.foreseeing import NO_SECRET, Intent, WouldSign, foresee
from ledger.api.row_map import RowMap
from ledger.api.signing import claimant_of
from ledger.datasets.files import fingerprint_of, walk
from ledger.errors import RefusedInput
from ledger.identity.vkey import Vkey
from ledger.signer.claims import Claim, Claimant
from ledger.signer.keyring import Keyring
from ledger.signer.keystore import Keystore, LocalIdentity
from ledger.signer.known_logs import known_logs, remember_log
from ledger.signer.newkeys import NONE_GIVEN, GivenKeys
from ledger.signer.offline import add_records, local_standing
from ledger.signer.passphrases import Passphrases
from ledger.signer.places import config_folder
from ledger.signer.profiles import new_profile
from ledger.signer.signers import Signer
from ledger.signer.signing import Signed
from ledger.signer.statement_file import writing_statements
from ledger.signer.written import quoted
from ledger.statements.statement import log_id


@dataclass(frozen=True, slots=True)
class OfflineKeys(Travels):
    """The keys of one log on this machine, and what opens them; its ledger is elsewhere."""

    vkey: Vkey
    keys: Keystore
    keyring: Keyring


def open_keys(
    log: str | None = None,
    config: str | None = None,
    passphrases: Passphrases | None = None,
    signers: Iterable[Signer] = (),
) -> OfflineKeys:
    """The keys of the log with the vkey `log`, else of the only log that this machine knows; `signers` as of `open_ledger`.

    Raises RefusedInput `log-unknown` if none or several are known; `key-refused` for what is no vkey, or as `Keyring.take`.
    """
    folder = config_folder(config)
    known = [Vkey.parse(log)] if log is not None else known_logs(folder)
    if len(known) != 1:
        raise RefusedInput(
            "log-unknown",
            str(folder),
            f"keys of {len(known)} logs lie here" if known else "this machine knows no log yet",
            "Say which log: --log VKEY (`lineage status` shows it where the ledger is).",
        )
    (vkey,) = known
    keys = Keystore(folder, log_id(str(vkey)))
    return OfflineKeys(vkey, keys, Keyring(passphrases or Passphrases.from_environment(), signers))


def sign_files_offline(
    keys: OfflineKeys,
    paths: Sequence[str | os.PathLike[str]],
    output: Path,
    by: str,
    claim: Claim | None = None,
    progress: Progress = silent,
) -> Signed:
    """Signs files and folders into the new statement file `output`, each file an artifact of form `raw`, or sealed.

    All are read before any is signed. `log_indices` of the result are numbers of statements in the file. Raises as
    `Ledger.sign`; RefusedInput `file-exists`, and as `signer.offline.local_standing`.
    """
    walked = walk(paths)
    total = len(walked.files)
    claimant = _files_claimant(keys, by, claim)
    signed = _sign(
        keys,
        claimant,
        lambda _earlier: file_contents(walked.files),
        output,
        by,
        lambda done: progress(done, total),
    )
    signed.hidden_files, signed.companions = walked.hidden_count, walked.companion_count
    return signed


def sign_rows_offline(
    keys: OfflineKeys,
    path: str | os.PathLike[str],
    column: str | None,
    output: Path,
    by: str,
    claim: Claim | None = None,
    progress: Progress = silent,
    *,
    columns: Mapping[str, str] | None = None,
) -> Signed:
    """Signs every row of a dataset into the new statement file `output`. As `sign_files_offline`; `columns` as of `Ledger.sign_rows`."""
    mapped = RowMap(columns or {})
    claimant = claimant_of(keys, by, claim, mapped.says)
    rows = Rows(path, column, mapped, artifact_id_of)
    stamp = fingerprint_of(path)
    signed = _sign(
        keys,
        claimant,
        lambda earlier: row_contents(rows, claimant, earlier),
        output,
        by,
        lambda done: progress(done, None),
    )
    signed.dataset_stamp = stamp
    return signed


def foresee_files_offline(
    keys: OfflineKeys, paths: Sequence[str | os.PathLike[str]], by: str, claim: Claim | None = None
) -> WouldSign:
    """What `sign_files_offline` would sign; what the log holds is not known here."""
    walked = walk(paths)
    claimant = _files_claimant(keys, by, claim, secret=NO_SECRET)
    intent = Intent(claimant, keys.keys.find(by), lambda _earlier: file_contents(walked.files))
    with keys.keys.salts.reading() as salts:
        found = foresee(intent, salts, None, unseen)
    found.hidden_files, found.companions = walked.hidden_count, walked.companion_count
    return found


def foresee_rows_offline(
    keys: OfflineKeys,
    path: str | os.PathLike[str],
    column: str | None,
    by: str,
    claim: Claim | None = None,
    *,
    columns: Mapping[str, str] | None = None,
) -> WouldSign:
    """What `sign_rows_offline` would sign; what the log holds is not known here."""
    mapped = RowMap(columns or {})
    claimant = claimant_of(keys, by, claim, mapped.says, secret=NO_SECRET)
    rows = Rows(path, column, mapped, artifact_id_of)
    intent = Intent(
        claimant,
        keys.keys.find(by),
        lambda earlier: row_contents(rows, claimant, earlier),
        os.fspath(path),
        columns or {},
    )
    with keys.keys.salts.reading() as salts:
        return foresee(intent, salts, None, unseen)


def _files_claimant(
    keys: OfflineKeys, by: str, claim: Claim | None, *, secret: bytes | None = None
) -> Claimant:
    claimant = claimant_of(keys, by, claim, secret=secret)
    if claimant.kind == "experience":
        raise experience_offline()
    return claimant


def artifact_id_of(text: str) -> bytes:
    """The 32 bytes of 64 hex digits: nothing else can be looked up. Raises RefusedInput `schema`."""
    if ARTIFACT_ID.fullmatch(text) is None:
        raise RefusedInput(
            "schema",
            f"id {quoted(text)!a}",
            "without the ledger an id takes all of its 64 hex digits",
            "Give the whole id.",
        )
    return bytes.fromhex(text)


def _sign(
    keys: OfflineKeys,
    claimant: Claimant,
    read: Read,
    output: Path,
    by: str,
    progress: Callable[[int], None],
) -> Signed:
    identity = keys.keys.find(by)
    local_standing(identity)  # what cannot be signed is told before a passphrase is asked for
    signer = keys.keys.unlock(identity, keys.keyring)
    drafts = Drafts(claimant, keys.keys.salts, None)
    with drafted(drafts, read, progress) as (spool, signed), writing_statements(output) as file:
        add_records(file, keys.keys.log_id, signer, spool, signed, progress)
    return signed


def new_identity_offline(
    keys: OfflineKeys,
    name: str,
    output: Path,
    role: str = "human",
    *,
    shape: tuple[int, int] = (1, 1),
    given: GivenKeys = NONE_GIVEN,
    unencrypted: bool = False,
    profile: bytes | None = None,
) -> LocalIdentity:
    """Makes keys under `name` and their enrolment, which is written to the new statement file `output` and kept besides.

    The log is remembered from then on. `shape`: keys of each keyset, and how many of them must sign; `given` and `profile` as of
    `Ledger.new_identity`. Of a pair the anchor has to speak where the ledger is. Raises RefusedInput `name-taken`, `name-illegal`, `passphrase-missing`, `threshold-illegal`, `file-exists`,
    `not-offline`, or as `Keystore.create`.
    """
    if role == "pair":
        raise RefusedInput(
            "not-offline",
            f"role '{role}'",
            "it takes its anchor's word",
            "Make it where the ledger is: lineage identity new",
        )
    keys.keys.check_free(name)
    sealed = None if profile is None else new_profile(profile)
    passphrase = None if unencrypted else keys.keyring.passphrases.for_new_keys()
    count, threshold = shape
    with writing_statements(output) as file:
        for external in given.all():
            keys.keyring.take(external)
        made = keys.keys.create(
            name, role, passphrase, keys=count, threshold=threshold, given=given, profile=sealed
        )
        enrolment = made.pending_enrolment()
        if enrolment is not None:
            file.add(enrolment, ())
    remember_log(keys.keys.folder, keys.vkey)
    return made
