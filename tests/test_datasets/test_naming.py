"""What names mean: files, folders of shards, folders of files, patterns, partitions; always in one order."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.datasets.dataset import Dataset, open_dataset
from ledger.datasets.formats import ARROW, CSV, FILES, JSONL, PARQUET, TEXT, TSV, Format, by_name, format_of
from ledger.datasets.naming import ROW_FILES, SHARDS
from ledger.datasets.wanted import FaultyRow
from ledger.errors import NotFound
from tests.test_datasets.carriers import STRINGS
from tests.test_datasets.refusals import refused

LINE = b'{"text":"x"}\n'


def put(folder: Path, *names: str, content: bytes = LINE) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def names(dataset: Dataset) -> list[str]:
    return [part.name for part in dataset.parts]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("a.jsonl", Format(JSONL)),
        ("a.NDJSON.GZ", Format(JSONL, "gzip")),
        ("a.b.csv.zst", Format(CSV, "zstd")),
        ("a.tsv", Format(TSV)),
        ("a.tab", Format(TSV)),
        ("a.txt", Format(TEXT)),
        ("a.parquet", Format(PARQUET)),
        ("a.arrows", Format(ARROW)),
        ("a.feather", Format(ARROW)),
        ("a.md", None),
        ("a.gz", None),
        ("jsonl", None),
        (".jsonl", None),
    ],
)
def test_suffixes(name: str, found: Format | None) -> None:
    assert by_name(name) == found


def test_a_file_whose_name_says_nothing_is_looked_at(tmp_path: Path) -> None:
    for name, write in STRINGS.items():
        if name.count(".") == 1 and "sv" not in name:
            write(tmp_path / name, [{"text": "x"}])
            said = by_name(name)
            (tmp_path / name).rename(tmp_path / "rows")
            if name != "rows.arrows":  # a stream has no mark
                assert format_of(tmp_path / "rows") == said
    for content, reason in [
        (b"\n [1]", "JSON array"),
        (b"text\nx\n", "neither"),
        (b"FEA1", "first version"),
        (b"", "neither"),
    ]:
        (tmp_path / "rows").write_bytes(content)
        with refused("format-unknown", "rows", reason):
            open_dataset(tmp_path / "rows")
    (tmp_path / "rows").write_bytes(b"a\nb\n")
    assert [
        row.content
        for row in open_dataset(tmp_path / "rows", format_=TEXT).rows(None)
        if not isinstance(row, FaultyRow)
    ] == [b"a", b"b"]
    with refused("format-unknown", "'xml'"):
        open_dataset(tmp_path / "rows", format_="xml")
    (tmp_path / "rows.parquet.gz").write_bytes(b"PAR1")
    with refused("format-unknown", "rows.parquet.gz", "packed"):
        open_dataset(tmp_path / "rows.parquet.gz")


def test_a_folder_of_shards_is_taken_in_byte_order(tmp_path: Path) -> None:
    put(
        tmp_path,
        "b.jsonl",
        "a.jsonl",
        "B.jsonl",
        "a/z.jsonl",
        "a-b.jsonl",
        "ä.jsonl",
        "_SUCCESS",
        "_tmp/c.jsonl",
    )
    put(tmp_path, "README.md", "LICENSE", ".hidden.jsonl", "a.jsonl.receipts.parquet", "a/dataset_info.json")
    dataset = open_dataset(tmp_path)
    assert names(dataset) == ["B.jsonl", "a-b.jsonl", "a.jsonl", "a/z.jsonl", "b.jsonl", "ä.jsonl"]
    assert (dataset.hidden, dataset.companions, dataset.foreign) == (1, 1, 5)
    assert dataset.is_tree
    assert [row.row_index for row in dataset.rows("text")] == list(range(6))


@given(
    st.lists(
        st.sampled_from([f"{a}{b}" for a in "aAz.-é" for b in "0=_"]), min_size=1, max_size=8, unique=True
    ),
    st.randoms(),
)
def test_the_order_does_not_depend_on_how_a_folder_lists_its_files(
    tmp_path_factory: pytest.TempPathFactory, stems: list[str], chance: random.Random
) -> None:
    stems = [f"x{stem}" for stem in stems]
    orders = []
    for _ in range(2):
        folder = tmp_path_factory.mktemp("shards")
        chance.shuffle(stems)
        put(folder, *(f"{stem}.jsonl" for stem in stems))
        orders.append(names(open_dataset(folder)))
        assert names(open_dataset(str(folder / "*.jsonl"))) == orders[-1]
    assert orders[0] == orders[1] == sorted(orders[0], key=os.fsencode)


def test_several_names_are_taken_as_they_come_and_none_twice(tmp_path: Path) -> None:
    put(tmp_path, "x/b.jsonl", "x/a.jsonl", "y/a.jsonl")
    (tmp_path / "again.jsonl").symlink_to(tmp_path / "x" / "a.jsonl")
    dataset = open_dataset(
        [tmp_path / "y" / "a.jsonl", tmp_path / "x", tmp_path / "again.jsonl", tmp_path / "y"]
    )
    assert names(dataset) == ["y/a.jsonl", "x/a.jsonl", "x/b.jsonl"]  # one file name, two names
    single = open_dataset(tmp_path / "x" / "a.jsonl")
    assert (names(single), single.is_tree) == (["a.jsonl"], False)


def test_a_folder_without_shards_is_one_of_files(tmp_path: Path) -> None:
    put(tmp_path, "b/notes.txt", "a.md", "c.png", content=b"\x00bytes")
    put(tmp_path, "a.md.salt", content=b"ab" * 32 + b"\n")
    dataset = open_dataset(tmp_path)
    (part,) = dataset.parts
    assert (part.format.name, [entry.name for entry in part.files]) == (
        FILES,
        ["a.md", "b/notes.txt", "c.png"],
    )
    rows = list(dataset.rows(None, ("lineage_salt",)))
    assert [(row.row_index, row.content, row.form) for row in rows if not isinstance(row, FaultyRow)] == [
        (at, b"\x00bytes", "raw") for at in range(3)
    ]
    assert [dict(row.cells) for row in rows if not isinstance(row, FaultyRow)] == [
        {"lineage_salt": "ab" * 32},
        {},
        {},
    ]
    with refused("column-missing"):
        list(dataset.rows("text"))


def test_a_mixed_folder_is_refused_until_its_owner_says_what_it_is(tmp_path: Path) -> None:
    put(tmp_path, "a.jsonl", "paper.pdf", "b.txt")
    with refused("folder-mixed", str(tmp_path), "a.jsonl"):
        open_dataset(tmp_path)
    assert names(open_dataset(tmp_path, folder_is=SHARDS)) == ["a.jsonl", "b.txt"]
    assert open_dataset(tmp_path, folder_is=SHARDS).foreign == 1
    assert [entry.name for entry in open_dataset(tmp_path, folder_is=ROW_FILES).parts[0].files] == [
        "a.jsonl",
        "b.txt",
        "paper.pdf",
    ]
    assert names(open_dataset(tmp_path, format_=TEXT)) == ["b.txt", "paper.pdf"]
    with refused("usage"):
        open_dataset(tmp_path, folder_is="both")
    (tmp_path / "only").mkdir()
    put(tmp_path, "only/x.pdf")
    with refused("no-paths", "only"):
        open_dataset(tmp_path / "only", folder_is=SHARDS)


def test_partitions_are_columns(tmp_path: Path) -> None:
    put(tmp_path, "lang=de/year=2020/a.jsonl", "lang=a%2Fb%20ü/year=__HIVE_DEFAULT_PARTITION__/a.jsonl")
    dataset = open_dataset(tmp_path)
    assert [dict(part.partition) for part in dataset.parts] == [
        {"lang": "a/b ü", "year": None},
        {"lang": "de", "year": "2020"},
    ]
    rows = [row for row in dataset.rows(None, ("lang", "year")) if not isinstance(row, FaultyRow)]
    assert [row.content for row in rows] == [
        '{"lang":"a/b ü","text":"x","year":null}'.encode(),
        b'{"lang":"de","text":"x","year":"2020"}',
    ]
    assert [dict(row.cells) for row in rows] == [
        {"lang": "a/b ü", "year": None},
        {"lang": "de", "year": "2020"},
    ]
    assert [row.content for row in dataset.rows("lang") if not isinstance(row, FaultyRow)] == [
        "a/b ü".encode(),
        b"de",
    ]
    plain = open_dataset(tmp_path, partitions=False)
    assert [row.content for row in plain.rows(None) if not isinstance(row, FaultyRow)] == [
        b'{"text":"x"}'
    ] * 2
    inside = open_dataset(str(tmp_path / "lang=*" / "*" / "*.jsonl"))
    assert [part.partition for part in inside.parts] == [part.partition for part in dataset.parts]
    below = open_dataset(tmp_path / "lang=de")
    assert dict(below.parts[0].partition) == {"year": "2020"}  # what is named is no part of it
    put(tmp_path, "twice/a=1/a=2/x.jsonl")
    with refused("column-twice", "x.jsonl"):
        open_dataset(tmp_path / "twice")


@pytest.mark.parametrize(
    ("cell", "is_same"),
    [
        ('"2020"', True),
        ("2020", True),
        ('"2021"', False),
        ("null", False),
        ("2020.0", False),
        ("true", False),
    ],
)
def test_a_row_may_not_say_otherwise_than_its_folder(tmp_path: Path, cell: str, is_same: bool) -> None:
    content = f'{{"text":"x","year":{cell}}}\n'.encode()
    put(tmp_path, "year=2020/a.jsonl", content=content)
    dataset = open_dataset(tmp_path)
    for column in (None, "year"):
        if is_same:
            assert len(list(dataset.rows(column))) == 1
        else:
            with refused("partition-differs", "a.jsonl, row 0 (line 1)", "'year'"):
                list(dataset.rows(column))
    assert len(list(dataset.rows("text"))) == 1  # other columns do not matter


def test_the_column_of_a_whole_table_may_stand_in_its_folder_too(tmp_path: Path) -> None:
    for name, write in STRINGS.items():
        folder = tmp_path / name.replace(".", "_") / "flag=true"
        folder.mkdir(parents=True)
        write(folder / name, [{"text": "x", "flag": "true"}])
        dataset = open_dataset(folder.parent)
        columns = dataset.parts[0].columns
        assert columns in (None, ("text", "flag"))
        assert [row.content for row in dataset.rows(None) if not isinstance(row, FaultyRow)] == [
            b'{"flag":"true","text":"x"}'
        ]


def test_patterns(tmp_path: Path) -> None:
    put(tmp_path, "a1.jsonl", "a2.jsonl", "b/a3.jsonl", "b/.a4.jsonl", "a1.jsonl.salt", "[x].jsonl")
    assert names(open_dataset(str(tmp_path / "a?.jsonl"))) == ["a1.jsonl", "a2.jsonl"]
    assert names(open_dataset(str(tmp_path / "**" / "a*"))) == ["a1.jsonl", "a2.jsonl", "b/a3.jsonl"]
    assert names(open_dataset(str(tmp_path / "[x].jsonl"))) == ["[x].jsonl"]  # a name is a name first
    assert names(open_dataset(str(tmp_path / "[b]"))) == ["b/a3.jsonl"]
    with pytest.raises(NotFound) as caught:
        open_dataset(str(tmp_path / "c*.jsonl"))
    assert caught.value.code == "file-not-found"
    assert caught.value.fix


def test_links_do_not_lead_out(tmp_path: Path) -> None:
    put(tmp_path, "in/a.jsonl", "out/b.jsonl")
    (tmp_path / "in" / "b.jsonl").symlink_to(tmp_path / "out" / "b.jsonl")
    for named in (tmp_path / "in", str(tmp_path / "in" / "*.jsonl")):
        with refused("link-leaves-folder", "b.jsonl"):
            open_dataset(named)
    assert names(open_dataset(tmp_path / "in" / "b.jsonl")) == ["b.jsonl"]  # named itself, it is meant


@pytest.mark.parametrize("name", ["a.jsonl", "b.jsonl.gz", "c.parquet", "d.arrow", "e.csv"])
def test_an_empty_file_among_shards_is_refused_by_name(tmp_path: Path, name: str) -> None:
    put(tmp_path, "z.jsonl")
    put(tmp_path, name, content=b"")
    with refused("dataset-empty", name):
        open_dataset(tmp_path)


def test_tables_with_logs_of_their_own_are_refused(tmp_path: Path) -> None:
    put(tmp_path, "part-0.jsonl", "_delta_log/0.json")
    with refused("table-log", str(tmp_path), "Delta"):
        open_dataset(tmp_path)


def test_nothing_named_is_refused(tmp_path: Path) -> None:
    with refused("no-paths"):
        open_dataset([])
    with refused("folder-empty"):
        open_dataset(tmp_path)


def test_the_state_of_a_dataset_changes_with_its_files(tmp_path: Path) -> None:
    put(tmp_path, "s/a.jsonl", "s/b.jsonl", "f/a.md", "f/b.md")
    for folder in (tmp_path / "s", tmp_path / "f"):
        states = {open_dataset(folder).state(), open_dataset(folder).state()}
        assert len(states) == 1
        first = next(iter(folder.iterdir()))
        os.utime(first, ns=(1, 1))
        states.add(open_dataset(folder).state())
        first.write_bytes(LINE * 2)
        os.utime(first, ns=(1, 1))
        states.add(open_dataset(folder).state())
        first.rename(folder / f"c{first.suffix}")
        states.add(open_dataset(folder).state())
        assert len(states) == 4
