"""Does it decide which key spoke? Keysets, key events, signatures."""
