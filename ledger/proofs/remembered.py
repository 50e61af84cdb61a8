"""Memory with a bound: what was verified once, as long as it is asked for again.

Two generations of a dictionary. What is asked for moves into the younger one; when that is full it becomes the elder, and
the former elder is forgotten. So a value lives on as long as it is used at least once a generation, and the cost of
forgetting does not depend on how much is kept.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Remembered(Generic[K, V]):
    """At most `limit` in each of two generations, by weight. A value that weighs more alone is kept until the next one."""

    __slots__ = ("_elder", "_limit", "_weight", "_younger")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._younger: dict[K, tuple[V, int]] = {}
        self._elder: dict[K, tuple[V, int]] = {}
        self._weight = 0

    def get(self, key: K) -> V | None:
        """The value put under `key`, unless it was forgotten."""
        found = self._younger.get(key)
        if found is None:
            found = self._elder.pop(key, None)
            if found is None:
                return None
            self.put(key, *found)
        return found[0]

    def put(self, key: K, value: V, weight: int = 1) -> None:
        """Keeps `value`, which is not None, in place of what was kept under `key`."""
        former = self._younger.get(key)
        if former is not None:
            self._weight -= former[1]
        elif self._weight + weight > self._limit:
            self._elder, self._younger, self._weight = self._younger, {}, 0
        self._younger[key] = value, weight
        self._weight += weight

    def __contains__(self, key: K) -> bool:
        """Whether `get` would find it; it does not count as being asked for."""
        return key in self._younger or key in self._elder

    def __len__(self) -> int:
        return len(self._younger) + len(self._elder)


class Segments:
    """Stretches of the log of which only the last entry is a `state`, at most `limit` of them; their last entries ascend."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._starts: list[int] = []
        self._closings: list[int] = []

    def closing_of(self, log_index: int) -> int | None:
        """The last entry of the stretch that holds an index; None if that is not known."""
        place = bisect_left(self._closings, log_index)
        if place < len(self._closings) and self._starts[place] <= log_index:
            return self._closings[place]
        return None

    def add(self, start: int, closing: int) -> None:
        """That no state stands from `start` on before the one at `closing`."""
        place = bisect_left(self._closings, closing)
        if self._closings[place : place + 1] == [closing]:
            self._starts[place] = min(start, self._starts[place])
            return
        if len(self._closings) >= self._limit:
            self._starts, self._closings, place = [], [], 0
        self._starts.insert(place, start)
        self._closings.insert(place, closing)
