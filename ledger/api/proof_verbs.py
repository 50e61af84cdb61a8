"""The verb `prove` of a ledger. `ledger.api.ledger.Ledger` has it; this is no class of its own."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from ledger.api import proving
from ledger.api.access import Access
from ledger.api.gate.terms import Named, trust_named
from ledger.api.proving import Proof
from ledger.origin.trust import Trust


class ProofVerbs:
    """Part of `Ledger`."""

    _access: Access

    def prove(
        self,
        named: Sequence[str | os.PathLike[str] | bytes],
        output: str | os.PathLike[str] | None = None,
        *,
        trust: Named | Trust | None = None,
        since: Iterable[int] = (),
        disclose: Sequence[str] = (),
        gated: str | os.PathLike[str] | None = None,
    ) -> Proof:
        """Makes one file that proves the whole ancestry of its subjects, offline (SPEC §11.2).

        `named`: files that were signed, with every claim on them; artifact ids, as bytes or in hex; rows of imported datasets: ID:ROW, ID:FIRST-LAST,
        ID:all. `gated`: a verdict file, whose admitted rows are subjects too. `output`: where it is written, in place of a proof that lies there; None: its bytes are
        in what is returned. `trust`: made for who trusts so, a file or its bytes; None: for anybody. `since`: sizes of log checkpoints
        that readers remember, which it is shown to extend (SPEC §12.4). `disclose`: sealed files, ids of sealed artifacts whose content is kept here, and names of identities whose
        sealed profile is: each goes into the file with its salt, for whoever gets it. Nothing else that is sealed does.

        Raises NotFound `unlogged`, `file-not-found`; RefusedInput `file-exists`, `index-out-of-range`, `checkpoint-behind`, `not-sealed`, `salt-missing`, and of what is named; StoreFault
        `rows-missing`; ProofInvalid `rows-differ`. Nothing half done has the name of the output.
        """
        written = None if output is None else Path(output)
        return proving.prove(
            self._access,
            named,
            written,
            trust=trust_named(trust),
            since=since,
            disclose=disclose,
            gated=gated,
        )
