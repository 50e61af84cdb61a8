"""What a gate asks of a log, whoever shows it: a ledger (`ledger.api.gate.from_ledger`), or a file that proves ancestries.

Nothing of it is believed but what is verified: what `tracer` traces, and what the others say only proposes. Who hides something here
hides a claim, and adds none.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

from ledger.api.accepted import Accepted, GivenNote
from ledger.api.gate.block import RowDigests
from ledger.datasets.crew import Crew
from ledger.identity.vkey import Vkey
from ledger.origin.claims import Claim
from ledger.origin.trust import Trust
from ledger.proofs.checkpoint import Checkpoint
from ledger.proofs.trace import Tracer


class Said(NamedTuple):
    """Of a `rows` record: the `rows` of which something is said by itself; whether anything `is_against` all of it."""

    rows: frozenset[int]
    is_against: bool


Spoken = Callable[[bytes], Said]


class Stretch(NamedTuple):
    """Rows [start, stop) of a block, which all stand in the dataset of `claim`."""

    start: int
    stop: int
    claim: Claim


class AboutContent(Protocol):
    """An artifact about a content that was sought, and under which form."""

    @property
    def artifact_id(self) -> bytes: ...

    @property
    def form(self) -> str: ...


class KeptSalt(Protocol):
    """An artifact and the salt under which its content is sealed, 32 bytes each."""

    @property
    def artifact_id(self) -> bytes: ...

    @property
    def salt(self) -> bytes: ...


class KeptSalts(Protocol):
    """Salts at hand that no row brings."""

    def of_contents(self, digests: Iterable[bytes]) -> Mapping[bytes, Sequence[KeptSalt]]:
        """What may have been sealed about each of many contents, by their SHA-256; those of which nothing is are left out."""
        ...


class ShownRows(Protocol):
    """The datasets of `rows` records. `unsearched`: those that cannot be looked into, and why; `columns`: those that the others are of."""

    @property
    def unsearched(self) -> Sequence[tuple[bytes, str]]: ...

    @property
    def columns(self) -> Collection[str | None]: ...

    def find(self, digests: RowDigests) -> tuple[Sequence[Stretch], Mapping[bytes, Sequence[Claim]]]:
        """Stretches of rows, and by digest the other claims; a row in a stretch has its claim, and those of its digest.

        Each was hashed up to the signed root. Raises StoreFault, ProofInvalid `rows-differ`.
        """
        ...


class ShownLog(Protocol):
    """A log as of one signed checkpoint. `self_trusted`, `rivals`: what a reader has to know of whom one trusts without a trust file, and of where claims were sought.

    Methods raise StoreFault and ProofInvalid where what is stored does not hold.
    """

    @property
    def vkey(self) -> Vkey: ...

    @property
    def checkpoint(self) -> Checkpoint: ...

    @property
    def self_trusted(self) -> str: ...

    @property
    def rivals(self) -> str: ...

    @property
    def proof(self) -> str | None:
        """SHA-256 of the file that shows it, in hex; None: it is no file."""
        ...

    def rules(self) -> Mapping[str, Any]:
        """The log's rules in force (SPEC §5.4)."""
        ...

    def tracer(self, accept: frozenset[bytes], graders: frozenset[bytes], *, with_clocks: bool) -> Tracer:
        """Who verifies ancestries. Raises as `Tracer`."""
        ...

    def find_contents(self, digests: bytes) -> Mapping[bytes, Sequence[AboutContent]]:
        """Of each of many content digests, one behind the other, what is about it, under whatever form; of others nothing."""
        ...

    def rows(self, crew: Crew, spoken: Spoken) -> ShownRows:
        """The datasets of which rows can be found. `spoken`: what is said of one of them."""
        ...

    def sealers(self) -> Collection[bytes]:
        """The ids of all who sealed anything."""
        ...

    def sealer_of(self, artifact_id: bytes) -> bytes | None:
        """The maker of an artifact, if its record is at hand."""
        ...

    def salts(self) -> AbstractContextManager[KeptSalts]:
        """The salts at hand."""
        ...

    def accept(self, trust: Trust, at_ms: int, notes: Iterable[GivenNote]) -> Accepted:
        """By which note is judged, as `ledger.api.accepted.accept`."""
        ...

    def remember(self, accepted: Accepted) -> object:
        """Remembers what is relied on, as `ledger.api.accepted.remember`."""
        ...

    def names(self) -> Mapping[str, str]:
        """The names that identities have on this machine, by their ids in hex."""
        ...
