"""A `supersedes` replaces what it does not make look better (SPEC §4.3); held to the clause, condition by condition."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import RefusedInput
from ledger.statements.record import Parent, Record, make_record
from ledger.statements.superseding import why_without_effect

ADA, BEA = b"a" * 32, b"b" * 32
SHARED = (
    "derived-from",
    "generated-by",
    "trained-on",
    "distilled-from",
    "quotes",
)  # the table's "share: yes"

SHARES = st.none() | st.sampled_from([0, 100_000, 300_000])
PARENTS = st.lists(
    st.builds(
        Parent,
        st.sampled_from(["derived-from", "quotes", "evidence", "corrects"]),
        st.sampled_from([b"1" * 32, b"2" * 32]),
        st.sampled_from([None, 50_000, 100_000]),
        row=st.sampled_from([None, 3]),
    ),
    max_size=3,
    unique_by=lambda parent: (parent.rel, parent.id, parent.row),
)
FIELDS = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["work", "experience", "output", "dataset"]),
        "stance": st.sampled_from(["made", "reported"]),
        "maker": st.sampled_from([ADA, BEA]),
        "human": SHARES,
        "machine": SHARES,
        "parents": PARENTS,
    }
)


def record(**given: Any) -> Record | None:
    """None where no such record is legal."""
    fields = {"kind": "work", "maker": ADA, "stance": "made", "parents": ()} | given
    fields["parents"] = [
        parent if parent.rel in SHARED else parent._replace(ppm=None) for parent in fields["parents"]
    ]
    try:
        return make_record(content=b"c" * 32, size_bytes=9, media="text/plain", **fields)
    except RefusedInput:
        return None


def naive(newer: dict[str, Any], older: dict[str, Any]) -> bool:
    """Whether it has effect, read off the clause."""
    same_maker = newer["maker"] == older["maker"]
    turns_made = older["stance"] == "reported" and newer["stance"] == "made"
    turns_kind = newer["kind"] != older["kind"] and newer["kind"] in ("work", "experience")
    raises_human = (newer["human"] or 0) > (older["human"] or 0)
    lowers_machine = (newer["machine"] or 0) < (older["machine"] or 0)
    drops = False
    for parent in older["parents"]:
        if parent.rel not in SHARED:
            continue
        same = [each for each in newer["parents"] if each[:2] == parent[:2] and each.row == parent.row]
        drops = drops or not same or (same[0].ppm or 0) < (parent.ppm or 0)
    return same_maker and not (turns_made or turns_kind or raises_human or lowers_machine or drops)


@given(FIELDS, FIELDS)
def test_it_has_effect_where_the_clause_says_so(newer: dict[str, Any], older: dict[str, Any]) -> None:
    for fields in (newer, older):
        if fields["stance"] == "reported":
            fields["human"] = fields["machine"] = None
    one, other = record(**newer), record(**older)
    if one is not None and other is not None:
        assert (why_without_effect(one, other) is None) == naive(newer, older)


@pytest.mark.parametrize(
    ("newer", "older", "why"),
    [
        ({}, {"maker": BEA}, "another maker"),
        ({}, {"stance": "reported"}, "'reported' into 'made'"),
        ({}, {"kind": "dataset"}, "'dataset' into 'work'"),
        ({"human": 700_000}, {"human": 600_000}, "raise the human share"),
        ({"human": 1}, {}, "raise the human share"),
        ({"human": 1, "machine": 1}, {"human": 1, "machine": 2}, "lower the machine share"),
        ({}, {"parents": [Parent("quotes", BEA)]}, "drop a parent 'quotes'"),
        ({"parents": [Parent("quotes", BEA, 5)]}, {"parents": [Parent("quotes", BEA, 6)]}, "lower the share"),
        ({"parents": [Parent("quotes", BEA)]}, {"parents": [Parent("quotes", BEA, 6)]}, "lower the share"),
        (
            {"parents": [Parent("quotes", BEA, row=1)]},
            {"parents": [Parent("quotes", BEA, row=2)]},
            "drop a parent",
        ),
        ({"parents": [Parent("quotes", BEA, 6)]}, {"parents": [Parent("quotes", BEA)]}, None),
        ({"kind": "dataset"}, {"human": 5}, None),
        ({"human": 600_000}, {"human": 700_000}, None),
        ({}, {"parents": [Parent("evidence", BEA)]}, None),
        ({"stance": "reported"}, {"human": 1}, None),
    ],
)
def test_each_reason_is_told(newer: dict[str, Any], older: dict[str, Any], why: str | None) -> None:
    one, other = record(**newer), record(**older)
    assert one is not None
    assert other is not None
    told = why_without_effect(one, other)
    assert (told is None) if why is None else (why in (told or ""))
