"""The verb `gate` of a ledger. `ledger.api.ledger.Ledger` has it; this is no class of its own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ledger.api.accepted import Accepted, accept, load_notes, remember
from ledger.api.access import Access, Progress, now_ms, silent
from ledger.api.gate.judging import Terms
from ledger.api.gate.partial import bound_to
from ledger.api.gate.result import Gated
from ledger.api.gate.run import AUTO, Outputs, gate_files, gate_memory
from ledger.api.gate.terms import Named, read_policy, read_trust
from ledger.datasets.dataset import open_dataset
from ledger.datasets.memory import MemoryDataset
from ledger.errors import RefusedInput
from ledger.log.view import LogView
from ledger.origin.policy import Policy
from ledger.origin.trust import Trust

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
        at_ms: int | None = None,
        checkpoints: Sequence[Path_] = (),
        resume: bool = False,
        workers: int | None = None,
        progress: Progress = silent,
        format: str | None = None,  # noqa: A002 - what it is called everywhere else
        folder_is: str | None = None,
        partitions: bool = True,
    ) -> Gated:
        """Which rows may be trained on, and why the others not (SPEC §12.3, §12.6). Signs nothing.

        `dataset`: a path, a pattern or several of them; or rows in memory: an iterable of mappings, an Arrow table, a `datasets.Dataset`.
        `policy`: `inventory`, `balanced`, `strict`, a file, or the bytes of one. `trust`: a file or its bytes; None: this ledger alone is
        trusted. `column`: what of each row was signed; "": it is found out; None: the row as a whole, or a line. `at_ms`: the time at which is
        judged, unix ms; None: now. `checkpoints`: files of cosigned log checkpoints. `admitted`: where the admitted rows are written, in their own
        format; `verdicts`: where the verdict file (SPEC §12.5). `resume`: an interrupted run goes on. `workers`: processes that read; None: as many as
        there are processors. `format`, `folder_is` (`shards`, `files`) and `partitions` say what names do not.

        Raises Undecided where the policy needs what is not at hand: nothing is written then. RefusedInput for a policy, trust file or dataset that cannot
        be read, `column-unclear`, `file-exists`, `run-unfinished`, `resume-differs`, `checkpoint-behind`; ProofInvalid where the log or a checkpoint does
        not hold; StoreFault. Nothing half done has the name of an output.
        """
        outputs = Outputs(*(None if out is None else Path(out) for out in (admitted, verdicts)))
        read = read_policy(policy)
        if admitted is not None and not read.decides:
            raise RefusedInput(
                "usage",
                "admitted",
                f"the policy {read.name!r} decides nothing, so no row is admitted",
                "Take another.",
            )
        with self._access.view() as view:
            if not _is_named(dataset):
                if outputs != Outputs() or resume:
                    raise RefusedInput(
                        "usage",
                        "outputs",
                        "rows in memory are given back, not written",
                        "Use what `gate` returns.",
                    )
                terms, accepted = self._terms(view, read, trust, at_ms, checkpoints)
                gated = gate_memory(self._access, view, MemoryDataset(dataset), column, terms)
            else:
                outputs.check(resume=resume)
                opened = open_dataset(dataset, format_=format, folder_is=folder_is, partitions=partitions)
                begun_ms = _begun_ms(outputs) if resume and at_ms is None else None
                terms, accepted = self._terms(view, read, trust, at_ms or begun_ms, checkpoints)
                gated = gate_files(
                    self._access,
                    view,
                    opened,
                    column,
                    terms,
                    outputs,
                    resume=resume,
                    workers=workers,
                    progress=progress,
                )
            gated.notes = (*gated.notes, *_notes(accepted))
            return gated

    def _terms(
        self,
        view: LogView,
        policy: Policy,
        trust: Named | Trust | None,
        at_ms: int | None,
        checkpoints: Sequence[Path_],
    ) -> tuple[Terms, Accepted]:
        """By what is judged; the log checkpoint is held against what was accepted before, and is remembered."""
        believed = read_trust(trust, view)
        time_ms = now_ms() if at_ms is None else at_ms
        memory = self._access.checkpoints
        accepted = accept(memory, view, believed, time_ms, load_notes(checkpoints))
        remember(memory, accepted, view)
        return Terms(policy, believed, time_ms, accepted.cosigned, accepted.older), accepted


def _is_named(dataset: Any) -> bool:
    """Whether paths are given, not rows."""
    if isinstance(dataset, (str, os.PathLike)):
        return True
    return (
        isinstance(dataset, (list, tuple))
        and bool(dataset)
        and all(isinstance(each, (str, os.PathLike)) for each in dataset)
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
