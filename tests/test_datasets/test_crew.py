"""Worker processes: they answer in turn, say what they refuse, die with their parent, and see nothing of it."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from ledger.datasets import crew as module
from ledger.datasets.crew import Crew, worker_count
from ledger.datasets.digests import NO_LINE
from ledger.datasets.files import RegularFile
from ledger.datasets.look_tasks import packed_wanted
from ledger.datasets.tasks import JSONL, digested_of
from ledger.datasets.wanted import Wanted
from ledger.errors import RefusedInput, StoreFault

ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 120.0


def wait_for(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < until, "it did not come about in time"
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def pids(crew: Crew) -> list[int]:
    return [worker._process.pid for worker in crew._workers]


def test_answers_come_to_those_who_asked(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"".join(b'{"text":"%d"}\n' % n for n in range(1_000)))
    with RegularFile(path) as file:
        known = list(file.fingerprint)
    size = path.stat().st_size
    stretches = [[at, min(at + 100, size), at == 0, None] for at in range(0, size, 100)]
    with Crew(2) as crew:
        asked = [
            crew.submit("lines", str(path), known, JSONL, packed_wanted(Wanted("text")), stretch)
            for stretch in stretches
        ]
        found = [digested_of(answer.result(WAIT_S)) for answer in asked]
        here = Crew(0)
        assert found == [
            here.submit("lines", str(path), known, JSONL, packed_wanted(Wanted("text")), stretch).result()
            for stretch in stretches
        ]
    digests = b"".join(part.digests for part in found)
    assert digests == b"".join(hashlib.sha256(str(n).encode()).digest() for n in range(1_000))
    assert found[0].first == 0
    assert found[-1].end == size
    assert NO_LINE not in {part.first for part in found}
    assert not any(map(is_running, pids(crew)))


def test_large_answers_and_large_tasks_at_once_do_not_stop_each_other() -> None:
    digests = b"".join(hashlib.sha256(bytes([n % 256])).digest() for n in range(16_384))
    with Crew(2) as crew:
        asked = [crew.submit("tree", digests, 16_384 * n) for n in range(24)]
        assert len({len(answer.result(WAIT_S)[1]) for answer in asked}) == 1


@pytest.mark.parametrize("workers", [0, 1])
def test_a_refusal_is_the_same_wherever_it_is_met(tmp_path: Path, workers: int) -> None:
    with Crew(workers) as crew:
        answer = crew.submit("checksum", str(tmp_path / "absent\udcff"), [1, 2, 3, 4, 5], 0, 3)
        with pytest.raises(RefusedInput) as caught:
            answer.result(WAIT_S)
        assert caught.value.code == "file-not-found"
        assert "absent" in caught.value.item
        assert caught.value.reason
        assert caught.value.fix
        assert len(crew.submit("tree", bytes(32), 0).result(WAIT_S)[0]) == 32, "it goes on"


def test_a_path_of_any_bytes_is_found_by_a_worker(tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe")
    try:
        Path(path).write_bytes(b"abc")
    except OSError:
        pytest.skip("this file system takes no such name: a Linux file system does")
    with RegularFile(path) as file:
        known = list(file.fingerprint)
    with Crew(1) as crew:
        assert crew.submit("checksum", path, known, 0, 3).result(WAIT_S) == 0x352441C2


def test_a_worker_that_is_killed_is_told_at_once_and_all_others_end() -> None:
    with Crew(2) as crew:
        started = pids(crew)
        crew.submit("tree", bytes(32), 0).result(WAIT_S)
        for pid in started:
            os.kill(pid, signal.SIGKILL)
        answer = crew.submit("tree", bytes(32), 0)
        with pytest.raises(StoreFault) as caught:
            answer.result(WAIT_S)
    assert caught.value.code == "worker-died"
    assert caught.value.fix
    assert not any(map(is_running, started))


def test_a_bug_in_a_worker_ends_it_and_is_no_answer(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(StoreFault) as caught, Crew(1) as crew:
        crew.submit("no such task").result(WAIT_S)
    assert caught.value.code == "worker-died"
    assert "no such task" in capfd.readouterr().err


def test_who_leaves_in_an_error_does_not_wait_for_what_is_going_on() -> None:
    digests = bytes(32 * 1_048_576)
    started: list[int] = []
    answers: list[Future[Any]] = []

    def leave() -> None:
        with Crew(2) as crew:
            started.extend(pids(crew))
            answers.extend(crew.submit("tree", digests, 0) for _ in range(5))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        leave()
    assert not any(map(is_running, started))
    assert any(not answer.done() or answer.exception() for answer in answers)


PARENT = """
import sys, time
from ledger.datasets.crew import Crew
crew = Crew(2)
print(*[worker._process.pid for worker in crew._workers], flush=True)
crew.submit("tree", bytes(32 * 1_000_000), 0)
time.sleep(600)
"""


@pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="no /proc here to see processes by: it takes Linux"
)
def test_workers_end_when_their_parent_is_killed() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    started = [int(word) for word in parent.stdout.readline().split()]
    assert len(started) == 2
    assert all(map(is_running, started))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_for(lambda: not any(map(is_running, started)))


def test_an_interrupt_at_the_keyboard_is_the_parents_matter() -> None:
    with Crew(1) as crew:
        crew.submit("tree", bytes(32), 0).result(WAIT_S)
        (pid,) = pids(crew)
        assert os.getpgid(pid) != os.getpgrp(), "the terminal's signals go to the parent's group alone"
        os.kill(pid, signal.SIGINT)
        assert crew.submit("tree", bytes(32), 0).result(WAIT_S)


def test_a_worker_takes_no_module_from_the_folder_that_it_is_started_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dataset's folder may be a stranger's, and hold a json.py."""
    for name in ("json", "msgpack", "hashlib", "struct", "ledger"):
        (tmp_path / f"{name}.py").write_text("import os; os.mkdir('taken')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [item or str(ROOT) for item in sys.path])
    with Crew(1) as crew:
        assert crew.submit("tree", bytes(32), 0).result(WAIT_S)
    assert not (tmp_path / "taken").exists()


def test_a_worker_has_nothing_of_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    """No store, no keys, no file of the parent but its three streams: it is a new Python, not a fork."""
    said = "import sys, os; held = [name for name in ('lmdb', 'nacl', 'cryptography', 'pyarrow') if name in sys.modules]; "
    said += "print(held, sorted(os.listdir('/proc/self/fd'))[:4] if os.path.exists('/proc/self/fd') else ['0', '1', '2'], "
    said += "file=sys.stderr); serve()"
    monkeypatch.setattr(module, "_PROGRAM", module._PROGRAM.replace("serve()", said))
    assert "held" in module._PROGRAM
    with open(os.devnull) as held, pytest.MonkeyPatch.context() as patch:  # noqa: PTH123 - a descriptor to be inherited
        os.set_inheritable(held.fileno(), True)
        read, write = os.pipe()
        patch.setattr(sys, "stderr", sys.stderr)
        before = os.dup(2)
        os.dup2(write, 2)
        try:
            with Crew(1) as crew:
                assert crew.submit("tree", bytes(32), 0).result(WAIT_S)
        finally:
            os.dup2(before, 2)
            os.close(before)
            os.close(write)
        with os.fdopen(read) as told:
            line = told.read()
    assert line.startswith("[] ['0', '1', '2'"), line


def test_as_many_workers_as_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    assert worker_count() >= 1
    monkeypatch.setattr(sys, "executable", "")
    assert worker_count() == 0


def test_a_column_of_any_characters_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"\\ud800":"x"}\n')
    with RegularFile(path) as file:
        known = list(file.fingerprint)
    with Crew(1) as crew:
        answer = crew.submit(
            "lines", str(path), known, JSONL, packed_wanted(Wanted("\ud800")), [0, 15, True, None]
        )
        assert digested_of(answer.result(WAIT_S)).digests == hashlib.sha256(b"x").digest()


def test_a_task_for_which_somebody_waits_is_taken_first(monkeypatch: pytest.MonkeyPatch) -> None:
    class Idle:
        """A worker that takes nothing."""

        def __init__(self, _: object) -> None: ...

        def end(self, *, is_aborted: bool) -> None: ...

    monkeypatch.setattr(module, "_Worker", Idle)
    crew = Crew(1)
    asked = [crew.submit("groups", b""), crew.submit_first("groups", b""), crew.submit("groups", b"")]
    asked.append(crew.submit_first("groups", b""))
    taken = [crew._tasks.get()[3] for _ in asked]
    assert [taken.index(future) for future in asked] == [2, 0, 3, 1]
