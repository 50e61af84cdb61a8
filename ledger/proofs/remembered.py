"""Memory with a bound: what was verified once, as long as it is asked for again.

Two generations of a dictionary. What is asked for moves into the younger one; when that is full it becomes the elder, and
the former elder is forgotten. So a value lives on as long as it is used at least once a generation, and the cost of
forgetting does not depend on how much is kept.
"""

from __future__ import annotations

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

    def __len__(self) -> int:
        return len(self._younger) + len(self._elder)
