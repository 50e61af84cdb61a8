"""Argument, exit code or printed text? One file a command; a thin skin over the api."""
