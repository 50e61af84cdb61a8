"""The newest accepted log checkpoint is remembered: no past and no other history is shown to who saw it (SPEC §12.4)."""

from __future__ import annotations

import os
import shutil
import stat
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import spec
from ledger.errors import LineageError, ProofInvalid, RefusedInput, StoreFault
from ledger.identity import ed25519
from ledger.identity.vkey import Vkey
from ledger.proofs.checkpoint import Signed, open_checkpoint
from ledger.proofs.views import TwoViews, by_path, convict
from ledger.signer.keystore import Keystore
from ledger.signer.known_logs import known_logs
from ledger.signer.remembered import EVIDENCE, LOCK_FILE, NOTE_FILE, CheckpointMemory, RootAt
from ledger.statements.statement import log_id
from tests.histories import FORKED, HONEST, SIZE, VKEY, History
from tests.test_proofs.witnesses import Cosigner
from tests.test_store.test_lmdb import child

STRANGER = Vkey.make(VKEY.name, ed25519.public_key(bytes([7]) * 32))  # another log of the same name
A, B = Cosigner("witness.example/a"), Cosigner("witness.example/b")


@pytest.fixture
def memory(tmp_path: Path) -> CheckpointMemory:
    return CheckpointMemory(tmp_path / "config", VKEY)


def remember(memory: CheckpointMemory, size: int, history: History = HONEST) -> bool:
    return memory.remember(history.note(size), history.prove(size))


def check(memory: CheckpointMemory, size: int, history: History = HONEST) -> Signed | None:
    return memory.check(history.note(size), history.prove(size))


def evidence(memory: CheckpointMemory) -> list[bytes]:
    return sorted(path.read_bytes() for path in (memory.folder / EVIDENCE).glob("*.note"))


# --- what is accepted -------------------------------------------------------------------------------------------


def test_the_first_checkpoint_is_accepted_and_nothing_is_written_by_looking(
    memory: CheckpointMemory, tmp_path: Path
) -> None:
    assert memory.newest() is None
    assert check(memory, 5) is None
    assert list(tmp_path.iterdir()) == []


def test_the_whole_note_is_kept_for_its_owner_alone(memory: CheckpointMemory, tmp_path: Path) -> None:
    cosigned = HONEST.note(5, A.line(HONEST.checkpoint(5), 50))
    assert memory.remember(cosigned, HONEST.prove(5))
    path = tmp_path / "config" / "checkpoints" / log_id(str(VKEY)).hex() / NOTE_FILE
    assert path == memory.note_file
    assert path.read_bytes() == cosigned
    assert memory.newest() == Signed(cosigned, HONEST.checkpoint(5))
    assert {stat.S_IMODE(each.stat().st_mode) for each in (path, path.with_name(LOCK_FILE))} == {0o600}
    folders = (path.parent, path.parent.parent, path.parent.parent.parent)
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in folders} == {0o700}


def test_a_greater_one_that_holds_it_takes_its_place(memory: CheckpointMemory) -> None:
    for size in (2, 5, 5, 8, SIZE):
        before = check(memory, size)
        assert remember(memory, size)
        assert (before is None) == (size == 2)
        assert memory.newest() == Signed(HONEST.note(size), HONEST.checkpoint(size))
    assert evidence(memory) == []


def test_looking_remembers_nothing(memory: CheckpointMemory) -> None:
    remember(memory, 5)
    assert check(memory, 8) == Signed(HONEST.note(5), HONEST.checkpoint(5))
    assert memory.newest() == Signed(HONEST.note(5), HONEST.checkpoint(5))


def test_logs_are_remembered_apart_and_are_none_whose_keys_lie_here(
    memory: CheckpointMemory, tmp_path: Path
) -> None:
    other = CheckpointMemory(tmp_path / "config", STRANGER)
    remember(memory, 5)
    assert other.newest() is None
    assert known_logs(tmp_path / "config") == []
    keys = Keystore(tmp_path / "config", log_id(str(VKEY)))
    with keys.creating():  # the folder of its keys is not there yet
        assert keys.names() == []


def test_of_one_checkpoint_the_cosignatures_of_all_notes_are_kept(memory: CheckpointMemory) -> None:
    checkpoint = HONEST.checkpoint(5)
    lines = A.line(checkpoint, 50), B.line(checkpoint, 60)
    for given_lines in (lines[:1], (), lines[1:], lines[:1]):
        assert memory.remember(HONEST.note(5, *given_lines), HONEST.prove(5))
    newest = memory.newest()
    assert newest is not None
    assert newest.note == HONEST.note(5, *lines)


def test_of_more_lines_than_a_note_holds_those_are_kept_that_were_there(memory: CheckpointMemory) -> None:
    checkpoint = HONEST.checkpoint(5)
    full = HONEST.note(5, *(A.line(checkpoint, time_s) for time_s in range(spec.NOTE_SIGNATURES_MAX - 1)))
    memory.remember(full, HONEST.prove(5))
    assert memory.remember(HONEST.note(5, B.line(checkpoint, 60)), HONEST.prove(5))
    assert memory.note_file.read_bytes() == full


# --- what is refused --------------------------------------------------------------------------------------------


def test_a_smaller_one_is_an_older_copy(memory: CheckpointMemory) -> None:
    remember(memory, 8)
    with pytest.raises(RefusedInput, match="one of 8 was accepted here before") as refused:
        check(memory, 5)
    assert refused.value.code == "checkpoint-behind"
    assert str(memory.note_file) in refused.value.fix
    assert evidence(memory) == []  # it contradicts nothing
    assert check(memory, 8) is not None


def test_who_is_overtaken_leaves_the_greater_one(memory: CheckpointMemory) -> None:
    remember(memory, 8)
    assert not remember(memory, 5)
    assert memory.note_file.read_bytes() == HONEST.note(8)


@pytest.mark.parametrize("later", [20, 21, 32, SIZE])
def test_another_history_is_refused_and_both_notes_are_evidence(memory: CheckpointMemory, later: int) -> None:
    remember(memory, 20)
    both = sorted([HONEST.note(20), FORKED.note(later)])
    for verb in (check, remember, check):
        with pytest.raises(ProofInvalid, match="two histories") as refused:
            verb(memory, later, FORKED)
        assert refused.value.code == "checkpoint-inconsistent"
        assert evidence(memory) == both
        assert len(views(memory)) == (later == 20)  # of one size two notes are proof enough
        named = [
            path for path in (memory.folder / EVIDENCE).glob("*.note") if str(path) in refused.value.reason
        ]
        assert len(named) == 2
    assert memory.note_file.read_bytes() == HONEST.note(20)
    assert {stat.S_IMODE(path.stat().st_mode) for path in (memory.folder / EVIDENCE).iterdir()} == {0o600}


def test_a_log_that_proves_nothing_is_refused(memory: CheckpointMemory) -> None:
    """Its tree is the honest one; but who is shown no proof cannot know."""
    remember(memory, 20)
    for verb in (memory.check, memory.remember):
        with pytest.raises(ProofInvalid) as refused:
            verb(HONEST.note(30), lambda _old: [])
        assert refused.value.code == "checkpoint-inconsistent"
    assert evidence(memory) == sorted([HONEST.note(20), HONEST.note(30)])
    assert memory.note_file.read_bytes() == HONEST.note(20)


def test_two_notes_are_compared_whatever_is_remembered(memory: CheckpointMemory) -> None:
    memory.check_one_history(HONEST.note(5), HONEST.note(20), HONEST.prove(20))
    with pytest.raises(ProofInvalid) as refused:
        memory.check_one_history(HONEST.note(15), FORKED.note(20), FORKED.prove(20))
    assert refused.value.code == "checkpoint-inconsistent"
    assert evidence(memory) == sorted([HONEST.note(15), FORKED.note(20)])
    assert memory.newest() is None


def test_nothing_is_remembered_that_the_log_did_not_sign(memory: CheckpointMemory) -> None:
    stranger = CheckpointMemory(memory.folder.parent.parent, STRANGER)
    with pytest.raises(ProofInvalid, match="no known key signed it"):
        stranger.remember(HONEST.note(5), HONEST.prove(5))
    broken = HONEST.note(5).replace(b"\n5\n", b"\n6\n")
    for verb in (memory.check, memory.remember):
        with pytest.raises(ProofInvalid, match="does not hold"):
            verb(broken, HONEST.prove(6))
    assert not memory.folder.exists()


# --- evidence ---------------------------------------------------------------------------------------------------


def test_evidence_is_bounded_and_what_is_full_is_told(
    memory: CheckpointMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spec, "CHECKPOINT_EVIDENCE_MAX", 3)
    remember(memory, 20)
    with pytest.raises(ProofInvalid, match="Both are kept"):
        check(memory, 21, FORKED)
    with pytest.raises(ProofInvalid, match="Both are kept"):
        check(memory, 22, FORKED)  # the remembered one is there already
    with pytest.raises(
        ProofInvalid, match=r"could not be kept as evidence: .* holds 3 notes already"
    ) as refused:
        check(memory, 23, FORKED)
    assert refused.value.code == "checkpoint-inconsistent"
    assert evidence(memory) == sorted([HONEST.note(20), FORKED.note(21), FORKED.note(22)])
    with pytest.raises(ProofInvalid, match="Both are kept"):
        check(memory, 22, FORKED)


def test_evidence_is_never_replaced(memory: CheckpointMemory) -> None:
    remember(memory, 20)
    with pytest.raises(ProofInvalid):
        check(memory, 21, FORKED)
    for path in (memory.folder / EVIDENCE).iterdir():
        path.write_bytes(b"changed")
    with pytest.raises(ProofInvalid, match="it has been changed since it was kept") as refused:
        check(memory, 21, FORKED)
    assert refused.value.code == "checkpoint-inconsistent"
    assert evidence(memory) == [b"changed", b"changed"]


@pytest.mark.parametrize("obstacle", [EVIDENCE, LOCK_FILE])
def test_where_evidence_cannot_be_kept_the_accusation_stands(memory: CheckpointMemory, obstacle: str) -> None:
    remember(memory, 20)
    path = memory.folder / obstacle
    path.unlink(missing_ok=True)
    if obstacle == EVIDENCE:
        path.write_bytes(b"in the way")
    else:
        path.mkdir()
    with pytest.raises(ProofInvalid, match="could not be kept as evidence") as refused:
        check(memory, 20, FORKED)
    assert refused.value.code == "checkpoint-inconsistent"


# --- evidence that convicts by itself ---------------------------------------------------------------------------


def root_at(history: History) -> RootAt:
    return lambda size: history.checkpoint(size).root


def views(memory: CheckpointMemory) -> list[TwoViews]:
    """The files of two views that are kept."""
    paths = sorted((memory.folder / EVIDENCE).glob(f"*{spec.VIEWS_SUFFIX}"))
    return [TwoViews.parse(path.read_bytes()) for path in paths]


@pytest.mark.parametrize("later", [20, 21, 32, SIZE])
def test_where_the_proof_is_at_hand_one_file_convicts_the_log(memory: CheckpointMemory, later: int) -> None:
    remember(memory, 20)
    note, prove = FORKED.note(later), FORKED.prove(later)
    for act in (
        lambda: memory.check(note, prove, root_at(FORKED)),
        lambda: memory.remember(note, prove, root_at(FORKED)),
        lambda: memory.check_one_history(HONEST.note(20), note, prove, root_at(FORKED)),
    ):
        with pytest.raises(ProofInvalid) as refused:
            act()
        (kept,) = views(memory)
        earlier, found = convict(kept, VKEY)
        assert (earlier.note, found.note) == (HONEST.note(20), note)
        (path,) = (memory.folder / EVIDENCE).glob("*.views")
        assert path.name.startswith(f"20-{later}-")
        assert f"lineage log compare {path} --vkey '{VKEY}'" in refused.value.fix
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        shutil.rmtree(memory.folder / EVIDENCE)


def test_two_views_that_somebody_found_are_kept_whatever_is_remembered(memory: CheckpointMemory) -> None:
    found = by_path(
        Signed(HONEST.note(15), HONEST.checkpoint(15)),
        Signed(FORKED.note(30), FORKED.checkpoint(30)),
        FORKED.checkpoint(15).root,
        FORKED.prove(30)(15),
    ).views
    assert found is not None
    error = memory.convicted(found)
    assert (error.code, views(memory)) == ("checkpoint-inconsistent", [found])
    assert evidence(memory) == sorted([HONEST.note(15), FORKED.note(30)])
    with pytest.raises(ProofInvalid) as refused:
        memory.convicted(replace(found, later=HONEST.note(30).decode()))
    assert refused.value.code == "views-invalid"
    assert views(memory) == [found]


def test_what_the_proofs_source_lacks_hides_no_accusation(memory: CheckpointMemory) -> None:
    """Only what convicts is such a file: a root that is made up, a store that fails, no proof at all give none."""

    def fails(_size: int) -> bytes:
        raise StoreFault("tile-missing", "tile 0/0", "it is missing")

    remember(memory, 20)
    for root, prove in (
        (None, FORKED.prove(30)),
        (fails, FORKED.prove(30)),
        (lambda _size: bytes(32), FORKED.prove(30)),
        (root_at(HONEST), FORKED.prove(30)),
        (root_at(FORKED), lambda _size: []),
    ):
        with pytest.raises(ProofInvalid, match="Both are kept as evidence") as refused:
            memory.check(FORKED.note(30), prove, root)
        assert refused.value.code == "checkpoint-inconsistent"
        assert "Trust neither" in refused.value.fix
        assert views(memory) == []
        assert evidence(memory) == sorted([HONEST.note(20), FORKED.note(30)])


def test_files_of_two_views_are_bounded_too(
    memory: CheckpointMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spec, "CHECKPOINT_EVIDENCE_MAX", 2)
    cosigned = [HONEST.note(20, A.line(HONEST.checkpoint(20), time_s)) for time_s in (1, 2, 3)]
    kept = [
        each
        for note in cosigned
        if (each := by_path(_signed(note), _signed(FORKED.note(20)), FORKED.checkpoint(20).root, ()).views)
    ]
    assert len(kept) == 3
    for each in kept[:2]:
        assert memory.convicted(each).fix.startswith("Trust neither, and show others the evidence")
        for path in (memory.folder / EVIDENCE).glob("*.note"):
            path.unlink()
    error = memory.convicted(kept[2])
    assert "holds 2 files of two views already" in error.reason
    assert "lineage log compare" not in error.fix
    assert sorted(map(repr, views(memory))) == sorted(map(repr, kept[:2]))
    assert evidence(memory) == []


def _signed(note: bytes) -> Signed:
    return Signed(note, open_checkpoint(note, [VKEY]))


# --- a damaged memory -------------------------------------------------------------------------------------------


def damaged(memory: CheckpointMemory) -> StoreFault:
    for verb in (check, remember):
        with pytest.raises(StoreFault) as fault:
            verb(memory, 30)
    assert fault.value.code == "checkpoint-memory-damaged"
    assert fault.value.item == str(memory.note_file)
    assert "Restore it from a copy" in fault.value.fix
    return fault.value


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"\xff",
        HONEST.note(20)[:-1],
        HONEST.note(20).replace(b"\n20\n", b"\n19\n"),
        HONEST.note(20).split(b"\n\n")[0],
        b"x" * (spec.NOTE_BYTES_MAX + 1),
    ],
    ids=["empty", "bytes", "cut", "smaller", "unsigned", "too large"],
)
def test_a_damaged_memory_is_told_and_stays(memory: CheckpointMemory, damage: bytes) -> None:
    remember(memory, 20)
    memory.note_file.write_bytes(damage)
    damaged(memory)
    assert memory.note_file.read_bytes() == damage


def test_every_flipped_byte_is_seen_or_harmless(memory: CheckpointMemory) -> None:
    """No change of one byte makes the memory forget, or hold another checkpoint."""
    remember(memory, 20)
    note = HONEST.note(20)
    for at in range(len(note)):
        memory.note_file.write_bytes(note[:at] + bytes([note[at] ^ 1]) + note[at + 1 :])
        with pytest.raises(StoreFault) as fault:
            memory.newest()
        assert fault.value.code == "checkpoint-memory-damaged"


def test_what_is_no_file_is_a_damaged_memory(memory: CheckpointMemory, tmp_path: Path) -> None:
    remember(memory, 20)
    elsewhere = tmp_path / "elsewhere"
    memory.note_file.rename(elsewhere)
    memory.note_file.symlink_to(elsewhere)
    damaged(memory)
    memory.note_file.unlink()
    memory.note_file.symlink_to(tmp_path / "nowhere")
    damaged(memory)
    memory.note_file.unlink()
    memory.note_file.mkdir()
    damaged(memory)


@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize("is_link", [False, True])
def test_what_stands_in_the_way_of_its_folders_is_not_taken_for_nothing(
    memory: CheckpointMemory, tmp_path: Path, level: int, *, is_link: bool
) -> None:
    place = memory.note_file.parents[level]
    place.parent.mkdir(parents=True, exist_ok=True)
    if is_link:
        place.symlink_to(tmp_path / "nowhere")
    else:
        place.write_bytes(b"a file")
    damaged(memory)


# --- several at once --------------------------------------------------------------------------------------------


def test_who_remembers_a_greater_one_meanwhile_is_not_undone(
    memory: CheckpointMemory, tmp_path: Path
) -> None:
    """Between the look and the lock another process comes in."""
    other = CheckpointMemory(tmp_path / "config", VKEY)
    remember(memory, 5)

    def prove(old: int) -> list[bytes]:
        remember(other, 30)
        return HONEST.prove(8)(old)

    assert not memory.remember(HONEST.note(8), prove)
    assert memory.note_file.read_bytes() == HONEST.note(30)


def test_who_remembers_another_history_meanwhile_is_seen(memory: CheckpointMemory, tmp_path: Path) -> None:
    other = CheckpointMemory(tmp_path / "config", VKEY)
    remember(memory, 5)
    asked: list[int] = []

    def prove(old: int) -> list[bytes]:
        if not asked:
            remember(other, 20, FORKED)
        asked.append(old)
        return HONEST.prove(30)(old)

    with pytest.raises(ProofInvalid) as refused:
        memory.remember(HONEST.note(30), prove)
    assert refused.value.code == "checkpoint-inconsistent"
    assert asked == [5, 20]
    assert memory.note_file.read_bytes() == FORKED.note(20)
    assert evidence(memory) == sorted([FORKED.note(20), HONEST.note(30)])


def test_nothing_is_replaced_while_another_holds_the_lock(
    memory: CheckpointMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spec, "CHECKPOINT_MEMORY_WAIT_S", 0)
    remember(memory, 5)
    with FileLock(memory.folder / LOCK_FILE):
        with pytest.raises(StoreFault) as busy:
            remember(memory, 8)
        assert busy.value.code == "checkpoint-memory-busy"
        assert check(memory, 8) is not None  # looking waits for nobody
    assert memory.note_file.read_bytes() == HONEST.note(5)
    assert remember(memory, 8)


def test_a_lock_that_leads_elsewhere_is_refused(memory: CheckpointMemory, tmp_path: Path) -> None:
    """Whoever may write into the folder could have another file opened, and made its owner's alone."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"something else")
    memory.folder.mkdir(parents=True)
    (memory.folder / LOCK_FILE).symlink_to(elsewhere)
    with pytest.raises(StoreFault) as fault:
        remember(memory, 5)
    assert fault.value.code == "not-a-regular-file"
    assert not memory.note_file.exists()


def test_many_threads_leave_the_greatest(memory: CheckpointMemory) -> None:
    seen: list[int] = []
    failures: list[BaseException] = []

    def run(sizes: range) -> None:
        try:
            for size in sizes:
                remember(memory, size)
                newest = memory.newest()
                seen.append(newest.checkpoint.size if newest is not None else 0)
                if seen[-1] < size:
                    raise AssertionError(size)
        except BaseException as error:  # noqa: BLE001 - told by the test
            failures.append(error)

    threads = [threading.Thread(target=run, args=(range(start, SIZE + 1, 4),)) for start in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(seen) > SIZE // 2
    assert memory.note_file.read_bytes() == HONEST.note(SIZE)


REMEMBER = """
from ledger.signer.remembered import CheckpointMemory
from tests.histories import HONEST, VKEY
memory = CheckpointMemory(path, VKEY)
print("ready")
sys.stdin.readline()
for size in range(int(sys.argv[2]), 41, 2):
    memory.remember(HONEST.note(size), HONEST.prove(size))
    print(memory.newest().checkpoint.size >= size)
"""


def test_two_processes_leave_the_greatest(memory: CheckpointMemory) -> None:
    config = memory.folder.parent.parent
    with child(REMEMBER, config, 1) as one, child(REMEMBER, config, 2) as two:
        for each in (one, two):
            assert each.stdin
            assert each.stdout
            assert each.stdout.readline() == "ready\n"
        for each in (one, two):
            assert each.stdin
            each.stdin.write("\n")
            each.stdin.flush()
        for each in (one, two):
            assert each.stdout
            assert set(each.stdout.read().split()) == {"True"}
    assert (one.returncode, two.returncode) == (0, 0)
    assert memory.note_file.read_bytes() == HONEST.note(SIZE)


def test_what_a_dead_process_left_unfinished_goes(memory: CheckpointMemory) -> None:
    remember(memory, 5)
    left_over = memory.folder / f".{NOTE_FILE}.0123456789abcdef.tmp"
    left_over.write_bytes(b"half a no")
    remember(memory, 8)
    assert {path.name for path in memory.folder.iterdir()} == {NOTE_FILE, LOCK_FILE}


def test_a_disk_that_refuses_remembers_nothing(
    memory: CheckpointMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember(memory, 5)

    def fail(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StoreFault) as fault:
        remember(memory, 8)
    assert fault.value.code == "store-failed"
    monkeypatch.undo()
    assert memory.note_file.read_bytes() == HONEST.note(5)
    assert {path.name for path in memory.folder.iterdir()} == {NOTE_FILE, LOCK_FILE}


# --- whatever is shown, in whatever order -----------------------------------------------------------------------

SHOWN = st.tuples(st.sampled_from([HONEST, FORKED]), st.integers(1, SIZE), st.booleans())


@settings(deadline=None, max_examples=60)
@given(st.lists(SHOWN, max_size=12))
def test_what_is_remembered_is_one_history(
    tmp_path_factory: pytest.TempPathFactory, shown: list[tuple[History, int, bool]]
) -> None:
    """Beside it the naive memory: all leaves of what was accepted."""
    memory = CheckpointMemory(tmp_path_factory.mktemp("config"), VKEY)
    accepted: list[bytes] = []
    for history, size, relies in shown:
        leaves = history.leaves[:size]
        expected = (
            "checkpoint-behind"
            if len(leaves) < len(accepted)
            else ""
            if leaves[: len(accepted)] == accepted
            else "checkpoint-inconsistent"
        )
        try:
            check(memory, size, history)
            code = ""
        except LineageError as error:
            code = error.code
        assert code == expected
        if relies and not code:
            assert remember(memory, size, history)
            accepted = leaves
        newest = memory.newest()
        assert (newest.checkpoint.size if newest else 0) == len(accepted)
