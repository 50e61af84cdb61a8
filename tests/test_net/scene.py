"""A log whose bytes are always the same, shown to witnesses."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

from ledger.log.view import LogView, open_view
from ledger.net.witness import Submission
from ledger.proofs.checkpoint import Checkpoint
from tests.world import World

PEOPLE = ("anna", "ben", "cara", "dora", "eva", "finn", "gina", "hugo")


@dataclass
class Shown:
    """A log checkpoint, and how it is submitted."""

    world: World
    view: LogView
    submission: Submission
    opened: ExitStack

    @property
    def checkpoint(self) -> Checkpoint:
        return self.view.checkpoint

    @property
    def text(self) -> str:
        return self.checkpoint.body()


def shown(people: int, *others: str) -> Shown:
    """Of a log in which so many people are enrolled, and then others."""
    world = World()
    for name in (*PEOPLE[:people], *others):
        world.enrol(name)
    opened = ExitStack()  # a snapshot of memory, which ends with what is shown
    view = opened.enter_context(open_view(world.store, world.vkey))
    submission = Submission(view.note.decode(), view.checkpoint.size, view.consistency_path)
    return Shown(world, view, submission, opened)


def size_of(people: int) -> int:
    """How many entries that log has: two to begin with, two more for each."""
    return 2 + 2 * people
