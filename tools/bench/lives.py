"""What the lives of identities cost: a replay of ordinary statements beside the last one that knew no lives, and key states.

`replay-ab` makes a log with the older code, which both read, publishes it, and lets each audit the folder in a process of its
own, in turn; what is told is the processor's time, since others may be at work. The older code is taken out of this repository's history; without that there is nothing to compare with.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tarfile
import time
from io import BytesIO
from pathlib import Path
from typing import Final

from ledger.errors import InvariantBroken
from ledger.fold.objects import Identity
from ledger.fold.state import FoldState
from ledger.identity.keyset import make_keyset
from ledger.identity.life import KeyEvent
from tools.bench.measure import Row, Settings, Turns, spread
from tools.bench.scene import empty_folder

BEFORE: Final = "5e26f34"  # the commit before fold 2
REPLAY_TARGET: Final = 1.10  # of the time that the older replay takes
KEY_STATE_TARGET_US: Final = 50
EVENTS_EACH: Final = 10
_ROOT: Final = Path(__file__).parents[2]

_MAKE: Final = """
import sys
from pathlib import Path
from ledger.log.publish import publish
from tests.world import World
world = World()
ada = world.enrol("ada")
for start in range(0, int(sys.argv[2]), 1000):
    stop = min(start + 1000, int(sys.argv[2]))
    world.append(*[ada.artifacts([ada.record(str(number))]) for number in range(start, stop)])
publish(world.store, world.vkey, Path(sys.argv[1]))
print(str(world.vkey))
"""

_AUDIT: Final = """
import sys, time
from pathlib import Path
import ledger
from ledger.audit.replay import audit_folder
from ledger.identity.vkey import Vkey
assert Path(ledger.__file__).is_relative_to(sys.argv[3]), ledger.__file__
start = time.process_time()
report = audit_folder(Path(sys.argv[1]), Vkey.parse(sys.argv[2]))
took = time.process_time() - start
assert report.ok, report.faults
print(took)
"""


def bench_replay(settings: Settings) -> list[Row]:
    """The audit of a log of ordinary statements, now against the code before fold 2: seconds over seconds, turn by turn."""
    statements = settings.pick(4_000, 40)
    older = empty_folder(settings.folder, "older")
    _take_out(BEFORE, older)
    published = settings.folder / "published"
    vkey = _python(older, _MAKE, str(published), str(statements)).strip()
    now_s: list[float] = []
    before_s: list[float] = []
    _audit(older, published, vkey)  # compiles
    _audit(_ROOT, published, vkey)
    for turn in range(settings.pick(9, 1)):
        for tree, found in ((_ROOT, now_s), (older, before_s))[:: 1 if turn % 2 else -1]:
            found.append(_audit(tree, published, vkey))
    ratio = spread([now / before for now, before in zip(now_s, before_s, strict=True)])
    turns = Turns(
        spread([statements / took for took in now_s]), spread([statements / took for took in before_s]), ratio
    )
    return [
        Row(
            f"replay-ab, {statements:,} ordinary statements",
            f"{turns.ours.middle:,.0f} statements/s",
            f"{turns.limit.middle:,.0f} statements/s before fold 2",
            ratio,
            f"time ratio ≤ {REPLAY_TARGET:.2f}",
            ratio.middle <= REPLAY_TARGET,
        )
    ]


def _take_out(commit: str, folder: Path) -> None:
    """The tree of a commit of this repository."""
    command = ["git", "-C", str(_ROOT), "archive", commit]
    try:
        packed = subprocess.run(command, check=True, capture_output=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise InvariantBroken(
            "bench",
            "replay-ab",
            f"commit {commit} cannot be taken out of {_ROOT}",
            "Run it in a full clone of the repository.",
        ) from error
    with tarfile.open(fileobj=BytesIO(packed)) as tree:
        tree.extractall(folder, filter="data")


def _python(tree: Path, program: str, *arguments: str) -> str:
    """What a program prints that imports the ledger of `tree`."""
    surroundings = os.environ | {"PYTHONPATH": str(tree), "PYTHONSAFEPATH": "1"}
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, env=surroundings, cwd=tree
    ).stdout


def _audit(tree: Path, published: Path, vkey: str) -> float:
    return float(_python(tree, _AUDIT, str(published), vkey, str(tree)))


def bench_key_state(settings: Settings) -> list[Row]:
    """The key event in force before a random position, of random identities, from the values as a store gives them."""
    identities, count = settings.pick(100_000, 1_000), settings.pick(100_000, 1_000)
    pairs = _lives(identities)
    chosen = random.Random(1)
    last = identities * EVENTS_EACH
    asked = [
        (_identity_id(chosen.randrange(identities)), chosen.randrange(identities, last)) for _ in range(count)
    ]
    cold_us: list[float] = []
    warm_us: list[float] = []
    for _ in range(settings.pick(5, 1)):
        state = FoldState(b"L" * 32, pairs.get)
        for took_us in (cold_us, warm_us):
            start_s = time.process_time()
            _ask(state, asked)
            took_us.append(1e6 / count * (time.process_time() - start_s))
    name = f"key-state, {identities:,} identities with {EVENTS_EACH} key events each"
    return [
        _key_state_row(f"{name}, remembered", warm_us),
        _key_state_row(f"{name}, decoded and checked from what a store keeps", cold_us),
    ]


def _key_state_row(name: str, took_us: list[float]) -> Row:
    each = spread(took_us)
    ratio = spread([took / KEY_STATE_TARGET_US for took in took_us])
    is_met = each.middle <= KEY_STATE_TARGET_US
    return Row(name, f"{each} µs each", "-", ratio, f"≤ {KEY_STATE_TARGET_US} µs", is_met)


def _ask(state: FoldState, asked: list[tuple[bytes, int]]) -> None:
    for identity_id, log_index in asked:
        identity = state.identity_before(identity_id, log_index)
        if identity is None or identity.in_force(0).log_index >= log_index:
            raise InvariantBroken("key-state", "bench", "an identity was found as it was not")


def _identity_id(number: int) -> bytes:
    return number.to_bytes(32, "big")


def _lives(identities: int) -> dict[bytes, bytes]:
    """What a fold keeps of identities whose events stand in rounds: event n of identity m at n · identities + m."""
    state = FoldState(b"L" * 32)
    pairs: dict[bytes, bytes] = {}
    for number in range(identities):
        identity_id = _identity_id(number)
        events = [
            KeyEvent(
                round_.to_bytes(1, "big") + identity_id[1:],
                round_ * identities + number,
                0,
                "rotate" if round_ else "enrol",
                make_keyset([bytes([round_]) + identity_id[1:]]),
                b"n" * 32,
                b"r" * 32,
            )
            for round_ in range(EVENTS_EACH)
        ]
        state.put_birth(Identity(identity_id, number, 0, events[0], None, "human"))
        for event in events[1:]:
            identity = state.identity(identity_id)
            if identity is not None:
                state.put_key_event(identity, event, 0)
        if number % 1_000 == 999 or number == identities - 1:
            changed, _nodes = state.take_changes()
            pairs.update((key, value) for key, value in changed.items() if key[:1] in (b"i", b"k", b"h"))
    return pairs
