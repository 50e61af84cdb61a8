"""What a look at a ledger's health comes to, one check each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: `what` was found; `fix` says what to do and is empty where `ok`."""

    name: str
    ok: bool
    what: str
    fix: str = ""
