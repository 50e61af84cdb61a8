"""Erasure in the log's own store: what was asked for, when it is due, and the record bytes (SPEC §8.2).

An `erase` is only said in the log. Carried out it is in each store by whoever keeps that. When, is told here, as the verifier
(`ledger.proofs.voices`) and the auditor (`ledger.audit.erasures`) tell it of a record that is missing, and never earlier: what is
disowned or delisted by now, whenever that came, is not carried out any more, though they would let pass what was carried out in time.

What is said against an artifact must not go with it. Its content finds it, by its record (or, sealed, by its salt), and then
what was said is found. Without them a gate would see nothing but the next claim about the same content. So
whatever finds an artifact stays while a hold or a retraction of it by somebody listed stands.

An erased record leaves length 0 and its leaf hash in its bundle (`ledger.store.bundles`): the trees over records and the sequence of
records stay as they are, the entry stands, no root changes, and the fold, which knows no records, does not change. Of the digest index its
content's pairs go, 8 bytes of a digest each, by which guesses could be confirmed; its id's stay.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple

from ledger.errors import RefusedInput
from ledger.fold.authority import is_listed
from ledger.fold.subjects import answerable_for
from ledger.fold.topics import Topic, topic_key
from ledger.log.view import LogView
from ledger.merkle.tree import hash_leaf
from ledger.spec import ERASE_WAIT_S, TILE_WIDTH
from ledger.statements.record import decode_record
from ledger.store import index
from ledger.store.bundles import Erased, pack, record_items
from ledger.store.contract import Batch, Snapshot, Space, Store, key_u64
from ledger.store.reader import StoreReader

_ERASE: Final = b"\xa3act\xa5erase"  # stands in the payload of every `erase`
_ACT: Final = "erase"
_NOTICES_REMEMBERED: Final = 256  # of up to 512 subjects each: about 35 MiB
_AGAINST: Final = frozenset({"hold", "retract"})


class Wait(StrEnum):
    """Why an erasure that was asked for is not carried out."""

    DUE = "due"  # it may be
    EARLY = "early"  # its time is not over
    HELD = "held"  # a hold or a retraction by somebody listed stands
    VOID = "void"  # its signer may not say it any more: disowned, or not listed


class Asked(NamedTuple):
    """An `erase` of a whole artifact: the notice's log index, by whom, from which time of the log's clock on it may be carried out.

    `is_own`: by who answers for the artifact. `against`: who holds or retracted it, though listed, in log order.
    """

    artifact_id: bytes
    log_index: int
    by: bytes
    due_ms: int
    is_own: bool
    wait: Wait
    against: tuple[bytes, ...] = ()


class _Notice(NamedTuple):
    """A notice in order; `rows`: of each artifact that it names the rows, None for the whole."""

    id: bytes
    by: bytes
    act: str
    cancels: bytes
    rows: Mapping[bytes, tuple[int | None, ...]]
    is_disowned: bool

    @property
    def whole(self) -> list[bytes]:
        """The artifacts that are named as a whole."""
        return [artifact_id for artifact_id, rows in self.rows.items() if None in rows]


_NONE: Final = _Notice(b"", b"", "", b"", {}, is_disowned=False)


class Requests:
    """The erasures that were asked for, as of a view. What the notices of many artifacts have in common is looked at once."""

    def __init__(self, view: LogView) -> None:
        self._view = view
        remembered = lru_cache(_NOTICES_REMEMBERED)
        self._notice = remembered(self._notice_at)
        self._due_ms = remembered(self._due_at)
        self._listed_since = remembered(self._was_listed_since)

    def all(self) -> list[Asked]:
        """Every one in order, by the log's clock; of each artifact that which is nearest to be carried out.

        In the order in which they were said. Reads every entry once, at the speed of memory.
        """
        found: dict[bytes, Asked] = {}
        order = list(Wait)
        for log_index, _ in self._view.scan_statements(_ERASE):
            for artifact_id in self.named(log_index):
                asked = self._asked(log_index, self._notice(log_index), artifact_id)
                former = found.get(artifact_id)
                if asked is not None and (
                    former is None or order.index(asked.wait) < order.index(former.wait)
                ):
                    found[artifact_id] = asked
        return list(found.values())

    def named(self, log_index: int) -> list[bytes]:
        """The artifacts that an `erase` in order names as a whole; none where another entry stands."""
        notice = self._notice(log_index)
        return notice.whole if notice.act == _ACT else []

    def said_by(self, by: bytes, artifact_id: bytes) -> Asked | None:
        """The `erase` of an artifact that an identity said and that counts still, or None."""
        for log_index in self._view.topic_entries(topic_key(Topic.NOTICES, artifact_id)):
            notice = self._notice(log_index)
            if notice.act != _ACT or notice.by != by or None not in notice.rows.get(artifact_id, ()):
                continue
            asked = self._asked(log_index, notice, artifact_id)
            if asked is not None and asked.wait is not Wait.VOID:
                return asked
        return None

    def against(self, artifact_id: bytes) -> tuple[bytes, ...]:
        """Who, listed by now, holds an artifact or retracted it, or a row of it: in log order, each once (SPEC §7.6)."""
        said: dict[bytes, tuple[bytes, set[int | None]]] = {}  # by statement id: by whom, and on which rows
        for log_index in self._view.topic_entries(topic_key(Topic.NOTICES, artifact_id)):
            notice = self._notice(log_index)
            rows = notice.rows.get(artifact_id, ())
            if notice.is_disowned or not rows:
                continue
            if notice.act in _AGAINST:
                said[notice.id] = notice.by, set(rows)
            elif notice.cancels in said:
                said[notice.cancels][1].difference_update(rows)
        standing = (by for by, rows in said.values() if rows and is_listed(self._view.state, by))
        return tuple(dict.fromkeys(standing))

    def _asked(self, log_index: int, notice: _Notice, artifact_id: bytes) -> Asked | None:
        """One subject of an `erase` in order; None if it may not name it (SPEC §9.2, step 9)."""
        view = self._view
        found = view.find_subject(artifact_id)
        if found is None or not self._stood_before(artifact_id, log_index):
            return None
        is_own = notice.by == answerable_for(view.state, found.maker)
        listed = self._listed_since(notice.by, log_index)
        if not is_own and listed is None:
            return None
        due_ms = self._due_ms(log_index)
        against = self.against(artifact_id)
        wait = Wait.DUE
        if notice.is_disowned or not (is_own or listed):
            wait = Wait.VOID
        elif against:
            wait = Wait.HELD
        elif view.clock_ms < due_ms:
            wait = Wait.EARLY
        return Asked(artifact_id, log_index, notice.by, due_ms, is_own, wait, against)

    def _notice_at(self, log_index: int) -> _Notice:
        """What a notice in order says; of another entry nothing."""
        view = self._view
        try:
            statement = view.statement(log_index)
        except RefusedInput:
            return _NONE
        if statement.type != "notice" or view.state.is_faulty(log_index):
            return _NONE
        body = statement.body
        rows: dict[bytes, tuple[int | None, ...]] = {}
        for artifact_id, *row in body["subjects"]:
            rows[artifact_id] = (*rows.get(artifact_id, ()), *(row or [None]))
        is_disowned = view.disowned_by(log_index) is not None
        return _Notice(statement.id, statement.by, body["act"], body.get("cancels", b""), rows, is_disowned)

    def _due_at(self, log_index: int) -> int:
        """From when an `erase` is due, by the log's clock at it (SPEC §9.5)."""
        time_ms: int = self._view.statement(self._view.state_behind(log_index)).body["time"]
        return time_ms + ERASE_WAIT_S * 1_000

    def _stood_before(self, artifact_id: bytes, log_index: int) -> bool:
        """Whether an artifact stood under an entry in order before one."""
        view = self._view
        places = (view.locate(number)[0] for number in view.find_artifact(artifact_id))
        return any(place < log_index and not view.state.is_faulty(place) for place in places)

    def _was_listed_since(self, identity_id: bytes, log_index: int) -> bool | None:
        """Whether all rules from a log index on list an identity; None: not even those in force there."""
        view = self._view
        then, since = False, True
        for place in view.topic_entries(topic_key(Topic.RULES, view.log_id)):
            statement = view.statement(place)
            if statement.type != "rules" or view.state.is_faulty(place):
                continue
            body = statement.body
            names = identity_id in (*body.get("registrars", ()), *body.get("curators", ()))
            if place < log_index:
                then = names
            else:
                since = since and names
        return since if then else None


def held_places(view: LogView, artifact_id: bytes) -> list[int]:
    """The numbers of an artifact's records whose bytes the store holds."""
    return [number for number in view.find_artifact(artifact_id) if view.record(number) is not None]


def is_anything_asked(reader: StoreReader, size: int) -> bool:
    """Whether any of the first `size` entries may be an `erase`: looked for at the speed of memory."""
    return any(_ERASE in bytes(bundle) for bundle in reader.entry_bundles(size))


def erased_records(view: LogView) -> dict[bytes, list[int]]:
    """The numbers of all records that are erased though the log had them: by the ids of the artifacts that notices name.

    No record else is erased (SPEC §8.2). Reads every entry once, at the speed of memory.
    """
    requests = Requests(view)
    found: dict[bytes, list[int]] = {}
    for log_index, _ in view.scan_statements(_ERASE):
        for artifact_id in requests.named(log_index):
            if artifact_id not in found:
                places = view.find_artifact(artifact_id)
                found[artifact_id] = [each for each in places if view.record(each) is None]
    return {artifact_id: numbers for artifact_id, numbers in found.items() if numbers}


def erase_records(store: Store, artifact_ids: Collection[bytes]) -> int:
    """Puts the leaf hash in the place of every record of these artifacts, and takes their contents out of the index; how many records.

    One synced transaction; then a second, so that the older meta page of an LMDB store does not reach them either. What is erased already is
    left as it is. The caller holds the writer's lock, and answers for it that they may be erased (`Requests`).
    """
    batch = Batch()
    with store.snapshot() as snapshot:
        head = bytes(snapshot.head())
        count = 0
        for number, places in sorted(_by_bundle(snapshot, artifact_ids).items()):
            count += len(places)
            _erase_in(snapshot, number, places, batch)
    if count:
        store.commit(batch, head, head)
        store.commit(Batch(), head, head)
    return count


def _by_bundle(snapshot: Snapshot, artifact_ids: Iterable[bytes]) -> dict[int, list[int]]:
    """The record numbers to be erased, by the number of their bundle."""
    reader = StoreReader(snapshot)
    found: dict[int, list[int]] = {}
    for artifact_id in dict.fromkeys(artifact_ids):
        for position in snapshot.positions(index.prefix(artifact_id)):
            if position >= index.STATEMENT_BASE:
                continue
            item = reader.record(position)
            if not isinstance(item, Erased) and hash_leaf(item) == artifact_id:
                found.setdefault(position // TILE_WIDTH, []).append(position)
    return found


def _erase_in(snapshot: Snapshot, number: int, places: Collection[int], batch: Batch) -> None:
    """The put that erases records of one bundle, and the pairs of the index that go with them."""
    items: list[bytes | Erased] = []
    bundle = snapshot.get(Space.RECORDS, key_u64(number)) or b""
    for place, item in enumerate(record_items(bundle), number * TILE_WIDTH):
        if isinstance(item, Erased):
            items.append(item)
        elif place in places:
            record = bytes(item)
            artifact_id = hash_leaf(record)
            batch.unindex += _content_pairs(record, artifact_id, place)
            items.append(Erased(artifact_id))
        else:
            items.append(bytes(item))
    batch.puts.append((Space.RECORDS, key_u64(number), pack(items)))


def _content_pairs(record: bytes, artifact_id: bytes, place: int) -> list[tuple[int, int]]:
    """What the digest index knows of a record beside its id."""
    try:
        content = index.prefix(decode_record(record).content)
    except RefusedInput:  # what cannot be read was indexed by its id alone
        return []
    return [] if content == index.prefix(artifact_id) else [(content, place)]
