"""Log checkpoints that witnesses cosign: asked, verified, kept, counted, published (SPEC §10.3, §10.9, §12.1)."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from ledger import spec
from ledger.api import audit_folder, examine
from ledger.api.cosigning import Answered, Cosigning
from ledger.errors import LineageError, PolicyDenied, ProofInvalid, RefusedInput, StoreFault, Undecided
from ledger.identity import ml_dsa
from ledger.origin.trust import parse_trust
from ledger.proofs.checkpoint import Checkpoint, open_checkpoint
from ledger.proofs.note import NoteSignature, format_note, parse_note
from ledger.signer.remembered import EVIDENCE
from tests.loopback import http, sized
from tests.made_witness import MadeWitness, now_s, witnessing
from tests.test_api import Place
from tests.test_proofs.witnesses import Cosigner

A, B, C = (Cosigner(f"witness.example/{name}") for name in "abc")
Q = Cosigner("witness.example/q", is_ml_dsa=True)
DAY_S = 86_400


class Scene:
    """A ledger, and witnesses a, b and q that can be reached."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.place = Place(folder)
        self.grown = 0
        self.witnesses: dict[str, MadeWitness] = {}
        for name, cosigner in (("a", A), ("b", B), ("q", Q)):
            self.witnesses[name], _server = stack.enter_context(witnessing(cosigner))
        self.folder = self.place.path / "cosigned"
        with self.place.open() as door:
            self.vkey = door.marker.vkey

    def named(self, *names: str) -> list[str]:
        return [f"{self.witnesses[name].cosigners[0].vkey} {self.witnesses[name].url}" for name in names]

    def trust(self, quorum: str = "group g all a b", more: str = "") -> bytes:
        """A trust file that believes everybody, with the three witnesses and their URLs."""
        lines = [f"log {self.vkey}"]
        lines += [
            f"witness {name} {each.cosigners[0].vkey} {each.url}" for name, each in self.witnesses.items()
        ]
        lines += [quorum, f"quorum {quorum.split(' ')[1]}" if " " in quorum else f"quorum {quorum}"]
        text = "".join(f"{line}\n" for line in lines if " " in line)
        return f'makers = "all"\n{more}tlog_policy = """\n{text}"""\n'.encode()

    def cosign(self, *names: str, trust: bytes | None = None, **options: Any) -> Cosigning:
        with self.place.open() as door:
            return door.cosign(self.named(*names), trust, **options)

    def answer(self, *names: str) -> Answered:
        (answered,) = self.cosign(*names).answers
        return answered

    def error(self, *names: str) -> LineageError:
        error = self.answer(*names).error
        assert error is not None
        assert error.fix
        return error

    def grow(self, *texts: str) -> None:
        self.grown += 1
        self.place.sign(*(texts or (f"text {self.grown}, by which the log grows",)))

    def says(self, name: str, sent: bytes | None) -> None:
        """What a witness answers from now on, whatever it is asked."""
        self.witnesses[name].instead = lambda _request: sent

    def kept(self) -> dict[int, list[str]]:
        """By size the names of who has a line in what is kept, with the log's first."""
        return {
            int(path.stem): [line.name for line in parse_note(path.read_bytes()).signatures]
            for path in sorted(self.folder.glob("*.note"))
        }

    def checkpoint(self) -> Checkpoint:
        with self.place.open() as door:
            return door.checkpoint()

    def asked(self, name: str) -> list[int]:
        """The statuses that a witness has answered since the last look."""
        statuses = list(self.witnesses[name].statuses)
        self.witnesses[name].statuses.clear()
        return statuses


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with ExitStack() as stack:
        yield Scene(tmp_path, stack)


def names(vkey: str, *cosigners: Cosigner) -> list[str]:
    return [vkey.split("+", maxsplit=1)[0], *(cosigner.name for cosigner in cosigners)]


# --- the usual case ----------------------------------------------------------------------------------------------------


def test_a_cosignature_is_verified_kept_and_shown(scene: Scene) -> None:
    made = scene.cosign("a")
    assert made.is_well
    (answered,) = made.answers
    assert (answered.witness.name, answered.requests, answered.error) == (A.name, 1, None)
    assert abs(answered.times_s[0] - now_s()) < spec.CLOCK_AHEAD_MAX_S
    assert scene.kept() == {made.checkpoint.size: names(scene.vkey, A)}
    (path,) = scene.folder.glob("*.note")
    assert path.read_text() == made.note
    with scene.place.open() as door:
        assert door.checkpoint_note() == made.note
        assert open_checkpoint(made.note, [door.vkey, A.vkey]) == door.checkpoint()


def test_it_is_asked_once_whenever_the_log_has_grown(scene: Scene) -> None:
    for _ in range(3):
        scene.grow()
        scene.cosign("a", "b")
    assert scene.asked("a") == scene.asked("b") == [200, 200, 200]
    assert list(scene.kept().values()) == [names(scene.vkey, A, B)] * 3
    assert scene.cosign("a").is_well  # the same checkpoint once more, from its own size
    assert scene.asked("a") == [200]


def test_who_has_lost_the_memory_asks_twice(scene: Scene) -> None:
    scene.cosign("a")
    scene.grow()
    shutil.rmtree(scene.folder)
    answered = scene.answer("a")
    assert (answered.error, answered.requests, answered.remark) == (None, 2, "")
    assert scene.asked("a") == [200, 409, 200]


def test_a_witness_that_forgot_is_told_of(scene: Scene) -> None:
    scene.cosign("a")
    scene.grow()
    scene.witnesses["a"].held.clear()
    answered = scene.answer("a")
    assert (answered.error, answered.requests) == (None, 2)
    assert "it has lost what it knew" in answered.remark


def test_lines_of_several_askings_are_joined(scene: Scene) -> None:
    first = scene.cosign("a")
    scene.witnesses["a"].time_s = lambda: now_s() + 20
    scene.cosign("a", "q")
    scene.witnesses["a"].time_s = lambda: now_s() + 10
    last = scene.cosign("a", "b")
    (kept,) = scene.kept().values()
    assert kept == names(scene.vkey, A, A, Q, B)  # of a the earliest and the latest
    assert set(parse_note(first.note).signatures) <= set(parse_note(last.note).signatures)


def test_witnesses_of_one_url_are_asked_once(scene: Scene) -> None:
    witness = scene.witnesses["a"]
    witness.cosigners = (A, Q)
    with scene.place.open() as door:
        made = door.cosign([f"{A.vkey} {witness.url}", f"{Q.vkey} {witness.url}"])
    assert made.is_well
    assert scene.asked("a") == [200]
    assert list(scene.kept().values()) == [names(scene.vkey, A, Q)]


def test_0x06_lines_are_kept_and_counted(scene: Scene) -> None:
    made = scene.cosign("q", trust=scene.trust("group g all q"))
    assert made.quorum is not None
    assert made.quorum.is_met
    assert list(scene.kept().values()) == [names(scene.vkey, Q)]


def test_what_nobody_here_can_verify_is_not_kept(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ml_dsa, "verify", lambda *_arguments: None)
    error = scene.error("q")
    assert isinstance(error, PolicyDenied)
    assert error.code == "witness-unverified"
    assert scene.kept() == {}


# --- who is asked ------------------------------------------------------------------------------------------------------


def test_the_trust_file_says_who_is_asked(scene: Scene) -> None:
    made = scene.cosign(trust=scene.trust())
    assert [each.witness.name for each in made.answers] == ["a", "b", "q"]
    assert made.is_well
    with scene.place.open() as door:
        for named in ("b", scene.witnesses["b"].url, scene.witnesses["b"].url + "/"):
            made = door.cosign([named], scene.trust("group g any a b q"))
            assert [each.witness.name for each in made.answers] == ["b"]


def test_a_url_without_a_key_is_not_asked(scene: Scene) -> None:
    url = scene.witnesses["a"].url
    for named, trust in (
        ([url], None),
        ([url + "/elsewhere"], scene.trust()),
        (["nobody"], scene.trust()),
        ([], None),
        ([], b'makers = "all"\n'),
        (["a"], scene.trust().replace(f" {url}".encode(), b"")),
    ):
        with scene.place.open() as door, pytest.raises(RefusedInput) as error:
            door.cosign(named, trust)
        assert error.value.code == "witness-unknown"
        assert "VKEY URL" in error.value.fix
    assert scene.asked("a") == []


@pytest.mark.parametrize(
    ("named", "code"),
    [
        ("{vkey} ftp://witness.example", "usage"),
        ("{vkey} https://u:p@witness.example", "usage"),
        ("ftp://witness.example", "usage"),
        ("{vkey}x https://witness.example", "key-refused"),
        ("some words https://witness.example", "key-refused"),
        ("{log} https://witness.example", "usage"),
    ],
)
def test_what_names_no_witness_is_refused(scene: Scene, named: str, code: str) -> None:
    text = named.format(vkey=A.vkey, log=scene.vkey)
    with scene.place.open() as door, pytest.raises(RefusedInput) as error:
        door.cosign([*scene.named("b"), text])
    assert error.value.code == code
    assert scene.asked("b") == []  # nobody was


def test_a_url_of_the_trust_file_that_is_none_keeps_nobody_from_being_asked(scene: Scene) -> None:
    trust = scene.trust("group g any a b").replace(scene.witnesses["a"].url.encode(), b"ftp://a.example")
    made = scene.cosign(trust=trust)
    assert [None if each.error is None else each.error.code for each in made.answers] == ["usage", None, None]
    assert made.is_well


def test_a_ledger_that_the_trust_file_does_not_know_is_shown_to_nobody(scene: Scene) -> None:
    other = scene.trust().replace(f"log {scene.vkey}".encode(), f"log {OTHER}".encode())
    with scene.place.open() as door, pytest.raises(PolicyDenied) as error:
        door.cosign((), other)
    assert error.value.code == "log-not-trusted"
    assert scene.asked("a") == []


def test_who_opened_it_for_reading_asks_nobody(scene: Scene) -> None:
    with scene.place.open(readonly=True) as door, pytest.raises(StoreFault) as error:
        door.cosign(scene.named("a"))
    assert error.value.code == "store-readonly"


# --- what is answered --------------------------------------------------------------------------------------------------


def lines(
    scene: Scene, *cosigners: Cosigner, time_s: int | None = None, checkpoint: Checkpoint | None = None
) -> bytes:
    of = checkpoint or scene.checkpoint()
    at_s = now_s() if time_s is None else time_s
    return "".join(cosigner.line(of, at_s) for cosigner in cosigners).encode()


def test_a_line_that_does_not_hold_is_never_kept(scene: Scene) -> None:
    """Of the right name and key id: garbage, another's signature, one of another checkpoint, one that is cut short."""
    head = scene.checkpoint()
    good = NoteSignature.parse(lines(scene, A).decode()[:-1])
    forged = [
        NoteSignature(A.name, A.vkey.key_id, bytes(8 + 64)),
        NoteSignature(A.name, A.vkey.key_id, good.signature[:-1]),
        NoteSignature(A.name, A.vkey.key_id, good.signature[:-1] + bytes([good.signature[-1] ^ 1])),
        NoteSignature(A.name, A.vkey.key_id, good.signature + b"\0"),
        NoteSignature(A.name, A.vkey.key_id, NoteSignature.parse(lines(scene, B).decode()[:-1]).signature),
        *(
            NoteSignature.parse(lines(scene, A, checkpoint=other).decode()[:-1])
            for other in (
                Checkpoint(head.origin, head.size - 1, head.root),
                Checkpoint(head.origin, head.size, bytes(32)),
                Checkpoint(head.origin + "x", head.size, head.root),
            )
        ),
    ]
    for line in forged:
        for body in (f"{line}\n", f"{good}\n{line}\n", f"{line}\n{good}\n"):
            scene.says("a", http(200, body.encode()))
            error = scene.error("a")
            assert isinstance(error, ProofInvalid), body
            assert error.code == "witness-answer-invalid"
    assert scene.kept() == {}
    scene.witnesses["a"].instead = None
    assert scene.cosign("a").is_well  # and nothing of it is in the way


def test_lines_of_others_are_not_kept(scene: Scene) -> None:
    """What somebody hands on cannot be verified here, and would spoil the note for who can."""
    scene.says("a", http(200, lines(scene, B, A, C)))
    assert scene.cosign("a").is_well
    assert list(scene.kept().values()) == [names(scene.vkey, A)]


@pytest.mark.parametrize("others", [(B,), (B, C)])
def test_an_answer_without_its_line_is_none(scene: Scene, others: Sequence[Cosigner]) -> None:
    scene.says("a", http(200, lines(scene, *others)))
    assert "no line of its answer is by witness.example/a" in scene.error("a").reason
    assert scene.kept() == {}


@pytest.mark.parametrize(
    ("off_s", "words"),
    [
        (-spec.CLOCK_AHEAD_MAX_S - 60, "behind the log's clock"),
        (spec.CLOCK_AHEAD_MAX_S + 60, "ahead of this machine's clock"),
        (-10 * 365 * DAY_S, "behind the log's clock"),
        (2**62, "ahead of this machine's clock"),
    ],
)
@pytest.mark.parametrize("who", ["a", "q"])
def test_a_time_that_would_convict_the_log_is_not_kept(
    scene: Scene, off_s: int, words: str, who: str
) -> None:
    scene.witnesses[who].time_s = lambda: now_s() + off_s
    error = scene.error(who)
    assert error.code == "witness-answer-invalid"
    assert words in error.reason
    assert scene.kept() == {}


def test_a_0x06_line_that_omits_its_time_is_not_kept(scene: Scene) -> None:
    scene.witnesses["q"].time_s = lambda: 0
    assert scene.error("q").code == "witness-answer-invalid"
    assert scene.kept() == {}


def test_one_that_fails_keeps_no_other_from_being_asked(scene: Scene) -> None:
    """Each in its way; in whatever order."""
    scene.says("a", http(500))
    trust = scene.trust("group g 2 a b q")
    for order in (("a", "b", "q"), ("q", "b", "a")):
        made = scene.cosign(*order)
        assert not made.is_well
        assert {each.witness.name: each.error is None for each in made.answers} == {
            A.name: False,
            B.name: True,
            Q.name: True,
        }
        assert scene.cosign(*order, trust=trust).is_well  # two of three are the quorum
    assert not scene.cosign("a", "b", "q", trust=scene.trust("group g all a b q")).is_well


def test_the_quorum_may_be_met_by_what_was_kept(scene: Scene) -> None:
    scene.cosign("a")
    scene.says("a", None)
    made = scene.cosign("a", "b", trust=scene.trust("group g all a b"))
    assert made.is_well
    assert made.quorum is not None
    assert set(made.quorum.times_s) == {"a", "b"}


def test_late_ones_are_waited_for_together(scene: Scene) -> None:
    with ExitStack() as stack:
        slow = [stack.enter_context(witnessing(C)) for _ in range(3)]
        for witness, server in slow:
            witness.instead = lambda _request, server=server: server.slowly(http(200, b"x" * 3_000), 0.05)
        named = [f"{Cosigner(f'witness.example/slow{n}').vkey} {each[0].url}" for n, each in enumerate(slow)]
        with scene.place.open() as door:
            made = door.cosign([*named, *scene.named("a")], wait_s=0.4)
        assert [each.error is None for each in made.answers] == [False, False, False, True]
        codes = {each.error.code for each in made.answers if each.error is not None}
        assert codes == {"witness-unreachable"}


def test_a_conflict_beyond_the_log_is_told(scene: Scene) -> None:
    scene.says("a", sized(scene.checkpoint().size + 1))
    assert scene.error("a").code == "checkpoint-behind"


# --- what is kept ------------------------------------------------------------------------------------------------------


def test_a_bit_that_flipped_is_mended_by_asking_again(scene: Scene) -> None:
    """The line that does not hold any more goes; the others' stay."""
    made = scene.cosign("a", "b")
    (path,) = scene.folder.glob("*.note")
    note = parse_note(made.note)
    log, a, b = note.signatures
    spoilt = NoteSignature(a.name, a.key_id, a.signature[:7] + bytes([a.signature[7] ^ 1]) + a.signature[8:])
    path.write_text(format_note(type(note)(note.text, (log, spoilt, b))))
    trust = parse_trust(scene.trust("group g all a b"))
    with scene.place.open() as door:
        gated = door.gate([{"text": "x"}], INVENTORY, trust, column="text")
        assert any("does not hold, and is not counted" in each for each in gated.notes)
    again = scene.cosign("a", trust=scene.trust("group g all a b"))
    assert again.is_well
    assert b in parse_note(again.note).signatures
    assert spoilt not in parse_note(again.note).signatures


def test_notes_are_bounded_in_number(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spec, "COSIGNED_KEPT_MAX", 4)
    sizes = []
    for _ in range(7):
        sizes.append(scene.cosign("a").checkpoint.size)
        scene.grow()
    assert len(scene.kept()) == 4
    assert {sizes[0], sizes[-1]} <= set(scene.kept())
    assert set(scene.kept()) <= set(sizes)
    assert scene.asked("a") == [200] * 7


def link(path: Path) -> None:
    path.rename(path.with_suffix(".old"))
    path.symlink_to(path.with_suffix(".old"))


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "garbage": lambda path: path.write_bytes(b"\xff\x00garbage"),
    "empty": lambda path: path.write_bytes(b""),
    "another size": lambda path: path.rename(path.with_name(f"{int(path.stem) + 1:020}.note")),
    "not signed": lambda path: path.write_text(path.read_text().replace("\n\n\u2014 ", "\n\n\u2014 x", 1)),
    "a link": link,
    "a folder": folder,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_does_not_hold_is_told_and_not_believed(scene: Scene, damage: str) -> None:
    scene.grow()
    scene.cosign("a")
    (path,) = scene.folder.glob("*.note")
    DAMAGES[damage](path)
    with scene.place.open() as door:
        assert A.name not in door.checkpoint_note()
        gated = door.gate([{"text": "x"}], INVENTORY, column="text")
        (told,) = [each for each in gated.notes if "kept" in each]
        assert str(path.parent) in told
        published = door.publish(scene.place.folder / "public")
        assert (published.told, published.cosigned) == ((told,), 0)
        with pytest.raises(Undecided):
            door.gate([{"text": "x"}], "balanced", scene.trust("group g all a"), column="text")
    found = [item for item in examine(str(scene.place.path), scene.place.config) if not item.ok]
    assert [item.name for item in found] == ["cosigned, damaged"]
    assert found[0].what == told


def test_the_doctor_counts_what_is_kept(scene: Scene) -> None:
    def found() -> list[tuple[bool, str]]:
        items = examine(str(scene.place.path), scene.place.config)
        return [(item.ok, item.what) for item in items if item.name.startswith("cosigned")]

    assert found() == []
    scene.cosign("a")
    size = scene.checkpoint().size
    assert found() == [(True, f"1 cosigned log checkpoints are kept, the newest of {size} entries")]


# --- what is counted ---------------------------------------------------------------------------------------------------

INVENTORY = "inventory"
TEXT = "a row that is long enough that nobody guesses it"


def quorum_policy(age_s: int = 0) -> bytes:
    return (
        f'version = 1\nname = "q"\n[checkpoint]\nquorum = true\n[rows]\nwork = "L2"\n[age]\nquarantine_s = {age_s}\n'
    ).encode()


def test_a_gate_counts_the_kept_note_of_the_head(scene: Scene) -> None:
    scene.grow(TEXT)
    trust = scene.trust("group g all a b")
    with scene.place.open() as door, pytest.raises(Undecided):
        door.gate([{"text": TEXT}], quorum_policy(), trust, column="text")
    scene.cosign("a", "b")
    with scene.place.open() as door:
        gated = door.gate([{"text": TEXT}], quorum_policy(), trust, column="text")
    assert gated.counts["admitted"] == 1
    scene.grow()  # its checkpoint is a new one, which nobody cosigned
    with scene.place.open() as door, pytest.raises(Undecided):
        door.gate([{"text": TEXT}], quorum_policy(), trust, column="text")


def test_older_kept_notes_tell_an_age(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight days after it was cosigned an entry is a week old; without the older note it is of today."""
    clock = Clock(monkeypatch)
    scene.grow(TEXT)
    trust = scene.trust("group g all a")
    scene.cosign("a")
    clock.pass_s(8 * DAY_S)
    scene.grow("of today, and long enough that nobody guesses it")
    scene.cosign("a")

    def admitted() -> int:
        with scene.place.open() as door:
            rows = [{"text": TEXT}, {"text": "of today, and long enough that nobody guesses it"}]
            return door.gate(rows, quorum_policy(7 * DAY_S), trust, column="text").counts["admitted"]

    assert admitted() == 1
    min(scene.folder.glob("*.note")).unlink()
    assert admitted() == 0


class Clock:
    """Every clock of this process, as far ahead as it is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import time

        self._ahead_ns = 0
        real = time.time_ns
        monkeypatch.setattr("time.time_ns", lambda: real() + self._ahead_ns)

    def pass_s(self, seconds: int) -> None:
        self._ahead_ns += seconds * 1_000_000_000


def test_given_notes_count_beside_kept_ones(scene: Scene) -> None:
    """One witness's line lies in the ledger, the other's is given."""
    scene.grow(TEXT)
    scene.cosign("a")
    given = scene.place.folder / "given.note"
    head = scene.checkpoint()
    with scene.place.open() as door:
        given.write_text(door.checkpoint_note().split("\n\n")[0] + "\n\n" + log_line(door.checkpoint_note()) + B.line(head, now_s()))  # fmt: skip
        gated = door.gate(
            [{"text": TEXT}], quorum_policy(), scene.trust(), column="text", checkpoints=[given]
        )
        assert gated.counts["admitted"] == 1
        given.write_bytes(b"no note")
        with pytest.raises(ProofInvalid) as error:
            door.gate([{"text": TEXT}], quorum_policy(), scene.trust(), column="text", checkpoints=[given])
    assert "given.note" in error.value.item


def log_line(note: str) -> str:
    return note.split("\n\n")[1].split("\n", maxsplit=1)[0] + "\n"


def test_kept_notes_of_strangers_are_no_news(scene: Scene) -> None:
    """What other witnesses said of older checkpoints is not told each time; of files that are given it is."""
    scene.grow(TEXT)
    scene.cosign("b")
    scene.grow()
    scene.cosign("a")
    with scene.place.open() as door:
        gated = door.gate([{"text": TEXT}], quorum_policy(), scene.trust("group g all a"), column="text")
    assert not any("telling nothing" in each or "kept" in each for each in gated.notes)


def test_a_kept_note_beyond_the_ledger_is_told(scene: Scene, tmp_path: Path) -> None:
    """An older copy of the store beside the notes of the newest: or somebody else wrote a moment ago."""
    scene.grow(TEXT)
    shutil.copy(scene.place.path / "data.mdb", tmp_path / "older.mdb")
    scene.grow()
    scene.cosign("a")
    shutil.copy(tmp_path / "older.mdb", scene.place.path / "data.mdb")
    with scene.place.open(readonly=True) as door:
        gated = door.gate([{"text": TEXT}], INVENTORY, column="text")
        assert any("of which the ledger shows" in each for each in gated.notes)
        assert A.name not in door.checkpoint_note()
        assert door.publish(tmp_path / "public").cosigned == 0


def test_a_kept_note_of_another_history_convicts_the_log(scene: Scene, tmp_path: Path) -> None:
    """Its key signed both: nothing is judged, and both are evidence."""
    shutil.copytree(scene.place.folder, tmp_path / "copy")
    other = Place.__new__(Place)
    other.folder, other.path = tmp_path / "copy", tmp_path / "copy" / "ledger"
    other.config, other.ada = str(tmp_path / "copy" / "keys"), scene.place.ada
    other.sign("what was signed there")
    with other.open() as door:
        made = door.cosign(scene.named("a"))
    scene.grow(TEXT)
    scene.folder.mkdir()
    (scene.folder / f"{made.checkpoint.size:020}.note").write_text(made.note)
    for _ in range(2):
        with scene.place.open() as door:
            with pytest.raises(ProofInvalid) as error:
                door.gate([{"text": TEXT}], INVENTORY, column="text")
            assert error.value.code == "checkpoint-inconsistent"
            assert str(scene.folder) in error.value.item
            with pytest.raises(ProofInvalid) as error:
                door.publish(tmp_path / "public")
            assert error.value.code == "consistency-invalid"
        scene.grow()
    evidence = [path.read_text() for path in Path(scene.place.config).rglob(f"{EVIDENCE}/*.note")]
    assert made.note in evidence


# --- what is published -------------------------------------------------------------------------------------------------


def test_a_publication_carries_them(scene: Scene, tmp_path: Path) -> None:
    public = tmp_path / "public"
    first = scene.cosign("a", "q")
    scene.grow()
    scene.witnesses["a"].time_s = lambda: now_s() - 5
    scene.cosign("a")
    scene.witnesses["a"].time_s = lambda: now_s() + 5
    head = scene.cosign("a", "b")
    with scene.place.open() as door:
        published = door.publish(public)
        vkey = door.vkey
        assert (published.cosigned, published.told) == (1, ())
        assert door.publish(public).files_written == 0
    note = parse_note((public / "checkpoint").read_bytes())
    assert [line.name for line in note.signatures] == names(scene.vkey, A, B)  # of each key one line
    assert open_checkpoint((public / "checkpoint").read_bytes(), [vkey, A.vkey, B.vkey]) == head.checkpoint
    latest = max(line.signature[:8] for line in parse_note(head.note).signatures if line.name == A.name)
    assert note.signatures[1].signature[:8] == latest
    older = public / "cosigned" / str(first.checkpoint.size)
    assert older.read_text() == first.note
    assert [path.name for path in (public / "cosigned").iterdir()] == [older.name]
    report = audit_folder(public, scene.vkey)
    assert report.ok


def test_a_publication_grows_with_what_is_kept(scene: Scene, tmp_path: Path) -> None:
    public = tmp_path / "public"
    with scene.place.open() as door:
        door.publish(public)
    assert not (public / "cosigned").exists()
    made = scene.cosign("a")
    with scene.place.open() as door:
        assert door.publish(public).files_written == 1  # the log checkpoint of the same size, with its line
    assert (public / "checkpoint").read_text() == made.note
    scene.grow()
    with scene.place.open() as door:
        door.publish(public)
    assert (public / "cosigned" / str(made.checkpoint.size)).read_text() == made.note


def test_nothing_is_published_through_a_link(scene: Scene, tmp_path: Path) -> None:
    public, elsewhere = tmp_path / "public", tmp_path / "elsewhere"
    elsewhere.mkdir()
    scene.cosign("a")
    scene.grow()
    with scene.place.open() as door:
        door.publish(public)
        shutil.rmtree(public / "cosigned")
        (public / "cosigned").symlink_to(elsewhere)
        with pytest.raises(StoreFault) as error:
            door.publish(public)
    assert error.value.code == "link-refused"
    assert list(elsewhere.iterdir()) == []


def test_a_publication_that_was_stopped_goes_on(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the cosigned notes and the first checkpoint: the folder is still this log's."""
    public = tmp_path / "public"
    scene.cosign("a")
    scene.grow()
    from ledger.log import publish as publication

    with monkeypatch.context() as patched, scene.place.open() as door:
        patched.setattr(publication._Folder, "finish", stop)
        with pytest.raises(KeyboardInterrupt):
            door.publish(public)
    assert (public / "cosigned").is_dir()
    assert not (public / "checkpoint").exists()
    with scene.place.open() as door:
        assert door.publish(public).cosigned == 1


def stop(*_arguments: object) -> None:
    raise KeyboardInterrupt


OTHER = "log.example/other+a725f48a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
