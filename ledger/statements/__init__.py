"""Does it turn a claim into its only bytes, or back? Codec, records, statements, entries."""
