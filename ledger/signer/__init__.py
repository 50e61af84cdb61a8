"""Does it hold a secret, or a client's memory? Key files, lanes, outbox."""
