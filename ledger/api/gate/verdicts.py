"""Blocks of rows with their verdicts: what is written, counted and kept of each."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from ledger.api.gate.block import Block, blocks_of
from ledger.api.gate.claims import NO_ROW, ClaimFinder, Claims
from ledger.api.gate.judging import Batch, Judging, Sampled
from ledger.datasets.looking import Looked
from ledger.datasets.verdict_file import NOTHING, Told, VerdictBlock
from ledger.origin.claims import RowVerdict
from ledger.origin.lattice import Verdict
from ledger.origin.levels import Level
from ledger.origin.tally import ROW_REFUSED, Sample, Tally
from ledger.spec import TALLY_SAMPLES_MAX, TALLY_TEXT_CHARS_MAX, VERDICT_WHY_BYTES_MAX

_FEW: Final = 16  # distinct numbers that are sought one by one
_MORE: Final = "\u2026".encode()
_TEXT_BYTES: Final = 4 * TALLY_TEXT_CHARS_MAX + 4  # UTF-8 of as many characters as are shown, and of one more


class JudgedBlock(NamedTuple):
    """`keep` has a 1 for each admitted row, a 0 for each other."""

    block: Block
    verdicts: VerdictBlock
    keep: bytes


class _Known(NamedTuple):
    """What all rows with the same claims come to: the number of what is told; as it is, of rows that no reader takes."""

    told: int = 0
    artifact_id: bytes = NOTHING
    is_admitted: bool = False


@dataclass(slots=True)
class _Telling:
    """The distinct outcomes of one block, numbered."""

    numbers: dict[Told, int] = field(default_factory=dict)

    def number(self, told: Told) -> int:
        return self.numbers.setdefault(told, len(self.numbers))


class _Chosen(NamedTuple):
    """A row that will be a sample, as soon as its text is read."""

    offset: int
    told: Told
    artifact_id: bytes | None
    sampled: Sampled


class RowJudge:
    """Judges runs of rows, block by block, and counts them."""

    def __init__(self, finder: ClaimFinder, judging: Judging) -> None:
        self._finder = finder
        self._judging = judging
        self._refused = (Verdict.REJECTED if judging.terms.policy.decides else Verdict.UNDECIDED).label

    def blocks(self, runs: Iterable[Looked], tally: Tally) -> Iterator[JudgedBlock]:
        """All runs, judged; counted in `tally`. Raises as `ClaimFinder.find` and `Judging.judge`."""
        for block in blocks_of(runs):
            yield self._judge(block, tally)

    def _judge(self, block: Block, tally: Tally) -> JudgedBlock:
        claimed = self._finder.find(block)
        rows = Counter(claimed.numbers)  # in the order in which they first occur
        faulty = claimed.number(NO_ROW)
        rows.pop(faulty, None)
        firsts = _firsts(claimed.numbers, rows)
        telling, chosen = _Telling(), list[_Chosen]()
        known = [_Known()] * len(claimed.distinct)
        judged = self._judging.judge(claimed.distinct[number] for number in rows)
        for number, (claims, verdict, batch) in zip(rows, judged, strict=True):
            told = _told(verdict)
            known[number] = _Known(
                telling.number(told), verdict.artifact_id or NOTHING, verdict.verdict is Verdict.ADMITTED
            )
            tally.count(batch.traits(verdict), rows[number])
            self._choose(block, tally, chosen, (firsts[number], told, verdict, batch, claims))
        tally.size_bytes += block.size_bytes
        outcomes, ids, keep = _spread(claimed.numbers, known)
        self._count_faulty(block, tally, telling, outcomes)
        _keep_samples(block, tally, chosen)
        verdicts = VerdictBlock(block.row_index, block.digests.data, ids, outcomes, list(telling.numbers))
        return JudgedBlock(block, verdicts, keep)

    def _count_faulty(self, block: Block, tally: Tally, telling: _Telling, outcomes: array[int]) -> None:
        """Tells and counts the rows that no reader takes."""
        if not block.has_faulty:
            return
        level = Level.UNLOGGED.code
        is_wanted = True  # a sample: rows ascend, so that when one is not, none behind it is
        for start, run in block.starts():
            # Once for each reason, not for each row: whoever sends a file of blank lines sends very many.
            told = [
                Told(self._refused, ROW_REFUSED, level, _cut(f"{self._refused}: {each.reason}"))
                for each in run.batch.reasons
            ]
            numbers = [telling.number(each) for each in told]
            for at, reason, _ in run.batch.faults:
                outcomes[start + at] = numbers[reason]
                row_index = block.row_index + start + at
                if is_wanted := is_wanted and tally.wants(self._refused, ROW_REFUSED, row_index):
                    tally.keep(Sample(row_index, NOTHING, None, *told[reason]))
            for reason, rows in Counter(reason for _, reason, _ in run.batch.faults).items():
                tally.count_refused(self._refused, level, run.batch.reasons[reason].code, rows)

    def _choose(
        self,
        block: Block,
        tally: Tally,
        chosen: list[_Chosen],
        found: tuple[int, Told, RowVerdict, Batch, Claims],
    ) -> None:
        """Takes the ancestry of a row that is to be a sample, while it is at hand."""
        offset, told, verdict, batch, claims = found
        alike = sum(each.told[:2] == told[:2] for each in chosen)
        if alike < TALLY_SAMPLES_MAX and tally.wants(told.verdict, told.code, block.row_index + offset):
            chosen.append(_Chosen(offset, told, verdict.artifact_id, batch.sample(verdict, claims)))


def _firsts(numbers: array[int], wanted: Iterable[int]) -> Mapping[int, int]:
    """Where each number first occurs."""
    listed = list(wanted)
    if len(listed) <= _FEW:
        return {number: numbers.index(number) for number in listed}
    return {number: at for at, number in zip(range(len(numbers) - 1, -1, -1), reversed(numbers), strict=True)}


def _spread(numbers: array[int], known: Sequence[_Known]) -> tuple[array[int], bytes, bytes]:
    """Of each row the number of what is told, the artifact id, and whether it is kept."""
    count = len(numbers)
    if count and numbers.count(numbers[0]) == count:
        one = known[numbers[0]]
        return array("I", [one.told]) * count, one.artifact_id * count, bytes([one.is_admitted]) * count
    told, ids, keep = zip(*known, strict=True)
    return (
        array("I", map(told.__getitem__, numbers)),
        b"".join(map(ids.__getitem__, numbers)),
        bytes(map(keep.__getitem__, numbers)),
    )


def _told(verdict: RowVerdict) -> Told:
    return Told(verdict.verdict.label, str(verdict.code), verdict.level.code, _cut(verdict.why))


def _cut(words: str) -> str:
    """Words as the verdict file takes them: whoever wrote what is quoted in them does not say how long they are."""
    data = words.encode("utf-8", "backslashreplace")
    if len(data) > VERDICT_WHY_BYTES_MAX:
        data = data[: VERDICT_WHY_BYTES_MAX - len(_MORE)] + _MORE
    return data.decode("utf-8", "ignore")


def _keep_samples(block: Block, tally: Tally, chosen: list[_Chosen]) -> None:
    """Reads how the chosen rows begin, and keeps them."""
    for start, run in block.starts():
        stop = start + run.batch.row_count
        here = [each for each in chosen if start <= each.offset < stop]
        texts = run.contents([each.offset - start for each in here], _TEXT_BYTES) if here else {}
        for each in here:
            text = texts.get(each.offset - start, b"").decode("utf-8", "replace")
            digest = block.digests[each.offset]
            told, (nodes, left, decides) = each.told, each.sampled
            row_index = block.row_index + each.offset
            tally.keep(Sample(row_index, digest, each.artifact_id, *told, text, nodes, left, decides))
