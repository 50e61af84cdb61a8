"""Every failure that the ledger names.

    LineageError                item, reason, fix; a code that SPEC §14 lists
    ├── RefusedInput            the caller's bytes, file or argument are at fault; nothing was done
    │   ├── NotYet              legal by SPEC.md, but this version does not build it
    │   └── NotFound            no such artifact, identity, name or file
    ├── ProofInvalid            a proof, signature, root or checkpoint does not hold
    ├── PolicyDenied            valid, but the log's rules or a policy say no
    │   └── Undecided           a policy needs what is not at hand; nothing was decided
    ├── StoreFault              disk, lock, database or network; nothing that was acknowledged is lost
    │   └── WriterBusy          another process holds the writer's lock
    └── InvariantBroken         a bug or a damaged ledger; never caught, the process should stop

The family says who is at fault: the caller, the prover, the rules, the machine, or we.
"""

from __future__ import annotations

from typing import ClassVar


class LineageError(Exception):
    """A failure with the item it concerns, the reason, and what would mend it."""

    family: ClassVar[str] = "LineageError"

    def __init__(self, code: str, item: str, reason: str, fix: str = "") -> None:
        super().__init__(code, item, reason, fix)
        self.code = code
        self.item = item
        self.reason = reason
        self.fix = fix

    def __str__(self) -> str:
        text = f"{self.item}: {self.reason}"
        return f"{text}. {self.fix}" if self.fix else text


class RefusedInput(LineageError):
    """The caller's bytes, file or argument are at fault; nothing was done."""

    family = "RefusedInput"


class NotYet(RefusedInput):
    """Specified, but not built in this version."""


class NotFound(RefusedInput):
    """There is no such artifact, identity, name or file."""


class ProofInvalid(LineageError):
    """A proof, signature, root or checkpoint does not hold."""

    family = "ProofInvalid"


class PolicyDenied(LineageError):
    """Valid, but the log's rules or a policy say no."""

    family = "PolicyDenied"


class Undecided(PolicyDenied):
    """A policy needs what is not at hand: nothing was decided, and nothing may be concluded from that."""


class StoreFault(LineageError):
    """Disk, lock, database or network failed; nothing that was acknowledged is lost."""

    family = "StoreFault"


class WriterBusy(StoreFault):
    """Another process holds the writer's lock."""


class InvariantBroken(LineageError):
    """A bug or a damaged ledger. Never caught: whoever sees it must stop."""

    family = "InvariantBroken"
