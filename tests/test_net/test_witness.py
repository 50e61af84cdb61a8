"""What is said to a witness, and what becomes of what it answers: recorded talks replayed, and lies (C2SP tlog-witness, SPEC §10.9)."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import spec
from ledger.errors import LineageError, PolicyDenied, ProofInvalid, RefusedInput
from ledger.identity import ml_dsa
from ledger.identity.c2sp_text import encode_base64
from ledger.identity.vkey import Vkey
from ledger.net import add_checkpoint
from ledger.net.exchange import Answer
from ledger.net.witness import Given, Submission, submit
from ledger.proofs.checkpoint import open_checkpoint
from ledger.proofs.cosignatures import verify_lines
from ledger.proofs.note import NoteSignature, parse_note
from tests.loopback import Request, Sent, http, serving, sized
from tests.made_witness import witnessing
from tests.shared import vectors
from tests.test_net.record import FOLDER, outcome
from tests.test_net.scene import Shown, shown, size_of
from tests.test_proofs.witnesses import Cosigner

TRANSCRIPTS = sorted(FOLDER.glob("*.json"))
W = Cosigner("witness.example/w1")
PEOPLE = 3
SIZE = size_of(PEOPLE)


@cache
def scene() -> Shown:
    return shown(PEOPLE)


def line(cosigner: Cosigner = W, time_s: int = 1_000) -> str:
    return cosigner.line(scene().checkpoint, time_s)


def asked(*answers: Sent, known: int = 0) -> tuple[Given | LineageError, list[Request]]:
    """What comes of a witness that answers so, one after the other; and what it was asked."""
    left = list(answers)
    came: Given | LineageError
    with serving(lambda _request: left.pop(0) if left else None) as server:
        try:
            came = submit(server.url, scene().submission, known)
        except LineageError as error:
            came = error
    if isinstance(came, LineageError):
        assert came.item == f"witness {server.url}"
        assert came.fix
    return came, server.requests


def invalid(*answers: Sent, known: int = 0) -> str:
    error, _requests = asked(*answers, known=known)
    assert isinstance(error, ProofInvalid), error
    assert error.code == "witness-answer-invalid"
    return error.reason


# --- recorded talks ---------------------------------------------------------------------------------------------


def test_the_transcripts_are_there() -> None:
    """As many of each source as were recorded; every status that C2SP names is among them."""
    names = [path.stem for path in TRANSCRIPTS]
    assert (len(names), sum(name.startswith("peer-") for name in names)) == (21, 7)
    statuses = {said["status"] for path in TRANSCRIPTS for said in read(path)["exchanges"]}
    assert {200, 400, 403, 404, 409, 422} <= statuses


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_a_recorded_talk_is_the_same_again(path: Path) -> None:
    """Byte for byte what was said then is said now, and it comes to the same."""
    transcript = read(path)
    left = list(transcript["exchanges"])

    def answer(request: Request) -> Sent:
        said = left.pop(0)
        assert request.line == "POST /add-checkpoint HTTP/1.1"
        if request.body.decode() != said["request"]:
            return http(599, b"that was not said then")
        return http(said["status"], said["body"].encode(), said["media"])

    with serving(answer) as server:
        came = outcome(
            server.url,
            transcript["people"],
            transcript["known_size"],
            transcript["vkeys"],
            *transcript["others"],
        )
        assert server.connections == 1
    assert came == transcript["outcome"]
    assert not left


def read(path: Path) -> Any:
    return json.loads(path.read_bytes())


# --- what is said ------------------------------------------------------------------------------------------------


def test_a_request_is_the_one_of_the_specification() -> None:
    path = [bytes([n]) * 32 for n in range(2)]
    body = add_checkpoint.request(20, path, "origin\n30\nroot\n\n— origin xyz=\n")
    hashes = "".join(f"{encode_base64(each)}\n" for each in path)
    assert body.decode() == f"old 20\n{hashes}\norigin\n30\nroot\n\n— origin xyz=\n"
    assert add_checkpoint.request(0, (), "note\n") == b"old 0\n\nnote\n"


@pytest.mark.parametrize("known", range(SIZE + 1))
def test_a_witness_that_follows_takes_every_proof(known: int) -> None:
    """From every size; a naive verifier decides."""
    with witnessing(W) as (witness, server):
        if known:
            witness.held[scene().checkpoint.origin] = (known, root_at(known))
        given_ = submit(server.url, scene().submission, known)
    assert witness.statuses == [200]
    assert given_.requests == 1
    (held,) = verify_lines(scene().text, given_.lines, W.vkey) or ()
    assert held.signature == given_.lines[0]


def root_at(size: int) -> bytes:
    from ledger.merkle.tree import hash_leaf, root_of

    return root_of([hash_leaf(scene().view.entry(index)) for index in range(size)])


def test_no_more_than_is_allowed_is_sent() -> None:
    """C2SP allows 63 lines of proof; a tree of 2^48 leaves has fewer."""
    assert spec.TREE_SIZE_MAX.bit_length() + 1 < 63


# --- what is answered ----------------------------------------------------------------------------------------------


def test_lines_of_others_are_handed_on_and_nothing_is_believed() -> None:
    other = Cosigner("witness.example/other")
    given_, _requests = asked(http(200, (line(other) + line()).encode()))
    assert isinstance(given_, Given)
    assert [each.name for each in given_.lines] == [other.name, W.name]
    assert (given_.requests, given_.held_size) == (1, None)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n",
        b"OK\n",
        line().encode()[:-1],  # its newline is missing
        line().encode() + b"\n",
        line().encode() + b"and more\n",
        line().encode().replace(b"\n", b"\r\n"),
        line().replace("\u2014", "-").encode(),
        line().encode("utf-16"),
        b"\xff\xfe" + line().encode(),
        line().encode()[:-4] + b"\n",
        b"<html>\xe2\x80\x94 witness.example/w1</html>\n",
        line().encode() * (spec.NOTE_SIGNATURES_MAX + 1),
    ],
)
def test_noise_is_no_answer(body: bytes) -> None:
    assert "answer" in invalid(http(200, body))


def test_as_many_lines_as_a_note_holds_are_taken() -> None:
    given_, _requests = asked(http(200, line().encode() * spec.NOTE_SIGNATURES_MAX))
    assert isinstance(given_, Given)
    assert len(given_.lines) == spec.NOTE_SIGNATURES_MAX


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_lines_or_refused(body: bytes) -> None:
    lines = refused_or(add_checkpoint.lines_of, Answer(200, "", "", body))
    assert lines is None or "".join(f"{each}\n" for each in lines).encode() == body


def refused_or(read: Callable[[Answer, str], Any], answer: Answer) -> Any:
    """What is read; None: it is refused."""
    try:
        return read(answer, "http://x")
    except ProofInvalid as error:
        return None if error.code == "witness-answer-invalid" else error


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(max_size=40), st.integers(0, 2**70).map(lambda size: f"{size}\n".encode())))
def test_any_bytes_are_a_size_or_refused(body: bytes) -> None:
    size = refused_or(add_checkpoint.size_of, Answer(409, add_checkpoint.SIZE_TYPE, "", body))
    assert size is None or (f"{size}\n".encode() == body and size < 2**63)


# --- conflicts -----------------------------------------------------------------------------------------------------


def test_a_size_that_it_names_is_proved_from() -> None:
    given_, requests = asked(sized(4), http(200, line().encode()))
    assert given_ == Given((NoteSignature.parse(line()[:-1]),), 2, 4)
    first, second = (request.body.split(b"\n\n", 1) for request in requests)
    assert first[0] == b"old 0"
    proof = [encode_base64(each) for each in scene().view.consistency_path(4)]
    assert second[0].decode().split("\n") == ["old 4", *proof]
    assert first[1] == second[1]


def test_one_that_has_forgotten_all_is_asked_from_the_beginning() -> None:
    given_, requests = asked(sized(0), http(200, line().encode()), known=4)
    assert isinstance(given_, Given)
    assert given_.held_size == 0
    assert [request.body.split(b"\n")[0] for request in requests] == [b"old 4", b"old 0"]


def test_its_size_may_move_once_while_it_is_asked() -> None:
    given_, _requests = asked(sized(4), sized(6), http(200, line().encode()))
    assert isinstance(given_, Given)
    assert (given_.requests, given_.held_size) == (3, 6)


def test_one_that_names_size_after_size_is_left() -> None:
    """It would be asked for ever; each answer costs a proof."""
    left = [sized(each) for each in (4, 6, 3, 5, 2)]
    error, requests = asked(*left)
    assert isinstance(error, ProofInvalid)
    assert error.code == "witness-answer-invalid"
    assert len(requests) == spec.WITNESS_REQUESTS_MAX


@pytest.mark.parametrize("known", [0, 4, SIZE])
def test_one_that_names_the_size_it_was_asked_with_lies(known: int) -> None:
    assert f"another size than {known}" in invalid(sized(known), known=known)


@pytest.mark.parametrize("held", [SIZE + 1, 2**40, 2**63 - 1])
def test_one_that_holds_more_than_is_shown(held: int) -> None:
    error, requests = asked(sized(held), http(200, line().encode()))
    assert isinstance(error, RefusedInput)
    assert error.code == "checkpoint-behind"
    assert f"{held:,}" in error.reason
    assert len(requests) == 1


@pytest.mark.parametrize(
    ("body", "media"),
    [
        (b"4", "text/x.tlog.size"),
        (b"4\n\n", "text/x.tlog.size"),
        (b"04\n", "text/x.tlog.size"),
        (b"+4\n", "text/x.tlog.size"),
        (b"-1\n", "text/x.tlog.size"),
        (b"4.0\n", "text/x.tlog.size"),
        ("\u0664\n".encode(), "text/x.tlog.size"),
        (b"\xff\n", "text/x.tlog.size"),
        (b"", "text/x.tlog.size"),
        (b"9223372036854775808\n", "text/x.tlog.size"),
        (b"9" * 100_000 + b"\n", "text/x.tlog.size"),
        (b"4\n", "text/plain"),
        (b"4\n", ""),
    ],
)
def test_a_conflict_without_a_size_is_noise(body: bytes, media: str) -> None:
    assert "409" in invalid(http(409, body, media), http(200, line().encode()))


@pytest.mark.parametrize("media", ["TEXT/X.TLOG.SIZE", "text/x.tlog.size; charset=utf-8"])
def test_a_media_type_has_no_case_and_may_have_parameters(media: str) -> None:
    given_, _requests = asked(http(409, b"4\n", media), http(200, line().encode()))
    assert isinstance(given_, Given)


# --- refusals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "status", [201, 204, 301, 308, 400, 401, 403, 404, 405, 413, 422, 429, 500, 502, 503]
)
def test_any_other_status_is_a_refusal(status: int) -> None:
    error, requests = asked(http(status, b"" if status == 204 else b"because\n"), http(200, line().encode()))
    assert isinstance(error, PolicyDenied)
    assert error.code == "witness-refused"
    assert f"HTTP {status}" in error.reason
    assert ("'because'" in error.reason) == (status not in (204, 301, 308))
    assert len(requests) == 1


def test_each_status_of_the_specification_says_what_it_means() -> None:
    reasons = set()
    for status in (400, 403, 404, 422, 500):
        error, _requests = asked(http(status))
        assert isinstance(error, PolicyDenied)
        reasons.add(error.reason.partition(" (HTTP")[0])
    assert len(reasons) == 5


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirection_is_told_and_not_followed(status: int) -> None:
    with witnessing(W) as (_witness, elsewhere):
        error, requests = asked(http(status, Location=f"{elsewhere.url}/add-checkpoint"))
        assert isinstance(error, PolicyDenied)
        assert elsewhere.url in error.reason
    assert (len(requests), elsewhere.requests) == (1, [])


def test_what_it_says_harms_no_terminal_and_is_cut() -> None:
    error, _requests = asked(http(400, b"\x1b[2Jred\r\n\xff" + b"x" * 10_000))
    assert isinstance(error, PolicyDenied)
    assert error.reason.isprintable()
    assert len(error.reason) < 400


# --- 0x06 ------------------------------------------------------------------------------------------------------------


def test_published_lines_of_both_types_come_back() -> None:
    """The published vectors, by way of a witness: an 0x04 line and an 0x06 line of one checkpoint."""
    folder = vectors("cosignatures")
    note = parse_note((folder / "checkpoint.note").read_bytes())
    log, *witnesses = (
        Vkey.parse((folder / f"{name}.vkey").read_text().strip()) for name in ("log", "wit", "witpq")
    )
    own, *cosigned = (f"{each}\n" for each in note.signatures)
    checkpoint = open_checkpoint(f"{note.text}\n{own}", [log])
    submission = Submission(f"{note.text}\n{own}", checkpoint.size, no_proof)
    with serving(lambda _request: http(200, "".join(cosigned).encode())) as server:
        given_ = submit(server.url, submission, 0)
    times = [verify_lines(note.text, given_.lines, vkey) for vkey in witnesses]
    assert [[each.time_s for each in found or ()] for found in times] == [[1767225600], [1767225600]]
    for vkey in witnesses:
        for wrong in (note.text.replace("\n5\n", "\n6\n"), note.text.replace("lineage", "lineaga")):
            with pytest.raises(ProofInvalid):
                verify_lines(wrong, given_.lines, vkey)


def no_proof(_old_size: int) -> Sequence[bytes]:
    raise AssertionError("the witness holds nothing: no proof is asked for")


def test_lines_that_no_library_verifies_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    quantum = Cosigner("witness.example/q", is_ml_dsa=True)
    lines = [NoteSignature.parse(line(quantum)[:-1])]
    assert len(verify_lines(scene().text, lines, quantum.vkey) or ()) == 1
    monkeypatch.setattr(ml_dsa, "verify", cannot_tell)
    assert verify_lines(scene().text, lines, quantum.vkey) is None
    assert verify_lines(scene().text, lines, W.vkey) == ()


cannot_tell: Callable[..., None] = lambda *_arguments: None  # noqa: E731
