"""Which files of a dataset a path, a folder or a pattern means, in which order, and what the names of their folders say.

| named | means |
|---|---|
| a file | that file |
| a folder | the files below it, in the byte order of their paths: *shards*, each a file of rows, or *files*, each a row |
| a pattern (`*`, `?`, `[a-z]`, `**`) that is no name of a file | what matches it, in the byte order of the paths |

Several are taken in the order in which they are named; a file that is reached twice stands where it is first reached. So the order of rows depends on
names alone, never on the order in which a folder happens to list them.

A folder holds shards if it holds files of JSON Lines, CSV, Parquet or Arrow by their names, and nothing else but what such folders commonly hold besides (README, LICENSE,
names that begin with `_`, and what Hugging Face's `datasets` writes); it is one of files if it holds none of those. Text files are files: a folder of them
is a row each. Anything between is refused, and the caller has to say which of the two it is.

Folders below what is named that are called `key=value` are *partitions* (as Hive, Spark and pyarrow write them): `key` is a column of all files in
them, its cell the string `value`, percent-decoded, and null for `__HIVE_DEFAULT_PARTITION__`.
"""

from __future__ import annotations

import fnmatch
import glob
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import unquote

from ledger.datasets.files import COMPANION_SUFFIXES, RegularFile, printable, walk
from ledger.datasets.formats import TEXT, by_name
from ledger.datasets.wanted import NULL_PARTITION
from ledger.errors import NotFound, RefusedInput

SHARDS: Final = "shards"
ROW_FILES: Final = "files"
_BESIDE: Final = frozenset({"dataset_info.json", "dataset_dict.json", "state.json", "dataset_infos.json"})
_BESIDE_STEMS: Final = ("readme", "license", "licence", "notice")
_TABLE_LOGS: Final = {"_delta_log": "Delta", ".hoodie": "Hudi"}


class Found(NamedTuple):
    """A file that is meant; `base`: the folder below which it was found, None if it was named itself."""

    path: Path
    base: Path | None


class Pattern(NamedTuple):
    """A pattern that was named: the folder above its first wildcard, and the names behind that."""

    base: Path
    parts: tuple[str, ...]


class RowFiles(NamedTuple):
    """A folder each of whose files is a row."""

    folder: Path
    files: tuple[Path, ...]


@dataclass(slots=True)
class Meant:
    """What is meant, in order; and how many names were passed over: hidden ones, receipts and salts, and such as are of no dataset format.

    `roots`: the folders that were named; `patterns`: each as the folder above its first wildcard, and what follows.
    """

    items: list[Found | RowFiles] = field(default_factory=list)
    hidden: int = 0
    companions: int = 0
    foreign: int = 0
    roots: list[Path] = field(default_factory=list)
    patterns: list[Pattern] = field(default_factory=list)


def could_match(pattern: Pattern, path: Path, *, is_folder: bool) -> bool:
    """Whether a pattern means a path, or what lies in it if it is to be a folder, once it is there."""
    base, parts = pattern
    real, below = Path(os.path.realpath(path)), Path(os.path.realpath(base))
    if below not in real.parents:
        return False
    names = real.relative_to(below).parts
    if "**" in parts:
        return True
    if len(names) < len(parts) and not is_folder:
        return False
    return all(fnmatch.fnmatchcase(name, part) for name, part in zip(names, parts, strict=False))


def resolve(
    named: Sequence[str | os.PathLike[str]], folder_is: str | None = None, format_: str | None = None
) -> Meant:
    """What the names mean. `folder_is`: `shards` or `files`, None to look; `format_`: that of every file, which makes folders shards.

    Raises RefusedInput: no-paths, folder-mixed, table-log, usage, and those of `walk`; NotFound file-not-found.
    """
    if folder_is not in (None, SHARDS, ROW_FILES):
        raise RefusedInput(
            "usage", f"{folder_is!a}", "a folder is of shards or of files", f"Say {SHARDS} or {ROW_FILES}"
        )
    meant = Meant()
    seen: set[str] = set()
    for name in named:
        if not os.fspath(name):  # Path("") would mean the folder we are in
            raise NotFound("file-not-found", "path ''", "the path is empty", "Check the path")
        if _is_pattern(name):
            base, paths = _matches(os.fspath(name))
            meant.patterns.append(Pattern(base, Path(name).parts[len(base.parts) :]))
            for path in paths:
                _add(meant, seen, path, base, folder_is, format_)
        else:
            if Path(name).is_dir():
                meant.roots.append(Path(name))
            _add(meant, seen, Path(name), None, folder_is, format_)
    if not meant.items:
        raise RefusedInput("no-paths", "paths", "no file or folder is named", "Name at least one")
    return meant


def names_of(meant: Meant) -> list[str]:
    """How each item is called in the dataset: its path below the folder that all lie in, with `/`."""
    bases, paths = [], []
    for item in meant.items:
        path = _absolute(item.folder if isinstance(item, RowFiles) else item.path)
        paths.append(path)
        if isinstance(item, RowFiles):
            bases.append(path)
        else:
            bases.append(path.parent if item.base is None else _absolute(item.base))
    common = os.path.commonpath(bases)
    return [Path(os.path.relpath(path, common)).as_posix() for path in paths]


def partition_of(found: Found) -> dict[str, str | None]:
    """The columns that the folders between base and file tell. Raises RefusedInput `column-twice`."""
    cells: dict[str, str | None] = {}
    if found.base is None:
        return cells
    for folder in _absolute(found.path.parent).relative_to(_absolute(found.base)).parts:
        key, sign, value = folder.partition("=")
        if not sign or not key:
            continue
        name = unquote(key)
        if name in cells:
            raise RefusedInput(
                "column-twice",
                printable(found.path),
                f"two of its folders tell the column {name!a}",
                "Rename one of them",
            )
        cells[name] = None if value == NULL_PARTITION else unquote(value)
    return cells


def _absolute(path: Path) -> Path:
    """The path from the root, without `.` and `..`; links are left as they are."""
    return Path(os.path.normpath(path.absolute()))


def _is_companion(path: Path) -> bool:
    """Whether a path is the receipt or salt of a file beside it (SPEC §11.4), as `walk` has it."""
    return any(
        path.name.endswith(end) and os.path.lexists(path.with_name(path.name[: -len(end)]))
        for end in COMPANION_SUFFIXES
        if path.name != end
    )


def _is_pattern(name: str | os.PathLike[str]) -> bool:
    return isinstance(name, str) and glob.has_magic(name) and not os.path.lexists(name)


def _matches(pattern: str) -> tuple[Path, list[Path]]:
    """The folder above a pattern's first wildcard, and what matches, in byte order. Raises NotFound; RefusedInput link-leaves-folder."""
    parts = Path(pattern).parts
    fixed = next(at for at, part in enumerate(parts) if glob.has_magic(part))
    base = Path(*parts[:fixed])
    # Path.glob takes a name that begins with a dot for one that a wildcard means.
    found = glob.glob(str(Path(*parts[fixed:])), root_dir=base, recursive=True)  # noqa: PTH207
    paths = [base / each for each in sorted(set(found), key=os.fsencode) if not _is_companion(base / each)]
    if not paths:
        raise NotFound(
            "file-not-found",
            printable(pattern),
            "no file matches the pattern",
            "Check it, and the folder that it begins in",
        )
    real = os.path.realpath(base)
    for path in paths:
        if os.path.commonpath([os.path.realpath(path), real]) != real:
            raise RefusedInput(
                "link-leaves-folder",
                printable(path),
                f"the link leads out of the folder {printable(base)}",
                "Name its target itself if it is meant, or take the link away",
            )
    return base, paths


def _add(
    meant: Meant, seen: set[str], path: Path, base: Path | None, folder_is: str | None, format_: str | None
) -> None:
    """What one name means, where it was not reached before. `base`: of the pattern that it matches."""
    if not path.is_dir():
        with RegularFile(path):  # it can be read, and is a file
            pass
        real = os.path.realpath(path)
        if real not in seen:
            seen.add(real)
            meant.items.append(Found(path, base))
        return
    walked = walk([path])
    meant.hidden += walked.hidden_count
    meant.companions += walked.companion_count
    files = [file for file in walked.files if os.path.realpath(file) not in seen]
    _check_no_table(path, walked.files)
    if (folder_is or _looks_like(path, walked.files, format_)) == ROW_FILES:
        if files:
            meant.items.append(RowFiles(path, tuple(files)))
    else:
        shards = [file for file in files if _is_shard(path, file, format_)]
        meant.foreign += len(files) - len(shards)
        if not shards and files:
            raise RefusedInput(
                "no-paths",
                printable(path),
                "no file in it is of a dataset format, by its name",
                "Name a file itself, or say that each file is a row",
            )
        meant.items += [Found(file, path if base is None else base) for file in shards]
    seen.update(os.path.realpath(file) for file in files)


def _looks_like(folder: Path, files: Iterable[Path], format_: str | None) -> str:
    """Whether a folder is of shards or of files. Raises RefusedInput `folder-mixed`."""
    if format_ is not None:
        return SHARDS
    shard = other = None
    for file in files:
        said = by_name(file)
        if said is not None and said.name != TEXT:
            shard = shard or file
        elif not _is_beside(folder, file):
            other = other or file
    if shard is None:
        return ROW_FILES
    if other is not None:
        raise RefusedInput(
            "folder-mixed",
            printable(folder),
            f"it holds files of rows, such as {printable(shard.relative_to(folder))}, and others, such as {printable(other.relative_to(folder))}",
            "Say whether it is a folder of shards (the others are then passed over) or of files (each is a row)",
        )
    return SHARDS


def _is_beside(folder: Path, file: Path) -> bool:
    """Whether a folder of shards commonly holds such a file besides."""
    inside = file.relative_to(folder).parts
    return (
        any(part.startswith("_") for part in inside)
        or file.name in _BESIDE
        or file.stem.lower() in _BESIDE_STEMS
    )


def _is_shard(folder: Path, file: Path, format_: str | None) -> bool:
    if _is_beside(folder, file):
        return False
    said = by_name(file)
    if format_ is None:
        return said is not None
    return said is None or said.name == format_


def _check_no_table(folder: Path, files: Iterable[Path]) -> None:
    """Refuse a folder whose own log says which of its files count: read without it, rows that were deleted come back."""
    logs = {part for file in files for part in file.relative_to(folder).parts} | {
        name for name in _TABLE_LOGS if (folder / name).is_dir()
    }
    for name, kind in _TABLE_LOGS.items():
        if name in logs:
            raise RefusedInput(
                "table-log",
                printable(folder),
                f"it is a {kind} table, whose log says which of its files count",
                "Write the rows as they are now to Parquet files, and name those",
            )
