"""What a gate saw, counted: plain numbers that say nothing of a single row, and a few rows that stand for the others.

A dataset is judged in pieces by many processes. Each counts for itself, and the counts are added up; so `merge` has to be
associative and commutative, also where a table is full. Tables that could grow without end (makers, anchors, licences,
sources) therefore keep the *least* subjects in order of their text, spec.TALLY_KEYS_MAX of them, whoever came first: a
subject that is among the least of all rows is so among any part of them, so that it was never dropped, and its count is
exact. All others are counted together under REST. Samples are the first of each (verdict, code) by row index, which is
of the same kind: the first of all are among the first of each part.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, NamedTuple

from ledger import spec
from ledger.errors import RefusedInput

REST: Final = (
    "\u2026"  # the first word of a key under which all is counted that found no place; its other words are ""
)
ROW_REFUSED: Final = "row-refused"  # code of a row that no reader takes
_VERSION: Final = 1
_FULL: Final = 2 * spec.TALLY_KEYS_MAX  # keys of a table that is cut back while it is counted
_WORDS: Final = {  # of a key, by table; the last of all but `levels` and `refused` is the verdict
    "verdicts": 1,
    "reasons": 2,
    "levels": 2,
    "kinds": 3,
    "makers": 3,
    "anchors": 2,
    "licenses": 3,
    "sources": 3,
    "refused": 1,
}
_ENDLESS: Final = ("makers", "anchors", "licenses", "sources")


@dataclass(frozen=True, slots=True)
class SampleNode:
    """One artifact of a sample's ancestry. `says`: what is wrong with it, "" if nothing is.

    `parents`: (relation, artifact id, share in ppm or None), of parents that may not be among the nodes.
    """

    id: bytes
    kind: str
    stance: str
    maker: bytes | None
    role: str
    level: str
    status: str
    says: str = ""
    parents: tuple[tuple[str, bytes, int | None], ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """One row that stands for others. `text`: how it begins, as it is, "" if that is not known.

    `nodes`: its ancestry, the root first; `nodes_left`: how many more there are. `decides`: at which of them the reason
    was found, None if that is not told.
    """

    row_index: int
    digest: bytes
    artifact_id: bytes | None
    verdict: str
    code: str
    level: str
    why: str
    text: str = ""
    nodes: tuple[SampleNode, ...] = ()
    nodes_left: int = 0
    decides: bytes | None = None


class Traits(NamedTuple):
    """By what rows are counted; "" where it is not known or does not apply."""

    verdict: str
    code: str
    level: str
    kind: str = ""
    stance: str = ""
    maker: str = ""  # identity id, in hex
    role: str = ""
    anchor: str = ""  # who answers for it, in hex
    license: str = ""
    train: str = ""
    category: str = ""
    uri: str = ""
    has_rivals: bool = False


@dataclass(slots=True)
class Tally:
    """Numbers of rows. Each row is counted once in each table but `refused`, under ("", …, verdict) where nothing is known.

    `size_bytes`: of the rows' contents. `rivals`: rows with rival claims. `refused`: rows that no reader takes, by the
    reader's code; they are counted in the other tables too, with the code `row-refused`.
    """

    rows: int = 0
    size_bytes: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)  # (verdict, code)
    levels: Counter[tuple[str, str]] = field(default_factory=Counter)  # (level, verdict)
    kinds: Counter[tuple[str, str, str]] = field(default_factory=Counter)  # (kind, stance, verdict)
    makers: Counter[tuple[str, str, str]] = field(default_factory=Counter)  # (maker id, role, verdict)
    anchors: Counter[tuple[str, str]] = field(default_factory=Counter)  # (id of who answers, verdict)
    licenses: Counter[tuple[str, str, str]] = field(default_factory=Counter)  # (SPDX, train, verdict)
    sources: Counter[tuple[str, str, str]] = field(default_factory=Counter)  # (category, URI, verdict)
    rivals: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    samples: list[Sample] = field(default_factory=list)

    def count(self, traits: Traits, rows: int = 1, size_bytes: int = 0) -> None:
        """So many `rows` more that are alike, of `size_bytes` together."""
        verdict = traits.verdict
        self.rows += rows
        self.size_bytes += size_bytes
        self.rivals += rows if traits.has_rivals else 0
        self.verdicts[verdict] += rows
        self.reasons[verdict, traits.code] += rows
        self.levels[traits.level, verdict] += rows
        self.kinds[traits.kind, traits.stance, verdict] += rows
        self.makers[traits.maker, traits.role, verdict] += rows
        self.anchors[traits.anchor, verdict] += rows
        self.licenses[traits.license, traits.train, verdict] += rows
        self.sources[traits.category, traits.uri, verdict] += rows
        if max(len(self.makers), len(self.anchors), len(self.licenses), len(self.sources)) > _FULL:
            self.bound()

    def count_refused(self, verdict: str, level: str, reader_code: str, rows: int = 1) -> None:
        """So many `rows` more that no reader takes."""
        self.count(Traits(verdict, ROW_REFUSED, level), rows)
        self.refused[reader_code] += rows

    def wants(self, verdict: str, code: str, row_index: int) -> bool:
        """Whether a sample of that row would be kept: look before its text and ancestry are gathered."""
        kept = [each.row_index for each in self.samples if (each.verdict, each.code) == (verdict, code)]
        return len(kept) < spec.TALLY_SAMPLES_MAX or row_index < max(kept)

    def keep(self, sample: Sample) -> None:
        """One sample more, if it is among the first of its verdict and code; its words and ancestry are cut to the limits."""
        if self.wants(sample.verdict, sample.code, sample.row_index):
            self.samples = _first((*self.samples, _cut(sample)))

    def merge(self, other: Tally) -> None:
        """Adds what another one counted, of other rows. The order of merging makes no difference."""
        self.rows += other.rows
        self.size_bytes += other.size_bytes
        self.rivals += other.rivals
        for table in _WORDS:
            getattr(self, table).update(getattr(other, table))
        self.samples = _first((*self.samples, *other.samples))
        self.bound()

    def bound(self) -> None:
        """Counts what is over the limit of a table together. `merge` and `packed` do so themselves."""
        for table in _ENDLESS:
            _bound(getattr(self, table))

    def packed(self) -> dict[str, Any]:
        """Plain maps, lists, text, bytes and integers, for msgpack; equal tallies give the same."""
        self.bound()
        value: dict[str, Any] = {"v": _VERSION, "rows": self.rows, "size_bytes": self.size_bytes}
        value["rivals"] = self.rivals
        for table, words in _WORDS.items():
            counted = getattr(self, table).items()
            listed = [[*(key if words > 1 else (key,)), rows] for key, rows in counted if rows]
            value[table] = sorted(listed)
        value["samples"] = [_pack_sample(sample) for sample in self.samples]
        return value


def unpacked(value: object) -> Tally:
    """The tally again. Raises RefusedInput `tally-damaged` for what `packed` cannot have written."""
    tally = Tally()
    packed = _map(value, {"v", "rows", "size_bytes", "rivals", "samples", *_WORDS})
    if packed["v"] != _VERSION:
        raise _damaged("v")
    tally.rows, tally.size_bytes, tally.rivals = (
        _whole(packed[name], name) for name in ("rows", "size_bytes", "rivals")
    )
    for table, words in _WORDS.items():
        counter = getattr(tally, table)
        for item in _list(packed[table], table):
            *key, rows = _list(item, table) or [None]
            if len(key) != words or not all(isinstance(word, str) for word in key) or not _whole(rows, table):
                raise _damaged(table)
            counter[tuple(key) if words > 1 else key[0]] = rows
    tally.samples = [_unpack_sample(sample) for sample in _list(packed["samples"], "samples")]
    for table in _WORDS:
        if table != "refused" and getattr(tally, table).total() != tally.rows:
            raise _damaged(table)
    if tally.rivals > tally.rows or tally.refused.total() > tally.rows or tally.packed() != value:
        raise _damaged("rows")
    return tally


def _bound(counter: Counter[tuple[str, ...]]) -> None:
    subjects = {key[:-1] for key in counter if key[0] != REST}
    if len(subjects) <= spec.TALLY_KEYS_MAX:
        return
    kept = set(sorted(subjects)[: spec.TALLY_KEYS_MAX])
    for key in [key for key in counter if key[0] != REST and key[:-1] not in kept]:
        counter[(REST, *("" for _ in key[1:-1]), key[-1])] += counter.pop(key)


def _first(samples: Iterable[Sample]) -> list[Sample]:
    """The first of each verdict and code by row index, in that order; of one row, the least by all else."""
    kept: list[Sample] = []
    seen: defaultdict[tuple[str, str], int] = defaultdict(int)
    for sample in sorted(samples, key=lambda each: (each.row_index, repr(each))):
        seen[sample.verdict, sample.code] += 1
        if seen[sample.verdict, sample.code] <= spec.TALLY_SAMPLES_MAX:
            kept.append(sample)
    return kept


def _cut(sample: Sample) -> Sample:
    over = len(sample.nodes) - spec.TALLY_NODES_MAX
    return replace(
        sample,
        text=_words(sample.text),
        why=_words(sample.why),
        nodes=tuple(replace(node, says=_words(node.says)) for node in sample.nodes[: spec.TALLY_NODES_MAX]),
        nodes_left=sample.nodes_left + max(over, 0),
    )


def _words(text: str) -> str:
    """Cut, and without half characters, which no UTF-8 holds."""
    cut = text if len(text) <= spec.TALLY_TEXT_CHARS_MAX else text[: spec.TALLY_TEXT_CHARS_MAX - 1] + REST
    return cut.encode("utf-8", "backslashreplace").decode()


# To plain values and back

_NODE_FIELDS: Final = tuple(each.name for each in fields(SampleNode))
_SAMPLE_FIELDS: Final = tuple(each.name for each in fields(Sample))
_TEXTS: Final = frozenset(
    {"kind", "stance", "role", "level", "status", "says", "verdict", "code", "why", "text"}
)
_NUMBERS: Final = frozenset({"row_index", "nodes_left"})
_IDS: Final = frozenset({"id", "digest"})  # and, or None: maker, artifact_id, decides
_ID_BYTES: Final = 32


def _pack_sample(sample: Sample) -> list[Any]:
    nodes = [
        [*(getattr(node, name) for name in _NODE_FIELDS[:-1]), [list(each) for each in node.parents]]
        for node in sample.nodes
    ]
    return [nodes if name == "nodes" else getattr(sample, name) for name in _SAMPLE_FIELDS]


def _unpack_sample(value: object) -> Sample:
    given = _named(value, _SAMPLE_FIELDS)
    nodes = [_unpack_node(node) for node in _list(given["nodes"], "samples")]
    if len(nodes) > spec.TALLY_NODES_MAX:
        raise _damaged("samples")
    return Sample(**{**given, "nodes": tuple(nodes)})


def _unpack_node(value: object) -> SampleNode:
    given = _named(value, _NODE_FIELDS)
    parents = [_list(parent, "samples") for parent in _list(given["parents"], "samples")]
    for parent in parents:
        if len(parent) != 3 or not isinstance(parent[0], str) or not _is_id(parent[1]):
            raise _damaged("samples")
        if parent[2] is not None and _whole(parent[2], "samples") > 1_000_000:
            raise _damaged("samples")
    return SampleNode(**{**given, "parents": tuple(tuple(parent) for parent in parents)})


def _named(value: object, names: tuple[str, ...]) -> dict[str, Any]:
    items = _list(value, "samples")
    if len(items) != len(names):
        raise _damaged("samples")
    given = dict(zip(names, items, strict=True))
    for name, item in given.items():
        if name in _TEXTS:
            fits = isinstance(item, str) and len(item) <= 10 * spec.TALLY_TEXT_CHARS_MAX
        elif name in _NUMBERS:
            fits = _whole(item, "samples") >= 0
        elif name in {"nodes", "parents"}:
            fits = isinstance(item, list)
        else:
            fits = _is_id(item) or (item is None and name not in _IDS)
        if not fits:
            raise _damaged("samples")
    return given


def _is_id(value: object) -> bool:
    return isinstance(value, bytes) and len(value) == _ID_BYTES


def _whole(value: object, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _damaged(name)
    return value


def _list(value: object, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise _damaged(name)
    return value


def _map(value: object, names: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != names:
        raise _damaged("its keys")
    return value


def _damaged(name: str) -> RefusedInput:
    return RefusedInput(
        "tally-damaged",
        "tally",
        f"it is none, or not whole ({name})",
        "Gate again, without what was begun before",
    )
