"""Does it know how bytes survive? The contract, memory, LMDB, the digest index."""
