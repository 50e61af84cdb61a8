"""From a log to a verdict: traced, cosigned, judged; and the same in another process, time zone and hash seed (SPEC §12)."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ledger.log.view import open_view
from ledger.origin.judge import Judge
from ledger.origin.lattice import Standing, Verdict
from ledger.origin.levels import Level
from ledger.origin.moment import cosigned_under, moment_of
from ledger.origin.policy import Policy
from ledger.origin.reasons import Code
from ledger.origin.trust import Trust, parse_trust, self_trust
from ledger.proofs.quorum import existed_before
from ledger.proofs.trace import trace_many
from ledger.statements.record import Parent, Record
from tests import reference
from tests.test_origin.facts import BALANCED, DAY_MS, INVENTORY, STRICT
from tests.test_proofs.witnesses import Cosigner
from tests.world import Actor, World

ROOT = Path(__file__).resolve().parents[2]
FIRST, SECOND = Cosigner("witness.example/1"), Cosigner("witness.example/2")


class Council:
    """A log whose rules list a curator and a registrar, with two people and a pair."""

    def __init__(self) -> None:
        self.world = world = World()
        world.time_ms = 1_000 * DAY_MS
        self.anna, self.ben, self.cara = (world.enrol(name) for name in ("anna", "ben", "cara"))
        self.pair = world.pair(self.anna, "pair", {"human": 1_000_000})
        self.curator, self.registrar = (
            world.enrol("curator", "curator"),
            world.enrol("registrar", "registrar"),
        )
        world.rules(world.operator(), curators=[self.curator], registrars=[self.registrar])

    def publish(self, actor: Actor, text: str, kind: str = "work", *parents: Parent, **fields: Any) -> Record:
        record = actor.record(
            text, kind, parents, **({"human": 1_000_000} if kind == "work" and not parents else {}) | fields
        )
        self.world.publish(actor, record)
        return record

    def judge(
        self,
        policy: Policy,
        trust: Trust,
        *roots: Record,
        older: tuple[Any, ...] = (),
        cosigners: tuple[Cosigner, ...] = (),
    ) -> Judge:
        """By the newest log checkpoint, cosigned now by these witnesses."""
        world = self.world
        with open_view(world.store, world.vkey) as view:
            traced = trace_many(
                view,
                [root.id for root in roots],
                world.vkey,
                trust.accept,
                graders=trust.graders,
                with_clocks=True,
            )
            note = view.note.decode()
        lines = [cosigner.line(traced.checkpoint, world.time_ms // 1_000) for cosigner in cosigners]
        moment = moment_of(trust, world.vkey, note + "".join(lines), traced, world.time_ms, older)
        return Judge(traced.nodes, policy, trust, moment)

    def trust(self, text: str = "", *makers: Actor) -> Trust:
        people = ", ".join(repr(actor.id.hex()) for actor in makers or (self.anna, self.ben))
        witnesses = f"witness a {FIRST.vkey}\nwitness b {SECOND.vkey}\ngroup both all a b\nquorum both\n"
        return parse_trust(
            f'makers = [{people}]\ntlog_policy = """\nlog {self.world.vkey}\n{witnesses}"""\n{text}'.encode()
        )


@pytest.fixture
def council() -> Council:
    return Council()


def test_a_hold_and_its_release_in_a_real_log(council: Council) -> None:
    base = council.publish(council.anna, "base")
    child = council.publish(
        council.anna, "child", "work", Parent("derived-from", base.id, 300_000), human=700_000
    )
    trust = self_trust()
    assert council.judge(BALANCED, trust, child).artifact(child.id).verdict is Verdict.ADMITTED
    held = council.world.notice(council.curator, "hold", [base.id])
    found = council.judge(BALANCED, trust, child).row([child.id])
    assert (found.verdict, found.code, found.status) == (Verdict.QUARANTINED, Code.HELD, Standing.QUARANTINED)
    assert f"is held since entry {held.log_index:,} by curator {council.curator.id.hex()[:8]}" in found.why
    council.world.notice(council.curator, "release", [base.id], cancels=held.statement_id)
    assert council.judge(BALANCED, trust, child).row([child.id]).verdict is Verdict.ADMITTED
    council.world.notice(council.anna, "retract", [base.id])
    assert council.judge(BALANCED, trust, child).artifact(child.id).status is Standing.CONDITIONAL
    assert council.judge(BALANCED, trust, base).artifact(base.id).verdict is Verdict.REJECTED


def test_levels_in_a_real_log_take_quorum_and_voice(council: Council) -> None:
    work = council.publish(council.anna, "work")
    both = (FIRST, SECOND)
    council.world.attest(council.ben, [work.id])
    trust = council.trust()
    assert council.judge(INVENTORY, trust, work).artifact(work.id).level is Level.ANCHORED
    assert council.judge(INVENTORY, trust, work, cosigners=(FIRST,)).artifact(work.id).level is Level.ANCHORED
    assert council.judge(INVENTORY, trust, work, cosigners=both).artifact(work.id).level is Level.VOUCHED
    alone = council.trust("", council.anna)
    assert council.judge(INVENTORY, alone, work, cosigners=both).artifact(work.id).level is Level.ANCHORED


def test_whom_a_named_registrar_endorses_vouches_in_a_real_log(council: Council) -> None:
    work = council.publish(council.anna, "work")
    council.world.attest(council.cara, [work.id])
    council.world.endorse(council.registrar, council.cara, "verified")
    for grade, level in (("verified", Level.VOUCHED), ("documented", Level.ANCHORED)):
        trust = council.trust(f"[registrars]\n{council.registrar.id.hex()} = ['{grade}']\n", council.anna)
        assert (
            council.judge(INVENTORY, trust, work, cosigners=(FIRST, SECOND)).artifact(work.id).level is level
        )


def test_strict_admits_after_a_week_that_witnesses_tell(council: Council) -> None:
    world = council.world
    work = council.publish(council.anna, "work")
    world.attest(council.ben, [work.id])
    trust = council.trust()
    with open_view(world.store, world.vkey) as view:
        old_note, old = view.note.decode(), view.checkpoint
    lines = "".join(witness.line(old, world.time_ms // 1_000) for witness in (FIRST, SECOND))
    world.time_ms += 7 * DAY_MS
    world.writer.tick()
    with open_view(world.store, world.vkey) as view:
        entries = [view.entry(index) for index in range(view.checkpoint.size)]
        head = view.checkpoint
    older = cosigned_under(trust, world.vkey, old_note + lines, world.time_ms)
    existed = existed_before(older, head, reference.proof(old.size, entries))
    assert existed is not None
    both = (FIRST, SECOND)
    young = council.judge(STRICT, trust, work, cosigners=both).row([work.id])
    assert (young.verdict, young.code) == (Verdict.QUARANTINED, Code.TOO_YOUNG)
    assert (
        council.judge(STRICT, trust, work, cosigners=both, older=(existed,)).row([work.id]).verdict
        is Verdict.ADMITTED
    )


def test_the_own_clock_tells_an_age_where_nobody_cosigns(council: Council) -> None:
    work = council.publish(council.anna, "work")
    council.world.time_ms += 7 * DAY_MS
    later = council.publish(council.anna, "later")
    judge = council.judge(BALANCED, self_trust(), work, later)
    ages = [judge.footing.age_ms(traced_index(council, each)) for each in (work, later)]
    assert ages[0] is not None
    assert ages[0] >= 7 * DAY_MS
    assert ages[1] is not None
    assert ages[1] < DAY_MS


def traced_index(council: Council, record: Record) -> int | None:
    world = council.world
    with open_view(world.store, world.vkey) as view:
        return trace_many(view, [record.id], world.vkey).nodes[record.id].log_index


def test_two_claims_on_one_text_in_a_real_log(council: Council) -> None:
    work = council.publish(council.anna, "text")
    rows = council.publish(council.ben, "text", "dataset", form="rows", facts={"count": 1}, stance="reported")
    trust = self_trust([council.cara.id])
    claims: list[tuple[bytes, int | None]] = [(work.id, None), (rows.id, 0)]
    waiting = council.judge(BALANCED, trust, work, rows).row(claims)
    assert (waiting.code, waiting.rivals) == (Code.NOT_VOUCHED, (work.id,))
    council.world.attest(council.cara, [rows.id, 0], claim="origin")
    assert council.judge(BALANCED, trust, work, rows).row(claims).artifact_id == work.id


# --- anywhere, for ever ------------------------------------------------------------------------------------------------

SCRIPT = """
import json
from tests.test_origin.test_judge_log import told
print(json.dumps(told()))
"""


def told() -> list[list[Any]]:
    """Verdicts on made-up facts, with their reasons, in words."""
    from tests.test_origin.facts import judged
    from tests.test_origin.test_judge import CASES, STATES, child

    found = [judged(*nodes) for nodes, *_ in CASES.values()]
    found += [judged(node, child(node)) for node, *_ in STATES.values()]
    return [[each.id.hex(), each.level, each.status, each.verdict, each.code, each.why] for each in found]


def test_the_same_in_another_process_time_zone_and_hash_seed() -> None:
    wanted = json.loads(json.dumps(told()))
    assert len(wanted) > 40
    for seed, zone in (("0", "UTC"), ("1", "Asia/Tokyo"), ("77", "America/New_York")):
        environment = os.environ | {"PYTHONHASHSEED": seed, "TZ": zone, "LC_ALL": "C"}
        result = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        assert json.loads(result.stdout) == wanted


def test_what_workers_hand_each_other_survives_it(council: Council) -> None:
    """Policies, trust files, moments and facts go to other processes, verdicts come back."""
    work = council.publish(council.anna, "work")
    council.world.attest(council.ben, [work.id])
    trust, world = council.trust(), council.world
    with open_view(world.store, world.vkey) as view:
        traced = trace_many(view, [work.id], world.vkey, trust.accept, with_clocks=True)
        note = view.note
    moment = moment_of(trust, world.vkey, note, traced, world.time_ms)
    parts = traced.nodes, INVENTORY, trust, moment
    found = Judge(*parts).row([work.id])
    again = Judge(*pickle.loads(pickle.dumps(parts))).row([work.id])
    assert pickle.loads(pickle.dumps(again)) == again == found
