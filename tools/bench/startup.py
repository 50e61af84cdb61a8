"""How long a person waits: for `lineage --help`, and for one file to be signed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from nacl import pwhash, secret

from ledger.signer.keyfile import ARGON2_MEMORY_BYTES, ARGON2_PASSES
from tools.bench.measure import Row, Settings, seconds, spread
from tools.bench.scene import empty_folder

TARGET_S: Final = 0.15
SIGN_TARGET_S: Final = 0.4
_KEYS_OPENED: Final = 2  # the signer's daily key and the log's
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


def bench_sign_file(settings: Settings) -> list[Row]:
    """`lineage sign FILE`, a process of its own for each, with keys in clear; argon2id is what encrypted ones take on top."""
    folder = empty_folder(settings.folder, "sign-file")
    environment = {
        "LINEAGE_LEDGER": str(folder / "ledger"),
        "LINEAGE_CONFIG": str(folder / "keys"),
    }
    _run(_HELP, "init", "--unencrypted", environment=environment)
    _run(_HELP, "identity", "new", "ada", "--unencrypted", environment=environment)
    signed, bare, stretched = [], [], []
    for number in range(settings.pick(15, 1)):
        file = folder / f"note-{number}.md"
        file.write_text(f"Note {number}: what was seen at the harbour, and what came of it in the end.\n")
        signed.append(_run(_HELP, "sign", str(file), environment=environment))
        bare.append(_run("pass"))
        stretched.append(seconds(_stretch_once))
    took, argon2 = spread(signed), spread(stretched)
    note = (
        f"encrypted keys take argon2id on top: {_KEYS_OPENED} keys of {argon2.middle * 1e3:.0f} ms "
        f"[{argon2.least * 1e3:.0f}-{argon2.most * 1e3:.0f}]"
    )
    return [
        Row(
            "sign-file",
            f"{took.middle * 1e3:.0f} ms [{took.least * 1e3:.0f}-{took.most * 1e3:.0f}]",
            f"{spread(bare).middle * 1e3:.0f} ms to start Python",
            spread([one / other for one, other in zip(signed, bare, strict=True)]),
            f"≤ {SIGN_TARGET_S * 1e3:.0f} ms",
            took.middle <= SIGN_TARGET_S,
            (note,),
        )
    ]


def _stretch_once() -> None:
    """What opening one encrypted key file costs."""
    salt = bytes(pwhash.argon2id.SALTBYTES)
    pwhash.argon2id.kdf(
        secret.SecretBox.KEY_SIZE, b"passphrase", salt, opslimit=ARGON2_PASSES, memlimit=ARGON2_MEMORY_BYTES
    )


def _run(program: str, *arguments: str, environment: dict[str, str] | None = None) -> float:
    command = [sys.executable, "-c", program, *arguments]
    variables = {**os.environ, **(environment or {})}
    return seconds(
        lambda: subprocess.run(
            command,
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=variables,
            cwd=Path(__file__).parents[2],
        )
    )
