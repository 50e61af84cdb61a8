"""The trace: from an artifact, record by record, to the humans it descends from (SPEC §12).

Nothing that the source says is believed. An answer that does not hold (a path, a status proof, a checkpoint) is
ProofInvalid: the source lies or is damaged. A record or entry that holds but breaks a rule is a named fault of its
place. What cannot be decided is *unknown*, never fine.

Three passes, none recursive, so that an ancestry may be as deep and as wide as a log: the first opens every artifact
that is named, once, with all its places and all that is said of it; the second replays the entries found, in log order
(`ledger.proofs.replay`); the third judges each record, since where its parents stand and of what kind they are is known
by then.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple, Self

from ledger.errors import RefusedInput
from ledger.fold.faults import Fault, fault_of
from ledger.fold.objects import Identity
from ledger.fold.records import UNREAD, FindStanding, Standing, judge_record, standing_of
from ledger.fold.subjects import Subject, answerable_for
from ledger.identity.vkey import Vkey
from ledger.proofs.facts import (
    DESCENT,
    Ancestries,
    Ancestry,
    Existed,
    Grade,
    Node,
    Place,
    Presence,
    own_status,
    place_shown,
)
from ledger.proofs.gather import NOTHING, Gathering
from ledger.proofs.opening import Opened, Opening
from ledger.proofs.remembered import Remembered
from ledger.proofs.replay import PartialReplay, Spoken
from ledger.proofs.source import ProofSource
from ledger.proofs.traced import BOUNDS, Bounds, TracedLog
from ledger.proofs.verified import VerifiedLog
from ledger.proofs.voices import About, Voices
from ledger.statements.record import Parent, Record


def trace(
    source: ProofSource, artifact_id: bytes, vkey: Vkey, accept: frozenset[bytes] = frozenset()
) -> Ancestry:
    """The verified ancestry of an artifact in the log of `vkey`, its first verifier key.

    `accept`: identity ids whose attestations the verifier takes, and whose endorsements he asks for. Each distinct
    artifact is verified once. Raises ProofInvalid for an answer of `source` that does not hold, RefusedInput
    `fold-unknown` for a log of later rules, and what `source` raises.
    """
    return ancestry_of(trace_many(source, [artifact_id], vkey, accept), artifact_id)


def trace_many(
    source: ProofSource,
    roots: Iterable[bytes],
    vkey: Vkey,
    accept: frozenset[bytes] = frozenset(),
    *,
    graders: frozenset[bytes] = frozenset(),
    with_clocks: bool = False,
) -> Ancestries:
    """The verified ancestries of several artifacts, in one pass over their union. Raises as `trace` does.

    `graders`: identities whose endorsement makes a stranger's attestation heard as well; what it is worth is judged by who
    reads the facts. It rescues nothing. `with_clocks`: the log's clock behind every artifact that stands is told too,
    which takes the `state` entries there.
    """
    return Tracer(source, vkey, accept, graders, with_clocks=with_clocks).trace(roots)


class Tracer:
    """Traces again and again over one source: what was verified before is remembered, within bounds.

    Each `trace` says what `trace_many` says of the same roots. Not for two threads at once.
    """

    def __init__(
        self,
        source: ProofSource,
        vkey: Vkey,
        accept: frozenset[bytes] = frozenset(),
        graders: frozenset[bytes] = frozenset(),
        *,
        with_clocks: bool = False,
        bounds: Bounds = BOUNDS,
    ) -> None:
        """Arguments as of `trace_many`; opens the checkpoint, its state and the genesis. Raises as `trace` does."""
        self._set(VerifiedLog(source, vkey, bounds), accept, graders, with_clocks=with_clocks, bounds=bounds)

    @classmethod
    def over(
        cls,
        log: TracedLog,
        accept: frozenset[bytes] = frozenset(),
        graders: frozenset[bytes] = frozenset(),
        *,
        with_clocks: bool = False,
        bounds: Bounds = BOUNDS,
    ) -> Self:
        """One over a log that was opened, which nobody else traces meanwhile."""
        tracer = cls.__new__(cls)
        tracer._set(log, accept, graders, with_clocks=with_clocks, bounds=bounds)  # noqa: SLF001 - its own class
        return tracer

    def _set(
        self,
        log: TracedLog,
        accept: frozenset[bytes],
        graders: frozenset[bytes],
        *,
        with_clocks: bool,
        bounds: Bounds,
    ) -> None:
        self._log = log
        self._found: Remembered[bytes, Opened] = Remembered(bounds.artifacts)
        self._accept = accept
        self._graders = graders
        self._with_clocks = with_clocks

    def trace(self, roots: Iterable[bytes]) -> Ancestries:
        """The verified ancestries of several artifacts, in one pass over their union. Raises as `trace` does."""
        wanted = tuple(dict.fromkeys(roots))
        log = self._log
        log.begin()
        opening = Opening(log, Gathering(log, self._accept, self._graders), self._found)
        opening.run(wanted)
        traced = _Trace(log, opening, self._accept)
        nodes = traced.nodes()
        clocks = _clocks(log, nodes.values()) if self._with_clocks else ()
        return Ancestries(wanted, log.log_id, log.checkpoint, log.clock_ms, nodes, clocks, traced.rules)


def ancestry_of(ancestries: Ancestries, root: bytes) -> Ancestry:
    """The ancestry of one of the roots alone, and its people. Raises KeyError for an artifact that was not traced."""
    whole = ancestries.nodes
    nodes = {node.id: node for node in _reached([root], whole.__getitem__, lambda _node, _parent: True)}
    people = _people_of([root], nodes)
    return Ancestry(
        root,
        ancestries.log_id,
        ancestries.checkpoint,
        nodes,
        frozenset(
            (parent.log, parent.id)
            for node in nodes.values()
            for parent in node.parents
            if parent.log is not None
        ),
        people.humans,
        people.authors,
        people.behind,
    )


class People(NamedTuple):
    """The `humans` of an ancestry, the `authors` among them, and who is reached only `behind` what was disowned (SPEC §12); ascending."""

    humans: tuple[bytes, ...]
    authors: tuple[bytes, ...]
    behind: tuple[bytes, ...]


def people_of(ancestries: Ancestries, roots: Collection[bytes]) -> People:
    """The people in the ancestry of any of the roots. Raises KeyError for an artifact that was not traced."""
    return _people_of(roots, ancestries.nodes)


def _people_of(roots: Collection[bytes], nodes: Mapping[bytes, Node]) -> People:
    answering = list(_reached(roots, nodes.__getitem__, _answers))
    humans = _anchors(node for node in answering if node.stance == "made")
    known = set(humans)
    told = _reached(roots, nodes.__getitem__, _descends)
    behind = _anchors(node for node in told if node.stance == "made")
    return People(
        humans,
        _anchors(node for node in answering if node.may_be_authored),
        tuple(anchor for anchor in behind if anchor not in known),
    )


class _People(NamedTuple):
    """Of a maker, what every node of his says of him."""

    maker: bytes | None
    role: str
    anchor: bytes | None
    endorsements: tuple[Grade, ...]
    endorsed_by_others: int


_NOBODY: Final = _People(None, "", None, (), 0)
_TOLD: Final = frozenset({Presence.STANDS, Presence.DISOWNED})  # where a record says what its maker says


class _Trace:
    """The second pass and the third."""

    def __init__(self, log: TracedLog, opening: Opening, accept: frozenset[bytes]) -> None:
        self._log = log
        self._artifacts = opening.artifacts
        self._spoken: dict[int, Spoken] = {}
        self._withheld: dict[bytes, bool] = {}
        self._makers: dict[bytes, _People] = {}
        self._passed: dict[bytes, int] = {}  # of an artifact, how many of its places are known to be at fault
        self._replay = PartialReplay(
            log,
            opening.gathering.entries,
            frozenset(opening.artifacts),
            self._find_subject,
            self._find_behind,
            self._spoken,
        )
        self._voices = Voices(log, opening.gathering, self._replay, accept)

    @property
    def rules(self) -> Mapping[str, Any]:
        """The rules of admission in force at the checkpoint."""
        return self._replay.state.header.rules

    def nodes(self) -> dict[bytes, Node]:
        """Every artifact that was opened, judged; by its id."""
        return {artifact_id: self._node(artifact_id) for artifact_id in self._artifacts}

    def _node(self, artifact_id: bytes) -> Node:
        opened = self._artifacts[artifact_id]
        record, said = opened.record, opened.said
        if not opened.places:
            return Node(artifact_id, Presence.ABSENT if opened.is_proved else Presence.UNPROVED)
        about = None if said is NOTHING else About(artifact_id, self._answerable(artifact_id), said)
        attestations = () if about is None else self._voices.attestations(about)
        places = self._places(opened)
        if about is not None and any(place.disowned for place in places):
            rescuers = self._voices.rescuers(attestations, about.answerable)
            places = tuple(_rescued(place, rescuers) for place in places)
        presence, shown = _presence(opened, places), place_shown(places)
        spoken = self._spoken[shown.log_index]
        contested = self._replay.contested(spoken) if shown.fault is None else None
        notices = () if about is None else self._voices.notices(about)
        fault = shown.fault
        if presence is Presence.ERASED and fault is None and self._is_withheld(artifact_id):
            what = "record: the log does not hold it, and no notice asks to erase it"
            fault = Fault(shown.log_index, "record-missing", what, shown.record_index)
        parents = () if record is None else record.parents
        # Of a parent that is kept back it is not known what might be wrong between it and its child.
        misses_parent = bool(parents) and any(
            self._is_withheld(parent.id) for parent in parents if parent.log is None
        )
        status = own_status(
            presence, places, notices, is_contested=contested is not None, misses_parent=misses_parent
        )
        people, may_be_authored = _NOBODY, False
        if presence in _TOLD and record is not None and spoken.signer is not None:
            people, may_be_authored = self._people(spoken.signer), _may_be_authored(record, spoken.signer)
        return Node(
            artifact_id,
            presence,
            status,
            fault,
            record,
            people.maker,
            people.role,
            people.anchor,
            shown.log_index,
            shown.record_index,
            parents if people.maker is not None else (),
            may_be_authored,
            spoken.statement.key if fault is None else None,
            contested,
            places,
            notices,
            attestations,
            said.attested_by_others,
            people.endorsements,
            people.endorsed_by_others,
            misses_parent,
        )

    def _people(self, signer: Identity) -> _People:
        """What a node says of its maker and of those who vouch for him."""
        found = self._makers.get(signer.id)
        if found is None:
            endorsements, others = self._voices.grades(signer.id)
            if signer.anchor is not None:
                of_anchor, more = self._voices.grades(signer.anchor)
                endorsements, others = endorsements + of_anchor, others + more
            anchor = signer.id if signer.role == "human" else signer.anchor
            found = self._makers[signer.id] = _People(signer.id, signer.role, anchor, endorsements, others)
        return found

    def _is_withheld(self, artifact_id: bytes) -> bool:
        """Whether a record of the log is not at hand, though nothing allowed to erase it (SPEC §8.2); or nothing is proved of it."""
        opened = self._artifacts[artifact_id]
        if not opened.is_proved:
            return True
        if not opened.places or opened.record is not None or opened.illegible is not None:
            return False
        if artifact_id not in self._withheld:
            about = About(artifact_id, self._answerable(artifact_id), opened.said)
            self._withheld[artifact_id] = not self._voices.asked_to_erase(about)
        return self._withheld[artifact_id]

    def _answerable(self, artifact_id: bytes) -> bytes | None:
        """The maker of an artifact, or the anchor of a pair; of an erased one the signer of its first place in order."""
        maker = self._maker(artifact_id)
        return None if maker is None else answerable_for(self._replay.state, maker)

    def _first_place(self, artifact_id: bytes) -> tuple[int, int] | None:
        """The first place under an entry in order, as far as entries are judged by now: what was at fault is not looked at again."""
        places = self._artifacts[artifact_id].places
        passed = self._passed.get(artifact_id, 0)
        found = None
        while passed < len(places):
            spoken = self._spoken.get(places[passed][0])
            if spoken is None:  # nor is any behind it judged
                break
            if spoken.fault is None:
                found = places[passed]
                break
            passed += 1
        self._passed[artifact_id] = passed
        return found

    def _maker(self, artifact_id: bytes) -> bytes | None:
        """The maker, if the artifact stands under an entry in order, as far as they are judged by now."""
        place = self._first_place(artifact_id)
        if place is None:
            return None
        record = self._artifacts[artifact_id].record
        return self._spoken[place[0]].statement.by if record is None else record.maker

    def _find_subject(self, artifact_id: bytes) -> Subject | None:
        """What stands under an id before the entry that is judged now."""
        maker = self._maker(artifact_id)
        if maker is None:
            return None
        record = self._artifacts[artifact_id].record
        return Subject(maker, None if record is None else record.row_count)

    def _find_behind(self, artifact_id: bytes) -> Subject | None:
        """What stands under an id at any place at hand; it is asked for where none is before the entry that is judged now."""
        record = self._artifacts[artifact_id].record
        return None if record is None else Subject(record.maker, record.row_count)

    def _places(self, opened: Opened) -> tuple[Place, ...]:
        if len(opened.places) == 1:  # most often
            ((log_index, record_index),) = opened.places
            return (self._place(opened, log_index, record_index, is_copy=False),)
        places = []
        former = -1
        for log_index, record_index in opened.places:
            places.append(self._place(opened, log_index, record_index, is_copy=log_index == former))
            former = log_index
        return tuple(places)

    def _place(self, opened: Opened, log_index: int, record_index: int, *, is_copy: bool) -> Place:
        spoken = self._spoken[log_index]
        fault = self._judge(opened, spoken, record_index, is_copy=is_copy)
        return Place(
            log_index, record_index, fault, self._replay.disowning(spoken) if fault is None else None
        )

    def _judge(self, opened: Opened, spoken: Spoken, record_index: int, *, is_copy: bool) -> Fault | None:
        """The fault of a place: of its entry, or of the record there; None also where there is no record to judge."""
        log_index = spoken.log_index
        if spoken.fault is not None or spoken.signer is None:
            return spoken.fault
        if is_copy:
            what = "record: it stands before in the same statement"
            return Fault(log_index, "record-duplicate", what, record_index)
        error = opened.illegible
        if opened.record is not None:
            try:
                has_parents = bool(opened.record.fields["parents"])
                find = self._find_before((log_index, record_index)) if has_parents else _find_nothing
                judge_record(opened.record, spoken.signer, self._log.log_id, find)
            except RefusedInput as refused:
                error = refused
        return None if error is None else fault_of(error, log_index, record_index)

    def _find_before(self, child: tuple[int, int]) -> FindStanding:
        """What stands under an id before a place: asked for the parents of the record there (SPEC §9.1)."""

        def find(artifact_id: bytes) -> Standing | None:
            opened = self._artifacts[artifact_id]
            if not opened.is_proved:
                return UNREAD
            place = self._first_place(artifact_id)
            if place is None or place >= child:
                return None
            return UNREAD if opened.record is None else standing_of(opened.record)

        return find


def _presence(opened: Opened, places: tuple[Place, ...]) -> Presence:
    if opened.record is None and opened.illegible is None:
        return Presence.ERASED
    presence = Presence.FAULTY
    for place in places:
        if place.stands or place.is_rescued:
            return Presence.STANDS
        if place.fault is None:
            presence = Presence.DISOWNED
    return presence


def _find_nothing(_artifact_id: bytes) -> Standing | None:
    """Of a record without parents nobody asks what stands before it."""
    return None


def _clocks(log: TracedLog, nodes: Iterable[Node]) -> tuple[Existed, ...]:
    """By the log's own clock: of each artifact that stands, the `state` at or behind it."""
    found = set()
    for node in nodes:
        since = node.since_index
        if node.presence is Presence.STANDS and since is not None:
            closing, by_ms = log.clock_behind(since)
            found.add((closing + 1, by_ms))
    return tuple(Existed(size, by_ms) for size, by_ms in sorted(found))


def _rescued(place: Place, rescuers: tuple[bytes, ...]) -> Place:
    if place.disowned is None:
        return place
    return replace(place, disowned=replace(place.disowned, rescued_by=rescuers))


def _reached(
    roots: Iterable[bytes], node_of: Callable[[bytes], Node], goes_on: Callable[[Node, Parent], bool]
) -> Iterator[Node]:
    """The nodes reached from `roots` over the local parents by which it goes on, each once, in no order to rely on."""
    seen = set(roots)
    waiting = list(seen)
    while waiting:
        node = node_of(waiting.pop())
        yield node
        for parent in node.parents:
            if parent.log is None and parent.id not in seen and goes_on(node, parent):
                seen.add(parent.id)
                waiting.append(parent.id)


def _descends(_node: Node, parent: Parent) -> bool:
    return parent.rel in DESCENT


def _answers(node: Node, parent: Parent) -> bool:
    """Whether what a record says of its parent counts for its humans: not if its maker lost the key that said it."""
    return node.presence is Presence.STANDS and parent.rel in DESCENT


def _anchors(nodes: Iterable[Node]) -> tuple[bytes, ...]:
    standing = (node for node in nodes if node.presence is Presence.STANDS)
    return tuple(sorted({node.anchor for node in standing if node.anchor is not None}))


def _may_be_authored(record: Record, signer: Identity) -> bool:
    """Whether the maker's anchor may have an own human share in a record (SPEC §12, `authors`)."""
    if record.stance != "made" or record.kind not in {"work", "experience"}:
        return False
    if record.fields.get("human") == 0:
        return False
    if signer.role == "pair":
        return bool(signer.delegation and (signer.delegation.scope or {}).get("human"))
    return signer.role == "human"
