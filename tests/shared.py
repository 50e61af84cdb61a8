"""Published vectors that lie beside the repository, at ../shared/vectors; absent elsewhere, so tests skip."""

from __future__ import annotations

from pathlib import Path

import pytest

_FOLDER = Path(__file__).resolve().parents[2] / "shared" / "vectors"


def vectors(name: str) -> Path:
    """The file or folder of published vectors called `name`; skips the test where they are not at hand."""
    path = _FOLDER / name
    if not path.exists():
        pytest.skip(f"published vectors are absent: put {name} at ../shared/vectors beside the repository")
    return path
