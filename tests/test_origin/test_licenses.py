"""SPDX expressions against a list: by their grammar, and held to Python's own reading of `and` and `or` (SPEC §12.2)."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.origin.licenses import allows, is_simple

NO_DEADLINE = settings(deadline=None)  # a machine may be busy

LIST = frozenset(
    {"mit", "apache-2.0", "gpl-2.0-only with classpath-exception-2.0", "gpl-3.0", "bsd-3-clause+"}
)


@pytest.mark.parametrize(
    ("expression", "is_allowed"),
    [
        ("MIT", True),
        ("mit", True),
        ("MIT ", True),
        ("X11", False),
        ("MIT OR X11", True),
        ("X11 OR MIT", True),
        ("X11 or MIT", True),
        ("MIT AND X11", False),
        ("MIT AND Apache-2.0", True),
        ("X11 OR MIT AND X11", False),
        ("X11 AND MIT OR MIT", True),
        ("(X11 OR MIT) AND Apache-2.0", True),
        ("((MIT))", True),
        ("(MIT OR X11) AND (X11 OR Apache-2.0)", True),
        ("GPL-3.0+", True),
        ("GPL-3.0", True),
        ("BSD-3-Clause+", True),
        ("BSD-3-Clause", False),
        ("GPL-2.0-only", False),
        ("GPL-2.0-only WITH Classpath-exception-2.0", True),
        ("GPL-2.0-only with classpath-exception-2.0", True),
        ("MIT WITH Classpath-exception-2.0", False),
        ("GPL-2.0-only WITH Classpath-exception-2.0 OR X11", True),
        ("GPL-2.0-only WITH Classpath-exception-2.0 AND MIT", True),
        ("LicenseRef-own", False),
        ("DocumentRef-a:LicenseRef-b", False),
        # no expressions
        ("", False),
        ("MIT Apache-2.0", False),
        ("MIT OR", False),
        ("OR MIT", False),
        ("MIT OR OR MIT", False),
        ("MIT AND OR MIT", False),
        ("(MIT", False),
        ("MIT)", False),
        ("()", False),
        ("MIT ()", False),
        ("MIT (MIT)", False),
        ("(MIT) MIT", False),
        ("MIT WITH", False),
        ("MIT WITH OR MIT", False),
        ("WITH MIT", False),
        ("MIT OR WITH", False),
        ("(MIT) WITH Classpath-exception-2.0", False),
        ("GPL-2.0-only WITH Classpath-exception-2.0+", False),
        ("MIT++", False),
        ("+", False),
        ("MIT\tOR MIT", True),
        ("MIT OR MIT\n", True),
        ("MIT/X11", False),
        ("MIT\u00a0OR MIT", False),
        ("(" * 128, False),
        ("(" * 60 + "MIT" + ")" * 60, True),
    ],
)
def test_expression(expression: str, is_allowed: bool) -> None:
    assert allows(LIST, expression) is is_allowed


@pytest.mark.parametrize(
    ("text", "simple"),
    [
        ("MIT", True),
        ("GPL-3.0+", True),
        ("LicenseRef-own", True),
        ("GPL-2.0-only WITH Classpath-exception-2.0", True),
        ("MIT OR X", False),
        ("MIT AND X", False),
        ("(MIT)", False),
        ("OR", False),
        ("and", False),
        ("MIT WITH", False),
        ("MIT WITH A WITH B", False),
        ("MIT WITH or", False),
        ("MIT ", False),
        ("MIT\n", False),
        ("", False),
    ],
)
def test_only_single_licences_stand_in_a_list(text: str, simple: bool) -> None:
    assert is_simple(text) is simple


NAMES = ("mit", "x11", "isc", "zlib")
expressions = st.recursive(
    st.sampled_from(NAMES),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from([" OR ", " AND ", " or ", "  and "]), inner).map("".join),
        inner.map(lambda text: f"({text})"),
    ),
    max_leaves=8,
)


@NO_DEADLINE
@given(expressions, st.frozensets(st.sampled_from(NAMES)), st.sampled_from(NAMES))
def test_it_reads_as_python_does(expression: str, listed: frozenset[str], more: str) -> None:
    values = {name: name in listed for name in NAMES}
    wanted = eval(re.sub(r"\b(OR|AND)\b", lambda word: word[0].lower(), expression), {}, values)
    assert allows(listed, expression) is wanted
    assert allows(listed, expression) <= allows(listed | {more}, expression)


@NO_DEADLINE
@given(st.text(alphabet="MIT ()+ORANDWITH.:-", max_size=40))
def test_whatever_the_text_it_has_an_answer(text: str) -> None:
    assert allows(LIST, text) in (True, False)
    assert not allows(frozenset(), text)
