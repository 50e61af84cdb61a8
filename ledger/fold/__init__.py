"""What does the log mean up to here? The one transition function, shared by log, audit and verifier."""
