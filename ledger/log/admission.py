"""What admission asks beyond the fold of entries: of records and subjects, at their place in the log (SPEC §9.1, §9.2).

What would be a fault is refused; besides, what is over `limits.bytes` of the rules in force, which no replay judges.
"""

from __future__ import annotations

from ledger.fold.records import FindStanding, Standing, admit_records, check_sizes
from ledger.fold.state import FoldState
from ledger.fold.subjects import FindSubject, admit_subjects
from ledger.log.candidate import Candidate


def admit_parts(
    state: FoldState, candidate: Candidate, find: FindStanding, find_named: FindSubject
) -> dict[bytes, Standing]:
    """Whether the records or subjects of a statement in order may be appended; what stands then, by artifact id.

    `state` as of before the statement; `find` and `find_named` know what stands before. Raises RefusedInput, PolicyDenied.
    """
    statement = candidate.entry.statement
    if statement.type != "artifacts":
        admit_subjects(state, statement, find_named)
        return {}
    check_sizes([record.encoded for record in candidate.records], state.header.rules.get("limits", {}))
    signer = state.identity(statement.by)
    return {} if signer is None else admit_records(statement, signer, candidate.records, find)
