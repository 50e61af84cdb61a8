"""Machine text that would pass for people's, and others' words that would pass for one's own, through the gate (SPEC §12.2, §12.3)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from ledger.errors import LineageError
from ledger.statements.record import Parent, Record
from tests.test_gate.stories import Cast
from tests.test_gate.town import TOOL_FACTS, Row, Town, brief
from tests.world import Actor

IN: Final = "admitted clear L2"


class Makers:
    """Who makes what, by a few words each."""

    anna: Actor
    ben: Actor
    cara: Actor
    pair: Actor
    tool: Actor
    curator: Actor

    def __init__(self, cast: Cast) -> None:
        self.cast, self.town = cast, cast.town
        self.town.reopen()
        for name, actor in cast.actors.items():
            setattr(self, name, actor)
        self._texts = 0

    def text(self) -> str:
        self._texts += 1
        return f"text {self._texts}"

    def output(self, text: str = "") -> Record:
        """A pair's, all of it the machine's."""
        parent = Parent("generated-by", self.cast.model.id)
        return self.town.sign(self.pair, text or self.text(), "output", parent, machine=1_000_000)

    def work(self, *parents: Parent, by: str = "anna", **fields: Any) -> str:
        text = self.text()
        self.town.sign(self.cast.actors[by], text, "work", *parents, **fields)
        return text

    def derived(self, *parents: Record, by: str = "anna", text: str = "") -> tuple[str, Record]:
        text = text or self.text()
        over = [Parent("derived-from", parent.id) for parent in parents]
        return text, self.town.sign(self.cast.actors[by], text, "derived", *over, facts=TOOL_FACTS)

    def vouched(self, record: Record, *row: int) -> None:
        self.town.world.attest(self.curator, [record.id, *row], claim="content")


def part(rel: str, record: Record, ppm: int | None = None, row: int | None = None) -> Parent:
    return Parent(rel, record.id, ppm, None, row)


def nine_tenths(m: Makers) -> str:
    return m.work(part("derived-from", m.output(), 900_000), human=100_000)


def nine_tenths_quoted(m: Makers) -> str:
    return m.work(part("quotes", m.output(), 900_000), human=100_000)


def nine_tenths_unstated(m: Makers) -> str:
    """Nothing is said of the shares, and the output may have all of it."""
    return m.work(part("quotes", m.output()))


def nine_tenths_of_many(m: Makers) -> str:
    return m.work(*(part("quotes", m.output(), 100_000) for _ in range(9)), human=100_000)


def quoted_through_a_work(m: Makers) -> str:
    """A work that is mostly output cannot be quoted as people's."""
    text = m.text()
    inner = m.town.sign(m.anna, text, "work", part("quotes", m.output(), 900_000), human=100_000)
    return m.work(part("quotes", inner, 900_000), human=100_000)


def quoted_through_a_derived(m: Makers) -> str:
    _, inner = m.derived(m.output())
    return m.work(part("quotes", inner, 900_000), human=100_000)


def output_behind_a_tool(m: Makers) -> str:
    return m.derived(m.output(), by="tool")[0]


def output_behind_two_tools(m: Makers) -> str:
    return m.derived(m.derived(m.output())[1])[0]


def silent_pair(m: Makers) -> str:
    return m.work(by="pair")


def silent_pair_over_own(m: Makers) -> str:
    """What a pair left unstated is not its anchor's, whatever it works on."""
    base = m.town.work(m.anna, m.text())
    return m.work(part("derived-from", base), by="pair")


def stranger_derives(m: Makers) -> str:
    return m.derived(m.town.work(m.anna, m.text()), by="ben")[0]


def stranger_derives_from_both(m: Makers) -> str:
    """One parent is his own."""
    return m.derived(m.town.work(m.anna, m.text()), m.town.work(m.ben, m.text()), by="ben")[0]


def stranger_derives_in_two_steps(m: Makers) -> str:
    _, inner = m.derived(m.town.work(m.anna, m.text()), by="ben")
    return m.derived(inner, by="ben")[0]


def reported_row_claimed(m: Makers) -> str:
    text = m.text()
    m.town.rows(m.anna, [m.text(), text])
    m.town.work(m.cara, text)
    return text


def reported_work_claimed(m: Makers) -> str:
    text = m.text()
    m.town.sign(m.anna, text, stance="reported")
    m.town.work(m.cara, text)
    return text


def held_row_as_parent(m: Makers) -> str:
    rows = m.town.rows(m.anna, [m.text(), m.text()])
    m.vouched(rows, 0)
    m.vouched(rows, 1)
    m.town.world.notice(m.curator, "hold", [rows.id, 1])
    return m.work(part("derived-from", rows, 400_000, 1), human=600_000)


def row_beside_a_held_one_as_parent(m: Makers) -> str:
    rows = m.town.rows(m.anna, [m.text(), m.text()])
    m.vouched(rows, 0)
    m.town.world.notice(m.curator, "hold", [rows.id, 1])
    return m.work(part("derived-from", rows, 400_000, 0), human=600_000)


def held_row_two_steps_above(m: Makers) -> str:
    rows = m.town.rows(m.anna, [m.text()])
    m.vouched(rows, 0)
    m.town.world.notice(m.curator, "hold", [rows.id, 0])
    base = m.town.work(m.anna, m.text(), part("derived-from", rows, 400_000, 0), human=600_000)
    return m.work(part("derived-from", base, 400_000), human=600_000)


def foreign_parent(m: Makers) -> str:
    return m.work(
        Parent("derived-from", bytes([7]) * 32, 100_000, b"another log's" + bytes(19)), human=900_000
    )


def foreign_quoted(m: Makers) -> str:
    """Nobody knows what it is, so its share is nobody's."""
    return m.work(Parent("quotes", bytes([7]) * 32, 900_000, b"another log's" + bytes(19)), human=100_000)


def old_claim_replaced(m: Makers) -> str:
    """An output that its maker would rather have been a work."""
    text = m.text()
    older = m.output(text)
    m.town.sign(m.pair, text, "work", part("supersedes", older), human=1_000_000)
    return text


CASES: Final[dict[Callable[[Makers], str], tuple[str, str]]] = {
    # under `balanced`, self-trusted; and under a trust file that names Anna, Ben and the tool
    nine_tenths: ("rejected kind-not-admitted L2", ""),
    nine_tenths_quoted: ("rejected human-share-too-small L2", ""),
    nine_tenths_unstated: ("rejected shares-unstated L2", ""),
    nine_tenths_of_many: ("rejected human-share-too-small L2", ""),
    quoted_through_a_work: ("rejected human-share-too-small L2", ""),
    quoted_through_a_derived: ("rejected human-share-too-small L2", ""),
    output_behind_a_tool: ("rejected derived-by-stranger L1", "rejected kind-not-admitted L1"),
    output_behind_two_tools: ("rejected kind-not-admitted L2", ""),
    silent_pair: ("rejected shares-unstated L2", ""),
    silent_pair_over_own: ("rejected shares-unstated L2", ""),
    stranger_derives: ("rejected derived-by-stranger L2", ""),
    stranger_derives_from_both: ("rejected derived-by-stranger L2", ""),
    stranger_derives_in_two_steps: ("rejected derived-by-stranger L2", ""),
    reported_row_claimed: ("quarantined not-vouched L1", ""),
    reported_work_claimed: ("quarantined not-vouched L1", ""),
    held_row_as_parent: ("quarantined held L2", ""),
    row_beside_a_held_one_as_parent: (IN, ""),
    held_row_two_steps_above: ("quarantined held L2", ""),
    foreign_parent: ("rejected foreign L2", ""),
    foreign_quoted: ("rejected human-share-too-small L2", ""),
    old_claim_replaced: ("rejected kind-not-admitted L2", ""),
}


@pytest.fixture(scope="module")
def laundry(tmp_path_factory: pytest.TempPathFactory) -> tuple[Town, Cast, dict[str, str]]:
    """All cases in one log, each with texts of its own."""
    cast = Cast.enrol(tmp_path_factory.mktemp("laundry") / "town")
    makers = Makers(cast)
    texts = {}
    for case in CASES:
        try:
            texts[case.__name__] = case(makers)
        except LineageError as error:
            raise AssertionError(case.__name__) from error
    return cast.town, cast, texts


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_it_is_not_let_in(laundry: tuple[Town, Cast, dict[str, str]], case: Callable[..., str]) -> None:
    town, cast, texts = laundry
    own, named = CASES[case]
    row = Row(texts[case.__name__]).cells
    assert [brief(each) for each in town.judged([row])] == [own]
    assert [brief(each) for each in town.judged([row], trust=cast.trust())] == [named or own]


def test_an_erased_parent_lets_nothing_in(tmp_path: Path) -> None:
    """A week after its notice the record goes, and with it all that its children descend from."""
    cast = Cast.enrol(tmp_path / "town")
    makers, town = Makers(cast), cast.town
    parent = town.work(makers.anna, makers.text())
    used = makers.work(part("derived-from", parent, 100_000), human=900_000)
    quoted = makers.work(part("quotes", parent, 900_000), human=100_000)
    derived, _ = makers.derived(parent)
    rows = [Row(text).cells for text in (used, quoted, derived)]
    assert [brief(each) for each in town.judged(rows)] == [IN] * 3
    world = town.reopen()
    world.notice(makers.anna, "erase", [parent.id])
    retracted = "quarantined retracted-by-maker L2"
    found = [brief(each) for each in town.judged(rows)]
    assert found == [retracted, "quarantined human-share-too-small L2", retracted]
    world = town.reopen()
    world.time_ms += 8 * 86_400_000
    world.writer.tick()
    town.erase(parent)
    # whose it was that a `derived` was made of is not known any more either
    assert [brief(each) for each in town.judged(rows)] == [
        "rejected erased L2",
        "rejected human-share-too-small L2",
        "rejected derived-by-stranger L2",
    ]
