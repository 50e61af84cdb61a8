"""`sign --dry-run`: what would be signed, in words and in fields."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Final

from ledger.cli.common import Reporter, percent, plural, printable, short
from ledger.errors import RefusedInput

if TYPE_CHECKING:
    from ledger.api.foreseeing import Group, WouldSign
    from ledger.statements.record import Parent

_GROUPS_SHOWN_MAX: Final = 8
_FILES_SHOWN_MAX: Final = 8
_COLUMN_WORDS: Final = {
    "kind": "kind",
    "parents": "parents",
    "made_at": "time of making",
    "license": "license",
    "attributed": "author",
    "human": "human share",
    "source": "source",
}


def refuse_again(args: argparse.Namespace) -> None:
    """What has nothing to be foreseen. Raises RefusedInput `usage`."""
    if args.again:
        raise RefusedInput(
            "usage",
            "--dry-run",
            "with --again the records are signed as they stand in the log",
            "See them: lineage trace FILE|ID",
        )


def tell(reporter: Reporter, found: WouldSign, *, is_rows: bool) -> None:
    """The result of the command."""
    reporter.result(_document(found, is_rows=is_rows), "\n".join(_lines(found, is_rows=is_rows)))


def _document(found: WouldSign, *, is_rows: bool) -> dict[str, Any]:
    claim = found.claim
    document: dict[str, Any] = {
        "dry_run": True,
        "by": {"name": found.identity.name, "id": found.identity.id.hex(), "role": found.identity.role},
        "count": found.count,
        "new": found.new if found.is_told else None,
        "already_logged": found.already_logged if found.is_told else None,
        "copies": found.copies,
        "stance": "reported" if claim.reported else "made",
        "attributed": claim.author is not None or "attributed" in found.columns,
        "rights": claim.rights or None,
        "source": claim.source or None,
        "facts": {
            name: value.hex() if isinstance(value, bytes) else value for name, value in claim.facts.items()
        }
        or None,
        "columns": dict(found.columns),
        "claims": [_group_fields(group, count) for group, count in found.groups.most_common()],
        "of_more_claims": found.more,
        "with_lineage_id": found.held,
        "supersedes_in_vain": {older.hex(): reason for older, reason in found.in_vain.items()},
    }
    if not is_rows:
        document["artifacts"] = [
            {"path": path, "id": artifact_id.hex() if artifact_id else None}
            for path, artifact_id in found.files
        ]
    return document


def _group_fields(group: Group, count: int) -> dict[str, Any]:
    return {
        "count": count,
        "kind": group.kind,
        "form": group.form,
        "human_ppm": group.human,
        "machine_ppm": group.machine,
        "parents": [
            {
                "relation": parent.rel,
                "id": parent.id.hex() or None,
                "row_index": parent.row,
                "share_ppm": parent.ppm,
            }
            for parent in group.parents
        ],
        "unknown_ppm": {"least": 0 if group.unstated else group.rest, "greatest": group.rest},
        "unstated": list(group.unstated),
    }


def _lines(found: WouldSign, *, is_rows: bool) -> list[str]:
    what = plural(found.count, "row" if is_rows else "file")
    stance = "would report" if found.claim.reported else "would sign"
    lines = [f"{found.identity.role} '{found.identity.name}' {stance} {what}{_counts(found)}"]
    shown = found.groups.most_common(_GROUPS_SHOWN_MAX)
    for group, count in shown:
        lines += _group_lines(group, count)
    rest = found.count - found.held - sum(count for _, count in shown)
    if rest:
        lines.append(f"  … and {rest:,} of which other things are claimed (--json tells more)")
    if found.held:
        lines.append(f"  {plural(found.held, 'row')} with a lineage_id: that artifact, not signed again")
    lines += _shared_lines(found)
    for path, artifact_id in found.files[:_FILES_SHOWN_MAX]:
        known = short(artifact_id) if artifact_id is not None else "(id drawn when signed)"
        lines.append(f"  {known}  {printable(path)}")
    if len(found.files) > _FILES_SHOWN_MAX:
        lines.append(f"  … and {len(found.files) - _FILES_SHOWN_MAX:,} more (--json lists all)")
    for older, reason in found.in_vain.items():
        lines.append(
            f"  It would supersede {short(older)} without effect: {reason}. Both claims would count."
        )
    return [*lines, "", "This was a dry run: nothing was signed, logged or kept."]


def _counts(found: WouldSign) -> str:
    parts = []
    if found.is_told:
        parts += [f"{found.new:,} new"] if found.new else []
        parts += [f"{found.already_logged:,} already logged"] if found.already_logged else []
    else:
        parts.append("how many of them are logged already is not known here")
    parts += [f"{found.copies:,} copies of others among them"] if found.copies else []
    return f": {', '.join(parts)}"


def _group_lines(group: Group, count: int) -> list[str]:
    lines = [f"  {group.kind}, {group.form}: {count:,}"]
    own = [
        f"{share} {percent(ppm)}"
        for share, ppm in (("human", group.human), ("machine", group.machine))
        if ppm is not None
    ]
    lines += [f"    own share  {' + '.join(own)}"] if own else []
    lines += [f"    parent     {_parent_words(parent)}" for parent in group.parents]
    if group.unstated:
        lines.append(
            f"    unstated   {percent(group.rest)}, of {' and '.join(group.unstated)}; the rest of it is unknown"
        )
    elif group.rest:
        lines.append(f"    unknown    {percent(group.rest)}")
    return lines


def _parent_words(parent: Parent) -> str:
    row = f":{parent.row}" if parent.row is not None else ""
    named = f"{short(parent.id)}{row}" if parent.id else "as each row says"
    share = f" {percent(parent.ppm)}" if parent.ppm is not None else ""
    return f"{parent.rel}{share}: {named}"


def _shared_lines(found: WouldSign) -> list[str]:
    claim = found.claim
    lines = []
    if claim.rights:
        rights = [
            claim.rights.get("license"),
            claim.rights.get("train") and f"training {claim.rights['train']}",
        ]
        lines.append(f"  rights     {', '.join(part for part in rights if part)}")
    if claim.source:
        lines.append(f"  source     {printable(str(claim.source.get('uri', '')))}")
    if claim.author is not None:
        lines.append("  author     the one that you name, as a pseudonym")
    if found.columns:
        columns = ", ".join(
            f"{_COLUMN_WORDS.get(what, what)} (column {column!a})" for what, column in found.columns.items()
        )
        lines.append(f"  each row   says {columns}")
    return lines
