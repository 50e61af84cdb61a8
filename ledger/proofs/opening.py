"""The first pass of a trace: every artifact that is named is opened, once, by verified paths (SPEC §12).

Nothing of it is judged here. The source is told what is asked for next, so that it may read many artifacts at once; what it
answers is verified as if it had not been told.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from ledger.errors import RefusedInput
from ledger.proofs.gather import NOTHING, Gathering, Said
from ledger.proofs.remembered import Remembered
from ledger.proofs.traced import TracedLog
from ledger.statements.entry import Entry
from ledger.statements.record import Record

_EXPECTED: Final = 4_096  # artifacts that the source is told of at a time


class Opened(NamedTuple):
    """An artifact after the first pass, its places by (log index, record index) in log order, and of each the entry.

    Its record, or why there is none to judge; who may be its maker; and where things are said of it, which alone is not the
    same whatever is traced. `is_proved`: something is told of it; else nobody knows whether there is one.
    """

    places: tuple[tuple[int, int], ...]
    entries: tuple[Entry, ...]
    record: Record | None
    illegible: RefusedInput | None
    makers: tuple[bytes, ...]
    said: Said = NOTHING
    is_proved: bool = True


_UNOPENED: Final = Opened((), (), None, None, ())
_UNPROVED: Final = _UNOPENED._replace(is_proved=False)


class Opening:
    """The first pass: every artifact reached, by verified paths; nothing of it is judged.

    `found`: what was opened before, within a bound.
    """

    def __init__(self, log: TracedLog, gathering: Gathering, found: Remembered[bytes, Opened]) -> None:
        self.artifacts: dict[bytes, Opened] = {}
        self.gathering = gathering
        self._log = log
        self._found = found

    def run(self, roots: Iterable[bytes]) -> None:
        artifacts, waiting = self.artifacts, list(roots)
        while waiting:
            chosen = dict.fromkeys(waiting[-_EXPECTED:])
            del waiting[-_EXPECTED:]
            wanted = [artifact_id for artifact_id in chosen if artifact_id not in artifacts]
            artifacts.update(dict.fromkeys(wanted, _UNOPENED))  # their order is that in which they were named
            for artifact_id in self._best_order(wanted):
                artifacts[artifact_id] = self._open(artifact_id)
            for artifact_id in wanted:
                record = artifacts[artifact_id].record
                if record is not None and record.fields["parents"]:
                    waiting += [parent["id"] for parent in record.fields["parents"] if "log" not in parent]

    def _best_order(self, wanted: list[bytes]) -> list[bytes]:
        """The same, as the log is best asked for them."""
        unknown = [artifact_id for artifact_id in wanted if artifact_id not in self._found]
        if len(unknown) < 2:
            return wanted
        places = {artifact_id: place for place, artifact_id in enumerate(self._log.in_order(unknown))}
        return sorted(wanted, key=lambda artifact_id: places.get(artifact_id, -1))

    def _open(self, artifact_id: bytes) -> Opened:
        opened = self._found.get(artifact_id)
        if opened is None:
            opened = self._find(artifact_id)
            if opened.places:  # what is absent may be told of the next time
                self._found.put(artifact_id, opened, len(opened.places))
        if not opened.places:
            return opened
        for (log_index, _), entry in zip(opened.places, opened.entries, strict=True):
            self.gathering.add(log_index, entry)
        said = self.gathering.about_artifact(artifact_id, opened.makers)
        return opened if said is NOTHING else opened._replace(said=said)

    def _find(self, artifact_id: bytes) -> Opened:
        found = self._log.find(artifact_id, self.gathering.entries)
        if found is None:
            return _UNPROVED
        makers = []
        record: Record | None = None
        illegible: RefusedInput | None = None
        for place in found:
            makers.append(place.entry.statement.by)
            if place.data is None:
                continue
            try:
                record = self._log.decoder.decode(place.data, artifact_id)
                makers.append(record.maker)
            except RefusedInput as error:
                illegible = error
        if len(found) > 1:
            found.sort(key=lambda place: place[:2])
        places = tuple([place[:2] for place in found])
        signed = tuple([place.entry for place in found])
        return Opened(places, signed, record, illegible, tuple(dict.fromkeys(makers)))
