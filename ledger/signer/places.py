"""Where things lie on this machine: the ledger's folder, and the user's keys, which never lie in it."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from ledger.errors import RefusedInput

LEDGER_VARIABLE = "LINEAGE_LEDGER"
CONFIG_VARIABLE = "LINEAGE_CONFIG"


def ledger_folder(named: str | None = None) -> Path:
    """The ledger named on the command line, else by LINEAGE_LEDGER, else in the platform's data folder."""
    given = _given(named, LEDGER_VARIABLE)
    return Path(given) if given else platformdirs.user_data_path("lineage") / "ledger"


def config_folder(named: str | None = None) -> Path:
    """Where keys lie: the folder named, else LINEAGE_CONFIG, else the platform's config folder."""
    given = _given(named, CONFIG_VARIABLE)
    return Path(given) if given else platformdirs.user_config_path("lineage")


def _given(named: str | None, variable: str) -> str | None:
    """An empty name is a slip (a shell variable that is not set), and must not mean some other folder."""
    if named is not None and (not named or "\0" in named):
        raise RefusedInput(
            "path-illegal", f"folder {named!a}", "it is no name of a folder", "Name one, or leave it out."
        )
    return named or os.environ.get(variable)
