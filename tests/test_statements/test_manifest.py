"""The tree of a manifest against the definition, and its record against the law."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import RefusedInput
from ledger.statements.manifest import ManifestTree, make_manifest_record
from ledger.statements.record import decode_record
from tests.reference import manifest_root

VERDICTS = ("admitted", "quarantined", "rejected")
DIGEST = st.binary(min_size=32, max_size=32)


@given(
    st.lists(st.tuples(DIGEST, st.none() | DIGEST, st.sampled_from(VERDICTS)), max_size=70),
    st.lists(st.integers(0, 70)),
)
def test_the_root_is_that_of_the_definition_however_rows_come(
    rows: list[tuple[bytes, bytes | None, str]], cuts: list[int]
) -> None:
    tree = ManifestTree()
    bounds = sorted({0, len(rows), *(min(cut, len(rows)) for cut in cuts)})
    for start, stop in zip(bounds, [*bounds[1:], len(rows)], strict=True):
        part = rows[start:stop]
        tree.add(
            b"".join(row[0] for row in part),
            b"".join(row[1] or bytes(32) for row in part),
            bytes(VERDICTS.index(row[2]) for row in part),
        )
    assert tree.root() == manifest_root(rows)
    assert (tree.count, tree.size_bytes) == (len(rows), 65 * len(rows))


@pytest.mark.parametrize(("digests", "ids"), [(31, 32), (32, 33), (64, 64), (0, 0)])
def test_rows_of_other_lengths_are_refused(digests: int, ids: int) -> None:
    with pytest.raises(RefusedInput) as error:
        ManifestTree().add(bytes(digests), bytes(ids), b"\0")
    assert error.value.code == "hash-malformed"


def test_the_record_is_legal() -> None:
    tree = ManifestTree()
    tree.add(bytes(64), bytes(64), b"\0\2")
    record = make_manifest_record(
        maker=b"m" * 32, tree=tree, checkpoint=b"c" * 32, policy=b"p" * 32, trust=bytes(32), time_ms=5
    )
    assert decode_record(record.encoded).fields == record.fields
    assert record.fields["facts"] == {
        "checkpoint": b"c" * 32,
        "policy": b"p" * 32,
        "trust": bytes(32),
        "time": 5,
        "count": 2,
    }
    assert (record.kind, record.stance, record.form, record.parents) == ("dataset", "made", "manifest", ())
    assert (record.fields["size"], record.fields["media"]) == (130, "application/vnd.lineage.manifest")
    with pytest.raises(RefusedInput, match="count"):
        make_manifest_record(
            maker=b"m" * 32,
            tree=ManifestTree(),
            checkpoint=bytes(32),
            policy=bytes(32),
            trust=bytes(32),
            time_ms=0,
        )
