"""The Python door: the few names that people import, and what a signing promises whatever happens in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ledger
from ledger import spec
from ledger.api import audit_folder
from ledger.cli.main import main
from ledger.errors import LineageError, NotFound, RefusedInput, StoreFault
from ledger.log.writer import LogWriter
from ledger.origin.people import humans_of_nodes
from ledger.proofs.facts import Ancestry, Node, Presence
from ledger.signer import drafts, signing
from ledger.signer.claims import pseudonym
from ledger.signer.lanes import Lane, hold_lane
from ledger.statements.record import Parent, decode_record, make_record
from ledger.statements.template import RecordTemplate
from ledger.store.lmdb import LmdbStore

ROOT = Path(__file__).resolve().parents[1]


class Place:
    """A ledger with the human ada, opened when asked; one in a test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "ledger"
        self.config = str(folder / "keys")
        if not self.path.exists():
            with ledger.create(self.path, unencrypted=True, config=self.config) as made:
                made.new_identity("ada", unencrypted=True)
        with self.open() as door:
            self.ada = door.keys.find("ada").id

    def open(self, **options: Any) -> ledger.Ledger:
        return ledger.open(self.path, config=self.config, **options)

    def rows(self, *texts: str) -> Path:
        path = self.folder / "rows.jsonl"
        path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
        return path

    def sign(self, *texts: str) -> ledger.Signed:
        with self.open() as door:
            return door.sign_rows(self.rows(*texts), "text", "ada")

    def records(self) -> list[bytes]:
        """All records of the log, in order."""
        with self.open() as door, door.view() as view:
            return [view.record(number) or b"" for number in range(view.record_count)]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_the_public_names_are_these() -> None:
    assert ledger.__all__ == [
        *("AdmittedRows", "Batch", "CallableSigner", "Claim", "Gated", "GivenKeys", "Item", "Ledger"),
        *("Parent", "Proof", "Session", "Signed", "Signer", "Verified", "VerifiedAncestry"),
        *("admitted_rows", "agent_key", "create", "derive", "for_torch", "gate", "import_key"),
        *("only_admitted", "open", "verify", "verify_receipt"),
    ]
    assert all(getattr(ledger, name) is not None for name in ledger.__all__)
    with pytest.raises(AttributeError):
        _ = ledger.absent
    parts = [kind for kind in ledger.Ledger.__mro__ if kind is not object]
    verbs = {name for kind in parts for name in vars(kind) if not name.startswith("_")}
    assert verbs == {
        *("cosign", "prove"),
        *("close", "sign", "sign_rows", "sign_again", "batch", "session"),
        *("new_identity", "delegate", "undelegate", "foresee", "change_keys"),
        *("settle_keys", "kept_changes", "foresee_kept", "resume_keys", "discard_keys"),
        *("clock_ms", "names", "pending_recovery"),
        *("show_identity", "list_identities", "identity_id", "daily_keys", "history"),
        *(
            "endorse",
            "end_endorsement",
            "attest",
            "notice",
            "erase",
            "foresee_erase",
            "erasures",
            "carry_out_erasures",
            "erase_profile",
            "rules",
            "set_rules",
            "contest",
            "append_entries",
            "append_files",
            "drain",
            "follow",
        ),
        *("view", "resolve", "find_all", "find_text", "first_index_since", "descendants"),
        *("superseded", "without_effect", "kept_content"),
        *("foresee_receipts", "write_receipts", "write_row_receipts"),
        *("foresee_salts", "write_salts", "foresee_lineage", "write_lineage"),
        *("foresee_signing", "foresee_signing_rows", "batch", "session"),
        *("import_rows", "rebuild_rows", "search", "search_text", "prove_row", "gate"),
        *("trace", "paths", "receipt", "checkpoint", "checkpoint_note", "status"),
        *("publish", "sign_checkpoint", "sign_manifest"),
    }


def test_importing_it_loads_nothing_heavy() -> None:
    script = "import sys, ledger; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(ran.stdout.split())
    assert "ledger" in loaded
    assert not {name for name in loaded if name.startswith("ledger.")}
    assert not loaded & {
        "lmdb",
        "msgpack",
        "nacl",
        "cryptography",
        "filelock",
        "platformdirs",
        "rfc8785",
        "json",
    }


def test_the_command_line_and_the_door_give_the_same(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINEAGE_LEDGER", str(place.path))
    monkeypatch.setenv("LINEAGE_CONFIG", place.config)

    def lineage(*arguments: str) -> dict[str, Any]:
        capsys.readouterr()
        assert main([*arguments, "--json"]) == 0
        document: dict[str, Any] = json.loads(capsys.readouterr().out)
        return document

    source, work = place.folder / "source.md", place.folder / "work.md"
    source.write_text("a source")
    work.write_text("a work")
    with place.open() as door:
        (source_id,) = door.sign([source], "ada").ids
        claim = ledger.Claim(human=600_000, parents=(ledger.Parent("derived-from", source_id, 400_000),))
        (work_id,) = door.sign([work], "ada", claim).ids
        records = {artifact.hex() for artifact in (source_id, work_id)}
        ancestry, checkpoint = door.trace(work_id), door.checkpoint()
    again = lineage("sign", str(source), "--by", "ada")
    assert (again["already_logged"], again["artifacts"][0]["id"]) == (1, source_id.hex())
    again = lineage("sign", str(work), "--human", "60%", "--parent", f"{source}@40%")
    assert (again["already_logged"], again["artifacts"][0]["id"]) == (1, work_id.hex())
    traced = lineage("trace", str(work))
    assert {traced["id"], traced["parents"][0]["id"]} == records
    assert traced["humans"] == [human.hex() for human in ancestry.humans] == [place.ada.hex()]
    assert lineage("log", "checkpoint")["root"] == checkpoint.root.hex()
    with place.open() as door:
        assert lineage_status_differs(door.status(), capsys) == {}


def lineage_status_differs(status: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What `lineage status` says otherwise; run as another process, since the door is open in this one."""
    script = "from ledger.cli.main import main; raise SystemExit(main(['status', '--json']))"
    ran = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    told = json.loads(ran.stdout)
    return {name: told.get(name) for name in status if told.get(name) != status[name]}


@pytest.mark.parametrize(("count", "statements"), [(1, 1), (3, 1), (4, 2), (6, 2), (7, 3)])
def test_records_go_into_as_few_statements_as_fit(
    place: Place, monkeypatch: pytest.MonkeyPatch, count: int, statements: int
) -> None:
    monkeypatch.setattr(signing, "chunks", partial(drafts.chunks, count_max=3))
    signed = place.sign(*(f"text {number}" for number in range(count)))
    assert signed.new == count
    assert len(set(signed.log_indices)) == statements
    assert signed.log_indices == sorted(signed.log_indices)
    assert len(place.records()) == count


def test_groups_are_bounded_by_count_and_by_bytes() -> None:
    assert drafts.chunks.__defaults__ == (spec.STATEMENT_RECORDS_MAX, spec.STATEMENT_RECORDS_BYTES_MAX)
    records = [bytes(size) for size in (4, 4, 1, 9, 20, 3)]
    groups = list(drafts.chunks(records, count_max=3, bytes_max=10))
    assert groups == [[bytes(4), bytes(4), bytes(1)], [bytes(9)], [bytes(20)], [bytes(3)]]
    assert list(drafts.chunks([], count_max=3)) == []


def test_duplicates_are_one_artifact_and_known_ones_are_left_out(place: Place) -> None:
    first = place.sign("a", "b", "a")
    assert (first.new, first.already_logged, list(first.labels)) == (2, 0, [0, 1, 2])
    assert first.ids[0] == first.ids[2]
    second = place.sign("c", "b", "c", "d")
    assert (second.new, second.already_logged) == (2, 1)
    assert second.log_indices[1] == first.log_indices[1]
    assert len(place.records()) == 4
    third = place.sign("a", "b", "c", "d")
    assert (third.new, third.already_logged, len(place.records())) == (0, 4, 4)
    assert third.guessable == 4


class KilledError(BaseException):
    """The process dies here."""


def kill(*_arguments: object) -> None:
    raise KilledError


def test_what_was_left_pending_is_sent_before_anything_is_asked(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between keeping and acknowledging: the same signing again must not log the same records twice."""
    with place.open() as door:
        identity = door.keys.find("ada")
    with monkeypatch.context() as patch:
        patch.setattr(LogWriter, "append", kill)
        with pytest.raises(KilledError):
            place.sign("a", "b")
        with hold_lane(identity.lanes, identity.id), pytest.raises(KilledError):
            place.sign("c")  # as by a second process, in a lane of its own
    assert place.records() == []
    with place.open() as door:
        assert door.status()["identities"][0]["pending"] == 2
    signed = place.sign("a", "b", "c", "d")
    assert (signed.new, signed.already_logged) == (1, 3)
    assert len(place.records()) == 4
    with place.open() as door:
        assert door.status()["identities"][0]["pending"] == 0
    assert audit_folder(place.path).ok


def test_a_pending_parcel_that_is_refused_does_not_hold_up_what_follows(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(LogWriter, "append", kill)
        with pytest.raises(KilledError):
            place.sign("a")
    refuse = RefusedInput("lane-broken", "lane", "planned")
    real = LogWriter.append
    answers = iter([[refuse]])

    def append(writer: LogWriter, submissions: Any) -> Any:
        return next(answers, None) or real(writer, submissions)

    monkeypatch.setattr(LogWriter, "append", append)
    assert place.sign("a", "b").new == 2
    assert len(place.records()) == 2


STEPS: Sequence[tuple[Any, str]] = (
    *((os, name) for name in ("fsync",)),
    *((Path, name) for name in ("rename", "replace", "unlink", "mkdir")),
    *((LmdbStore, name) for name in ("commit", "close")),
    *((Lane, name) for name in ("keep", "acknowledged")),
    *((LogWriter, name) for name in ("append", "_finish")),
)


class Death:
    """The process dies before its n-th step to the disk; whatever is tried then fails too."""

    def __init__(self, number: int) -> None:
        self.left = number
        self.is_over = False

    def step(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **options: Any) -> Any:
            self.left -= 1
            if self.left <= 0:
                self.is_over = True
                raise OSError(5, "dead")
            return real(*arguments, **options)

        return run


def test_a_signing_that_dies_anywhere_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing, "chunks", partial(drafts.chunks, count_max=2))
    texts = ("a", "b", "c", "a")
    (tmp_path / "0").mkdir()
    Place(tmp_path / "0")
    number = 0
    while True:
        number += 1
        shutil.copytree(tmp_path / "0", tmp_path / str(number))
        place = Place(tmp_path / str(number))
        death = Death(number)
        door = place.open()
        with monkeypatch.context() as patch:
            for owner, name in STEPS:
                patch.setattr(owner, name, death.step(getattr(owner, name)))
            try:
                door.sign_rows(place.rows(*texts), "text", "ada")
            except (OSError, LineageError):
                assert death.is_over
        door.close()
        if not death.is_over:
            break
        signed = place.sign(*texts)
        assert signed.new + signed.already_logged == 3
        records = Counter(place.records())
        assert len(records) == 3
        assert set(records.values()) == {1}
        report = audit_folder(place.path)
        assert report.ok, report.faults
    assert number > 30, "the steps were not found"


def test_an_enrolment_that_dies_anywhere_is_made_anew_or_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "0").mkdir()
    Place(tmp_path / "0")
    taken, number = 0, 0
    while True:
        number += 1
        shutil.copytree(tmp_path / "0", tmp_path / str(number))
        place = Place(tmp_path / str(number))
        death = Death(number)
        door = place.open()
        substrate = {"name": "m", "version": "1"}
        with monkeypatch.context() as patch:
            for owner, name in STEPS:
                patch.setattr(owner, name, death.step(getattr(owner, name)))
            try:
                door.new_identity("p", "pair", of="ada", substrate=substrate, unencrypted=True)
            except (OSError, LineageError):
                assert death.is_over
        door.close()
        if not death.is_over:
            break
        with place.open() as door:
            if "p" in door.keys.names():
                door.delegate("ada", "p", substrate)
                taken += 1
            else:
                door.new_identity("p", "pair", of="ada", substrate=substrate, unencrypted=True)
            assert door.sign_rows(place.rows("a"), "text", "p").new == 1
        assert audit_folder(place.path).ok
    assert 0 < taken < number - 1


SIGNER = """
import sys, ledger
path, config, rows = sys.argv[1:]
print("ready", flush=True)
sys.stdin.readline()
for number in range(4):
    with ledger.open(path, config=config) as door:
        print(door.sign_rows(f"{rows}{number}", "text", "ada").new, flush=True)
"""


def test_two_processes_that_sign_at_once_lose_nothing(place: Place) -> None:
    processes = []
    for name in ("x", "y"):
        for number in range(4):
            rows = [json.dumps({"text": f"{name} {number} {row}"}) + "\n" for row in range(20)]
            (place.folder / f"{name}{number}").write_text("".join(rows))
        arguments = [sys.executable, "-c", SIGNER, str(place.path), place.config, str(place.folder / name)]
        processes.append(
            subprocess.Popen(arguments, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        )
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        out, _ = process.communicate(timeout=60)
        assert (out, process.returncode) == ("20\n" * 4, 0)
    assert len(set(place.records())) == len(place.records()) == 160
    assert audit_folder(place.path).ok


def test_two_holders_get_two_lanes(place: Place) -> None:
    with place.open() as door:
        identity = door.keys.find("ada")
    with hold_lane(identity.lanes, identity.id) as one, hold_lane(identity.lanes, identity.id) as other:
        assert one.id != other.id
        signed = place.sign("a")
    with place.open() as door, door.view() as view:
        from ledger.statements.entry import decode_entry

        lane = decode_entry(view.entry(signed.log_indices[0])).statement.fields["lane"]
    assert lane not in {one.id, other.id}


def test_authors_are_reported_by_pseudonyms_of_their_own(place: Place) -> None:
    rows = [("a", "Zoë"), ("a", "Ben"), ("b", "Zoë"), ("a", "Zoë")]
    path = place.folder / "rows.jsonl"
    path.write_text("".join(json.dumps({"text": text, "by": author}) + "\n" for text, author in rows))
    claim = ledger.Claim(reported=True)
    with place.open() as door:
        signed = door.sign_rows(path, "text", "ada", claim, columns={"attributed": "by"})
        alone = door.sign_rows(place.rows("b"), "text", "ada", ledger.Claim(reported=True, author="Zoë"))
    assert signed.new == 3
    assert signed.ids[0] == signed.ids[3] != signed.ids[1]
    assert (alone.ids, alone.already_logged) == ([signed.ids[2]], 1), (
        "one author, one pseudonym, however named"
    )
    records = [decode_record(data).fields for data in place.records()]
    assert len({record["attributed"] for record in records}) == 2
    assert not any("Zoë".encode() in data or b"Ben" in data for data in place.records())


@pytest.mark.parametrize(
    ("claim", "code"),
    [
        (ledger.Claim(kind="poem"), "schema"),
        (ledger.Claim(author="Ben"), "record-illegal"),
        (ledger.Claim(human=-1), "schema"),
        (ledger.Claim(human=1_000_001), "schema"),
        (ledger.Claim(parents=(ledger.Parent("begat", bytes(32)),)), "schema"),
        (ledger.Claim(parents=(ledger.Parent("derived-from", bytes(31)),)), "schema"),
        (ledger.Claim(parents=(ledger.Parent("derived-from", bytes(32)),)), "parent-unknown"),
        (ledger.Claim(kind="output"), "role-illegal"),
        (ledger.Claim(rights={"license": "x\n"}), "schema"),
        (ledger.Claim(made=-1), "schema"),
    ],
)
def test_claims_that_are_refused_leave_nothing(place: Place, claim: ledger.Claim, code: str) -> None:
    with place.open() as door:
        size = door.checkpoint().size
        with pytest.raises(RefusedInput) as refused:
            door.sign_rows(place.rows("a"), "text", "ada", claim)
        assert refused.value.code == code
        assert door.checkpoint().size == size
        assert door.status()["identities"][0]["pending"] == 0
        assert door.sign_rows(place.rows("a"), "text", "ada").new == 1


def test_a_readonly_ledger_is_read_and_not_signed_in(place: Place) -> None:
    signed = place.sign("a")
    with place.open(readonly=True) as door:
        assert door.trace(signed.ids[0]).humans == (place.ada,)
        with pytest.raises(StoreFault) as refused:
            door.sign_rows(place.rows("b"), "text", "ada")
        assert refused.value.code == "store-readonly"
        assert door.status()["identities"][0]["pending"] == 0
    assert place.sign("b").new == 1


def test_what_cannot_be_found(place: Place) -> None:
    place.sign("a")
    with place.open() as door:
        for wanted in ("ab" * 8, "ab" * 32, place.rows("b")):
            with pytest.raises(NotFound) as refused:
                door.resolve(wanted)
            assert refused.value.code == "unlogged"
        with pytest.raises(NotFound):
            door.find_text("b")
        with pytest.raises(NotFound):
            door.receipt(bytes(32))


_PARENTS = st.lists(
    st.builds(
        Parent,
        st.just("derived-from"),
        st.binary(min_size=32, max_size=32),
        st.one_of(st.none(), st.integers(1, 200_000)),
        st.one_of(st.none(), st.binary(min_size=32, max_size=32)),
        st.one_of(st.none(), st.integers(0, spec.ROWS_MAX - 1)),
    ),
    max_size=5,
    unique_by=lambda parent: parent.id,
)


@given(
    st.binary(min_size=32, max_size=32),
    st.integers(0, spec.INTEGER_MAX),
    _PARENTS,
    st.sampled_from(("made", "reported")),
    st.one_of(st.none(), st.binary(min_size=32, max_size=32)),
    st.one_of(st.none(), st.integers(0, spec.INTEGER_MAX)),
    st.sampled_from((("raw", "text/plain"), ("jcs", "application/json"))),
)
def test_a_spliced_record_is_the_record(
    content: bytes,
    size: int,
    parents: list[Parent],
    stance: str,
    attributed: bytes | None,
    made: int | None,
    form: tuple[str, str],
) -> None:
    fields: dict[str, Any] = {
        "kind": "work",
        "maker": bytes(range(32)),
        "stance": stance,
        "form": form[0],
        "media": form[1],
        "parents": tuple(parents),
        "attributed": attributed if stance == "reported" else None,
        "made": made,
        "source": {"uri": "https://example.org/size"},
    }
    record = make_record(content=content, size_bytes=size, **fields)
    assert RecordTemplate(**fields).encode(content, size) == record.encoded


def test_pseudonyms_are_keyed_and_of_fixed_form() -> None:
    """HMAC-SHA-256 by another way: OpenSSL's, through hashlib, written out (RFC 2104)."""
    import hashlib

    key, author = bytes(range(32)), "Zoë Example"
    padded = key.ljust(64, b"\0")
    inner = hashlib.sha256(
        bytes(byte ^ 0x36 for byte in padded) + b"lineage/pseudonym/v1\n" + author.encode()
    )
    outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in padded) + inner.digest()).digest()
    assert pseudonym(key, author) == outer
    assert pseudonym(bytes(32), author) != outer


def test_humans_are_found_whatever_the_order_in_the_log(place: Place) -> None:
    """A child may stand by an earlier place than the one by which its parent stands."""
    record = make_record(
        kind="work", maker=place.ada, content=bytes(32), size_bytes=1, media="text/plain", human=spec.PPM
    )
    parent = Node(b"p", Presence.STANDS, record=record, anchor=b"human", log_index=9, record_index=0)
    children = [
        Node(
            bytes([number]),
            Presence.STANDS,
            record=record,
            log_index=number,
            record_index=0,
            parents=(Parent("derived-from", b"p" if number == 7 else bytes([number + 1])),),
        )
        for number in range(8)
    ]
    nodes = {node.id: node for node in (*children, parent)}
    with place.open() as door:
        ancestry = Ancestry(children[0].id, bytes(32), door.checkpoint(), nodes, frozenset(), (), ())
    assert set(humans_of_nodes(ancestry).values()) == {frozenset({b"human"})}
