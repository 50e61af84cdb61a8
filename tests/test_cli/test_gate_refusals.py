"""What a gate cannot read, write or decide: told by row or key, reason, fix and exit code; and no output has its name then."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ledger.datasets.streams import zstd
from ledger.errors import StoreFault
from ledger.spec import ROW_BYTES_MAX
from tests.test_cli.command import Cli
from tests.test_cli.gating import SIGNED, TEXTS, counts, gate

FORMATS = ("jsonl", "jsonl.gz", "jsonl.zst", "csv", "parquet", "arrow", "arrows")


def refused(
    cli: Cli, code: str, data: str | Path, *arguments: str | Path, out: str = "out"
) -> dict[str, str]:
    """The error of a gate that writes all it can write: nothing is there afterwards that was not there before."""
    before = sorted(cli.folder.rglob("*"))
    error = cli.refused(
        code, "gate", data, *arguments, "--admitted", out, "--verdicts", "v.parquet", "--workers", "0"
    )
    assert sorted(cli.folder.rglob("*")) == before, "no output, no half of one, and no folder to take away"
    return error


def judged(cli: Cli, data: str | Path, *arguments: str | Path, out: str = "out") -> dict[int, str]:
    """Why rows are none, by their index; no row is admitted but the signed ones, byte for byte in place."""
    paths = ("--admitted", out, "--verdicts", "v.parquet")
    document = gate(cli, data, "--policy", "balanced", "--column", "text", *paths, *arguments)
    rows = pq.read_table(cli.folder / "v.parquet").to_pylist()
    assert len(rows) == document["rows"]
    assert {row["digest"] for row in rows if row["code"] == "row-refused"} <= {bytes(32)}
    assert all((row["verdict"] == "admitted") is (row["code"] == "clear") for row in rows)
    return {row["row_index"]: row["why"] for row in rows if row["code"] == "row-refused"}


def carried(folder: Path, name: str, cells: pa.Array) -> Path:
    """A dataset with these cells in its column `text`, in the format that its name says."""
    table = pa.table({"text": cells, "n": list(range(len(cells)))})
    path = folder / name
    if name.endswith(".parquet"):
        pq.write_table(table, path, row_group_size=3)
    elif name.endswith(".arrow"):
        with pa.ipc.new_file(path, table.schema) as sink:
            sink.write_table(table, max_chunksize=3)
    elif name.endswith(".arrows"):
        path = path.with_suffix(".arrow")
        with pa.ipc.new_stream(path, table.schema) as sink:
            sink.write_table(table, max_chunksize=3)
    else:
        path.write_bytes(lines(name, table.to_pylist()))
    return path


def lines(name: str, rows: list[dict[str, object]]) -> bytes:
    if name.endswith(".csv"):
        return ("text,n\n" + "".join(f"{row['text'] or ''},{row['n']}\n" for row in rows)).encode()
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    if name.endswith(".gz"):
        return gzip.compress(data)
    return zstd().compress(data) if name.endswith(".zst") else data


def text_of(*cells: bytes) -> pa.Array:
    """A column of strings that need not be UTF-8."""
    offsets = [0]
    for cell in cells:
        offsets.append(offsets[-1] + len(cell))
    packed = pa.array(offsets, pa.int32()).buffers()[1]
    return pa.StringArray.from_buffers(len(cells), packed, pa.py_buffer(b"".join(cells)))


# Rows that no reader takes


@pytest.mark.parametrize("name", [f"d.{each}" for each in FORMATS])
def test_nulls_and_empty_cells_are_rejected_row_by_row(signed: Cli, name: str) -> None:
    data = carried(signed.folder, name, pa.array([TEXTS[0], None, "", TEXTS[1], TEXTS[9]], pa.string()))
    why = judged(signed, data, out="out" + "".join(data.suffixes))
    assert set(why) == {1, 2}
    assert all(words.startswith("rejected: its column 'text' is ") for words in why.values()), why


@pytest.mark.parametrize("name", [f"d.{each}" for each in FORMATS])
def test_copies_of_a_row_are_each_judged(signed: Cli, name: str) -> None:
    data = carried(signed.folder, name, pa.array([TEXTS[0], TEXTS[9]] * 3))
    assert counts(gate(signed, data, "--policy", "balanced")) == (6, 3, 0, 3, 0)


def test_broken_utf_8_mixed_types_and_what_is_no_json(signed: Cli) -> None:
    odd = [
        b'{"text": 5}', b'{"text": ["x"]}', b'{"text": "\xff"}', b"{", b"[1]", b"", b'{"n": 1}', b'{"text": NaN}',
        b'{"text": "\\ud800"}', b'{"text": "x", "text": "y"}',
    ]  # fmt: skip
    good = json.dumps({"text": TEXTS[0]}).encode()
    data = signed.write("d.jsonl", b"\n".join([good, *odd, good]) + b"\n")
    why = judged(signed, data, out="out.jsonl")
    assert sorted(why) == [3, 4, 5, 6, 7, 8, 9, 10], why
    assert "not UTF-8" in why[3]
    assert "has no column 'text'" in why[7]
    assert (signed.folder / "out.jsonl").read_bytes() == good + b"\n" + good + b"\n"
    (signed.folder / "out.jsonl").unlink()
    (signed.folder / "v.parquet").unlink()
    document = gate(signed, data, "--policy", "balanced", "--column", "text")
    assert sum(document["refused"].values()) == document["reasons"]["row-refused"] == len(why)
    ran = signed("gate", data, "--policy", "balanced", "--column", "text", "--workers", "0")
    assert "row-refused (not-json" in ran.out


@pytest.mark.parametrize("name", ["d.parquet", "d.arrow", "d.arrows"])
def test_broken_utf_8_in_a_table(signed: Cli, name: str) -> None:
    data = carried(signed.folder, name, text_of(TEXTS[0].encode(), b"\xff\xfe", TEXTS[1].encode()))
    why = judged(signed, data, out="out" + data.suffix)
    assert {row: "not UTF-8" in words for row, words in why.items()} == {1: True}


def test_a_row_of_100_mb_is_refused_as_a_row_and_memory_stays_bounded(signed: Cli) -> None:
    good = json.dumps({"text": TEXTS[0]}).encode() + b"\n"
    path = signed.folder / "d.jsonl"
    with path.open("wb") as file:
        file.write(good + b'{"text": "')
        for _ in range(100):
            file.write(b"x" * 1_000_000)
        file.write(b'"}\n' + good)
    packed = signed.write("d.jsonl.gz", gzip.compress(path.read_bytes(), 1))
    assert path.stat().st_size > 20 * ROW_BYTES_MAX
    code = """
import pathlib, re, sys
from ledger.cli.main import main
code = main(["gate", sys.argv[1], "--policy", "balanced", "--column", "text", "--admitted", sys.argv[2], "--json", "--workers", "0"])
peak = re.search(r"VmHWM:\\s+(\\d+) kB", pathlib.Path("/proc/self/status").read_text())[1]
print(peak, code, file=sys.stderr)  # ru_maxrss would begin with the parent's
"""
    for data, out in ((path, "a.jsonl"), (packed, "a.jsonl.gz")):
        done = subprocess.run(
            [sys.executable, "-c", code, data, out],
            capture_output=True,
            text=True,
            check=True,
            cwd=signed.folder,
        )
        document = json.loads(done.stdout)
        assert counts(document) == (3, 2, 0, 1, 0)
        assert document["refused"] == {"too-large": 1}
        peak_kib, ended = map(int, done.stderr.split()[-2:])
        assert ended == 0
        assert peak_kib < 250_000, "the row is never held"
    assert (signed.folder / "a.jsonl").read_bytes() == good * 2
    assert gzip.decompress((signed.folder / "a.jsonl.gz").read_bytes()) == good * 2


# Files that end before their rows do


def checked_zstd(data: bytes) -> bytes:
    """With a checksum: without one no reader can tell what was spoiled."""
    library = zstd()
    packed: bytes = library.compress(data, options={library.CompressionParameter.checksum_flag: 1})
    return packed


def cut(data: bytes) -> bytes:
    return data[: len(data) * 3 // 4]


def spoiled(data: bytes) -> bytes:
    at = len(data) * 3 // 4
    return data[:at] + bytes(255 - each for each in data[at : at + 64]) + data[at + 64 :]


def followed(data: bytes) -> bytes:
    return data + b"and something else"


@pytest.mark.parametrize("damage", [cut, spoiled, followed])
@pytest.mark.parametrize("suffix", ["jsonl.gz", "jsonl.zst", "csv.gz", "txt.zst"])
def test_a_good_beginning_and_then_garbage_gives_no_output(
    signed: Cli, suffix: str, damage: Callable[[bytes], bytes]
) -> None:
    noise = [os.urandom(60).hex() for _ in range(400)]  # so that packing leaves something to damage
    texts = [*TEXTS[:SIGNED], *noise]
    plain = {
        "jsonl": "".join(json.dumps({"text": text}) + "\n" for text in texts),
        "csv": "text\n" + "".join(text + "\n" for text in texts),
        "txt": "".join(text + "\n" for text in texts),
    }[suffix.split(".", maxsplit=1)[0]].encode()
    packed = gzip.compress(plain) if suffix.endswith("gz") else checked_zstd(plain)
    data = signed.write(f"d.{suffix}", damage(packed))
    error = refused(signed, "compressed-damaged", data, "--policy", "balanced")
    assert f"d.{suffix}, row " in error["item"]
    assert "rows stand before it" in error["reason"] or "row 0" in error["item"]


@pytest.mark.parametrize("name", ["d.parquet", "d.arrow", "d.arrows"])
def test_a_table_that_is_cut_short_or_damaged_gives_no_output(signed: Cli, name: str) -> None:
    data = carried(signed.folder, name, pa.array(TEXTS))
    whole = data.read_bytes()
    code = "not-parquet" if name.endswith("parquet") else "not-arrow"
    for length in (len(whole) - 9, len(whole) // 2, 20):
        data.write_bytes(whole[:length])
        assert data.name in refused(signed, code, data, "--policy", "balanced", out="o" + data.suffix)["item"]
    data.write_bytes(whole + b"PAR1")
    if code == "not-parquet":
        refused(signed, code, data, "--policy", "balanced", out="o.parquet")


def test_csv_whose_quote_is_never_closed_or_whose_header_is_none(signed: Cli) -> None:
    good = "text,n\n" + "".join(f"{text},1\n" for text in TEXTS)
    data = signed.write("d.csv", good + '"never closed')
    error = refused(signed, "quote-broken", data, "--policy", "balanced", out="o.csv")
    assert "row 10" in error["item"]
    refused(
        signed,
        "column-twice",
        signed.write("e.csv", "text,text\nx,y\n"),
        "--policy",
        "balanced",
        out="e2.csv",
    )
    why = judged(signed, signed.write("d.csv", good + "one cell too many,1,2\nshort\n"), out="o.csv")
    assert set(why) == {10, 11}


# A column that is not there


@pytest.mark.parametrize("name", [f"d.{each}" for each in FORMATS])
def test_a_column_that_no_row_has(signed: Cli, name: str) -> None:
    data = carried(signed.folder, name, pa.array(TEXTS))
    error = refused(
        signed,
        "column-missing",
        data,
        "--policy",
        "balanced",
        "--column",
        "txet",
        out="o" + "".join(data.suffixes),
    )
    assert data.name in error["item"]
    assert "'txet'" in error["reason"]
    assert "'text'" in error["reason"], "it says which there are"


def test_a_column_that_the_first_rows_lack_is_not_missing(signed: Cli) -> None:
    data = signed.rows("d.jsonl", {"n": 1}, {"n": 2}, {"text": TEXTS[0]})
    assert set(judged(signed, data, out="o.jsonl")) == {0, 1}


# Datasets that are none


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("d.jsonl", b"", "dataset-empty"),
        ("d.jsonl.gz", gzip.compress(b"", mtime=0), "dataset-empty"),
        ("d.csv", b"text\n", "dataset-empty"),
        ("d.csv", b"", "dataset-empty"),
        ("d.bin", b"x", "format-unknown"),
    ],
)
def test_an_empty_dataset_and_one_of_no_format(signed: Cli, name: str, content: bytes, code: str) -> None:
    data = signed.write(name, content)
    assert name in refused(signed, code, data, "--policy", "balanced", "--column", "text")["item"]


def test_datasets_that_are_not_there(signed: Cli) -> None:
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), signed.folder / "e.parquet")
    refused(signed, "dataset-empty", "e.parquet", "--policy", "balanced")
    (signed.folder / "empty").mkdir()
    refused(signed, "folder-empty", "empty", "--policy", "balanced")
    refused(signed, "file-not-found", "nothing.jsonl", "--policy", "balanced")
    refused(signed, "file-not-found", "nothing/*.jsonl", "--policy", "balanced")
    refused(signed, "file-not-found", "", "--policy", "balanced")
    refused(signed, "dangling-link", _link(signed.folder / "l.jsonl"), "--policy", "balanced")


def _link(path: Path) -> Path:
    path.symlink_to("nowhere")
    return path


# Policy and trust file


@pytest.mark.parametrize(
    ("text", "code", "item", "reason"),
    [
        ("version = 1\nfoo = 1\n", "policy-invalid", "p.toml: policy: key foo", "no such key"),
        (
            "version = 1\n[rows]\nwork = 5\n",
            "policy-invalid",
            "p.toml: policy: key rows.work",
            "5 is none of",
        ),
        ("version = 1\n[rows]\nwork = 'L9'\n", "policy-invalid", "p.toml: policy: key rows.work", "L9"),
        ("version = 2\n", "policy-invalid", "p.toml: policy: key version", "2"),
        ("version = 1\n[age]\nquarantine_s = '1'\n", "policy-invalid", "key age.quarantine_s", "'1'"),
        ("version = 1\n[rows\n", "policy-invalid", "p.toml: policy: file", "TOML"),
        ("\xff", "policy-invalid", "p.toml: policy: file", ""),
    ],
)
def test_a_policy_that_is_none(signed: Cli, text: str, code: str, item: str, reason: str) -> None:
    path = signed.write("p.toml", text.encode("latin-1"))
    error = refused(signed, code, "d.jsonl", "--policy", path)
    assert item in error["item"]
    assert reason in error["reason"]


@pytest.mark.parametrize(
    ("text", "code", "item"),
    [
        ("makers = 5\n", "trust-invalid", "t.toml: trust file: key makers"),
        ("maker = 'all'\n", "trust-invalid", "t.toml: trust file: key maker"),
        ("makers = ['ada']\n", "trust-invalid", "t.toml: trust file: key makers"),
        ("max_checkpoint_age_s = 0\n", "trust-invalid", "key max_checkpoint_age_s"),
        ("tlog_policy = 'nonsense'\n", "tlog-policy-invalid", "t.toml: "),
    ],
)
def test_a_trust_file_that_is_none(signed: Cli, text: str, code: str, item: str) -> None:
    path = signed.write("t.toml", text)
    assert item in refused(signed, code, "d.jsonl", "--policy", "balanced", "--trust", path)["item"]


def test_files_of_settings_that_are_not_there(signed: Cli) -> None:
    error = refused(signed, "file-not-found", "d.jsonl", "--policy", "balancd")
    assert "inventory, balanced, strict" in error["fix"]
    refused(signed, "file-not-found", "d.jsonl", "--policy", "")
    refused(signed, "usage", "d.jsonl", "--policy", "balanced", "--column", "")
    refused(signed, "file-not-found", "d.jsonl", "--policy", "balanced", "--trust", "t.toml")
    refused(signed, "is-a-folder", "d.jsonl", "--policy", signed.folder)
    refused(signed, "file-not-found", "d.jsonl", "--policy", "balanced", "--checkpoint", "nothing")


# Outputs


def test_nothing_is_written_over(signed: Cli) -> None:
    for out in ("--admitted", "--verdicts"):
        path = signed.write("there", "mine")
        error = signed.refused("file-exists", "gate", "d.jsonl", "--policy", "balanced", out, path)
        assert "there" in error["item"]
        assert path.read_text() == "mine"
    for named in (("--admitted", "a", "--verdicts", "./a"), ("--admitted", ""), ("--verdicts", "")):
        signed.refused("usage", "gate", "d.jsonl", "--policy", "balanced", *named)


def test_an_output_in_the_dataset_is_refused_before_anything_lies_there(signed: Cli) -> None:
    folder = signed.folder / "shards"
    folder.mkdir()
    (signed.folder / "d.jsonl").rename(folder / "d.jsonl")
    for arguments in (
        ("shards", "--admitted", "shards/out"),
        ("shards", "--verdicts", "shards/v.parquet"),
        ("shards", "--admitted", "out", "--verdicts", "shards/v.parquet"),
        ("shards/*", "--admitted", "shards/out"),
        ("shards/*.jsonl", "--verdicts", "shards/v.jsonl"),
        ("*/*.jsonl", "--admitted", "train"),
        ("**/*.jsonl", "--admitted", "train"),
    ):
        error = signed.refused(
            "output-in-input", "gate", *arguments, "--policy", "balanced", "--workers", "0"
        )
        assert error["fix"] == "Name an output beside the dataset"
    assert [path.name for path in folder.iterdir()] == ["d.jsonl"]
    beside = ("--admitted", "shards/out", "--verdicts", "shards/v.parquet")
    assert counts(gate(signed, "shards/*.jsonl", "--policy", "balanced", *beside))[1] == SIGNED


def test_an_output_of_another_format(signed: Cli) -> None:
    error = refused(signed, "output-format", "d.jsonl", "--policy", "balanced", out="a.parquet")
    assert "a.jsonl" in error["fix"]


@pytest.mark.parametrize("out", ["d.jsonl/x/a.jsonl", "/proc/none/a.jsonl"])
def test_a_folder_that_cannot_be_written_to(signed: Cli, out: str) -> None:
    signed.write("other.jsonl", (signed.folder / "d.jsonl").read_bytes())
    error = refused(signed, "output-failed", "other.jsonl", "--policy", "balanced", out=out)
    assert "cannot be written" in error["reason"]


def test_an_output_that_cannot_be_written_is_told_before_anything_is_read(signed: Cli) -> None:
    for out in ("--verdicts", "--report"):
        error = signed.refused(
            "output-failed",
            "gate",
            "d.jsonl",
            "--policy",
            "balanced",
            "--admitted",
            "a.jsonl",
            out,
            "d.jsonl/x",
        )
        assert "d.jsonl/x" in error["item"]
    assert not list(signed.folder.glob("a.jsonl*"))


def test_what_has_its_name_is_told_where_what_comes_behind_it_fails(
    signed: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.api.gate.verbs.report_gate", _no_report)
    arguments = ("d.jsonl", "--policy", "balanced", "--admitted", "a.jsonl", "--report", "r.html")
    ran = signed("gate", *arguments, "--workers", "0")
    assert ran.code == 2
    assert "whole, and under their names, are: a.jsonl" in ran.err
    assert len((signed.folder / "a.jsonl").read_bytes().splitlines()) == SIGNED


def _no_report(*_arguments: object) -> None:
    raise StoreFault("output-failed", "r.html", "it cannot be written", "Look to its disk")


FULL = """
import resource, sys
from ledger import spec
from ledger.cli.main import main
spec.SEGMENT_BYTES = 1_000
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize(("limit_bytes", "workers"), [(100, 0), (1_800, 0), (2_600, 1)])
def test_a_full_disk_leaves_no_output(
    signed: Cli, monkeypatch: pytest.MonkeyPatch, limit_bytes: int, workers: int
) -> None:
    data = signed.rows("big.jsonl", *({"text": text, "x": "y" * 500} for text in TEXTS))
    before = sorted(signed.folder.rglob("*"))
    arguments = [
        "gate",
        str(data),
        "--policy",
        "balanced",
        "--admitted",
        "a.jsonl",
        "--verdicts",
        "v.parquet",
    ]
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(limit_bytes), *arguments, "--workers", str(workers), "--json"],
        capture_output=True, text=True, check=False, cwd=signed.folder,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    error = json.loads(done.stdout)["error"]
    assert error["code"] in ("output-failed", "store-failed"), error
    assert "File too large" in error["reason"]
    is_begun = (signed.folder / "a.jsonl.partial").exists()
    assert is_begun or sorted(signed.folder.rglob("*")) == before
    assert not (signed.folder / "a.jsonl").exists()
    assert not (signed.folder / "v.parquet").exists()
    assert ("--resume goes on behind them" in done.stderr) is is_begun, "it is said how a run goes on"
    monkeypatch.setattr("ledger.spec.SEGMENT_BYTES", 1_000)
    resume = ("--resume",) if is_begun else ()
    document = gate(signed, *arguments[1:], *resume)
    assert (counts(document)[1], document["resumed_rows"] > 0) == (SIGNED, is_begun)
    assert len((signed.folder / "a.jsonl").read_bytes().splitlines()) == SIGNED


# The ledger


def test_no_ledger_and_one_that_cannot_be_read(signed: Cli, tmp_path: Path) -> None:
    arguments = ("d.jsonl", "--policy", "balanced", "--admitted", "a.jsonl")
    ran = signed("gate", *arguments, "--ledger", tmp_path / "none", "--json")
    assert (ran.code, "lineage init" in ran.document["error"]["fix"]) == (2, True)
    data = signed.ledger / "data.mdb"
    whole = data.read_bytes()
    for damaged in (b"", whole[:100], bytes(len(whole)), whole[:4096] + os.urandom(len(whole) - 4096)):
        data.write_bytes(damaged)
        ran = signed("gate", *arguments, "--workers", "0")
        assert ran.code == 2, ran.out
        assert "Traceback" not in ran.err
        assert not list(signed.folder.glob("a.jsonl*"))
    data.write_bytes(whole)
    assert counts(gate(signed, *arguments))[1] == SIGNED


def test_a_ledger_behind_the_log_checkpoint_that_is_remembered(signed: Cli) -> None:
    data = signed.ledger / "data.mdb"
    older = data.read_bytes()
    signed.json("sign", signed.write("more.md", TEXTS[8]), "--by", "ada")
    gate(signed, "d.jsonl", "--policy", "balanced")
    data.write_bytes(older)
    error = refused(signed, "checkpoint-behind", "d.jsonl", "--policy", "balanced")
    assert "6 entries" in error["item"] or "6" in error["reason"]


def test_a_lost_sidecar_decides_nothing_and_inventory_goes_on(signed: Cli) -> None:
    data = signed.rows("imported.jsonl", *({"text": f"imported {n}"} for n in range(3)))
    said = ("--source", "https://example.org", "--license", "MIT")
    (record,) = signed.json("import", data, "--column", "text", *said)["records"]
    gate(signed, "d.jsonl", "--policy", "balanced")
    (signed.ledger / "rows" / record["id"]).unlink()
    error = refused(signed, "rows-missing", "d.jsonl", "--policy", "balanced")
    assert record["id"][:16] in error["item"]
    document = gate(signed, "d.jsonl", "--policy", "inventory")
    assert any(note.startswith("Not searched") for note in document["notes"])
