"""The verb `gate` of a ledger. `ledger.api.ledger.Ledger` has it; this is no class of its own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from ledger.api.access import Access
from ledger.api.around import Progress, silent
from ledger.api.gate.from_ledger import ShownLedger
from ledger.api.gate.gating import Asked, Path_, ask, check_decides, gate_shown
from ledger.api.gate.reporting import report_gate
from ledger.api.gate.result import Gated
from ledger.api.gate.run import AUTO
from ledger.api.gate.terms import Named
from ledger.api.manifests import sign_manifest
from ledger.api.receipts import receipt_path
from ledger.datasets.outputs import file_exists
from ledger.errors import RefusedInput
from ledger.origin.policy import Policy
from ledger.origin.trust import Trust


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
        judged, unix ms; None: now. `checkpoints`: files of cosigned log checkpoints, besides those that
        are kept (SPEC §10.9). `admitted`: where the admitted rows are written, in their own
        format; `verdicts`: where the verdict file (SPEC §12.5); `report`: where a page to look at. `sign_by`: who logs what was decided as an artifact of kind
        `dataset`, form `manifest`; it needs `verdicts`. `resume`: an interrupted run goes on. `workers`: processes that read; None: as many as
        there are processors. `format`, `folder_is` (`shards`, `files`) and `partitions` say what names do not.

        Raises Undecided where the policy needs what is not at hand: nothing is written then. RefusedInput for a policy, trust file or dataset that cannot
        be read, `column-unclear`, `file-exists`, `run-unfinished`, `resume-differs`, `checkpoint-behind`; ProofInvalid where the log or a checkpoint does
        not hold; StoreFault. Nothing half done has the name of an output.
        """
        asked = ask(
            dataset,
            policy,
            trust,
            column=column,
            admitted=admitted,
            verdicts=verdicts,
            report=report,
            at_ms=at_ms,
            checkpoints=checkpoints,
            resume=resume,
            workers=workers,
            progress=progress,
            format=format,
            folder_is=folder_is,
            partitions=partitions,
        )
        if sign_by is not None:
            self._check_signer(asked, sign_by)
        with self._access.view() as view:
            shown = ShownLedger(self._access, view)
            gated, terms = gate_shown(shown, asked)
        if sign_by is not None and gated.verdicts is not None:
            gated.manifest = sign_manifest(self._access, gated.verdicts, sign_by).id
        if asked.outputs.report is not None:
            report_gate(shown, gated, terms, trust, asked.outputs.report)
        return gated

    def _check_signer(self, asked: Asked, name: str) -> None:
        """Whoever signs the manifest is asked for his keys before anything is read. Raises RefusedInput for what does not go together."""
        check_decides(asked.policy)
        verdicts = asked.outputs.verdicts
        if verdicts is None:
            raise RefusedInput(
                "usage", "sign_by", "what is signed is the verdict file, and none is written", "Name one."
            )
        if os.path.lexists(receipt_path(verdicts)) and not asked.is_resumed:
            raise file_exists(receipt_path(verdicts))
        self._access.check_writable()
        self._access.unlock(name)
