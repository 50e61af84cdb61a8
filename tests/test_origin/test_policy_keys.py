"""Every key of a policy file: what it says is what happens, and another thing happens without it (SPEC §12.2)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ledger.api.policies import POLICIES_SHIPPED, shipped_policy
from ledger.errors import NotFound, Undecided
from ledger.origin.lattice import Verdict
from ledger.origin.policy import parse_policy
from ledger.origin.reasons import Code
from ledger.proofs.facts import Node
from ledger.statements import words
from tests.cases.settings import POLICY_GOOD, TRUST_GOOD
from tests.test_origin.facts import (
    ANNA,
    BEN,
    CARA,
    COSIGNED,
    CURATOR,
    DORA,
    MOMENT,
    PAIR,
    QUORUM,
    REGISTRAR,
    SELF,
    UNDER_QUORUM,
    WITNESS,
    artifact,
    attestation,
    grade,
    judged,
    notice,
    older,
    over,
    policy_of,
    rows_of,
    trust_of,
)

SPEC = (Path(__file__).resolve().parents[2] / "SPEC.md").read_text()

W = artifact("w")
OUTPUT = artifact("o", PAIR, "output")
NAMED = trust_of(makers=[ANNA, BEN, CARA])
GRADING = trust_of(f"[registrars]\n{REGISTRAR.id.hex()} = ['verified', 'known']", makers=[ANNA])
ON_STRANGER = artifact("n", ANNA, "work", [over("derived-from", "s", 1)], human=999_999)
AT_A = {"uri": "https://a.example/b/c", "category": "crawled"}
DISPUTED = artifact("x", notices=(notice(CURATOR, "dispute"),))
WEEK = replace(MOMENT, clocks=(older(8, 7),))


class Key(NamedTuple):
    """The nodes that show what a key does; the text with it and without; what the last node comes to under each."""

    nodes: tuple[Node, ...]
    text: str
    code: Code
    without: str
    otherwise: Code
    more: dict[str, Any] = {}  # noqa: RUF012 - read only


def node(*arguments: Any, **changes: Any) -> tuple[Node, ...]:
    return (artifact(*arguments, **changes),)


KEYS = {
    "rows.work": Key(
        node("w", stance="made"),
        "[rows]\noutput = 'L0'\n",
        Code.KIND_NOT_ADMITTED,
        "[rows]\nwork = 'L0'\n",
        Code.CLEAR,
    ),
    "rows.experience": Key(
        node("e", ANNA, "experience", human=900_000),
        "[rows]\nwork = 'L0'\n",
        Code.KIND_NOT_ADMITTED,
        "[rows]\nexperience = 'L2'\n",
        Code.CLEAR,
    ),
    "rows.derived": Key(
        (W, artifact("d", ANNA, "derived", [over("derived-from", W)])),
        "[rows]\nwork = 'L0'\n",
        Code.KIND_NOT_ADMITTED,
        "[rows]\nderived = 'L2'\n",
        Code.CLEAR,
    ),
    "rows.dataset": Key(
        (rows_of("r", stance="made"),),
        "[rows]\ndataset = 'until-vouched'\n",
        Code.NOT_VOUCHED,
        "[rows]\ndataset = 'L2'\n",
        Code.CLEAR,
    ),
    "reported.dataset": Key(
        (rows_of("r"),),
        "[reported]\ndataset = 'until-vouched'\n",
        Code.NOT_VOUCHED,
        "[reported]\ndataset = 'L1'\n",
        Code.CLEAR,
    ),
    "reported.work": Key(
        node("r", stance="reported", human=None),
        "[reported]\ndataset = 'L1'\n",
        Code.KIND_NOT_ADMITTED,
        "[reported]\nwork = 'L1'\n",
        Code.CLEAR,
    ),
    "ancestors.makers": Key(
        (artifact("s", DORA), ON_STRANGER),
        "",
        Code.MAKER_NOT_ACCEPTED,
        "[ancestors]\nmakers = 'any'\n",
        Code.CLEAR,
        {"trust": NAMED},
    ),
    "ancestors.kinds.work": Key(
        (W, artifact("n", ANNA, "work", [over("derived-from", W, 1)], human=999_999)),
        "[ancestors.kinds]\noutput = 'L0'\n",
        Code.KIND_NOT_ADMITTED,
        "[ancestors.kinds]\nwork = 'L2'\n",
        Code.CLEAR,
    ),
    "verdicts.conditional": Key(
        (DISPUTED,), "", Code.DISPUTED, "[verdicts]\nconditional = 'admit'\n", Code.CLEAR
    ),
    "makers.grades": Key(
        node("k", BEN, endorsements=(grade(REGISTRAR, BEN, "known"),)),
        "[makers]\ngrades = ['named', 'verified']\n",
        Code.GRADE_TOO_LOW,
        "",
        Code.CLEAR,
        {"trust": GRADING},
    ),
    "age.quarantine_s": Key(
        (W,),
        "[age]\nquarantine_s = 604_801\n",
        Code.TOO_YOUNG,
        "[age]\nquarantine_s = 604_800\n",
        Code.CLEAR,
        {"moment": WEEK},
    ),
    "attestations.least": Key(
        node("v", attestations=(attestation(BEN),)),
        "[attestations]\nleast = 2\n",
        Code.TOO_FEW_ATTESTATIONS,
        "[attestations]\nleast = 1\n",
        Code.CLEAR,
    ),
    "attestations.vouching": Key(
        (rows_of("r", attestations=(attestation(BEN),)),),
        "[reported]\ndataset = 'until-vouched'\n[attestations]\nvouching = 2\n",
        Code.NOT_VOUCHED,
        "[reported]\ndataset = 'until-vouched'\n",
        Code.CLEAR,
    ),
    "attestations.claims": Key(
        node("v", attestations=(attestation(BEN, "content"),)),
        "[attestations]\nleast = 1\nclaims = ['origin', 'authorship']\n",
        Code.TOO_FEW_ATTESTATIONS,
        "[attestations]\nleast = 1\n",
        Code.CLEAR,
    ),
    "attestations.grades": Key(
        node("v", attestations=(attestation(BEN, grades=[grade(REGISTRAR, BEN, "known")]),)),
        "[attestations]\nleast = 1\ngrades = ['verified', 'named']\n",
        Code.TOO_FEW_ATTESTATIONS,
        "[attestations]\nleast = 1\n",
        Code.CLEAR,
        {"trust": GRADING},
    ),
    "attestations.independent": Key(
        node("v", attestations=(attestation(BEN),)),
        "[attestations]\nleast = 1\n",
        Code.TOO_FEW_ATTESTATIONS,
        "[attestations]\nleast = 1\nindependent = false\n",
        Code.CLEAR,
        {
            "trust": trust_of(
                f"[[controlled]]\nidentities = ['{ANNA.id.hex()}', '{BEN.id.hex()}']", makers=[ANNA, BEN]
            )
        },
    ),
    "shares.human_least_ppm": Key(
        node("h", human=600_000),
        "[shares]\nhuman_least_ppm = 600_001\n",
        Code.HUMAN_SHARE_TOO_SMALL,
        "[shares]\nhuman_least_ppm = 600_000\n",
        Code.CLEAR,
    ),
    "shares.unstated_human": Key(
        node("h", human=None), "[shares]\nunstated_human = 'unknown'\n", Code.SHARES_UNSTATED, "", Code.CLEAR
    ),
    "shares.unstated_pair": Key(
        node("h", PAIR), "", Code.SHARES_UNSTATED, "[shares]\nunstated_pair = 'human'\n", Code.CLEAR
    ),
    "derived.by": Key(
        (W, artifact("d", BEN, "derived", [over("derived-from", W)])),
        "",
        Code.DERIVED_BY_STRANGER,
        "[derived]\nby = 'anyone'\n",
        Code.CLEAR,
    ),
    "rights.licenses": Key(
        node("l", rights={"license": "MIT"}),
        "[rights]\nlicenses = ['CC0-1.0']\n",
        Code.LICENSE_NOT_ALLOWED,
        "[rights]\nlicenses = ['CC0-1.0', 'MIT']\n",
        Code.CLEAR,
    ),
    "rights.license_other": Key(
        node("l", rights={"license": "MIT"}),
        "[rights]\nlicenses = ['CC0-1.0']\n",
        Code.LICENSE_NOT_ALLOWED,
        "[rights]\nlicenses = ['CC0-1.0']\nlicense_other = 'admit'\n",
        Code.CLEAR,
    ),
    "rights.license_unstated": Key(
        (W,), "[rights]\nlicense_unstated = 'reject'\n", Code.LICENSE_UNSTATED, "", Code.CLEAR
    ),
    "rights.train_denied": Key(
        node("l", rights={"train": "denied"}),
        "",
        Code.TRAIN_DENIED,
        "[rights]\ntrain_denied = 'admit'\n",
        Code.CLEAR,
    ),
    "rights.train_constrained": Key(
        node("l", rights={"train": "constrained"}),
        "",
        Code.TRAIN_CONSTRAINED,
        "[rights]\ntrain_constrained = 'admit'\n",
        Code.CLEAR,
    ),
    "rights.train_unstated": Key(
        (W,), "[rights]\ntrain_unstated = 'quarantine'\n", Code.TRAIN_UNSTATED, "", Code.CLEAR
    ),
    "sources.categories": Key(
        node("s", source=AT_A),
        "[sources]\ncategories = ['licensed']\n",
        Code.SOURCE_NOT_ALLOWED,
        "[sources]\ncategories = ['crawled']\n",
        Code.CLEAR,
    ),
    "sources.uris": Key(
        node("s", source=AT_A),
        "[sources]\nuris = ['https://a.example/c/']\n",
        Code.SOURCE_NOT_ALLOWED,
        "[sources]\nuris = ['https://a.example/b/']\n",
        Code.CLEAR,
    ),
    "sources.uris_denied": Key(
        node("s", source=AT_A),
        "[sources]\nuris_denied = ['https://a.example/b/']\nother = 'admit'\n",
        Code.SOURCE_NOT_ALLOWED,
        "",
        Code.CLEAR,
    ),
    "sources.other": Key(
        node("s", source=AT_A),
        "[sources]\ncategories = ['licensed']\n",
        Code.SOURCE_NOT_ALLOWED,
        "[sources]\ncategories = ['licensed']\nother = 'admit'\n",
        Code.CLEAR,
    ),
    "sources.unstated": Key((W,), "[sources]\nunstated = 'reject'\n", Code.SOURCE_UNSTATED, "", Code.CLEAR),
}


@pytest.mark.parametrize("name", KEYS)
def test_a_key_does_what_it_says(name: str) -> None:
    key = KEYS[name]
    with_it = judged(*key.nodes, policy=policy_of(key.text), **key.more)
    without = judged(*key.nodes, policy=policy_of(key.without), **key.more)
    assert (with_it.code, without.code) == (key.code, key.otherwise), (with_it.why, without.why)


# --- keys that concern the whole -------------------------------------------------------------------------------------


def test_decide() -> None:
    assert judged(W, policy=policy_of("decide = false\n")).verdict is Verdict.UNDECIDED
    assert judged(W, policy=policy_of("")).verdict is Verdict.ADMITTED


def test_checkpoint_quorum() -> None:
    asking = policy_of("[checkpoint]\nquorum = true\n")
    trust = trust_of(QUORUM, makers=[ANNA])
    with pytest.raises(Undecided, match="no trust file with a tlog_policy"):
        judged(W, policy=asking)
    assert judged(W, policy=asking, trust=trust, moment=UNDER_QUORUM).verdict is Verdict.ADMITTED
    assert judged(W, policy=policy_of("")).verdict is Verdict.ADMITTED


def test_checkpoint_auditor() -> None:
    asking = policy_of("[checkpoint]\nauditor = true\n")
    with pytest.raises(Undecided, match="no auditor"):
        judged(W, policy=asking, moment=replace(MOMENT, cosigned=COSIGNED))
    audited = replace(MOMENT, cosigned=replace(COSIGNED, auditors=(WITNESS,)))
    assert judged(W, policy=asking, moment=audited).verdict is Verdict.ADMITTED


def test_name_and_version() -> None:
    assert parse_policy(b"version = 1\nname = 'ours'").name == "ours"
    assert parse_policy(b"version = 1").name == "unnamed"
    with pytest.raises(Undecided, match="'ours'"):
        judged(W, policy=policy_of("name = 'ours'\n[checkpoint]\nquorum = true\n"))


COUNTS = {Verdict.ADMITTED: 50, Verdict.QUARANTINED: 30, Verdict.REJECTED: 20}
FAILS = {
    "rejected_rows_over": (
        "rejected_rows_over = 19",
        "rejected_rows_over = 20",
        "20 rows are rejected, over 19",
    ),
    "rejected_ppm_over": (
        "rejected_ppm_over = 199_999",
        "rejected_ppm_over = 200_000",
        "20 of 100 rows are rejected, over 199,999 ppm",
    ),
    "quarantined_rows_over": (
        "quarantined_rows_over = 29",
        "quarantined_rows_over = 30",
        "30 rows are quarantined, over 29",
    ),
    "quarantined_ppm_over": (
        "quarantined_ppm_over = 299_999",
        "quarantined_ppm_over = 300_000",
        "30 of 100 rows are quarantined, over 299,999 ppm",
    ),
    "admitted_rows_under": (
        "admitted_rows_under = 51",
        "admitted_rows_under = 50",
        "50 rows are admitted, under 51",
    ),
    "admitted_ppm_under": (
        "admitted_ppm_under = 500_001",
        "admitted_ppm_under = 500_000",
        "50 of 100 rows are admitted, under 500,001 ppm",
    ),
    "reasons.held": ("reasons = { held = 4 }", "reasons = { held = 5 }", "5 rows are held, over 4"),
}


@pytest.mark.parametrize("name", FAILS)
def test_fail_if(name: str) -> None:
    met, not_met, told = FAILS[name]
    failures = [
        parse_policy(f"version = 1\n[fail_if]\n{line}\n".encode()).failures(COUNTS, {"held": 5})
        for line in (met, not_met)
    ]
    assert failures == [(told,), ()]


def test_no_rows_at_all_fail_only_a_least_number() -> None:
    text = "version = 1\n[fail_if]\nrejected_ppm_over = 0\nadmitted_ppm_under = 1_000_000\nadmitted_rows_under = 1\n"
    assert parse_policy(text.encode()).failures({}, {}) == ("0 rows are admitted, under 1",)
    assert parse_policy(b"version = 1\n[fail_if]\n[fail_if.reasons]\nheld = 0").failures({}, {}) == ()


# --- rights and sources along an ancestry ------------------------------------------------------------------------------


def test_what_content_is_derived_from_binds_it() -> None:
    denied = artifact("no", rights={"train": "denied"})
    for rel, code in (("derived-from", Code.TRAIN_DENIED), ("quotes", Code.CLEAR), ("evidence", Code.CLEAR)):
        free = artifact("n", ANNA, "work", [over(rel, denied)], human=900_000, rights={"train": "allowed"})
        again = artifact("m", ANNA, "work", [over("derived-from", free)], human=900_000)
        assert judged(denied, free, policy=policy_of("")).code is code
        assert judged(denied, free, again, policy=policy_of("")).code is code
    over_a_model = artifact("m", ANNA, "model", [over("trained-on", denied)])
    output = artifact("o", ANNA, "output", [over("generated-by", over_a_model)])
    admitting = policy_of("[verdicts]\nconditional = 'admit'\n")
    assert judged(denied, over_a_model, output, policy=admitting).code is Code.CLEAR


def test_a_derived_says_what_its_parents_say() -> None:
    asking = policy_of(
        "[rights]\nlicenses = ['MIT']\nlicense_unstated = 'reject'\ntrain_unstated = 'reject'\n[sources]\nunstated = 'reject'\n"
    )
    said = {
        "rights": {"license": "MIT", "train": "allowed"},
        "source": {"uri": "https://a.example/b", "category": "user"},
    }
    work = artifact("x", **said)
    chunk = artifact("d", ANNA, "derived", [over("derived-from", work)])
    assert judged(work, chunk, policy=asking).verdict is Verdict.ADMITTED
    mute = artifact("x")
    found = judged(mute, artifact("d", ANNA, "derived", [over("derived-from", mute)]), policy=asking)
    assert (found.code, len(found.path)) == (Code.LICENSE_UNSTATED, 1)
    relicensed = artifact(
        "d", ANNA, "derived", [over("derived-from", work)], rights={"license": "GPL-2.0-only"}
    )
    assert judged(work, relicensed, policy=asking).code is Code.LICENSE_NOT_ALLOWED


@pytest.mark.parametrize(
    ("listed", "uri", "is_under"),
    [
        ("https://a.example/", "https://a.example/b", True),
        ("https://a.example", "https://a.example", True),
        ("https://a.example", "https://a.example.evil/b", False),
        ("https://a.example", "https://a.example/b", False),
        ("urn:", "urn:x", True),
        ("https:", "http://a.example/", False),
        ("https://a.example/b/", "https://a.example/b", False),
    ],
)
def test_a_uri_is_itself_unless_it_ends_as_a_beginning(listed: str, uri: str, is_under: bool) -> None:
    asking = policy_of(f"[sources]\nuris = ['{listed}']\n")
    found = judged(artifact("x", source={"uri": uri, "category": "user"}), policy=asking)
    assert (found.verdict is Verdict.ADMITTED) is is_under


# --- nothing is left out ------------------------------------------------------------------------------------------------


def flat(values: dict[str, Any], where: str = "") -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from flat(value, f"{where}{key}.")
        else:
            yield where + key


def test_every_key_is_shown_by_a_test() -> None:
    whole = set(flat(tomllib.loads(POLICY_GOOD["whole"][1])))
    concern_all = {
        "version",
        "name",
        "decide",
        "checkpoint.quorum",
        "checkpoint.auditor",
        *(f"fail_if.{key}" for key in FAILS),
    }
    assert whole == KEYS.keys() | concern_all


def spelt_out(text: str) -> set[str]:
    """The keys of a table of SPEC.md; those of one kind or code stand for all."""
    found = set()
    for cell in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE):
        names = re.findall(r"`([^`]+)`", cell)
        head = names[0].rpartition(".")[0]
        found |= {name if not name.startswith(".") else head + name for name in names}
    return found


def test_specification_and_parser_know_the_same_keys() -> None:
    section = SPEC.split("### 12.2 Policy")[1].split("*People's* share")[0]
    kinds = {"work", "experience", "derived", "dataset"}
    shown = {
        re.sub(
            r"^(rows|reported|ancestors\.kinds)\.\w+$",
            r"\1.KIND",
            re.sub(r"^(fail_if\.reasons)\.\w+$", r"\1.CODE", key),
        )
        for key in flat(tomllib.loads(POLICY_GOOD["whole"][1]))
    }
    assert spelt_out(section) == shown
    assert kinds < words.KINDS
    trust = SPEC.split("### 12.1 Trust")[1].split("The *accepted attestors*")[0]
    known = set(tomllib.loads(TRUST_GOOD["whole"][1]))
    assert spelt_out(trust) == (known - {"controlled"}) | {"[[controlled]]"}


def test_the_codes_are_those_of_the_specification_in_its_order() -> None:
    section = SPEC.split("**Derivation.**")[1].split("**Undecided.**")[0]
    told = [
        code
        for cell in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
        for code in re.findall(r"`([^`]+)`", cell)
    ]
    assert told == [str(code) for code in Code]


def test_defaults_admit_nothing() -> None:
    for each in (W, OUTPUT, rows_of("r")):
        assert judged(each, policy=parse_policy(b"version = 1")).verdict is Verdict.REJECTED


# --- what ships ------------------------------------------------------------------------------------------------------------


def test_the_shipped_policies_are_read_and_named() -> None:
    for name in POLICIES_SHIPPED:
        assert parse_policy(shipped_policy(name)).name == name
    with pytest.raises(NotFound, match="inventory, balanced, strict") as refusal:
        shipped_policy("lenient")
    assert refusal.value.code == "policy-unknown"


def test_shipped_files_are_part_of_the_package() -> None:
    """They are data; what packaging leaves out is missing only where it is installed."""
    pyproject = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text())
    assert "origin/policies/*.toml" in pyproject["tool"]["setuptools"]["package-data"]["ledger"]
    folder = Path(__file__).resolve().parents[2] / "ledger" / "origin" / "policies"
    assert {path.stem for path in folder.iterdir()} == set(POLICIES_SHIPPED)


def test_strict_admits_nothing_that_balanced_does_not() -> None:
    """Over one trust and moment."""
    trust, moment = trust_of(QUORUM, makers=[ANNA, BEN]), replace(UNDER_QUORUM, older=(older(8, 7),))
    vouched = artifact("v", attestations=(attestation(BEN),))
    both = [parse_policy(shipped_policy(name)) for name in ("balanced", "strict")]
    for each in (W, vouched, OUTPUT, rows_of("r"), artifact("p", PAIR), DISPUTED):
        balanced, strict = (
            judged(each, policy=policy, trust=trust, moment=moment).verdict for policy in both
        )
        assert strict <= balanced
    assert judged(vouched, policy=both[1], trust=trust, moment=moment).verdict is Verdict.ADMITTED
    assert judged(W, trust=SELF).verdict is Verdict.ADMITTED
