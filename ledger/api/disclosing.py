"""What a proof may disclose: sealed content, or a sealed profile, with the salt that opens it (SPEC §11.2).

Nothing is disclosed that was not named. What is given here was compared with what is signed: a salt or a content that is another's is
refused before it gets into a file, and what was erased is told as such.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from ledger.api.access import Access
from ledger.api.finding import HEX, ID_CHARS_LEAST, find, record_of, resolve_id
from ledger.api.identities import find_local
from ledger.api.salts import salt_beside
from ledger.datasets.files import load_file, printable
from ledger.datasets.jcs import canonical_json, parse_json
from ledger.errors import LineageError, NotFound, RefusedInput
from ledger.fold.objects import Identity
from ledger.log.view import LogView
from ledger.proofs.ancestry_file import CONTENT, PROFILE, Disclosed
from ledger.signer.keystore import LocalIdentity
from ledger.signer.profiles import read_profile
from ledger.spec import PROOF_DISCLOSED_BYTES_MAX
from ledger.statements.record import Record, sealed_content
from ledger.statements.statement import keyset_digest, profile_digest

_FULL: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


def disclosed(access: Access, view: LogView, name: str) -> Disclosed:
    """What stands in a proof for a sealed FILE, an artifact's ID, or the NAME or ID of an identity whose profile is kept here.

    Of a file the artifact is disclosed under which its maker sealed it; of an artifact's id, a content that is kept beside the log.
    Raises NotFound `unlogged`, `file-not-found`, `identity-unknown`, `profile-missing`; RefusedInput `not-sealed` (there is
    nothing to disclose), `salt-missing` (it was erased, or sealed elsewhere), `salt-differs`, `content-missing`, `too-large`, `ambiguous`.
    """
    local = find_local(access, name)
    if os.path.lexists(name):
        if local is not None and local.name == name:
            raise RefusedInput(
                "ambiguous",
                printable(name),
                "a file and an identity here have this name, and what is disclosed cannot be taken back",
                f"Write ./{name} for the file, or the identity's id.",
            )
        return _of_file(access, view, name)
    if local is not None:
        return _of_identity(view, local, local.id, name)
    if HEX.fullmatch(name) and len(name) >= ID_CHARS_LEAST:
        try:
            return _of_artifact(access, view, resolve_id(view, name))
        except NotFound as error:
            identity_id = bytes.fromhex(name) if _FULL.fullmatch(name.lower()) else b""
            if error.code != "unlogged" or view.identity(identity_id) is None:
                raise
            return _of_identity(view, None, identity_id, name)
    raise NotFound(
        "file-not-found",
        printable(name),
        "it is no file, no identity here and no id",
        "Name a sealed file, an artifact's id, or an identity whose keys are here.",
    )


def _of_file(access: Access, view: LogView, name: str) -> Disclosed:
    """The one sealed artifact about a file."""
    sealed = {each: record for each in find(view, name, access.keys.salts) if (record := _sealed(view, each))}
    if not sealed:
        raise _not_sealed(printable(name), "what was signed of it is not sealed")
    if len(sealed) > 1:
        raise RefusedInput(
            "ambiguous",
            printable(name),
            f"{len(sealed)} sealed artifacts of this log are about it",
            "Move the file's salt beside it, and away those of the others; or disclose one by its id: "
            + ", ".join(each.hex()[:16] for each in sealed),
        )
    ((artifact_id, record),) = sealed.items()
    _check_size(printable(name), Path(name).stat().st_size)
    salts = [access.keys.salts.salt_of(artifact_id), salt_beside(name)]
    return _opened(
        printable(name), record, [salt for salt in salts if salt], _forms(load_file(Path(name))[1])
    )


def _of_artifact(access: Access, view: LogView, artifact_id: bytes) -> Disclosed:
    """An artifact by its id, whose content is kept beside the log."""
    item = f"artifact {artifact_id.hex()[:16]}"
    record = _sealed(view, artifact_id)
    if record is None:
        raise _not_sealed(
            item, "its record is erased" if record_of(view, artifact_id) is None else "it is not sealed"
        )
    salt = access.keys.salts.salt_of(artifact_id)
    if salt is None:
        raise RefusedInput(
            "salt-missing",
            item,
            "its salt is not kept here: it was erased, or sealed on another machine",
            "Name the FILE, with its salt beside it.",
        )
    content = access.content.get(record.content, lambda data: sealed_content(record.maker, salt, data))
    if content is None:
        raise RefusedInput(
            "content-missing",
            item,
            "its content is not kept beside the log: of what is sealed only an experience's is",
            "Name the FILE that was sealed.",
        )
    _check_size(item, len(content))
    return Disclosed(CONTENT, artifact_id, salt, content)


def _of_identity(view: LogView, local: LocalIdentity | None, identity_id: bytes, name: str) -> Disclosed:
    """The profile of an identity, which its enrolment names."""
    item = f"identity '{printable(name)}'"
    identity = view.identity(identity_id)
    if identity is None:
        raise NotFound(
            "identity-unknown", item, "it is not enrolled in this log", "Sign anything to enrol it."
        )
    digest, keyset = _said_of_itself(view, identity)
    if digest is None:
        raise _not_sealed(item, "its enrolment names no profile")
    profile = None if local is None else read_profile(local.folder)
    if profile is None:
        raise NotFound(
            "profile-missing",
            item,
            "its profile is not kept here: it was erased, or lies on another machine",
            "Disclose it where the identity was made; what was erased is gone.",
        )
    if profile_digest(keyset, profile.salt, profile.content) != digest:
        raise RefusedInput(
            "salt-differs",
            item,
            "the profile that is kept is not the one that its enrolment names",
            "Restore it from a copy of the keys.",
        )
    return Disclosed(PROFILE, identity_id, profile.salt, profile.content)


def _said_of_itself(view: LogView, identity: Identity) -> tuple[bytes | None, bytes]:
    """The profile's digest in an enrolment, and the digest of the keyset that it is bound to."""
    body = view.statement(identity.born).body
    return body.get("profile"), keyset_digest(body["keyset"])


def _sealed(view: LogView, artifact_id: bytes) -> Record | None:
    record = record_of(view, artifact_id)
    return record if record is not None and record.form == "sealed" else None


def _forms(content: bytes) -> list[bytes]:
    """The bytes as they are, and as they would be sealed where they are JSON."""
    try:
        return [content, canonical_json(parse_json(content))]
    except LineageError:
        return [content]


def _opened(item: str, record: Record, salts: Iterable[bytes], contents: list[bytes]) -> Disclosed:
    for salt in salts:
        for content in contents:
            if sealed_content(record.maker, salt, content) == record.content:
                return Disclosed(CONTENT, record.id, salt, content)
    raise RefusedInput(
        "salt-differs",
        item,
        "no salt at hand opens its artifact to this content",
        "Bring the salt that was written beside it.",
    )


def _check_size(item: str, size_bytes: int) -> None:
    if not 1 <= size_bytes <= PROOF_DISCLOSED_BYTES_MAX:
        raise RefusedInput(
            "too-large" if size_bytes else "schema",
            item,
            f"it has {size_bytes} bytes; a proof discloses 1 to {PROOF_DISCLOSED_BYTES_MAX}",
            "Hand the file and its salt over beside the proof.",
        )


def _not_sealed(item: str, reason: str) -> RefusedInput:
    return RefusedInput(
        "not-sealed", item, f"{reason}: there is nothing to disclose", "Leave out --disclose for it."
    )
