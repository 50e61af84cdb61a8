"""Experience artifacts: all five parts, or a refusal that names those that lack."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.datasets.experience import PARTS, check_experience
from tests.test_datasets.refusals import refused

WHOLE = {part: f"what is said about {part}" for part in PARTS}
EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "incidents"


def test_five_parts_are_enough_and_more_names_are_welcome() -> None:
    check_experience(json.dumps(WHOLE).encode())
    check_experience(json.dumps(WHOLE | {"date": "2024-01-01", "temperature_c": 21.5}).encode())


@given(
    st.dictionaries(st.sampled_from(PARTS), st.sampled_from(["", " \n", None, 3, ["x"], "LACKS"]), min_size=1)
)
def test_each_part_that_lacks_is_named_and_no_other(faults: dict[str, object]) -> None:
    told = {part: value for part, value in (WHOLE | faults).items() if value != "LACKS"}
    with refused(
        "experience-incomplete",
        "experience",
        ", ".join(
            f"{part} ({'is missing' if faults[part] == 'LACKS' else 'is blank or no string'})"
            for part in PARTS
            if part in faults
        ),
    ):
        check_experience(json.dumps(told).encode())


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"[]", "experience-not-object"),
        (b'"case"', "experience-not-object"),
        (b"", "not-json"),
        (b"The oven failed.", "not-json"),
        (json.dumps(WHOLE).encode("utf-16"), "not-utf8"),
        (b"\xef\xbb\xbf" + json.dumps(WHOLE).encode(), "byte-order-mark"),
        (json.dumps(WHOLE).encode()[:-1] + b', "case": "another"}', "json-duplicate-key"),
        (json.dumps(WHOLE | {"more": "\ud800"}).encode(), "lone-surrogate"),
        (json.dumps(WHOLE | {"more": 2**60}).encode(), "json-integer-too-big"),
    ],
)
def test_what_is_no_experience(content: bytes, code: str) -> None:
    with refused(code):
        check_experience(content)


def test_the_examples_are_experiences() -> None:
    paths = sorted(EXAMPLES.glob("*.json"))
    assert len(paths) == 6
    for path in paths:
        check_experience(path.read_bytes())
