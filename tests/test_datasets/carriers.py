"""The same rows in every format that carries them."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from ledger.datasets.streams import zstd
from ledger.errors import RefusedInput

arrow = pytest.importorskip("pyarrow", reason="tables are not read: pip install 'lineage-ledger[parquet]'")
parquet = pytest.importorskip("pyarrow.parquet", reason="as above")

Rows = Sequence[dict[str, Any]]
Write = Callable[[Path, Rows], None]


def has_zstd() -> bool:
    try:
        zstd()
    except RefusedInput:
        return False
    return True


NO_ZSTD: Final = "zstd is not read: pip install 'lineage-ledger[zstd]'"


def pack(name: str, content: bytes) -> bytes:
    """Packed as the end of a name says."""
    if name.endswith(".gz"):
        return gzip.compress(content, mtime=0)
    if name.endswith(".zst"):
        if not has_zstd():
            pytest.skip(NO_ZSTD)
        checked = {zstd().CompressionParameter.checksum_flag: 1}
        packed: bytes = zstd().compress(content, options=checked)
        return packed
    return content


def write_jsonl(path: Path, rows: Rows) -> None:
    content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    path.write_bytes(pack(path.name, content))


def write_csv(path: Path, rows: Rows) -> None:
    out = io.StringIO(newline="")
    separator = "\t" if ".tsv" in path.name else ","
    writer = csv.writer(out, delimiter=separator, lineterminator="\r\n")
    writer.writerow(rows[0])
    writer.writerows([row[name] for name in rows[0]] for row in rows)
    path.write_bytes(pack(path.name, out.getvalue().encode()))


def write_parquet(path: Path, rows: Rows) -> None:
    parquet.write_table(arrow.Table.from_pylist(rows), path, row_group_size=3)


def write_arrow(path: Path, rows: Rows) -> None:
    table = arrow.Table.from_pylist(rows)
    opener = arrow.ipc.new_stream if path.suffix == ".arrows" else arrow.ipc.new_file
    codec = "zstd" if path.suffix == ".feather" else None
    with opener(str(path), table.schema, options=arrow.ipc.IpcWriteOptions(compression=codec)) as writer:
        writer.write_table(table, max_chunksize=4)


# by name, what any JSON row and what rows of strings alone may be written to
ANY_ROW: Final[dict[str, Write]] = {
    "rows.jsonl": write_jsonl,
    "rows.ndjson.gz": write_jsonl,
    "rows.jsonl.zst": write_jsonl,
    "rows.parquet": write_parquet,
    "rows.arrow": write_arrow,
    "rows.feather": write_arrow,
    "rows.arrows": write_arrow,
}
STRINGS: Final[dict[str, Write]] = {
    **ANY_ROW,
    "rows.csv": write_csv,
    "rows.csv.gz": write_csv,
    "rows.tsv.zst": write_csv,
}
