"""Random small logs and datasets for properties of a gate: few people, few texts, so that claims meet. For tests only."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from hypothesis import strategies as st

from ledger.datasets.rows import content_of
from ledger.errors import RefusedInput
from ledger.statements.entry import Entry
from ledger.statements.record import Parent, Record, make_record, sealed_content, sealed_size
from tests import reference
from tests.test_gate.town import MODEL_FACTS, TEXT, TOOL_FACTS, Town, digest
from tests.world import Actor

SALTS: Final = (b"s" * 32, b"t" * 32)
VALUES: Final = (
    "one",
    "two",
    "three",
    '{"n":1}',
    {"n": 1},
    "7",
    7,
    "four",
)  # the same bytes in two forms, twice
PEOPLE: Final = ("anna", "anna", "ben", "cara", "pair", "tool")
VOICES: Final = ("curator", "curator", "listed", "ben", "anna")


class Step(NamedTuple):
    """What somebody does: signs a record over values, or says something of an earlier record, or a row of it."""

    what: str
    by: str
    values: tuple[Any, ...] = (VALUES[0],)
    back: int = 0  # of which earlier record, counted from the last
    row: int | None = None
    salt: bytes = SALTS[0]


def acts(*what: str, by: Sequence[str], cells: st.SearchStrategy[tuple[Any, ...]] | None = None) -> Any:
    return st.builds(
        Step,
        st.sampled_from(what),
        st.sampled_from(by),
        st.just(()) if cells is None else cells,
        st.integers(0, 5),
        st.sampled_from([None, 0, 0, 1, 2, 3]),
        st.sampled_from(SALTS),
    )


values = st.sampled_from(range(len(VALUES))).map(lambda at: VALUES[at])
signings = acts(
    *("work", "work", "work", "reported", "sealed", "output", "derived", "child", "quoting", "newer"),
    by=PEOPLE,
    cells=values.map(lambda value: (value,)),
)
imports = acts(
    "rows", "rows", "own rows", by=PEOPLE, cells=st.lists(values, min_size=1, max_size=7).map(tuple)
)
sayings = acts("hold", "hold", "retract", "dispute", *["attest"] * 3, "refute", by=VOICES)
steps = st.lists(signings | imports | imports | sayings | sayings, min_size=1, max_size=10)
rows = st.lists(
    st.tuples(values | st.sampled_from([None, ""]), st.sampled_from([None, None, *SALTS])),
    min_size=1,
    max_size=12,
)


@dataclass(repr=False)
class Cast:
    """People of a town, and what they signed so far."""

    town: Town
    actors: dict[str, Actor]
    model: Record
    records: list[Record] = field(default_factory=list)
    lanes: int = 0

    def __repr__(self) -> str:
        return "Cast"

    @classmethod
    def enrol(cls, folder: Path) -> Cast:
        town = Town(folder)
        world = town.world
        actors = {name: world.enrol(name) for name in ("anna", "ben", "cara")}
        actors["tool"] = world.enrol("tool", "machine")
        actors |= {name: world.enrol(name, "curator") for name in ("curator", "listed")}
        actors["pair"] = world.pair(actors["anna"], "pair", {"human": 1_000_000})
        world.rules(world.operator(), curators=[actors["curator"], actors["listed"]])
        model = town.sign(actors["anna"], "weights", "model", facts=MODEL_FACTS)
        return cls(town, actors, model)

    def copy(self, folder: Path) -> Cast:
        """The same town once more, to go on otherwise."""
        self.town.close()
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.town.folder, folder)
        twin = copy.copy(self.town)
        twin.folder, twin.path, twin.config = folder, folder / "ledger", folder / "keys"
        twin.world = copy.copy(self.town.world)
        return Cast(twin, copy.deepcopy(self.actors), self.model, list(self.records), self.lanes)

    def trust(self) -> bytes:
        """Some of them are named."""
        makers = ", ".join(repr(self.actors[name].id.hex()) for name in ("anna", "ben"))
        curator, tool = (self.actors[name].id.hex() for name in ("curator", "tool"))
        return f"makers = [{makers}]\ncurators = ['{curator}']\ntools = ['{tool}']\n".encode()

    def play(self, story: Sequence[Step]) -> None:
        """All of it in one commit; what the log refuses did not happen: each statement has a lane of its own."""
        submissions = []
        for step in story:
            with suppress(RefusedInput):  # no such record is legal
                entry, data = self.act(step)
                if entry is not None:
                    submissions.append((entry, data))
        world = self.town.reopen()
        try:
            world.append(*submissions)
        finally:
            self.town.close()

    def lane(self) -> bytes:
        self.lanes += 1
        return b"step%012d" % self.lanes

    def act(self, step: Step) -> tuple[Entry | None, list[bytes]]:
        actor = self.actors[step.by]
        earlier = self.records[-1 - step.back % len(self.records)] if self.records else None
        if step.what in ("hold", "retract", "dispute", "attest", "refute"):
            return (None if earlier is None else self.say(step, actor, earlier)), []
        record = self.sign(step, actor, earlier)
        self.records.append(record)
        return actor.artifacts([record], self.lane())

    def say(self, step: Step, actor: Actor, about: Record) -> Entry | None:
        is_rows = about.form == "rows"
        subject: list[Any] = [about.id]
        if is_rows and step.row is not None:
            subject.append(step.row % about.row_count)
        if step.what in ("attest", "refute"):
            result = "confirmed" if step.what == "attest" else "refuted"
            body = {"subjects": [subject], "claim": "content", "result": result}
            return actor.say("attest", body, self.lane())
        is_own = about.fields["maker"] == actor.id
        if actor.role != "curator" and not (is_own and step.what == "retract"):
            return None
        return actor.say("notice", {"subjects": [subject], "act": step.what}, self.lane())

    def sign(self, step: Step, actor: Actor, earlier: Record | None) -> Record:
        """A record; raises RefusedInput where none would be legal."""
        contents = [content_of(value) for value in step.values]
        content, form = contents[0]
        hashed = digest(content)
        said: dict[str, Any] = {
            "kind": "work",
            "form": form,
            "media": "text/plain",
            "size_bytes": len(content),
        }
        parents: list[Parent] = []
        if step.what in ("rows", "own rows"):
            hashed = reference.mth([digest(each) for each, _ in contents])
            said |= {"kind": "dataset", "form": "rows", "size_bytes": sum(len(each) for each, _ in contents)}
            said["facts"] = {"count": len(contents), "column": TEXT}
            said["stance"] = "made" if step.what == "own rows" else "reported"
        elif step.what == "reported":
            said["stance"] = "reported"
        elif step.what == "output":
            said["kind"] = "output"
            parents.append(Parent("generated-by", self.model.id))
        elif step.what == "derived" and earlier is not None:
            said |= {"kind": "derived", "facts": TOOL_FACTS}
            parents.append(self.parent("derived-from", step, earlier, None))
        else:
            said["human"] = 1_000_000
        if step.what == "sealed":
            hashed = sealed_content(actor.id, step.salt, content)
            said |= {"form": "sealed", "media": None, "size_bytes": sealed_size(len(content))}
        if step.what in ("child", "quoting") and earlier is not None:
            said["human"] = 600_000
            rel = "derived-from" if step.what == "child" else "quotes"
            parents.append(self.parent(rel, step, earlier, 400_000))
        if step.what == "newer" and earlier is not None:
            said["human"] = 900_000
            parents.append(Parent("supersedes", earlier.id))
        record = make_record(maker=actor.id, content=hashed, parents=parents, **said)
        if record.form == "rows":
            path = self.town.sidecar(record)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(reference.sidecar(record.encoded, [digest(each) for each, _ in contents]))
        return record

    @staticmethod
    def parent(rel: str, step: Step, earlier: Record, ppm: int | None) -> Parent:
        row = step.row % earlier.row_count if earlier.form == "rows" and step.row is not None else None
        return Parent(rel, earlier.id, ppm, None, row)
