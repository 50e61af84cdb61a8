"""Experience artifacts: what reality answered, told in five parts (SPEC §4.1).

An experience artifact is a record of an interaction that had consequences. Its content is a JSON object that says what
happened (case), what it shows (pattern), where that holds (constraints), what is not known (uncertainty) and what
followed (consequence). Each is a string with something in it. That they are there can be checked; that they are true
is for those who vouch.
"""

from __future__ import annotations

from typing import Final

from ledger.datasets.jcs import canonical_json, parse_json
from ledger.errors import RefusedInput

PARTS: Final = ("case", "pattern", "constraints", "uncertainty", "consequence")


def check_experience(content: bytes) -> None:
    """Check that content is a JSON object with the five parts, each a string that is not blank; more names are welcome.

    Raises RefusedInput: experience-not-object, experience-incomplete (naming the parts), and those of `parse_json` and
    `canonical_json`.
    """
    told = parse_json(content)
    if not isinstance(told, dict):
        raise RefusedInput(
            "experience-not-object",
            "experience",
            "its content is JSON, but no object",
            f"Write an object with the strings {', '.join(PARTS)}",
        )
    lacking = [
        f"{part} ({'is blank or no string' if part in told else 'is missing'})"
        for part in PARTS
        if not (isinstance(value := told.get(part), str) and value.strip())
    ]
    if lacking:
        raise RefusedInput(
            "experience-incomplete",
            "experience",
            f"of its five parts: {', '.join(lacking)}",
            "Say each in a string; where nothing is known, say so under uncertainty",
        )
    canonical_json(told)  # what has no canonical form could be read in two ways
