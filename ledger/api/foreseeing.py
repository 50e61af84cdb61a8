"""A dry run: what a signing would come to. Nothing is signed or kept, no salt is drawn, and no passphrase is asked for.

Everything is read, and refused as it would be. Two things are not known without secrets: the pseudonyms of reported authors, and the
salts of what was never sealed here. So it is not told how many of such records the log holds, and what their ids would be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from ledger import spec
from ledger.api.around import now_ms
from ledger.api.contents import Content, in_row
from ledger.api.door import standing_in
from ledger.api.drafting import Read, record_of
from ledger.api.finding import why_in_vain
from ledger.api.sealing import known_sealed
from ledger.errors import RefusedInput
from ledger.fold.objects import Identity
from ledger.fold.records import Standing, judge_record, standing_of
from ledger.log.view import LogView
from ledger.signer import signing
from ledger.signer.claims import Claim, Claimant
from ledger.signer.keystore import LocalIdentity
from ledger.statements import legal
from ledger.statements.record import Parent, Record, decode_record, sealed_size
from ledger.store.salts import Salts

GROUPS_MAX: Final = 64  # kinds of claims that are told apart
NO_SECRET: Final = bytes(32)  # in place of the one behind pseudonyms
_OF_THE_ROW: Final = b""  # in place of the id of a parent that a row names


class Group(NamedTuple):
    """Contents of which the same is claimed. `parents`: the id of one that a row names is left out (empty).

    `human` and `machine`, ppm, are what the records state. `unstated`: whose share is left open, though one may flow.
    """

    kind: str
    form: str
    human: int | None
    machine: int | None
    parents: tuple[Parent, ...]
    unstated: tuple[str, ...]

    @property
    def rest(self) -> int:
        """What is not stated, in ppm: unknown, but for what the unstated have of it."""
        stated = sum(parent.ppm or 0 for parent in self.parents)
        return spec.PPM - (self.human or 0) - (self.machine or 0) - stated


@dataclass(slots=True)
class WouldSign:
    """What would be signed. `count` contents: `new`, `already_logged`, `copies` of others among them.

    Not `is_told`: whether the log holds them could not be looked up, and `new` are those of which nothing is known. `groups`
    counts them by what is claimed, `held` those that name the artifact that they are; `more` are of further groups. `files` has
    the artifact id of each, None where it is not known. `in_vain`: what would be superseded without effect, and why (SPEC §4.3).
    """

    identity: LocalIdentity
    claim: Claim
    columns: Mapping[str, str]
    groups: Counter[Group] = field(default_factory=Counter)
    more: int = 0
    held: int = 0
    count: int = 0
    new: int = 0
    already_logged: int = 0
    copies: int = 0
    is_told: bool = False
    files: list[tuple[str, bytes | None]] = field(default_factory=list)
    in_vain: dict[bytes, str] = field(default_factory=dict)
    hidden_files: int = 0
    companions: int = 0


class Foresight:
    """Goes through contents as a signing would. `view` None: no ledger is at hand, and nothing is looked up."""

    def __init__(
        self, claimant: Claimant, identity: LocalIdentity, view: LogView | None, salts: Salts
    ) -> None:
        self._claimant = claimant
        self._view = view
        self._salts = salts
        self._signer = _signer(identity, view)
        self._kinds: dict[bytes, Standing] = {}  # of what was read before
        self._judged: set[Any] = set()
        self.ids: list[bytes] = []
        self.in_vain: dict[bytes, str] = {}

    def take(self, content: Content) -> tuple[Record, bool]:
        """The record that would be made of a content, and whether its id is what it would be."""
        if content.held is not None:
            return decode_record(content.held), True
        exact = content
        is_exact = True
        if self._claimant.claim.sealed:
            sealed = known_sealed(self._claimant, self._salts, content)
            is_exact = sealed is not None
            size_bytes = sealed_size(content.size_bytes)
            exact = sealed or content._replace(form="sealed", media=None, size_bytes=size_bytes)
        record = decode_record(record_of(self._claimant, exact))
        key = (exact.form, exact.media, content.said)
        if key not in self._judged:
            self._judge(record)
            if not content.said.parents:  # else each names others
                self._judged.add(key)
        return record, is_exact

    def note(self, record: Record) -> bool:
        """Notes what stands from here on; whether it did before."""
        self.ids.append(record.id)
        is_copy = record.id in self._kinds
        self._kinds[record.id] = standing_of(record)
        return is_copy

    def is_logged(self, artifact_id: bytes) -> bool:
        """Whether the log holds an artifact, and it stands."""
        view = self._view
        return view is not None and any(map(view.stands, view.find_artifact(artifact_id)))

    def _judge(self, record: Record) -> None:
        if self._view is not None and self._signer is not None:
            judge_record(record, self._signer, self._view.log_id, self._find)
            self.in_vain |= why_in_vain(self._view, record)

    def _find(self, artifact_id: bytes) -> Standing | None:
        before = self._kinds.get(artifact_id)
        return before if before is not None or self._view is None else self._view.find_standing(artifact_id)


def _signer(identity: LocalIdentity, view: LogView | None) -> Identity | None:
    """How the log knows the signer; None if it does not yet. Raises RefusedInput if he may not sign."""
    if view is None:
        return None
    known = view.identity(identity.id)
    if known is None and identity.pending_enrolment() is not None:
        return None
    standing = standing_in(view.state, identity.id, max(view.clock_ms, now_ms()))
    signing.check_delegated(signing.checked(standing, identity), identity)
    return known


class Intent(NamedTuple):
    """What is to be signed by whom. `claimant` has `NO_SECRET`; `path`: the dataset whose rows they are, by `columns` that say something."""

    claimant: Claimant
    identity: LocalIdentity
    read: Read
    path: str | None = None
    columns: Mapping[str, str] = MappingProxyType({})

    @property
    def names_authors(self) -> bool:
        """Whether pseudonyms stand in the records."""
        return self.claimant.claim.author is not None or "attributed" in self.columns


def foresee(intent: Intent, salts: Salts, view: LogView | None, progress: Callable[[int], None]) -> WouldSign:
    """Goes through all contents. Raises as the signing would, but for its passphrase."""
    found = WouldSign(intent.identity, intent.claimant.claim, intent.columns)
    foresight = Foresight(intent.claimant, intent.identity, view, salts)
    is_told = view is not None and not intent.names_authors
    with closing(intent.read(foresight.ids)) as contents:
        for content in contents:
            try:
                record, is_exact = foresight.take(content)
            except RefusedInput as error:
                if intent.path is None or not isinstance(content.label, int):
                    raise
                raise in_row(error, intent.path, content.label) from error
            is_copy = foresight.note(record)
            is_logged = content.held is not None or (is_exact and is_told and foresight.is_logged(record.id))
            found.count += 1
            found.copies += is_copy
            found.new += not (is_copy or is_logged)
            found.already_logged += is_logged and not is_copy
            if content.held is not None:
                found.held += 1
            else:
                _count(found, _group(record, intent))
            if isinstance(content.label, str):
                found.files.append(
                    (content.label, record.id if is_exact and not intent.names_authors else None)
                )
            progress(found.count)
    found.is_told, found.in_vain = is_told, foresight.in_vain
    return found


def _count(found: WouldSign, group: Group) -> None:
    if group in found.groups or len(found.groups) < GROUPS_MAX:
        found.groups[group] += 1
    else:
        found.more += 1


def _group(record: Record, intent: Intent) -> Group:
    """What is claimed in a record."""
    fields, role = record.fields, intent.identity.role
    shared = {parent.id for parent in intent.claimant.claim.parents}
    parents = tuple(
        parent if parent.id in shared else parent._replace(id=_OF_THE_ROW, row=None)
        for parent in record.parents
    )
    allowed = legal.OWN_SHARES[role].get(record.kind, legal.NONE) if record.stance == "made" else legal.NONE
    unstated: list[str] = [s for s in ("human", "machine") if s in allowed and s not in fields]
    unstated += sorted(
        {parent.rel for parent in parents if legal.RELATIONS[parent.rel].share and parent.ppm is None}
    )
    group = Group(
        record.kind, record.form, fields.get("human"), fields.get("machine"), parents, tuple(unstated)
    )
    return group if group.rest else group._replace(unstated=())  # where all is stated, the others have none
