"""Real text through every format: the changelogs of a Debian machine, their odd characters, line ends and duplicates."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from ledger.datasets.crew import Crew
from ledger.datasets.dataset import open_dataset
from ledger.datasets.looking import look
from ledger.datasets.memory import MemoryDataset
from ledger.datasets.staging import Staging
from tests.changelogs import REASON, available, read_changelogs, scrub
from tests.test_datasets.carriers import STRINGS


@pytest.mark.skipif(not available(), reason=REASON)
def test_changelogs_are_the_same_rows_in_every_format(tmp_path: Path) -> None:
    entries = islice((entry for entry in read_changelogs() if scrub(entry.text)), 2_000)
    rows = [
        {"text": scrub(entry.text), "package": entry.package, "version": entry.version} for entry in entries
    ]
    assert len(rows) > 100
    expected = [row.digest for row in MemoryDataset(rows).rows("text")]  # type: ignore[union-attr]
    whole = [row.digest for row in MemoryDataset(rows).rows(None)]  # type: ignore[union-attr]
    firsts = [expected.index(digest) == at for at, digest in enumerate(expected)]  # each text once
    assert sum(firsts) < len(rows)
    for name, write in STRINGS.items():
        write(tmp_path / name, rows)
        dataset = open_dataset(tmp_path / name)
        with Crew(0) as crew:
            runs = list(look(crew, dataset, "text"))
            assert b"".join(run.batch.digests for run in runs) == b"".join(expected), name
            assert not any(run.batch.faults for run in runs)
            assert b"".join(run.batch.digests for run in look(crew, dataset, None)) == b"".join(whole), name
        staging = Staging(tmp_path / f"out.{name}", dataset)
        (segment,) = dataset.segments()
        assert staging.write(segment, bytes(firsts)) == sum(firsts)
        kept = [row.digest for row in open_dataset(staging.publish()).rows("text")]  # type: ignore[union-attr]
        assert kept == list(dict.fromkeys(expected)), name
