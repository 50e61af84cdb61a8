"""The collector of cycles is kept away from a trace, and neither cheated of the cycles of others nor of what they froze."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from ledger.api.gate import collector
from ledger.api.gate.collector import MANY, uncollected


@pytest.fixture(autouse=True)
def _as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(collector._Walk, "handed_over", 0)
    gc.collect()
    yield
    gc.unfreeze()
    gc.enable()


class _Knot:
    """One that holds itself."""

    def __init__(self) -> None:
        self.itself = self


def _walked(made: list[object]) -> int:
    """How often the collector came, by the time that many objects were made within and some behind."""
    came: list[str] = []
    gc.callbacks.append(lambda phase, _info: came.append(phase))
    try:
        with uncollected(made):
            made += [[number] for number in range(MANY)]
            assert not gc.isenabled()
        assert gc.isenabled()
        kept = [[number] for number in range(gc.get_threshold()[0] // 2)]
    finally:
        gc.callbacks.pop()
    del kept
    return came.count("start")


def test_what_was_made_is_not_walked() -> None:
    assert _walked([]) == 0


def test_few_are_left_to_the_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collector, "MANY", 10 * MANY)
    assert _walked([]) == 1


def test_what_somebody_froze_stays_frozen() -> None:
    gc.freeze()
    frozen = gc.get_freeze_count()
    _walked([])
    assert gc.get_freeze_count() > frozen // 2
    gc.unfreeze()
    _walked([])
    assert gc.get_freeze_count() == 0


def test_the_cycles_of_others_are_freed_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Handed over as old again and again, they would never be looked at."""
    monkeypatch.setattr(collector, "BETWEEN_COLLECTIONS", 3 * MANY)
    knots = []
    for _ in range(3):
        knots.append(weakref.ref(_Knot()))
        with uncollected(range(MANY)):
            pass
    assert [knot() for knot in knots] == [None] * 3


def test_who_does_without_the_collector_is_left_alone() -> None:
    gc.disable()
    knot = weakref.ref(_Knot())
    with uncollected(range(collector.BETWEEN_COLLECTIONS)):
        pass
    assert not gc.isenabled()
    assert knot() is not None


@pytest.mark.parametrize("is_on", [True, False])
def test_the_collector_is_left_as_it_was_whatever_happens(is_on: bool) -> None:
    def failing() -> None:
        with uncollected([]):
            seen.append(gc.isenabled())
            raise KeyError

    seen: list[bool] = []
    (gc.enable if is_on else gc.disable)()
    with pytest.raises(KeyError):
        failing()
    assert (gc.isenabled(), seen) == (is_on, [False])
