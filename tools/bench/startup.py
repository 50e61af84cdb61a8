"""How long a person waits for `lineage --help`, beyond what Python itself takes to start."""

from __future__ import annotations

import subprocess
import sys
from typing import Final

from tools.bench.measure import Row, Settings, seconds, spread

TARGET_S: Final = 0.15
_HELP: Final = "from ledger.cli.main import entry_point; entry_point()"


def bench_help(settings: Settings) -> list[Row]:
    """`lineage --help` against `python -c pass`, in turns."""
    helped, bare = [], []
    for _ in range(settings.pick(15, 1)):
        helped.append(_run(_HELP, "--help"))
        bare.append(_run("pass"))
    over = spread([one - other for one, other in zip(helped, bare, strict=True)])
    return [
        Row(
            "help",
            f"{over.middle * 1e3:.0f} ms over Python's start [{over.least * 1e3:.0f}-{over.most * 1e3:.0f}]",
            f"{spread(bare).middle * 1e3:.0f} ms to start Python",
            spread([one / other for one, other in zip(helped, bare, strict=True)]),
            f"≤ {TARGET_S * 1e3:.0f} ms over",
            over.middle <= TARGET_S,
        )
    ]


def _run(program: str, *arguments: str) -> float:
    command = [sys.executable, "-c", program, *arguments]
    return seconds(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))
