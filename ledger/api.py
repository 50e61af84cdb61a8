"""The few names people import; wires the rooms; no logic of its own (SPEC §1)."""
