"""A proof file beside what was accepted here before: each outcome, and a log that tells two histories (SPEC §12.4, §11.2)."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from ledger import spec
from ledger.api.copies import open_copy
from ledger.api.known_proofs import Known, compare_proof, remember_proof
from ledger.errors import LineageError, ProofInvalid, RefusedInput, StoreFault
from ledger.log.publish import publish
from ledger.log.view import LogView, open_view
from ledger.merkle.tree import EMPTY_ROOT
from ledger.origin.trust import Trust, parse_trust, self_trust
from ledger.proofs.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from ledger.proofs.points import Point, check_points
from ledger.proofs.views import TwoViews, convict
from ledger.signer.remembered import EVIDENCE, CheckpointMemory
from ledger.statements.statement import log_id
from ledger.store.folder import Marker, creating_folder
from ledger.store.lmdb import LmdbStore
from ledger.store.memory import MemoryStore
from tests.test_proofs.witnesses import Cosigner
from tests.world import World

WITNESS = Cosigner("witness.example/a")
NOW_S = 1_000_000
NOW_MS = NOW_S * 1_000
SELF = self_trust()
BEGINNING = ("anna", "ben", "cara")
HONEST = (*BEGINNING, "dora", "eva", "finn")
LIE = (*BEGINNING, "mallory", "nick", "olga", "paul")


class Told:
    """What one log told somebody: a world that enrols these names, and a proof file of any of its log checkpoints."""

    def __init__(self, *names: str) -> None:
        self.world = World(MemoryStore())
        self.vkey = self.world.vkey
        self.notes: dict[int, bytes] = {}
        self.roots: dict[int, bytes] = {}
        self._paths: dict[tuple[int, int], tuple[bytes, ...]] = {}
        for name in names:
            self.world.enrol(name)
            with self.view() as view:
                size = view.checkpoint.size
                self.notes[size] = view.note
                for earlier in range(1, size):
                    self.roots[earlier] = view.root_at(earlier)
                    self._paths[earlier, size] = tuple(view.consistency_path(earlier))

    @contextmanager
    def view(self) -> Iterator[LogView]:
        with open_view(self.world.store, self.vkey) as view:
            yield view

    def note(self, number: int) -> bytes:
        """The note that the log signed after so many enrolments."""
        return self.notes[self.size(number)]

    def size(self, number: int) -> int:
        return sorted(self.notes)[number - 1]

    def points(self, number: int, *since: int) -> list[Point]:
        """As `lineage prove --since` puts them into a file; they are verified, as `verify` does first."""
        size = self.size(number)
        found = [
            Point(each, self.roots[each], self.notes.get(each), self._paths[each, size]) for each in since
        ]
        check_points(found, open_checkpoint(self.notes[size], [self.vkey]), self.vkey)
        return found

    def publish(self, folder: Path) -> Path:
        publish(self.world.store, self.vkey, folder)
        return folder


def ledger_of(folder: Path, *names: str) -> Path:
    """The same log as a ledger's folder."""
    vkey = World(MemoryStore()).vkey
    with creating_folder(folder, Marker(vkey.name, str(vkey), log_id(str(vkey)))):
        world = World(LmdbStore.create(folder))
        for name in names:
            world.enrol(name)
        world.store.close()
    return folder


@pytest.fixture(scope="module")
def honest() -> Told:
    return Told(*HONEST)


@pytest.fixture(scope="module")
def lie() -> Told:
    return Told(*LIE)


@pytest.fixture
def memory(tmp_path: Path, honest: Told) -> CheckpointMemory:
    return CheckpointMemory(tmp_path / "config", honest.vkey)


def accepted(memory: CheckpointMemory, told: Told, number: int) -> int:
    """Remembers a log checkpoint as the first that was seen; its size."""
    known = compare_proof(memory, told.note(number), [])
    assert known.outcome == "first"
    assert remember_proof(memory, known, SELF, NOW_MS)
    return told.size(number)


def remembered(memory: CheckpointMemory) -> bytes | None:
    newest = memory.newest()
    return newest.note if newest is not None else None


def convicted(memory: CheckpointMemory) -> tuple[bytes, bytes]:
    """The notes of the one evidence file, read as somebody does who has that file and the vkey."""
    (path,) = (memory.folder / EVIDENCE).glob(f"*{spec.VIEWS_SUFFIX}")
    earlier, later = convict(TwoViews.parse(path.read_bytes()), memory.vkey)
    return earlier.note, later.note


def refused(compare: Callable[[], Known], code: str = "checkpoint-inconsistent") -> LineageError:
    with pytest.raises(LineageError) as error:
        compare()
    assert error.value.code == code
    return error.value


# --- each outcome -----------------------------------------------------------------------------------------------


def test_the_first_is_accepted_for_its_signature_alone(memory: CheckpointMemory, honest: Told) -> None:
    known = compare_proof(memory, honest.note(2), honest.points(2, 3))
    assert (known.outcome, known.by, known.before, known.is_compared, known.fix) == (
        "first",
        "signature",
        None,
        False,
        "",
    )
    assert "for its signature alone" in known.words
    assert remembered(memory) is None  # nothing is remembered by looking
    assert remember_proof(memory, known, SELF, NOW_MS)
    assert remembered(memory) == honest.note(2)


def test_the_same_is_told_and_keeps_the_cosignatures_of_both(memory: CheckpointMemory, honest: Told) -> None:
    accepted(memory, honest, 2)
    checkpoint = open_checkpoint(honest.note(2), [honest.vkey])
    cosigned = honest.note(2) + WITNESS.line(checkpoint, NOW_S).encode()
    known = compare_proof(memory, cosigned, [])
    assert (known.outcome, known.by, known.is_compared, known.before) == ("same", "root", True, checkpoint)
    assert remember_proof(memory, known, SELF, NOW_MS)
    assert remembered(memory) == cosigned


def test_a_point_of_the_remembered_size_shows_that_it_extends(memory: CheckpointMemory, honest: Told) -> None:
    size = accepted(memory, honest, 2)
    for since in ((size,), (3, size, size + 1)):
        known = compare_proof(memory, honest.note(4), honest.points(4, *since))
        assert (known.outcome, known.by, known.is_compared) == ("extends", "point", True)
        assert known.words.startswith(f"it holds all {size:,} entries")
    assert remember_proof(memory, known, SELF, NOW_MS)
    assert remembered(memory) == honest.note(4)


def test_without_such_a_point_it_is_not_compared_and_never_remembered(
    memory: CheckpointMemory, honest: Told
) -> None:
    size = accepted(memory, honest, 2)
    known = compare_proof(memory, honest.note(4), honest.points(4, size - 1, size + 1))
    assert (known.outcome, known.by, known.is_compared) == ("not-compared", "nothing", False)
    assert known.words.startswith(f"not compared with the {size:,} entries")
    assert f"lineage prove … --since {size}" in known.fix
    assert not remember_proof(memory, known, SELF, NOW_MS)
    assert remembered(memory) == honest.note(2)


def test_an_older_file_is_no_fault_and_is_told(
    memory: CheckpointMemory, honest: Told, tmp_path: Path
) -> None:
    size = accepted(memory, honest, 4)
    known = compare_proof(memory, honest.note(2), honest.points(2, 3))
    assert (known.outcome, known.by, known.is_compared) == ("behind", "nothing", False)
    assert known.words.startswith(
        f"older than what was accepted here: {honest.size(2):,} entries, of {size:,}"
    )
    assert f"{size:,} entries or more: --tree DIR" in known.fix
    with open_copy(honest.publish(tmp_path / "public"), honest.vkey) as copy:
        proved = compare_proof(memory, honest.note(2), [], copy)
    assert (proved.outcome, proved.by, proved.is_compared, proved.fix) == ("behind", "copy", True, "")
    assert "its beginning" in proved.words
    for each in (known, proved):
        assert not remember_proof(memory, each, SELF, NOW_MS)
    assert remembered(memory) == honest.note(4)


@pytest.mark.parametrize("is_ledger", [False, True], ids=["published", "ledger"])
def test_a_copy_at_hand_shows_that_it_extends(
    memory: CheckpointMemory, honest: Told, tmp_path: Path, *, is_ledger: bool
) -> None:
    size = accepted(memory, honest, 2)
    folder = tmp_path / "copy"
    folder = ledger_of(folder, *HONEST) if is_ledger else honest.publish(folder)
    with open_copy(folder, honest.vkey) as copy:
        known = compare_proof(memory, honest.note(4), [], copy)
        assert (known.outcome, known.by, known.is_compared) == ("extends", "copy", True)
        assert compare_proof(memory, honest.note(6), [], copy).outcome == "extends"
        assert compare_proof(memory, honest.note(2), [], copy).outcome == "same"
    assert known.before is not None
    assert known.before.size == size
    assert remember_proof(memory, known, SELF, NOW_MS)  # the copy is not asked any more
    assert remembered(memory) == honest.note(4)


def test_a_copy_that_ends_before_is_no_help(memory: CheckpointMemory, honest: Told, tmp_path: Path) -> None:
    accepted(memory, honest, 2)
    short = Told(*HONEST[:3])
    with open_copy(short.publish(tmp_path / "public"), honest.vkey) as copy:
        known = compare_proof(memory, honest.note(4), [], copy)
    assert (known.outcome, known.is_compared) == ("not-compared", False)
    assert "the copy of the log has" in known.words


Names = tuple[str, ...]  # a history: whom the log enrolled, in this order


def is_two(one: Names, other: Names) -> bool:
    """Whether one is no beginning of the other."""
    shorter, longer = sorted((one, other), key=len)
    return longer[: len(shorter)] != shorter


def is_shown(one: Names, other: Names, copied: Names | None) -> bool:
    """Whether two signed checkpoints can be compared: they are of one size, or the copy holds the later one's history."""
    later = max(one, other, key=len)
    return len(one) == len(other) or (copied is not None and copied[: len(later)] == later)


@pytest.mark.parametrize("how", ["nothing", "point", "honest copy", "lying copy"])
@pytest.mark.parametrize("name", ["honest", "lie"])
def test_every_pair_of_sizes_beside_the_naive_answer(
    tmp_path: Path, honest: Told, lie: Told, name: str, how: str
) -> None:
    told, whole = (honest, HONEST) if name == "honest" else (lie, LIE)
    copied = {"honest copy": HONEST, "lying copy": LIE}.get(how)
    folder = (lie if copied == LIE else honest).publish(tmp_path / "public")
    for mine in range(1, len(HONEST) + 1):
        for number in range(1, len(whole) + 1):
            memory = CheckpointMemory(tmp_path / f"config {mine} {number}", honest.vkey)
            size = accepted(memory, honest, mine)
            points = told.points(number, size) if how == "point" and number > mine else []
            before, file = HONEST[:mine], whole[:number]
            shown = is_shown(before, file, copied) or bool(points)
            pairs = [(before, file)] if shown else []
            if copied is not None:
                pairs += [(each, copied) for each in (before, file) if is_shown(each, copied, copied)]
            with open_copy(folder, honest.vkey) as copy:
                at_hand = copy if copied is not None else None
                if any(is_two(*pair) for pair in pairs):
                    with pytest.raises(ProofInvalid, match="two histories"):
                        compare_proof(memory, told.note(number), points, at_hand)
                    assert len(set(convicted(memory))) == 2
                    continue
                known = compare_proof(memory, told.note(number), points, at_hand)
            expected = "same" if number == mine else "behind" if number < mine else "extends"
            assert known.outcome == (expected if shown or number < mine else "not-compared")
            assert known.is_compared == shown
            assert not (memory.folder / EVIDENCE).exists()


# --- a log that tells two histories -----------------------------------------------------------------------------


def test_of_one_size_two_notes_convict(memory: CheckpointMemory, honest: Told, lie: Told) -> None:
    accepted(memory, honest, 5)
    error = refused(lambda: compare_proof(memory, lie.note(5), lie.points(5, 3)))
    assert convicted(memory) == (honest.note(5), lie.note(5))
    assert "lineage log compare" in error.fix
    assert remembered(memory) == honest.note(5)


def test_a_file_with_the_remembered_size_convicts(memory: CheckpointMemory, honest: Told, lie: Told) -> None:
    """`prove --since` shows the root that the other history had then."""
    size = accepted(memory, honest, 5)
    error = refused(lambda: compare_proof(memory, lie.note(7), lie.points(7, 3, size)))
    assert error.family == "ProofInvalid"
    assert convicted(memory) == (honest.note(5), lie.note(7))
    assert remembered(memory) == honest.note(5)


@pytest.mark.parametrize("is_ledger", [False, True], ids=["published", "ledger"])
def test_a_copy_of_the_other_history_convicts(
    memory: CheckpointMemory, honest: Told, lie: Told, tmp_path: Path, *, is_ledger: bool
) -> None:
    accepted(memory, honest, 5)
    folder = tmp_path / "copy"
    folder = ledger_of(folder, *LIE) if is_ledger else lie.publish(folder)
    with open_copy(folder, honest.vkey) as copy:
        refused(lambda: compare_proof(memory, lie.note(6), [], copy))
    assert convicted(memory)[0] == honest.note(5)
    assert remembered(memory) == honest.note(5)


def test_an_older_file_of_another_history_is_convicted_by_a_copy(
    memory: CheckpointMemory, honest: Told, lie: Told, tmp_path: Path
) -> None:
    accepted(memory, honest, 6)
    assert compare_proof(memory, lie.note(5), []).outcome == "behind"
    with open_copy(honest.publish(tmp_path / "public"), honest.vkey) as copy:
        refused(lambda: compare_proof(memory, lie.note(5), [], copy))
    assert convicted(memory) == (lie.note(5), honest.note(6))


def test_the_copys_own_log_checkpoint_is_looked_at_too(
    memory: CheckpointMemory, honest: Told, lie: Told, tmp_path: Path
) -> None:
    """Even where nothing is remembered yet: the file and the copy at hand tell two histories."""
    with open_copy(lie.publish(tmp_path / "public"), honest.vkey) as copy:
        refused(lambda: compare_proof(memory, honest.note(6), [], copy))
        assert convicted(memory) == (honest.note(6), lie.note(7))
        shutil.rmtree(memory.folder / EVIDENCE)
        accepted(memory, honest, 5)
        # The file is of the beginning that both share, and what was accepted is of the other history than the copy.
        refused(lambda: compare_proof(memory, honest.note(3), [], copy))
        assert convicted(memory) == (honest.note(5), lie.note(7))


# --- what is at hand is not believed ----------------------------------------------------------------------------


def test_a_copys_hashes_count_as_far_as_they_lead_to_a_signed_root(
    memory: CheckpointMemory, honest: Told, lie: Told, tmp_path: Path
) -> None:
    """A changed copy neither proves nor accuses."""
    accepted(memory, honest, 2)
    folder = honest.publish(tmp_path / "public")
    for tile in folder.glob("tile/0/**/*"):
        if tile.is_file():
            tile.write_bytes(bytes(len(tile.read_bytes())))
    with open_copy(folder, honest.vkey) as copy:
        known = compare_proof(memory, honest.note(4), [], copy)
        assert (known.outcome, known.is_compared) == ("not-compared", False)
        assert "does not lead to the log checkpoint" in known.words
        assert not remember_proof(memory, known, SELF, NOW_MS)
        assert compare_proof(memory, honest.note(1), [], copy).is_compared is False
    assert not (memory.folder / EVIDENCE).exists()


def test_a_copy_that_lacks_tiles_is_told(memory: CheckpointMemory, honest: Told, tmp_path: Path) -> None:
    accepted(memory, honest, 2)
    folder = honest.publish(tmp_path / "public")
    shutil.rmtree(folder / "tile" / "0")
    with open_copy(folder, honest.vkey) as copy, pytest.raises(StoreFault) as fault:
        compare_proof(memory, honest.note(4), [], copy)
    assert fault.value.code == "tile-missing"


def test_no_more_is_read_of_a_copy_than_a_proof_needs(
    memory: CheckpointMemory, honest: Told, tmp_path: Path
) -> None:
    accepted(memory, honest, 2)
    folder = honest.publish(tmp_path / "public")
    shutil.rmtree(folder / "tile" / "entries")
    shutil.rmtree(folder / "records", ignore_errors=True)
    with open_copy(folder, honest.vkey) as copy:
        assert compare_proof(memory, honest.note(4), [], copy).outcome == "extends"


def test_a_folder_that_is_no_copy_of_this_log_is_refused(honest: Told, tmp_path: Path) -> None:
    other = World(MemoryStore(), "log.example/else")
    publish(other.store, other.vkey, tmp_path / "else")
    ledger_of(tmp_path / "ledger", "anna")
    public = honest.publish(tmp_path / "public")
    (tmp_path / "empty").mkdir()
    both = shutil.copytree(tmp_path / "ledger", tmp_path / "both")
    shutil.copy(public / "checkpoint", both)
    note = (public / "checkpoint").read_bytes()
    for name, change in (("extended", (b"\n\n", b"x\n\n")), ("forged", (b"\n14\n", b"\n13\n"))):
        copy = shutil.copytree(public, tmp_path / name)
        (copy / "checkpoint").write_bytes(note.replace(*change))
        assert (copy / "checkpoint").read_bytes() != note
    for name, vkey, code in (
        ("else", honest.vkey, "wrong-log"),
        ("ledger", other.vkey, "wrong-log"),
        ("empty", honest.vkey, "not-a-ledger"),
        ("nowhere", honest.vkey, "not-a-ledger"),
        ("both", honest.vkey, "ambiguous"),
        ("extended", honest.vkey, "checkpoint-invalid"),
        ("forged", honest.vkey, "note-invalid"),
    ):
        with pytest.raises(LineageError) as error, open_copy(tmp_path / name, vkey):
            pass
        assert (error.value.code, name in error.value.item) == (code, True)


def test_a_damaged_memory_is_told(memory: CheckpointMemory, honest: Told) -> None:
    accepted(memory, honest, 2)
    known = compare_proof(memory, honest.note(4), honest.points(4, honest.size(2)))
    memory.note_file.write_bytes(b"")
    for act in (
        lambda: compare_proof(memory, honest.note(4), []),
        lambda: remember_proof(memory, known, SELF, NOW_MS),
    ):
        with pytest.raises(StoreFault) as fault:
            act()
        assert fault.value.code == "checkpoint-memory-damaged"
        assert str(memory.note_file) in fault.value.item


def test_a_note_that_the_log_did_not_sign_is_refused(memory: CheckpointMemory, honest: Told) -> None:
    unsigned = honest.note(2).split(b"\n\n")[0] + b"\n\n"
    checkpoint = open_checkpoint(honest.note(2), [honest.vkey])
    with pytest.raises(ProofInvalid) as error:
        compare_proof(memory, unsigned + WITNESS.line(checkpoint, 5).encode(), [])
    assert error.value.code == "note-invalid"


# --- what is remembered -----------------------------------------------------------------------------------------


def trust_of(told: Told) -> Trust:
    policy = f"log {told.vkey}\nwitness a {WITNESS.vkey}\nquorum a\n"
    return parse_trust(f'tlog_policy = """\n{policy}"""\n'.encode())


def test_only_what_the_quorum_cosigned_is_remembered(memory: CheckpointMemory, honest: Told) -> None:
    trust = trust_of(honest)
    checkpoint = open_checkpoint(honest.note(2), [honest.vkey])
    late = WITNESS.line(checkpoint, NOW_S + spec.CLOCK_AHEAD_MAX_S + 1).encode()
    for lines in (b"", late):
        known = compare_proof(memory, honest.note(2) + lines, [])
        assert not remember_proof(memory, known, trust, NOW_MS)
        assert remembered(memory) is None
    cosigned = honest.note(2) + WITNESS.line(checkpoint, NOW_S).encode()
    known = compare_proof(memory, cosigned, [])
    assert remember_proof(memory, known, trust, NOW_MS)
    assert remembered(memory) == cosigned
    size = honest.size(2)
    grown = compare_proof(memory, honest.note(4), honest.points(4, size))
    assert grown.outcome == "extends"
    assert not remember_proof(memory, grown, trust, NOW_MS)
    assert remembered(memory) == cosigned


def test_what_somebody_else_remembered_meanwhile_is_not_undone(
    memory: CheckpointMemory, honest: Told, lie: Told
) -> None:
    size = accepted(memory, honest, 2)
    known = compare_proof(memory, honest.note(4), honest.points(4, size))
    first = replace(known, outcome="first", before=None)
    remember_proof(memory, compare_proof(memory, honest.note(3), honest.points(3, size)), SELF, NOW_MS)
    assert not remember_proof(memory, known, SELF, NOW_MS)  # nothing in the file leads to that one
    assert not remember_proof(memory, first, SELF, NOW_MS)
    assert remembered(memory) == honest.note(3)
    points = honest.points(6, honest.size(3))
    assert remember_proof(memory, compare_proof(memory, honest.note(6), points), SELF, NOW_MS)
    assert not remember_proof(memory, known, SELF, NOW_MS)  # it is greater
    assert remembered(memory) == honest.note(6)


def test_what_was_not_compared_is_not_remembered_in_an_empty_memory_either(
    memory: CheckpointMemory, honest: Told
) -> None:
    """Somebody takes the memory away meanwhile: what was not relied on is no first one."""
    accepted(memory, honest, 3)
    unknown = [compare_proof(memory, honest.note(number), []) for number in (2, 5)]
    assert [known.outcome for known in unknown] == ["behind", "not-compared"]
    memory.note_file.unlink()
    for known in unknown:
        assert not remember_proof(memory, known, SELF, NOW_MS)
    assert remembered(memory) is None


def test_another_history_that_was_remembered_meanwhile_convicts(
    memory: CheckpointMemory, honest: Told, lie: Told
) -> None:
    points = lie.points(7, lie.size(5))
    known = compare_proof(memory, lie.note(7), points)
    assert known.outcome == "first"
    accepted(memory, honest, 5)
    with pytest.raises(ProofInvalid) as error:
        remember_proof(memory, known, SELF, NOW_MS)
    assert error.value.code == "checkpoint-inconsistent"
    assert convicted(memory) == (honest.note(5), lie.note(7))
    assert remembered(memory) == honest.note(5)


def test_what_the_memory_refuses_is_passed_on(
    memory: CheckpointMemory, honest: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = compare_proof(memory, honest.note(2), [])

    def busy(*_arguments: object) -> bool:
        raise RefusedInput("other", "item", "reason", "fix")

    monkeypatch.setattr(CheckpointMemory, "remember", busy)
    with pytest.raises(RefusedInput, match="reason"):
        remember_proof(memory, known, SELF, NOW_MS)


def test_the_document_says_the_same(memory: CheckpointMemory, honest: Told) -> None:
    assert compare_proof(memory, honest.note(2), []).document() == {
        "outcome": "first",
        "compared": False,
        "by": "signature",
        "size": honest.size(2),
        "accepted_size": None,
        "why": None,
        "fix": None,
    }
    size = accepted(memory, honest, 2)
    document = compare_proof(memory, honest.note(4), []).document()
    assert (document["outcome"], document["compared"], document["accepted_size"]) == (
        "not-compared",
        False,
        size,
    )
    assert "no copy of the log is at hand" in document["why"]
    assert f"--since {size}" in document["fix"]


def test_after_an_empty_log_anything_follows(memory: CheckpointMemory, honest: Told) -> None:
    """No log of ours signs it, and who remembers it is not left with it."""
    empty = Checkpoint(honest.vkey.name, 0, EMPTY_ROOT)
    note = sign_checkpoint(empty, honest.world.sign_note, honest.vkey.key).encode()
    assert remember_proof(memory, compare_proof(memory, note, []), SELF, NOW_MS)
    known = compare_proof(memory, honest.note(2), [])
    assert (known.outcome, known.by, known.is_compared) == ("extends", "root", True)
    assert remember_proof(memory, known, SELF, NOW_MS)
    assert remembered(memory) == honest.note(2)
