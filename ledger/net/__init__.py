"""Calls a witness: the one room that knows sockets. What comes over a network is bounded, waited for so long and no longer, and believed of nobody."""
