"""Bad input: each is refused with its name, its reason and what would mend it; nothing is half done; then the right call works."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ledger import spec
from ledger.datasets.files import read_file
from ledger.signer.keystore import Keystore
from ledger.store.lock import WriterLock
from tests.test_cli.command import Cli, Clock

LONG = "long enough that nobody guesses it from its digest, as sixty-four bytes are. "
GOOD_ROW = json.dumps({"text": LONG})

BAD_ROWS = {
    "not JSON": ("{'text': 1}", "not-json"),
    "not an object": ("[1]", "row-not-object"),
    "no such column": ('{"txt": "a"}', "column-missing"),
    "empty": ('{"text": ""}', "column-empty"),
    "null": ('{"text": null}', "column-empty"),
    "a blank line": ("", "row-blank"),
    "over 4 MiB": (json.dumps({"text": "x" * spec.ROW_BYTES_MAX}), "too-large"),
    "a lone surrogate": ('{"text": "\\ud800"}', "lone-surrogate"),
}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_one_bad_row_keeps_all_from_being_signed(ada: Cli, name: str) -> None:
    line, code = BAD_ROWS[name]
    data = ada.write("d.jsonl", f"{GOOD_ROW}\n{line}\n{GOOD_ROW}\n")
    error = ada.refused(code, "sign", data, "--rows", "text")
    assert "row 1 (line 2)" in error["item"]
    data.write_text(GOOD_ROW + "\n")
    assert ada.json("sign", data, "--rows", "text")["new"] == 1


def test_a_dataset_without_rows(ada: Cli) -> None:
    ada.refused("dataset-empty", "sign", ada.write("d.jsonl", ""), "--rows", "text")


def test_a_refused_experience_leaves_none_of_the_others_content(ada: Cli) -> None:
    good = dict.fromkeys(("case", "pattern", "constraints", "uncertainty", "consequence"), "x")
    ada.write("1.json", json.dumps(good))
    bad = ada.write("2.json", json.dumps(good | {"pattern": ""}))
    ada.refused("experience-incomplete", "sign", ada.folder, "--kind", "experience")
    bad.write_text(json.dumps(good | {"pattern": "y"}))
    assert ada.json("sign", ada.folder, "--kind", "experience")["new"] == 2
    assert sum(path.is_file() for path in (ada.ledger / "content").rglob("*")) == 2


def test_paths_that_are_no_files(ada: Cli) -> None:
    good = ada.write("a.md", LONG)
    os.mkfifo(ada.folder / "pipe")
    ada.refused("not-a-regular-file", "sign", good, ada.folder / "pipe")
    ada.refused("not-a-regular-file", "trace", ada.folder / "pipe")
    ada.refused("not-a-regular-file", "sign", ada.folder)
    (ada.folder / "pipe").unlink()
    link = ada.folder / "link"
    link.symlink_to("nowhere")
    ada.refused("dangling-link", "sign", good, link)
    ada.refused("dangling-link", "sign", ada.folder)
    link.unlink()
    ada.refused("file-not-found", "sign", good, "absent")
    ada.refused("file-not-found", "sign", "")
    (ada.folder / "empty").mkdir()
    ada.refused("folder-empty", "sign", good, ada.folder / "empty")
    assert ada.json("sign", ada.folder)["new"] == 1


def test_a_file_that_vanishes_between_the_walk_and_the_reading(
    ada: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada.write("a.md", LONG)
    victim = ada.write("b.md", LONG + "b")

    def read_and_remove(path: Path) -> object:
        victim.unlink(missing_ok=True)
        return read_file(path)

    with monkeypatch.context() as patch:
        patch.setattr("ledger.api.contents.read_file", read_and_remove)
        ada.refused("file-not-found", "sign", ada.folder)
    assert ada.json("sign", ada.folder)["new"] == 1


def test_passphrases(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    cli.refused("passphrase-missing", "init")
    monkeypatch.setenv("LINEAGE_PASSPHRASE", "")
    cli.refused("passphrase-missing", "init")
    assert not cli.ledger.exists()
    monkeypatch.setenv("LINEAGE_PASSPHRASE", "right")
    assert cli("init").code == 0
    monkeypatch.setenv("LINEAGE_PASSPHRASE", "wrong")
    cli.refused("passphrase-wrong", "identity", "new", "ada")
    cli.refused("passphrase-wrong", "log", "checkpoint", "--fresh")
    monkeypatch.delenv("LINEAGE_PASSPHRASE")
    cli.refused("passphrase-missing", "identity", "new", "ada")
    cli.refused("passphrase-missing", "identity", "new", "ada", "--unencrypted")
    cli.refused("passphrase-missing", "identity", "new", "ada", "--passphrase-file", "absent")
    monkeypatch.setenv("LINEAGE_PASSPHRASE", "right")
    assert cli("identity", "new", "ada").code == 0
    file = cli.write("a.md", LONG)
    monkeypatch.setenv("LINEAGE_PASSPHRASE", "wrong")
    cli.refused("passphrase-wrong", "sign", file)
    monkeypatch.setenv("LINEAGE_PASSPHRASE", "right")
    assert cli.json("sign", file)["new"] == 1


READS = (("status",), ("log", "checkpoint"), ("trace", "ab" * 8), ("audit",), ("identity", "list"))
EVERY = (*READS, ("sign", "a.md"), ("identity", "new", "eve", "--unencrypted"), ("log", "publish", "public"))


def refused_by_all(cli: Cli, code: str) -> None:
    cli.write("a.md", LONG)
    for command in EVERY:
        ran = cli(*command, "--json")
        assert (ran.code, ran.document["error"]["code"]) == (2, code), (command, ran.err)
    assert not (cli.folder / "public").exists()


def test_a_folder_that_is_no_ledger(cli: Cli) -> None:
    refused_by_all(cli, "not-a-ledger")
    cli.ledger.mkdir()
    refused_by_all(cli, "not-a-ledger")
    cli.ledger.rmdir()
    cli.ledger.write_text("a file")
    refused_by_all(cli, "not-a-ledger")
    assert not cli.config.exists()


def test_a_ledger_of_a_newer_version(ada: Cli) -> None:
    marker = ada.ledger / "ledger.json"
    good = marker.read_bytes()
    marker.write_text(json.dumps(json.loads(good) | {"store_version": spec.STORE_VERSION + 1}))
    refused_by_all(ada, "ledger-newer")
    marker.write_bytes(good)
    assert ada.json("sign", "a.md")["new"] == 1


def test_a_marker_that_is_garbage_or_of_another_ledger(ada: Cli, tmp_path: Path) -> None:
    marker = ada.ledger / "ledger.json"
    good = marker.read_bytes()
    fields = json.loads(good)
    other = ada.json("init", "--unencrypted", "--ledger", tmp_path / "other")
    for bad in (
        b"",
        b"{",
        b"\xff" * 100,
        json.dumps(fields | {"vkey": "garbage"}).encode(),
        json.dumps(fields | {"vkey": other["vkey"]}).encode(),
        json.dumps(fields | {"log_id": other["log_id"]}).encode(),
    ):
        marker.write_bytes(bad)
        for command in (("status",), ("sign", ada.write("a.md", LONG))):
            ran = ada(*command, "--json")
            assert (ran.code, ran.document["error"]["code"]) == (2, "ledger-damaged"), (bad, ran.err)
    marker.write_bytes(good)
    assert ada.json("sign", "a.md")["new"] == 1


def test_a_truncated_store(ada: Cli) -> None:
    data = ada.ledger / "data.mdb"
    good = data.read_bytes()
    for size in (0, 100, 4096, len(good) // 2):
        data.write_bytes(good[:size])
        for command in (("status",), ("sign", ada.write("a.md", LONG)), ("audit",)):
            ran = ada(*command, "--json")
            assert (ran.code, ran.document["error"]["family"]) == (2, "StoreFault"), (size, ran.err)
        assert ada.json("doctor", code=1)["ok"] is False
    data.unlink()
    assert ada("status").code == 2
    data.write_bytes(good)
    assert ada.json("sign", "a.md")["new"] == 1


def test_keys_that_were_moved_away(ada: Cli, tmp_path: Path) -> None:
    file = ada.write("a.md", LONG)
    (log_key,) = ada.config.rglob("log.key")
    for key in (ada.keys("ada") / "current.key", log_key):
        away = shutil.move(key, tmp_path / "away.key")
        error = ada.refused("key-file-missing", "sign", file)
        assert error["item"] == str(key)
        shutil.move(away, key)
    for which in ("next", "recovery"):
        (ada.keys("ada") / f"{which}.key").unlink()
    assert ada.json("sign", file)["new"] == 1
    shutil.rmtree(ada.config)
    ada.refused("name-unknown", "sign", file)
    ada.refused("name-unknown", "sign", file, "--by", "ada")
    assert ada.json("trace", file)["level"] == "L2"


def test_damaged_keys(ada: Cli) -> None:
    key = ada.keys("ada") / "current.key"
    key.write_text('{"format": "lineage-key", "version": 1}')
    ada.refused("key-file-damaged", "sign", ada.write("a.md", LONG))
    (ada.keys("ada") / "identity.json").write_text("")
    ada.refused("keys-damaged", "sign", "a.md", "--by", "ada")


def test_names(ada: Cli) -> None:
    new = ("identity", "new")
    ada.refused("name-taken", *new, "ada", "--unencrypted")
    ada.refused("name-taken", *new, "operator", "--unencrypted")
    for name in ("", "../x", "a b", "-x", ".x", "x" * 65, "é", "a\n"):
        code = "usage" if name == "-x" else "name-illegal"
        ada.refused(code, *new, name, "--unencrypted")
    ada.refused("name-unknown", "sign", ada.write("a.md", LONG), "--by", "eve")
    ada.refused("name-unknown", "sign", "a.md", "--by", "")
    ada.refused("identity-unknown", "identity", "show", "eve")
    ada.refused("identity-unknown", "identity", "show", "ab" * 32)
    assert ada("identity", "new", "eve", "--unencrypted").code == 0
    ada.refused("name-unknown", "sign", "a.md")
    assert ada.json("sign", "a.md", "--by", "eve")["new"] == 1


def test_pairs(ada: Cli) -> None:
    ada("identity", "new", "bot", "--role", "machine", "--unencrypted")
    new = ("identity", "new", "p", "--unencrypted")
    pair = (*new, "--role", "pair")
    ada.refused("role-illegal", *pair)
    ada.refused("role-illegal", *new, "--of", "ada")
    ada.refused("name-unknown", *pair, "--of", "nobody")
    ada.refused("delegation-illegal", *pair, "--of", "bot")
    ada.refused("delegation-illegal", *pair, "--of", "operator")
    ada.refused("role-illegal", *new, "--substrate", "m@1")
    of_ada = (*pair, "--of", "ada")
    ada.refused("schema", *of_ada, "--substrate", "m")
    ada.refused("schema", *of_ada, "--substrate", "m@")
    ada.refused("schema", *of_ada, "--substrate", "a b@1")
    ada.refused("schema", *of_ada, "--count", "1")
    for scope in (
        ("--kinds", "poem"),
        ("--kinds", ""),
        ("--until", "tomorrow"),
        ("--until", "1969-01-01"),
        ("--count", "0"),
        ("--human-up-to", "0%"),
        ("--weights", "abc"),
        ("--weights", "abcd"),
    ):
        ada.refused("schema", *of_ada, "--substrate", "m@1", *scope)
    ada.refused("usage", *of_ada, "--substrate", "m@1", "--count", "-1")
    assert ada(*of_ada).code == 0
    file = ada.write("a.md", LONG)
    ada.refused("not-delegated", "sign", file, "--by", "p")
    ada.refused("delegation-illegal", "identity", "delegate", "ada", "--substrate", "m@1")
    ada.refused("schema", "identity", "delegate", "p", "--substrate", "m@1", "--count", "0")
    assert ada("identity", "delegate", "p", "--substrate", "m@1", "--count", "1").code == 0
    assert ada.json("sign", file, "--by", "p")["new"] == 1
    ada.refused("scope-exceeded", "sign", ada.write("b.md", LONG + "b"), "--by", "p")


def test_shares(ada: Cli) -> None:
    source, file = ada.write("s.md", LONG), ada.write("a.md", LONG + "a")
    ada("sign", source)
    ada("identity", "new", "p", "--role", "pair", "--of", "ada", "--substrate", "m@1", "--unencrypted")
    sign = ("sign", file, "--by", "ada")
    for share in ("101%", "-1%", "nan", "inf", "", "x", "0.0000001", "1e9", "NaN%"):
        ada.refused("share-illegal", *sign, f"--human={share}")
    ada.refused("share-illegal", *sign, "--human", "60%", "--parent", f"{source}@50%")
    ada.refused("share-illegal", *sign, "--parent", f"{source}@0%")
    ada.refused("share-illegal", *sign, "--parent", f"evidence={source}@10%")
    ada.refused("share-illegal", *sign, "--machine", "50%")
    ada.refused("share-illegal", *sign, "--reported", "--human", "50%")
    ada.refused("role-illegal", "sign", file, "--by", "p", "--kind", "output", "--human", "10%")
    ada.refused("role-illegal", *sign, "--kind", "output")
    assert not (ada.keys("p") / "lanes").exists(), "nothing was signed only to be refused"
    ada.refused("scope-exceeded", "sign", file, "--by", "p", "--kind", "work", "--human", "10%")
    assert ada.json(*sign, "--human", "60%", "--parent", f"{source}@40%")["new"] == 1


def test_kinds_and_facts(ada: Cli) -> None:
    sign = ("sign", ada.write("a.md", LONG), "--by", "ada")
    ada.refused("schema", *sign, "--kind", "poem")
    ada.refused("schema", *sign, "--kind", "")
    ada.refused("record-illegal", *sign, "--kind", "abstract")
    ada.refused("record-illegal", *sign, "--kind", "derived", "--tool", "t@1")
    ada.refused("record-illegal", *sign, "--kind", "model")
    ada.refused("schema", *sign, "--kind", "model", "--model", "m")
    ada.refused("record-illegal", *sign, "--model", "m@1")
    ada.refused("schema", *sign, "--license", "")
    ada.refused("schema", *sign, "--source", "no uri")
    ada.refused("usage", *sign, "--train", "maybe")
    assert ada.json(*sign, "--kind", "model", "--model", "m@1")["new"] == 1


def test_parents(ada: Cli) -> None:
    ada("identity", "new", "eve", "--unencrypted")
    shared, alone = ada.write("shared.md", LONG), ada.write("alone.md", LONG + "a")
    ids = [ada.json("sign", shared, "--by", name)["artifacts"][0]["id"] for name in ("ada", "eve")]
    file = ada.write("a.md", LONG + "b")
    sign = ("sign", file, "--by", "ada")
    ada.refused("unlogged", *sign, "--parent", alone)
    ada.refused("unlogged", *sign, "--parent", "ab" * 32)
    error = ada.refused("ambiguous", *sign, "--parent", shared)
    assert all(artifact_id[:16] in error["fix"] for artifact_id in ids)
    error = ada.refused("file-not-found", *sign, "--parent", ids[0][:15])
    assert "too short" in error["reason"]
    ada.refused("schema", *sign, "--parent", f"quots={ids[0]}")
    ada.refused("file-not-found", *sign, "--parent", "")
    ada.refused("record-illegal", *sign, "--parent", f"generated-by={ids[0]}")
    ada.refused("schema", *sign, "--parent", ids[0], "--parent", f"derived-from={ids[0]}")
    assert ada.json(*sign, "--parent", ids[0][:16])["new"] == 1


def test_a_parent_of_a_kind_that_does_not_go_with_the_relation(ada: Cli) -> None:
    model = ada.json("sign", ada.write("m", LONG), "--kind", "model", "--model", "m@1")["artifacts"][0]["id"]
    file = ada.write("a.md", LONG + "a")
    ada.refused("parent-kind", "sign", file, "--parent", model)
    assert ada.json("sign", file, "--kind", "output", "--parent", f"generated-by={model}")["new"] == 1


def test_reported_authors(ada: Cli) -> None:
    one, other = ada.write("a.md", LONG), ada.write("b.md", LONG + "b")
    ada.refused("usage", "sign", "--reported", one, other)
    ada.refused("usage", "sign", "--reported", one)
    data = ada.rows("d.jsonl", {"text": LONG, "by": "A", "n": 1}, {"text": LONG, "by": "B", "n": 2})
    rows = ("sign", data, "--rows", "text")
    ada.refused("record-illegal", *rows, "--map", "author=by")
    ada.refused("record-illegal", *rows, "--map", "author=by", "--reported", "A")
    ada.refused("column-missing", *rows, "--map", "author=absent", "--reported")
    ada.refused("author-not-text", *rows, "--map", "author=n", "--reported")
    ada.refused("usage", *rows, "--map", "author", "--reported")
    ada.refused("usage", *rows, "--map", "poet=by", "--reported")
    ada.refused("usage", *rows, "--map", "author=by,attributed=by", "--reported")
    ada.refused("cell-illegal", *rows, "--map", "kind=by", "--reported")
    ada.refused("usage", "sign", one, "--map", "author=by", "--reported")
    ada.refused("no-paths", "sign", data, data, "--rows", "text")
    assert ada.json(*rows, "--map", "author=by", "--reported")["new"] == 2


def test_ledgers_that_exist(ada: Cli, tmp_path: Path) -> None:
    ada.refused("ledger-exists", "init", "--unencrypted")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    ada.refused("folder-not-empty", "init", "--unencrypted", "--ledger", tmp_path / "full")
    for origin in ("", "Upper", "a b", "a\n", "x" * 129, "a+b"):
        ada.refused("schema", "init", "--unencrypted", "--ledger", tmp_path / "new", "--origin", origin)
    assert not (tmp_path / "new").exists()
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["file"]
    assert len(list(ada.config.glob("logs/*"))) == 1


def test_a_key_store_that_cannot_be_made(cli: Cli) -> None:
    cli.config.write_text("a file")
    ran = cli("init", "--unencrypted", "--json")
    assert ran.document["error"]["code"] == "keys-unwritable"
    assert not cli.ledger.exists()
    cli.config.unlink()
    assert cli("init", "--unencrypted").code == 0


def test_wrong_arguments_are_reported_like_all_else(ada: Cli) -> None:
    for wrong in (("--bogus",), ("sign",), ("identity",), ("identity", "new"), ("nonsense",), ("trace",)):
        ada.refused("usage", *wrong)
        ran = ada(*wrong)
        assert (ran.code, ran.out) == (2, "")
        assert "--help" in ran.err
    ada.refused("usage", "status", "--led", str(ada.ledger))
    ada.refused("usage", "trace", "ab" * 8, "--depth", "-1")
    for wait in ("-1", "nan", "inf", "soon"):
        ada.refused("usage", "sign", "a.md", f"--wait={wait}")
    ada.refused("path-illegal", "status", "--ledger", "")


@contextmanager
def another_writer(folder: Path) -> Iterator[None]:
    """Another process that holds the writer's lock."""
    code = (
        "import sys; from pathlib import Path; from ledger.store.lock import WriterLock\n"
        "with WriterLock(Path(sys.argv[1])).acquire(0):\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        try:
            yield
        finally:
            process.communicate()


def test_a_second_writer_waits_and_then_says_who_writes(ada: Cli) -> None:
    file = ada.write("a.md", LONG)
    ada("sign", file)
    more = ada.write("b.md", LONG + "b")
    with another_writer(ada.ledger):
        error = ada.refused("writer-busy", "sign", more, "--wait", "0.2")
        assert error["family"] == "StoreFault"
        assert "process" in error["reason"]
        ada.refused("writer-busy", "identity", "new", "eve", "--unencrypted", "--wait", "0")
        assert ada.json("trace", file)["level"] == "L2"
        assert ada.json("audit")["ok"] is True
        assert ada.json("status")["identities"][0]["pending"] == 0
        assert "is writing" in ada("doctor").out
    assert ada.json("sign", more, "--wait", "0")["new"] == 1
    with WriterLock(ada.ledger).acquire(0):
        pass


HOSTILE = ("a\x1b[31mred", "b\nforged line", "c\rover", "d\x9b31m", "e\u202egpj", "f\x07")


def test_hostile_names_never_reach_the_terminal_raw(ada: Cli) -> None:
    files = [ada.write(name, LONG + name) for name in HOSTILE]
    files.append(Path(os.fsdecode(os.fsencode(ada.folder) + b"/g\xff\xfe")))
    files[-1].write_text(LONG + "g")
    raw = set("\x1b\r\x9b\u202e\x07\udcff")
    ran = ada("sign", *files)
    assert ran.code == 0
    assert not raw & set(ran.out + ran.err)
    assert len(ran.out.splitlines()) == 1 + len(files)
    document = ada.json("sign", ada.folder)
    assert {item["path"] for item in document["artifacts"]} == {str(file) for file in files}
    for file in (*files, ada.folder / "absent\x1b[2J", ada.folder / "no\nsuch"):
        for command in (
            ("trace", file),
            ("log", "publish", file),
            ("sign", file, "--by", file.name),
            ("sign", file, "--kind", file.name),
            ("sign", "a", "--parent", file),
            ("sign", "a", "--parent", f"{file.name}=x"),
            ("sign", "a", "--tool", file.name),
            ("sign", "a", "--human", file.name),
            ("sign", "a", "--map", file.name),
            ("sign", "a", "--reported", file),
            ("identity", "show", file.name),
            ("identity", "delegate", "ada", "--substrate", file.name),
            ("status", "--ledger", file),
            ("audit", file),
            ("audit", file, "--vkey", file.name),
            ("init", "--ledger", file),
            (file.name,),
        ):
            ran = ada(*command)
            assert not raw & set(ran.out + ran.err), command
            ran = ada(*command, "--json")
            assert not raw & set(ran.out + ran.err), command
            assert ran.out == "" or json.loads(ran.out)


def test_a_bug_does_not_read_as_a_verdict(ada: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_self: Keystore) -> list[object]:
        raise ZeroDivisionError("an invented bug")

    monkeypatch.setattr(Keystore, "names", fail)
    ran = ada("status", "--json")
    assert (ran.code, ran.document["error"]["family"]) == (2, "InvariantBroken")
    assert "Traceback" in ran.err


def test_an_unforeseen_failure_of_a_file_is_no_bug(ada: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_self: Keystore) -> list[object]:
        raise PermissionError(13, "Permission denied", "some/file")

    monkeypatch.setattr(Keystore, "names", fail)
    error = ada("status", "--json").document["error"]
    assert (error["family"], error["item"], error["reason"]) == (
        "StoreFault",
        "some/file",
        "Permission denied",
    )


def test_a_file_may_be_called_like_an_option(ada: Cli) -> None:
    ada.write("--json", LONG)
    ran = ada("sign", "--by", "ada", "--", "--json")
    assert ran.out.startswith("Signed by 'ada': 1 new")


def test_an_interrupted_command(ada: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_self: Keystore) -> list[object]:
        raise KeyboardInterrupt

    monkeypatch.setattr(Keystore, "names", interrupt)
    ran = ada("status")
    assert (ran.code, ran.out) == (2, "")
    assert "interrupted" in ran.err


def test_a_clock_that_is_far_behind_is_told_alike_by_who_writes_and_by_the_doctor(
    ada: Cli, clock: Clock
) -> None:
    for name in ("a", "b"):
        ada.write(
            name, f"{name} is long enough that nobody guesses it from the sixty-four digits of its digest"
        )
    assert ada("sign", "a").code == 0
    clock.pass_days(-1)
    assert "signs no time so far ahead" in ada.refused("clock-behind", "sign", "b")["reason"]
    assert "nothing is appended" in ada("doctor").out
    clock.pass_days(1)
    clock.now_ms -= 2_000
    assert ada("sign", "b").code == 0
    clock.now_ms -= 2_000
    assert "bear the time of the last one" in ada("doctor").out


@pytest.mark.parametrize(
    ("option", "value", "fix"),
    [("--license", "(c) me!", "CC-BY-4.0"), ("--source", "ftp", "https://example.org")],
)
def test_rights_and_sources_are_refused_in_words_that_help(
    ada: Cli, option: str, value: str, fix: str
) -> None:
    file = ada.write("a", LONG)
    error = ada.refused("schema", "sign", file, option, value)
    assert value in error["item"]
    assert fix in error["fix"]
