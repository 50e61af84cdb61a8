"""tlog-proof files: byte for byte what a foreign tool prints, one spelling, bounded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import metamorphic_log
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tlog_scales import backend, cli, reader, signing, tiles, writer

from ledger import spec
from ledger.errors import ProofInvalid
from ledger.identity import ed25519
from ledger.identity.vkey import Vkey
from ledger.proofs.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from ledger.proofs.tlog_proof import PATH_HASHES_MAX, TlogProof

SEED = bytes([9]) * 32
ORIGIN = "log.example/lineage"
VKEY = Vkey.make(ORIGIN, ed25519.public_key(SEED))
HEADER = "c2sp.org/tlog-proof@v1\n"
HASH = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


def checkpoint_note(size: int) -> str:
    return sign_checkpoint(
        Checkpoint(ORIGIN, size, bytes(32)), lambda message: ed25519.sign(SEED, message), VKEY.key
    )


NOTE = checkpoint_note(10)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A log of 300 leaves (one full tile and a partial one), written and signed by tlog-scales."""
    folder = tmp_path_factory.mktemp("tlog") / "log"
    log = writer.TilesWriter.create(folder, ORIGIN)
    for number in range(300):
        log.add_leaf(b"leaf %d" % number)
    log.commit([signing.PlainEd25519Signer(ORIGIN, SEED)])
    return folder, 300


def test_ours_is_what_the_foreign_tool_prints(
    tree: tuple[Path, int], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, size = tree
    log: Any = reader.TilesReader(backend.LocalBackend(folder))
    log.set_size(size)
    note = (folder / "checkpoint").read_text()
    checkpoint = open_checkpoint(note, [VKEY])
    assert checkpoint.size == size
    for index in (*range(0, size, 23), 255, 256, size - 1):
        arguments = cli.build_parser().parse_args(["gen-proof", str(folder), str(index)])
        cli.cmd_gen_proof(arguments)
        printed = capsys.readouterr().out
        path = tuple(log.get_inclusion_proof(index, size).node_hashes)
        assert TlogProof(index, path, note).format() == printed
        proof = TlogProof.parse(printed)
        assert proof == TlogProof(index, path, note)
        leaf_hash = tiles.leaf_hash(b"leaf %d" % index)
        metamorphic_log.checkpoint_verify_inclusion(
            proof.checkpoint_note, [str(VKEY)], proof.index, leaf_hash, list(proof.path)
        )


def test_the_foreign_command_itself(tree: tuple[Path, int]) -> None:
    folder, size = tree
    command = Path(sys.executable).parent / "tlog-tiles"
    if not command.exists():
        pytest.skip("the command tlog-tiles is absent: pip install tlog-scales")
    printed = subprocess.run([command, "gen-proof", folder, "-1"], capture_output=True, check=True).stdout
    proof = TlogProof.parse(printed)
    assert proof.index == size - 1
    assert proof.format().encode() == printed
    assert open_checkpoint(proof.checkpoint_note, [VKEY]).size == size


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "does not begin"),
        (f"c2sp.org/tlog-proof@v2\nindex 0\n\n{NOTE}", "does not begin"),
        (f"{HEADER}index 0\n{NOTE}", "decimal|base64"),
        (f"{HEADER}index 0", "does not begin"),
        (f"{HEADER}\n{NOTE}", "no line with the index"),
        (f"{HEADER}{HASH}\n\n{NOTE}", "no line with the index"),
        (f"{HEADER}index 00\n\n{NOTE}", "no line with the index"),
        (f"{HEADER}index -1\n\n{NOTE}", "no line with the index"),
        (f"{HEADER}index  1\n\n{NOTE}", "no line with the index"),
        (f"{HEADER}index 1 \n\n{NOTE}", "no line with the index"),
        (f"{HEADER}1\n\n{NOTE}", "no line with the index"),
        (f"{HEADER}index 10\n\n{NOTE}", "not in a tree of 10"),
        (f"{HEADER}index {spec.TREE_SIZE_MAX}\n\n{NOTE}", "index 281474976710656 is not within"),
        (f"{HEADER}index 1\nextra AAAA\n\n{NOTE}", "line of the path"),
        (f"{HEADER}extra AAAA\nextra AAAA\nindex 1\n\n{NOTE}", "no line with the index"),
        (f"{HEADER}extra \nindex 1\n\n{NOTE}", "extra data is empty"),
        (f"{HEADER}extra AB==\nindex 1\n\n{NOTE}", "extra data is not canonical"),
        (f"{HEADER}extra AAA\nindex 1\n\n{NOTE}", "extra data is not canonical"),
        (f"{HEADER}index 1\n{HASH[:-2]}B=\n\n{NOTE}", "line of the path"),
        (f"{HEADER}index 1\nAAAA\n\n{NOTE}", "at most 64 hashes of 32 bytes"),
        (f"{HEADER}index 1\n" + f"{HASH}\n" * 65 + f"\n{NOTE}", "at most 64 hashes"),
        (f"{HEADER}extra AAAA\nindex 1\n" + f"{HASH}\n" * 65 + f"\n{NOTE}", "at most 64 hashes"),
        (f"{HEADER}index 1\n" + f"{HASH}\n" * 1000 + f"\n{NOTE}", "line of the path"),
        (f"{HEADER.replace(chr(10), chr(13) + chr(10))}index 1\n\n{NOTE}", "does not begin"),
        (f"{HEADER}index 1\ud800\n\n{NOTE}", "UTF-8"),
    ],
)
def test_what_is_no_tlog_proof_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ProofInvalid, match=reason) as failure:
        TlogProof.parse(text)
    assert failure.value.code == "receipt-invalid"
    assert failure.value.fix


@pytest.mark.parametrize(
    ("note", "code"),
    [
        ("", "note-invalid"),
        (NOTE[:-1], "note-invalid"),
        (f"\n{NOTE}", "checkpoint-invalid"),
        (f"{NOTE}\n", "note-invalid"),
        (NOTE.replace("\n10\n", "\n010\n"), "checkpoint-invalid"),
        (NOTE.replace("\n\n", "\nextension\n\n"), "checkpoint-invalid"),
    ],
)
def test_its_checkpoint_is_one_of_ours_in_form(note: str, code: str) -> None:
    with pytest.raises(ProofInvalid) as failure:
        TlogProof.parse(f"{HEADER}index 1\n\n{note}")
    assert failure.value.code == code


def test_path_and_size_are_bounded() -> None:
    assert PATH_HASHES_MAX == 64
    full = TlogProof(1, (bytes(32),) * 64, NOTE, b"more")
    assert TlogProof.parse(full.format()) == full
    room = (spec.RECEIPT_BYTES_MAX - len(TlogProof(1, (), NOTE).format().encode()) - len("extra \n")) // 4 * 3
    largest = TlogProof(1, (), NOTE, bytes(room))
    assert TlogProof.parse(largest.format()) == largest
    with pytest.raises(ProofInvalid, match=f"over {spec.RECEIPT_BYTES_MAX} bytes"):
        TlogProof(1, (), NOTE, bytes(room + 1))
    with pytest.raises(ProofInvalid, match=f"over {spec.RECEIPT_BYTES_MAX} bytes"):
        TlogProof.parse(largest.format() + "more\n" * 2)


@given(
    st.integers(0, spec.TREE_SIZE_MAX - 1),
    st.lists(st.binary(min_size=32, max_size=32), max_size=64),
    st.none() | st.binary(min_size=1, max_size=300),
)
@settings(max_examples=100, deadline=None)
def test_parse_and_format_are_inverse(index: int, path: list[bytes], extra: bytes | None) -> None:
    proof = TlogProof(index, tuple(path), checkpoint_note(index + 1), extra)
    assert TlogProof.parse(proof.format()) == proof
    assert TlogProof.parse(proof.format().encode()) == proof


def test_whatever_is_read_is_written_again_byte_for_byte() -> None:
    """Each byte changed to 255 others, dropped or doubled: a mutant is refused or has another value."""
    data = TlogProof(3, (bytes(32), b"\x01" * 32), NOTE, b"more").format().encode()
    mutants = [
        data[:place] + bytes([data[place] ^ change]) + data[place + 1 :]
        for place in range(len(data))
        for change in range(1, 256)
    ]
    mutants += [data[:place] + data[place + 1 :] for place in range(len(data))]
    mutants += [data[:place] + data[place : place + 1] + data[place:] for place in range(len(data))]
    read = 0
    for mutant in mutants:
        try:
            proof = TlogProof.parse(mutant)
        except ProofInvalid:
            continue
        read += 1
        assert proof.format().encode() == mutant
    assert read > len(data)
