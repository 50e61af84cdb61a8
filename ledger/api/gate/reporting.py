"""The report of a gate: what it came to, handed to the page (`ledger.exports.report_page`)."""

from __future__ import annotations

import os
from pathlib import Path

from ledger.api.gate.judging import Terms
from ledger.api.gate.result import Gated
from ledger.api.gate.shown import ShownLog
from ledger.api.gate.terms import Named
from ledger.exports.report_about import ReportAbout
from ledger.exports.report_page import write_report
from ledger.origin.trust import Trust

_OWN_CLOCK = "the log's own clock"


def report_gate(shown: ShownLog, gated: Gated, terms: Terms, trust: Named | Trust | None, path: Path) -> None:
    """Writes the page. Raises StoreFault `file-exists`, `store-failed`."""
    about = gated.about
    write_report(
        path,
        ReportAbout(
            about["dataset"],
            about["column"],
            about["policy_name"],
            about["policy"],
            _name_of(trust),
            "" if terms.trust.is_self else about["trust"],
            about["log_origin"],
            about["log_id"],
            about["checkpoint_size"],
            about["checkpoint_root"],
            about["at_ms"],
            _time_by(terms),
            gated.notes,
            shown.names(),
            about["ledger"],
            "" if gated.manifest is None else gated.manifest.hex(),
        ),
        gated.tally,
    )
    gated.report = path


def _name_of(trust: Named | Trust | None) -> str:
    if trust is None:
        return ""
    return Path(trust).name if isinstance(trust, (str, os.PathLike)) else "trust file"


def _time_by(terms: Terms) -> str:
    if not terms.trust.has_quorum or terms.cosigned is None:
        return _OWN_CLOCK
    count = len(terms.cosigned.times_s)
    return f"a quorum, by {count} witness{'' if count == 1 else 'es'}"
