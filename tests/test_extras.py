"""Optional libraries are loaded where they are needed, and named where they are missing."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

from ledger.errors import RefusedInput
from ledger.extras import load


def test_what_is_installed_is_loaded() -> None:
    assert load("json.decoder", "parquet") is sys.modules["json.decoder"]


def test_what_is_missing_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.delitem(sys.modules, "pyarrow.parquet", raising=False)
    for module in ("pyarrow", "pyarrow.parquet"):
        with pytest.raises(RefusedInput) as refusal:
            load(module, "parquet")
        assert (refusal.value.code, refusal.value.item) == ("extra-missing", "pyarrow")
        assert "pip install 'lineage-ledger[parquet]'" in refusal.value.fix


def test_the_extras_are_those_of_the_package() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert {"parquet", "ssh", "complete"} <= set(project["optional-dependencies"])
