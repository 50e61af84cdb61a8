"""Does it only read, then accuse? Replay and doctor."""
