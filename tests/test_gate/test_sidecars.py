"""Sidecars that are not what they should be: nothing is admitted that was not proved, and nothing said against a row is hidden (SPEC §10.7, §12.6)."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.api.gate.result import GatedRow
from ledger.errors import LineageError, StoreFault
from ledger.statements.record import Record
from tests.test_gate.test_invariance import WAYS, home_of
from tests.test_gate.town import Row, Town, brief, trust_of

RANK = {"rejected": 0, "quarantined": 1, "admitted": 2}
REFUSED = ("rows-differ", "rows-missing", "rows-damaged")
HEAD = 24  # bytes before a sidecar's record
COUNT = 300  # rows: two groups


class Imports:
    """Imports: one of some of whose rows something is said, two against all of which something is, and one that is vouched for.

    Some texts of the first three are Anna's works, too, so that what hides a row of them lets it in.
    """

    def __init__(self, folder: Path) -> None:
        self.town = town = Town(folder)
        world = town.world
        self.anna, self.cara = world.enrol("anna"), world.enrol("cara")
        self.curator = world.enrol("curator", "curator")
        world.rules(world.operator(), curators=[self.curator])
        texts = [f"row {number}" for number in range(COUNT)]
        texts[1] = texts[290] = "twice"
        self.spoken = town.rows(self.anna, texts)
        world.notice(self.curator, "hold", [self.spoken.id, 280])
        world.attest(self.curator, *([self.spoken.id, row] for row in (1, 280, 2)), claim="origin")
        self.against = town.rows(self.anna, ["held one", *(f"held {number}" for number in range(COUNT))])
        world.notice(self.curator, "hold", [self.against.id])
        self.vouched = town.rows(self.anna, [f"vouched {number}" for number in range(COUNT)])
        world.attest(self.curator, [self.vouched.id], claim="origin")
        self.refuted = town.rows(self.anna, [f"denied {number}" for number in range(COUNT)])
        world.attest(self.curator, [self.refuted.id], claim="origin", result="refuted")
        self.both = ("row 280", "twice", "row 2", "held one", "held 77", "denied 77")
        for text in self.both:
            town.work(self.anna, text)
        self.records = {"spoken": self.spoken, "against": self.against, "vouched": self.vouched}
        self.records["refuted"] = self.refuted
        self.bytes = {name: town.sidecar(record).read_bytes() for name, record in self.records.items()}
        self.texts = [*self.both, "vouched 0", "vouched 299", "stranger", "row 7"]
        self.honest = self.judged()
        expected = dict.fromkeys(self.both, "quarantined held L1")
        expected |= {"twice": "quarantined not-vouched L1", "row 2": "admitted clear L2"}
        expected["denied 77"] = "quarantined refuted L1"
        expected |= {"vouched 0": "admitted clear L1", "vouched 299": "admitted clear L1"}
        expected |= {"stranger": "rejected unlogged L0", "row 7": "quarantined not-vouched L1"}
        assert [brief(row) for row in self.honest] == [expected[text] for text in self.texts]

    def judged(self) -> list[GatedRow]:
        return self.town.judged([Row(text).cells for text in self.texts])

    def restore(self) -> None:
        for name, record in self.records.items():
            self.path(record).write_bytes(self.bytes[name])

    def path(self, record: Record) -> Path:
        return self.town.sidecar(record)

    def regions(self, name: str) -> dict[str, tuple[int, int]]:
        """The parts of a sidecar, by their first byte and the first behind."""
        record = self.records[name]
        begin = HEAD + len(record.encoded)
        order = begin + 32 * record.row_count
        groups = order + 4 * record.row_count
        return {
            "head": (0, HEAD),
            "record": (HEAD, begin),
            "digests": (begin, order),
            "order": (order, groups),
            "groups": (groups, len(self.bytes[name])),
        }


@pytest.fixture(scope="module")
def imports(tmp_path_factory: pytest.TempPathFactory) -> Imports:
    return Imports(tmp_path_factory.mktemp("imports"))


def harmed(imports: Imports, data: st.DataObject) -> None:
    """One sidecar, changed somehow."""
    name = data.draw(st.sampled_from(sorted(imports.records)))
    held = bytearray(imports.bytes[name])
    what = data.draw(st.sampled_from(["byte", "byte", "swap", "cut", "gone", "another", "longer"]))
    path = imports.path(imports.records[name])
    start, stop = imports.regions(name)[
        data.draw(st.sampled_from(["digests", "digests", "order", "order", "record", "head", "groups"]))
    ]
    if what == "byte":
        held[data.draw(st.integers(start, stop - 1))] ^= data.draw(st.integers(1, 255))
    elif what == "swap":
        rows = data.draw(st.tuples(*[st.sampled_from([0, 1, 2, 280, 290, 299])] * 2))
        begin = imports.regions(name)["digests"][0]
        one, other = (slice(begin + 32 * row, begin + 32 * row + 32) for row in rows)
        held[one], held[other] = held[other], held[one]
    elif what == "cut":
        del held[data.draw(st.integers(0, len(held) - 1)) :]
    elif what == "longer":
        held += bytes(32)
    elif what == "another":
        held = bytearray(imports.bytes[data.draw(st.sampled_from(sorted(imports.records)))])
    path.write_bytes(held)
    if what == "gone":
        path.unlink()


def judged_or_refused(imports: Imports) -> list[GatedRow]:
    """The verdicts; none where the gate refuses to give any."""
    try:
        return imports.judged()
    except LineageError as error:
        if error.code not in REFUSED or not error.fix:
            raise
        return []


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), way=st.sampled_from([{}, *WAYS.values()]))
def test_what_was_changed_admits_nothing_and_hides_nothing(
    imports: Imports, data: st.DataObject, way: dict[str, int]
) -> None:
    imports.restore()
    harmed(imports, data)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in way.items():
            patch.setattr(home_of(name), name, value)
        rows = judged_or_refused(imports)
        imports.restore()
    for before, after in zip(imports.honest, rows, strict=bool(rows)):
        assert RANK[after.verdict] <= RANK[before.verdict], (before.row_index, after.why)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["spoken", "against", "refuted"])
@pytest.mark.parametrize("region", ["digests", "order"])
def test_every_row_spoken_of_is_found_whatever_hides_it(
    imports: Imports, name: str, region: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of a region is another: what the digests were changed in is refused, and an order is not asked."""
    for tuned, value in WAYS[way].items():
        monkeypatch.setattr(home_of(tuned), tuned, value)
    held = bytearray(imports.bytes[name])
    start, stop = imports.regions(name)[region]
    held[start:stop] = (
        bytes(255 - each for each in held[start:stop]) if region == "digests" else bytes(stop - start)
    )
    imports.path(imports.records[name]).write_bytes(held)
    try:
        if region == "digests":
            with pytest.raises(LineageError) as raised:
                imports.judged()
            assert raised.value.code == "rows-differ"
        else:
            assert [brief(row) for row in imports.judged()] == [brief(row) for row in imports.honest]
    finally:
        imports.restore()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["spoken", "against", "vouched"])
def test_a_sidecar_of_other_rows_is_refused(
    imports: Imports, name: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole and well made, but for the root that was signed."""
    for tuned, value in WAYS[way].items():
        monkeypatch.setattr(home_of(tuned), tuned, value)
    record = imports.records[name]
    imports.town.write_sidecar(record, ["stranger", *(f"other {row}" for row in range(1, record.row_count))])
    try:
        with pytest.raises(LineageError) as raised:
            imports.judged()
        assert raised.value.code == "rows-differ"
    finally:
        imports.restore()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("row", [0, 255, 256, 299])
def test_a_row_put_into_a_sidecar_is_not_believed(
    imports: Imports, row: int, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its order is right, and the groups' hashes are those that were signed: only its own group does not hash to them."""
    for tuned, value in WAYS[way].items():
        monkeypatch.setattr(home_of(tuned), tuned, value)
    record = imports.vouched
    texts = [f"vouched {number}" for number in range(record.row_count)]
    texts[row] = "stranger"
    path = imports.town.write_sidecar(record, texts)
    groups, _ = imports.regions("vouched")["groups"]
    path.write_bytes(path.read_bytes()[:groups] + imports.bytes["vouched"][groups:])
    rows = [Row(text).cells for text in (texts if way == "aligned" else ["stranger", "another"])]
    try:
        with pytest.raises(LineageError) as raised:
            imports.town.gate(rows)
        assert raised.value.code == "rows-differ"
    finally:
        imports.restore()


def test_a_missing_sidecar_of_an_accepted_maker_decides_nothing(imports: Imports) -> None:
    town, anna, cara = imports.town, imports.anna, imports.cara
    imports.path(imports.spoken).unlink()
    source = [Row(text).cells for text in imports.texts]
    output = town.folder / "verdicts.parquet"
    data = town.jsonl(imports.texts, "missing.jsonl")
    try:
        for trust in (None, trust_of(anna)):
            with pytest.raises(StoreFault) as raised:
                town.gate(source, trust=trust)
            assert raised.value.code == "rows-missing"
            with pytest.raises(StoreFault):
                town.gate(data, trust=trust, verdicts=output)
            assert not output.exists()
        rows = town.judged(source, trust=trust_of(cara))
        assert {row.verdict for row in rows} == {"rejected"}
        gated = town.gate(source, "inventory")
        assert any(imports.spoken.id.hex()[:16] in note for note in gated.notes)
        assert {row.verdict for row in gated.rows()} == {"undecided"}
    finally:
        imports.restore()
