"""Why a row is not admitted: a closed list of codes, in the order in which they are told (SPEC §12.3).

Of the reasons that bring about a verdict one is told: the nearest to the row, and of equally near ones the first of this
list. A derivation is that reason in words, and the relations through which it reaches the row.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

_ID_DIGITS: Final = 8
_RELATIONS_TOLD: Final = 6  # groups of equal relations on a path; the rest is counted


class Code(StrEnum):
    """The codes; SPEC §12.3 says what each means."""

    CLEAR = "clear"
    # What of the artifact can be proved, and what its maker and the curators say of it.
    UNLOGGED = "unlogged"
    UNPROVED = "unproved"
    FOREIGN = "foreign"
    ERASED = "erased"
    FAULTY = "faulty"
    WITHHELD = "withheld"
    DISOWNED = "disowned"
    RETRACTED_BY_CURATOR = "retracted-by-curator"
    RETRACTED_BY_MAKER = "retracted-by-maker"
    HELD = "held"
    CONTESTED = "contested"
    DISPUTED = "disputed"
    REFUTED = "refuted"
    ROW_NOTICED = "row-noticed"
    TRAINED_ON = "trained-on"
    # What the policy asks for.
    MAKER_NOT_ACCEPTED = "maker-not-accepted"
    GRADE_TOO_LOW = "grade-too-low"
    KIND_NOT_ADMITTED = "kind-not-admitted"
    DERIVED_BY_STRANGER = "derived-by-stranger"
    LEVEL_TOO_LOW = "level-too-low"
    SHARES_UNSTATED = "shares-unstated"
    HUMAN_SHARE_TOO_SMALL = "human-share-too-small"
    LICENSE_NOT_ALLOWED = "license-not-allowed"
    LICENSE_UNSTATED = "license-unstated"
    TRAIN_DENIED = "train-denied"
    TRAIN_CONSTRAINED = "train-constrained"
    TRAIN_UNSTATED = "train-unstated"
    SOURCE_NOT_ALLOWED = "source-not-allowed"
    SOURCE_UNSTATED = "source-unstated"
    NOT_VOUCHED = "not-vouched"
    TOO_FEW_ATTESTATIONS = "too-few-attestations"
    TOO_YOUNG = "too-young"


ORDER: Final = {code: place for place, code in enumerate(Code)}


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason, at one artifact or `row` of it. `says` goes on behind "it", "its parent 4f2a…": "is held since …"."""

    code: Code
    id: bytes
    row: int | None
    says: str


@dataclass(frozen=True, slots=True)
class Step:
    """One edge of a witness path: over `rel` to the artifact `id`, or to a `row` of it."""

    rel: str
    id: bytes
    row: int | None


def derive(verdict: str, finding: Finding | None, through: Through) -> str:
    """The derivation in words. `through`: the relations from where the reason was found to the row."""
    if finding is None:
        return f"{verdict}: nothing stands against it"
    if not through.steps:
        return f"{verdict}: it {finding.says}"
    kin = "parent" if through.steps == 1 else "ancestor"
    row = "" if finding.row is None else f"row {finding.row:,} of "
    return f"{verdict}: {row}its {kin} {short(finding.id)} {finding.says}; reaches it through {through}"


class Through(NamedTuple):
    """The relations of a path from its far end on, equal ones counted; so many as are told, and how many steps it has."""

    steps: int = 0
    runs: tuple[tuple[str, int], ...] = ()

    def extended(self, relation: str) -> Through:
        """One step nearer to the row."""
        runs = self.runs
        if runs and runs[-1][0] == relation and sum(count for _, count in runs) == self.steps:
            runs = (*runs[:-1], (relation, runs[-1][1] + 1))
        elif len(runs) < _RELATIONS_TOLD and sum(count for _, count in runs) == self.steps:
            runs = (*runs, (relation, 1))
        return Through(self.steps + 1, runs)

    def __str__(self) -> str:
        told = [relation if count == 1 else f"{relation} {count:,} times" for relation, count in self.runs]
        left = self.steps - sum(count for _, count in self.runs)
        if left:
            told.append(f"{left:,} steps more")
        return ", ".join(told)


def short(identifier: bytes) -> str:
    """The first digits of an id."""
    return f"{identifier.hex()[:_ID_DIGITS]}\u2026"


def duration(time_ms: int) -> str:
    """A length of time in its two greatest units."""
    seconds = max(time_ms, 0) // 1_000
    parts = []
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count:,} {unit}")
    return " ".join(parts[:2]) or "0 s"


def percent(share_ppm: int) -> str:
    """A share as a percentage, without zeros at the end."""
    whole, part = divmod(share_ppm, 10_000)
    return f"{whole}{'.' if part else ''}{f'{part:04}'.rstrip('0')} %"
