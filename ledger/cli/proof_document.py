"""What an ancestry proof came to, for a program: the one document of `lineage verify F.lineage --json`.

The same proof, trust, policy and time give the same bytes on any machine, in any zone and language; but for `compared`, which is
of this machine's memory, and empty where it is not asked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from ledger.cli import trace_words
from ledger.cli.common import plural

if TYPE_CHECKING:
    from ledger.api.verifying import Trusted
    from ledger.api.verifying_ancestry import ContentChecked, VerifiedAncestry
    from ledger.errors import ProofInvalid
    from ledger.origin.people import HumansOfNodes
    from ledger.origin.proved import ProvedLog, SubjectProved
    from ledger.proofs.ancestry_file import Disclosed

FAULTS_TOLD_MAX: Final = 64
PEOPLE_TOLD_MAX: Final = 65_536  # ids of people beside artifacts and subjects, of one log; if there are more, each has their number alone
LOG_UNKNOWN: Final = "log-unknown"


def of_invalid(
    path: str, error: ProofInvalid, trusted: tuple[Trusted, ...], at_ms: int | None
) -> dict[str, Any]:
    """A file that does not hold: nothing in it counts, whatever it says."""
    return {
        "ok": False,
        "proof": path,
        "level": "L0",
        "humans": [],
        "authors": [],
        "humans_behind": [],
        "unknown": [],
        "faults": [_fault(error.code, error.item, error.reason)],
        "fault_count": 1,
        "trusted": _trusted(trusted[0]),
        "files": [],
        "contents": [],
        "subjects": [],
        "artifacts": [],
        "disclosed": [],
        "compared": [],
        "logs": [],
        "unknown_logs": [],
        "at_ms": at_ms,
    } | _moment([])


def of_verified(path: str, verified: VerifiedAncestry) -> dict[str, Any]:
    """A file that holds."""
    proved = verified.proved
    pairs = list(zip(proved.logs, verified.known, strict=True)) if verified.known else []
    people = [each.people for each in proved.logs]
    found = [
        *faults_of_file(verified),
        *(fault for each in proved.logs for fault in faults_of_subjects(each)),
    ]
    humans = [_Humans(each) for each in proved.logs]
    in_file = {str(each.log.vkey) for each in proved.logs}
    trusted = [each for each in verified.trusted if str(each.vkey) in in_file]
    return {
        "ok": verified.ok,
        "proof": path,
        "level": proved.level.code,
        "humans": _ids({item for each in people for item in each.humans}),
        "authors": _ids({item for each in people for item in each.authors}),
        "humans_behind": _ids({item for each in people for item in each.behind}),
        "unknown": [
            {"id": item.id.hex(), "what": item.what, "log": item.log.hex() or None}
            for each in proved.logs
            for item in each.unknowns
        ],
        "faults": found[:FAULTS_TOLD_MAX],
        "fault_count": len(found),
        "trusted": _trusted((trusted or verified.trusted)[0]),
        "files": [_file(path, each) for each in verified.contents],
        "contents": [
            {"path": each.path, "subjects": _ids(each.subjects), "ok": each.fault is None}
            for each in verified.contents
        ],
        "subjects": [
            _subject(each, subject, theirs)
            for each, theirs in zip(proved.logs, humans, strict=True)
            for subject in each.subjects
        ],
        "artifacts": [
            item for each, theirs in zip(proved.logs, humans, strict=True) for item in theirs.artifacts(each)
        ],
        "disclosed": disclosed_fields(proved.disclosed),
        "compared": [{"log": each.log.log_id.hex(), **known.document()} for each, known in pairs],
        "logs": [_log(each) for each in proved.logs],
        "unknown_logs": _ids(proved.unknown_logs),
        "at_ms": verified.at_ms,
    } | _moment([_log(each) for each in proved.logs])


def faults_of_file(verified: VerifiedAncestry) -> Iterator[dict[str, str]]:
    """What keeps the file as a whole from being well: code (of SPEC §12.3 or §14), item, reason."""
    proved = verified.proved
    for log_id in proved.unknown_logs:
        reason = "its vkey is none that is trusted here, so that what the proof says of it counts for nothing"
        yield _fault(LOG_UNKNOWN, f"log {log_id.hex()}", reason)
    for each in proved.logs:
        for lack in each.missing:
            yield _fault(lack.code, f"log checkpoint of {each.log.checkpoint.size:,} entries", lack.what)
    for checked in verified.contents:
        if checked.fault is not None:
            yield _fault(checked.fault.code, checked.fault.item, checked.fault.reason)


def faults_of_subjects(log: ProvedLog) -> Iterator[dict[str, str]]:
    """What stands against subjects of a log by themselves; where something is missing, nothing is said of one alone."""
    for subject in log.subjects if not log.missing else ():
        if not subject.ok:
            yield _fault(str(subject.code), name_of(subject), subject.why)


def disclosed_fields(items: Iterable[Disclosed]) -> list[dict[str, Any]]:
    """What is disclosed in a proof, by its id."""
    from ledger.proofs.ancestry_file import CONTENT

    return [
        {
            "id": item.id.hex(),
            "what": "content" if item.what == CONTENT else "profile",
            "size_bytes": len(item.data),
        }
        for item in items
    ]


def name_of(subject: SubjectProved, digits: int = 64) -> str:
    """A subject as it is named to `lineage prove`; of several ranges of rows the first, and how many more."""
    found = subject.id.hex()[:digits]
    if subject.row is not None:
        return f"{found}:{subject.row}"
    if subject.rows:
        first, count = subject.rows[0]
        found += f":{first}" if count == 1 else f":{first}-{first + count - 1}"
        if subject.rows[1:]:
            found += f" and {plural(len(subject.rows) - 1, 'range')} more"
    return found


class _Humans:
    """The humans and the authors of every artifact of a log.

    Many people behind each of many artifacts would make a document of any size of a small file: then `humans` and `authors` of
    each are null, and stand in the document as a whole alone.
    """

    def __init__(self, log: ProvedLog) -> None:
        from ledger.origin.people import humans_of_nodes

        self.humans: HumansOfNodes = humans_of_nodes(log.ancestries)
        self.authors: HumansOfNodes = humans_of_nodes(log.ancestries, authors=True)
        ids = [*log.ancestries.nodes, *(subject.id for subject in log.subjects)]
        self._is_told = sum(len(self.humans[each]) for each in ids) <= PEOPLE_TOLD_MAX

    def told(self, people: Collection[bytes]) -> list[str] | None:
        """The ids of somebody's people; None if there are too many in the document."""
        return _ids(people) if self._is_told else None

    def artifacts(self, log: ProvedLog) -> Iterator[dict[str, Any]]:
        """Every artifact once."""
        nobody = dict.fromkeys(log.ancestries.nodes, frozenset[bytes]())
        for item in trace_words.flat(log.ancestries, self.humans if self._is_told else nobody):
            count = len(self.humans[bytes.fromhex(item["id"])])
            yield item | ({} if self._is_told else {"humans": None}) | {"human_count": count}


def _subject(log: ProvedLog, subject: SubjectProved, people: _Humans) -> dict[str, Any]:
    node = subject.node
    item: dict[str, Any] = {"id": subject.id.hex(), "log": log.log.log_id.hex()}
    if subject.row is not None:
        item["row"] = subject.row
    if subject.rows:
        item["rows"] = [[first, first + count - 1] for first, count in subject.rows]
    item |= {
        "ok": subject.ok,
        "level": subject.level.code,
        "kind": None if node is None else node.kind or None,
        "maker": None if node is None or node.maker is None else node.maker.hex(),
        "standing": subject.standing.label,
        "status": "unknown" if node is None else str(node.status),
        "verdict": None if subject.verdict is None else subject.verdict.label,
        "code": subject.code,
        "why": subject.why,
        "humans": people.told(people.humans[subject.id]),
        "authors": people.told(people.authors[subject.id]),
        "human_count": len(people.humans[subject.id]),
        "existed_by_ms": log.existed_by_ms(subject),
    }
    return item


def _log(each: ProvedLog) -> dict[str, Any]:
    footing, checkpoint = each.footing, each.log.checkpoint
    times = [each.existed_by_ms(subject) for subject in each.subjects]
    known = [time_ms for time_ms in times if time_ms is not None]
    cosigned = each.moment.cosigned
    return {
        "log_id": each.log.log_id.hex(),
        "vkey": str(each.log.vkey),
        "checkpoint": {
            "size": checkpoint.size,
            "root": checkpoint.root.hex(),
            "origin": checkpoint.origin,
        },
        "since": [point.size for point in each.log.points],
        "fresh_as_of_ms": footing.fresh_ms,
        "existed_by_ms": max(known) if known and len(known) == len(times) else None,
        "cosigned": footing.is_cosigned,
        "witnesses": [] if cosigned is None else sorted(cosigned.times_s),
        "audited": footing.is_audited,
        "own_clock": footing.is_by_own_clock,
        "self_trusted": footing.is_self,
        "missing": [{"code": lack.code, "what": lack.what} for lack in each.missing],
    }


def _moment(logs: list[dict[str, Any]]) -> dict[str, Any]:
    """The same of all logs of a file: what the least of them offers. `checkpoint` is that of the one log, null if there are others."""

    def all_of(name: str) -> bool:
        return bool(logs) and all(log[name] for log in logs)

    fresh = [log["fresh_as_of_ms"] for log in logs]
    existed = [log["existed_by_ms"] for log in logs]
    return {
        "checkpoint": logs[0]["checkpoint"] if len(logs) == 1 else None,
        "fresh_as_of_ms": min(fresh) if fresh and None not in fresh else None,
        "existed_by_ms": max(existed) if existed and None not in existed else None,
        "cosigned": all_of("cosigned"),
        "audited": all_of("audited"),
        "self_trusted": any(log["self_trusted"] for log in logs),
        "missing": [lack for log in logs for lack in log["missing"]],
    }


def _file(path: str, checked: ContentChecked) -> dict[str, Any]:
    fault = checked.fault
    return {
        "path": checked.path,
        "proof": path,
        "ok": fault is None,
        "ids": _ids(checked.subjects),
        "faults": [] if fault is None else [_fault(fault.code, fault.item, fault.reason)],
    }


def _trusted(trusted: Trusted) -> dict[str, str]:
    return {"vkey": str(trusted.vkey), "because": trusted.because}


def _fault(code: str, item: str, reason: str) -> dict[str, str]:
    return {"code": code, "item": item, "reason": reason}


def _ids(identifiers: Any) -> list[str]:
    return sorted(item.hex() for item in identifiers)
