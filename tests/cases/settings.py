"""Trust and policy files, good and refused: text that any implementation reads the same (SPEC §12.1, §12.2)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import NamedTuple

from tests.cases.logs import public_key

ANNA, BEN, CARA = (hashlib.sha256(name.encode()).hexdigest() for name in ("anna", "ben", "cara"))


class SettingsCase(NamedTuple):
    """A file. Refused ones have the code and the key that is named; "file" if it is the whole."""

    name: str
    kind: str
    what: str
    text: str
    code: str = ""
    key: str = ""


def vkey(name: str, signature_type: int) -> str:
    """A vkey of the test key of that name, written by hand."""
    material = bytes([signature_type]) + public_key(name)
    key_id = hashlib.sha256(name.encode() + b"\n" + material).hexdigest()[:8]
    return f"{name}+{key_id}+{base64.b64encode(material).decode()}"


LOG, W1, W2 = vkey("log.example/t", 1), vkey("w.example/1", 4), vkey("w.example/2", 4)
WITNESSED = f'tlog_policy = """\nlog {LOG}\nwitness one {W1}\nwitness two {W2}\ngroup both all one two\nquorum both\n"""\n'

TRUST_WHOLE = (
    f'{WITNESSED}max_checkpoint_age_s = 86_400\nmakers = ["{ANNA}"]\ncurators = []\ntools = ["{CARA}"]\n'
    f'auditors = ["{W1}"]\n[registrars]\n{BEN} = ["verified", "documented"]\n'
    f'[[controlled]]\nname = "a lab"\nidentities = ["{ANNA}", "{BEN}"]\n'
)
POLICY_WHOLE = (
    'version = 1\nname = "whole"\ndecide = true\n[checkpoint]\nquorum = true\nauditor = true\n'
    '[rows]\nwork = "L3"\nexperience = "L4"\nderived = "L2"\ndataset = "until-vouched"\n'
    '[reported]\ndataset = "until-vouched"\nwork = "L1"\n[ancestors]\nmakers = "any"\n[ancestors.kinds]\nwork = "L2"\n'
    '[verdicts]\nconditional = "admit"\n[makers]\ngrades = ["named", "verified"]\n[age]\nquarantine_s = 604_800\n'
    '[attestations]\nleast = 2\nvouching = 3\nclaims = ["origin"]\ngrades = ["documented"]\nindependent = false\n'
    '[shares]\nhuman_least_ppm = 900_000\nunstated_human = "unknown"\nunstated_pair = "human"\n[derived]\nby = "anyone"\n'
    '[rights]\nlicenses = ["MIT", "GPL-2.0-only WITH Classpath-exception-2.0", "GPL-3.0+"]\nlicense_other = "quarantine"\n'
    'license_unstated = "reject"\ntrain_denied = "quarantine"\ntrain_constrained = "admit"\ntrain_unstated = "reject"\n'
    '[sources]\ncategories = ["licensed"]\nuris = ["https://a.example/"]\nuris_denied = ["https://a.example/b/"]\n'
    'other = "quarantine"\nunstated = "reject"\n[fail_if]\nrejected_rows_over = 0\nrejected_ppm_over = 1\n'
    "quarantined_rows_over = 2\nquarantined_ppm_over = 3\nadmitted_rows_under = 4\nadmitted_ppm_under = 5\n"
    "[fail_if.reasons]\nheld = 0\n"
)

TRUST_GOOD = {
    "empty": ("nobody is trusted", ""),
    "whole": (
        "every key",
        TRUST_WHOLE,
    ),
    "all-makers": ("whoever is enrolled", 'makers = "all"\n'),
    "quorum-none": ("a log, and no witness", f'tlog_policy = """\nlog {LOG}\nquorum none\n"""\n'),
    "groups-that-meet": (
        "one identity in two groups",
        f'[[controlled]]\nidentities = ["{ANNA}", "{BEN}"]\n[[controlled]]\nidentities = ["{BEN}", "{CARA}"]\n',
    ),
}
TRUST_REFUSED = {
    "unknown-key": ("a key that is none", "maker = []\n", "maker"),
    "unknown-key-in-group": (
        "a key that is none",
        f'[[controlled]]\nidentities = ["{ANNA}", "{BEN}"]\nids = 1\n',
        "controlled[0].ids",
    ),
    "not-toml": ("no TOML", "makers = \n", "file"),
    "nested-without-end": ("an array without end", "makers = " + "[" * 5_000 + "\n", "file"),
    "key-twice": ("one key twice", "makers = []\nmakers = []\n", "file"),
    "age-text": ("a text where a number stands", 'max_checkpoint_age_s = "86400"\n', "max_checkpoint_age_s"),
    "age-boolean": ("a boolean is no number", "max_checkpoint_age_s = true\n", "max_checkpoint_age_s"),
    "age-float": ("a float is no integer", "max_checkpoint_age_s = 1.0\n", "max_checkpoint_age_s"),
    "age-date": ("a date is no age", "max_checkpoint_age_s = 2030-01-01\n", "max_checkpoint_age_s"),
    "age-zero": ("nothing is that fresh", "max_checkpoint_age_s = 0\n", "max_checkpoint_age_s"),
    "age-negative": ("no age", "max_checkpoint_age_s = -1\n", "max_checkpoint_age_s"),
    "age-too-great": ("over ten years", "max_checkpoint_age_s = 316_224_001\n", "max_checkpoint_age_s"),
    "makers-word": ("a word that is not all", 'makers = "any"\n', "makers"),
    "makers-number": ("no list", "makers = 1\n", "makers"),
    "makers-table": ("no list", f"[makers]\n{ANNA} = 1\n", "makers"),
    "makers-short": ("an id cut short", f'makers = ["{ANNA[:-2]}"]\n', "makers"),
    "makers-capitals": ("an id in capitals", f'makers = ["{ANNA.upper()}"]\n', "makers"),
    "makers-name": ("a name is no id", 'makers = ["anna"]\n', "makers"),
    "makers-twice": ("one id twice", f'makers = ["{ANNA}", "{ANNA}"]\n', "makers"),
    "makers-mixed": ("a number among ids", f'makers = ["{ANNA}", 1]\n', "makers"),
    "curators-all": ("only makers may be all", 'curators = "all"\n', "curators"),
    "tools-name": ("a name is no id", 'tools = ["chunker"]\n', "tools"),
    "registrars-list": ("registrars without grades", f'registrars = ["{ANNA}"]\n', "registrars"),
    "registrars-name": ("a name is no id", '[registrars]\nanna = ["verified"]\n', "registrars.anna"),
    "registrars-grade": (
        "a grade that is none",
        f'[registrars]\n{ANNA} = ["certified"]\n',
        f"registrars.{ANNA}",
    ),
    "registrars-named": (
        "not a grade that anybody gives",
        f'[registrars]\n{ANNA} = ["named"]\n',
        f"registrars.{ANNA}",
    ),
    "registrars-no-grade": ("no grade at all", f"[registrars]\n{ANNA} = []\n", f"registrars.{ANNA}"),
    "registrars-grade-twice": (
        "one grade twice",
        f'[registrars]\n{ANNA} = ["known", "known"]\n',
        f"registrars.{ANNA}",
    ),
    "registrars-text": ("no list of grades", f'[registrars]\n{ANNA} = "known"\n', f"registrars.{ANNA}"),
    "auditors-id": ("an identity cosigns nothing", f'auditors = ["{ANNA}"]\n', "auditors"),
    "auditors-log": ("a key that signs notes", f'auditors = ["{LOG}"]\n', "auditors"),
    "auditors-empty-list": ("nobody audits", "auditors = []\n", "auditors"),
    "auditors-own": (
        "the log audits itself",
        f'tlog_policy = """\nlog {vkey("x.example", 1)}\nquorum none\n"""\nauditors = ["{vkey("x.example", 4)}"]\n',
        "auditors",
    ),
    "controlled-table": (
        "a table where an array of tables stands",
        f'[controlled]\nidentities = ["{ANNA}", "{BEN}"]\n',
        "controlled",
    ),
    "controlled-one": (
        "a group of one",
        f'[[controlled]]\nidentities = ["{ANNA}"]\n',
        "controlled[0].identities",
    ),
    "controlled-nobody": ("a group of nobody", "[[controlled]]\nname = 'lab'\n", "controlled[0].identities"),
    "controlled-name": (
        "a name that is none",
        f'[[controlled]]\nname = 1\nidentities = ["{ANNA}", "{BEN}"]\n',
        "controlled[0].name",
    ),
    "tlog-policy-list": ("no text", "tlog_policy = []\n", "tlog_policy"),
    "not-utf8-escape": ("a surrogate", 'makers = ["\\ud800"]\n', "file"),
}
TLOG_REFUSED = {
    "tlog-policy-no-quorum": ("no quorum line", f'tlog_policy = "log {LOG}\\n"\n', "tlog_policy"),
    "tlog-policy-empty": ("nothing at all", 'tlog_policy = ""\n', "tlog_policy"),
    "tlog-policy-cut": ("a line without end", 'tlog_policy = "quorum none"\n', "tlog_policy, line 1"),
    "tlog-policy-stranger": ("a quorum of nobody", 'tlog_policy = "quorum w\\n"\n', "tlog_policy, line 1"),
    "tlog-policy-return": ("a carriage return", 'tlog_policy = "quorum none\\r\\n"\n', "tlog_policy"),
}

POLICY_GOOD = {
    "least": ("nothing may enter", "version = 1\n"),
    "whole": (
        "every key",
        POLICY_WHOLE,
    ),
    "decides-nothing": ("a level without a quorum", 'version = 1\ndecide = false\n[rows]\nwork = "L3"\n'),
}
POLICY_REFUSED = {
    "no-version": ("no version", 'name = "x"\n', "version"),
    "version-2": ("a later version", "version = 2\n", "version"),
    "version-text": ("a text", 'version = "1"\n', "version"),
    "version-true": ("a boolean is no number", "version = true\n", "version"),
    "unknown-key": ("a key that is none", "version = 1\nstrict = true\n", "strict"),
    "unknown-table": ("a table that is none", "version = 1\n[row]\n", "row"),
    "table-as-value": ("a value where a table stands", "version = 1\nrows = 1\n", "rows"),
    "decide-text": ("a text", 'version = 1\ndecide = "yes"\n', "decide"),
    "decide-number": ("a number is no boolean", "version = 1\ndecide = 1\n", "decide"),
    "name-number": ("a number", "version = 1\nname = 1\n", "name"),
    "quorum-text": ("a text", 'version = 1\n[checkpoint]\nquorum = "w"\n', "checkpoint.quorum"),
    "quorum-misspelt": (
        "a key that is none",
        "version = 1\n[checkpoint]\nqorum = true\n",
        "checkpoint.qorum",
    ),
    "rows-kind": ("a kind that is none", 'version = 1\n[rows]\nworks = "L2"\n', "rows.works"),
    "rows-level": ("a level that is none", 'version = 1\n[rows]\nwork = "L5"\n', "rows.work"),
    "rows-number": ("a number is no level", "version = 1\n[rows]\nwork = 2\n", "rows.work"),
    "rows-small-letter": ("a level in small letters", 'version = 1\n[rows]\nwork = "l2"\n', "rows.work"),
    "rows-l4": (
        "only an experience reaches L4",
        'version = 1\n[checkpoint]\nquorum = true\n[rows]\nwork = "L4"\n',
        "rows.work",
    ),
    "rows-l3-without-quorum": ("no quorum, no L3", 'version = 1\n[rows]\nwork = "L3"\n', "checkpoint.quorum"),
    "ancestors-l3-without-quorum": (
        "no quorum, no L3",
        'version = 1\n[ancestors.kinds]\nwork = "L3"\n',
        "checkpoint.quorum",
    ),
    "reported-l2": (
        "what is reported is L1 at most",
        'version = 1\n[reported]\nwork = "L2"\n',
        "reported.work",
    ),
    "ancestors-kind-beside": (
        "kinds stand in a table of their own",
        'version = 1\n[ancestors]\nwork = "L2"\n',
        "ancestors.work",
    ),
    "ancestors-makers": (
        "a word that is none",
        'version = 1\n[ancestors]\nmakers = "all"\n',
        "ancestors.makers",
    ),
    "conditional": (
        "an act that is none",
        'version = 1\n[verdicts]\nconditional = "accept"\n',
        "verdicts.conditional",
    ),
    "quarantined": (
        "only conditional may be chosen",
        'version = 1\n[verdicts]\nquarantined = "admit"\n',
        "verdicts.quarantined",
    ),
    "maker-grades": (
        "a grade that is none",
        'version = 1\n[makers]\ngrades = ["trusted"]\n',
        "makers.grades",
    ),
    "maker-no-grades": ("nobody could have one", "version = 1\n[makers]\ngrades = []\n", "makers.grades"),
    "age-negative": ("no age", "version = 1\n[age]\nquarantine_s = -1\n", "age.quarantine_s"),
    "age-text": ("a text", 'version = 1\n[age]\nquarantine_s = "7d"\n', "age.quarantine_s"),
    "age-too-great": (
        "over a hundred years",
        "version = 1\n[age]\nquarantine_s = 3_162_240_001\n",
        "age.quarantine_s",
    ),
    "attestations-least": ("too many", "version = 1\n[attestations]\nleast = 1001\n", "attestations.least"),
    "attestations-vouching": (
        "nobody vouches",
        "version = 1\n[attestations]\nvouching = 0\n",
        "attestations.vouching",
    ),
    "attestations-claims": (
        "a claim that is none",
        'version = 1\n[attestations]\nclaims = ["truth"]\n',
        "attestations.claims",
    ),
    "attestations-independent": (
        "a number",
        "version = 1\n[attestations]\nindependent = 1\n",
        "attestations.independent",
    ),
    "attestations-grades": (
        "a text",
        'version = 1\n[attestations]\ngrades = "verified"\n',
        "attestations.grades",
    ),
    "shares-over-the-whole": (
        "over the whole",
        "version = 1\n[shares]\nhuman_least_ppm = 1_000_001\n",
        "shares.human_least_ppm",
    ),
    "shares-percent": (
        "a text",
        'version = 1\n[shares]\nhuman_least_ppm = "50%"\n',
        "shares.human_least_ppm",
    ),
    "shares-unstated": (
        "a word that is none",
        'version = 1\n[shares]\nunstated_pair = "machine"\n',
        "shares.unstated_pair",
    ),
    "derived": ("a word that is none", 'version = 1\n[derived]\nby = "tool"\n', "derived.by"),
    "licenses-expression": (
        "a list holds ids alone",
        'version = 1\n[rights]\nlicenses = ["MIT OR Apache-2.0"]\n',
        "rights.licenses",
    ),
    "licenses-bracket": (
        "a list holds ids alone",
        'version = 1\n[rights]\nlicenses = ["(MIT)"]\n',
        "rights.licenses",
    ),
    "licenses-empty-text": ("no id", 'version = 1\n[rights]\nlicenses = [""]\n', "rights.licenses"),
    "licenses-empty": ("no licence at all", "version = 1\n[rights]\nlicenses = []\n", "rights.licenses"),
    "license-other-alone": (
        "no list says which are others",
        'version = 1\n[rights]\nlicense_other = "admit"\n',
        "rights.license_other",
    ),
    "train-allowed": (
        "what is allowed needs no rule",
        'version = 1\n[rights]\ntrain_allowed = "reject"\n',
        "rights.train_allowed",
    ),
    "sources-category": (
        "a category that is none",
        'version = 1\n[sources]\ncategories = ["web"]\n',
        "sources.categories",
    ),
    "sources-uri": ("no URI", 'version = 1\n[sources]\nuris = ["a.example"]\n', "sources.uris"),
    "sources-both": (
        "allowed and shut out",
        'version = 1\n[sources]\nuris = ["https://a.example/"]\nuris_denied = ["https://a.example/"]\n',
        "sources.uris_denied",
    ),
    "fail-if-ppm": (
        "over the whole",
        "version = 1\n[fail_if]\nrejected_ppm_over = 1_000_001\n",
        "fail_if.rejected_ppm_over",
    ),
    "fail-if-under-zero": (
        "nothing is fewer than none",
        "version = 1\n[fail_if]\nadmitted_rows_under = 0\n",
        "fail_if.admitted_rows_under",
    ),
    "fail-if-code": (
        "a code that is none",
        "version = 1\n[fail_if.reasons]\nbad = 0\n",
        "fail_if.reasons.bad",
    ),
    "fail-if-clear": (
        "what is clear is no reason",
        "version = 1\n[fail_if.reasons]\nclear = 0\n",
        "fail_if.reasons.clear",
    ),
    "fail-if-undecided": (
        "nothing is decided, so nothing fails",
        "version = 1\ndecide = false\n[fail_if]\nrejected_rows_over = 0\n",
        "fail_if",
    ),
}


def settings() -> Iterator[SettingsCase]:
    """All of them."""
    for kind, group in (("trust", TRUST_GOOD), ("policy", POLICY_GOOD)):
        for name, (what, text) in group.items():
            yield SettingsCase(f"{kind}/{name}", kind, what, text)
    for kind, code, refused in (
        ("trust", "trust-invalid", TRUST_REFUSED),
        ("trust", "tlog-policy-invalid", TLOG_REFUSED),
        ("policy", "policy-invalid", POLICY_REFUSED),
    ):
        for name, (what, text, key) in refused.items():
            yield SettingsCase(f"{kind}/bad-{name}", kind, what, text, code, key)
