"""Looking without trusting: the audit of a log, and the local health of a ledger and its keys."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from ledger.api.access import vkey_of
from ledger.api.around import Progress, now_ms, silent
from ledger.api.copies import is_published, wrong_log
from ledger.api.kept import kept_notes
from ledger.audit import replay
from ledger.audit.doctor import doctor
from ledger.audit.finding import Finding
from ledger.audit.outbox import examine_outbox
from ledger.audit.report import AuditReport
from ledger.audit.rows import examine_imports
from ledger.errors import LineageError
from ledger.identity.vkey import Vkey
from ledger.log.rebuild import Rebuilt, rebuild_state
from ledger.signer.checkup import examine_keys
from ledger.signer.keystore import Keystore
from ledger.signer.places import config_folder, ledger_folder
from ledger.spec import WRITER_WAIT_S
from ledger.store.cosigned import CosignedNotes
from ledger.store.folder import open_folder
from ledger.store.lmdb import LmdbStore
from ledger.store.rows_file import RowsFolder


def audit_folder(folder: Path, vkey: str | None = None, progress: Progress = silent) -> AuditReport:
    """Replays a ledger's folder, or a published one, from nothing but its bytes (SPEC §9, §10).

    `vkey` says whose log it must be; without it a ledger's marker or the copy's own genesis is believed, and the report
    says so. Raises RefusedInput `not-a-ledger` if the folder is neither, `ambiguous` if it is both, `wrong-log` for
    the ledger of another log; StoreFault `ledger-damaged`.
    """
    trusted = Vkey.parse(vkey) if vkey is not None else None
    if is_published(folder):
        return replay.audit_folder(folder, trusted, progress, RowsFolder(folder))
    own = vkey_of(open_folder(folder), folder)
    if trusted is not None and trusted != own:
        raise wrong_log(folder, own.name)
    store = LmdbStore(folder, readonly=True, is_distrusted=True)
    try:
        report = replay.audit_ledger(store, own, progress, RowsFolder(folder))
        report.self_trusted = trusted is None
        return report
    finally:
        store.close()


def examine(ledger: str | None = None, config: str | None = None) -> list[Finding]:
    """The local health of a ledger (as `open_ledger` finds it) and of its keys on this machine; changes nothing.

    What keeps a check from being made is itself a finding.
    """
    folder = ledger_folder(ledger)
    return doctor(
        folder,
        lambda: LmdbStore(folder, readonly=True),
        now_ms(),
        chain(
            examine_outbox(folder, now_ms()),
            examine_imports(folder),
            _cosigned_findings(folder),
            _key_findings(folder, config_folder(config)),
        ),
    )


def rebuild(ledger: str | None = None, wait_s: float = WRITER_WAIT_S) -> Rebuilt:
    """Makes what the fold keeps anew, from the log's own entries; also what brings a ledger of an earlier version up to this one.

    Raises RefusedInput `not-a-ledger`; StoreFault as `ledger.log.rebuild.rebuild_state`.
    """
    return rebuild_state(ledger_folder(ledger), wait_s)


def _cosigned_findings(folder: Path) -> Iterator[Finding]:
    """What is kept of witnesses (SPEC §10.9); nothing where nothing is."""
    try:
        vkey = vkey_of(open_folder(folder), folder)
    except LineageError:  # the doctor has said already what is wrong with the folder
        return
    kept = kept_notes(CosignedNotes(folder), vkey)
    if kept.notes:
        newest = kept.notes[-1].checkpoint.size
        yield Finding(
            "cosigned",
            ok=True,
            what=f"{len(kept.notes)} cosigned log checkpoints are kept, the newest of {newest:,} entries",
        )
    for told in kept.told:
        yield Finding(
            "cosigned, damaged",
            ok=False,
            what=told,
            fix="Move it away, then: lineage log checkpoint --witness --trust T",
        )


def _key_findings(folder: Path, config: Path) -> Iterator[Finding]:
    try:
        keys = Keystore(config, open_folder(folder).log_id)
    except LineageError:  # the doctor has said already what is wrong with the folder
        return
    for found in examine_keys(keys):
        yield Finding(*found)
