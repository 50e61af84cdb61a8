"""PyTorch's own DataLoader: every admitted row once, over workers that are forked or spawned. Without PyTorch, what it asks of us, by a stand-in."""

from __future__ import annotations

import os
import pickle
import sys
from itertools import compress
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import ledger
from ledger.datasets import admitted
from ledger.datasets.admitted import AdmittedRows
from ledger.datasets.judged import open_judged
from ledger.datasets.only_admitted import _StreamCheck
from tests.test_datasets.carriers import STRINGS
from tests.test_datasets.refusals import refused
from tests.test_datasets.test_memory import NO_DATASETS
from tests.test_training.scene import ADMITTED, REJECTED, judge

ROWS = [{"text": f"row {at}", "n": str(at)} for at in range(25)]
ADMITTED_ROWS = [at % 4 != 1 for at in range(25)]
NO_TORCH = (
    "PyTorch is not installed, a stand-in is all that was tested: pip install 'lineage-ledger[train-tests]'"
)


def judged(folder: Path, name: str = "rows.jsonl") -> tuple[Path, Path]:
    path, verdicts = folder / name, folder / "verdicts.parquet"
    STRINGS[name](path, ROWS)
    judge(path, verdicts, "text", [ADMITTED if each else REJECTED for each in ADMITTED_ROWS])
    return path, verdicts


EXPECTED = list(compress([row["n"] for row in ROWS], ADMITTED_ROWS))


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`torch.utils.data`, of which two names are asked for."""
    data = ModuleType("torch.utils.data")
    vars(data).update(IterableDataset=type("IterableDataset", (), {}), get_worker_info=lambda: None)
    for name in ("torch", "torch.utils"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, "torch.utils.data", data)
    admitted._torch_class.cache_clear()
    yield data
    admitted._torch_class.cache_clear()


def test_what_a_dataloader_asks_for(tmp_path: Path, stand_in: Any) -> None:
    rows = ledger.for_torch(ledger.admitted_rows(*judged(tmp_path), column="n"))
    assert isinstance(rows, stand_in.IterableDataset)
    assert isinstance(rows, AdmittedRows)
    assert list(rows) == EXPECTED
    again = pickle.loads(pickle.dumps(rows))
    assert type(again) is type(rows)
    for workers in (1, 2, 7, 40):
        found: list[Any] = []
        for worker in range(workers):
            told = SimpleNamespace(id=worker, num_workers=workers)
            stand_in.get_worker_info = lambda told=told: told
            found += again
        assert found == EXPECTED
    assert len(again) == len(EXPECTED), "of the rank, not of the worker"


def test_torch_is_asked_only_where_it_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, verdicts = judged(tmp_path)
    monkeypatch.setitem(sys.modules, "torch.utils.data", None)
    admitted._torch_class.cache_clear()
    rows = ledger.admitted_rows(path, verdicts, column="n")
    assert list(rows) == EXPECTED
    with refused("extra-missing", "torch", "not installed"):
        ledger.for_torch(rows)


@pytest.mark.filterwarnings("default")  # theirs are no fault of ours
@pytest.mark.parametrize(
    ("workers", "method"), [(0, None), (1, "fork"), (3, "fork"), (1, "spawn"), (3, "spawn")]
)
def test_a_real_dataloader_reads_every_admitted_row_once(
    tmp_path: Path, workers: int, method: str | None
) -> None:
    data = pytest.importorskip("torch.utils.data", reason=NO_TORCH)
    rows = ledger.for_torch(ledger.admitted_rows(*judged(tmp_path)))
    loader = data.DataLoader(rows, batch_size=4, num_workers=workers, multiprocessing_context=method)
    epochs = [[(*batch["n"],) for batch in loader] for _ in range(1 if method == "spawn" else 2)]
    assert all(epoch == epochs[0] for epoch in epochs), "the order is the same each time"
    found = [n for batch in epochs[0] for n in batch]
    assert sorted(found, key=int) == EXPECTED
    if workers < 2:
        assert found == EXPECTED
    assert len(rows) == len(EXPECTED)


@pytest.mark.filterwarnings("default")
def test_ranks_and_workers_divide_the_rows(tmp_path: Path) -> None:
    data = pytest.importorskip("torch.utils.data", reason=NO_TORCH)
    path, verdicts = judged(tmp_path, "rows.parquet")
    found: list[str] = []
    for rank in range(3):
        rows = ledger.admitted_rows(path, verdicts, column="n", rank=rank, world_size=3, shuffle_rows=3)
        loader = data.DataLoader(ledger.for_torch(rows), batch_size=None, num_workers=2)
        of_rank = list(loader)
        assert len(of_rank) == len(rows)
        found += of_rank
    assert sorted(found, key=int) == EXPECTED


@pytest.mark.filterwarnings("default")
def test_another_row_stops_a_real_dataloader(tmp_path: Path) -> None:
    data = pytest.importorskip("torch.utils.data", reason=NO_TORCH)
    path, verdicts = judged(tmp_path)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:20], '{"text": "another", "n": "20"}\n', *lines[21:]]))
    rows = ledger.for_torch(ledger.admitted_rows(path, verdicts, column="n"))
    seen: list[str] = []
    with pytest.raises(Exception, match="another row than the one that was judged as row 20"):  # noqa: PT012
        for batch in data.DataLoader(rows, batch_size=2, num_workers=2):
            seen += batch
    assert "20" not in seen


@pytest.mark.filterwarnings("default")
def test_a_filtered_stream_of_hugging_face_in_workers(tmp_path: Path) -> None:
    """Each worker opens the verdict file for itself, though it was forked from a process that had it open; shards that are numbered anew are an error."""
    data = pytest.importorskip("torch.utils.data", reason=NO_TORCH)
    library = pytest.importorskip("datasets", reason=NO_DATASETS)
    _, verdicts = judged(tmp_path)
    table = library.Dataset.from_list(ROWS)
    for shards, workers in ((1, 0), (1, 1), (1, 2), (3, 1)):
        stream = ledger.only_admitted(table.to_iterable_dataset(num_shards=shards), verdicts)
        assert [row["n"] for row in stream] == EXPECTED
        loader = data.DataLoader(
            stream, batch_size=None, num_workers=workers, multiprocessing_context="fork" if workers else None
        )
        assert [row["n"] for row in loader] == EXPECTED
    divided = ledger.only_admitted(table.to_iterable_dataset(num_shards=5), verdicts)
    with pytest.raises(Exception, match="another row than the one that was judged"):
        list(data.DataLoader(divided, batch_size=None, num_workers=2))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork; any Unix can")
def test_a_forked_process_opens_the_verdict_file_for_itself(tmp_path: Path) -> None:
    _, verdicts = judged(tmp_path)
    with open_judged(verdicts) as opened:
        check = _StreamCheck(verdicts, opened.fingerprint)
    assert check(ROWS[0], 0)
    mine = check.judged()
    assert check.judged() is mine
    child = os.fork()
    if not child:
        os._exit(0 if check.judged() is not mine and check(ROWS[2], 2) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
