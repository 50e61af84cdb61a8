"""Could a stranger offline need it? Notes, checkpoints, receipts, the reader-driven trace."""
