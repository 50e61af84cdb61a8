"""The lineage ledger: `ledger.open(path)` is the door (SPEC §1)."""
