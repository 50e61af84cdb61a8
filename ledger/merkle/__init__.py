"""Is it true with no idea what a leaf means? Log tree, prefix tree, multiproof, tiles: bytes only."""
