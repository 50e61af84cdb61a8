"""Every legal combination of kind, form, stance, role, shares and relations (SPEC §4.1-§4.5), as data.

What a record says of itself is checked where it is decoded; what depends on the maker's role or on a
parent's kind needs the log, and is checked by the fold through `check_maker` and `check_relation`.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from ledger import spec
from ledger.errors import RefusedInput
from ledger.statements import words

ANY: Final = words.KINDS
NOT_MODEL: Final = words.KINDS - {"model"}
MANIFEST_ROW_BYTES: Final = 2 * spec.HASH_BYTES + 1  # row digest, artifact id, verdict (SPEC §4.2)


class Relation(NamedTuple):
    """For each kind of child the kinds of parents, and whether a share may flow along the relation (SPEC §4.3)."""

    parents: dict[str, frozenset[str]]
    share: bool


def _joins(children: frozenset[str], parents: frozenset[str]) -> dict[str, frozenset[str]]:
    return dict.fromkeys(children, parents)


RELATIONS: Final[dict[str, Relation]] = {
    "derived-from": Relation(
        {
            **_joins(NOT_MODEL, NOT_MODEL),
            "model": frozenset({"model"}),
            "experience": frozenset({"work", "experience", "derived"}),
        },
        share=True,
    ),
    "generated-by": Relation(_joins(frozenset({"output", "dataset"}), frozenset({"model"})), share=True),
    "trained-on": Relation({"model": NOT_MODEL}, share=True),
    "distilled-from": Relation(_joins(frozenset({"abstract", "model"}), ANY), share=True),
    "evidence": Relation(_joins(ANY, ANY), share=False),
    "quotes": Relation(_joins(NOT_MODEL, NOT_MODEL), share=True),
    "corrects": Relation(_joins(ANY, ANY), share=False),
    "supersedes": Relation(_joins(ANY, ANY), share=False),
}

NONE: Final = frozenset[str]()
HUMAN: Final = frozenset({"human"})
MACHINE: Final = frozenset({"machine"})
BOTH: Final = frozenset({"human", "machine"})

# Own shares that a `made` record may state, by the maker's role and the kind; a missing kind is illegal (SPEC §4.4).
_INSTITUTION: Final = {"derived": NONE, "model": NONE, "dataset": NONE}
OWN_SHARES: Final[dict[str, dict[str, frozenset[str]]]] = {
    "human": {
        "work": HUMAN,
        "experience": HUMAN,
        "abstract": NONE,
        "output": NONE,
        "derived": NONE,
        "model": NONE,
        "dataset": NONE,
    },
    "pair": {
        "work": BOTH,
        "experience": BOTH,
        "abstract": MACHINE,
        "output": MACHINE,
        "derived": NONE,
        "model": NONE,
        "dataset": MACHINE,
    },
    "machine": {"abstract": MACHINE, "output": MACHINE, "derived": NONE, "model": NONE, "dataset": MACHINE},
    "registrar": _INSTITUTION,
    "curator": _INSTITUTION,
    "operator": _INSTITUTION,
}

FORMS_BY_KIND: Final[dict[str, frozenset[str]]] = {
    kind: frozenset({"raw", "jcs", "sealed"} | ({"rows", "manifest"} if kind == "dataset" else set()))
    for kind in words.KINDS
}


def illegal(where: str, reason: str, code: str = "record-illegal") -> RefusedInput:
    """The error of a record whose parts do not go together."""
    return RefusedInput(code, where, reason, "SPEC §4 has the table of legal records.")


def check_itself(fields: dict[str, Any]) -> None:
    """What a record with a sound schema must obey whoever signs it. Raises RefusedInput."""
    kind, form = fields["kind"], fields["form"]
    if form not in FORMS_BY_KIND[kind]:
        raise illegal("record.form", f"the form '{form}' does not go with the kind '{kind}'")
    if (form == "sealed") == ("media" in fields):
        raise illegal("record.media", "every form but 'sealed' names its media type, and 'sealed' none")
    size = fields["size"]
    if form == "sealed" and (size < 32 or size & (size - 1)):
        raise illegal("record.size", "a sealed size is a power of two of at least 32")
    if form == "manifest" and size != MANIFEST_ROW_BYTES * fields["facts"]["count"]:
        raise illegal("record.size", f"a manifest has {MANIFEST_ROW_BYTES} bytes a row")
    if fields["stance"] == "made" and "attributed" in fields:
        raise illegal("record.attributed", "only a reported record names another author")
    if fields["stance"] == "reported" and ("human" in fields or "machine" in fields):
        raise illegal("record.stance", "a reported record states no own share", "share-illegal")
    if kind in ("work", "experience") and "machine" in fields and not fields.get("human"):
        raise illegal("record.machine", f"in a '{kind}' it stands only beside a human share", "share-illegal")
    _check_relations(kind, fields)
    _check_sum(fields)


def _check_relations(kind: str, fields: dict[str, Any]) -> None:
    relations = set()
    for position, parent in enumerate(fields["parents"]):
        relation = RELATIONS[parent["rel"]]
        where = f"record.parents[{position}]"
        if kind not in relation.parents:
            raise illegal(where, f"a child of kind '{kind}' has no parent '{parent['rel']}'")
        if "ppm" in parent and not relation.share:
            raise illegal(where, f"no share flows along '{parent['rel']}'", "share-illegal")
        relations.add(parent["rel"])
    if kind == "abstract" and "distilled-from" not in relations:
        raise illegal("record.parents", "an abstract (LA) names at least one artifact it was distilled from")
    if kind == "derived" and "derived-from" not in relations:
        raise illegal("record.parents", "a derived artifact names at least one parent 'derived-from'")


def _check_sum(fields: dict[str, Any]) -> None:
    total = fields.get("human", 0) + fields.get("machine", 0)
    total += sum(parent.get("ppm", 0) for parent in fields["parents"])
    if total > spec.PPM:
        raise illegal(
            "record.human", f"the shares add up to {total} ppm, over the whole of {spec.PPM}", "share-illegal"
        )


def check_maker(fields: dict[str, Any], role: str) -> None:
    """What depends on the maker's role (SPEC §4.1, §4.4). Raises RefusedInput `role-illegal`."""
    kind = fields["kind"]
    if fields["stance"] == "reported":
        return
    allowed = OWN_SHARES[role].get(kind)
    if allowed is None:
        raise illegal("record.kind", f"an identity of role '{role}' makes no '{kind}'", "role-illegal")
    for share in ("human", "machine"):
        if share in fields and share not in allowed:
            raise illegal(
                f"record.{share}", f"a '{kind}' by a {role} has no {share} share of its own", "role-illegal"
            )
    needs_model = kind == "output" and role == "human"
    if needs_model and all(parent["rel"] != "generated-by" for parent in fields["parents"]):
        raise illegal(
            "record.parents", "an output signed by a human names its model by 'generated-by'", "role-illegal"
        )


def default_relation(kind: str, parent_kind: str = "") -> str:
    """The relation that is meant where a child of `kind` names a parent and no relation; `parent_kind` "": not known.

    What an abstract is made from it condenses; all else transforms its parent (`derived-from`), or was produced by running
    it (`generated-by`), where that is legal; an experience is else supported by it (`evidence`), which carries nothing
    over. Raises RefusedInput `parent-kind` where none of these is meant.
    """
    if kind == "abstract":
        return "distilled-from"
    meant = ("derived-from", "generated-by", "evidence")
    for relation in meant if kind == "experience" else meant[:2]:
        parents = RELATIONS[relation].parents.get(kind, NONE)
        if parents and (not parent_kind or parent_kind in parents):
            return relation
    raise illegal(
        "parent", f"no relation from '{kind}' to '{parent_kind}' goes without saying", "parent-kind"
    )


def check_relation(kind: str, relation: str, parent_kind: str, where: str) -> None:
    """Whether `relation` may lead from a child of `kind` to a parent of that kind. Raises RefusedInput `parent-kind`."""
    if parent_kind not in RELATIONS[relation].parents[kind]:
        raise illegal(where, f"'{relation}' does not lead from '{kind}' to '{parent_kind}'", "parent-kind")
