"""Tallies to draw: a real day's, a hostile one, a huge one. For tests only."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from ledger.exports.report_about import ReportAbout
from ledger.origin.reasons import Code
from ledger.origin.tally import Sample, SampleNode, Tally, Traits

NAMES = {
    "anna": "Anna Lindqvist",
    "ben": "Ben Okafor",
    "cara": "Cara Nakamura",
    "lab": "Meadow Lab, corpus desk",
    "curator": "Northern Curators",
}


def id_of(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def hex_of(name: str) -> str:
    return id_of(name).hex()


def about(**changes: object) -> ReportAbout:
    given: dict[str, object] = {
        "dataset": "changelogs-2026.jsonl",
        "column": "text",
        "policy_name": "balanced",
        "policy_sha256": hex_of("policy"),
        "trust": "trust.toml",
        "trust_sha256": hex_of("trust"),
        "log_origin": "log.example/meadow-7f3a",
        "log_id": hex_of("log"),
        "checkpoint_size": 48_211,
        "checkpoint_root": hex_of("root"),
        "at_ms": 1_795_789_385_000,
        "time_by": "the log's own clock",
        "notes": (
            "The trust file asks for no quorum: the log's own clock tells the time, and no row reaches L3.",
        ),
        "names": {hex_of(key): name for key, name in NAMES.items()},
        "version": "0.1.0",
        "manifest": "",
    }
    return ReportAbout(**{**given, **changes})  # type: ignore[arg-type]


def node(
    name: str,
    kind: str = "work",
    maker: str | None = "anna",
    role: str = "human",
    parents: Iterable[tuple[str, str, int | None]] = (),
    *,
    stance: str = "made",
    level: str = "L2",
    status: str = "released",
    says: str = "",
) -> SampleNode:
    kin = tuple((relation, id_of(parent), share_ppm) for relation, parent, share_ppm in parents)
    return SampleNode(
        id_of(name), kind, stance, None if maker is None else id_of(maker), role, level, status, says, kin
    )


def sample(
    row_index: int,
    verdict: str,
    code: str,
    level: str,
    why: str,
    text: str,
    *nodes: SampleNode,
    decides: str | None = None,
) -> Sample:
    return Sample(
        row_index,
        id_of(f"row {row_index}"),
        nodes[0].id if nodes else None,
        verdict,
        code,
        level,
        why,
        text,
        nodes,
        decides=None if decides is None else id_of(decides),
    )


def chain() -> Sample:
    """A derived row, over three steps from a held work; beside it another author's part."""
    return sample(
        1_204,
        "quarantined",
        "held",
        "L2",
        f"quarantined: its ancestor {hex_of('draft')[:8]}\u2026 is held since entry 1,204 by curator {hex_of('curator')[:8]}\u2026;"
        " reaches it through derived-from 3 times",
        "apt (2.7.14) unstable; urgency=medium\n\n  * Fix the progress bar when the terminal is resized.\n"
        "  * Translate the new messages.\n\n -- Anna Lindqvist <anna@example.org>  Tue, 02 Apr 2024 10:11:12 +0200",
        node("chunk", "derived", "anna", "pair", [("derived-from", "clean", None)]),
        node(
            "clean",
            "derived",
            "anna",
            "pair",
            [("derived-from", "merged", 900_000), ("quotes", "note", 100_000)],
        ),
        node(
            "merged",
            "work",
            "anna",
            "human",
            [("derived-from", "draft", 550_000), ("derived-from", "second", 250_000)],
        ),
        node("note", "work", "ben", "human", says=""),
        node(
            "draft",
            "work",
            "cara",
            "human",
            status="quarantined",
            says=f"is held since entry 1,204 by curator {hex_of('curator')[:8]}\u2026",
        ),
        node("second", "experience", "ben", "human", [("evidence", "note", None)]),
        decides="draft",
    )


def machine_made() -> Sample:
    """An output of a model, its weights, what they were trained on."""
    corpus = [
        node(f"corpus {each}", "work", who, "human") for each, who in enumerate(("anna", "ben", "cara"))
    ]
    return sample(
        77,
        "rejected",
        "kind-not-admitted",
        "L1",
        "rejected: it is an output that was made, which the policy does not let in",
        "Summary: the release fixes a crash in the resolver and updates the Swedish translation. Users should upgrade.",
        node(
            "answer",
            "output",
            "model",
            "machine",
            [("generated-by", "weights", None), ("quotes", "corpus 0", 120_000)],
            level="L1",
            says="is an output that was made, which the policy does not let in",
        ),
        node(
            "weights",
            "model",
            "lab",
            "human",
            [("trained-on", f"corpus {each}", None) for each in range(3)]
            + [("distilled-from", "teacher", 400_000)],
        ),
        node(
            "teacher",
            "abstract",
            "lab",
            "pair",
            [("distilled-from", "corpus 2", 300_000), ("trained-on", "gone", None)],
        ),
        *corpus,
        node("gone", "", None, "", level="L0", status="unknown"),
    )


def wide(count: int = 40) -> Sample:
    """So many artifacts as a sample may have: a compilation of many people's."""
    parts = [f"part {each}" for each in range(count - 4)]
    relations = ("derived-from", "quotes", "evidence")
    return sample(
        9,
        "admitted",
        "clear",
        "L2",
        "admitted: nothing stands against it",
        "A compilation of many notes by many hands.",
        node(
            "compilation",
            "work",
            "anna",
            "pair",
            [("derived-from", "left", 400_000), ("derived-from", "right", 350_000)],
        ),
        node("left", "derived", "ben", "human", [("derived-from", each, None) for each in parts[::2]]),
        node(
            "right",
            "derived",
            "cara",
            "human",
            [("derived-from", each, None) for each in parts[1::2]] + [("quotes", "left", 5)],
        ),
        *(
            node(
                part,
                "work" if place % 3 else "experience",
                ("anna", "ben", "cara")[place % 3],
                "human",
                [(relations[place % 3], "oldest", None)] if place % 7 == 0 else (),
            )
            for place, part in enumerate(parts)
        ),
        node("oldest", "work", "cara", "human"),
    )


def realistic() -> tuple[ReportAbout, Tally]:
    """A dataset of changelogs: most rows signed, some held, reported, unknown, broken."""
    tally = Tally()
    packager = Traits(
        "admitted",
        "clear",
        "L2",
        "work",
        "made",
        hex_of("anna"),
        "human",
        hex_of("anna"),
        "GPL-2.0-or-later",
        "allowed",
        "public-dataset",
        "https://packages.example.org/changelogs/",
    )
    tally.count(packager, 512_008, 401_000_000)
    tally.count(
        packager._replace(maker=hex_of("ben"), anchor=hex_of("ben"), license="MIT"), 201_417, 150_000_000
    )
    tally.count(
        packager._replace(kind="derived", maker=hex_of("lab"), role="pair", anchor=hex_of("cara"), train=""),
        98_916,
        60_000_000,
    )
    tally.count(
        packager._replace(verdict="quarantined", code="held", maker=hex_of("cara"), anchor=hex_of("cara")),
        1_732,
        900_000,
    )
    tally.count(
        Traits(
            "quarantined",
            "not-vouched",
            "L1",
            "dataset",
            "reported",
            hex_of("lab"),
            "human",
            hex_of("lab"),
            "CC-BY-SA-4.0",
            "",
            "crawled",
            "https://archive.example.net/mirror/2025/",
        ),
        120_004,
        99_000_000,
    )
    tally.count(packager._replace(verdict="rejected", code="retracted-by-maker", has_rivals=True), 88, 70_000)
    tally.count(
        packager._replace(
            verdict="rejected", code="train-denied", train="denied", license="LicenseRef-Proprietary"
        ),
        4_420,
        3_000_000,
    )
    tally.count(
        Traits(
            "rejected",
            "kind-not-admitted",
            "L1",
            "output",
            "made",
            hex_of("model"),
            "machine",
            "",
            "",
            "",
            "synthetic",
        ),
        20_111,
        9_000_000,
    )
    tally.count(Traits("rejected", "unlogged", "L0"), 41_290, 30_000_000)
    tally.count_refused("rejected", "L0", "not-json", 11)
    tally.count_refused("rejected", "L0", "row-blank", 3)
    for each in (
        wide(12),
        sample(31, "admitted", "clear", "L2", "admitted: nothing stands against it", "", node("other")),
        chain(),
        machine_made(),
        sample(
            5,
            "rejected",
            "unlogged",
            "L0",
            "rejected: no artifact of the log is about it",
            "curl (8.5.0-2) unstable; urgency=low\n  * New upstream release.",
        ),
        sample(
            812,
            "quarantined",
            "not-vouched",
            "L1",
            "quarantined: it is reported, and 0 of 1 attestors vouch for it",
            "bash (5.2.21-2) unstable",
            node(
                "mirror",
                "dataset",
                "lab",
                "human",
                stance="reported",
                level="L1",
                says="is reported, and 0 of 1 attestors vouch for it",
            ),
        ),
        sample(
            900,
            "rejected",
            "retracted-by-maker",
            "L2",
            "rejected: it was retracted by its maker at entry 40,001",
            "zlib (1:1.3) unstable",
            node(
                "old",
                "work",
                "ben",
                "human",
                [("supersedes", "older", None), ("corrects", "error", None)],
                status="retracted",
                says="was retracted by its maker at entry 40,001",
            ),
            node("older", "work", "ben", "human"),
            node("error", "work", "cara", "human"),
        ),
        sample(4_001, "rejected", "row-refused", "L0", "rejected: not-json: it ends within a string", ""),
    ):
        tally.keep(each)
    return about(), tally


HOSTILE = (
    "</script><script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "</bdi></style><style>*{display:none}</style>",
    "]]><!--<svg onload=alert(1)>-->",
    "javascript:alert(1)",
    "\u202egnp.exe\u2066\u2069 \u200b\u200d\ufeff \x00\x07\x1b[31m \x85\x9b",
    "\ud800 lone \udfff",
    "&lt;b&gt; &#60;script&#62; &amp;",
    "W" * 3_000,
    "Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f" * 200,
    "url(https://evil.example/x) expression(alert(1)) @import 'x'",
    "\n\n\r\n\t{{7*7}}${7*7}<%= 7*7 %>",
    "\u05d0\u05d1\u05d2 \u0645\u0631\u062d\u0628\u0627 \ufdfd\ufdfd\ufdfd\ufdfd\ufdfd",
)


def worded(text: str) -> tuple[ReportAbout, Tally]:
    """One text wherever a text can stand."""
    tally = Tally()
    for verdict in ("admitted", "rejected", text):
        tally.count(
            Traits(verdict, text, text, text, text, text, text, text, text, text, text, text, True), 7
        )
        tally.count(
            Traits(
                verdict,
                "clear",
                "L2",
                "work",
                "made",
                hex_of("anna"),
                "human",
                hex_of("anna"),
                text,
                "allowed",
                "crawled",
                text,
            ),
            3,
        )
    tally.count_refused("rejected", "L0", text, 2)
    nodes = (
        SampleNode(
            id_of("a"),
            text,
            text,
            id_of("anna"),
            text,
            text,
            text,
            text,
            ((text, id_of("b"), 5), (text, id_of("c"), None)),
        ),
        SampleNode(id_of("b"), "work", "made", id_of("ben"), "human", text, text, text),
    )
    tally.keep(Sample(1, id_of("x"), id_of("a"), "admitted", text, text, text, text, nodes, 3))
    tally.keep(Sample(2, id_of("y"), id_of("a"), text, text, text, text, text, nodes, 0, id_of("b")))
    names = {hex_of("anna"): text, hex_of("ben"): text, text: text}
    return about(
        dataset=text,
        column=text,
        policy_name=text,
        policy_sha256=text,
        trust=text,
        trust_sha256=text,
        log_origin=text,
        log_id=text,
        checkpoint_root=text,
        time_by=text,
        notes=(text, text),
        names=names,
        version=text,
        manifest=text,
    ), tally


def hostile() -> tuple[ReportAbout, Tally]:
    """Every hostile text, each somewhere."""
    _, tally = worded(HOSTILE[0])
    for text in HOSTILE[1:]:
        tally.merge(worded(text)[1])
    base, _ = worded(HOSTILE[1])
    return about(
        dataset=HOSTILE[8] + HOSTILE[0],
        column=HOSTILE[9],
        policy_name=HOSTILE[5],
        trust=HOSTILE[2],
        log_origin=HOSTILE[8],
        time_by=HOSTILE[4],
        notes=HOSTILE,
        names=base.names,
        version=HOSTILE[10],
    ), tally


def huge() -> tuple[ReportAbout, Tally]:
    """Full tables, every code under every verdict, 40 artifacts in each ancestry."""
    tally = Tally()
    for number in range(6_000):
        uri = f"https://a-very-long-name.example.org/{number:06}/" + "x" * 400
        tally.count(
            Traits(
                "admitted",
                "clear",
                "L2",
                "work",
                "made",
                hex_of(f"m{number}"),
                "human",
                hex_of(f"a{number}"),
                f"LicenseRef-{number}-" + "&" * 100,
                "allowed",
                "crawled",
                uri,
            ),
            10**9 + number,
            10**12,
        )
    for verdict in ("quarantined", "rejected", "undecided"):
        for place, code in enumerate(Code):
            tally.count(Traits(verdict, code, "L1"), 10**6 - place)
            deep = wide()
            tally.keep(
                Sample(
                    place,
                    id_of(code),
                    deep.artifact_id,
                    verdict,
                    code,
                    "L1",
                    "<" * 600,
                    "&" * 600,
                    deep.nodes,
                    1_000_000,
                )
            )
    return about(dataset="/data/" + "deep/" * 200), tally


def undecided() -> tuple[ReportAbout, Tally]:
    """By a policy that decides nothing, without a trust file."""
    tally = Tally()
    tally.count(
        Traits("undecided", "clear", "L2", "work", "made", hex_of("anna"), "human", hex_of("anna")),
        500,
        9_999,
    )
    tally.count(Traits("undecided", "unlogged", "L0"), 500, 9_999)
    return about(policy_name="inventory", trust="", trust_sha256="0" * 64), tally


def few() -> tuple[ReportAbout, Tally]:
    """Three rows."""
    tally = Tally()
    tally.count(
        Traits("admitted", "clear", "L2", "work", "made", hex_of("anna"), "human", hex_of("anna")), 2, 99
    )
    tally.count(Traits("rejected", "unlogged", "L0"), 1, 9)
    return about(column=None), tally


def empty() -> tuple[ReportAbout, Tally]:
    """None at all."""
    return about(), Tally()


SCENES = {
    "realistic": realistic,
    "hostile": hostile,
    "huge": huge,
    "undecided": undecided,
    "few": few,
    "empty": empty,
}
