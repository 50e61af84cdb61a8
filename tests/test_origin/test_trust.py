"""The trust file, the moment, and what is missing where nothing can be decided (SPEC §12.1, §12.3)."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import spec
from ledger.errors import PolicyDenied, ProofInvalid, RefusedInput, Undecided
from ledger.identity.vkey import Vkey
from ledger.origin.moment import Footing, Missing, Moment, missing
from ledger.origin.policy import parse_policy
from ledger.origin.trust import NO_FILE_DIGEST, Trust, parse_trust, self_trust
from ledger.proofs.checkpoint import Checkpoint
from ledger.proofs.facts import Existed
from ledger.proofs.quorum import Cosigned
from tests.cases.settings import LOG, TRUST_GOOD
from tests.test_origin.facts import (
    ANNA,
    BALANCED,
    BEN,
    CARA,
    CHECKPOINT,
    COSIGNED,
    CURATOR,
    DAY_MS,
    DORA,
    INVENTORY,
    MOMENT,
    NOW_MS,
    PAIR,
    QUORUM,
    REGISTRAR,
    SIZE,
    STRICT,
    TOOL,
    UNDER_QUORUM,
    WITNESS,
    Who,
    older,
    policy_of,
    trust_of,
)

NO_DEADLINE = settings(deadline=None)  # a machine may be busy

WHOLE = trust_of(
    f"{QUORUM}\n[registrars]\n{REGISTRAR.id.hex()} = ['verified']\n",
    makers=[ANNA],
    curators=[CURATOR],
    tools=[TOOL],
)


def test_whom_a_trace_asks_and_whom_it_hears() -> None:
    assert WHOLE.accept == {ANNA.id, CURATOR.id, REGISTRAR.id}  # tools vouch for nothing
    assert WHOLE.graders == {REGISTRAR.id}
    assert self_trust([BEN.id]).accept == {BEN.id}
    assert self_trust().graders == frozenset()


def test_where_there_is_no_file_the_own_ledger_alone_is_trusted() -> None:
    trust = self_trust()
    assert (trust.is_self, trust.all_makers, trust.curators, trust.has_quorum) == (True, True, None, False)
    assert trust.digest == NO_FILE_DIGEST
    empty = parse_trust(b"")
    assert (empty.is_self, empty.all_makers, empty.makers, empty.accept) == (
        False,
        False,
        frozenset(),
        frozenset(),
    )
    assert empty.digest != NO_FILE_DIGEST


def test_control_joins_groups_that_meet() -> None:
    def group(*people: Who) -> str:
        return f"[[controlled]]\nidentities = [{', '.join(repr(who.id.hex()) for who in people)}]\n"

    trust = trust_of(group(ANNA, BEN) + group(CARA, DORA) + group(BEN, CARA) + group(TOOL, PAIR))
    assert len({trust.controller(who.id) for who in (ANNA, BEN, CARA, DORA)}) == 1
    assert trust.controller(TOOL.id) == trust.controller(PAIR.id) != trust.controller(ANNA.id)
    assert trust.controller(CURATOR.id) == CURATOR.id


@NO_DEADLINE
@given(st.lists(st.lists(st.integers(0, 7), min_size=2, max_size=3, unique=True), max_size=6))
def test_control_is_the_closure_of_its_groups(groups: list[list[int]]) -> None:
    people = [Who(f"p{number}").id for number in range(8)]
    text = "".join(
        f"[[controlled]]\nidentities = [{', '.join(repr(people[n].hex()) for n in group)}]\n"
        for group in groups
    )
    trust = parse_trust(text.encode())
    joined = [{number} for number in range(8)]
    for group in groups:  # the naive closure
        whole = set().union(*(joined[number] for number in group))
        for number in whole:
            joined[number] = whole
    for first in range(8):
        for second in range(8):
            assert (trust.controller(people[first]) == trust.controller(people[second])) == (
                second in joined[first]
            )


def test_logs_that_a_file_lists_are_known_and_others_not() -> None:
    trust, own = parse_trust(TRUST_GOOD["quorum-none"][1].encode()), Vkey.parse(LOG)
    other = Vkey.make("log.example/other", own.key)
    assert trust.knows_log(own)
    assert not trust.knows_log(other)
    trust.check_log(own)
    with pytest.raises(PolicyDenied) as refusal:
        trust.check_log(other)
    assert refusal.value.code == "log-not-trusted"
    assert trust_of(QUORUM).knows_log(other)  # it lists none: the caller knows his own
    assert self_trust().knows_log(other)


def test_a_file_too_long_or_not_utf8_is_refused() -> None:
    for data, reason in (
        (b"#" * (spec.SETTINGS_BYTES_MAX + 1), "has over 1048576 bytes"),
        (b"# \xff\n", "not UTF-8"),
    ):
        for read, code in ((parse_trust, "trust-invalid"), (parse_policy, "policy-invalid")):
            with pytest.raises(RefusedInput, match=reason) as refusal:
                read(data)
            assert refusal.value.code == code


@NO_DEADLINE
@given(st.text(max_size=60) | st.sampled_from(["a = " + "9" * 5_000, "a=" + "{a=" * 2_000]))
def test_whatever_the_text_nothing_but_a_refusal_comes(text: str) -> None:
    for read in (parse_trust, parse_policy):
        with suppress(RefusedInput):
            read(text.encode("utf-8", "surrogatepass"))


# --- the moment --------------------------------------------------------------------------------------------------------


def codes(policy_name: str, trust: Trust, moment: Moment) -> list[str]:
    policy = {"inventory": INVENTORY, "balanced": BALANCED, "strict": STRICT}[policy_name]
    return [each.code for each in missing(policy, Footing(trust, moment))]


QUORATE = trust_of(QUORUM, makers=[ANNA])
LISTING = f'tlog_policy = """log {LOG}\nwitness w {WITNESS}\nquorum w\n"""'
FRESH = trust_of("max_checkpoint_age_s = 86_400", makers=[ANNA])
FRESH_QUORATE = trust_of(f"max_checkpoint_age_s = 86_400\n{QUORUM}", makers=[ANNA])
NOBODY = Cosigned(CHECKPOINT, {}, None, None)


def cosigned_days_ago(days: float) -> Cosigned:
    time_s = int((NOW_MS - days * DAY_MS) // 1_000)
    return Cosigned(CHECKPOINT, {"w": (time_s,)}, time_s, time_s)


MISSING = {
    # balanced, then strict
    "self-trusted": (self_trust(), MOMENT, [], ["quorum-missing"]),
    "a file without witnesses": (trust_of(makers=[ANNA]), MOMENT, [], ["quorum-missing"]),
    "quorum none": (trust_of('tlog_policy = """quorum none\n"""'), MOMENT, [], ["quorum-missing"]),
    "a quorum that is met": (QUORATE, UNDER_QUORUM, [], []),
    "a quorum that is not met": (
        QUORATE,
        replace(MOMENT, cosigned=NOBODY),
        ["quorum-unmet"],
        ["quorum-unmet"],
    ),
    "a quorum that was not asked": (QUORATE, MOMENT, ["quorum-unmet"], ["quorum-unmet"]),
    "another log": (
        trust_of(LISTING, makers=[ANNA]),
        UNDER_QUORUM,
        ["log-not-trusted"],
        ["log-not-trusted"],
    ),
    "a clock of a day ago": (FRESH, replace(MOMENT, clock_ms=NOW_MS - DAY_MS), [], ["quorum-missing"]),
    "a clock of more": (
        FRESH,
        replace(MOMENT, clock_ms=NOW_MS - DAY_MS - 1),
        ["checkpoint-too-old"],
        ["quorum-missing", "checkpoint-too-old"],
    ),
    "cosigned a day ago": (FRESH_QUORATE, replace(MOMENT, cosigned=cosigned_days_ago(1), clock_ms=5), [], []),
    "cosigned more than a day ago": (
        FRESH_QUORATE,
        replace(MOMENT, cosigned=cosigned_days_ago(1.1), clock_ms=5),
        ["checkpoint-too-old"],
        ["checkpoint-too-old"],
    ),
    "cosigned by nobody, age unknown": (
        FRESH_QUORATE,
        replace(MOMENT, cosigned=NOBODY),
        ["quorum-unmet", "checkpoint-too-old"],
        ["quorum-unmet", "checkpoint-too-old"],
    ),
}


@pytest.mark.parametrize("name", MISSING)
def test_what_is_missing_is_named(name: str) -> None:
    trust, moment, balanced, strict = MISSING[name]
    assert codes("inventory", trust, moment) == []
    assert codes("balanced", trust, moment) == balanced
    assert codes("strict", trust, moment) == strict


def test_all_that_is_missing_is_told_with_its_fix() -> None:
    found = missing(STRICT, Footing(FRESH, replace(MOMENT, clock_ms=0)))
    assert all(isinstance(each, Missing) and each.what and each.fix for each in found)
    assert Undecided("undecided", "x", "y").family == "PolicyDenied"


def test_a_library_that_cannot_verify_is_said_to_be_missing() -> None:
    footing = Footing(QUORATE, replace(MOMENT, cosigned=replace(NOBODY, unverified=("w.example/pq",))))
    (found,) = missing(BALANCED, footing)
    assert "ML-DSA-44, by w.example/pq" in found.what


def test_cosignatures_of_another_checkpoint_are_refused() -> None:
    other = replace(COSIGNED, checkpoint=Checkpoint("log.example/test", SIZE + 1, bytes(32)))
    with pytest.raises(RefusedInput) as refusal:
        Footing(QUORATE, replace(MOMENT, cosigned=other))
    assert refusal.value.code == "checkpoint-differs"


def test_a_log_ahead_of_its_witnesses_is_refused_whoever_asks() -> None:
    ahead = replace(MOMENT, cosigned=COSIGNED, clock_ms=NOW_MS + 301_000)
    for trust in (QUORATE, self_trust()):
        with pytest.raises(ProofInvalid, match="ahead of the witnesses"):
            Footing(trust, ahead)
    Footing(QUORATE, replace(ahead, clock_ms=NOW_MS + 300_000))


# --- ages ----------------------------------------------------------------------------------------------------------------


def test_with_a_quorum_its_word_alone_tells_an_age() -> None:
    moment = replace(UNDER_QUORUM, older=(older(5, 3), older(9, 2)), clocks=(older(5, 99),))
    footing = Footing(QUORATE, moment)
    assert [footing.age_ms(index) for index in (4, 5, 8, 9, SIZE - 1)] == [
        3 * DAY_MS,
        2 * DAY_MS,
        2 * DAY_MS,
        0,
        0,
    ]
    assert footing.age_ms(SIZE) is None
    assert footing.age_ms(None) is None
    assert not footing.is_by_own_clock


def test_without_one_the_log_tells_it() -> None:
    moment = replace(MOMENT, older=(older(5, 99),), clocks=(older(5, 3),), clock_ms=NOW_MS - DAY_MS)
    footing = Footing(trust_of(makers=[ANNA]), moment)
    assert [footing.age_ms(index) for index in (4, 5)] == [3 * DAY_MS, DAY_MS]
    assert footing.is_by_own_clock


def test_a_quorum_that_is_not_met_leaves_older_ones() -> None:
    footing = Footing(QUORATE, replace(MOMENT, cosigned=NOBODY, older=(older(5, 3),)))
    assert [footing.age_ms(4), footing.age_ms(5)] == [3 * DAY_MS, None]


@NO_DEADLINE
@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), max_size=6), st.integers(0, 10))
def test_an_age_is_that_of_the_least_time_which_covers_it(told: list[tuple[int, int]], index: int) -> None:
    footing = Footing(
        QUORATE, replace(UNDER_QUORUM, older=tuple(Existed(size, by_ms) for size, by_ms in told))
    )
    times = [by_ms for size, by_ms in told if size > index] + [NOW_MS]
    assert footing.age_ms(index) == NOW_MS - min(times)


def test_a_policy_needs_no_more_than_it_asks() -> None:
    assert (
        missing(policy_of("[checkpoint]\nauditor = true\n"), Footing(QUORATE, UNDER_QUORUM))[0].code
        == "auditor-missing"
    )
    assert missing(policy_of(""), Footing(QUORATE, UNDER_QUORUM)) == ()
    assert BEN.id != CARA.id
