"""What an event of the audit trail says besides who, what and when: with whom a secret was shared,
which versions are gone. An allow-list: fields that stand here, for the actions that stand here, and
never a value, label, password or token. Names are those that the caller may see.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TypeAlias

Value: TypeAlias = str | int | bool | list[int]
Detail = Mapping[str, Value]

LONGEST = 2000  # characters as it is stored: 100 numbers of versions, or two names
FIELDS: dict[str, dict[str, type]] = {
    "secret.move": {"from": str, "to": str},
    "secret.rollback": {"version": int},
    "secret.destroy": {"versions": list, "all": bool},
    "secret.share": {"grantee": str, "permission": str},
    "secret.unshare": {"grantee": str},
    "secret.import": {"on_conflict": str, "dry_run": bool, "result": str},
    "secret.purge": {"reason": str, "secrets": int, "versions": int},
    "shared.read": {"owner": str},
    "shared.write": {"owner": str},
    "restore": {"number": int, "mac": str},  # the end of the system's chain in the backup
}


def to_text(action: str, detail: Detail) -> str:
    """As it is stored, and under the event's MAC. Raises ValueError for what the list does not
    allow: that is a mistake of ours, and must not be written."""
    if not detail:
        return ""
    if not _allowed(action, detail):
        raise ValueError(f"an event {action} has other fields than these")
    text = json.dumps(detail, separators=(",", ":"), sort_keys=True)
    if len(text) > LONGEST:
        raise ValueError(f"the detail of an event {action} is too long")
    return text


def from_text(action: str, text: str) -> Detail | None:
    """What is shown. Of what was tampered with, nothing but what is allowed."""
    try:
        found = json.loads(text) if 0 < len(text) <= LONGEST else None
    except (ValueError, RecursionError):
        return None
    return found if found and isinstance(found, dict) and _allowed(action, found) else None


def _allowed(action: str, detail: Detail) -> bool:
    fields = FIELDS.get(action, {})
    return all(
        type(value) is fields.get(name)
        and (not isinstance(value, list) or all(type(one) is int for one in value))
        for name, value in detail.items()
    )
