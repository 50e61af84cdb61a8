"""The closed lists and character sets of signed bytes (SPEC §3.1, §4, §5).

No free text is ever signed: a reader can list all that a log may say.
"""

from __future__ import annotations

import re
from typing import Final

from ledger import spec

KINDS: Final = frozenset({"work", "experience", "abstract", "output", "derived", "model", "dataset"})
FORMS: Final = frozenset({"raw", "jcs", "sealed", "rows", "manifest"})
STANCES: Final = frozenset({"made", "reported"})
RELATIONS: Final = frozenset(
    {
        "derived-from",
        "generated-by",
        "trained-on",
        "distilled-from",
        "evidence",
        "quotes",
        "corrects",
        "supersedes",
    }
)
ROLES_ENROLLED: Final = frozenset({"human", "machine", "pair", "registrar", "curator"})
ROLES: Final = ROLES_ENROLLED | {"operator"}

TRAIN: Final = frozenset({"allowed", "denied", "constrained"})
CATEGORIES: Final = frozenset(
    {"public-dataset", "licensed", "crawled", "user", "synthetic", "archive", "other"}
)
STAKES: Final = frozenset({"none", "low", "moderate", "high", "critical"})
METHODS_ABSTRACT: Final = frozenset({"summary", "gradient", "update", "trace", "other"})

GRADES: Final = frozenset({"claimed", "known", "verified", "documented"})
METHODS_ENDORSE: Final = frozenset({"in-person", "document", "web", "employment", "community", "other"})
CLAIMS: Final = frozenset({"authorship", "content", "evidence", "origin", "reproduced"})
RESULTS: Final = frozenset({"confirmed", "refuted", "unclear"})
ACTS: Final = frozenset({"hold", "release", "retract", "erase", "dispute"})
ACTS_OF_THE_LISTED: Final = frozenset({"hold", "dispute"})  # only who is listed says them (SPEC §5.3)
ACTS_OF_THE_MAKER: Final = frozenset({"retract", "erase"})  # and who answers for the artifact
REASONS: Final = frozenset(
    {"error", "rights", "privacy", "harm", "duplicate", "machine-origin", "compromise", "other"}
)
REASONS_RETIRE: Final = frozenset({"ended", "superseded", "compromised"})
MODES: Final = frozenset({"open", "allow-list"})

ALGORITHMS: Final = {"ed25519": (32, 64), "ml-dsa-44": (1312, 2420)}  # key bytes, signature bytes (SPEC §6)
ALGORITHMS_BUILT: Final = frozenset({"ed25519"})

TYPES_BARE: Final = frozenset({"genesis", "enrol", "state"})
TYPES_KEY_EVENT: Final = frozenset({"rotate", "recover", "retire"})
TYPES_ORDINARY: Final = frozenset(
    {"artifacts", "delegate", "undelegate", "endorse", "attest", "notice", "rules", "evidence"}
)
TYPES: Final = TYPES_BARE | TYPES_KEY_EVENT | TYPES_ORDINARY
TYPES_BUILT: Final = {  # by fold number (SPEC §5.5)
    1: frozenset({"genesis", "enrol", "state", "artifacts", "delegate"}),
    2: TYPES,
}


def _whole(pattern: str, chars: int) -> re.Pattern[str]:
    return re.compile(rf"(?=.{{1,{chars}}}\Z)(?:{pattern})\Z", re.ASCII)


NAME: Final = _whole(r"[A-Za-z0-9][A-Za-z0-9._/@:+-]*", spec.NAME_CHARS_MAX)
ORIGIN: Final = _whole(r"(?!lineage/)[a-z0-9][a-z0-9._/-]*", spec.ORIGIN_CHARS_MAX)
MEDIA: Final = _whole(r"[a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9][a-z0-9!#$&^_.+-]*", spec.MEDIA_CHARS_MAX)
LICENSE: Final = _whole(r"[A-Za-z0-9(][A-Za-z0-9 .:()+-]*", spec.LICENSE_CHARS_MAX)
URI: Final = _whole(r"[a-z][a-z0-9+.-]*:[!-~]+", spec.URI_CHARS_MAX)
