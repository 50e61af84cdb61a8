"""Erasing: what goes, when, what it is not allowed to take along; and that whatever stops it leaves nothing half (SPEC §8.2, §10.10)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ledger
from ledger import spec
from ledger.api import access, audit_folder, erasing
from ledger.api.erasing import Erasure
from ledger.api.health import examine
from ledger.api.keys import KeyChange
from ledger.errors import LineageError
from ledger.log.erasing import Wait
from ledger.proofs.facts import Presence, Status
from ledger.statements.record import Record, decode_record
from ledger.store.content import ContentStore
from ledger.store.salts import SaltVault
from tests.test_api import Place

WEEK_MS = spec.ERASE_WAIT_S * 1_000
SEALED = ledger.Claim(sealed=True)
EXPERIENCE = {
    name: f"some {name}" for name in ("case", "pattern", "constraints", "uncertainty", "consequence")
}


class Clock:
    """This machine's clock, as it is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ms = 1_800_000_000_000
        monkeypatch.setattr(access, "now_ms", lambda: self.ms)

    def wait(self, ms: int = WEEK_MS) -> None:
        self.ms += ms


class Town(Place):
    """Ada, bea, and cur, a curator whom the rules list."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        super().__init__(folder)
        self.clock = clock
        with self.open() as door:
            door.new_identity("bea", unencrypted=True)
            cur = door.new_identity("cur", "curator", unencrypted=True)
            door.set_rules({"mode": "open", "curators": [cur.id]})

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def sealed(self, text: str = "a diary that nobody shall guess", by: str = "ada") -> bytes:
        with self.open() as door:
            return door.sign([self.write(f"{by}.md", text)], by, SEALED).ids[0]

    def plain(self, text: str = "a text of some length, so that it is not guessed", by: str = "ada") -> bytes:
        with self.open() as door:
            return door.sign([self.write("plain.md", text)], by).ids[0]

    def experience(self, by: str = "ada", **changes: str) -> bytes:
        with self.open() as door:
            path = self.write("ea.json", json.dumps(EXPERIENCE | changes))
            return door.sign([path], by, ledger.Claim(kind="experience")).ids[0]

    def vkey(self) -> str:
        with self.open(readonly=True) as door:
            return door.marker.vkey

    def vault(self) -> SaltVault:
        (folder,) = Path(self.config).glob("logs/*")
        return SaltVault(folder)

    def record(self, artifact_id: bytes) -> Record:
        with self.open(readonly=True) as door, door.view() as view:
            return decode_record(view.record(view.find_artifact(artifact_id)[0]) or b"")

    def erase(self, artifact_id: bytes, by: str = "ada", **options: Any) -> Erasure:
        with self.open() as door:
            return door.erase([(artifact_id,)], by, **options)

    def carry_out(self, **options: Any) -> Erasure:
        with self.open() as door:
            return door.carry_out_erasures(**options)

    def notice(self, act: str, artifact_id: bytes, by: str = "cur") -> None:
        with self.open() as door:
            door.notice([(artifact_id,)], by, act)

    def wait_of(self, artifact_id: bytes) -> Wait:
        with self.open(readonly=True) as door:
            return next(asked.wait for asked, _left in door.erasures() if asked.artifact_id == artifact_id)

    def is_held(self, artifact_id: bytes) -> bool:
        with self.open(readonly=True) as door, door.view() as view:
            return view.record(view.find_artifact(artifact_id)[0]) is not None

    def is_sound(self) -> bool:
        found = examine(str(self.path), self.config)
        return audit_folder(self.path).ok and all(each.ok for each in found if each.name != "clock")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def town(tmp_path: Path, clock: Clock) -> Town:
    return Town(tmp_path, clock)


def code(use: Callable[[], object]) -> str:
    with pytest.raises(LineageError) as raised:
        use()
    return raised.value.code


# One's own, at once


def test_ones_own_salt_goes_at_once_and_the_record_stays(town: Town) -> None:
    artifact_id = town.sealed()
    with town.open() as door:
        assert door.foresee_erase([(artifact_id,)], "ada") == (1, 1, 0, 0)
        done = door.erase([(artifact_id,)], "ada")
    assert (done.artifacts, done.salts, done.contents, done.records) == (1, 1, 0, 0)
    assert town.vault().salt_of(artifact_id) is None
    assert town.is_held(artifact_id)
    assert town.is_sound()
    with town.open() as door:
        assert code(lambda: door.find_all(town.folder / "ada.md")) == "unlogged"
        node = door.trace(artifact_id).nodes[artifact_id]
        assert (node.presence, node.status) == (Presence.STANDS, Status.RETRACTED)


def test_ones_own_kept_content_goes_at_once(town: Town) -> None:
    artifact_id, other = town.experience(), town.experience(case="another")
    record, kept = town.record(artifact_id), ContentStore(town.path)
    done = town.erase(artifact_id)
    assert (done.contents, done.shared, kept.is_kept(record.content)) == (1, [], False)
    assert kept.get(town.record(other).content) is not None
    with town.open() as door:
        assert door.kept_content(record) is None
    assert town.is_sound()


def test_an_anchor_erases_what_her_pair_made(town: Town) -> None:
    with town.open() as door:
        substrate = {"name": "quill", "version": "1"}
        door.new_identity("p", "pair", of="ada", substrate=substrate, unencrypted=True)
        artifact_id = door.sign(
            [town.write("p.md", "by the pair")], "p", ledger.Claim("output", sealed=True)
        ).ids[0]
        assert code(lambda: door.erase([(artifact_id,)], "p")) == "not-authorised"
        assert town.vault().salt_of(artifact_id) is not None
        assert door.erase([(artifact_id,)], "ada").salts == 1


def test_what_is_anothers_waits_whoever_asks(town: Town) -> None:
    """A curator's word, too, destroys nothing before it is due; nobody else has a word."""
    sealed, kept = town.sealed(), town.experience()
    with town.open() as door:
        assert code(lambda: door.erase([(sealed,)], "bea")) == "not-authorised"
        assert door.erase([(sealed,), (kept,)], "cur").artifacts == 0
    town.clock.wait(WEEK_MS - 1)
    assert town.carry_out(records=True) == Erasure()
    assert town.vault().salt_of(sealed) is not None
    assert ContentStore(town.path).is_kept(town.record(kept).content)
    town.clock.wait(1)
    done = town.carry_out()
    assert (done.artifacts, done.salts, done.contents, done.records) == (2, 1, 1, 0)


def test_a_stolen_daily_key_destroys_nothing_here(town: Town) -> None:
    """Who has it elsewhere says `erase` in the log. The owner has a week to see it, and to disown it."""
    sealed = town.sealed()
    town.notice("erase", sealed, "ada")  # as the log has it from a thief
    assert town.carry_out(records=True) == Erasure()
    with town.open() as door:
        start = door.checkpoint().size - 2
        assert door.status()["erasures"]["waiting"] == 1
        change = KeyChange("rotate", since=start)
        door.change_keys("ada", change, unencrypted=True)
    assert town.wait_of(sealed) is Wait.VOID
    town.clock.wait(2 * WEEK_MS)
    assert town.carry_out(records=True).artifacts == 0
    assert town.vault().salt_of(sealed) is not None
    assert town.is_held(sealed)


def test_a_notice_is_not_said_twice(town: Town) -> None:
    artifact_id = town.sealed()
    first, again = town.erase(artifact_id), town.erase(artifact_id)
    assert (len(first.log_indices), again.log_indices, again.salts) == (1, [], 0)


def test_a_row_alone_is_only_said(town: Town) -> None:
    rows = town.rows("one", "two")
    with town.open() as door:
        door.import_rows([rows], "text", "ada", source="https://example.org/rows", license="CC0-1.0")
        artifact_id = door.find_text("two")[0]
        done = door.erase([(artifact_id, 1)], "ada")
        assert (len(done.log_indices), done.artifacts, door.erasures()) == (1, 0, [])
    town.clock.wait()
    assert town.carry_out(records=True) == Erasure()
    assert town.is_held(artifact_id)


# What is due


def test_record_bytes_go_when_due_and_asked_for(town: Town) -> None:
    artifact_id = town.plain()
    with town.open() as door:
        child = door.sign(
            [town.write("child.md", "what descends from it")],
            "bea",
            ledger.Claim(parents=(ledger.Parent("quotes", artifact_id),)),
        ).ids[0]
        receipt = door.receipt(artifact_id)
        vkey = str(door.vkey)
    town.erase(artifact_id)
    before = town.record(artifact_id)
    town.clock.wait()
    assert town.carry_out().records == 0
    assert town.is_held(artifact_id)
    assert town.carry_out(records=True).records == 1
    assert not town.is_held(artifact_id)
    assert town.carry_out(records=True).records == 0
    assert town.is_sound()
    with town.open() as door, door.view() as view:
        assert door.trace(artifact_id).nodes[artifact_id].presence is Presence.ERASED
        nodes = door.trace(child).nodes
        assert (nodes[artifact_id].presence, nodes[artifact_id].fault) == (Presence.ERASED, None)
        assert view.find_content("raw", before.content) == []
        assert view.find_artifact(artifact_id) != []
        assert code(lambda: door.receipt(artifact_id)) == "record-missing"
    town.write("plain.md.tlog-proof", receipt)
    assert ledger.verify_receipt(town.folder / "plain.md", vkey=vkey).ok


def test_every_place_of_it_goes(town: Town) -> None:
    """The same record was logged twice, after a key was lost; both are the one artifact."""
    artifact_id = town.plain()
    with town.open() as door:
        change = KeyChange("rotate", since=door.checkpoint().size - 2)
        door.change_keys("ada", change, unencrypted=True)
        assert door.sign_again([artifact_id.hex()], "ada").again == 1
    town.erase(artifact_id)
    town.clock.wait()
    assert town.carry_out(records=True).records == 2
    assert town.is_sound()


def test_a_hold_is_not_laundered(town: Town) -> None:
    """Who is held does not erase what is held, to claim the content anew (SPEC §8.2, its last sentence)."""
    artifact_id, sealed = town.plain(), town.sealed("held as well, and sealed")
    for each in (artifact_id, sealed):
        town.notice("hold", each)
    first = town.erase(artifact_id)
    assert (first.held, town.erase(sealed).salts) == ([artifact_id], 0)
    town.clock.wait()
    done = town.carry_out(records=True, scrub=True)
    assert (done.artifacts, done.records, set(done.held)) == (0, 0, {artifact_id, sealed})
    assert town.is_held(artifact_id)
    assert town.vault().salt_of(sealed) is not None
    with town.open() as door:
        assert door.resolve(town.folder / "plain.md") == artifact_id
        assert door.status()["erasures"]["held"] == 2
        door.notice([(artifact_id,), (sealed,)], "cur", "release")
    assert town.carry_out(records=True).records == 2
    assert town.is_sound()


@pytest.mark.parametrize("act", ["hold", "retract"])
def test_what_is_said_later_holds_it_back_too(town: Town, act: str) -> None:
    artifact_id = town.plain()
    town.erase(artifact_id)
    town.clock.wait()
    town.notice(act, artifact_id)
    assert town.wait_of(artifact_id) is Wait.HELD
    assert town.carry_out(records=True).records == 0
    with town.open() as door:
        door.set_rules({"mode": "open"})  # what only his listing allowed counts no more
    assert town.wait_of(artifact_id) is Wait.DUE
    assert town.carry_out(records=True).records == 1


def test_of_a_curator_who_was_delisted_nothing_is_carried_out(town: Town) -> None:
    artifact_id = town.plain()
    town.erase(artifact_id, "cur")
    with town.open() as door:
        cur = door.keys.find("cur").id
        door.set_rules({"mode": "open"})
        door.set_rules({"mode": "open", "curators": [cur]})
    town.clock.wait()
    assert town.wait_of(artifact_id) is Wait.VOID
    assert town.carry_out(records=True).records == 0
    assert town.is_held(artifact_id)


# Content that others have too


def test_a_shared_content_stays_until_all_of_it_goes(town: Town) -> None:
    first, other = town.experience(), town.experience("bea")
    digest = town.record(first).content
    assert town.record(other).content == digest
    done = town.erase(first)
    assert ([(each.digest, each.by) for each in done.shared], done.contents) == ([(digest, other)], 0)
    assert ContentStore(town.path).get(digest) is not None
    assert town.erase(first, although_shared=True).contents == 1
    assert not ContentStore(town.path).is_kept(digest)


def test_what_is_signed_and_waits_keeps_its_content(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bea's signing was killed behind its last step but one: what she signed will be sent."""
    first = town.experience()
    digest = town.record(first).content

    def dies(*_arguments: Any, **_options: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("ledger.signer.signing._answer", dies)
        with pytest.raises(KeyboardInterrupt):
            town.experience("bea")
    assert [(each.digest, each.by) for each in town.erase(first).shared] == [(digest, None)]
    town.experience("bea")
    assert ContentStore(town.path).get(digest) is not None


def test_what_was_disowned_keeps_nothing(town: Town) -> None:
    first, other = town.experience(), town.experience("bea")
    with town.open() as door:
        change = KeyChange("rotate", since=door.checkpoint().size - 2)
        door.change_keys("bea", change, unencrypted=True)
    assert town.erase(first).contents == 1
    assert town.is_held(other)


def test_a_task_that_is_kept_goes_with_the_last_output_of_it(town: Town) -> None:
    with town.open() as door:
        door.new_identity("m", "machine", unencrypted=True)
        ids = []
        with door.session("m", "Write two lines about the sea, in secret.") as session:
            items = [session.output(f"line {number} of the sea") for number in range(2)]
        ids = [item.id for item in items]
    digest = town.record(ids[0]).fields["facts"]["parameters"]
    assert ContentStore(town.path).get(digest) is not None
    assert [each.digest for each in town.erase(ids[0], "m").shared] == [digest]
    with town.open() as door:
        assert door.erase([(each,) for each in ids], "m").contents == 1
    assert not ContentStore(town.path).is_kept(digest)


# Whatever stops it


STEPS = (
    "ledger.api.erasing._forget_contents",
    "ledger.api.erasing.erase_records",
    "ledger.api.erasing.scrub",
)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("after", [False, True])
def test_what_was_cut_short_is_finished_by_doing_it_again(
    town: Town, monkeypatch: pytest.MonkeyPatch, step: str, after: bool
) -> None:
    sealed, kept = town.sealed(), town.experience()
    record = town.record(kept)
    town.notice("erase", sealed)
    town.notice("erase", kept)
    town.clock.wait()
    name = step.rpartition(".")[2]
    real = getattr(erasing, name)

    def dies(*arguments: Any, **options: Any) -> None:
        if after:
            real(*arguments, **options)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(step, dies)
        with pytest.raises(KeyboardInterrupt):
            town.carry_out(records=True, scrub=True)
    assert town.is_sound()
    town.carry_out(records=True, scrub=True)
    assert not town.is_held(sealed)
    assert not town.is_held(kept)
    assert town.vault().salt_of(sealed) is None
    assert not ContentStore(town.path).is_kept(record.content)
    assert record.encoded not in (town.path / "data.mdb").read_bytes()
    assert town.is_sound()


def test_an_erasure_of_ones_own_that_was_cut_short_is_finished(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The notice stands, and nothing was destroyed."""
    sealed = town.sealed()

    def dies(_self: SaltVault, _ids: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(SaltVault, "destroy", dies)
        with pytest.raises(KeyboardInterrupt):
            town.erase(sealed)
    assert town.vault().salt_of(sealed) is not None
    done = town.erase(sealed)
    assert (done.log_indices, done.salts) == ([], 1)


def test_the_log_goes_on_in_the_bundle_that_was_erased_in(town: Town) -> None:
    artifact_id = town.plain()
    town.erase(artifact_id)
    town.clock.wait()
    assert town.carry_out(records=True, scrub=True).records == 1
    later = town.plain("something else, later")
    with town.open() as door:
        assert door.trace(later).nodes[later].presence is Presence.STANDS
        child = door.sign(
            [town.write("c.md", "a child of what is gone")],
            "bea",
            ledger.Claim(parents=(ledger.Parent("quotes", artifact_id),)),
        ).ids[0]
        assert door.trace(child).nodes[artifact_id].presence is Presence.ERASED
    assert town.is_sound()


def test_nobody_scrubs_under_an_open_view(town: Town) -> None:
    with town.open() as door, door.view():
        assert code(lambda: door.carry_out_erasures(scrub=True)) == "snapshots-open"


# At the gate


def gated(town: Town, *texts: str) -> dict[str, int]:
    """The codes that the rows come to, by how many."""
    with town.open() as door:
        return dict(door.gate([{"text": text} for text in texts], column="text", at_ms=town.clock.ms).reasons)


def test_a_gate_says_erased_of_what_descends_from_it(town: Town) -> None:
    with town.open() as door:
        first = door.sign_rows(town.rows("a row that is erased later on"), "text", "ada").ids[0]
        claim = ledger.Claim(parents=(ledger.Parent("derived-from", first, 1_000_000),), human=0)
        door.sign_rows(town.rows("what its maker made of it"), "text", "ada", claim)
        door.sign_rows(town.rows("something else"), "text", "ada")
    told = "a row that is erased later on", "what its maker made of it", "something else"
    assert gated(town, *told) == {"clear": 3}
    town.erase(first)
    town.clock.wait()
    assert gated(town, *told[1:]) != {"clear": 2}
    town.carry_out(records=True)
    assert gated(town, told[0]) == {"unlogged": 1}
    assert gated(town, told[1]) == {"erased": 1}
    assert gated(town, told[2]) == {"clear": 1}


def test_a_held_content_is_not_signed_clean_again(town: Town) -> None:
    """The trap: erased, the held record would be found by nobody, and a second claim on its content be the only one."""
    text = "a text that is not ada's, which she signed all the same"
    with town.open() as door:
        held = door.sign_rows(town.rows(text), "text", "ada").ids[0]
    town.notice("hold", held)
    town.erase(held)
    town.clock.wait()
    town.carry_out(records=True, scrub=True)
    with town.open() as door:
        door.sign_rows(town.rows(text), "text", "ada", ledger.Claim(made=1))
    codes = gated(town, text)
    assert set(codes) <= {"held", "retracted-by-maker"}
    assert sum(codes.values()) == 1
