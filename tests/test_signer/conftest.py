"""Agents for the tests of this folder."""

from __future__ import annotations

from tests.agents import agent, sockets

__all__ = ["agent", "sockets"]
