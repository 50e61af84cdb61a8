"""Signing contents: from files and rows to records, and from records to statements in the log (SPEC §4, §5)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Protocol

from ledger.api.access import Access
from ledger.api.around import Progress
from ledger.api.contents import Contents, Rows, file_contents, row_contents
from ledger.api.drafting import Drafts, Read, drafted
from ledger.api.finding import resolve_id
from ledger.api.foreseeing import NO_SECRET, Intent, WouldSign, foresee
from ledger.api.row_map import RowMap
from ledger.datasets.files import fingerprint_of, walk
from ledger.errors import NotFound
from ledger.log.view import LogView
from ledger.signer import signing
from ledger.signer.claims import Claim, Claimant
from ledger.signer.keyring import Keyring
from ledger.signer.keystore import Keystore, LocalIdentity, Unlocked
from ledger.signer.signing import Signed
from ledger.statements.record import decode_record


class KeysAtHand(Protocol):
    """What a claimant asks of: the keys of one log on this machine, and what opens them."""

    @property
    def keys(self) -> Keystore: ...

    @property
    def keyring(self) -> Keyring: ...


def sign_files(
    access: Access,
    paths: Sequence[str | os.PathLike[str]],
    by: str,
    claim: Claim | None,
    progress: Progress,
) -> Signed:
    """As `Ledger.sign`."""
    walked = walk(paths)
    claimant = claimant_of(access, by, claim)

    def read(_earlier: Sequence[bytes]) -> Contents:
        return file_contents(walked.files, are_experiences=claimant.kind == "experience")

    signed = _sign(access, by, claimant, read, progress, len(walked.files))
    signed.hidden_files, signed.companions = walked.hidden_count, walked.companion_count
    return signed


def sign_rows(
    access: Access,
    path: str | os.PathLike[str],
    column: str | None,
    by: str,
    claim: Claim | None,
    progress: Progress,
    columns: Mapping[str, str],
) -> Signed:
    """As `Ledger.sign_rows`."""
    mapped = RowMap(columns)
    claimant = claimant_of(access, by, claim, mapped.says)

    def read(earlier: Sequence[bytes]) -> Contents:
        with access.view() as view, access.keys.salts.reading() as salts:
            finders = (partial(resolve_id, view), partial(standing_record, view), salts.salt_of)
            yield from row_contents(Rows(path, column, mapped, *finders), claimant, earlier)

    stamp = fingerprint_of(path)
    signed = _sign(access, by, claimant, read, progress, None)
    signed.dataset_stamp = stamp
    return signed


def standing_record(view: LogView, artifact_id: bytes) -> bytes | None:
    """The record of an artifact that stands in the log; None if none does, or its bytes are erased."""
    number = next(filter(view.stands, view.find_artifact(artifact_id)), None)
    return None if number is None else view.record(number)


def sign_again(
    access: Access, found: Sequence[tuple[str, Sequence[bytes]]], by: str, progress: Progress
) -> Signed:
    """As `Ledger.sign_again`; `found`: for each thing named, the artifacts that it may mean."""
    signer = access.unlock(by)
    signed = Signed()
    labels: list[str | int] = []
    records: dict[bytes, bytes] = {}
    with access.view() as view:
        for label, artifact_ids in found:
            for artifact_id, record in _own_records(view, artifact_ids, signer.identity.id, label):
                labels.append(label)
                signed.ids.append(artifact_id)
                records[artifact_id] = record
    signed.labels = labels
    _append(access, signer, records.values(), signed, lambda done: progress(done, len(records)))
    return signed


def _own_records(
    view: LogView, artifact_ids: Sequence[bytes], maker: bytes, label: str
) -> list[tuple[bytes, bytes]]:
    """(artifact id, record) of those artifacts that `maker` made. Raises NotFound if there is none."""
    found = []
    for artifact_id in artifact_ids:
        records = [view.record(number) for number in view.find_artifact(artifact_id)]
        record = next((record for record in records if record is not None), None)
        if record is not None and decode_record(record).maker == maker:
            found.append((artifact_id, record))
    if not found:
        raise NotFound(
            "unlogged",
            label,
            "no artifact of the signer has this content or id, so there is nothing to sign again",
            "Sign it anew: lineage sign FILE",
        )
    return found


def foresee_files(
    access: Access,
    paths: Sequence[str | os.PathLike[str]],
    by: str,
    claim: Claim | None,
    progress: Progress,
) -> WouldSign:
    """As `Ledger.foresee_signing`."""
    walked = walk(paths)
    claimant = claimant_of(access, by, claim, secret=NO_SECRET)
    are_experiences = claimant.kind == "experience"
    with access.view() as view, access.keys.salts.reading() as salts:
        intent = Intent(
            claimant,
            access.keys.find(by),
            lambda _earlier: file_contents(walked.files, are_experiences=are_experiences),
        )
        found = foresee(intent, salts, view, lambda done: progress(done, len(walked.files)))
    found.hidden_files, found.companions = walked.hidden_count, walked.companion_count
    return found


def foresee_rows(
    access: Access,
    path: str | os.PathLike[str],
    column: str | None,
    by: str,
    claim: Claim | None,
    progress: Progress,
    columns: Mapping[str, str],
) -> WouldSign:
    """As `Ledger.foresee_signing_rows`."""
    mapped = RowMap(columns)
    claimant = claimant_of(access, by, claim, mapped.says, secret=NO_SECRET)
    with access.view() as view, access.keys.salts.reading() as salts:
        finders = (partial(resolve_id, view), partial(standing_record, view), salts.salt_of)
        rows = Rows(path, column, mapped, *finders)
        intent = Intent(
            claimant,
            access.keys.find(by),
            lambda earlier: row_contents(rows, claimant, earlier),
            os.fspath(path),
            columns,
        )
        return foresee(intent, salts, view, lambda done: progress(done, None))


def claimant_of(
    keys: KeysAtHand,
    by: str,
    claim: Claim | None,
    said: frozenset[str] = frozenset(),
    *,
    secret: bytes | None = None,
) -> Claimant:
    """Makes the records of an identity of this machine under one claim; a ledger need not be at hand.

    `said`: what each content says of itself (fields of `Said`). `secret` stands in for the one behind pseudonyms, so that no
    passphrase is asked for.
    """
    identity = keys.keys.find(by)
    return Claimant(
        identity.id,
        identity.role,
        claim or Claim(),
        lambda: secret or keys.keys.pseudonym_secret(keys.keys.find(by), keys.keyring),
        said=said,
    )


def _sign(
    access: Access,
    by: str,
    claimant: Claimant,
    read: Read,
    progress: Progress,
    total: int | None,
) -> Signed:
    signer = access.unlock(by)  # first: a wrong passphrase shows before a long reading
    drafts = Drafts(claimant, access.keys.salts, access.content)
    with drafted(drafts, read, lambda done: progress(done, total)) as (spool, signed):
        _append(access, signer, spool, signed, lambda done: progress(done, spool.count))
    return signed


def _append(
    access: Access,
    signer: Unlocked,
    records: Iterable[bytes],
    signed: Signed,
    progress: Callable[[int], None],
) -> None:
    """Appends what does not stand in the log, and counts what stood there before it was disowned."""
    with access.door() as door:
        with access.view() as view:
            size = view.checkpoint.size
            has_cut = _has_cut(view, signer.identity)
        signing.append_records(door, signer, records, signed, progress)
    if has_cut:
        with access.view() as view:
            placed = set(zip(signed.ids, signed.log_indices, strict=True))
            signed.again = sum(
                log_index >= size and len(view.find_artifact(artifact_id)) > 1
                for artifact_id, log_index in placed
            )


def _has_cut(view: LogView, signer: LocalIdentity) -> bool:
    """Whether a key event of an identity, or of its anchor, disowns anything."""
    for identity_id in filter(None, (signer.id, signer.of)):
        identity = view.identity(identity_id)
        if identity is not None and any(event.cuts for event in view.key_events(identity)):
            return True
    return False
