"""Rows proved and sidecars checked: against the naive tree, and with each byte of a sidecar changed in turn."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from ledger.errors import ProofInvalid, RefusedInput, StoreFault
from ledger.proofs.rows import (
    check_row,
    check_rows,
    find_row,
    open_rows,
    prove_row,
    rows_record_of,
)
from ledger.statements.record import Record, make_record
from ledger.statements.rows import make_rows_record
from ledger.store.rows_file import RowsFile
from tests import reference
from tests.test_merkle.forest import flipped, mutations

MAKER = bytes(range(32))


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def record_of(digests: list[bytes]) -> Record:
    return make_rows_record(
        maker=MAKER,
        root=reference.mth(digests),
        count=len(digests),
        size_bytes=7,
        column="text",
        is_text=True,
        rights={"license": "CC0-1.0"},
        source={"uri": "https://example.org/rows"},
    )


def write(folder: Path, digests: list[bytes]) -> tuple[Record, Path]:
    record = record_of(digests)
    path = folder / "sidecar"
    path.write_bytes(reference.sidecar(record.encoded, digests))
    return record, path


def rows_of(count: int, copies_of_0: int = 1) -> list[bytes]:
    return [digest("0" if row < copies_of_0 else str(row)) for row in range(count)]


@pytest.mark.parametrize("count", [1, 2, 3, 255, 256, 257, 600])
def test_every_row_is_proved_by_the_naive_path(tmp_path: Path, count: int) -> None:
    digests = rows_of(count)
    record, path = write(tmp_path, digests)
    with RowsFile(path) as rows:
        assert check_rows(record.id, rows).encoded == record.encoded
        for row in range(0, count, max(1, count // 40)):
            found, proof = prove_row(record, rows, row)
            assert (found, proof) == (digests[row], reference.path(row, digests))
            check_row(record, row, found, proof)
            match = find_row(record, rows, found)
            assert match is not None
            assert (match.row, match.copies, match.path) == (row, 1, proof)
        assert find_row(record, rows, digest("absent")) is None
        for row in (-1, count):
            with pytest.raises(RefusedInput) as caught:
                prove_row(record, rows, row)
            assert caught.value.code == "index-out-of-range"


def test_of_equal_rows_the_first_is_shown(tmp_path: Path) -> None:
    record, path = write(tmp_path, [digest("z"), *rows_of(40, copies_of_0=9)])
    with RowsFile(path) as rows:
        found = find_row(record, rows, digest("0"))
    assert found is not None
    assert (found.row, found.copies) == (1, 9)


def test_a_proof_of_another_row_digest_or_record_does_not_hold(tmp_path: Path) -> None:
    digests = rows_of(300)
    record, path = write(tmp_path, digests)
    with RowsFile(path) as rows:
        found, proof = prove_row(record, rows, 77)
    other = record_of([*digests, digest("one more")])
    wrong: list[tuple[Record, int, bytes, list[bytes]]] = [
        (record, 77, flipped(found), proof),
        (record, 76, found, proof),
        (record, 300, found, proof),
        (record, -1, found, proof),
        (record, 77, found[:-1], proof),
        (record, 77, b"", proof),
        (other, 77, found, proof),
        *((record, 77, found, path) for path in mutations(proof)),
    ]
    for arguments in wrong:
        with pytest.raises(ProofInvalid) as caught:
            check_row(*arguments)
        assert caught.value.code == "inclusion-invalid"


def test_a_record_of_no_rows_proves_none() -> None:
    content = digest("0")
    record = make_record(kind="work", maker=MAKER, content=content, size_bytes=1, media="text/plain")
    with pytest.raises(ProofInvalid):
        check_row(record, 0, content, [])


def test_rows_records_are_known_by_their_bytes() -> None:
    record = record_of(rows_of(3))
    found = rows_record_of(record.encoded)
    assert found is not None
    assert found.id == record.id
    work = make_record(kind="work", maker=MAKER, content=bytes(32), size_bytes=1, media="text/plain")
    assert rows_record_of(work.encoded) is None
    assert rows_record_of(record.encoded + b"x") is None


def refused(path: Path, record: Record) -> bool:
    """Whether the check of the whole file names what is wrong."""
    try:
        with RowsFile(path) as rows:
            check_rows(record.id, rows)
    except (ProofInvalid, StoreFault) as error:
        return error.code in ("rows-differ", "rows-damaged") and bool(error.reason and error.fix)
    return False


@pytest.mark.parametrize("count", [1, 5, 258])
def test_every_flipped_byte_is_found(tmp_path: Path, count: int) -> None:
    record, path = write(tmp_path, rows_of(count, copies_of_0=min(2, count)))
    whole = path.read_bytes()
    assert not refused(path, record)
    step = 1 if count < 10 else 7
    for at in range(0, len(whole), step):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :])
        assert refused(path, record), f"byte {at}"


def test_a_whole_sidecar_of_another_record_is_refused(tmp_path: Path) -> None:
    record, _ = write(tmp_path, rows_of(5))
    other, path = write(tmp_path, rows_of(6))
    assert refused(path, record)
    work = make_record(kind="work", maker=MAKER, content=bytes(32), size_bytes=1, media="text/plain")
    for lie in (work.encoded, b"\x80"):
        path.write_bytes(reference.sidecar(lie, rows_of(6)))
        with RowsFile(path) as rows, pytest.raises(ProofInvalid):
            open_rows(hashlib.sha256(b"\0" + lie).digest(), rows)
    assert other.row_count == 6
    path.write_bytes(reference.sidecar(record.encoded, rows_of(5, copies_of_0=2)))
    assert refused(path, record), "whole in itself, but not what was signed"


@pytest.mark.parametrize("swap", [(0, 1), (2, 3)])
def test_an_order_that_names_a_row_twice_or_out_of_turn(tmp_path: Path, swap: tuple[int, int]) -> None:
    digests = rows_of(6, copies_of_0=2)
    record, path = write(tmp_path, digests)
    whole = path.read_bytes()
    at = 24 + len(record.encoded) + 6 * 32
    places = [whole[at + 4 * n : at + 4 * n + 4] for n in range(6)]
    one, other = swap
    for changed in (
        [*places[:one], places[other], *places[one + 1 :]],
        [*places[:one], places[other], places[one], *places[other + 1 :]],
    ):
        path.write_bytes(whole[:at] + b"".join(changed) + whole[at + 24 :])
        assert refused(path, record)


@settings(deadline=None)  # a property over files
@given(st.data())
def test_a_hostile_sidecar_adds_no_row(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Whatever is changed behind the record: what is found is what was signed, or nothing, or the sidecar is accused."""
    digests = rows_of(9, copies_of_0=3)
    record, path = write(tmp_path_factory.mktemp("hostile"), digests)
    whole = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(24 + len(record.encoded), len(whole) - 1))] = data.draw(
            st.integers(0, 255)
        )
    path.write_bytes(whole)
    wanted = data.draw(st.sampled_from([*digests, digest("absent")]))
    with RowsFile(path) as rows:
        try:
            found = find_row(record, rows, wanted)
        except ProofInvalid as error:
            note(error.reason)
            return
    if found is not None:
        assert digests[found.row] == wanted
        check_row(record, found.row, wanted, found.path)
