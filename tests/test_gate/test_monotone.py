"""More against a row, or less proof of it, never lets it in: over its own ancestry, through the gate's whole path (SPEC §12.3)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.api.access import Access
from ledger.api.gate.result import GatedRow
from ledger.errors import ProofInvalid, Undecided
from ledger.log.view import LogView
from ledger.origin.policy import Policy
from tests.dishonest import Lie, liar
from tests.test_gate import stories
from tests.test_gate.stories import Cast, Step
from tests.test_gate.test_naive import BALANCED
from tests.test_gate.test_truth import made_up, told
from tests.test_gate.town import TEXT, WITNESSES, brief
from tests.test_gate.truths import Scene, build
from tests.test_origin.strategies import policies
from tests.test_proofs.witnesses import Cosigner

RANK = {"rejected": 0, "quarantined": 1, "admitted": 2}
RANDOM = settings(
    max_examples=500 if os.environ.get("LINEAGE_LONG") else 50,
    suppress_health_check=list(HealthCheck),
    deadline=None,
    report_multiple_bugs=False,
    derandomize=not os.environ.get("LINEAGE_LONG"),
)

signings = stories.acts(
    *("work", "work", "reported", "output", "derived", "child", "child", "quoting", "rows"), by=stories.PEOPLE
)
confirming = stories.acts("attest", by=stories.VOICES)
refuting = stories.acts("hold", "retract", "dispute", "refute", by=("curator", "listed"))
steps = st.lists(signings | signings | signings | confirming | refuting, min_size=2, max_size=8)
harms = (
    st.lists(refuting | stories.acts("retract", by=("anna", "ben")), min_size=1, max_size=2)
    | st.lists(stories.acts("contest", "cut", by=("cara", "pair", "tool")), min_size=1, max_size=1)
    | st.lists(stories.acts("withhold", by=("anna",)), min_size=1, max_size=2)
)


@pytest.fixture(scope="module")
def cast(tmp_path_factory: pytest.TempPathFactory) -> Cast:
    return Cast.enrol(tmp_path_factory.mktemp("monotone") / "town")


def with_texts(story: Sequence[Step], name: str = "text") -> list[Step]:
    """The same, every text another one: no row has rival claims."""
    return [
        step._replace(values=tuple(f"{name} {at} {row}" for row in range(3))) for at, step in enumerate(story)
    ]


def rows_of(story: Sequence[Step]) -> list[dict[str, str]]:
    return [
        {TEXT: value} for step in story for value in (step.values if step.what == "rows" else step.values[:1])
    ]


def judged(cast: Cast, story: Sequence[Step], policy: Policy, *, is_named: bool) -> list[GatedRow]:
    return cast.town.judged(rows_of(story), policy, cast.trust() if is_named else None)


def harm(cast: Cast, step: Step) -> None:
    """A fork, a cut of keys, or a record that is held back."""
    world, actor = cast.town.reopen(), cast.actors[step.by]
    if step.what == "contest":
        cast.town.contest(actor, cast.actors["ben"])
    elif step.what == "cut":
        world.change(actor, cuts=[(actor.public_key, 1)])
    elif cast.records:
        cast.town.erase(cast.records[-1 - step.back % len(cast.records)])
    cast.town.close()


def no_better(before: Sequence[GatedRow], after: Sequence[GatedRow]) -> None:
    for one, other in zip(before, after, strict=True):
        assert one.digest == other.digest
        assert RANK[other.verdict] <= RANK[one.verdict], (one.why, other.why)
        assert other.level <= one.level, (one.why, other.why)


@RANDOM
@given(story=steps, more=harms, policy=st.just(BALANCED) | policies(), is_named=st.booleans())
def test_what_stands_against_it_never_lets_it_in(
    cast: Cast, story: list[Step], more: list[Step], policy: Policy, is_named: bool
) -> None:
    story = with_texts(story)
    played = cast.copy(cast.town.folder.with_name("harmed"))
    played.play(story)
    before = judged(played, story, policy, is_named=is_named)
    for step in more:
        if step.what in ("contest", "cut", "withhold"):
            harm(played, step)
        else:
            played.play([step])
    no_better(before, judged(played, story, policy, is_named=is_named))


@RANDOM
@given(
    story=steps,
    more=st.lists(confirming, min_size=1, max_size=2),
    policy=st.just(BALANCED) | policies(),
    is_named=st.booleans(),
)
def test_without_an_attestation_it_is_no_better(
    cast: Cast, story: list[Step], more: list[Step], policy: Policy, is_named: bool
) -> None:
    story = with_texts(story)
    played = cast.copy(cast.town.folder.with_name("attested"))
    played.play(story)
    without = judged(played, story, policy, is_named=is_named)
    played.play(more)
    no_better(judged(played, story, policy, is_named=is_named), without)


# --- a log that answers otherwise than it should -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return build(tmp_path_factory.mktemp("town"), made_up())


@contextmanager
def lying(**lies: Lie) -> Iterator[None]:
    """Every view of a log that is opened meanwhile tells these lies."""
    real = Access.view

    @contextmanager
    def view(self: Access) -> Iterator[LogView]:
        with real(self) as honest:
            yield liar(honest, **lies)  # type: ignore[misc]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Access, "view", view)
        yield


def flipped(data: bytes, at: int) -> bytes:
    """One bit is another."""
    changed = bytearray(data)
    changed[at % len(changed)] ^= 1
    return bytes(changed)


def first_changed(items: list[Any]) -> list[Any]:
    return [flipped(items[0], 5), *items[1:]] if items and isinstance(items[0], bytes) else items[1:]


LIES: dict[str, dict[str, Lie]] = {
    "an entry's signature": {"entry": lambda honest, at: flipped(honest(at), -3)},
    "an entry's inclusion": {"entry_path": lambda honest, at: first_changed(honest(at))},
    "an entry's inclusion left out": {"entry_path": lambda _, __: []},
    "a record": {"record": lambda honest, at: None if honest(at) is None else flipped(honest(at), 40)},
    "no record": {"record": lambda _, __: None},
    "a record's path": {"record_path": lambda honest, at: [*honest(at), bytes(32)]},
    "a status": {"status_proof": lambda honest, key: first_changed(honest(key))},
    "a status left out": {"status_proof": lambda _, __: []},
    "nobody said anything": {"topic_entries": lambda _, __: []},
    "the last word left out": {"topic_entries": lambda honest, key: honest(key)[:-1]},
    "no artifact": {"find_artifact": lambda _, __: []},
    "no content": {"find_contents": lambda _, __: {}},
}


UNASKED = "a record's path"  # a statement of one record has that record for its root
HIDING = ("no record", "no artifact", "no content")  # which nobody can tell from a log that has no such thing


@pytest.mark.parametrize("lie", [lie for lie in LIES if lie not in HIDING])
@pytest.mark.parametrize("terms", ["named", "strict"])
def test_a_log_that_lies_is_not_judged_by(scene: Scene, lie: str, terms: str) -> None:
    source = [row.cells for row in scene.rows]
    if lie == UNASKED:
        with lying(**LIES[lie]):
            assert told(scene, scene.town.judged(source, **scene.terms(terms))) == scene.expected(terms)
        return
    with lying(**LIES[lie]), pytest.raises(ProofInvalid) as raised:
        scene.town.judged(source, **scene.terms(terms))
    assert raised.value.code in ("inclusion-invalid", "status-invalid")


@pytest.mark.parametrize("lie", HIDING)
@pytest.mark.parametrize("terms", ["named", "strict"])
def test_what_a_log_hides_lets_nothing_in(scene: Scene, lie: str, terms: str) -> None:
    """But where one of several claims is hidden, as SPEC §12.3 says of rivals."""
    with lying(**LIES[lie]):
        rows = scene.town.judged([row.cells for row in scene.rows], **scene.terms(terms))
    several = {"disowned, held, another's", "a rival calls it output", "imported, and a maker's"}
    changed = 0
    for how, row, (_, says) in zip(scene.how, rows, scene.expected(terms), strict=True):
        assert how in several or RANK[row.verdict] <= RANK[says.split()[0]], (how, row.why)
        changed += brief(row) != says
    assert changed > 20


# --- less cosigned --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("left", [(), (WITNESSES[0],), (WITNESSES[1],)])
def test_without_the_quorum_nothing_is_decided(
    scene: Scene, left: tuple[Cosigner, ...], tmp_path: Path
) -> None:
    late = scene.notes[1].read_text().splitlines(keepends=True)
    note = tmp_path / "fewer.note"
    kept = [
        line
        for line in late
        if not line.startswith("\u2014 witness") or any(each.name in line for each in left)
    ]
    assert len(late) - len(kept) == 2 - len(left)
    note.write_text("".join(kept))
    options = scene.terms("strict") | {"checkpoints": [scene.notes[0], note]}
    verdicts, admitted = tmp_path / "verdicts.parquet", tmp_path / "admitted.jsonl"
    with pytest.raises(Undecided) as raised:
        scene.town.gate(scene.town.jsonl(scene.rows), verdicts=verdicts, admitted=admitted, **options)
    assert "the quorum of the trust file has not cosigned" in raised.value.reason
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fewer.note"]


def test_without_the_older_checkpoint_everything_is_too_young(scene: Scene) -> None:
    options = scene.terms("strict") | {"checkpoints": [scene.notes[1]]}
    rows = scene.town.judged([row.cells for row in scene.rows], **options)
    assert "admitted" not in {row.verdict for row in rows}
    for row, (how, says) in zip(rows, scene.expected("strict"), strict=True):
        if says.startswith("admitted"):
            assert row.code == "too-young", how
        else:
            assert RANK[row.verdict] <= RANK[says.split()[0]], how
