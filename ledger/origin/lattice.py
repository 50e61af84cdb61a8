"""What later words do to an artifact and to what descends from it, as a lattice with one right answer (SPEC §12.3).

    released > conditional > quarantined > retracted > unknown

The meet is the lesser. Of an artifact v with the parents p over the relations r,

    status(v) = own(v)    ∧ ⋀ f_r(passed(p))        what v is
    passed(v) = passed'(v) ∧ ⋀ f_r(passed(p))       what v hands on

own(v) follows from what is said of v itself; passed'(v) is own(v), except that a maker's own retraction retracts v and is
handed on as conditional. Each f_r is monotone, so there is one greatest fixpoint, and as an ancestry has no circle it
is reached by one pass, parents first, whatever the order among them.

Unknown is the least: what is not proved to be released might be anything, so less proof never makes better.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from ledger.errors import Undecided


class Standing(IntEnum):
    """The lattice; `min` is the meet."""

    UNKNOWN = 0
    RETRACTED = 1
    QUARANTINED = 2
    CONDITIONAL = 3
    RELEASED = 4

    @property
    def label(self) -> str:
        """As printed."""
        return self.name.lower()


class Verdict(IntEnum):
    """What becomes of a row; `min` is the meet. UNDECIDED is no decision: a policy that decides nothing gives it to all."""

    UNDECIDED = -1
    REJECTED = 0
    QUARANTINED = 1
    ADMITTED = 2

    @property
    def label(self) -> str:
        """As printed."""
        return self.name.lower()

    @property
    def manifest_code(self) -> int:
        """As a manifest has it (SPEC §4.2): 0 admitted, 1 quarantined, 2 rejected. Raises Undecided where there is none."""
        if self is Verdict.UNDECIDED:
            raise Undecided(
                "undecided",
                "manifest",
                "the policy decides nothing, and a manifest says what was decided",
                "Gate by another policy.",
            )
        return int(Verdict.ADMITTED - self)


PROPAGATING: Final = frozenset({"derived-from", "distilled-from", "generated-by", "trained-on"})
CAPPED: Final = "trained-on"  # what it hands on is conditional at best


def passed_over(relation: str, standing: Standing) -> Standing:
    """What a parent of that standing hands on over a relation: f_r of SPEC §12.3."""
    if relation not in PROPAGATING:
        return Standing.RELEASED
    if relation == CAPPED:
        return min(standing, Standing.CONDITIONAL)
    return standing


def verdict_on(standing: Standing, conditional: Verdict) -> Verdict:
    """What a standing comes to where the policy says what `conditional` does."""
    if standing is Standing.RELEASED:
        return Verdict.ADMITTED
    if standing is Standing.CONDITIONAL:
        return conditional
    return Verdict.QUARANTINED if standing is Standing.QUARANTINED else Verdict.REJECTED
