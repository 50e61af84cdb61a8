"""The house rules that no linter knows: sizes, no assert, a pure zone, light imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LEDGER = ROOT / "ledger"

FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 500
EXEMPT: frozenset[str] = (
    frozenset()
)  # functions ("file.py:name") and files over the limits; it may only shrink

PURE_ROOMS = ("merkle", "statements", "identity", "fold", "proofs", "origin")
PURE_FILES = ("spec.py", "errors.py")
PURE_STANDARD = {
    *(
        "__future__",
        "abc",
        "base64",
        "binascii",
        "bisect",
        "collections",
        "contextlib",
        "copy",
        "dataclasses",
    ),
    *(
        "enum",
        "functools",
        "hashlib",
        "heapq",
        "hmac",
        "itertools",
        "json",
        "math",
        "operator",
        "re",
        "string",
    ),
    *("struct", "tomllib", "types", "typing", "unicodedata"),
}
PURE_LIBRARIES = {"cryptography", "nacl", "msgpack"}
PURE_OWN = {"ledger", *(f"ledger.{room}" for room in PURE_ROOMS), "ledger.spec", "ledger.errors"}
IMPURE_BUILTINS = {"open", "print", "input", "exec", "eval", "compile", "__import__", "breakpoint"}
HEAVY = ("nacl", "lmdb", "cryptography", "msgpack")
REFUSED = ("lmdb", "socket", "ssl", "http", "sqlite3")


def sources() -> dict[str, str]:
    return {str(path.relative_to(ROOT)): path.read_text() for path in sorted(LEDGER.rglob("*.py"))}


def pure_files() -> dict[str, str]:
    return {
        name: text
        for name, text in sources().items()
        if Path(name).parts[1] in PURE_ROOMS or Path(name).parts[1:] in [(each,) for each in PURE_FILES]
    }


def asserts(text: str) -> list[int]:
    return [node.lineno for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Assert)]


def long_functions(text: str) -> list[str]:
    return [
        node.name
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > FUNCTION_LINES_MAX
    ]


def imported(text: str) -> Iterator[tuple[str, list[str]]]:
    """(module, names) of every import, wherever it stands."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, []) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield ("." * node.level) + (node.module or ""), [alias.name for alias in node.names]


def impurities(text: str) -> list[str]:
    """What a pure module may not import or call."""
    found = []
    for module, names in imported(text):
        top = module.split(".")[0]
        if top == "ledger":
            rooms = [module] if module != "ledger" else [f"ledger.{name}" for name in names]
            found += [room for room in rooms if ".".join(room.split(".")[:2]) not in PURE_OWN]
        elif top not in PURE_STANDARD | PURE_LIBRARIES:
            found.append(module)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IMPURE_BUILTINS:
            found.append(f"{node.func.id}()")
    return found


def test_the_sources_are_there() -> None:
    assert len(sources()) > 50
    assert {Path(name).parts[1] for name in pure_files()} == {*PURE_ROOMS, *PURE_FILES}


def test_no_assert_in_the_ledger() -> None:
    """It vanishes under -O; what must hold raises InvariantBroken."""
    assert {name: lines for name, text in sources().items() if (lines := asserts(text))} == {}


def test_functions_fit_on_a_page_and_files_into_a_head() -> None:
    over = {f"{name}:{each}" for name, text in sources().items() for each in long_functions(text)}
    over |= {name for name, text in sources().items() if len(text.splitlines()) > FILE_LINES_MAX}
    assert over == EXEMPT


def test_there_is_no_exemption() -> None:
    assert len(EXEMPT) == 0


def test_the_pure_zone_is_pure() -> None:
    """No file, clock, socket or chance: a stranger offline comes to the same verdict."""
    assert {name: found for name, text in pure_files().items() if (found := impurities(text))} == {}


def test_one_file_knows_lmdb() -> None:
    users = [
        name
        for name, text in sources().items()
        if any(module.split(".")[0] == "lmdb" for module, _ in imported(text))
    ]
    assert users == ["ledger/store/lmdb.py"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("import os", ["os"]),
        ("from datetime import datetime", ["datetime"]),
        ("def f():\n    import time", ["time"]),
        ("from pathlib import Path", ["pathlib"]),
        ("import secrets, random", ["secrets", "random"]),
        ("from ledger.store import head", ["ledger.store"]),
        ("from ledger import spec, store", ["ledger.store"]),
        ("import ledger.log.writer", ["ledger.log.writer"]),
        ("from ledger.fold import state\nimport nacl.bindings\nimport hashlib", []),
        ("open('x')", ["open()"]),
        ("text.open()", []),
    ],
)
def test_impurities_are_found(text: str, found: list[str]) -> None:
    assert impurities(text) == found


def test_sizes_and_asserts_are_found() -> None:
    assert asserts("def f():\n    assert 1") == [2]
    body = "\n".join(["    pass"] * FUNCTION_LINES_MAX)
    assert long_functions(f"def f():\n{body}") == ["f"]
    assert long_functions(f"async def f():\n{body}") == ["f"]
    assert long_functions("def f():\n" + body.removesuffix("\n    pass")) == []


def run(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )


REFUSING = f"""
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {REFUSED!r}:
            raise ImportError("refused: " + name)

for name in list(sys.modules):
    if name.split(".")[0] in {REFUSED!r}:
        del sys.modules[name]
sys.meta_path.insert(0, Refuse())
"""


def test_a_verifier_needs_no_store_and_no_net() -> None:
    """All of the pure zone loads where lmdb, sockets, TLS, HTTP and SQLite are not to be had."""
    modules = [name.removesuffix(".py").replace("/", ".").removesuffix(".__init__") for name in pure_files()]
    needed = {
        "ledger.origin.levels",
        "ledger.proofs.trace",
        "ledger.proofs.receipt",
        "ledger.fold.transition",
    }
    assert needed <= set(modules)
    script = REFUSING + "".join(f"import {name}\n" for name in modules)
    result = run(script + f"print(sum(name in sys.modules for name in {REFUSED!r}))")
    assert (result.returncode, result.stdout) == (0, "0\n"), result.stderr


@pytest.mark.parametrize("module", REFUSED)
def test_the_import_hook_refuses(module: str) -> None:
    """The test above would pass if the hook did nothing."""
    result = run(REFUSING + f"import {module}")
    assert result.returncode == 1
    assert f"refused: {module}" in result.stderr


def test_importing_the_ledger_is_light() -> None:
    """`lineage --help` must not wait for libsodium."""
    result = run(f"import sys, ledger; print([name for name in {HEAVY!r} if name in sys.modules])")
    assert (result.returncode, result.stdout) == (0, "[]\n"), result.stderr
