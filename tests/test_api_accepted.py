"""Which log checkpoint is judged by: what was accepted before, and cosigned notes that are given (SPEC §12.1, §12.4)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

import ledger
from ledger import spec
from ledger.api import open_ledger
from ledger.api.accepted import Accepted, GivenNote, accept, load_notes, remember
from ledger.errors import LineageError, ProofInvalid, RefusedInput, StoreFault
from ledger.log.view import LogView, open_view
from ledger.origin.moment import Footing, Moment
from ledger.origin.trust import Trust, parse_trust, self_trust
from ledger.proofs.checkpoint import Checkpoint
from ledger.proofs.facts import Existed
from ledger.proofs.views import TwoViews, convict
from ledger.signer.remembered import EVIDENCE, CheckpointMemory
from ledger.store.lmdb import LmdbStore
from ledger.store.memory import MemoryStore
from tests.test_proofs.witnesses import Cosigner
from tests.world import World

A, B, AUDITOR = (Cosigner(f"witness.example/{name}") for name in ("a", "b", "auditor"))
NOW_S = 1_000_000
NOW_MS = NOW_S * 1_000
SELF = self_trust()


def trust_of(world: World, *, needs: str = "both") -> Trust:
    """Two witnesses; the quorum is both, or `any`."""
    group = {"both": "group g all a b", "any": "group g any a b"}[needs]
    policy = f"log {world.vkey}\nwitness a {A.vkey}\nwitness b {B.vkey}\n{group}\nquorum g\n"
    return parse_trust(f'tlog_policy = """\n{policy}"""\nauditors = ["{AUDITOR.vkey}"]\n'.encode())


class Scene:
    """A log that grows, with the notes of all its checkpoints; and what is remembered of it."""

    def __init__(self, config: Path) -> None:
        self.world = World()
        self.memory = CheckpointMemory(config, self.world.vkey)
        self.notes: list[bytes] = []
        self.grow("anna", "ben", "cara", "dora")

    def grow(self, *names: str) -> None:
        for name in names:
            self.world.enrol(name)
            with self.view() as view:
                self.notes.append(view.note)

    @contextmanager
    def view(self) -> Iterator[LogView]:
        with open_view(self.world.store, self.world.vkey) as view:
            yield view

    def given(self, number: int, *lines: tuple[Cosigner, int], name: str = "") -> GivenNote:
        """The checkpoint of that number, with cosignatures of these times."""
        note = self.notes[number].decode()
        checkpoint = Checkpoint.parse(note.split("\n\n")[0] + "\n")
        found = note + "".join(cosigner.line(checkpoint, time_s) for cosigner, time_s in lines)
        return GivenNote(name or f"note{number}", found.encode())

    def accept(self, trust: Trust = SELF, *given: GivenNote) -> Accepted:
        with self.view() as view:
            return accept(self.memory, view, trust, NOW_MS, given)

    def remember(self, trust: Trust = SELF, *given: GivenNote) -> bool:
        with self.view() as view:
            return remember(self.memory, accept(self.memory, view, trust, NOW_MS, given), view)

    def size(self, number: int) -> int:
        return int(self.notes[number].split(b"\n")[1])

    def evidence(self, suffix: str = ".note") -> list[bytes]:
        folder = self.memory.folder / EVIDENCE
        return sorted(path.read_bytes() for path in folder.glob(f"*{suffix}"))

    def convicted(self) -> set[tuple[bytes, bytes]]:
        """The notes of each file of two views that is kept; each is verified as a stranger does, by the vkey alone."""
        found = [convict(TwoViews.parse(data), self.world.vkey) for data in self.evidence(spec.VIEWS_SUFFIX)]
        return {(earlier.note, later.note) for earlier, later in found}


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path / "config")


def forked(scene: Scene, *names: str) -> World:
    """The same log, same key, that told somebody else another history."""
    world = World(MemoryStore())
    assert world.vkey == scene.world.vkey
    for name in ("anna", "ben", *names):
        world.enrol(name)
    return world


def refused(scene: Scene, trust: Trust, *given: GivenNote) -> LineageError:
    with pytest.raises(LineageError) as error:
        scene.accept(trust, *given)
    return error.value


# --- the ledger's own checkpoint --------------------------------------------------------------------------------


def test_without_notes_the_ledgers_own_is_judged_by(scene: Scene) -> None:
    found = scene.accept()
    assert (found.note, found.older, found.before, found.untold) == (scene.notes[-1], (), None, ())
    assert found.may_be_remembered
    assert not found.cosigned.is_met
    assert scene.memory.newest() is None  # nothing is remembered before it is relied on


def test_it_is_remembered_once_it_is_relied_on(scene: Scene) -> None:
    assert scene.remember()
    first = scene.accept().cosigned.checkpoint
    scene.grow("eva")
    found = scene.accept()
    assert found.before == first
    assert found.cosigned.checkpoint.size > first.size
    assert scene.remember()
    assert scene.memory.note_file.read_bytes() == scene.notes[-1]


def test_another_history_of_the_log_is_refused(scene: Scene) -> None:
    """The key signed two histories: of the fork, whatever its size, nothing is judged."""
    assert scene.remember()
    for names in (("mallory", "dora"), ("mallory", "dora", "eva", "finn", "gina")):
        world = forked(scene, *names)
        with (
            open_view(world.store, world.vkey) as view,
            pytest.raises(ProofInvalid, match="Both are kept as evidence") as error,
        ):
            accept(scene.memory, view, SELF, NOW_MS)
        assert error.value.code == "checkpoint-inconsistent"
        assert {scene.notes[-1], view.note} <= set(scene.evidence())
        assert (scene.notes[-1], view.note) in scene.convicted()
        assert "lineage log compare" in error.value.fix
    assert scene.memory.note_file.read_bytes() == scene.notes[-1]


def test_the_beginning_of_another_history_is_an_older_copy(scene: Scene) -> None:
    assert scene.remember()
    world = forked(scene, "mallory")
    with open_view(world.store, world.vkey) as view, pytest.raises(RefusedInput) as error:
        accept(scene.memory, view, SELF, NOW_MS)
    assert error.value.code == "checkpoint-behind"


def test_a_memory_that_is_damaged_decides_nothing(scene: Scene) -> None:
    assert scene.remember()
    scene.memory.note_file.write_bytes(b"")
    with pytest.raises(StoreFault) as error:
        scene.accept()
    assert error.value.code == "checkpoint-memory-damaged"


def test_a_ledgers_folder_that_is_rolled_back_is_refused(tmp_path: Path) -> None:
    """From the verbs down to LMDB; the writer's own memory (SPEC §10.1) is not asked, since nothing is written."""
    config = str(tmp_path / "config")
    folder, copy = tmp_path / "ledger", tmp_path / "copy"
    with ledger.create(folder, unencrypted=True, config=config):
        pass
    shutil.copytree(folder, copy)
    with open_ledger(folder, config=config) as door:
        door.sign_checkpoint()
        memory = CheckpointMemory(tmp_path / "config", door.vkey)
        with door.view() as view:
            assert remember(memory, accept(memory, view, SELF, NOW_MS), view)
    with open_ledger(copy, readonly=True, config=config) as door, door.view() as view:
        with pytest.raises(RefusedInput, match="the ledger is an older copy") as error:
            accept(memory, view, SELF, NOW_MS)
        assert error.value.code == "checkpoint-behind"
    with open_ledger(folder, readonly=True, config=config) as door, door.view() as view:
        assert accept(memory, view, SELF, NOW_MS).before == view.checkpoint


# --- cosigned notes ---------------------------------------------------------------------------------------------


def test_lines_of_the_very_checkpoint_join_the_ledgers_note(scene: Scene) -> None:
    trust = trust_of(scene.world)
    lines = (A, NOW_S - 50), (B, NOW_S - 20)
    whole = scene.accept(trust, scene.given(3, *lines))
    halves = scene.accept(trust, *(scene.given(3, line, name=f"half{n}") for n, line in enumerate(lines)))
    assert whole.note == halves.note == scene.given(3, *lines).data
    assert whole == halves
    assert whole.cosigned.is_met
    assert (whole.cosigned.existed_by_s, whole.cosigned.fresh_as_of_s) == (NOW_S - 20, NOW_S - 50)
    with scene.view() as view:
        Footing(trust, Moment(NOW_MS, scene.world.vkey, view.checkpoint, NOW_MS, whole.cosigned, whole.older))


def test_what_the_quorum_did_not_cosign_is_not_remembered(scene: Scene) -> None:
    trust = trust_of(scene.world)
    found = scene.accept(trust, scene.given(3, (A, NOW_S)))
    assert (found.cosigned.is_met, found.may_be_remembered) == (False, False)
    assert not scene.remember(trust, scene.given(3, (A, NOW_S)))
    assert scene.memory.newest() is None
    late = (B, NOW_S + spec.CLOCK_AHEAD_MAX_S + 1)  # of a time that has not come does not count
    assert not scene.remember(trust, scene.given(3, (A, NOW_S), late))
    assert scene.remember(trust, scene.given(3, (A, NOW_S), (B, NOW_S)))
    assert scene.memory.note_file.read_bytes() == scene.given(3, (A, NOW_S), (B, NOW_S)).data


def test_without_the_quorum_it_is_compared_all_the_same(scene: Scene) -> None:
    assert scene.remember()
    world = forked(scene, "mallory", "dora")
    with open_view(world.store, world.vkey) as view, pytest.raises(ProofInvalid):
        accept(scene.memory, view, trust_of(world), NOW_MS)


def test_auditors_are_heard(scene: Scene) -> None:
    found = scene.accept(trust_of(scene.world), scene.given(3, (AUDITOR, NOW_S)))
    assert found.cosigned.auditors == (AUDITOR.vkey,)


def test_older_cosigned_checkpoints_tell_an_age(scene: Scene) -> None:
    trust = trust_of(scene.world)
    older = scene.given(0, (A, 500), (B, 700))
    newer = scene.given(2, (B, 900), (A, 800))
    head = scene.given(3, (A, NOW_S), (B, NOW_S))
    expected = (Existed(scene.size(0), 700_000), Existed(scene.size(2), 900_000))
    for given in ((older, newer, head), (head, newer, older)):
        found = scene.accept(trust, *given)
        assert (found.older, found.untold) == (expected, ())
        with scene.view() as view:
            checkpoint = view.checkpoint
        moment = Moment(NOW_MS, scene.world.vkey, checkpoint, NOW_MS, found.cosigned, found.older)
        footing = Footing(trust, moment)
        assert footing.age_ms(0) == NOW_MS - 700_000
        assert footing.age_ms(scene.size(0)) == NOW_MS - 900_000
        assert footing.age_ms(scene.size(2)) == 0


def test_an_older_checkpoint_in_two_notes_is_one(scene: Scene) -> None:
    halves = [scene.given(0, (A, 500), name="one"), scene.given(0, (B, 700), name="two")]
    found = scene.accept(trust_of(scene.world), *halves)
    assert found.older == (Existed(scene.size(0), 700_000),)
    assert found.untold == ()


def test_an_older_one_short_of_the_quorum_tells_nothing_and_is_named(scene: Scene) -> None:
    found = scene.accept(trust_of(scene.world), scene.given(0, (A, 500), name="short.note"))
    assert (found.older, found.untold) == ((), ("short.note",))
    enough = scene.accept(trust_of(scene.world, needs="any"), scene.given(0, (A, 500)))
    assert (enough.older, enough.untold) == ((Existed(scene.size(0), 500_000),), ())
    nobody_asked = scene.accept(SELF, scene.given(0, (A, 500)))
    assert (nobody_asked.older, nobody_asked.untold) == ((), ())


# --- notes that are refused, by name ----------------------------------------------------------------------------


def test_a_note_beyond_the_ledger_shows_it_to_be_an_older_copy(scene: Scene) -> None:
    beyond = scene.given(3, (A, NOW_S), (B, NOW_S), name="newer.note")
    world = World(MemoryStore())
    world.enrol("anna")
    with open_view(world.store, world.vkey) as view:
        with pytest.raises(RefusedInput, match=r"as newer\.note shows") as error:
            accept(scene.memory, view, trust_of(world), NOW_MS, [beyond])
        assert error.value.code == "checkpoint-behind"
        assert error.value.item == f"ledger of {view.checkpoint.size} entries"


@pytest.mark.parametrize("names", [("mallory",), ("mallory", "dora")], ids=["smaller", "as great"])
def test_a_note_of_another_history_is_refused_and_kept(scene: Scene, names: Sequence[str]) -> None:
    world = forked(scene, *names)
    with open_view(world.store, world.vkey) as view:
        lie = GivenNote("lie.note", view.note)
    error = refused(scene, trust_of(scene.world), scene.given(0, (A, 1), (B, 1)), lie)
    assert (error.code, error.family) == ("checkpoint-inconsistent", "ProofInvalid")
    assert error.item.startswith("lie.note: ")
    assert scene.evidence() == sorted([scene.notes[3], lie.data])
    assert len(scene.convicted()) == 1


def test_a_consistency_proof_is_verified_and_not_believed(scene: Scene) -> None:
    class Liar:
        note = scene.notes[3]

        def consistency_path(self, old_size: int) -> list[bytes]:
            with scene.view() as view:
                return [bytes(32), *view.consistency_path(old_size)[1:]]

        def root_at(self, _size: int) -> bytes:
            return bytes(32)

    with pytest.raises(ProofInvalid) as error:
        accept(scene.memory, Liar(), SELF, NOW_MS, [scene.given(1)])
    assert error.value.code == "checkpoint-inconsistent"


def test_what_the_store_fails_in_is_not_the_notes_fault(scene: Scene) -> None:
    class Broken:
        note = scene.notes[3]

        def consistency_path(self, _old_size: int) -> list[bytes]:
            raise StoreFault("tile-missing", "tile 0/0", "it is missing")

        def root_at(self, _size: int) -> bytes:
            raise AssertionError

    with pytest.raises(StoreFault) as error:
        accept(scene.memory, Broken(), SELF, NOW_MS, [scene.given(1)])
    assert error.value.item == "tile 0/0"
    assert scene.evidence() == []


def test_a_note_of_another_log_is_told_as_such(scene: Scene) -> None:
    other = World(MemoryStore(), "log.example/other")
    with open_view(other.store, other.vkey) as view:
        error = refused(scene, SELF, GivenNote("other.note", view.note))
    assert (error.code, error.item) == ("wrong-log", "other.note: log checkpoint")
    assert "log.example/other" in error.reason


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"\n\n", b"\n", "note-invalid"),
        (b"log.example/test\n", b"log.example/test\nmore\n", "checkpoint-invalid"),
        (b"\xe2\x80\x94 log.example/test ", b"\xe2\x80\x94 log.example/else ", "note-invalid"),
    ],
    ids=["no note", "no checkpoint", "not signed by the log"],
)
def test_a_note_that_does_not_hold_is_named(scene: Scene, old: bytes, new: bytes, code: str) -> None:
    for number in (0, 3):
        data = scene.notes[number].replace(old, new, 1)
        assert data != scene.notes[number]
        error = refused(scene, SELF, GivenNote("bad.note", data))
        assert (error.code, error.family) == (code, "ProofInvalid")
        assert error.item.startswith("bad.note: ")
    assert scene.evidence() == []


def test_a_witness_line_that_does_not_hold_spoils_the_note(scene: Scene) -> None:
    good, other = scene.given(3, (A, 500)), scene.given(0, (B, 500))
    lie = GivenNote("lie.note", good.data + other.data.splitlines(keepends=True)[-1])
    error = refused(scene, trust_of(scene.world), lie)
    assert (error.code, error.item) == ("note-invalid", "lie.note: signed note")
    assert scene.accept(SELF, lie).note.endswith(
        lie.data[-50:]
    )  # who does not know the witness passes over it


def test_more_lines_than_a_note_holds_are_refused_by_name(scene: Scene) -> None:
    many = [(A, time_s) for time_s in range(spec.NOTE_SIGNATURES_MAX - 1)]
    assert scene.accept(SELF, scene.given(3, *many)).note == scene.given(3, *many).data
    error = refused(scene, SELF, scene.given(3, *many), scene.given(3, (B, 1), name="one too many"))
    assert error.code == "note-invalid"
    assert "one too many" in error.item


# --- files ------------------------------------------------------------------------------------------------------


def test_notes_are_read_from_files_of_bounded_size_and_number(tmp_path: Path) -> None:
    path = tmp_path / "a.note"
    path.write_bytes(b"some note")
    assert load_notes([path, str(path)]) == [GivenNote(str(path), b"some note")] * 2
    path.write_bytes(bytes(spec.NOTE_BYTES_MAX))
    assert len(load_notes([path])[0].data) == spec.NOTE_BYTES_MAX
    path.write_bytes(bytes(spec.NOTE_BYTES_MAX + 1))
    for paths, code in (
        ([path], "too-large"),
        ([tmp_path / "none"], "file-not-found"),
        ([path] * (spec.COSIGNED_NOTES_MAX + 1), "usage"),
    ):
        with pytest.raises(RefusedInput) as error:
            load_notes(paths)
        assert error.value.code == code


def test_paths_of_a_log_in_lmdb_hold(tmp_path: Path) -> None:
    """Over the tiles of a real store, from every size to every later one."""
    world = World(LmdbStore.create(tmp_path / "store"))
    memory = CheckpointMemory(tmp_path / "config", world.vkey)
    given = []
    for number in range(12):
        world.enrol(f"anna{number}")
        with open_view(world.store, world.vkey) as view:
            given.append(GivenNote(f"{number}", view.note))
            accept(memory, view, SELF, NOW_MS, given)
            assert remember(memory, accept(memory, view, SELF, NOW_MS, reversed(given)), view)
    world.store.close()
