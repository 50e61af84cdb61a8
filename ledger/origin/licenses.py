"""Which SPDX expressions a list of licences allows (SPEC §12.2).

    expression = term {OR term}      term = factor {AND factor}      factor = id ["+"] [WITH exception] | "(" expression ")"

`A OR B` is a choice: it is allowed if A or B is. `A AND B` binds to both. `A+` may be taken as A. An exception changes the
terms, so `A WITH E` is allowed only where the list says just that. Ids are compared without regard to case, and not looked
up: the list says what it means. What is no expression is not allowed.

Parsed by hand since nothing more is needed: a library would bring its own list of licences, and thereby a verdict that
changes with its version.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

_ITEM: Final = re.compile(r"\s*(\(|\)|[A-Za-z0-9.:-]+\+?)", re.ASCII)
_ID: Final = re.compile(r"[A-Za-z0-9.:-]+\+?(?: WITH [A-Za-z0-9.:-]+)?\Z", re.ASCII)
_WORDS: Final = frozenset({"and", "or", "with"})
_BINDS: Final = {"or": 1, "and": 2}


def is_simple(text: str) -> bool:
    """Whether a text may stand in a list: one id, with `+` or an exception perhaps, no choice."""
    return bool(_ID.match(text)) and not _WORDS & {word.lower() for word in text.split(" ")[::2]}


def allows(listed: Collection[str], expression: str) -> bool:
    """Whether the list allows what an expression says; `listed` in lower case."""
    items = _items(expression)
    return items is not None and _evaluate(items, listed) is True


def _items(expression: str) -> list[str] | None:
    items, place = [], 0
    text = expression.rstrip()
    while place < len(text):
        found = _ITEM.match(text, place)
        if found is None:
            return None
        items.append(found[1].lower())
        place = found.end()
    return items


def _evaluate(items: list[str], listed: Collection[str]) -> bool | None:
    """The worth of an expression; None if it is none. Two stacks, so that brackets may nest as they like."""
    values: list[bool] = []
    operators: list[str] = []
    wants_value = True
    place = 0
    while place < len(items):
        word = items[place]
        place += 1
        if word == "(" and wants_value:
            operators.append(word)
        elif word == ")" and not wants_value:
            while operators and operators[-1] != "(":
                _apply(values, operators.pop())
            if not operators:
                return None
            operators.pop()
        elif word in _BINDS and not wants_value:
            while operators and _BINDS.get(operators[-1], 0) >= _BINDS[word]:
                _apply(values, operators.pop())
            operators.append(word)
            wants_value = True
        elif wants_value and word not in _WORDS and word not in "()":
            if items[place : place + 1] == ["with"]:
                exception = items[place + 1 : place + 2]
                if (
                    not exception
                    or exception[0] in _WORDS
                    or exception[0] in "()"
                    or exception[0].endswith("+")
                ):
                    return None
                word = f"{word} with {exception[0]}"
                place += 2
            values.append(_is_listed(word, listed))
            wants_value = False
        else:
            return None
    if wants_value or "(" in operators:
        return None
    while operators:
        _apply(values, operators.pop())
    return values[0]


def _apply(values: list[bool], operator: str) -> None:
    right, left = values.pop(), values.pop()
    values.append(left and right if operator == "and" else left or right)


def _is_listed(word: str, listed: Collection[str]) -> bool:
    return word in listed or (word.endswith("+") and word[:-1] in listed)
