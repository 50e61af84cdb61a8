"""The first pass of a trace: every artifact that is named is opened, once, by verified paths (SPEC §12).

Nothing of it is judged here. The source is told what is asked for next, so that it may read many artifacts at once; what it
answers is verified as if it had not been told.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from ledger.errors import ProofInvalid, RefusedInput
from ledger.merkle.tree import hash_leaf, verify_inclusion
from ledger.proofs.gather import NOTHING, Gathering, Said
from ledger.proofs.remembered import Remembered
from ledger.proofs.verified import VerifiedLog
from ledger.statements.entry import Entry
from ledger.statements.record import Record
from ledger.statements.statement import Statement

_EXPECTED: Final = 4_096  # artifacts that the source is told of at a time


class Opened(NamedTuple):
    """An artifact after the first pass, its places by (log index, record index) in log order, and of each the entry.

    Its record, or why there is none to judge; who may be its maker; and where things are said of it. All but the last is so
    whatever is traced.
    """

    places: tuple[tuple[int, int], ...]
    entries: tuple[Entry, ...]
    record: Record | None
    illegible: RefusedInput | None
    makers: tuple[bytes, ...]
    said: Said = NOTHING


_UNOPENED: Final = Opened((), (), None, None, ())


class Opening:
    """The first pass: every artifact reached, by verified paths; nothing of it is judged.

    `found`: what was opened before, within a bound.
    """

    def __init__(self, log: VerifiedLog, gathering: Gathering, found: Remembered[bytes, Opened]) -> None:
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
        """The same, as the source would rather be asked for them: neighbours share pages and the nodes of their paths."""
        unknown = [artifact_id for artifact_id in wanted if artifact_id not in self._found]
        if len(unknown) < 2:
            return wanted
        places = {artifact_id: place for place, artifact_id in enumerate(self._log.source.expect(unknown))}
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
        source = self._log.source
        entries: dict[tuple[int, int], Entry] = {}
        makers = []
        record: Record | None = None
        illegible: RefusedInput | None = None
        for record_number in source.find_artifact(artifact_id):
            log_index, record_index = source.locate(record_number)
            entry = entries[log_index, record_index] = self._signed(log_index)
            self._check_place(artifact_id, record_number, record_index, entry.statement)
            makers.append(entry.statement.by)
            data = source.record(record_number)
            if data is None:
                continue
            if hash_leaf(data) != artifact_id:
                raise ProofInvalid(
                    "inclusion-invalid",
                    f"record {record_number}",
                    "it is not the artifact that was asked for",
                )
            try:
                record = self._log.decoder.decode(data, artifact_id)
                makers.append(record.maker)
            except RefusedInput as error:
                illegible = error
        if len(entries) == 1:  # most often
            places, signed = tuple(entries), tuple(entries.values())
        else:
            places = tuple(sorted(entries))
            signed = tuple([entries[place] for place in places])
        return Opened(places, signed, record, illegible, tuple(dict.fromkeys(makers)))

    def _signed(self, log_index: int) -> Entry:
        """The entry under which records stand."""
        entry = self.gathering.entries.get(log_index)
        if entry is None:
            entry = self._log.entry(log_index)
        if entry is None or entry.statement.type != "artifacts":
            raise ProofInvalid("inclusion-invalid", f"entry {log_index}", "no records stand under it")
        return entry

    def _check_place(
        self, artifact_id: bytes, record_number: int, record_index: int, statement: Statement
    ) -> None:
        body = statement.body
        if (record_index, body["count"], body["root"]) != (0, 1, artifact_id):  # one alone is its own root
            path = self._log.source.record_path(record_number)
            verify_inclusion(artifact_id, record_index, body["count"], path, body["root"])
