"""The policies that come with the package (SPEC §12.2): read here, since the pure zone opens no file."""

from __future__ import annotations

from importlib import resources
from typing import Final

from ledger.errors import NotFound

POLICIES_SHIPPED: Final = ("inventory", "balanced", "strict")  # from the mildest on


def shipped_policy(name: str) -> bytes:
    """The bytes of a policy that comes with the package, for `parse_policy`. Raises NotFound `policy-unknown`."""
    if name not in POLICIES_SHIPPED:
        raise NotFound(
            "policy-unknown",
            f"policy {name!r}",
            f"the package has {', '.join(POLICIES_SHIPPED)}, and no other",
            "Name one of these, or a file of your own.",
        )
    return resources.files("ledger.origin").joinpath("policies", f"{name}.toml").read_bytes()
