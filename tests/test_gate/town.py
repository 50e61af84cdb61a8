"""A ledger's folder that a made-up world wrote, with people in it, to be gated. For tests only.

The log is written by `tests.world.World`, whose clock and keys are made up; then it is closed, and gated by `Ledger.gate` as anybody's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import ledger
from ledger.api.gate.result import Gated, GatedRow
from ledger.identity import ed25519
from ledger.identity.vkey import Vkey
from ledger.log.view import LogView, open_view
from ledger.statements.record import Parent, Record, make_record, sealed_content, sealed_size
from ledger.statements.statement import log_id, make_statement
from ledger.store.folder import Marker, creating_folder
from ledger.store.lmdb import LmdbStore
from tests import reference
from tests.dishonest import DishonestLog
from tests.test_proofs.witnesses import Cosigner
from tests.world import ORIGIN, Actor, World, evidence, seed_of

DAY_MS: Final = 86_400_000
BEGUN_MS: Final = 20_000 * DAY_MS
TOOL_FACTS: Final = {"tool": "chunker", "version": "2", "parameters": bytes(32)}
MODEL_FACTS: Final = {"name": "family/model", "version": "1"}
WITNESSES: Final = (Cosigner("witness.example/1"), Cosigner("witness.example/2"))
TEXT: Final = "text"


@dataclass(frozen=True)
class Row:
    """A row of the dataset; its text, which may be a real person's, is in no message."""

    text: str = field(repr=False)
    salt: bytes | None = field(default=None, repr=False)

    @property
    def digest(self) -> bytes:
        return digest(self.text)

    @property
    def cells(self) -> dict[str, str | None]:
        """As a row of a table."""
        return {TEXT: self.text, "lineage_salt": None if self.salt is None else self.salt.hex()}


def digest(text: str | bytes) -> bytes:
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).digest()


class Town:
    """People and their log. Whoever writes to it does so before it is gated, or calls `reopen`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path, self.config = folder / "ledger", folder / "keys"
        vkey = Vkey.make(ORIGIN, ed25519.public_key(seed_of("log key of " + ORIGIN)))
        with creating_folder(self.path, Marker(vkey.name, str(vkey), log_id(str(vkey)))):
            self.world = World(LmdbStore.create(self.path))
        self.world.time_ms = BEGUN_MS
        self._lanes = 0
        self._is_open = True

    # Writing

    def reopen(self) -> World:
        """The world, which can be written to again."""
        if not self._is_open:
            self.world.store = LmdbStore(self.path)
            self.world.writer = self.world.open()
            self._is_open = True
        return self.world

    def close(self) -> None:
        """The log is left as it is."""
        if self._is_open:
            self.world.store.close()
            self._is_open = False

    def sign(self, actor: Actor, text: str, kind: str = "work", *parents: Parent, **fields: Any) -> Record:
        """A record over a text, logged."""
        record = actor.record(text, kind, parents, **fields)
        self.world.publish(actor, record)
        return record

    def work(
        self, actor: Actor, text: str, *parents: Parent, human: int = 1_000_000, **fields: Any
    ) -> Record:
        return self.sign(actor, text, "work", *parents, human=human, **fields)

    def seal(self, actor: Actor, row: Row, salt: bytes) -> Record:
        """The row's text, sealed under a salt."""
        content = row.text.encode()
        record = make_record(
            kind="work",
            maker=actor.id,
            content=sealed_content(actor.id, salt, content),
            size_bytes=sealed_size(len(content)),
            form="sealed",
            media=None,
            human=1_000_000,
        )
        self.world.publish(actor, record)
        return record

    def rows(self, actor: Actor, texts: Sequence[str], **fields: Any) -> Record:
        """A `rows` record with its sidecar."""
        record = rows_record(actor, texts, **fields)
        self.world.publish(actor, record)
        self.write_sidecar(record, texts)
        return record

    def write_sidecar(self, record: Record, texts: Iterable[str]) -> Path:
        path = self.sidecar(record)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(reference.sidecar(record.encoded, [digest(text) for text in texts]))
        return path

    def sidecar(self, record: Record) -> Path:
        return self.path / "rows" / record.id.hex()

    def contest(self, actor: Actor, by: Actor) -> None:
        """Two statements of an actor at one place, brought by another."""
        self._lanes += 1
        halves = []
        for text in ("one", "two"):
            body = {"count": 1, "root": actor.record(text).id}
            lane = b"fork%012d" % self._lanes
            halves.append(
                actor.sign(
                    make_statement(
                        "artifacts", self.world.log, body, by=actor.id, key=actor.key, lane=lane, seq=0
                    )
                )
            )
        self.world.must(by.say("evidence", evidence(*halves)))

    def erase(self, record: Record) -> None:
        """Carries an erasure out. The world cannot be written to afterwards."""
        with open_view(self.world.store, self.world.vkey) as view:
            numbers = view.find_artifact(record.id)
        log = DishonestLog.over(self.world)
        for number in numbers:
            log.erase(number)

    def note(self, name: str, time_ms: int, *witnesses: Cosigner) -> Path:
        """The log checkpoint of now in a file, with the lines of witnesses who saw it at some time."""
        with open_view(self.world.store, self.world.vkey) as view:
            lines = [each.line(view.checkpoint, time_ms // 1_000) for each in witnesses or WITNESSES]
            text = view.note.decode() + "".join(lines)
        path = self.folder / name
        path.write_text(text)
        return path

    # Reading

    @contextmanager
    def open(self) -> Iterator[ledger.Ledger]:
        self.close()
        with ledger.open(self.path, config=str(self.config), readonly=True) as door:
            yield door

    @contextmanager
    def view(self) -> Iterator[LogView]:
        with self.open() as door, door.view() as view:
            yield view

    def gate(self, dataset: Any, policy: Any = "balanced", trust: Any = None, **options: Any) -> Gated:
        """`Ledger.gate` of the column `text`, at the world's time."""
        said: dict[str, Any] = {"column": TEXT, "at_ms": self.world.time_ms} | options
        if isinstance(dataset, Path):
            said.setdefault("workers", 0)
        with self.open() as door:
            return door.gate(dataset, policy, trust, **said)

    def judged(self, dataset: Any, *arguments: Any, **options: Any) -> list[GatedRow]:
        """The verdict on each row: of rows in memory as they are given back, of a file's from the verdict file."""
        if isinstance(dataset, Path):
            target = dataset.with_name(dataset.name + ".verdicts.parquet")
            target.unlink(missing_ok=True)
            options["verdicts"] = target
        return list(self.gate(dataset, *arguments, **options).rows())

    def jsonl(self, rows: Iterable[Row | str], name: str = "data.jsonl") -> Path:
        path = self.folder / name
        cells = (row.cells if isinstance(row, Row) else {TEXT: row} for row in rows)
        path.write_text("".join(json.dumps(each) + "\n" for each in cells))
        return path


def rows_record(actor: Actor, texts: Sequence[str], **fields: Any) -> Record:
    said: dict[str, Any] = {
        "kind": "dataset",
        "form": "rows",
        "stance": "reported",
        "media": "text/plain",
        "facts": {"count": len(texts), "column": TEXT},
    }
    return make_record(
        maker=actor.id,
        content=reference.mth([digest(text) for text in texts]),
        size_bytes=sum(len(text.encode()) for text in texts),
        parents=fields.pop("parents", ()),
        **said | fields,
    )


def brief(row: GatedRow) -> str:
    """Verdict, code and level of a row."""
    return f"{row.verdict} {row.code} {row.level}"


def trust_of(*makers: Actor, more: str = "") -> bytes:
    """A trust file that names makers."""
    return f"makers = {json.dumps([actor.id.hex() for actor in makers])}\n{more}".encode()
