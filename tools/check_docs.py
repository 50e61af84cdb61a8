"""Do the documents say what the code does? `python tools/check_docs.py` lists what differs and fails if anything does.

Checked are: every section of SPEC.md that is cited in ledger/, tools/, tests/ or SPEC.md itself exists; every code of SPEC §14 is raised in
ledger/, and every other code that is raised stands in §14.1; the limits of SPEC §13 are the constants of ledger/spec.py. With `--write` the
table of §14.1 is made anew.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from ledger import errors, spec
from ledger.errors import LineageError

ROOT = Path(__file__).resolve().parents[1]
CODE_FOLDERS = ("ledger", "tools", "tests")

ERROR_CLASSES = {
    name
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, LineageError)
}
BEGIN, END = "<!-- codes: begin -->\n", "<!-- codes: end -->\n"  # around the table of §14.1
CODE_POSITION = dict.fromkeys(ERROR_CLASSES, 0) | {"Fault": 1}  # where the code stands among the arguments

_CITATION = re.compile(r"SPEC(?:\.md)? (§[0-9.]+(?:(?:, | and |-|\u2013|, rule \d+, )§[0-9.]+)*)")
_SECTION = re.compile(r"§([0-9]+(?:\.[0-9]+)*)")
_CODE = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")

LIMITS: tuple[tuple[str, tuple[int, ...]], ...] = (
    (
        "record, payload, evidence payload, entry",
        (
            spec.RECORD_BYTES_MAX,
            spec.PAYLOAD_BYTES_MAX,
            spec.EVIDENCE_PAYLOAD_BYTES_MAX,
            spec.ENTRY_BYTES_MAX,
        ),
    ),
    ("parents a record, subjects a statement", (spec.PARENTS_MAX, spec.SUBJECTS_MAX)),
    ("records a statement; their bytes", (spec.STATEMENT_RECORDS_MAX, spec.STATEMENT_RECORDS_BYTES_MAX)),
    ("rows under a `rows` record", (spec.ROWS_MAX,)),
    (
        "keys a keyset (of them `ml-dsa-44`), vkeys a genesis",
        (spec.KEYS_MAX, spec.KEYS_ML_DSA_MAX, spec.VKEYS_MAX),
    ),
    ("nesting, array items, map keys", (spec.CODEC_DEPTH_MAX, spec.CODEC_ARRAY_MAX, spec.CODEC_MAP_MAX)),
    ("integers", (spec.INTEGER_MAX,)),
    (
        "JSON nesting of a `jcs` value, or of a line that is a row (also where nobody looks)",
        (spec.JSON_DEPTH_MAX,),
    ),
    (
        "row group of a verdict file; its footer; a reason in it",
        (
            spec.VERDICT_GROUP_ROWS,
            spec.VERDICT_GROUP_BYTES_MAX,
            spec.VERDICT_FOOTER_BYTES_MAX,
            spec.VERDICT_WHY_BYTES_MAX,
        ),
    ),
    ("tree size", (spec.TREE_SIZE_MAX,)),
    (
        "receipt, note; signature lines of a note",
        (spec.RECEIPT_BYTES_MAX, spec.NOTE_BYTES_MAX, spec.NOTE_SIGNATURES_MAX),
    ),
)


def sections(text: str) -> set[str]:
    """The numbers of all headings: "4", "4.1", ..."""
    return set(re.findall(r"^#{2,3} ([0-9]+(?:\.[0-9]+)*)\.? ", text, re.MULTILINE))


def cited(text: str, *, in_spec: bool = False) -> set[str]:
    """The sections of SPEC.md that a text names. In SPEC.md itself a bare § means its own, unless an RFC stands before."""
    if in_spec:
        own = re.sub(r"(?:RFC|FIPS|BCP) [0-9-]+ §[0-9.]+", "", text)
        return {found.rstrip(".") for found in _SECTION.findall(own)}
    return {found for group in _CITATION.findall(text) for found in _SECTION.findall(group)}


def check_citations(spec_text: str, files: dict[str, str]) -> Iterator[str]:
    known = sections(spec_text)
    for name, text in files.items():
        for section in sorted(cited(text, in_spec=name == "SPEC.md") - known):
            yield f"{name} cites SPEC §{section}, which does not exist"


def codes_listed(spec_text: str) -> tuple[set[str], set[str]]:
    """The codes of the tables of §14 and of §14.1."""
    chapter = _chapter(spec_text, "14")
    shared, _, local = chapter.partition("\n### 14.1 ")
    return _first_cells(shared), _first_cells(local)


def _chapter(spec_text: str, number: str) -> str:
    after = spec_text.split(f"\n## {number}. ", 1)[1]
    return after.split("\n## ", 1)[0]


def _first_cells(text: str) -> set[str]:
    cells = re.findall(r"^\| (`[^|]*) \|", text, re.MULTILINE)
    return {code for cell in cells for code in re.findall("`([^`]+)`", cell)}


def codes_raised(sources: dict[str, str]) -> dict[str, set[str]]:
    """Code -> files, of all errors and faults that are made with a code that can be read off the source.

    A function that is given the code by its caller is followed to its callers, by its name.
    """
    trees = {name: ast.parse(text) for name, text in sources.items()}
    positions: dict[str, tuple[int, str]] = {name: (at, "code") for name, at in CODE_POSITION.items()}
    found: dict[str, set[str]] = {}
    while True:
        makers = dict(positions)
        for name, tree in trees.items():
            for function, call in _calls(tree):
                position, keyword = positions.get(_called(call), (-1, ""))
                if position < 0:
                    continue
                argument = _argument(call, position, keyword)
                for code in _constants(argument):
                    found.setdefault(code, set()).add(name)
                if isinstance(argument, ast.Name) and function is not None:
                    makers |= _passed_on(function, argument.id, found, name)
        if makers == positions:
            return found
        positions = makers


def _calls(tree: ast.AST) -> Iterator[tuple[ast.FunctionDef | None, ast.Call]]:
    """All calls, each with the innermost function around it."""
    pending: list[tuple[ast.FunctionDef | None, ast.AST]] = [(None, tree)]
    while pending:
        function, node = pending.pop()
        if isinstance(node, ast.Call):
            yield function, node
        inner = node if isinstance(node, ast.FunctionDef) else function
        pending += [(inner, child) for child in ast.iter_child_nodes(node)]


def _called(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


def _argument(call: ast.Call, position: int, keyword: str) -> ast.expr | None:
    named = [item.value for item in call.keywords if item.arg == keyword]
    return named[0] if named else call.args[position] if position < len(call.args) else None


def _constants(argument: ast.expr | None) -> Iterator[str]:
    if (
        isinstance(argument, ast.Constant)
        and isinstance(argument.value, str)
        and _CODE.fullmatch(argument.value)
    ):
        yield argument.value
    elif isinstance(argument, ast.IfExp):
        yield from _constants(argument.body)
        yield from _constants(argument.orelse)


def _passed_on(
    function: ast.FunctionDef, parameter: str, found: dict[str, set[str]], name: str
) -> dict[str, tuple[int, str]]:
    """`function` takes the code as `parameter`: where its callers write it, and what it is by default."""
    positional = [argument.arg for argument in function.args.args if argument.arg not in ("self", "cls")]
    defaults = dict(zip(reversed(positional), reversed(function.args.defaults), strict=False))
    only = zip(
        [argument.arg for argument in function.args.kwonlyargs], function.args.kw_defaults, strict=True
    )
    defaults |= {argument: default for argument, default in only if default is not None}
    for code in _constants(defaults.get(parameter)):
        found.setdefault(code, set()).add(name)
    if parameter in positional:
        return {function.name: (positional.index(parameter), parameter)}
    named_only = parameter in [argument.arg for argument in function.args.kwonlyargs]
    return {function.name: (10_000, parameter)} if named_only else {}


def check_codes(spec_text: str, sources: dict[str, str]) -> Iterator[str]:
    raised = codes_raised(sources)
    shared, local = codes_listed(spec_text)
    for code in sorted(shared - raised.keys()):
        yield f"SPEC §14 lists `{code}`, which nothing in ledger/ raises"
    for code in sorted(raised.keys() - shared - local):
        yield f"{min(raised[code])} raises `{code}`, which SPEC §14 does not list"
    if rewritten(spec_text, sources) != spec_text:
        yield "SPEC §14.1 is not what the code raises: run `python tools/check_docs.py --write`"


def local_table(spec_text: str, sources: dict[str, str]) -> str:
    """The table of §14.1: codes that are no part of the shared ones, by the rooms that raise them."""
    shared, _local = codes_listed(spec_text)
    by_rooms: dict[str, list[str]] = {}
    for code, files in sorted(codes_raised(sources).items()):
        if code not in shared:
            rooms = sorted({Path(name).parts[1].removesuffix(".py") for name in files})
            by_rooms.setdefault(", ".join(rooms), []).append(f"`{code}`")
    rows = [f"| {', '.join(codes)} | {rooms} |" for rooms, codes in sorted(by_rooms.items())]
    return "\n".join(["| codes | raised in |", "|---|---|", *rows]) + "\n"


def rewritten(spec_text: str, sources: dict[str, str]) -> str:
    """SPEC.md with the table of §14.1 as it should be."""
    before, rest = spec_text.split(BEGIN)
    _old, after = rest.split(END)
    return before + BEGIN + local_table(spec_text, sources) + END + after


def limits_listed(spec_text: str) -> dict[str, tuple[int, ...]]:
    """Row of §13 -> its numbers."""
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", _chapter(spec_text, "13"), re.MULTILINE)
    return {what: _numbers(limit) for what, limit in rows if what not in ("what", "---")}


def _numbers(text: str) -> tuple[int, ...]:
    text = text.replace("2⁵³\N{MINUS SIGN}1", str(2**53 - 1)).replace("2⁴⁸", str(2**48)).replace("±", "")
    found = []
    for number, unit in re.findall(r"([0-9][0-9,]*)( MiB)?", text):
        found.append(int(number.replace(",", "")) * (2**20 if unit else 1))
    return tuple(found)


def check_limits(spec_text: str) -> Iterator[str]:
    listed = limits_listed(spec_text)
    for what, numbers in LIMITS:
        if listed.get(what) != numbers:
            yield f"SPEC §13 says {listed.get(what)} of '{what}', ledger/spec.py says {numbers}"
    for what in listed.keys() - dict(LIMITS).keys():
        yield f"SPEC §13 limits '{what}', which tools/check_docs.py does not compare"


def read(folders: tuple[str, ...], root: Path = ROOT) -> dict[str, str]:
    """Path below the repository -> text of every Python file."""
    return {
        str(path.relative_to(root)): path.read_text()
        for folder in folders
        for path in sorted((root / folder).rglob("*.py"))
    }


def problems(root: Path = ROOT) -> list[str]:
    """All that differs; empty if the documents say what the code does."""
    spec_text = (root / "SPEC.md").read_text()
    files = {**read(CODE_FOLDERS, root), "SPEC.md": spec_text}
    return [
        *check_citations(spec_text, files),
        *check_codes(spec_text, read(("ledger",), root)),
        *check_limits(spec_text),
    ]


def main() -> int:
    if "--write" in sys.argv[1:]:
        path = ROOT / "SPEC.md"
        path.write_text(rewritten(path.read_text(), read(("ledger",))))
    found = problems()
    for problem in found:
        print(problem)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
