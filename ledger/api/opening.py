"""Making and opening ledgers."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final

from ledger.api.access import OPERATOR
from ledger.api.around import now_ms
from ledger.api.ledger import Ledger
from ledger.identity import ed25519
from ledger.identity.vkey import Vkey
from ledger.log.genesis import make_genesis
from ledger.log.writer import LogWriter
from ledger.signer import keyfile
from ledger.signer.keygroup import KEY_NAMES
from ledger.signer.keystore import Keystore
from ledger.signer.newkeys import NewKeys
from ledger.signer.passphrases import Passphrases
from ledger.signer.places import config_folder, ledger_folder
from ledger.signer.signers import SeedSigner, Signer
from ledger.spec import WRITER_WAIT_S
from ledger.statements import words
from ledger.statements.schema import text
from ledger.statements.statement import log_id
from ledger.store.folder import Marker, creating_folder
from ledger.store.lmdb import LmdbStore

SEEDS: Final = 4  # the log's key; the operator's current, next and recovery keys


def open_ledger(
    path: str | os.PathLike[str] | None = None,
    *,
    readonly: bool = False,
    passphrases: Passphrases | None = None,
    config: str | None = None,
    wait_s: float = WRITER_WAIT_S,
    signers: Iterable[Signer] = (),
) -> Ledger:
    """Opens the ledger in `path` (default: LINEAGE_LEDGER, else the platform's data folder).

    Without `passphrases` the environment's LINEAGE_PASSPHRASE is used where a key is needed. A second writer waits
    `wait_s` seconds for the first. `signers`: who signs for keys that neither a file nor an ssh-agent holds (SPEC §10.6). Raises
    RefusedInput `not-a-ledger`, `ledger-newer`, `network-filesystem`, `key-refused`; StoreFault `ledger-damaged`, `signer-failed`.
    """
    given = passphrases or Passphrases.from_environment()
    folder = ledger_folder(os.fspath(path) if path is not None else None)
    return Ledger(folder, config_folder(config), given, signers, readonly=readonly, wait_s=wait_s)


def create_ledger(
    path: str | os.PathLike[str] | None = None,
    *,
    origin: str | None = None,
    unencrypted: bool = False,
    passphrases: Passphrases | None = None,
    config: str | None = None,
    wait_s: float = WRITER_WAIT_S,
    signers: Iterable[Signer] = (),
) -> Ledger:
    """Makes a ledger, its log's key and its operator's keys, all or nothing, and opens it with these `signers`.

    The log's and the operator's keys are made here, in files: a commit must not wait for somebody outside.
    Raises RefusedInput `ledger-exists`, `folder-not-empty`, `schema` (an origin outside SPEC §3.1),
    `passphrase-missing`; StoreFault.
    """
    given = passphrases or Passphrases.from_environment()
    folder = ledger_folder(os.fspath(path) if path is not None else None)
    if origin is not None:
        text(words.ORIGIN)(origin, "origin")
    seeds = [os.urandom(ed25519.SEED_BYTES) for _ in range(SEEDS)]
    vkey = Vkey.make(default_origin() if origin is None else origin, ed25519.public_key(seeds[0]))
    genesis = make_genesis(vkey, seeds[1:])
    marker = Marker(vkey.name, str(vkey), log_id(str(vkey)))
    keys = Keystore(config_folder(config), marker.log_id)
    with creating_folder(folder, marker):
        passphrase = None if unencrypted else given.for_new_keys()
        with keys.creating():
            keyfile.write_key(keys.log_key_file, seeds[0], passphrase)
            new = [
                NewKeys(which, [SeedSigner(seed)], 1, 1)
                for which, seed in zip(KEY_NAMES, seeds[1:], strict=True)
            ]
            keys.keep(OPERATOR, "operator", new, genesis.statement.id, passphrase)
            store = LmdbStore.create(folder)
            try:
                LogWriter(store, vkey, keys.log_signer(seeds[0]), now_ms).begin(genesis)
            finally:
                store.close()
    return Ledger(folder, config_folder(config), given, signers, readonly=False, wait_s=wait_s)


def default_origin() -> str:
    """An origin with a random part, so that copies and namesakes differ (SPEC §10.2)."""
    return f"localhost/lineage/{os.urandom(8).hex()}"
