"""What an error advises must be there to be run: every command that a text of the program names, with its options."""

from __future__ import annotations

import argparse
import ast
import re
from collections.abc import Iterator
from pathlib import Path

import ledger
from ledger.cli.main import build_parser

SOURCES = sorted(Path(ledger.__file__).parent.rglob("*.py"))
NAMED = re.compile(r"\blineage ((?:[a-z]+(?:-[a-z]+)*\b(?!-) ?)+)((?:[^`;.,()\n]|\.(?=\w))*)")


def texts(path: Path) -> Iterator[str]:
    """All string constants, of f-strings with a blank for each value."""
    tree = ast.parse(path.read_text())
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            yield node.value


def verbs_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    return next(
        (
            dict(action.choices)
            for action in parser._actions
            if isinstance(action, argparse._SubParsersAction)
        ),
        {},
    )


def problem_of(words: list[str], rest: str) -> str | None:
    """Why a command that a text names cannot be run; None: it can."""
    parser = build_parser()
    while verbs := verbs_of(parser):
        word = words.pop(0) if words else ""
        if word not in verbs:
            return f"no '{word}' in {parser.prog}" if word else None  # `lineage identity`, of all its verbs
        parser = verbs[word]
    options = set(re.findall(r"(?<!\S)--[a-z-]+", rest))
    unknown = options - set(parser._option_string_actions)
    return f"{parser.prog} has no {', '.join(sorted(unknown))}" if unknown else None


def test_every_command_that_a_text_names_is_there() -> None:
    commands = verbs_of(build_parser())
    problems, found = [], 0
    for path in SOURCES:
        for text in texts(path):
            for match in NAMED.finditer(text):
                words = match[1].split()
                if words[0] not in commands and not text[: match.start()].endswith(("`", ": ")):
                    continue  # "the lineage ledger", or the name of a thread
                found += 1
                problem = problem_of(words, match[2])
                if problem is not None:
                    problems.append(f"{path.name}: {match[0]!a}: {problem}")
    assert problems == []
    assert found > 100
