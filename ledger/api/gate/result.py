"""What a gate came to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ledger.datasets.memory import MemoryDataset
from ledger.datasets.verdict_file import NOTHING, VerdictBlock, open_verdicts
from ledger.errors import RefusedInput
from ledger.origin.lattice import Verdict
from ledger.origin.tally import Tally
from ledger.spec import HASH_BYTES


class GatedRow(NamedTuple):
    """The verdict on one row, as the verdict file has it; `artifact_id` None: no artifact is about it."""

    row_index: int
    digest: bytes
    artifact_id: bytes | None
    verdict: str
    code: str
    level: str
    why: str

    @property
    def is_admitted(self) -> bool:
        """Whether it may be trained on."""
        return self.verdict == Verdict.ADMITTED.label


@dataclass(slots=True)
class Gated:
    """A gate's result. `about`: as the verdict file's metadata (SPEC §12.5), with what was judged by.

    `failures`: which of the policy's `[fail_if]` are met, in words. `notes`: what a reader has to know of how it was judged. `verdicts`, `admitted`,
    `report`: the files that were written; `manifest`: the artifact id, if one was signed.
    """

    about: Mapping[str, Any]
    tally: Tally
    failures: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    is_self_trusted: bool = False
    verdicts: Path | None = None
    admitted: Path | None = None
    report: Path | None = None
    manifest: bytes | None = None
    resumed_rows: int = 0
    _source: MemoryDataset | None = None
    _blocks: list[VerdictBlock] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        """Rows by verdict: admitted, quarantined, rejected, undecided."""
        labels = (Verdict.ADMITTED, Verdict.QUARANTINED, Verdict.REJECTED, Verdict.UNDECIDED)
        return {each.label: self.tally.verdicts.get(each.label, 0) for each in labels}

    @property
    def reasons(self) -> dict[str, int]:
        """Rows by code (SPEC §12.3), most first; the admitted ones under `clear`."""
        found: dict[str, int] = {}
        for (_, code), rows in self.tally.reasons.items():
            found[code] = found.get(code, 0) + rows
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))

    def rows(self) -> Iterator[GatedRow]:
        """The verdict on each row, in order. Raises RefusedInput `no-verdicts` where they were neither kept nor written."""
        if self._source is not None:
            for block in self._blocks:
                yield from rows_of(block)
            return
        if self.verdicts is None:
            raise RefusedInput(
                "no-verdicts", "gate", "its verdicts were not written", "Name a verdict file: verdicts=PATH"
            )
        with open_verdicts(self.verdicts) as file:
            for block in file.blocks():
                yield from rows_of(block)

    def admitted_rows(self) -> Any:
        """The rows in memory that were admitted, of the kind that the source is: a `datasets.Dataset`, a table, a list, an iterator.

        Raises RefusedInput `no-rows` for a dataset of files, whose admitted rows are written; `rows-differ` as `MemoryDataset.kept`.
        """
        if self._source is None:
            raise RefusedInput(
                "no-rows",
                "gate",
                "its rows were in files, and are in no memory",
                "Name where they go (admitted=PATH), or read them by `ledger.admitted_rows`.",
            )
        admitted = Verdict.ADMITTED.label
        keep = bytearray()
        for block in self._blocks:
            flags = [told.verdict == admitted for told in block.told]
            keep += bytes([flags[at] for at in block.outcomes])
        return self._source.kept(keep)


def rows_of(block: VerdictBlock) -> Iterator[GatedRow]:
    """The rows of a block."""
    for at, outcome in enumerate(block.outcomes):
        span = slice(at * HASH_BYTES, (at + 1) * HASH_BYTES)
        artifact_id = bytes(block.artifact_ids[span])
        yield GatedRow(
            block.row_index + at,
            bytes(block.digests[span]),
            None if artifact_id == NOTHING else artifact_id,
            *block.told[outcome],
        )
