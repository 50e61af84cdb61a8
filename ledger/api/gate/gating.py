"""One gate, whoever shows the log: what it is asked for is checked, then rows are judged, and what was decided is written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypedDict, Unpack

from ledger.api.accepted import Accepted, load_notes
from ledger.api.around import Progress, now_ms, silent
from ledger.api.gate.judging import Terms
from ledger.api.gate.partial import bound_to
from ledger.api.gate.result import Gated
from ledger.api.gate.run import AUTO, Outputs, Reading, Scene, gate_files, gate_memory
from ledger.api.gate.shown import ShownLog
from ledger.api.gate.terms import Named, read_policy, read_trust
from ledger.datasets.dataset import open_dataset
from ledger.errors import RefusedInput
from ledger.origin.policy import Policy
from ledger.origin.trust import Trust
from ledger.spec import TIME_MAX_MS

Path_ = str | os.PathLike[str]


class Options(TypedDict, total=False):
    """What any gate may be told, as `ledger.api.gate.verbs.GateVerbs.gate` says it."""

    column: str | None
    admitted: Path_ | None
    verdicts: Path_ | None
    report: Path_ | None
    at_ms: int | None
    checkpoints: Sequence[Path_]
    resume: bool
    workers: int | None
    progress: Progress
    format: str | None
    folder_is: str | None
    partitions: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """What a gate is asked for, read and checked before any row is."""

    dataset: Any
    policy: Policy
    trust: Named | Trust | None
    outputs: Outputs
    options: Options

    @property
    def is_named(self) -> bool:
        """Whether paths are given, not rows."""
        dataset = self.dataset
        if isinstance(dataset, (str, os.PathLike)):
            return True
        return (
            isinstance(dataset, (list, tuple))
            and bool(dataset)
            and all(isinstance(each, (str, os.PathLike)) for each in dataset)
        )

    @property
    def is_resumed(self) -> bool:
        """Whether an interrupted run goes on."""
        return self.options.get("resume", False)


def ask(
    dataset: Any, policy: Named | Policy, trust: Named | Trust | None, **options: Unpack[Options]
) -> Asked:
    """What is asked for. Raises RefusedInput for what does not go together, before anything is read."""
    given = (options.get("admitted"), options.get("verdicts"), options.get("report"))
    outputs = Outputs(*(None if out is None else Path(out) for out in given))
    asked = Asked(dataset, read_policy(policy), trust, outputs, options)
    _check_time(options.get("at_ms"))
    outputs.check(resume=asked.is_resumed)
    if not asked.is_named and (outputs.partial is not None or asked.is_resumed):
        raise RefusedInput(
            "usage", "outputs", "rows in memory are given back, not written", "Use what `gate` returns."
        )
    if outputs.admitted is not None:
        check_decides(asked.policy)
    return asked


def check_decides(policy: Policy) -> None:
    """Raises RefusedInput `usage` where something is to be made of admitted rows, and no row will be."""
    if not policy.decides:
        raise RefusedInput(
            "usage",
            "outputs",
            f"the policy {policy.name!r} decides nothing, so no row is admitted",
            "Leave out what is made of admitted rows, or take a policy that decides.",
        )


def gate_shown(shown: ShownLog, asked: Asked) -> tuple[Gated, Terms]:
    """Judges the rows by a log as it is shown. Raises as `GateVerbs.gate`."""
    options = asked.options
    scene, accepted = _scene(shown, asked)
    column = options.get("column", AUTO)
    if asked.is_named:
        opened = open_dataset(
            asked.dataset,
            format_=options.get("format"),
            folder_is=options.get("folder_is"),
            partitions=options.get("partitions", True),
        )
        progress = options.get("progress", silent)
        reading = Reading(column, asked.is_resumed, options.get("workers"), progress)
        gated = gate_files(scene, opened, asked.outputs, reading)
    else:
        gated = gate_memory(scene, asked.dataset, column)
    gated.notes = (*gated.notes, *_notes(accepted))
    return gated, scene.terms


def _scene(shown: ShownLog, asked: Asked) -> tuple[Scene, Accepted]:
    """By what is judged; the log checkpoint is held against what was accepted before, and remembered once it is relied on."""
    believed = read_trust(asked.trust, shown)
    at_ms = asked.options.get("at_ms")
    if asked.is_resumed and at_ms is None:
        at_ms = _begun_ms(asked.outputs)
    time_ms = now_ms() if at_ms is None else at_ms
    accepted = shown.accept(believed, time_ms, load_notes(asked.options.get("checkpoints", ())))
    terms = Terms(asked.policy, believed, time_ms, accepted.cosigned, accepted.older)
    return Scene(shown, terms, partial(shown.remember, accepted)), accepted


def _check_time(at_ms: object) -> None:
    """Raises RefusedInput `usage`: what is no time would be found out when everything is judged."""
    if at_ms is not None and (type(at_ms) is not int or not 0 <= at_ms <= TIME_MAX_MS):
        raise RefusedInput(
            "usage",
            "at_ms",
            f"{at_ms!r:.40} is no time",
            f"Give unix milliseconds from 0 to {TIME_MAX_MS:,}.",
        )


def _begun_ms(outputs: Outputs) -> int | None:
    """The time of the run that goes on."""
    bound = None if outputs.partial is None else bound_to(outputs.partial)
    at_ms = None if bound is None else bound["at_ms"]
    return at_ms if isinstance(at_ms, int) else None


def _notes(accepted: Accepted) -> list[str]:
    untold = [f"Not cosigned by the quorum, and telling nothing: {', '.join(accepted.untold)}."]
    return [*(untold if accepted.untold else []), *accepted.told]
