"""C2SP tlog-policy: its example, its rules one by one, and the quorum held to its definition (SPEC §12.1)."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import spec
from ledger.errors import RefusedInput
from ledger.identity import ed25519
from ledger.identity.vkey import Vkey
from ledger.proofs.tlog_policy import Group, TlogPolicy, parse_tlog_policy
from tests.test_proofs.witnesses import LOG, Cosigner

NO_DEADLINE = settings(deadline=None)  # a machine may be busy

NAMES = ("X1", "X2", "X3", "Y1", "Y2", "Y3")
W = {name: Cosigner(f"witness.example/{name}") for name in NAMES}
WITNESSES = "".join(f"witness {name} {W[name].vkey}\n" for name in NAMES)
EXAMPLE = f"""log {LOG}

{WITNESSES}group X-witnesses 2 X1 X2 X3
group Y-witnesses any Y1 Y2 Y3

group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
"""


def test_the_specifications_example() -> None:
    policy = parse_tlog_policy(EXAMPLE.encode())
    assert [log.vkey for log in policy.logs] == [LOG]
    assert [(witness.name, witness.vkey) for witness in policy.witnesses] == [
        (name, W[name].vkey) for name in NAMES
    ]
    assert policy.groups == (
        Group("X-witnesses", 2, ("X1", "X2", "X3")),
        Group("Y-witnesses", 1, ("Y1", "Y2", "Y3")),
        Group("X-and-Y", 2, ("X-witnesses", "Y-witnesses")),
    )
    for count in range(len(NAMES) + 1):
        for cosigned in combinations(NAMES, count):
            wanted = len({"X1", "X2", "X3"} & set(cosigned)) >= 2 and bool({"Y1", "Y2", "Y3"} & set(cosigned))
            assert policy.is_met(cosigned) is wanted


def test_whitespace_comments_urls_and_order_are_free() -> None:
    text = f"\t# words\n \n quorum\tnone \nwitness  w\t{W['X1'].vkey} https://w.example/x\nlog {LOG} https://l.example\n"
    policy = parse_tlog_policy(text.encode())
    assert (policy.logs[0].url, policy.witnesses[0].url, policy.quorum) == (
        "https://l.example",
        "https://w.example/x",
        None,
    )


def test_quorum_none_is_never_met() -> None:
    policy = parse_tlog_policy(f"{WITNESSES}quorum none\n".encode())
    assert not policy.is_met(NAMES)
    assert not policy.is_met(["none"])


def test_a_single_witness_may_be_the_quorum() -> None:
    policy = parse_tlog_policy(f"{WITNESSES}quorum X2\n".encode())
    assert [policy.is_met([name]) for name in NAMES] == [False, True, False, False, False, False]


def test_names_of_groups_count_for_nothing() -> None:
    """Only witnesses cosign."""
    policy = parse_tlog_policy(EXAMPLE.encode())
    assert not policy.is_met(["X-and-Y", "X-witnesses", "Y-witnesses"])


def test_octets_above_ascii_are_opaque() -> None:
    kelvin, letter = "\u212a", "K"
    text = f"witness {kelvin} {W['X1'].vkey}\nwitness {letter} {W['X2'].vkey}\nquorum {kelvin}\n"
    assert parse_tlog_policy(text.encode()).is_met([kelvin])
    latin = f"witness \u00e9 {W['X1'].vkey}\n# \u00e9\nquorum \u00e9\n".encode("latin-1")
    assert parse_tlog_policy(latin).witnesses[0].name == "\udce9"


LOG_KEY_4 = Vkey.make("witness.example/self", LOG.key, 4)
SAME_KEY = Vkey.make("witness.example/alias", W["X1"].vkey.key, 4)
OTHER_LOG = Vkey.make("log.example/alias", LOG.key)
PLAIN = Vkey.make("witness.example/plain", ed25519.public_key(bytes(32)), 1)
MANY = [
    f"witness w{n} {Vkey.make('w', ed25519.public_key(n.to_bytes(32, 'big')), 4)}"
    for n in range(spec.TLOG_POLICY_NAMES_MAX + 1)
]

REFUSED = {
    "nothing": ("", "no quorum line"),
    "no quorum": (f"log {LOG}\n", "no quorum line"),
    "two quorums": ("quorum none\nquorum none\n", "there is one"),
    "a quorum of nobody": ("quorum X\n", "no witness or group"),
    "a quorum before its witness": (f"quorum X1\n{WITNESSES}", "no witness or group"),
    "a quorum with more words": ("quorum none none\n", "it is none of"),
    "an unknown word": ("logs none\nquorum none\n", "it is none of"),
    "words in capitals": ("QUORUM none\n", "it is none of"),
    "a log without key": ("log\nquorum none\n", "it is none of"),
    "a log with more": (f"log {LOG} a b\nquorum none\n", "it is none of"),
    "a key that is none": ("log nonsense\nquorum none\n", "is not <name>"),
    "a witness without name": (f"witness {W['X1'].vkey}\nquorum none\n", "it is none of"),
    "a witness whose key signs notes": (f"witness p {PLAIN}\nquorum none\n", "0x01 signs no cosignatures"),
    "one key twice": (
        f"witness a {W['X1'].vkey}\nwitness b {SAME_KEY}\nquorum none\n",
        "stands on a line before",
    ),
    "one log twice": (f"log {LOG}\nlog {OTHER_LOG}\nquorum none\n", "stands on a line before"),
    "a log that is its own witness": (
        f"log {LOG}\nwitness s {LOG_KEY_4}\nquorum none\n",
        "stands on a line before",
    ),
    "one name twice": (f"witness a {W['X1'].vkey}\nwitness a {W['X2'].vkey}\nquorum none\n", "is taken"),
    "a witness called none": (f"witness none {W['X1'].vkey}\nquorum none\n", "is taken"),
    "a group called none": (f"{WITNESSES}group none any X1\nquorum none\n", "is taken"),
    "a group of a witness' name": (f"{WITNESSES}group X1 any X2\nquorum none\n", "is taken"),
    "a group without members": (f"{WITNESSES}group g any\nquorum none\n", "it is none of"),
    "a group of a stranger": (f"{WITNESSES}group g any Z\nquorum none\n", "no witness or group"),
    "a group of none": (f"{WITNESSES}group g any none\nquorum none\n", "no witness or group"),
    "a group of itself": (f"{WITNESSES}group g any g\nquorum none\n", "no witness or group"),
    "a member twice": (f"{WITNESSES}group g any X1 X1\nquorum none\n", "a member already"),
    "a member of two groups": (
        f"{WITNESSES}group g any X1\ngroup h any X1\nquorum none\n",
        "a member already",
    ),
    "threshold 0": (f"{WITNESSES}group g 0 X1\nquorum none\n", "the threshold '0'"),
    "threshold over all": (f"{WITNESSES}group g 2 X1\nquorum none\n", "the threshold '2'"),
    "threshold with a zero before": (f"{WITNESSES}group g 01 X1\nquorum none\n", "the threshold '01'"),
    "threshold with a sign": (f"{WITNESSES}group g +1 X1\nquorum none\n", "the threshold '+1'"),
    "threshold in capitals": (f"{WITNESSES}group g ANY X1\nquorum none\n", "the threshold 'ANY'"),
    "a carriage return": ("quorum none\r\n", "octet 0x0d"),
    "a delete": ("quorum none\n#\x7f\n", "octet 0x7f"),
    "a null": ("quorum none\n#\x00\n", "octet 0x00"),
    "a line without end": ("quorum none", "not ended by a newline"),
    "too many witnesses": ("\n".join([*MANY, "quorum none", ""]), "it has over 256 witnesses"),
    "too long": ("#" * spec.TLOG_POLICY_BYTES_MAX + "\nquorum none\n", "bytes"),
    "a no-break space": ("quorum\u00a0none\n", "it is none of"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    text, reason = REFUSED[name]
    with pytest.raises(RefusedInput, match=reason.replace("(", r"\(").replace("+", r"\+")) as refusal:
        parse_tlog_policy(text.encode())
    assert refusal.value.code == "tlog-policy-invalid"
    assert refusal.value.item.startswith("tlog_policy")
    assert refusal.value.fix


def test_the_line_is_named() -> None:
    with pytest.raises(RefusedInput) as refusal:
        parse_tlog_policy(f"# one\n\n{WITNESSES}group g 9 X1\n".encode())
    assert refusal.value.item == "tlog_policy, line 9"


def test_as_many_as_may_be_are_read() -> None:
    assert len(parse_tlog_policy("\n".join([*MANY[:-1], "quorum w7", ""]).encode()).witnesses) == 256


def naive(policy: TlogPolicy, name: str, cosigned: frozenset[str]) -> bool:
    """The definition, recursive."""
    for group in policy.groups:
        if group.name == name:
            return sum(naive(policy, member, cosigned) for member in group.members) >= group.threshold
    return name in cosigned


@st.composite
def policies(draw: st.DrawFn) -> bytes:
    """Groups over groups over witnesses, each a member once."""
    free = list(NAMES)
    lines = []
    for number in range(draw(st.integers(0, 4))):
        members = draw(st.lists(st.sampled_from(free), min_size=1, max_size=4, unique=True)) if free else []
        if members:
            threshold = draw(st.sampled_from(["any", "all", str(draw(st.integers(1, len(members))))]))
            lines.append(f"group g{number} {threshold} {' '.join(members)}\n")
            free = [name for name in free if name not in members] + [f"g{number}"]
    quorum = draw(st.sampled_from([*NAMES, *(f"g{n}" for n in range(len(lines)))]))
    return f"{WITNESSES}{''.join(lines)}quorum {quorum}\n".encode()


@NO_DEADLINE
@given(policies(), st.frozensets(st.sampled_from(NAMES)), st.sampled_from(NAMES))
def test_a_quorum_is_what_its_definition_says_and_grows(
    text: bytes, cosigned: frozenset[str], more: str
) -> None:
    policy = parse_tlog_policy(text)
    assert policy.quorum is not None
    assert policy.is_met(cosigned) is naive(policy, policy.quorum, cosigned)
    assert policy.is_met(cosigned) <= policy.is_met(cosigned | {more})


@NO_DEADLINE
@given(st.binary(max_size=200))
def test_whatever_the_bytes_a_refusal_is_named(data: bytes) -> None:
    try:
        parse_tlog_policy(data)
    except RefusedInput as refusal:
        assert refusal.code == "tlog-policy-invalid"  # noqa: PT017 - most bytes are no policy
