"""What rows say of themselves in columns, as the records that they become; each refusal names row and column."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ledger
from ledger import spec
from ledger.api import audit_folder, offline
from ledger.api.row_map import FIELDS, RowMap
from ledger.errors import LineageError, RefusedInput
from ledger.signer.claims import Said, pseudonym
from ledger.signer.keyring import Keyring
from ledger.signer.passphrases import Passphrases
from ledger.statements import words
from ledger.statements.record import Parent, Record, decode_record
from tests.test_api import Place

FAR = bytes.fromhex("ab" * 32)
EXPERIENCE = {
    name: f"some {name}" for name in ("case", "pattern", "constraints", "uncertainty", "consequence")
}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def dataset(place: Place, *rows: Mapping[str, Any], name: str = "data.jsonl") -> Path:
    path = place.folder / name
    if name.endswith(".parquet"):
        arrow = pytest.importorskip("pyarrow", reason="pip install 'lineage-ledger[parquet]'")
        parquet = pytest.importorskip("pyarrow.parquet", reason="pip install 'lineage-ledger[parquet]'")
        parquet.write_table(arrow.Table.from_pylist(list(rows)), path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def sign(
    place: Place,
    path: Path,
    columns: Mapping[str, str],
    *,
    claim: ledger.Claim | None = None,
    column: str | None = "text",
    by: str = "ada",
) -> tuple[ledger.Signed, list[Record]]:
    """What was signed, and the record of each row."""
    with place.open() as door:
        signed = door.sign_rows(path, column, by, claim, columns=columns)
        with door.view() as view:
            data = [view.record(view.find_artifact(artifact_id)[0]) for artifact_id in signed.ids]
    return signed, [decode_record(each or b"") for each in data]


def refused(use: Callable[[], object]) -> LineageError:
    with pytest.raises(LineageError) as raised:
        use()
    assert raised.value.reason
    assert raised.value.fix
    return raised.value


# A cell of each kind, what it means, and what is none.

DAY_MS = 86_400_000
CELLS: dict[str, list[tuple[Any, Any]]] = {  # cell, and what the field holds; None: refused
    "kind": [("work", "work"), ("dataset", "dataset"), ("poem", None), (7, None), (["work"], None)],
    "human": [
        ("70%", 700_000),
        (0.5, 500_000),
        (1, 1_000_000),
        (0, 0),
        ("0.25", 250_000),
        (1.5, None),
        (-0.1, None),
        ("much", None),
        (True, None),
        ([0.5], None),
        (1e-7, None),
    ],
    "made_at": [
        ("1970-01-02", DAY_MS),
        ("1970-01-02T01:00:00+01:00", DAY_MS),
        (DAY_MS, DAY_MS),
        (0, 0),
        (-1, None),
        (1.5, None),
        (True, None),
        ("1969-12-31", None),
        ("soon", None),
        (2**53, None),
        ({}, None),
    ],
    "license": [("CC-BY-4.0", "CC-BY-4.0"), ("all mine!", None), (4, None), ("x" * 129, None), ("", None)],
    "source": [
        ("https://example.org/a", "https://example.org/a"),
        ("example.org", None),
        ("https://example.org/a b", None),
        (["https://example.org"], None),
        ("", None),
    ],
    "attributed": [("Grace", "Grace"), ("", None), (None, None), (3, None)],
    "parents": [
        ([], ()),
        ("ab" * 32, (Parent("derived-from", FAR),)),
        (["quotes=" + "ab" * 32 + "@12.5%"], (Parent("quotes", FAR, 125_000),)),
        (["ab" * 32 + ":7@1"], (Parent("derived-from", FAR, 1_000_000, None, 7),)),
        (
            ["row:0", "evidence=row:1"],
            (Parent("derived-from", b"0" * 32), Parent("evidence", b"1" * 32)),
        ),
        ("row:2", None),
        ("row:-1", None),
        ("row:", None),
        ("row:x", None),
        ("row:" + "9" * 30, None),
        ("ab" * 32 + ":", None),
        (["ab" * 32, 7], None),
        ({"id": "ab" * 32}, None),
        (7, None),
        ("friend-of=" + "ab" * 32, None),
        ("ab" * 32 + "@0%", None),
        ("notes.md", None),
    ],
}
EARLIER = (b"0" * 32, b"1" * 32)


def resolve(text: str) -> bytes:
    if text != "ab" * 32:
        raise RefusedInput("schema", f"id {text}", "it is none", "Give one.")
    return FAR


@pytest.mark.parametrize(("what", "cell", "means"), [(w, *c) for w, cells in CELLS.items() for c in cells])
def test_a_cell_says_what_it_says_or_is_refused_with_its_column(what: str, cell: Any, means: Any) -> None:
    mapped = RowMap({what: "a column"})
    if means is None:
        error = refused(lambda: mapped.said({"a column": cell}, EARLIER, resolve))
        assert error.code == ("author-not-text" if what == "attributed" else "cell-illegal")
        assert error.item == f"column 'a column' ({what})"
    else:
        said = mapped.said({"a column": cell}, EARLIER, resolve)
        assert said == Said(**{FIELDS[what]: means})


GOOD = {
    what: st.sampled_from([pair for pair in cells if pair[1] is not None]) for what, cells in CELLS.items()
}


@given(st.sets(st.sampled_from(sorted(FIELDS))), st.data())
def test_columns_say_what_each_says_alone(whats: set[str], data: st.DataObject) -> None:
    """Null says nothing, but of an author, who is always somebody; what is not mapped is not looked at."""
    drawn = {what: data.draw(GOOD[what]) for what in whats}
    silent = data.draw(st.sets(st.sampled_from(sorted(whats - {"attributed"}) or [""])))
    cells = {f"c {what}": None if what in silent else cell for what, (cell, _) in drawn.items()}
    cells["another column"] = "kind=poem"
    said = RowMap({what: f"c {what}" for what in whats}).said(cells, EARLIER, resolve)
    naive = {FIELDS[what]: means for what, (_, means) in drawn.items() if what not in silent}
    assert said == Said(**naive)


@given(
    st.lists(
        st.one_of(
            st.none(),
            st.lists(
                st.tuples(
                    st.sampled_from(sorted(words.RELATIONS)),
                    st.integers(0, 6),
                    st.none() | st.integers(1, 20).map(lambda part: part * 50_000),
                ),
                max_size=3,
            ),
        ),
        max_size=8,
    )
)
def test_earlier_rows_are_named_by_their_number(rows: list[list[tuple[str, int, int | None]] | None]) -> None:
    ids: list[bytes] = []
    mapped = RowMap({"parents": "from"})
    for number, parents in enumerate(rows):
        cell: Any = parents and [
            f"{relation}=row:{row}" + (f"@{Fraction(ppm, spec.PPM) * 100}%" if ppm else "")
            for relation, row, ppm in parents
        ]
        if any(row >= number for _, row, _ in parents or ()):
            error = refused(lambda cell=cell: mapped.said({"from": cell}, ids, resolve))  # type: ignore[misc]
            assert "names no row before this one" in error.reason
        else:
            said = mapped.said({"from": cell}, ids, resolve)
            assert said.parents == tuple(
                Parent(relation, ids[row], ppm) for relation, row, ppm in parents or ()
            )
        ids.append(bytes([number]) * 32)


def test_an_id_is_looked_up_once() -> None:
    asked: list[str] = []

    def look(text: str) -> bytes:
        asked.append(text)
        return FAR

    mapped = RowMap({"parents": "from"})
    for _ in range(3):
        mapped.said({"from": ["ab" * 32, "evidence=" + "ab" * 32 + ":1"]}, (), look)
    assert asked == ["ab" * 32]


def test_no_column_says_anything_else() -> None:
    assert refused(lambda: RowMap({"mood": "m"})).code == "usage"


# Through a signing.


def test_rows_become_the_records_that_they_say(place: Place) -> None:
    path = dataset(
        place,
        {"text": "one", "k": None, "from": None, "when": "2024-02-03", "free": "CC0-1.0", "h": None, "url": None},
        {"text": "two", "k": "work", "from": ["quotes=row:0@25%"], "when": None, "free": None, "h": "75%", "url": None},
        {"text": "three", "k": "abstract", "from": ["distilled-from=row:0", "distilled-from=row:1"], "when": 5, "free": None, "h": None, "url": "https://example.org/3"},
    )  # fmt: skip
    columns = {
        "kind": "k",
        "parents": "from",
        "made_at": "when",
        "license": "free",
        "human": "h",
        "source": "url",
    }
    signed, records = sign(place, path, columns)
    one, two, three = records
    when = int(datetime(2024, 2, 3, tzinfo=UTC).timestamp() * 1000)
    assert (one.kind, one.fields["human"], one.fields["made"]) == ("work", spec.PPM, when)
    assert (one.fields["rights"], one.parents) == ({"license": "CC0-1.0"}, ())
    assert (two.kind, two.fields["human"]) == ("work", 750_000)
    assert two.parents == (Parent("quotes", signed.ids[0], 250_000),)
    assert {"made", "rights", "source"}.isdisjoint(two.fields)
    assert (three.kind, three.fields["made"]) == ("abstract", 5)
    assert {(parent.rel, parent.id) for parent in three.parents} == {
        ("distilled-from", signed.ids[0]),
        ("distilled-from", signed.ids[1]),
    }
    assert three.fields["source"] == {"uri": "https://example.org/3"}
    assert audit_folder(place.path).ok


def test_parents_of_all_and_of_each_add_up(place: Place) -> None:
    with place.open() as door:
        first = door.sign_rows(place.rows("a source"), "text", "ada").ids[0]
    path = dataset(place, {"text": "a", "from": None}, {"text": "b", "from": ["quotes=row:0"]})
    claim = ledger.Claim(parents=(Parent("derived-from", first, 100_000),), source={"category": "user"})
    signed, (one, two) = sign(place, path, {"parents": "from"}, claim=claim)
    assert one.parents == (Parent("derived-from", first, 100_000),)
    assert set(two.parents) == {Parent("derived-from", first, 100_000), Parent("quotes", signed.ids[0])}
    assert {record.fields["source"]["category"] for record in (one, two)} == {"user"}


def test_a_row_of_a_rows_record_is_a_parent(place: Place) -> None:
    """By its number; one that the dataset does not have is refused by the log."""
    records = place.records()
    assert not any(decode_record(record).form == "rows" for record in records)
    dataset_id = logged_rows(place, count=3)
    for row, code in ((2, None), (3, "parent-kind"), (spec.ROWS_MAX, "schema")):
        path = dataset(place, {"text": f"of row {row}", "from": f"quotes={dataset_id.hex()[:20]}:{row}"})
        if code is None:
            _, (record,) = sign(place, path, {"parents": "from"})
            assert record.parents == (Parent("quotes", dataset_id, row=row),)
        else:
            assert refused(lambda path=path: sign(place, path, {"parents": "from"})).code == code  # type: ignore[misc]
    report = audit_folder(place.path)
    assert {fault.code for fault in report.faults} == {"rows-missing"}, "whose rows they are nobody brought"


def logged_rows(place: Place, count: int) -> bytes:
    """The id of a `rows` record in the log."""
    from ledger.signer import signing
    from ledger.statements.record import make_record

    record = make_record(
        kind="dataset",
        maker=place.ada,
        content=b"r" * 32,
        size_bytes=9,
        form="rows",
        media="text/plain",
        facts={"count": count},
    )
    with place.open() as door, door._access.door() as log:
        unlocked = door._access.unlock("ada")
        signed = ledger.Signed(ids=[record.id], labels=["rows"])
        signing.append_records(log, unlocked, [record.encoded], signed, lambda _done: None)
    return record.id


def test_reported_authors_are_pseudonyms(place: Place) -> None:
    path = dataset(
        place,
        {"text": "one", "who": "Grace"},
        {"text": "two", "who": "Hopper"},
        {"text": "x", "who": "Grace"},
    )
    with place.open() as door:
        identity = door.keys.find("ada")
        secret = door.keys.pseudonym_secret(identity, Keyring(Passphrases()))
    _, records = sign(place, path, {"attributed": "who"}, claim=ledger.Claim(reported=True))
    expected = [pseudonym(secret, name) for name in ("Grace", "Hopper", "Grace")]
    assert [record.fields["attributed"] for record in records] == expected
    assert {record.stance for record in records} == {"reported"}
    error = refused(lambda: sign(place, path, {"attributed": "who"}))
    assert (error.code, "--reported" in error.fix) == ("record-illegal", True)


def test_the_signed_column_may_say_something_too(place: Place) -> None:
    path = dataset(place, {"url": "https://example.org/1"}, {"url": "https://example.org/2"})
    _, records = sign(place, path, {"source": "url"}, column="url")
    assert [record.fields["source"]["uri"] for record in records] == [
        "https://example.org/1",
        "https://example.org/2",
    ]
    error = refused(lambda: sign(place, dataset(place, {"url": "no uri"}), {"source": "url"}, column="url"))
    assert error.code == "cell-illegal"


def test_one_column_may_say_two_things(place: Place) -> None:
    path = dataset(place, {"text": "t", "c": "CC0-1.0"})
    error = refused(lambda: sign(place, path, {"license": "c", "source": "c"}))
    assert error.item == f"{path}, row 0 (line 1), column 'c' (source)"


def test_whole_rows_are_signed_with_the_columns_that_speak_of_them(place: Place) -> None:
    path = dataset(place, {"text": "t", "free": "CC0-1.0"})
    signed, (record,) = sign(place, path, {"license": "free"}, column=None)
    assert (record.form, record.fields["rights"]) == ("jcs", {"license": "CC0-1.0"})
    with place.open() as door:
        assert door.find_text('{"free":"CC0-1.0","text":"t"}') == signed.ids


def test_a_parquet_file_says_the_same_as_json_lines(place: Place) -> None:
    rows: list[dict[str, Any]] = [
        {"text": "one", "from": None, "h": None, "when": 5},
        {"text": "two", "from": ["derived-from=row:0@40%"], "h": 0.6, "when": None},
    ]
    columns = {"parents": "from", "human": "h", "made_at": "when"}
    lines, _ = sign(place, dataset(place, *rows), columns)
    table, _ = sign(place, dataset(place, *rows, name="data.parquet"), columns)
    assert table.ids == lines.ids
    assert (table.new, table.already_logged) == (0, 2)


def test_a_text_has_no_columns_to_say_anything(place: Place) -> None:
    path = place.folder / "lines.txt"
    path.write_text("one\ntwo\n")
    error = refused(lambda: sign(place, path, {"license": "free"}, column=None))
    assert (error.code, error.item) == ("column-missing", f"{path}, row 0 (line 1), column 'free' (license)")
    signed, _ = sign(place, path, {}, column=None)
    assert signed.new == 2


BAD_ROWS: list[tuple[dict[str, str], dict[str, Any], str, str]] = [  # columns, the second row, code, item
    *(
        ({what: "c"}, {"text": "two", "c": cell}, "cell-illegal", f"column 'c' ({what})")
        for what, cells in CELLS.items()
        if what != "attributed"
        for cell, means in cells
        if means is None and not isinstance(cell, float)
    ),
    ({"kind": "c"}, {"text": "two"}, "column-missing", "column 'c' (kind)"),
    ({"parents": "c"}, {"text": "two", "c": "cd" * 32}, "cell-illegal", "column 'c' (parents)"),
    ({"parents": "c"}, {"text": "two", "c": "cd" * 4}, "cell-illegal", "column 'c' (parents)"),
    ({"kind": "c"}, {"text": "two", "c": "derived"}, "record-illegal", "record.facts"),
    ({"kind": "c"}, {"text": "two", "c": "abstract"}, "record-illegal", "record.parents"),
    ({"kind": "c"}, {"text": "two", "c": "output"}, "role-illegal", "record.parents"),
    ({"kind": "c"}, {"text": "two", "c": "experience"}, "not-json", "JSON value"),
    (
        {"parents": "c"},
        {"text": "two", "c": ["row:0@60%", "quotes=row:0@60%"]},
        "share-illegal",
        "record.human",
    ),
    ({"parents": "c"}, {"text": "two", "c": ["row:0", "row:0"]}, "schema", "record.parents"),
    ({"parents": "c"}, {"text": "two", "c": ["evidence=row:0@5%"]}, "share-illegal", "record.parents[0]"),
]


@pytest.mark.parametrize(("columns", "row", "code", "item"), BAD_ROWS)
@pytest.mark.parametrize("sealed", [False, True])
def test_a_refusal_names_row_and_column_and_nothing_is_signed(
    place: Place, columns: dict[str, str], row: dict[str, Any], code: str, item: str, sealed: bool
) -> None:
    first = {"text": "one", **dict.fromkeys(columns.values())}
    path = dataset(place, first, row)
    before = place.records()
    error = refused(lambda: sign(place, path, columns, claim=ledger.Claim(sealed=sealed)))
    assert (error.code, error.item.startswith(f"{path}, row 1 (line 2), {item}")) == (code, True), error
    assert place.records() == before


@pytest.mark.parametrize(
    ("columns", "claim", "field"),
    [
        ({"kind": "c"}, {"kind": "work"}, "kind"),
        ({"human": "c"}, {"human": 5}, "human"),
        ({"made_at": "c"}, {"made": 5}, "made"),
        ({"license": "c"}, {"rights": {"license": "CC0-1.0"}}, "license"),
        ({"source": "c"}, {"source": {"uri": "https://example.org"}}, "source"),
        ({"attributed": "c"}, {"author": "Grace", "reported": True}, "author"),
    ],
)
def test_what_is_said_of_all_is_not_said_of_each_too(
    place: Place, columns: dict[str, str], claim: dict[str, Any], field: str
) -> None:
    error = refused(
        lambda: sign(place, dataset(place, {"text": "t", "c": None}), columns, claim=ledger.Claim(**claim))
    )
    assert (error.code, error.item) == ("record-illegal", field)


def test_a_bad_row_late_in_a_dataset_undoes_all_of_it(place: Place) -> None:
    """Also the content of an experience that was kept before it."""
    rows = [
        {"text": json.dumps({**EXPERIENCE, "case": "one"}), "c": "experience"},
        {"text": "{}", "c": "experience"},
    ]
    error = refused(lambda: sign(place, dataset(place, *rows), {"kind": "c"}))
    assert (error.code, "row 1 (line 2)" in error.item) == ("experience-incomplete", True)
    assert not [path for path in (place.path / "content").rglob("*") if path.is_file()]


# Without the ledger.


def sign_offline(
    place: Place, path: Path, columns: Mapping[str, str], **claim: Any
) -> tuple[Path, ledger.Signed]:
    with place.open() as door:
        vkey = door.marker.vkey
    keys = offline.open_keys(vkey, place.config, Passphrases())
    output = place.folder / f"{len(list(place.folder.glob('*.statement')))}.statement"
    return output, offline.sign_rows_offline(
        keys, path, "text", output, "ada", ledger.Claim(**claim), columns=columns
    )


def test_columns_say_the_same_without_the_ledger(place: Place) -> None:
    path = dataset(
        place, {"text": "one", "from": None, "h": 1}, {"text": "two", "from": ["row:0@40%"], "h": "60%"}
    )
    columns = {"parents": "from", "human": "h"}
    output, signed = sign_offline(place, path, columns)
    with place.open() as door:
        door.append_files([output])
        again = door.sign_rows(path, "text", "ada", columns=columns)
    assert (again.ids, again.new, again.already_logged) == (signed.ids, 0, 2)


@pytest.mark.parametrize(
    ("row", "code", "item"),
    [
        ({"text": "t", "c": "ab" * 8}, "cell-illegal", "column 'c' (parents)"),
        ({"text": "t", "c": None, "lineage_id": "ab" * 32}, "not-offline", "column 'lineage_id'"),
    ],
)
def test_what_only_the_ledger_knows_is_refused_without_it(
    place: Place, row: dict[str, Any], code: str, item: str
) -> None:
    path = dataset(place, {"text": "first", "c": None}, row)
    error = refused(lambda: sign_offline(place, path, {"parents": "c"}))
    assert (error.code, error.item) == (code, f"{path}, row 1 (line 2), {item}")
    assert not list(place.folder.glob("*.statement"))


def test_an_experience_in_a_row_is_refused_without_the_ledger(place: Place) -> None:
    path = dataset(place, {"text": json.dumps(EXPERIENCE), "k": "experience"})
    error = refused(lambda: sign_offline(place, path, {"kind": "k"}))
    assert (error.code, error.item) == ("not-offline", f"{path}, row 0 (line 1), kind 'experience'")


# lineage_id.


def carrying(rows: Sequence[Mapping[str, Any]], ids: Sequence[bytes | None]) -> list[dict[str, Any]]:
    return [{**row, "lineage_id": one and one.hex()} for row, one in zip(rows, ids, strict=True)]


@pytest.mark.parametrize("name", ["data.jsonl", "data.parquet"])
@pytest.mark.parametrize("column", ["text", None])
def test_a_row_with_its_id_is_that_artifact(place: Place, name: str, column: str | None) -> None:
    """Whoever signs it, and whatever he claims; only a row without an id is signed."""
    rows = [{"text": f"row {number}", "n": number} for number in range(4)]
    signed, _ = sign(place, dataset(place, *rows), {}, column=column)
    with place.open() as door:
        door.new_identity("bea", unencrypted=True)
    path = dataset(place, *carrying(rows, [*signed.ids[:3], None]), name=name)
    again, records = sign(place, path, {}, column=column, by="bea", claim=ledger.Claim(kind="dataset"))
    assert again.ids[:3] == signed.ids[:3]
    assert again.ids[3] != signed.ids[3]
    assert (again.new, again.already_logged) == (1, 3)
    assert [record.kind for record in records] == ["work"] * 3 + ["dataset"]


def test_an_id_in_capitals_is_the_same_id(place: Place) -> None:
    signed, _ = sign(place, dataset(place, {"text": "t"}), {})
    path = dataset(place, {"text": "t", "lineage_id": signed.ids[0].hex().upper()})
    assert sign(place, path, {})[0].already_logged == 1


@settings(max_examples=40, deadline=None)
@given(st.permutations(range(4)), st.sets(st.integers(0, 3)))
def test_an_id_of_another_row_is_always_found_out(
    tmp_path_factory: Any, order: list[int], changed: set[int]
) -> None:
    """Ids in any order, some rows changed: accepted exactly where each row has its own id and is unchanged."""
    place = Place(tmp_path_factory.mktemp("shuffled"))
    rows = [{"text": f"row {number}"} for number in range(4)]
    signed, _ = sign(place, dataset(place, *rows), {})
    texts = [row["text"] + "!" * (number in changed) for number, row in enumerate(rows)]
    path = dataset(
        place, *carrying([{"text": text} for text in texts], [signed.ids[number] for number in order])
    )
    wrong = [number for number in range(4) if order[number] != number or number in changed]
    if not wrong:
        assert sign(place, path, {})[0].already_logged == 4
        return
    before = place.records()
    error = refused(lambda: sign(place, path, {}))
    where = f"{path}, row {wrong[0]} (line {wrong[0] + 1}), column 'lineage_id'"
    assert (error.code, error.item) == ("lineage-id-differs", where)
    assert place.records() == before


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("cd" * 32, "lineage-id-unknown"),
        ("ab" * 31, "cell-illegal"),
        ("ab" * 33, "cell-illegal"),
        ("", "cell-illegal"),
        (7, "cell-illegal"),
        (["ab" * 32], "cell-illegal"),
    ],
)
def test_what_is_no_id_of_the_row_is_refused(place: Place, cell: Any, code: str) -> None:
    path = dataset(place, {"text": "one", "lineage_id": None}, {"text": "two", "lineage_id": cell})
    error = refused(lambda: sign(place, path, {}))
    assert (error.code, error.item) == (code, f"{path}, row 1 (line 2), column 'lineage_id'")


def test_an_id_counts_under_its_form_alone(place: Place) -> None:
    """The same bytes as text and as a whole row are two contents."""
    whole, _ = sign(place, dataset(place, {"a": 1}), {}, column=None)
    path = dataset(place, {"text": '{"a":1}', "lineage_id": whole.ids[0].hex()})
    assert refused(lambda: sign(place, path, {})).code == "lineage-id-differs"


def test_an_artifact_that_was_disowned_is_no_artifact_of_the_row(place: Place) -> None:
    signed, _ = sign(place, dataset(place, {"text": "t"}), {})
    with place.open() as door:
        since = signed.log_indices[0]
        door.change_keys("ada", ledger_change(since), unencrypted=True)
    path = dataset(place, {"text": "t", "lineage_id": signed.ids[0].hex()})
    assert refused(lambda: sign(place, path, {})).code == "lineage-id-unknown"


def ledger_change(since: int) -> Any:
    from ledger.api import KeyChange

    return KeyChange("rotate", since=since)


def test_rows_that_are_held_may_be_parents_of_later_ones(place: Place) -> None:
    signed, _ = sign(place, dataset(place, {"text": "one"}), {})
    path = dataset(
        place,
        {"text": "one", "lineage_id": signed.ids[0].hex(), "from": None},
        {"text": "two", "lineage_id": None, "from": "quotes=row:0"},
    )
    again, (_, two) = sign(place, path, {"parents": "from"})
    assert two.parents == (Parent("quotes", signed.ids[0]),)
    assert (again.new, again.already_logged) == (1, 1)
