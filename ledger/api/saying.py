"""What identities say about others, and about the log: endorse, attest, notice, rules, evidence (SPEC §5.2, §5.3, §7.5, §7.6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ledger.api.access import OPERATOR, Access
from ledger.api.identities import find_id
from ledger.errors import LineageError, NotFound, ProofInvalid, RefusedInput
from ledger.fold.subjects import judge_subject
from ledger.fold.topics import Topic, topic_key
from ledger.log.view import LogView
from ledger.log.writer import Appended
from ledger.proofs.tlog_proof import TlogProof
from ledger.signer import signing
from ledger.spec import ENTRY_BYTES_MAX, HASH_BYTES, LANE_BYTES, RECEIPT_BYTES_MAX, SUBJECTS_MAX
from ledger.statements import codec
from ledger.statements.bodies import BODIES
from ledger.statements.entry import Entry, decode_entry
from ledger.statements.statement import make_statement
from ledger.store.files import read_regular

Subject = tuple[bytes] | tuple[bytes, int]  # an artifact id; and a row of it
LISTS: Final = ("registrars", "curators")


def say(access: Access, by: str, type_: str, body: dict[str, Any]) -> int:
    """Signs and appends one ordinary statement; its log index. A body outside its schema is refused before a key is opened."""
    BODIES[type_](body, "body")
    signer = access.unlock(by)
    with access.door() as door:
        return signing.say(door, signer, type_, body).log_index


def endorse(
    access: Access, by: str, subject: str, grade: str, method: str, until: int | None, log: bytes | None
) -> int:
    """As `Ledger.endorse`."""
    subject_id = bytes.fromhex(subject) if log is not None else find_id(access, subject)
    body: dict[str, Any] = {"subject": subject_id, "grade": grade, "method": method}
    return say(access, by, "endorse", _with(body, until=until, log=log))


def end_endorsement(access: Access, by: str, subject: str) -> int:
    """As `Ledger.end_endorsement`."""
    issuer, subject_id = access.keys.find(by).id, find_id(access, subject)
    with access.view() as view:
        former = view.state.endorsement(subject_id, issuer)
        now_ms = view.clock_ms
    if former is None:
        raise NotFound(
            "identity-unknown",
            f"subject {subject_id.hex()[:16]}",
            f"'{by}' has not endorsed it, so that there is nothing to end",
            "See: lineage identity show",
        )
    body = {"subject": subject_id, "grade": former.grade, "method": former.method, "until": now_ms}
    return say(access, by, "endorse", body)


def attest(
    access: Access,
    by: str,
    subjects: Sequence[Subject],
    claim: str,
    result: str,
    evidence: Iterable[bytes],
) -> list[int]:
    """As `Ledger.attest`."""
    body = _with({"claim": claim, "result": result}, evidence=sorted(set(evidence)) or None)
    return _say_of(access, by, "attest", body, subjects)


def notice(
    access: Access,
    by: str,
    subjects: Sequence[Subject],
    act: str,
    reason: str | None,
    cancels: bytes | None,
) -> list[int]:
    """As `Ledger.notice`."""
    body = _with({"act": act}, reason=reason)
    if act != "release":
        return _say_of(access, by, "notice", body, subjects)
    if cancels is not None:
        return _say_of(access, by, "notice", body | {"cancels": cancels}, subjects)
    with access.view() as view:
        held = _own_holds(view, access.keys.find(by).id, subjects)
    bodies = [
        part
        for hold, released in held.items()
        for part in _parts("notice", body | {"cancels": hold}, released)
    ]
    return _say_all(access, by, "notice", bodies)


def _own_holds(view: LogView, issuer: bytes, subjects: Sequence[Subject]) -> dict[bytes, list[Subject]]:
    """Which holds of `issuer` stand on which of the subjects. Raises NotFound `notice-illegal` for one without."""
    found: dict[bytes, list[Subject]] = {}
    for subject in subjects:
        holds = standing_holds(view, issuer, subject)
        if not holds:
            raise NotFound(
                "notice-illegal",
                f"artifact {subject[0].hex()[:16]}",
                "no hold of the signer stands on it, so that there is nothing to release",
                "Whoever said the hold releases it: see lineage trace.",
            )
        for hold in holds:
            found.setdefault(hold, []).append(subject)
    return found


def standing_holds(view: LogView, issuer: bytes, subject: Subject) -> list[bytes]:
    """The statement ids of an issuer's holds on a subject that no release of his names, in log order."""
    holds: dict[bytes, None] = {}
    for log_index in view.topic_entries(topic_key(Topic.NOTICES, subject[0])):
        statement = view.statement(log_index)
        is_meant = statement.by == issuer and list(subject) in statement.body["subjects"]
        if not is_meant or view.state.is_faulty(log_index) or view.disowned_by(log_index):
            continue
        if statement.body["act"] == "hold":
            holds[statement.id] = None
        elif statement.body["act"] == "release":
            holds.pop(statement.body["cancels"], None)
    return list(holds)


def _say_of(
    access: Access, by: str, type_: str, body: dict[str, Any], subjects: Sequence[Subject]
) -> list[int]:
    """One statement over as many subjects as one may have, and so on; their log indices."""
    return _say_all(access, by, type_, _parts(type_, body, subjects))


def _parts(type_: str, body: dict[str, Any], subjects: Sequence[Subject]) -> list[dict[str, Any]]:
    """The bodies over all subjects, each once. Raises RefusedInput `schema` before anything is said."""
    ordered = sorted({codec.encode(list(subject)): list(subject) for subject in subjects}.items())
    named = [subject for _encoded, subject in ordered]
    groups = [named[start : start + SUBJECTS_MAX] for start in range(0, len(named), SUBJECTS_MAX)]
    parts = [body | {"subjects": group} for group in groups]
    for part in parts:
        BODIES[type_](part, "body")
    return parts


def _say_all(access: Access, by: str, type_: str, bodies: Sequence[dict[str, Any]]) -> list[int]:
    """Says them all, or, of what the log can tell beforehand, none; an error tells what was said before it."""
    signer = access.unlock(by)
    said: list[int] = []
    with access.door() as door:
        if len(bodies) > 1:  # of one statement the log itself takes all or nothing
            with access.view() as view:
                _foresee(view, signer.identity.id, type_, bodies)
        for body in bodies:
            try:
                said.append(signing.say(door, signer, type_, body).log_index)
            except LineageError as error:
                if not said:
                    raise
                done = (
                    f"{error.reason}; {len(said)} of {len(bodies)} statements were said before, at log index"
                )
                reason = f"{done} {', '.join(map(str, said))}"
                raise type(error)(error.code, error.item, reason, error.fix) from error
    return said


def _foresee(view: LogView, signer: bytes, type_: str, bodies: Sequence[dict[str, Any]]) -> None:
    """Whether each subject of several statements may be named, by the fold's rules. Raises RefusedInput as the log would."""
    for body in bodies:
        hold = view.state.hold(body["cancels"]) if "cancels" in body else None
        drafted = make_statement(
            type_, view.log_id, body, by=signer, key=bytes(HASH_BYTES), lane=bytes(LANE_BYTES), seq=0
        )  # its place in a lane is no matter of its subjects
        for subject in body["subjects"]:
            judge_subject(view.state, drafted, subject, view.find_subject)
            if "cancels" in body and (hold is None or tuple(subject) not in hold.subjects):
                raise RefusedInput(
                    "notice-illegal",
                    f"artifact {subject[0].hex()[:16]}",
                    "the hold that is named is not on it",
                    "Name a hold of your own, and subjects of it.",
                )


def rules_of(access: Access) -> dict[str, Any]:
    """As `Ledger.rules`."""
    with access.view() as view:
        return dict(view.state.header.rules)


def set_rules(access: Access, rules: dict[str, Any]) -> int:
    """As `Ledger.set_rules`."""
    body = {
        name: sorted(set(value)) if name in LISTS else value
        for name, value in rules.items()
        if value not in (None, [], {})
    }
    return say(access, OPERATOR, "rules", body)


def contest(access: Access, by: str, entries: Sequence[bytes]) -> int:
    """As `Ledger.contest`."""
    halves = [decode_entry(data) for data in entries]
    if len(halves) != 2 or halves[0].statement.id == halves[1].statement.id:
        raise RefusedInput(
            "evidence-invalid",
            "evidence",
            "it takes two entries with two different payloads at one place",
            "Give the entry that stands in the log, and the other one.",
        )
    halves.sort(key=lambda half: codec.encode(half.statement.payload))
    first, second = map(_half, halves)
    return say(access, by, "evidence", {"first": first, "second": second})


def _half(entry: Entry) -> list[Any]:
    return [entry.statement.payload, [list(signature) for signature in entry.signatures]]


def read_entry(path: Path) -> bytes:
    """The entry in a file: its bytes, or the one that a `.tlog-proof` receipt carries. Raises RefusedInput, StoreFault."""
    data = read_regular(path, max(ENTRY_BYTES_MAX, RECEIPT_BYTES_MAX))
    if not data.startswith(b"c2sp.org/tlog-proof@"):
        return data
    try:
        extra = TlogProof.parse(data).extra
    except (
        ProofInvalid
    ) as error:  # nothing is proven here: a file that cannot be read is no verdict on anybody
        raise RefusedInput(
            error.code, str(path), error.reason, error.fix or "Fetch the receipt again."
        ) from error
    fields = codec.decode(extra, RECEIPT_BYTES_MAX) if extra else None
    if not isinstance(fields, dict) or type(fields.get("entry")) is not bytes:
        raise RefusedInput(
            "schema",
            str(path),
            "this receipt carries no entry",
            "Give one made without --bare, or the entry.",
        )
    return bytes(fields["entry"])


def append_entries(
    access: Access, entries: Iterable[bytes], records: Mapping[int, Sequence[bytes]] | None
) -> list[Appended | LineageError]:
    """As `Ledger.append_entries`."""
    held = records or {}
    submissions = [(entry, list(held.get(place, ()))) for place, entry in enumerate(entries)]
    with access.door() as door:
        return door.append(submissions)


def _with(body: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """The body with the fields that are not None."""
    return body | {name: value for name, value in fields.items() if value is not None}
