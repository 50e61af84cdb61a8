"""Records: legal ones, and for each rule of SPEC §4 one that breaks it and no other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.cases.samples import Case, Fields, changed, facts, in_order, parent, record, some
from tests.reference import Raw, pack


def filled_to(size_bytes: int) -> Fields:
    """A record of this many bytes: parents fill it, and a license of the right length the rest."""
    parents = [parent(name=f"parent {number}", log=some("other log")) for number in range(256)]
    fields = record(parents=in_order(parents))
    while len(pack(changed(fields, rights={"license": "M"}))) > size_bytes:
        parents.pop()
        fields = record(parents=in_order(parents))
    for chars in range(1, 129):
        full = changed(fields, rights={"license": "M" * chars})
        if len(pack(full)) == size_bytes:
            return full
    raise ValueError("no record of that size")


def many_parents(count: int) -> Fields:
    """Plain parents: 256 of them fit into a record."""
    return record(parents=in_order([parent("quotes", name=f"{number}") for number in range(count)]))


def legal() -> Iterator[Case]:
    """Every kind in every form; every key; the limits themselves."""
    for kind in ("work", "experience", "abstract", "output", "derived", "model", "dataset"):
        for form in ("raw", "jcs", "sealed", "rows", "manifest"):
            if form in ("rows", "manifest") and kind != "dataset":
                continue
            yield Case(
                f"record/legal-{kind}-{form}", f"a {kind} of form {form}", "record", pack(record(kind, form))
            )

    def good(name: str, what: str, fields: Fields) -> Case:
        return Case(f"record/legal-{name}", what, "record", pack(fields))

    yield good("human-share", "a work with a human share", record(human=600_000))
    yield good("pair-shares", "a work with both own shares", record(human=1, machine=999_999))
    whole = [parent("quotes", ppm=300_000)]
    yield good("share-whole", "shares of exactly 1,000,000 ppm", record(human=700_000, parents=whole))
    yield good("human-zero", "a human share that is stated to be 0", record(human=0))
    reported = record("model", stance="reported", attributed=some("pseudonym"))
    yield good("reported", "a model that somebody else made, its author under a pseudonym", reported)
    rights = {"license": "(MIT OR Apache-2.0)", "train": "allowed"}
    source = {"uri": "https://example.org/a", "category": "public-dataset", "retrieved": 1_700_000_000_000}
    yield good("all-optional", "time, rights and source", record(made=0, rights=rights, source=source))
    yield good(
        "foreign-parent", "a row of another log's artifact", record(parents=[parent(log=some("log"), row=0)])
    )
    two = in_order([parent(row=0), parent(row=1), parent("quotes", row=1)])
    yield good("parents-by-row", "one artifact three times: two rows, two relations", record(parents=two))
    yield good("bytes-16384", "16,384 bytes", filled_to(16_384))
    yield good("sealed-32", "the least size of a sealed record", record(form="sealed", size=32))
    column = {"count": 1_048_576, "column_digest": some("column")}
    yield good(
        "column-digest",
        "rows whose column has a name outside the charset",
        record("dataset", "rows", facts=column),
    )
    yield good("rows-whole", "rows without a column", record("dataset", "rows", facts={"count": 1}))


WRONG_VALUES: tuple[tuple[str, str, Any], ...] = (
    ("v-2", "another version", {"v": 2}),
    ("kind-unknown", "a kind that does not exist", {"kind": "novel"}),
    ("kind-in-capitals", "closed words have one spelling", {"kind": "Work"}),
    ("maker-short", "an identity id of 31 bytes", {"maker": bytes(31)}),
    ("maker-text", "an identity id as str", {"maker": "a" * 32}),
    ("stance-unknown", "a stance that does not exist", {"stance": "guessed"}),
    ("content-long", "a digest of 33 bytes", {"content": bytes(33)}),
    ("form-unknown", "a form that does not exist", {"form": "gzip"}),
    ("size-negative", "a size below 0", {"size": -1}),
    ("size-text", "a size as str", {"size": "12"}),
    ("human-over", "an own share above the whole", {"human": 1_000_001}),
    ("human-negative", "an own share below 0", {"human": -1}),
    ("made-negative", "a time below 0", {"made": -1}),
    ("attributed-short", "a pseudonym of 16 bytes", {"stance": "reported", "attributed": bytes(16)}),
    ("media-newline", "a media type with a newline at the end", {"media": "text/plain\n"}),
    ("media-parameter", "a media type with a parameter", {"media": "text/plain; charset=utf-8"}),
    ("media-128", "a media type of 128 characters", {"media": "text/" + "p" * 123}),
    ("media-arabic-digit", "a digit that is no ASCII", {"media": "text/p٣"}),
    ("rights-unknown-key", "rights with an unknown key", {"rights": {"license": "MIT", "owner": "me"}}),
    ("license-newline", "a license with a newline at the end", {"rights": {"license": "MIT\n"}}),
    ("license-129", "a license of 129 characters", {"rights": {"license": "M" * 129}}),
    ("train-unknown", "a word outside the list", {"rights": {"train": "maybe"}}),
    ("uri-without-scheme", "a source that is no uri", {"source": {"uri": "example.org"}}),
    ("uri-newline", "a uri with a newline at the end", {"source": {"uri": "https://example.org\n"}}),
    ("uri-513", "a uri of 513 characters", {"source": {"uri": "h:" + "a" * 511}}),
    ("uri-umlaut", "a uri with a letter outside ASCII", {"source": {"uri": "https://müller.example/"}}),
    ("category-unknown", "a category outside the list", {"source": {"category": "found"}}),
    ("retrieved-negative", "a time below 0", {"source": {"retrieved": -5}}),
    ("parents-map", "parents that are no array", {"parents": {"id": some("parent"), "rel": "evidence"}}),
    ("unknown-key", "a key that nobody knows", {"title": "On Ice"}),
)

WRONG_PARENTS: tuple[tuple[str, str, list[Any]], ...] = (
    ("parent-text", "a parent that is no map", ["parent"]),
    ("parent-without-id", "a parent without id", [{"rel": "evidence"}]),
    ("parent-without-rel", "a parent without relation", [{"id": some("parent")}]),
    ("parent-rel-unknown", "a relation that does not exist", [parent("inspired-by")]),
    ("parent-id-short", "an artifact id of 31 bytes", [{"id": bytes(31), "rel": "evidence"}]),
    ("parent-ppm-0", "a stated share of 0", [parent("quotes", ppm=0)]),
    ("parent-ppm-over", "a share above the whole", [parent("quotes", ppm=1_000_001)]),
    ("parent-row-over", "a row index of 1,048,576", [parent(row=1_048_576)]),
    ("parent-log-short", "a log id of 16 bytes", [parent(log=bytes(16))]),
    ("parent-unknown-key", "a parent with an unknown key", [parent(weight=1)]),
    (
        "parent-twice",
        "one relation to one artifact, with two shares",
        [parent("quotes", ppm=1), parent("quotes", ppm=2)],
    ),
    ("parents-descending", "parents in descending order", in_order([parent(), parent("quotes")])[::-1]),
    ("parents-equal", "the same parent twice", [parent(), parent()]),
)

WRONG_FACTS: tuple[tuple[str, str, Fields], ...] = (
    (
        "facts-confidence-over",
        "a confidence above the whole",
        record("experience", facts={"confidence": 1_000_001}),
    ),
    ("facts-stake-unknown", "a stake outside the list", record("experience", facts={"stake": "mild"})),
    (
        "facts-evidence-descending",
        "digests in descending order",
        record("experience", facts={"evidence": [b"b" * 32, b"a" * 32]}),
    ),
    (
        "facts-evidence-65",
        "65 digests",
        record("experience", facts={"evidence": [bytes([number]) * 32 for number in range(65)]}),
    ),
    (
        "facts-tool-missing",
        "a tool without name",
        record("derived", facts={"version": "1", "parameters": some("p")}),
    ),
    (
        "facts-parameters-missing",
        "a tool without parameters",
        record("derived", facts={"tool": "t", "version": "1"}),
    ),
    ("facts-name-space", "a name with a space", record("model", facts={"name": "a b", "version": "1"})),
    (
        "facts-name-newline",
        "a name with a newline at the end",
        record("model", facts={"name": "a\n", "version": "1"}),
    ),
    ("facts-name-65", "a name of 65 characters", record("model", facts={"name": "a" * 65, "version": "1"})),
    (
        "facts-name-arabic-digit",
        "a digit that is no ASCII",
        record("model", facts={"name": "a٣", "version": "1"}),
    ),
    ("facts-version-missing", "a model without version", record("model", facts={"name": "a"})),
    ("facts-method-unknown", "a method outside the list", record("abstract", facts={"method": "osmosis"})),
    (
        "facts-unknown-key",
        "facts with an unknown key",
        record("output", facts={"parameters": some("p"), "seed": 1}),
    ),
    ("facts-count-0", "rows without a row", record("dataset", "rows", facts={"count": 0})),
    ("facts-count-over", "1,048,577 rows", record("dataset", "rows", facts={"count": 1_048_577})),
    (
        "facts-column-twice",
        "a column named and digested",
        record("dataset", "rows", facts={"count": 1, "column": "a", "column_digest": some("a")}),
    ),
    (
        "facts-manifest-time-missing",
        "a manifest without time",
        record("dataset", "manifest", facts=changed(facts("dataset", "manifest") or {}, time=None)),
    ),
)

ILLEGAL: tuple[tuple[str, str, str, Fields], ...] = (
    ("work-rows", "rows that are no dataset", "record-illegal", record("work", "rows", facts=None)),
    ("experience-manifest", "an experience as manifest", "record-illegal", record("experience", "manifest", facts=None)),
    ("sealed-with-media", "a sealed record that names its media type", "record-illegal", record(form="sealed", media="text/plain")),
    ("raw-without-media", "a raw record without media type", "record-illegal", record(media=None)),
    ("sealed-size-33", "a sealed size that is no power of two", "record-illegal", record(form="sealed", size=33)),
    ("sealed-size-16", "a sealed size below 32", "record-illegal", record(form="sealed", size=16)),
    ("sealed-size-0", "a sealed size of 0", "record-illegal", record(form="sealed", size=0)),
    ("manifest-size", "a manifest whose size is not 65 bytes a row", "record-illegal", record("dataset", "manifest", size=196)),
    ("made-attributed", "a pseudonym in a record that its maker made", "record-illegal", record(attributed=some("pseudonym"))),
    ("derived-without-facts", "a derived artifact without its tool", "record-illegal", record("derived", facts=None)),
    ("model-without-facts", "a model without name", "record-illegal", record("model", facts=None)),
    ("rows-without-facts", "rows without count", "record-illegal", record("dataset", "rows", facts=None)),
    ("work-with-facts", "facts of a work", "record-illegal", record(facts={"method": "summary"})),
    ("dataset-raw-with-facts", "facts of a raw dataset", "record-illegal", record("dataset", facts={"count": 1})),
    ("abstract-without-parent", "an abstract that was distilled from nothing", "record-illegal", record("abstract", parents=[])),
    ("derived-without-parent", "a derived artifact without parent", "record-illegal", record("derived", parents=[])),
    ("derived-only-evidence", "a derived artifact whose parent is only evidence", "record-illegal", record("derived", parents=[parent()])),
    ("work-generated-by", "a work that was produced by a model", "record-illegal", record(parents=[parent("generated-by")])),
    ("work-trained-on", "a work that was trained", "record-illegal", record(parents=[parent("trained-on")])),
    ("output-distilled-from", "an output that was distilled", "record-illegal", record("output", parents=in_order([parent("distilled-from"), parent("generated-by")]))),
    ("model-quotes", "a model that quotes", "record-illegal", record("model", parents=[parent("quotes")])),
    ("share-over-whole", "shares of 1,000,001 ppm", "share-illegal", record(human=700_000, parents=[parent("quotes", ppm=300_001)])),
    ("own-shares-over-whole", "own shares of 1,000,001 ppm", "share-illegal", record(human=1_000_000, machine=1)),
    ("parents-over-whole", "parents with 1,000,001 ppm", "share-illegal", record(parents=in_order([parent("quotes", ppm=500_000), parent("derived-from", ppm=500_001)]))),
    ("reported-human", "a reported record with a human share", "share-illegal", record(stance="reported", human=1)),
    ("reported-human-zero", "a reported record with a human share of 0", "share-illegal", record(stance="reported", human=0)),
    ("reported-machine", "a reported record with a machine share", "share-illegal", record("output", stance="reported", machine=1)),
    ("machine-alone", "a work with a machine share alone", "share-illegal", record(machine=1)),
    ("machine-beside-zero", "a machine share beside a human share of 0", "share-illegal", record(human=0, machine=1)),
    ("machine-alone-experience", "an experience with a machine share alone", "share-illegal", record("experience", machine=1)),
    ("evidence-share", "a share along `evidence`", "share-illegal", record(parents=[parent("evidence", ppm=1)])),
    ("corrects-share", "a share along `corrects`", "share-illegal", record(parents=[parent("corrects", ppm=1)])),
    ("supersedes-share", "a share along `supersedes`", "share-illegal", record(parents=[parent("supersedes", ppm=1)])),
)  # fmt: skip


def refused() -> Iterator[Case]:
    """One broken rule each."""

    def bad(name: str, what: str, fields: Any, code: str) -> Case:
        return Case(f"record/{name}", what, "record", pack(fields), code)

    for name, what, changes in WRONG_VALUES:
        yield bad(name, what, changed(record(), **changes), "schema")
    for name, what, parents in WRONG_PARENTS:
        yield bad(name, what, record(parents=parents), "schema")
    for name, what, fields in WRONG_FACTS:
        yield bad(name, what, fields, "schema")
    for name in ("v", "kind", "maker", "stance", "content", "form", "size", "parents"):
        yield bad(
            f"without-{name}", f"a record without `{name}`", changed(record(), **{name: None}), "schema"
        )
    yield bad("array", "a record that is an array", [1, 2], "schema")
    yield bad("parents-257", "257 parents", many_parents(257), "schema")
    for name, what, code, fields in ILLEGAL:
        yield bad(name, what, fields, code)
    yield bad("bytes-16385", "16,385 bytes", filled_to(16_385), "too-large")
    yield from not_canonical()


def not_canonical() -> Iterator[Case]:
    """SPEC §3, broken inside a record that is legal otherwise."""

    def bad(name: str, what: str, data: bytes) -> Case:
        return Case(f"record/{name}", what, "record", data, "not-canonical")

    data = pack(record())
    at = data.index(b"\xa4kind")
    yield bad("trailing-byte", "a byte behind the record", data + b"\x00")
    yield bad("cut", "the last byte is missing", data[:-1])
    yield bad("empty-input", "no byte at all", b"")
    yield bad("made-nil", "nil instead of leaving a key out", pack(record(made=Raw(b"\xc0"))))
    yield bad("made-float", "a float", pack(record(made=Raw(b"\xcb" + bytes(8)))))
    yield bad("made-true", "a boolean", pack(record(made=Raw(b"\xc3"))))
    yield bad("made-timestamp", "a timestamp extension", pack(record(made=Raw(b"\xd6\xff" + bytes(4)))))
    yield bad("made-2-53", "an integer of 2^53", pack(record(made=2**53)))
    yield bad("v-in-two-bytes", "the integer 1 in two bytes", pack(record(v=Raw(b"\xcc\x01"))))
    yield bad("v-signed", "the integer 1 in the signed family", pack(record(v=Raw(b"\xd0\x01"))))
    yield bad(
        "kind-str8", "a short str with a long header", pack(changed(record(), kind=Raw(b"\xd9\x04work")))
    )
    yield bad(
        "content-bin16",
        "a digest with a 16-bit header",
        pack(record(content=Raw(b"\xc5\x00\x20" + bytes(32)))),
    )
    yield bad("media-no-utf8", "bytes that are no UTF-8", pack(record(media=Raw(b"\xa3a/\xff"))))
    yield bad("media-surrogate", "a lone surrogate", pack(record(media=Raw(b"\xa5a/\xed\xa0\x80"))))
    yield bad("media-empty", "an empty str", pack(record(media="")))
    yield bad("facts-empty", "an empty map", pack(record("output", facts={})))
    yield bad("evidence-empty", "an empty array", pack(record("experience", facts={"evidence": []})))
    unsorted = data[:1] + data[at : at + 10] + data[1:at] + data[at + 10 :]
    yield bad("keys-unsorted", "map keys out of order", unsorted)
    yield bad(
        "key-twice", "a map key twice", bytes([data[0] + 1]) + data[1:at] + data[at : at + 10] + data[at:]
    )
    yield bad("array-of-513", "an array of 513 items", pack(record(parents=[1] * 513)))
    nested: Any = 1
    for _ in range(8):
        nested = [nested]
    yield bad("depth-9", "nine nested containers", pack(record(source=nested)))
    yield bad("array-claims-2-32", "a header that claims 2^32-1 items", data[:1] + b"\xdd\xff\xff\xff\xff")
