"""An ancestry proof is made by asking a log what its verifier will ask, and writing down the answers (SPEC §11.2).

One trace walks the ancestry for both. Whoever makes a file believes his own copy of the log: paths and signatures are not
verified on the way, since whoever gets the file does so. Whom that verifier accepts is not known here; so everybody who
attests an artifact, or endorses somebody, is shown like a maker, and whoever is asked about for him in turn, until nobody is
new. That strangers could make a file as long as they like; beyond a bound they are left out, and whose trust file names one
of them asks for a file that was made for it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice
from typing import Final, NamedTuple

from ledger import spec
from ledger.errors import RefusedInput
from ledger.fold.topics import Topic, topic_key
from ledger.fold.transition import open_entry
from ledger.identity.keyset import Keyset
from ledger.identity.vkey import Vkey
from ledger.proofs.ancestry_file import HeldRecord, HeldStatement, LogPart
from ledger.proofs.source import ProvingSource
from ledger.proofs.trace import Tracer
from ledger.proofs.traced import BOUNDS, FoundPlace, Placed, TracedLog
from ledger.statements.entry import Entry
from ledger.statements.statement import log_id

_TRACED: Final = 4_096  # subjects that are traced together
_IMPLIED: Final = frozenset(
    {Topic.NOTICES, Topic.RULES, Topic.ATTESTATIONS}
)  # topics that a file does not list


class Listeners(NamedTuple):
    """Whom the verifier of a file accepts and lets grade, as `ledger.proofs.trace.trace_many` has it."""

    accept: frozenset[bytes] = frozenset()
    graders: frozenset[bytes] = frozenset()


class Written(NamedTuple):
    """What a file is to hold of a log; `left_out`: how many identities who attest or endorse are not shown."""

    part: LogPart
    left_out: int


class RecordedLog(TracedLog):
    """A log that is believed, and what was asked of it."""

    def __init__(self, source: ProvingSource, vkey: Vkey) -> None:
        """Raises RefusedInput `fold-unknown`; ProofInvalid where the log does not begin and end as one; and as `source`."""
        super().__init__(log_id(str(vkey)), source.checkpoint, BOUNDS)
        self.source = source
        self.data: dict[int, bytes] = {}
        self.places: dict[bytes, list[FoundPlace]] = {}
        self.topics: dict[tuple[Topic, bytes], tuple[Placed, ...]] = {}
        self._opened: dict[int, Entry | None] = {}
        self._at_fault: set[bytes] = set()  # leaf hashes of entries that broke a rule
        self._begin()
        self._check_genesis()

    def entry(self, log_index: int) -> Entry | None:
        """As the source says."""
        if log_index not in self._opened:
            data = self.data[log_index] = self.source.entry(log_index)
            try:
                entry = self._opened[log_index] = open_entry(data, self.log_id)
                if self.source.is_faulty(log_index):
                    self._at_fault.add(entry.leaf_hash)
            except RefusedInput:
                self._opened[log_index] = None
        return self._opened[log_index]

    def topic(self, topic: Topic, subject: bytes) -> Sequence[Placed]:
        """As the source says."""
        found = self.topics.get((topic, subject))
        if found is None:
            placed = [
                (each, self.entry(each)) for each in self.source.topic_entries(topic_key(topic, subject))
            ]
            found = tuple((log_index, entry) for log_index, entry in placed if entry is not None)
            self.topics[topic, subject] = found
        return found

    def is_silent(self, topics: Iterable[Topic], subject: bytes) -> bool:
        """Asks for each of them."""
        return not any(self.topic(topic, subject) for topic in topics)

    def find(self, artifact_id: bytes, known: Mapping[int, Entry]) -> list[FoundPlace] | None:  # noqa: ARG002 - all is remembered
        """As the source says; None of what stands nowhere, which a file cannot show."""
        found = self.places.get(artifact_id)
        if found is None:
            found = self.places[artifact_id] = []
            for number in self.source.find_artifact(artifact_id):
                log_index, record_index = self.source.locate(number)
                entry = self.entry(log_index)
                if entry is not None:
                    found.append(FoundPlace(log_index, record_index, entry, self.source.record(number)))
        return list(found) or None

    def in_order(self, artifact_ids: Collection[bytes]) -> Sequence[bytes]:
        """As the source would rather be asked for them."""
        return self.source.expect(artifact_ids)

    def state_behind(self, log_index: int) -> int:
        """As the source says."""
        return self.source.state_behind(log_index)

    def check_signatures(self, entry: Entry, asked: Mapping[int, Keyset]) -> None:
        """The log verified them when it took the entry, unless it found a fault then; whoever gets the file does so once more."""
        if entry.leaf_hash in self._at_fault:
            super().check_signatures(entry, asked)

    def strangers(self) -> set[bytes]:
        """Who attests an artifact or endorses somebody who was asked about."""
        said = (Topic.ATTESTATIONS, Topic.ENDORSEMENTS)
        return {
            entry.statement.by
            for (topic, _), placed in self.topics.items()
            if topic in said
            for _, entry in placed
        }


def record_ancestry(
    source: ProvingSource,
    vkey: Vkey,
    subjects: Collection[bytes],
    listeners: Listeners | None = None,
) -> Written:
    """What a file is to hold of the log of `vkey`, about these artifacts; each must stand in the log, or be erased.

    `listeners`: whom the verifier accepts; None: nobody knows, and everybody is shown. Raises as `RecordedLog` does.
    """
    log = RecordedLog(source, vkey)
    left_out = 0
    if listeners is not None:
        _ask(log, subjects, listeners)
    else:
        shown: frozenset[bytes] = frozenset()
        _ask(log, subjects, Listeners())
        while new := log.strangers() - shown:
            if len(shown) + len(new) > spec.PROOF_STRANGERS_MAX:
                left_out = len(new)
                break
            shown |= new
            _ask(log, subjects, Listeners(shown, shown))
    for artifact_id in subjects:
        for place in log.find(artifact_id, {}) or ():
            log.entry(source.state_behind(place.log_index))
    return Written(_part(log, frozenset(subjects)), left_out)


def _ask(log: RecordedLog, subjects: Collection[bytes], listeners: Listeners) -> None:
    tracer: Tracer = Tracer.over(log, *listeners)
    waiting = iter(subjects)
    tracer.trace(())
    while some := tuple(islice(waiting, _TRACED)):
        tracer.trace(some)


def _part(log: RecordedLog, subjects: frozenset[bytes]) -> LogPart:
    source = log.source
    indices = sorted(log.data)
    listed = sorted((topic.value, subject) for topic, subject in log.topics if topic not in _IMPLIED)
    artifacts = [artifact_id for artifact_id, places in log.places.items() if places]
    keys = {topic_key(Topic(topic), subject) for topic, subject in listed}
    keys.add(topic_key(Topic.RULES, log.log_id))
    for artifact_id in artifacts:
        keys.add(topic_key(Topic.NOTICES, artifact_id))
        keys.add(topic_key(Topic.ATTESTATIONS, artifact_id))
    return LogPart(
        log.log_id,
        source.note,
        (),  # points: who makes a file knows which of them its readers ask for
        [(log_index, log.data[log_index]) for log_index in indices],
        source.entries_proof(indices),
        listed,
        source.status_proof_of(keys),
        _statements(log, artifacts),
        subjects,
    )


def _statements(log: RecordedLog, artifacts: Iterable[bytes]) -> list[HeldStatement]:
    by_entry: dict[int, list[HeldRecord]] = {}
    counts: dict[int, int] = {}
    for artifact_id in artifacts:
        places = log.places[artifact_id]
        data = next((place.data for place in places if place.data is not None), None)
        for place in places:
            held = HeldRecord(place.record_index, artifact_id, data)
            by_entry.setdefault(place.log_index, []).append(held)
            counts[place.log_index] = place.entry.statement.body["count"]
    statements = []
    for log_index, records in sorted(by_entry.items()):
        records.sort()
        hashes: Sequence[bytes] = ()
        if counts[log_index] > 1:
            hashes = log.source.records_proof(log_index, [record.record_index for record in records])
        statements.append(HeldStatement(log_index, tuple(records), tuple(hashes)))
    return statements
