"""What every refusal of this room is held to: the code, the item, and that reason and fix are there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ledger.errors import RefusedInput


@contextmanager
def refused(code: str, item_part: str = "", reason_part: str = "") -> Iterator[None]:
    """The block must raise RefusedInput with this code, these words in item and reason, and a fix."""
    with pytest.raises(RefusedInput) as caught:
        yield
    error = caught.value
    assert error.code == code
    assert item_part in error.item
    assert reason_part in error.reason
    assert error.reason
    assert error.fix
    assert str(error).isprintable()
