"""A gate that was interrupted goes on behind what it finished, with what it began with, and with nothing else (SPEC §12.6)."""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import ledger
from ledger import spec
from ledger.api.gate import partial as partial_module
from ledger.api.gate import run as run_module
from ledger.api.gate.partial import bound_to, open_partial, unfinished_rows
from ledger.api.gate.result import Gated
from ledger.datasets import looking
from ledger.datasets.staging import Staging
from ledger.datasets.verdict_file import open_verdicts
from ledger.errors import LineageError, NotFound, RefusedInput, StoreFault

ROOT = Path(__file__).resolve().parents[1]
LONG = bool(os.environ.get("LINEAGE_LONG"))
KILLS = 200 if LONG else 5
AT_MS = 1_800_000_000_000
ROWS, SEGMENT_BYTES = 60, 500
NAMES = ("d.jsonl", "d.parquet", "files", "shards")


TEXTS = [
    f"row {n} is long enough that nobody guesses it from its digest as it should be" for n in range(ROWS)
]


class Place:
    """A ledger, and datasets of many segments in which every second row is signed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = str(folder / "keys")

    def build(self) -> None:
        ledger.create(self.folder / "ledger", unencrypted=True, config=self.config).close()
        with self.open() as door:
            door.new_identity("ada", unencrypted=True)
        self.sign(TEXTS[::2])
        rows = [{"text": text, "n": n} for n, text in enumerate(TEXTS)]
        (self.folder / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        pq.write_table(pa.Table.from_pylist(rows), self.folder / "d.parquet", row_group_size=5)
        (self.folder / "files").mkdir()
        for n, text in enumerate(TEXTS):
            (self.folder / f"files/{n:03d}.md").write_text(text)
        (self.folder / "shards").mkdir()
        for at in range(0, ROWS, 20):
            part = "".join(json.dumps(row) + "\n" for row in rows[at : at + 20])
            (self.folder / f"shards/{at}.jsonl").write_text(part)

    def open(self, *, readonly: bool = False) -> ledger.Ledger:
        return ledger.open(self.folder / "ledger", config=self.config, readonly=readonly)

    def sign(self, texts: list[str]) -> None:
        path = self.folder / "signed.txt"
        path.write_text("".join(text + "\n" for text in texts))
        with self.open() as door:
            door.sign_rows(path, None, "ada")
        path.unlink()

    def outputs(self, name: str) -> dict[str, Any]:
        return {"admitted": self.folder / f"a-{name}", "verdicts": self.folder / f"v-{name}"}

    def gate(self, name: str = "d.jsonl", **options: Any) -> Gated:
        given = {
            **self.outputs(name),
            "column": None if name == "files" else "text",
            "at_ms": AT_MS,
            "workers": 0,
        }
        with self.open(readonly=True) as door:
            return door.gate(str(self.folder / name), "balanced", **{**given, **options})

    def written(self, name: str) -> dict[str, bytes]:
        """What stands under the outputs' names."""
        found = {}
        for out in self.outputs(name).values():
            for path in [out, *sorted(out.rglob("*"))]:
                if path.is_file():
                    found[path.relative_to(self.folder).as_posix()] = path.read_bytes()
        return found

    def clear(self, name: str) -> None:
        for out in self.outputs(name).values():
            if out.is_dir():
                shutil.rmtree(out)
            elif out.exists():
                out.unlink()

    def left(self) -> set[str]:
        known = {"keys", "ledger", *NAMES}
        return {path.name for path in self.folder.iterdir()} - known


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("place")
    Place(folder).build()
    return folder


@pytest.fixture
def place(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr(spec, "SEGMENT_BYTES", SEGMENT_BYTES)
    shutil.copytree(built, tmp_path / "place", copy_function=shutil.copy2)
    return Place(tmp_path / "place")


class Stop(Exception):
    """What interrupts a run here."""


def interrupt(monkeypatch: pytest.MonkeyPatch, place: Place, name: str, after: int, **options: Any) -> None:
    """A run that ends when so many segments are finished."""
    finish, count = partial_module.Partial.finish, itertools.count(1)

    def counted(*arguments: Any) -> None:
        finish(*arguments)
        if next(count) == after:
            raise Stop

    with monkeypatch.context() as patch:
        patch.setattr(partial_module.Partial, "finish", counted)
        with pytest.raises(Stop):
            place.gate(name, **options)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The segments that are read."""
    seen: list[Any] = []
    asked = looking._Asked

    def counting(segment: Any, *arguments: Any, **options: Any) -> Any:
        seen.append(segment)
        return asked(segment, *arguments, **options)

    monkeypatch.setattr(looking, "_Asked", counting)
    return seen


# It goes on


@pytest.mark.parametrize("name", NAMES)
def test_it_goes_on_and_reads_nothing_that_is_finished_again(
    place: Place, monkeypatch: pytest.MonkeyPatch, reads: list[Any], name: str
) -> None:
    whole = place.gate(name)
    expected, segments = place.written(name), set(reads)
    assert len(segments) > 5
    assert whole.counts["admitted"] == ROWS // 2
    place.clear(name)
    interrupt(monkeypatch, place, name, after=3)
    assert place.left() == {f"a-{name}.partial"}
    reads.clear()
    gated = place.gate(name, resume=True)
    assert (len(segments) - len(set(reads)), gated.resumed_rows > 0) == (3, True)
    assert place.written(name) == expected
    assert gated.tally.packed() == whole.tally.packed()
    assert place.left() == {f"a-{name}", f"v-{name}"}


@pytest.mark.parametrize("only", ["admitted", "verdicts"])
def test_one_output_alone_goes_on_too(place: Place, monkeypatch: pytest.MonkeyPatch, only: str) -> None:
    other = {"admitted": "verdicts", "verdicts": "admitted"}[only]
    options: dict[str, Any] = {other: None}
    place.gate(**options)
    expected = place.written("d.jsonl")
    place.clear("d.jsonl")
    interrupt(monkeypatch, place, "d.jsonl", 4, **options)
    assert place.gate(resume=True, **options).resumed_rows
    assert place.written("d.jsonl") == expected


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "moment",
    ["assemble", "join_verdicts", "name", "publish", "remove"],
)
def test_it_goes_on_from_wherever_outputs_were_about_to_take_their_names(
    place: Place, monkeypatch: pytest.MonkeyPatch, name: str, moment: str
) -> None:
    place.gate(name)
    expected = place.written(name)
    for is_behind in (False, True):
        place.clear(name)
        where: Any = {
            "assemble": Staging, "publish": Staging, "join_verdicts": run_module,
            "name": partial_module.Partial, "remove": partial_module.Partial,
        }[moment]  # fmt: skip
        with monkeypatch.context() as patch:
            patch.setattr(where, moment, _stopping(getattr(where, moment), is_behind=is_behind))
            with pytest.raises(Stop):
                place.gate(name)
        if moment == "remove" and is_behind:
            assert place.written(name) == expected
            continue
        assert place.gate(name, resume=True).counts["admitted"] == ROWS // 2
        assert place.written(name) == expected
        assert place.left() == {f"a-{name}", f"v-{name}"}


def _stopping(function: Callable[..., Any], *, is_behind: bool) -> Callable[..., Any]:
    def stopping(*arguments: Any, **options: Any) -> Any:
        if is_behind:
            function(*arguments, **options)
        raise Stop

    return stopping


def test_an_interrupted_removal_leaves_nothing_that_another_run_takes_for_its_own(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder may still hold tallies when what binds them is gone: they would be taken for those of any dataset."""
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", lambda *_arguments, **_options: None)
        place.gate()
    folder = place.folder / "a-d.jsonl.partial"
    assert list((folder / "tally").iterdir())
    place.clear("d.jsonl")
    lines = (place.folder / "d.jsonl").read_text().splitlines(keepends=True)
    (place.folder / "d.jsonl").write_text("".join(reversed(lines)))
    gated = place.gate()
    assert gated.resumed_rows == 0
    kept = (place.folder / "a-d.jsonl").read_text().splitlines(keepends=True)
    assert kept == [line for n, line in enumerate(reversed(lines)) if n % 2 == 1]
    assert place.left() == {"a-d.jsonl", "v-d.jsonl"}


# What differs refuses


def refusal(place: Place, name: str = "d.jsonl", **options: Any) -> LineageError:
    with pytest.raises(LineageError) as caught:
        place.gate(name, **{"resume": True, **options})
    assert not any(out.exists() for out in place.outputs(name).values()), "nothing has the name of an output"
    assert (place.folder / f"a-{name}.partial").exists(), "what is finished stays"
    return caught.value


def test_whatever_differs_is_named(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt(monkeypatch, place, "d.jsonl", after=3)
    (place.folder / "p.toml").write_text('version = 1\n[rows]\nwork = "L1"\n')
    (place.folder / "t.toml").write_text('makers = "all"\n')
    with place.open() as door:
        for policy, trust, word in ((str(place.folder / "p.toml"), None, "the policy differs"),
                                    ("balanced", place.folder / "t.toml", "the trust file differs")):  # fmt: skip
            with pytest.raises(RefusedInput, match=word) as caught:
                door.gate(
                    str(place.folder / "d.jsonl"), policy, trust, **place.outputs("d.jsonl"), column="text",
                    at_ms=AT_MS, workers=0, resume=True,
                )  # fmt: skip
            assert caught.value.code == "resume-differs"
    for options, word in (
        ({"at_ms": AT_MS + 1}, "the time differs"),
        ({"column": "n"}, "the column differs"),
        ({"column": None}, "the column differs"),
        ({"verdicts": None}, "the outputs asked for differs"),
        ({"verdicts": place.folder / "other"}, "the outputs asked for differs"),
    ):
        error = refusal(place, **options)
        assert (error.code, word in error.reason) == ("resume-differs", True), error
    monkeypatch.setattr(run_module, "version", lambda _name: "0.0.0")
    assert "the version of this program differs" in refusal(place).reason


def test_its_time_is_that_at_which_it_was_begun(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt(monkeypatch, place, "d.jsonl", 3, at_ms=None)
    bound = bound_to(place.folder / "a-d.jsonl.partial")
    assert bound is not None
    assert place.gate(resume=True, at_ms=None).about["at_ms"] == bound["at_ms"]


@pytest.mark.parametrize("change", ["touched", "longer", "one more shard"])
def test_another_dataset_refuses(place: Place, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    name = "shards" if change == "one more shard" else "d.jsonl"
    interrupt(monkeypatch, place, name, after=3)
    data = place.folder / "d.jsonl"
    if change == "touched":
        os.utime(data, ns=(1, 1))
    elif change == "longer":
        status = data.stat()
        data.write_bytes(data.read_bytes() + b'{"text":"x"}\n')
        os.utime(data, ns=(status.st_atime_ns, status.st_mtime_ns))
    else:
        shutil.copy2(place.folder / "shards/0.jsonl", place.folder / "shards/99.jsonl")
    error = refusal(place, name)
    assert (error.code, "the dataset, its size or time of change differs" in error.reason) == (
        "resume-differs",
        True,
    )


def test_what_was_signed_in_between_refuses(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt(monkeypatch, place, "d.jsonl", after=3)
    place.sign(["another text"])
    error = refusal(place)
    assert (error.code, "the log checkpoint differs" in error.reason) == ("resume-differs", True)
    shutil.rmtree(place.folder / "a-d.jsonl.partial")
    assert place.gate().resumed_rows == 0


@pytest.mark.parametrize("kind", ["tally", "verdicts", "pieces", "run.json"])
@pytest.mark.parametrize("damage", ["cut", "other", "emptied", "gone", "touched"])
def test_a_damaged_tally_or_piece_refuses_and_is_named(
    place: Place, monkeypatch: pytest.MonkeyPatch, kind: str, damage: str
) -> None:
    interrupt(monkeypatch, place, "d.jsonl", after=4)
    folder = place.folder / "a-d.jsonl.partial"
    path = folder / kind if kind == "run.json" else sorted((folder / kind).iterdir())[1]
    data = path.read_bytes()
    if damage == "gone":
        path.unlink()
    elif damage == "touched":
        os.utime(path, ns=(1, 1))
    else:
        path.write_bytes(
            {"cut": data[:-2], "other": data[:-1] + bytes([data[-1] ^ 1]), "emptied": b""}[damage]
        )
    if (kind, damage) in {("tally", "gone"), ("tally", "touched"), ("run.json", "touched")}:
        assert place.gate(resume=True).counts["admitted"] == ROWS // 2, (
            "it is not finished, and is done again"
        )
        return
    if (kind, damage) == ("run.json", "gone"):
        assert refusal(place).code == "nothing-to-resume"
        assert place.gate().resumed_rows == 0, "nothing binds what lies there, and it is not taken"
        return
    error = refusal(place)
    if (kind, damage) == ("run.json", "other") or (kind, damage) == ("run.json", "cut"):
        assert error.code in ("resume-damaged", "resume-differs")
        return
    assert (error.code, path.name in error.item) == ("resume-damaged", True), error
    assert "begin anew" in error.fix


def test_an_unfinished_run_is_not_begun_anew_unasked(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt(monkeypatch, place, "d.jsonl", after=3)
    error = refusal(place, resume=False)
    assert (error.code, "--resume" in error.fix) == ("run-unfinished", True)
    with pytest.raises(NotFound) as caught:
        place.gate("d.parquet", resume=True)
    assert caught.value.code == "nothing-to-resume"
    assert not (place.folder / "a-d.parquet.partial").exists()


def test_a_run_that_finished_nothing_leaves_nothing_and_is_begun_anew(place: Place) -> None:
    folder = place.folder / "a-d.jsonl.partial"
    with pytest.raises(Stop), open_partial(folder, {"log_id": "x"}, resume=False):
        raise Stop
    assert not folder.exists()
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps(dict.fromkeys(partial_module._WORDS, "x")))  # killed at once
    assert unfinished_rows(folder) == 0
    assert place.gate().counts["admitted"] == ROWS // 2


def test_two_gates_at_once_in_one_folder(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    codes: list[str] = []
    folder = place.folder / "a-d.jsonl.partial"
    finish = partial_module.Partial.finish

    def meanwhile(*arguments: Any) -> None:
        finish(*arguments)
        for resume in (False, True):
            with (
                pytest.raises(LineageError) as caught,
                open_partial(folder, bound_to(folder) or {}, resume=resume),
            ):
                raise Stop
            codes.append(caught.value.code)

    with monkeypatch.context() as patch:
        patch.setattr(partial_module.Partial, "finish", meanwhile)
        place.gate()
    assert set(codes) == {"gate-busy"}
    assert len(codes) > 10


def test_a_dataset_that_changes_meanwhile_gives_no_output(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = partial_module.Partial.finish

    def meanwhile(*arguments: Any) -> None:
        finish(*arguments)
        with (place.folder / "d.jsonl").open("a") as file:
            file.write('{"text":"x"}\n')

    with monkeypatch.context() as patch:
        patch.setattr(partial_module.Partial, "finish", meanwhile)
        with pytest.raises(RefusedInput) as caught:
            place.gate()
    assert caught.value.code == "file-changed"
    assert place.left() == {"a-d.jsonl.partial"}
    assert refusal(place).code == "resume-differs"


def test_an_output_that_somebody_made_meanwhile_is_not_written_over(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = partial_module.Partial.finish
    for out in place.outputs("d.jsonl").values():

        def meanwhile(*arguments: Any, out: Path = out) -> None:
            finish(*arguments)
            out.write_text("mine")

        with monkeypatch.context() as patch:
            patch.setattr(partial_module.Partial, "finish", meanwhile)
            with pytest.raises((RefusedInput, StoreFault)) as caught:
                place.gate()
        assert caught.value.code == "file-exists"
        assert out.read_text() == "mine"
        out.unlink()
        assert place.gate(resume=True).resumed_rows == ROWS
        place.clear("d.jsonl")


# Killed

CHILD = """
import sys
from ledger import spec
from ledger.cli.main import main
spec.SEGMENT_BYTES = int(sys.argv[1])
spec.STRETCH_BYTES = 400
from ledger.api.gate import partial
finish = partial.Partial.finish
def told(*arguments):
    finish(*arguments)
    print("finished", file=sys.stderr, flush=True)
partial.Partial.finish = told
print("ready", file=sys.stderr, flush=True)
sys.exit(main(sys.argv[2:]))
"""


def start(place: Place, name: str, workers: int, *, resume: bool) -> subprocess.Popen[str]:
    outputs = place.outputs(name)
    arguments = [
        "gate", place.folder / name, "--policy", "balanced", "--at", AT_MS, "--workers", workers, "--json",
        "--ledger", place.folder / "ledger", "--admitted", outputs["admitted"], "--verdicts", outputs["verdicts"],
        *(["--whole-row"] if name == "files" else ["--column", "text"]), *(["--resume"] if resume else []),
    ]  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(SEGMENT_BYTES), *map(str, arguments)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0,
        env={**os.environ, "LINEAGE_CONFIG": place.config},
    )  # fmt: skip


def look(place: Place, name: str, expected: dict[str, bytes]) -> None:
    """At no moment is there half an output."""
    written = place.written(name)
    assert all(expected[path] == data for path, data in written.items())
    admitted, verdicts = place.outputs(name).values()
    if admitted.is_dir():
        assert set(expected) - {verdicts.name} <= set(written), (
            "a folder has its name when all of it is there"
        )
    if verdicts.exists():
        with open_verdicts(verdicts) as file:
            assert file.count == ROWS
    assert not (admitted.exists() and not verdicts.exists()), "the verdicts are named first"


@pytest.mark.slow
def test_a_gate_killed_again_and_again_ends_as_one_that_was_not(place: Place) -> None:
    seed = time.time_ns() % 2**32 if LONG else 20_260_117  # the moments differ in any case
    rng = random.Random(seed)
    known = {}
    for name in NAMES:
        place.gate(name)
        known[name] = place.written(name)
        place.clear(name)
    stood: Counter[str] = Counter()
    names: Iterator[str] = itertools.cycle(NAMES)
    while stood["killed"] + stood["interrupted"] < KILLS:
        name = next(names)
        resume = False
        for _ in range(12):
            child = start(place, name, rng.choice((0, 0, 1)), resume=resume)
            assert child.stderr is not None
            assert child.stderr.readline() == "ready\n"
            lines = [child.stderr.readline() for _ in range(rng.randrange(6))]
            sent = rng.choice((signal.SIGKILL, signal.SIGINT))
            try:
                child.wait(rng.random() * 0.03)
            except subprocess.TimeoutExpired:
                child.send_signal(sent)
            out, told = child.communicate()
            look(place, name, known[name])
            if child.returncode == 0:
                stood["finished"] += 1
                break
            stood["killed" if child.returncode == -signal.SIGKILL else "interrupted"] += 1
            partial = place.folder / f"a-{name}.partial"
            if child.returncode == 2:
                assert sent == signal.SIGINT, told
                assert "Traceback" not in told
                assert not out
                assert told.count("lineage: interrupted") == 1, told
                rows = unfinished_rows(partial)
                if "lineage: interrupted: " in told:  # else it had not begun, or was done
                    stood["told"] += 1
                    assert (f"{partial}; the same command with --resume" in told) is (rows is not None), told
            resume = bool(unfinished_rows(partial))
            stood["went on"] += resume
            if all(path.exists() for path in place.outputs(name).values()):
                break
            assert lines is not None
        else:
            child = start(place, name, 0, resume=resume)
            out, told = child.communicate()
            assert child.returncode == 0, told
        assert place.written(name) == known[name], f"seed {seed}"
        shutil.rmtree(place.folder / f"a-{name}.partial", ignore_errors=True)
        assert place.left() <= {f"a-{name}", f"v-{name}"}
        place.clear(name)
    assert not LONG or min(stood["went on"], stood["told"], stood["killed"]) > KILLS // 10, stood


# By a proof


def proving(place: Place, *texts: str) -> Path:
    """A file about the works with these texts."""
    path = place.folder / "keys" / f"{len(texts)}.lineage"
    with place.open() as door:
        files = []
        for number, text in enumerate(texts):
            files.append(place.folder / "keys" / f"{number}.txt")
            files[-1].write_text(text)
        door.prove(files, path)
    return path


def by_proof(place: Place, proof: Path, **options: Any) -> Gated:
    given = {**place.outputs("d.jsonl"), "column": "text", "at_ms": AT_MS, "workers": 0}
    with place.open(readonly=True) as door:
        vkey = str(door.vkey)
    return ledger.gate(
        str(place.folder / "d.jsonl"),
        "balanced",
        proof=proof,
        vkey=vkey,
        config=place.config,
        **given | options,
    )


def test_a_run_by_a_proof_goes_on_by_the_same_file_alone(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    few, all_of_them = proving(place, *TEXTS[:10:2]), proving(place, *TEXTS[::2])
    whole = by_proof(place, all_of_them)
    assert (whole.counts["admitted"], whole.tally.rows) == (ROWS // 2, ROWS)
    expected = place.written("d.jsonl")
    place.clear("d.jsonl")
    with monkeypatch.context() as patch:
        patch.setattr(Place, "gate", lambda self, _name, **options: by_proof(self, all_of_them, **options))
        interrupt(monkeypatch, place, "d.jsonl", after=3)
    with pytest.raises(RefusedInput, match="the proof file differs") as caught:
        by_proof(place, few, resume=True)
    assert caught.value.code == "resume-differs"
    assert "the proof file differs" in refusal(place).reason
    assert place.written("d.jsonl") == {}
    resumed = by_proof(place, all_of_them, resume=True)
    assert resumed.resumed_rows > 0
    assert place.written("d.jsonl") == expected


def test_a_run_by_the_ledger_does_not_go_on_by_a_proof(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    proof = proving(place, *TEXTS[::2])
    interrupt(monkeypatch, place, "d.jsonl", after=3)
    with pytest.raises(RefusedInput, match="the proof file differs"):
        by_proof(place, proof, resume=True)
