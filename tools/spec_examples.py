"""The worked examples of SPEC §16: `python -m tools.make_vectors --spec` writes them between their markers.

Made by the naive code of tests/reference.py and tests/cases alone; `tests/test_spec_examples.py` has the ledger read them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from tests import reference
from tests.cases.logs import Actor, Script, id_of, keys, parent_of, public_key, signature, signed
from tests.cases.receipts import Parts, note, sha
from tests.cases.samples import Fields, in_order
from tests.reference import mth, pack, pae, tagged
from tools.spec_lives import lives

SPEC = Path(__file__).resolve().parents[1] / "SPEC.md"
BEGIN, END = "<!-- examples: begin -->\n", "<!-- examples: end -->\n"
WIDTH = 96  # hex digits a line

JSON_TEXT = '{"b":[1,2],"a":"ü"}'
JSON_CANONICAL = '{"a":"ü","b":[1,2]}'
ROWS = (b"first", b"second", b"third")


class Example(NamedTuple):
    """A log of eight entries, and the records of §16 by name; those under entry 6 are `raw` and `jcs`."""

    script: Script
    alice: Actor
    pair: Actor
    delegation: Fields
    statement: Fields
    records: dict[str, bytes]


def build() -> Example:
    """The example log: genesis, state, alice, her pair, its delegation, state, a statement of alice, state."""
    script = Script().begin()
    alice = script.actor("alice")
    pair = script.actor("alice+quill", "pair", alice.id)
    delegation = script.delegation(alice, pair, {"kinds": ["work", "output"], "human": 500_000})
    script.add(signed(delegation, "alice"))
    script.state()
    records = records_of(alice)
    statement = script.artifacts(alice, [records["raw"], records["jcs"]])
    script.add(signed(statement, "alice"), [records["raw"], records["jcs"]])
    script.state()
    return Example(script, alice, pair, delegation, statement, records)


def records_of(maker: Actor) -> dict[str, bytes]:
    """One record of each form."""

    def made(kind: str, form: str, content: bytes, size: int, **more: Any) -> bytes:
        fields = {"v": 1, "kind": kind, "maker": maker.id, "stance": "made", "content": content, "form": form}
        fields |= {"size": size, "parents": []}
        return pack(fields | ({} if form == "sealed" else {"media": "text/plain"}) | more)

    text, value = b"Rain all day.\n", JSON_CANONICAL.encode()
    raw = made("work", "raw", sha(text), len(text), human=1_000_000)
    jcs = made(
        "work", "jcs", sha(value), len(value), media="application/json", parents=[parent_of(raw, ppm=250_000)]
    )
    salt, words = sha(b"test salt"), b"a secret recipe"
    sealed = made("work", "sealed", tagged("sealed", maker.id, salt, words), 32)
    rows = made(
        "dataset",
        "rows",
        mth([sha(row) for row in ROWS]),
        sum(map(len, ROWS)),
        facts={"count": 3, "column": "text"},
    )
    leaves = [sha(ROWS[0]) + id_of(raw) + b"\x00", sha(ROWS[1]) + bytes(32) + b"\x02"]
    facts = {name: sha(b"test " + name.encode()) for name in ("checkpoint", "policy", "trust")}
    manifest = made(
        "dataset",
        "manifest",
        mth(leaves),
        130,
        facts={**facts, "time": 1_700_000_000_000, "count": 2},
        parents=in_order([parent_of(rows, "evidence")]),
    )
    return {"raw": raw, "jcs": jcs, "sealed": sealed, "rows": rows, "manifest": manifest}


def receipt_extra(example: Example) -> Fields:
    """The `extra` of the receipt of record 0 of entry 6."""
    entries = example.script.entries
    return {
        "v": 1,
        "entry": entries[6],
        "record": example.records["raw"],
        "record_index": 0,
        "record_path": [id_of(example.records["jcs"])],
        "support": [[2, entries[2], reference.path(2, entries)]],
    }


def receipt(example: Example) -> str:
    """The receipt itself (C2SP tlog-proof)."""
    script = example.script
    path = reference.path(6, script.entries)
    return Parts(script.vkey, 6, path, receipt_extra(example), note(script)).text()


class Page:
    """Lines of text, hex wrapped."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def heading(self, number: int, title: str) -> None:
        self.lines += [*(["```", ""] if self.lines else []), f"### 16.{number} {title}", "", "```"]

    def value(self, name: str, data: bytes) -> None:
        """A short value on one line."""
        self.lines.append(f"{name} = {data.hex()}")

    def bytes_of(self, name: str, data: bytes) -> None:
        """A longer value, its size beside its name."""
        text = data.hex()
        self.lines.append(f"{name} ({len(data)} bytes)")
        self.lines += [f"  {text[at : at + WIDTH]}" for at in range(0, len(text), WIDTH)]

    def say(self, text: str) -> None:
        self.lines.append(text)


def page() -> str:
    """All of §16 between the markers."""
    example, lines = build(), Page()
    identities(lines, example)
    records(lines, example)
    entry(lines, example)
    maps(lines, example)
    trees(lines, example)
    lives(lines)
    return "\n".join([*lines.lines, "```"]) + "\n"


def identities(lines: Page, example: Example) -> None:
    script = example.script
    lines.heading(1, "Keyset, log, genesis")
    lines.say('Test keys: the Ed25519 seed of key "x" is SHA-256("test seed x"). Keys of this example:')
    for name in ("log", "operator", "alice", "alice+quill"):
        lines.value(f'public key "{name}"', public_key(name))
    lines.bytes_of('keyset of "alice", threshold 1', pack(keys("alice")))
    lines.value("keyset digest", tagged("keyset", pack(keys("alice"))))
    lines.say(f"vkey = {script.vkey}")
    lines.value("log id", script.log)
    genesis = pack(script.operator.enrolment)
    lines.bytes_of("payload of the genesis", genesis)
    lines.value("statement id = the operator's identity", script.operator.id)
    lines.say(
        f"PAE = {pae(genesis)[: -len(genesis)].decode()!r} ‖ payload; H(PAE) = {sha(pae(genesis)).hex()}"
    )
    lines.value("signature", signature("operator", genesis))
    lines.say(f"entry 0 = 92 c5 {len(genesis):04x} ‖ payload ‖ 91 93 00 00 c4 40 ‖ signature")
    lines.value("leaf hash of entry 0", id_of(script.entries[0]))

    lines.heading(2, "Enrolment, delegation, state")
    lines.bytes_of('payload: enrol "alice", a human', pack(example.alice.enrolment))
    lines.value("identity", example.alice.id)
    lines.say('enrol "alice+quill": the same with role "pair" and `of` the identity above')
    lines.value("identity", example.pair.id)
    lines.bytes_of("payload: delegate, entry 4", pack(example.delegation))
    lines.value("statement id", tagged("statement", pack(example.delegation)))
    lines.bytes_of("entry 5, a state, whole", script.entries[5])
    lines.value("leaf hash", id_of(script.entries[5]))


def records(lines: Page, example: Example) -> None:
    says = {
        "raw": 'content: H("Rain all day.\\n")',
        "jcs": f"content: of {JSON_TEXT}, H of its RFC 8785 form {JSON_CANONICAL}; quotes the former record",
        "sealed": 'content: "a secret recipe", salt SHA-256("test salt"), bound to its maker',
        "rows": 'content: root over H("first"), H("second"), H("third")',
        "manifest": "content: root over row 0 (the first record, admitted) and row 1 (no artifact, rejected)",
    }
    lines.heading(3, "Records")
    for form, encoded in example.records.items():
        lines.bytes_of(f"record of form {form}", encoded)
        lines.say(says[form])
        lines.value("artifact id", id_of(encoded))


def entry(lines: Page, example: Example) -> None:
    one, other = (id_of(example.records[form]) for form in ("raw", "jcs"))
    lines.heading(4, "A statement over two records")
    lines.value("root of both: H(01 ‖ artifact id ‖ artifact id)", sha(b"\x01" + one + other))
    lines.bytes_of("payload: artifacts", pack(example.statement))
    lines.value("statement id", tagged("statement", pack(example.statement)))
    lines.value("signature", signature("alice", pack(example.statement)))
    lines.bytes_of("entry 6", example.script.entries[6])
    lines.value("leaf hash", id_of(example.script.entries[6]))


def maps(lines: Page, example: Example) -> None:
    script, alice = example.script, example.alice.id
    first = tagged("chain", bytes(32), (2).to_bytes(8, "big"), id_of(script.entries[2]))
    value = tagged("chain-value", (1).to_bytes(8, "big"), first)
    key, other_key = tagged("topic", b"\x01", alice), tagged("topic", b"\x01", example.pair.id)
    lines.heading(5, "Status map")
    lines.say("Key events of alice: entry 2 alone.")
    lines.value("topic key", key)
    lines.value("chain link", first)
    lines.value("chain value", value)
    link = tagged("chain", bytes(32), (3).to_bytes(8, "big"), id_of(script.entries[3]))
    other = tagged("chain-value", (1).to_bytes(8, "big"), link)
    lines.say("The same of her pair: entry 3 alone.")
    lines.value("topic key", other_key)
    lines.value("chain value", other)
    entries = {key: value, other_key: other}
    lines.bytes_of(
        "a prefix tree of these two keys: preimage of its root", reference.prefix_preimage(entries)
    )
    lines.value("root", reference.prefix_root(entries))
    (step,) = reference.prefix_proof(entries, key)
    lines.value("presence proof of the first key: one step", step)
    absent = sha(b"test key that is absent")
    *steps, terminal = reference.prefix_proof(entries, absent)
    lines.value("an absent key", absent)
    for step in steps:
        lines.value("absence proof: step", step)
    lines.bytes_of("absence proof: terminal", terminal)
    lines.say(
        "The status proof (§11.2) of these three keys: a node of depth 0, its left leaf, and its right one."
    )
    lines.bytes_of("status proof", reference.prefix_multiproof(entries, {key, other_key, absent}))
    lines.say("The status proof of the absent key alone: what is to the left, and the leaf to the right.")
    lines.bytes_of("status proof of absence", reference.prefix_multiproof(entries, {absent}))


def trees(lines: Page, example: Example) -> None:
    lines.heading(6, "Checkpoint and receipt")
    lines.say("The checkpoint over the eight entries, signed by the log's key:")
    lines.lines += note(example.script).rstrip("\n").split("\n")
    lines.say("")
    extra = pack(receipt_extra(example))
    lines.say(
        "Receipt of the record of form raw: c2sp.org/tlog-proof@v1, index 6, the path below, that checkpoint, and"
    )
    lines.say(
        "`extra`: entry 6, the record, record_index 0, record_path [the other artifact id], support [[2, entry 2, path]]"
    )
    for hash_ in reference.path(6, example.script.entries):
        lines.value("path", hash_)
    lines.say(f"extra: {len(extra)} bytes, H(extra) = {sha(extra).hex()}")
    lines.heading(7, "Multiproof")
    leaves = [b"a", b"b", b"c", b"d", b"e"]
    lines.say(
        'Tree of five leaves "a" … "e"; wanted: leaves 1 and 4. The proof: leaf hash 0, then the node over 2 and 3.'
    )
    lines.value("root", mth(leaves))
    for hash_ in reference.multiproof({1, 4}, leaves):
        lines.value("proof", hash_)


def rendered(text: str) -> str:
    """SPEC.md with its examples as they should be."""
    before, rest = text.split(BEGIN)
    _old, after = rest.split(END)
    return before + BEGIN + "\n" + page() + "\n" + END + after


def write() -> None:
    SPEC.write_text(rendered(SPEC.read_text()))
    print(f"{len(page().splitlines())} lines of examples in {SPEC}")
