"""Where things lie on this machine: the ledger's folder, and the user's keys, which never lie in it."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

LEDGER_VARIABLE = "LINEAGE_LEDGER"
CONFIG_VARIABLE = "LINEAGE_CONFIG"


def ledger_folder(named: str | None = None) -> Path:
    """The ledger named on the command line, else by LINEAGE_LEDGER, else in the platform's data folder."""
    given = named or os.environ.get(LEDGER_VARIABLE)
    return Path(given) if given else platformdirs.user_data_path("lineage") / "ledger"


def config_folder(named: str | None = None) -> Path:
    """Where keys lie: the folder named, else LINEAGE_CONFIG, else the platform's config folder."""
    given = named or os.environ.get(CONFIG_VARIABLE)
    return Path(given) if given else platformdirs.user_config_path("lineage")
