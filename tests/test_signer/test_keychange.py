"""Changes of keys: each is made, sent, carried through, or put aside; whatever fails, whoever lost what (SPEC §7.2)."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pytest
from filelock import FileLock

from ledger import spec
from ledger.errors import LineageError, PolicyDenied, StoreFault
from ledger.identity import ed25519
from ledger.log.writer import Appended
from ledger.signer import changes as changes_module
from ledger.signer import signing
from ledger.signer.changes import changes_of, refused_changes, settle
from ledger.signer.keychange import change_keys, plan_change
from ledger.signer.keyfile import read_key, read_public, write_key
from ledger.signer.keyring import Keyring
from ledger.signer.passphrases import Passphrases
from ledger.statements.entry import NEXT, RECOVERY, decode_entry
from ledger.statements.statement import keyset_digest
from tests.test_signer.scene import (
    OPEN,
    RING,
    WEEK_MS,
    Scene,
    cheap_argon2,
    code_of,
    group_keyset,
    refusal_of,
)
from tests.test_signer.steps import crash_at_each
from tests.world import seed_of


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "keys.lock" and "lanes" not in path.parts
    }


def test_a_rotation_swaps_all_keys_and_deletes_none(scene: Scene) -> None:
    before = scene.enrol()
    scene.sign()
    seeds = {which: OPEN(before.key_file(which)) for which in ("current", "next", "recovery")}
    outcome = scene.change("rotate")
    assert (outcome.type, outcome.kseq, outcome.state) == ("rotate", 1, "in-force")
    event = decode_entry(scene.door.sent[-1])
    assert (event.statement.id, [each.keyset for each in event.signatures]) == (outcome.id, [NEXT])
    after = scene.keys.find("ada")
    assert after.kseq == 1
    assert OPEN(after.key_file("current")) == seeds["next"]
    assert group_keyset(after, "current") == group_keyset(before, "next")
    new = {OPEN(after.key_file(which)) for which in ("next", "recovery")}
    assert len(new | set(seeds.values())) == 5
    former = after.folder / "former" / "1"
    assert sorted(path.name for path in former.iterdir()) == ["current.key", "event.entry", "recovery.key"]
    assert OPEN(former / "current.key") == seeds["current"]
    assert OPEN(former / "recovery.key") == seeds["recovery"]
    assert not list((after.folder / "change").iterdir())
    modes = {stat.S_IMODE(path.stat().st_mode) for path in after.folder.rglob("*") if path.is_file()}
    assert modes == {0o600}
    assert settle(scene.door, after) == []
    scene.check()
    assert scene.sign().new == 1
    for kseq in (2, 3):
        assert scene.change("rotate").kseq == kseq
        scene.check()
        assert scene.sign().new == 1
    assert len(scene.publics()) == 3 + 3 * 2 + 1  # three at birth, two each time, and the pseudonym secret


def test_what_is_put_away_replaces_nothing(scene: Scene) -> None:
    ada = scene.enrol()
    in_the_way = ada.folder / "former" / "1" / "current.key"
    in_the_way.parent.mkdir(parents=True)
    write_key(in_the_way, seed_of("in the way"), None)
    daily = OPEN(ada.key_file("current"))
    scene.change("rotate")
    assert OPEN(in_the_way) == seed_of("in the way")
    assert OPEN(in_the_way.with_name("current.key.2")) == daily
    scene.check()


def test_the_daily_key_may_be_lost(scene: Scene) -> None:
    ada = scene.enrol()
    ada.key_file("current").unlink()
    assert scene.change("rotate").state == "in-force"
    scene.check()
    assert scene.sign().new == 1


def test_a_next_key_that_lies_elsewhere_is_brought(scene: Scene, tmp_path: Path) -> None:
    ada = scene.enrol()
    away = tmp_path / "stick" / "ada next"
    away.parent.mkdir()
    ada.key_file("next").rename(away)
    data = away.read_bytes()
    missing = refusal_of(lambda: scene.change("rotate"))
    assert (missing.code, missing.item) == ("key-file-missing", str(ada.key_file("next")))
    assert "next.key" in missing.fix
    assert read_public(away).hex()[:16] in missing.fix
    absent = refusal_of(lambda: scene.change("rotate", key_files=[tmp_path / "typo"]))
    assert (absent.code, absent.item) == ("key-file-missing", str(tmp_path / "typo"))
    foreign = refusal_of(lambda: scene.change("rotate", key_files=[ada.key_file("recovery")]))
    assert (foreign.code, foreign.item) == ("key-file-foreign", str(ada.key_file("recovery")))
    assert "next.key" in foreign.fix
    assert not (ada.folder / "change").exists()
    scene.change("rotate", key_files=[away])
    assert away.read_bytes() == data
    scene.check()
    assert scene.sign().new == 1


def test_a_file_named_counts_before_one_that_lies_here(scene: Scene, tmp_path: Path) -> None:
    """The one here is damaged: its public half is right, and what it hides is not."""
    ada = scene.enrol()
    away = tmp_path / "next.key"
    shutil.copy(ada.key_file("next"), away)
    text = away.read_text()
    ada.key_file("next").write_text(text.replace(OPEN(away).hex(), seed_of("other").hex()))
    assert code_of(lambda: scene.change("rotate")) == "key-file-damaged"
    scene.change("rotate", key_files=[away])
    scene.check()
    assert scene.sign().new == 1
    assert (ada.folder / "former" / "1" / "next.key").exists()  # not this one's twin, so it is kept


def test_keys_that_the_log_does_not_hold_it_to_are_refused_before_anything_is_made(scene: Scene) -> None:
    ada = scene.enrol()
    old = tree(ada.folder)
    scene.change("rotate")
    shutil.rmtree(ada.folder)
    for name, data in old.items():
        (ada.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (ada.folder / name).write_bytes(data)
    for type_ in ("rotate", "recover", "retire"):
        assert code_of(lambda type_=type_: scene.change(type_)) == "commitment-differs"  # type: ignore[misc]
    assert code_of(scene.sign) == "keys-not-in-force"
    assert tree(ada.folder) == old


@pytest.mark.parametrize(("count", "threshold"), [(1, 1), (3, 2)])
@pytest.mark.parametrize("type_", ["rotate", "recover", "retire"])
def test_key_files_given_count_before_what_a_restored_backup_remembers(
    type_: str, count: int, threshold: int, scene: Scene, tmp_path: Path
) -> None:
    ada = scene.enrol(keys=count, threshold=threshold)
    backup, stick = tmp_path / "backup", tmp_path / "stick"
    shutil.copytree(ada.folder, backup)
    scene.change("rotate")
    shutil.move(ada.folder, stick)
    shutil.copytree(backup, ada.folder)
    spare = sorted(stick.glob("recovery*.key" if type_ == "recover" else "next*.key"), reverse=True)
    assert len(spare) == count
    assert code_of(lambda: scene.change(type_)) == "commitment-differs"
    old = [backup / path.name for path in spare]
    assert code_of(lambda: scene.change(type_, key_files=old)) == "commitment-differs"
    outcome = scene.change(type_, key_files=[*spare, spare[0]])
    assert outcome.state == ("waiting" if type_ == "recover" else "in-force")
    if type_ == "rotate":
        scene.check()
        assert scene.sign().new == 1


def test_more_key_files_than_a_keyset_has_are_refused(scene: Scene, tmp_path: Path) -> None:
    scene.enrol()
    paths = [tmp_path / f"{number}.key" for number in range(spec.KEYS_MAX + 1)]
    for path in paths:
        write_key(path, seed_of(path.name), None)
    assert code_of(lambda: scene.change("rotate", key_files=paths)) == "key-file-foreign"


def test_a_dry_run_says_what_would_be_said_and_leaves_no_trace(scene: Scene) -> None:
    ada = scene.enrol()
    before, sent = tree(ada.folder), len(scene.door.sent)
    key = read_public(ada.key_file("current"))
    plan = plan_change(ada, scene.standing(), "rotate", compromised={key: 1, b"\0" * 32: 3})
    assert plan.keyset == group_keyset(ada, "next")
    assert plan.body == {"keyset": plan.keyset, "compromised": [[b"\0" * 32, 3], [key, 1]]}
    assert (plan.kseq, plan.prev, plan.type) == (1, ada.id, "rotate")
    assert list(plan.files.values()) == [ada.key_file("next")]
    plan = plan_change(ada, scene.standing(), "retire", reason="superseded")
    assert plan.body == {"keyset": plan.keyset, "reason": "superseded"}
    for fields in (
        {"reason": "whim"},
        {"compromised": {key: -1}},
        {"compromised": {b"k" * 32: spec.INTEGER_MAX + 1}},
    ):
        assert code_of(lambda fields=fields: scene.change("retire", **fields)) == "schema"  # type: ignore[misc]
    too_many = {bytes([number]) * 32: 1 for number in range(9)}
    assert code_of(lambda: scene.change("rotate", compromised=too_many)) == "schema"
    assert (tree(ada.folder), len(scene.door.sent)) == (before, sent)


def test_a_recovery_waits_a_week_and_then_its_keys_sign(scene: Scene) -> None:
    ada = scene.enrol()
    recovery = OPEN(ada.key_file("recovery"))
    outcome = scene.change("recover")
    assert (outcome.type, outcome.state) == ("recover", "waiting")
    assert [each.keyset for each in decode_entry(scene.door.sent[-1]).signatures] == [RECOVERY]
    assert scene.sign().new == 1  # by the daily key
    assert code_of(lambda: scene.change("recover")) == "recovery-pending"
    assert refused_changes(ada) == []  # no keys were drawn for it
    sent = len(scene.door.sent)
    (again,) = settle(scene.door, ada)
    assert (again.state, again.log_index, len(scene.door.sent)) == ("waiting", None, sent)
    ada.key_file("current").unlink()  # lost meanwhile
    scene.world.time_ms += WEEK_MS
    (at_last,) = settle(scene.door, ada)
    assert (at_last.id, at_last.state) == (outcome.id, "in-force")
    after = scene.keys.find("ada")
    assert (after.kseq, OPEN(after.key_file("current"))) == (1, recovery)
    scene.check()
    assert scene.sign().new == 1
    assert scene.change("rotate").kseq == 2
    scene.check()


def test_a_recovery_that_a_rotation_ends_is_put_aside(scene: Scene) -> None:
    ada = scene.enrol()
    next_ = OPEN(ada.key_file("next"))
    ended = scene.change("recover")
    assert scene.change("rotate").state == "in-force"
    assert changes_of(ada) == []
    (aside,) = refused_changes(ada)
    assert aside.name == f"1-{ended.id.hex()[:16]}"
    names = ["current.key", "event.entry", "identity.json", "next.key", "recovery.key"]
    assert sorted(path.name for path in aside.iterdir()) == names
    scene.check()
    after = scene.keys.find("ada")
    assert (after.kseq, OPEN(after.key_file("current"))) == (2, next_)
    scene.world.time_ms += WEEK_MS
    assert scene.sign().new == 1
    assert scene.change("recover").state == "waiting"


def test_the_keys_of_somebody_elses_recovery_do_not_disturb_a_veto(scene: Scene, tmp_path: Path) -> None:
    """A thief with the recovery key alone, on a machine of his own."""
    ada = scene.enrol()
    thief = Scene(tmp_path / "thief")
    thief.world = scene.world
    thief.door.world = scene.world
    shutil.copytree(ada.folder, thief.keys.folder / "identities" / "ada")
    for which in ("current", "next"):
        thief.keys.find("ada").key_file(which).unlink()
    assert thief.change("recover").state == "waiting"
    assert scene.standing().pending
    assert scene.sign().new == 1
    assert scene.change("rotate").kseq == 2
    scene.world.time_ms += WEEK_MS
    assert [each.state for each in settle(thief.door, thief.keys.find("ada"))] == ["ended"]
    scene.check()
    assert scene.sign().new == 1


def test_a_retired_identity_says_nothing_more(scene: Scene) -> None:
    ada = scene.enrol()
    before = scene.publics()
    assert scene.change("retire", reason="compromised").state == "in-force"
    after = scene.keys.find("ada")
    assert (after.retired, after.kseq) == (True, 0)
    assert scene.publics() == before
    assert code_of(scene.sign) == "identity-retired"
    standing = scene.door.standing(ada.id)
    assert standing is not None
    for type_ in ("rotate", "recover", "retire"):
        refused = refusal_of(lambda type_=type_: plan_change(after, standing, type_))  # type: ignore[misc]
        assert refused.code == "identity-retired"


def test_a_refused_event_is_put_aside_and_the_old_keys_sign(scene: Scene) -> None:
    ada = scene.enrol()
    before = tree(ada.folder)
    key = read_public(ada.key_file("current"))
    assert code_of(lambda: scene.change("rotate", compromised={key: 10_000})) == "compromised-illegal"
    (aside,) = refused_changes(ada)
    assert {path.name for path in aside.iterdir()} >= {"event.entry", "next.key", "recovery.key"}
    shutil.move(aside.parent, ada.folder.parent.parent / "out of the way")
    assert {name: data for name, data in tree(ada.folder).items() if "former" not in name} == before
    assert changes_of(ada) == []
    assert scene.sign().new == 1
    assert scene.change("rotate", compromised={key: 2}).kseq == 1
    scene.check()


@pytest.mark.parametrize("error", [PolicyDenied("x", "i", "r", "f"), StoreFault("x", "i", "r", "f")])
def test_only_a_refusal_puts_aside(error: LineageError, scene: Scene) -> None:
    """A log that does not know whether it took an event is asked again, byte for byte."""
    ada = scene.enrol()

    def fail(_entry: bytes, _results: list[Appended | LineageError]) -> list[Appended | LineageError]:
        return [error]

    scene.door.answer = fail
    assert refusal_of(lambda: scene.change("rotate")) is error
    scene.door.answer = None
    if isinstance(error, StoreFault):
        assert [change.kseq for change in changes_of(ada)] == [1]
        assert scene.sign().new == 1
        scene.check()
        assert [len(each) for each in scene.payloads_by_kseq(ada.id).values()] == [1]
    else:
        assert changes_of(ada) == []
        assert len(refused_changes(ada)) == 1


def test_a_wrong_passphrase_changes_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    cheap_argon2(monkeypatch)
    ada = scene.keys.create("ada", "human", b"right")
    plan = plan_change(ada, scene.standing(), "rotate")
    before = tree(ada.folder)
    for known, code in ((b"wrong", "passphrase-wrong"), (None, "passphrase-missing")):
        given = Keyring(Passphrases(known))
        assert code_of(lambda given=given: change_keys(scene.door, plan, given, None)) == code  # type: ignore[misc]
    assert tree(ada.folder) == before
    change_keys(scene.door, plan, Keyring(Passphrases(b"right")), b"new")
    after = scene.keys.find("ada")
    assert read_key(after.key_file("current"), lambda _: b"right")  # the file as it was
    for which in ("next", "recovery"):
        assert read_key(after.key_file(which), lambda _: b"new")
    scene.check()


def test_who_unlocked_before_a_change_is_told(scene: Scene) -> None:
    ada = scene.enrol()
    signer = scene.keys.unlock(ada, RING)
    scene.change("rotate")
    lanes = list(ada.lanes.iterdir()) if ada.lanes.exists() else []
    body = {"pair": b"p" * 32}
    assert code_of(lambda: signing.say(scene.door, signer, "undelegate", body)) == "keys-not-in-force"
    assert lanes == (list(ada.lanes.iterdir()) if ada.lanes.exists() else [])


def test_keys_in_use_by_another_are_waited_for(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    ada = scene.enrol()
    monkeypatch.setattr(spec, "WRITER_WAIT_S", 0)
    with FileLock(ada.folder / "keys.lock"):
        assert code_of(lambda: scene.change("rotate")) == "keys-busy"
    assert scene.change("rotate").kseq == 1


def test_a_second_change_in_one_place_is_refused(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes planned at once; the second comes when the first has not been answered."""
    ada = scene.enrol()
    plan = plan_change(ada, scene.standing(), "rotate")
    with monkeypatch.context() as patch:
        patch.setattr(changes_module, "settle", lambda *_: [])
        assert code_of(lambda: change_keys(scene.door, plan, RING, None)) == "change-lost"
    (first,) = changes_of(ada)
    assert code_of(lambda: change_keys(scene.door, plan, RING, None)) == "change-pending"
    assert [change.entry for change in changes_of(ada)] == [first.entry]
    scene.standing()
    scene.check()


def test_a_damaged_change_is_told_and_nothing_moves(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    ada = scene.enrol()
    plan = plan_change(ada, scene.standing(), "rotate")
    with monkeypatch.context() as patch:
        patch.setattr(changes_module, "settle", lambda *_: [])
        assert code_of(lambda: change_keys(scene.door, plan, RING, None)) == "change-lost"
    event = ada.folder / "change" / "1" / "event.entry"
    data = event.read_bytes()
    enrolment = scene.keys.create("bob", "human", None).pending_enrolment() or b""
    for wrong in (b"", data[:-1], enrolment, bytes(100_000)):
        event.write_bytes(wrong)
        before = tree(ada.folder)
        assert code_of(scene.sign) == "keys-damaged"
        assert tree(ada.folder) == before
    event.parent.rename(event.parent.with_name("2"))
    (event.parent.with_name("2") / "event.entry").write_bytes(data)
    assert code_of(scene.sign) == "keys-damaged"
    event.parent.with_name("2").rename(event.parent)
    scene.sign()
    scene.check()


@pytest.mark.parametrize("type_", ["rotate", "recover", "retire"])
def test_a_crash_between_any_two_steps_loses_no_key_and_says_no_two_things(type_: str, scene: Scene) -> None:
    """Whatever moment it dies at, and dies again at, the next process can sign, or the identity is retired."""
    steps = carried = 0
    name = "n0"

    def change() -> None:
        scene.change(type_, name)

    def go_on() -> None:
        scene.standing(name) if type_ != "retire" else settle(scene.door, scene.keys.find(name))

    scene.enrol(name)
    before = scene.publics(name)
    for step in crash_at_each(change):
        steps = step
        carried += bool(changes_of(scene.keys.find(name)))
        for _ in crash_at_each(go_on):
            assert scene.publics(name) >= before
        if type_ == "recover" and changes_of(scene.keys.find(name)):
            assert scene.sign(name).new == 1
            scene.world.time_ms += WEEK_MS
            for _ in crash_at_each(go_on):
                assert scene.publics(name) >= before
        identity = scene.keys.find(name)
        assert changes_of(identity) == []
        assert scene.publics(name) >= before
        sent = scene.payloads_by_kseq(identity.id)
        assert [len(payloads) for payloads in sent.values()] == [1] * len(sent)
        standing = scene.door.standing(identity.id)
        assert standing is not None
        assert (identity.retired, standing.retired) == (
            (bool(sent),) * 2 if type_ == "retire" else (False,) * 2
        )
        assert standing.kseq == len(sent)
        scene.check(name)
        if not identity.retired:
            assert scene.sign(name).new == 1
        name = f"n{step}"
        scene.enrol(name)
        before = scene.publics(name)
    assert steps >= {"rotate": 25, "recover": 12, "retire": 10}[type_]
    assert carried >= {"rotate": 12, "recover": 1, "retire": 3}[type_]


def test_what_a_dead_process_left_unfinished_is_gone_after_the_next_change(scene: Scene) -> None:
    ada = scene.enrol()
    left = ada.folder / "change" / ".new-x"
    left.mkdir(parents=True)
    write_key(left / "next.key", seed_of("left"), None)
    assert changes_of(ada) == []
    scene.change("rotate")
    assert not left.exists()
    assert ed25519.public_key(seed_of("left")) not in scene.publics()


def test_other_numbers_of_keys_may_be_drawn(scene: Scene) -> None:
    scene.enrol()
    plan = plan_change(scene.keys.find("ada"), scene.standing(), "rotate")
    for keys, threshold in ((9, 1), (2, 3), (1, 0), (0, 0)):
        refused = refusal_of(
            lambda keys=keys, threshold=threshold: change_keys(  # type: ignore[misc]
                scene.door, plan, RING, None, keys=keys, threshold=threshold
            )
        )
        assert refused.code == "threshold-illegal"
    change_keys(scene.door, plan, RING, None, keys=3, threshold=2)
    shapes = {group.which: (len(group.keys), group.threshold) for group in scene.keys.find("ada").groups}
    assert shapes == {"current": (1, 1), "next": (3, 2), "recovery": (3, 2)}
    scene.check()
    scene.change("rotate")
    scene.check()
    assert scene.sign().new == 1
    standing = scene.standing()
    assert standing.keyset["thresholds"] == {"ed25519": 2}
    assert keyset_digest(standing.keyset) == keyset_digest(group_keyset(scene.keys.find("ada"), "current"))
