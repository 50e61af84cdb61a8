"""Files of up to 1 MiB that are built to cost a verifier more than they should, or as many times smaller as `scale` says. For tests only."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from ledger import spec
from ledger.merkle.tree import hash_leaf, root_of
from ledger.proofs.ancestry_file import RowsHeader
from ledger.statements.record import Parent, Record, make_record
from tests.test_proofs.fields import fields_of
from tests.test_proofs.forge import VKEY, Forge
from tests.test_proofs.proving import WholeLog, file_of, write_whole

BYTES_MAX = 1_048_576


def id_of(*parts: object) -> bytes:
    return hashlib.sha256(repr(parts).encode()).digest()


def _begun() -> tuple[Forge, Record]:
    forge = Forge()
    anna = forge.enrol("anna")
    record = anna.record("work", human=1_000_000)
    forge.publish(anna, [record])
    return forge, record


def tiny_entries(scale: int = 1) -> bytes:
    """Of one byte each."""
    forge, record = _begun()
    while len(forge.entries) < 94_000 // scale:
        forge.put(b"\x00")
    return file_of(forge.part([record.id]))


def many_states(scale: int = 1) -> bytes:
    forge, record = _begun()
    for _ in range(7_000 // scale):
        forge.state()
    return file_of(forge.part([record.id]))


def many_topics(scale: int = 1) -> bytes:
    """Of nobody, all shown to be absent by a few nodes."""
    forge, record = _begun()
    forge.topics |= {(1 + number % 4, id_of(number)) for number in range(31_000 // scale)}
    return file_of(forge.part([record.id]))


def many_parents(scale: int = 1) -> bytes:
    """Records with 256 parents each: the same, or such as are nowhere."""
    forge = Forge()
    anna = forge.enrol("anna")
    shared = [anna.record(f"parent {number}") for number in range(256 // scale)]
    forge.publish(anna, shared)
    subjects = []
    for number in range(70):
        parents = [
            Parent("quotes", shared[at].id if number % 2 else id_of(number, at)) for at in range(256 // scale)
        ]
        record = anna.record(f"child {number}", parents=parents)
        forge.publish(anna, [record])
        subjects.append(record.id)
    return file_of(forge.part(subjects))


def deep_chain(scale: int = 1) -> bytes:
    """Each derived from the one before, all of them subjects."""
    forge = Forge()
    anna = forge.enrol("anna")
    curator = forge.enrol("curator", "curator")
    forge.say(forge.operator, "rules", {"mode": "open", "curators": [curator.id]})
    records = [anna.record("0")]
    for number in range(1, 3_000 // scale):
        records.append(anna.record(f"{number}", "work", [Parent("derived-from", records[-1].id)]))
    forge.publish(anna, records)
    forge.say(curator, "notice", {"subjects": [[records[0].id]], "act": "hold"})
    return file_of(forge.part([record.id for record in records]))


def wide_notices(scale: int = 1) -> bytes:
    """Notices with 512 subjects each, of whom nobody is in the file, or all."""
    forge = Forge()
    anna = forge.enrol("anna")
    curator = forge.enrol("curator", "curator")
    forge.say(forge.operator, "rules", {"mode": "open", "curators": [curator.id]})
    records = sorted((anna.record(f"{number}") for number in range(512 // scale)), key=lambda each: each.id)
    forge.publish(anna, records)
    for number in range(44):
        ids = (
            sorted(id_of(number, at) for at in range(512 // scale))
            if number % 2
            else [one.id for one in records]
        )
        forge.say(curator, "notice", {"subjects": [[each] for each in ids], "act": "hold"})
    return file_of(forge.part([record.id for record in records]))


def erased_for_years(scale: int = 1) -> bytes:
    """Erased artifacts, notices that ask for it over and over, and states whose clock never comes near."""
    forge = Forge()
    anna = forge.enrol("anna")
    curator = forge.enrol("curator", "curator")
    forge.say(forge.operator, "rules", {"mode": "open", "curators": [curator.id]})
    ids = sorted(id_of(number) for number in range(512 // scale))
    forge.publish(anna, ids)
    for _ in range(29):
        forge.say(curator, "notice", {"subjects": [[each] for each in ids], "act": "erase"})
    for _ in range(2_900 // scale):
        forge.state()
    return file_of(forge.part(ids))


def one_artifact_again(scale: int = 1) -> bytes:
    """One record as often as a statement may hold it."""
    forge = Forge()
    anna = forge.enrol("anna")
    record = anna.record("again")
    forge.publish(anna, [record] * (spec.STATEMENT_RECORDS_MAX // scale))
    forge.publish(anna, [record] * (46_000 // scale))
    return file_of(forge.part([record.id]))


def places_at_fault(scale: int = 1) -> bytes:
    """One artifact in many places that nobody signed, many children, and many who say something of it."""
    forge = Forge()
    anna = forge.enrol("anna")
    curator = forge.enrol("curator", "curator")
    forge.say(forge.operator, "rules", {"mode": "open", "curators": [curator.id]})
    record = anna.record("again")
    forge.publish(anna, [record] * (40_000 // scale), valid=False)
    for _ in range(1_000 // scale):
        forge.say(curator, "notice", {"subjects": [[record.id]], "act": "hold"})
    children = [
        anna.record(f"{number}", parents=[Parent("quotes", record.id)]) for number in range(1_100 // scale)
    ]
    forge.publish(anna, children)
    return file_of(forge.part([record.id, *(child.id for child in children)]))


def many_erased(scale: int = 1) -> bytes:
    """Leaf hashes of records that nobody holds."""
    forge = Forge()
    anna = forge.enrol("anna")
    ids = [id_of(number) for number in range(27_500 // scale)]
    forge.publish(anna, ids)
    return file_of(forge.part(ids))


def attested_rows(scale: int = 1) -> bytes:
    """A dataset of whose every row something is said, and of whose rows each second one is a subject."""
    forge = Forge()
    anna, ben = forge.enrol("anna"), forge.enrol("ben")
    digests = [id_of(row) for row in range(27 * (512 // scale))]
    forge.say(forge.operator, "rules", {"mode": "open", "registrars": [ben.id]})
    record = make_record(
        kind="dataset",
        maker=anna.id,
        stance="reported",
        content=root_of([hash_leaf(digest) for digest in digests]),
        form="rows",
        size_bytes=1,
        media="text/plain",
        facts={"count": len(digests)},
    )
    forge.publish(anna, [record])
    for number in range(27):
        rows = [[record.id, 512 // scale * number + at] for at in range(512 // scale)]
        forge.say(
            ben,
            "attest",
            {"subjects": rows, "claim": "origin", "result": ("confirmed", "refuted")[number % 2]},
        )
    ranges = tuple((row, 1) for row in range(0, len(digests), 2))
    header = RowsHeader(record.id, ranges, tuple(hash_leaf(digest) for digest in digests[1::2]))
    return write_whole([WholeLog(forge.part(), [(header, b"".join(digests[::2]))])])


def deep_status(scale: int = 1) -> bytes:
    """A status proof of 255 levels for each of many keys: the operator signs any root, so it leads where he likes."""
    forge, record = _begun()
    forge.topics |= {(1, id_of(number)) for number in range(110 // scale)}
    part = forge.part([record.id])
    part.status = b"".join(b"\x01" + bytes([depth]) + bytes(32) for depth in range(255)) * (120 // scale)
    return file_of(part)


def counts_that_lie(scale: int = 1) -> bytes:
    """The last count of a file says the greatest number; so does each other one in `lying_counts`."""
    return lying_counts(scale)[-1]


def lying_counts(scale: int = 1) -> list[bytes]:
    forge, record = _begun()
    data = file_of(forge.part([record.id]))
    found = []
    for name, start, stop in fields_of(data):
        if name.endswith(("count", "length")):
            put = data[:start] + b"\xff" * (stop - start) + data[stop:]
            more = BYTES_MAX // scale - len(data)
            found += [put, put + bytes(more), put + b"\xff" * more]
    return found


CASES: tuple[Callable[[int], bytes], ...] = (
    tiny_entries,
    many_states,
    many_topics,
    many_parents,
    deep_chain,
    wide_notices,
    erased_for_years,
    one_artifact_again,
    places_at_fault,
    many_erased,
    attested_rows,
    deep_status,
    counts_that_lie,
)
VKEYS = [VKEY]
