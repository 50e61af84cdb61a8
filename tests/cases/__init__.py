"""Legal and illegal examples of every format: the tests use them, and `tools/make_vectors.py` writes them down."""
