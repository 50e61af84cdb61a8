"""The verb `gate` of a ledger. `ledger.api.ledger.Ledger` has it; this is no class of its own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ledger.api.accepted import Accepted, accept, load_notes, remember
from ledger.api.access import Access
from ledger.api.around import Progress, now_ms, silent
from ledger.api.gate.judging import Terms
from ledger.api.gate.partial import bound_to
from ledger.api.gate.reporting import report_gate
from ledger.api.gate.result import Gated
from ledger.api.gate.run import AUTO, Outputs, Reading, Scene, gate_files, gate_memory
from ledger.api.gate.terms import Named, read_policy, read_trust
from ledger.api.manifests import sign_manifest
from ledger.api.receipts import receipt_path
from ledger.datasets.dataset import open_dataset
from ledger.datasets.outputs import file_exists
from ledger.errors import RefusedInput
from ledger.log.view import LogView
from ledger.origin.policy import Policy
from ledger.origin.trust import Trust
from ledger.spec import TIME_MAX_MS

Path_ = str | os.PathLike[str]


class GateVerbs:
    """The gate before training."""

    _access: Access

    def gate(
        self,
        dataset: Any,
        policy: Named | Policy = "balanced",
        trust: Named | Trust | None = None,
        *,
        column: str | None = AUTO,
        admitted: Path_ | None = None,
        verdicts: Path_ | None = None,
        report: Path_ | None = None,
        sign_by: str | None = None,
        at_ms: int | None = None,
        checkpoints: Sequence[Path_] = (),
        resume: bool = False,
        workers: int | None = None,
        progress: Progress = silent,
        format: str | None = None,  # noqa: A002 - what it is called everywhere else
        folder_is: str | None = None,
        partitions: bool = True,
    ) -> Gated:
        """Which rows may be trained on, and why the others not (SPEC §12.3, §12.6).

        `dataset`: a path, a pattern or several of them; or rows in memory: an iterable of mappings, an Arrow table, a `datasets.Dataset`.
        `policy`: `inventory`, `balanced`, `strict`, a file, or the bytes of one. `trust`: a file or its bytes; None: this ledger alone is
        trusted. `column`: what of each row was signed; "": it is found out; None: the row as a whole, or a line. `at_ms`: the time at which is
        judged, unix ms; None: now. `checkpoints`: files of cosigned log checkpoints. `admitted`: where the admitted rows are written, in their own
        format; `verdicts`: where the verdict file (SPEC §12.5); `report`: where a page to look at. `sign_by`: who logs what was decided as an artifact of kind
        `dataset`, form `manifest`; it needs `verdicts`. `resume`: an interrupted run goes on. `workers`: processes that read; None: as many as
        there are processors. `format`, `folder_is` (`shards`, `files`) and `partitions` say what names do not.

        Raises Undecided where the policy needs what is not at hand: nothing is written then. RefusedInput for a policy, trust file or dataset that cannot
        be read, `column-unclear`, `file-exists`, `run-unfinished`, `resume-differs`, `checkpoint-behind`; ProofInvalid where the log or a checkpoint does
        not hold; StoreFault. Nothing half done has the name of an output.
        """
        outputs = Outputs(*(None if out is None else Path(out) for out in (admitted, verdicts, report)))
        read = read_policy(policy)
        _check_time(at_ms)
        self._check_asked(read, outputs, sign_by, resume=resume, is_named=_is_named(dataset))
        with self._access.view() as view:
            begun_ms = _begun_ms(outputs) if resume and at_ms is None else at_ms
            scene, accepted = self._scene(view, read, trust, begun_ms, checkpoints)
            if _is_named(dataset):
                opened = open_dataset(dataset, format_=format, folder_is=folder_is, partitions=partitions)
                reading = Reading(column, resume, workers, progress)
                gated = gate_files(scene, opened, outputs, reading)
            else:
                gated = gate_memory(scene, dataset, column)
        gated.notes = (*gated.notes, *_notes(accepted))
        if sign_by is not None and gated.verdicts is not None:
            gated.manifest = sign_manifest(self._access, gated.verdicts, sign_by).id
        if outputs.report is not None:
            report_gate(self._access, gated, scene.terms, trust, outputs.report)
        return gated

    def _check_asked(
        self, policy: Policy, outputs: Outputs, sign_by: str | None, *, resume: bool, is_named: bool
    ) -> None:
        """Raises RefusedInput for what does not go together, before anything is read; whoever signs is asked for his keys now."""
        outputs.check(resume=resume)
        if not is_named and (outputs.partial is not None or resume):
            raise RefusedInput(
                "usage", "outputs", "rows in memory are given back, not written", "Use what `gate` returns."
            )
        if not policy.decides and (outputs.admitted is not None or sign_by is not None):
            raise RefusedInput(
                "usage",
                "outputs",
                f"the policy {policy.name!r} decides nothing, so no row is admitted",
                "Leave out what is made of admitted rows, or take a policy that decides.",
            )
        if sign_by is not None:
            if outputs.verdicts is None:
                raise RefusedInput(
                    "usage", "sign_by", "what is signed is the verdict file, and none is written", "Name one."
                )
            if os.path.lexists(receipt_path(outputs.verdicts)) and not resume:
                raise file_exists(receipt_path(outputs.verdicts))
            self._access.check_writable()
            self._access.unlock(sign_by)

    def _scene(
        self,
        view: LogView,
        policy: Policy,
        trust: Named | Trust | None,
        at_ms: int | None,
        checkpoints: Sequence[Path_],
    ) -> tuple[Scene, Accepted]:
        """By what is judged; the log checkpoint is held against what was accepted before, and remembered once it is relied on."""
        believed = read_trust(trust, view)
        time_ms = now_ms() if at_ms is None else at_ms
        memory = self._access.checkpoints
        accepted = accept(memory, view, believed, time_ms, load_notes(checkpoints))
        terms = Terms(policy, believed, time_ms, accepted.cosigned, accepted.older)
        return Scene(self._access, view, terms, partial(remember, memory, accepted, view)), accepted


def _is_named(dataset: Any) -> bool:
    """Whether paths are given, not rows."""
    if isinstance(dataset, (str, os.PathLike)):
        return True
    return (
        isinstance(dataset, (list, tuple))
        and bool(dataset)
        and all(isinstance(each, (str, os.PathLike)) for each in dataset)
    )


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
    if not accepted.untold:
        return []
    return [f"Not cosigned by the quorum, and telling nothing: {', '.join(accepted.untold)}."]
