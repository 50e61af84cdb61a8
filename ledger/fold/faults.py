"""Faults: what breaks a rule in a log, and where (SPEC §9.1, §14)."""

from __future__ import annotations

from typing import NamedTuple

from ledger.errors import LineageError


class Fault(NamedTuple):
    """`code` is one of SPEC §14; `record_index` stands if one record of the entry is at fault."""

    log_index: int
    code: str
    what: str
    record_index: int | None = None


def fault_of(error: LineageError, log_index: int, record_index: int | None = None) -> Fault:
    """The fault that an entry's refusal amounts to when the entry is already in the log."""
    return Fault(log_index, error.code, f"{error.item}: {error.reason}", record_index)
