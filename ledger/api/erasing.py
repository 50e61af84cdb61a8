"""Erasure on this machine: what goes, when, and what it is told about (SPEC §8.2, §10.10).

A notice is only said. It is carried out here alone, in two steps, each of which its owner asks for:

* Who answers for an artifact and erases it here has its salt and its kept content destroyed at once (`erase_own`): they are his, and on
  his machine. The record bytes are the log's, and wait.
* What is due, a week of the log's clock later, whoever asked for it, is carried out by `carry_out`: salts, kept contents, and, where that is
  said, record bytes and rows sidecars. So nobody who stole a daily key destroys anything on another's machine in less time than
  its owner has to see it (`lineage status`) and to disown it; and never without being asked.

What finds an artifact, its salt too, stays while somebody listed holds or retracted it (`ledger.log.erasing`). Kept content finds nothing,
and goes.

Everything is idempotent, and ordered so that what a crash cut short can be told from what is left: contents before records, since a
record says which content it has; the notice before all. A notice that stands already is not said again.

A content is kept under its digest, whoever is about it. It stays where another artifact of the log names it, or one that is signed and waits
to be appended, unless that goes too. What is signed in the very moment in which a content goes keeps none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ledger.api import saying
from ledger.api.access import Access
from ledger.api.finding import record_of
from ledger.api.saying import Subject
from ledger.errors import LineageError, RefusedInput
from ledger.fold.subjects import answerable_for
from ledger.log.erasing import (
    Asked,
    Requests,
    Wait,
    erase_records,
    held_places,
)
from ledger.log.view import LogView
from ledger.signer.lanes import pending_parcels
from ledger.statements.record import Record, decode_record
from ledger.store.scrub import scrub


class Shared(NamedTuple):
    """A kept content that stays: another artifact has it too (None: one that is signed and not appended yet)."""

    digest: bytes
    by: bytes | None


@dataclass(slots=True)
class Erasure:
    """What an erasure came to: how many salts, kept contents, records and rows sidecars were destroyed here.

    `log_indices`: where the notices stand that were said now. `held`: artifacts whose salt or record stays, since somebody listed holds or
    retracted them. `shared`: contents that stay. `overwritten` bytes of the data file were remembered and are zero now; None: it was not asked for.
    """

    log_indices: list[int] = field(default_factory=list)
    artifacts: int = 0
    salts: int = 0
    contents: int = 0
    records: int = 0
    sidecars: int = 0
    held: list[bytes] = field(default_factory=list)
    shared: list[Shared] = field(default_factory=list)
    overwritten: int | None = None


class Left(NamedTuple):
    """What is here of an artifact that may go: its salt, kept contents, record bytes, rows sidecar."""

    salt: bool
    contents: int
    records: int
    sidecar: bool

    @property
    def is_anything(self) -> bool:
        """Whether there is anything but record bytes, which go only where that is said."""
        return self.salt or bool(self.contents)


class Foreseen(NamedTuple):
    """What an erasure would destroy at once: of so many artifacts that are the signer's own, these salts and kept contents. `held` salts stay."""

    artifacts: int
    salts: int
    contents: int
    held: int


def foresee(access: Access, by: str, subjects: Sequence[Subject]) -> Foreseen:
    """As `Ledger.foresee_erase`."""
    signer = access.keys.find(by).id
    with access.view() as view, access.keys.salts.reading() as salts:
        own = [each[0] for each in subjects if len(each) == 1 and _answers_for(view, signer, each[0])]
        sealed = [each for each in own if salts.salt_of(each) is not None]
        requests = Requests(view)
        held = [each for each in sealed if requests.against(each)]
        contents = {digest for each in own for digest in _kept(access, record_of(view, each))}
        return Foreseen(len(own), len(sealed) - len(held), len(contents), len(held))


def _answers_for(view: LogView, identity_id: bytes, artifact_id: bytes) -> bool:
    found = view.find_subject(artifact_id)
    return found is not None and answerable_for(view.state, found.maker) == identity_id


def erase_own(
    access: Access, by: str, subjects: Sequence[Subject], reason: str | None, *, although_shared: bool
) -> Erasure:
    """As `Ledger.erase`."""
    signer = access.unlock(by).identity.id
    with access.view() as view:
        requests = Requests(view)
        new = [each for each in subjects if len(each) == 2 or requests.said_by(signer, each[0]) is None]
    said = Erasure(saying.notice(access, by, new, "erase", reason, None) if new else [])
    whole = [each[0] for each in subjects if len(each) == 1]
    with access.writer(), access.view() as view:  # so that what waits to be appended goes on waiting
        requests = Requests(view)
        found = {each: requests.said_by(signer, each) for each in whole}
        own = [each for each, asked in found.items() if asked is not None and asked.is_own]
        said.held = [each for each in own if requests.against(each)]
        said.artifacts = len(own)
        salted = [each for each in own if each not in said.held]
        said.salts = access.keys.salts.destroy(salted) if salted else 0
        _forget_contents(access, view, own, said, although_shared=although_shared)
    return said


def carry_out(access: Access, *, records: bool, scrubbed: bool, although_shared: bool) -> Erasure:
    """As `Ledger.carry_out_erasures`."""
    done = Erasure()
    with access.writer() as writer:
        with access.view() as view:
            now_ms = writer.now_ms()
            falls_due = any(
                each.wait is Wait.EARLY and each.due_ms <= now_ms for each in Requests(view).all()
            )
        if falls_due:  # by this machine's clock, and not yet by the log's, which a state tells
            writer.tick()
        with access.view() as view:
            asked = Requests(view).all()
            due = [each.artifact_id for each in asked if each.wait is Wait.DUE]
            done.held = [each.artifact_id for each in asked if each.wait is Wait.HELD]
            done.artifacts = len(due)
            done.salts = access.keys.salts.destroy(due) if due else 0
            _forget_contents(access, view, due, done, although_shared=although_shared)
        if records:
            done.records = erase_records(access.store, due)
            done.sidecars = sum(map(access.rows.destroy, due))
        if scrubbed:
            done.overwritten = _scrub(access)
    return done


def _scrub(access: Access) -> int:
    """Nobody may have the store open meanwhile, this process neither."""
    access.store.close()
    try:
        return scrub(access.path)
    finally:
        access.store.reopen()


def asked_here(access: Access, view: LogView) -> list[tuple[Asked, Left]]:
    """As `Ledger.erasures`."""
    asked = Requests(view).all()
    if not asked:
        return []
    with access.keys.salts.reading() as salts:
        return [
            (
                each,
                Left(
                    salts.salt_of(each.artifact_id) is not None,
                    len(_kept(access, record_of(view, each.artifact_id))),
                    len(held_places(view, each.artifact_id)),
                    access.rows.is_kept(each.artifact_id),
                ),
            )
            for each in asked
        ]


def status_of(access: Access, view: LogView) -> dict[str, Any]:
    """What `status` says of erasures: how many are due and have something here, how many records could go, what waits."""
    try:
        found = asked_here(access, view)
    except LineageError as error:  # a damaged vault hides nothing else
        return {"error": f"{error.item}: {error.reason}"}
    due = [left for asked, left in found if asked.wait is Wait.DUE]
    waiting = [asked.due_ms for asked, _left in found if asked.wait is Wait.EARLY]
    return {
        "due": sum(left.is_anything for left in due),
        "records": sum(left.records for left in due),
        "waiting": len(waiting),
        "next_due_ms": min(waiting, default=None),
        "held": sum(asked.wait is Wait.HELD for asked, _left in found),
    }


def _forget_contents(
    access: Access, view: LogView, artifact_ids: Sequence[bytes], done: Erasure, *, although_shared: bool
) -> None:
    """Destroys what is kept of these artifacts, but for what others have too."""
    gone = frozenset(artifact_ids)
    for digest in {each for id_ in artifact_ids for each in _kept(access, record_of(view, id_))}:
        shared = None if although_shared else _other_with(access, view, digest, gone)
        if shared is not None:
            done.shared.append(shared)
        elif access.content.destroy(digest):
            done.contents += 1


def _kept(access: Access, record: Record | None) -> list[bytes]:
    """The digests under which something of a record is kept: its content, and how it was generated (SPEC §4.7)."""
    return [] if record is None else [each for each in set(_digests(record)) if access.content.is_kept(each)]


def _digests(record: Record) -> Iterator[bytes]:
    yield record.content
    parameters = record.fields.get("facts", {}).get("parameters")
    if type(parameters) is bytes:
        yield parameters


def _other_with(access: Access, view: LogView, digest: bytes, gone: frozenset[bytes]) -> Shared | None:
    """Another artifact that stands, or is about to, and has a content too."""
    for scanned in view.scan_records(digest):
        try:
            record = decode_record(scanned.data or b"")
        except RefusedInput:
            continue
        if digest in _digests(record) and record.id not in gone and view.stands(scanned.record_number):
            return Shared(digest, record.id)
    return Shared(digest, None) if any(digest in data for data in _waiting(access)) else None


def _waiting(access: Access) -> Iterable[bytes]:
    """The bytes of what is signed and waits to be appended."""
    for parcel in access.outbox.waiting():
        yield access.outbox.read(parcel)
    for identity in access.keys.identities():
        for path, _entries in pending_parcels(identity.lanes):
            yield path.read_bytes()
