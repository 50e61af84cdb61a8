"""Libraries that only some uses need: loaded when they are needed, and named when they are not installed."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from ledger.errors import RefusedInput


def load(module: str, extra: str) -> ModuleType:
    """A module of the optional dependencies `extra` (pyproject). Raises RefusedInput `extra-missing`."""
    try:
        return import_module(module)
    except ImportError as error:
        raise RefusedInput(
            "extra-missing",
            module.partition(".")[0],
            f"this needs a library that is not installed ({error})",
            f"Run: pip install 'lineage-ledger[{extra}]'",
        ) from error
