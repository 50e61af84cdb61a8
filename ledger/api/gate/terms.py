"""By what is judged: the policy and the trust file that were named, read; whom one trusts without a file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ledger.api.gate.shown import ShownLog
from ledger.api.policies import POLICIES_SHIPPED, shipped_policy
from ledger.datasets.files import load_file, printable
from ledger.errors import RefusedInput
from ledger.origin.policy import Policy, parse_policy
from ledger.origin.trust import Trust, own_log_trust, parse_trust
from ledger.spec import SETTINGS_BYTES_MAX

Named = str | os.PathLike[str] | bytes

OWN_CLOCK: Final = "No quorum of witnesses is asked for: times are the log's own word, and nothing is L3."
BY_OPERATOR: Final = (
    "Status by the operator's word: no auditor of the trust file cosigned this log checkpoint."
)
SELF_TRUSTED_LOG: Final = "Self-trusted: no trust file was given, so everybody enrolled in this log is believed, and the log's own clock tells the time."
RIVALS_UNSEARCHED: Final = (
    "Rival claims were not searched: what others say of the same content is in no proof."
)


def read_policy(named: Named | Policy) -> Policy:
    """A policy: one that comes with the package by its name, a file, the bytes of one, or one that was read.

    Raises RefusedInput `policy-invalid`, and of the file; NotFound `file-not-found`, which tells the names, too.
    """
    if isinstance(named, Policy):
        return named
    if isinstance(named, bytes):
        return parse_policy(named)
    if named in POLICIES_SHIPPED:
        return parse_policy(shipped_policy(os.fspath(named)))
    data = _read(named, f"Name a file, or one that comes with the package: {', '.join(POLICIES_SHIPPED)}.")
    with _of(named):
        return parse_policy(data)


def read_trust(named: Named | Trust | None, shown: ShownLog) -> Trust:
    """A trust file, its bytes, one that was read; or without any, trust in this log alone (SPEC §12.1). Raises as `trust_named`."""
    found = trust_named(named)
    return own_log_trust(shown.rules()) if found is None else found


def trust_named(named: Named | Trust | None) -> Trust | None:
    """A trust file, its bytes, or one that was read; None of None.

    Raises RefusedInput `trust-invalid`, `tlog-policy-invalid`, and of the file.
    """
    if named is None or isinstance(named, Trust):
        return named
    if isinstance(named, bytes):
        return parse_trust(named)
    data = _read(named, "Check the path.")
    with _of(named):
        return parse_trust(data)


def _read(named: str | os.PathLike[str], fix: str) -> bytes:
    if not os.path.lexists(named):
        raise RefusedInput(
            "file-not-found", printable(named) or "an empty name", "there is no such file", fix
        )
    return load_file(Path(named), max_bytes=SETTINGS_BYTES_MAX)[1]


@contextmanager
def _of(named: str | os.PathLike[str]) -> Iterator[None]:
    """What is wrong with a file is told with its name."""
    try:
        yield
    except RefusedInput as error:
        raise RefusedInput(
            error.code, f"{printable(named)}: {error.item}", error.reason, error.fix
        ) from error
