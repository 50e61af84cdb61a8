"""The installed command in a process of its own: a newcomer's first minutes, pipes, terminals, read-only media."""

from __future__ import annotations

import errno
import json
import os
import pty
import select
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.test_cli.command import Cli

LINEAGE = Path(sys.executable).with_name("lineage")
PATIENCE_S = 60
LONG = "long enough that nobody guesses it from its digest, as sixty-four bytes are. "


@pytest.fixture(autouse=True)
def _installed() -> None:
    if not LINEAGE.exists():
        pytest.skip(f"no command {LINEAGE}: install the project into this environment (pip install -e .)")


def run(*arguments: str | Path, **options: object) -> subprocess.CompletedProcess[bytes]:
    given = {"stdin": subprocess.DEVNULL, "capture_output": True, "timeout": PATIENCE_S, **options}
    return subprocess.run([LINEAGE, *arguments], check=False, **given)  # type: ignore[call-overload, no-any-return]


def converse(arguments: Sequence[str | Path], answers: Sequence[str], home: Path) -> tuple[int, str, int]:
    """Runs a command on a terminal of its own in a fresh home; each prompt gets the next answer.

    Gives the exit code, all that was shown, and the number of prompts.
    """
    environment = {"HOME": str(home), "PATH": os.environ["PATH"], "TERM": "xterm"}
    environment |= {name: os.environ[name] for name in ("LANG", "LC_ALL") if name in os.environ}
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(home)
        os.execve(LINEAGE, [os.fspath(LINEAGE), *map(str, arguments)], environment)
    shown, waiting, prompts = b"", list(answers), 0
    answered = 0
    while True:
        ready, _, _ = select.select([terminal], [], [], PATIENCE_S)
        if not ready:
            os.kill(pid, 9)
        try:
            chunk = os.read(terminal, 65_536)
        except OSError as error:  # Linux says so where the other end is closed
            if error.errno != errno.EIO:
                raise
            chunk = b""
        if not chunk:
            break
        shown += chunk
        if (shown[answered:].endswith(b": ") and b"assphrase" in shown[answered:]) or shown.endswith(
            (b"The same again: ", b"[Y/n] ")
        ):
            prompts += 1
            answered = len(shown)
            os.write(terminal, (waiting.pop(0) if waiting else "no more answers").encode() + b"\n")
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), shown.decode(), prompts


def test_a_newcomer_on_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text(LONG)
    code, shown, prompts = converse(["sign", "notes.md"], ["n"], tmp_path)
    assert (code, prompts) == (2, 1)
    assert "lineage init" in shown
    code, shown, prompts = converse(["init"], ["", "one", "other", "one", "one"], tmp_path)
    assert (code, prompts) == (0, 5), shown
    assert "empty; once more" in shown
    assert "They differ; once more" in shown
    assert "one" not in shown.split("Made a ledger")[0].replace("once", "")
    assert converse(["init"], [], tmp_path)[::2] == (2, 0), "an existing ledger asks for nothing"
    code, shown, prompts = converse(["sign", "notes.md"], ["n"], tmp_path)
    assert (code, prompts) == (2, 1)
    assert "lineage identity new NAME" in shown
    code, shown, prompts = converse(["identity", "new", "ada"], ["one", "one"], tmp_path)
    assert (code, prompts) == (0, 2), shown
    code, shown, prompts = converse(["sign", "notes.md"], ["one"], tmp_path)
    assert (code, prompts) == (0, 1), shown
    assert "Passphrase for ada (current.key): " in shown
    assert "1 new" in shown
    code, shown, prompts = converse(["sign", "notes.md"], ["wrong", "one"], tmp_path)
    assert (code, prompts) == (0, 2), shown
    code, shown, prompts = converse(["sign", "notes.md"], ["a", "b", "c", "d"], tmp_path)
    assert (code, prompts) == (2, 3), shown
    for command in (["trace", "notes.md"], ["status"], ["audit"], ["doctor"], ["log", "checkpoint"]):
        code, shown, prompts = converse(command, [], tmp_path)
        assert (code, prompts) == (0, 0), shown


def test_a_typed_end_of_file_is_no_passphrase(tmp_path: Path) -> None:
    code, shown, _ = converse(["init"], ["\x04"], tmp_path)
    assert code == 2
    assert "Traceback" not in shown
    assert "no passphrase was typed" in shown


def test_commands_end_with_their_code(ada: Cli) -> None:
    ada.write("a.md", LONG)
    assert run("sign", "a.md", "--json").returncode == 0
    assert run("trace", "a.md").returncode == 0
    assert run("trace", "--text", "never").returncode == 1
    assert run("trace", "absent").returncode == 2
    ran = run()
    assert (ran.returncode, ran.stdout) == (2, b"")
    assert run("--version").stdout.startswith(b"lineage ")


def test_a_reader_that_leaves_changes_neither_the_deed_nor_the_verdict(ada: Cli) -> None:
    rows = ada.rows("d.jsonl", *({"text": f"{LONG} {number}"} for number in range(3_000)))
    for arguments, code in (
        (("sign", rows, "--rows", "text", "--json"), 0),
        (("trace", "--text", "never"), 1),
        (("audit", "--json"), 0),
    ):
        read, write = os.pipe()
        os.close(read)
        ran = run(*arguments, capture_output=False, stdout=write, stderr=subprocess.PIPE)
        os.close(write)
        assert (ran.returncode, ran.stderr if arguments[0] != "sign" else b"") == (code, b""), ran.stderr
    assert ada.json("status")["records"] == 3_000


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here: it takes Linux")
def test_a_result_that_cannot_be_written_is_said(ada: Cli) -> None:
    with Path("/dev/full").open("wb") as full:
        ran = run("status", capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert ran.returncode == 2
    assert b"could not be written" in ran.stderr
    assert b"Traceback" not in ran.stderr


def test_closed_streams_and_poor_encodings(ada: Cli) -> None:
    ada.write("é—.md", LONG)
    for prefix in ("exec <&-", "exec >&-", "exec 2>&-", "export PYTHONIOENCODING=ascii LC_ALL=C"):
        script = f'{prefix}; "{LINEAGE}" sign é—.md --by ada'
        ran = subprocess.run(
            ["/bin/sh", "-c", script],
            check=False,
            capture_output=True,
            timeout=PATIENCE_S,
            env=dict(os.environ),
        )
        assert ran.returncode == 0, (prefix, ran.stderr)
    ran = run("status", "--bogus", env=os.environ | {"PYTHONIOENCODING": "ascii"})
    assert ran.returncode == 2


def test_reading_from_a_medium_that_is_read_only(ada: Cli) -> None:
    ada.write("a.md", LONG)
    ada("sign", "a.md")
    mounted = ada.folder / "medium"
    mounted.mkdir()
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("no unshare here: install util-linux")
    script = (
        f"mount --bind '{ada.ledger}' '{mounted}' && mount -o remount,ro,bind '{mounted}' || exit 99; "
        + "; ".join(
            f"\"{LINEAGE}\" {command} --ledger '{mounted}' --json || exit 1"
            for command in ("status", "trace a.md", "log checkpoint", "audit", "log publish copy")
        )
    )
    script += f"; \"{LINEAGE}\" sign a.md --ledger '{mounted}' --json; exit $?"
    ran = subprocess.run(
        [unshare, "--mount", "/bin/sh", "-c", script], check=False, capture_output=True, timeout=PATIENCE_S
    )
    if ran.returncode in {1, 99} and not ran.stdout:
        pytest.skip("this user may not mount here: run the tests as root, or in a user namespace")
    documents = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [document.get("error", {}).get("family") for document in documents] == [None] * 5 + ["StoreFault"]
    assert ran.returncode == 2
    assert b"Traceback" not in ran.stderr
