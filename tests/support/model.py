"""Secrets as a plain dictionary: what the contract says, with nothing in the way of reading it."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

RETENTION = timedelta(days=30)


def moment(time: datetime | None) -> str | None:
    """A time as the API shows it."""
    return None if time is None else time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass(frozen=True)
class Value:
    """A text, or bytes."""

    data: str | bytes

    @property
    def raw(self) -> bytes:
        """The bytes of either."""
        return self.data if isinstance(self.data, bytes) else self.data.encode()

    def fields(self) -> dict[str, str]:
        """How JSON holds it."""
        if isinstance(self.data, str):
            return {"secret": self.data, "encoding": "text"}
        return {"secret": base64.b64encode(self.data).decode(), "encoding": "base64"}


@dataclass
class Kept:
    """All that is known of one name, through all its lives."""

    created: datetime
    updated: datetime
    values: dict[int, Value] = field(default_factory=dict)  # by number; destroyed ones are absent
    labels: dict[str, str] = field(default_factory=dict)
    expires: datetime | None = None
    deleted: datetime | None = None
    tag: str = ""
    old_tags: list[str] = field(default_factory=list)

    def live(self, now: datetime) -> bool:
        """Neither deleted nor expired."""
        return self.deleted is None and not self.expired(now)

    def expired(self, now: datetime) -> bool:
        """At that moment, or before."""
        return self.expires is not None and self.expires <= now

    def over(self, now: datetime) -> bool:
        """Deleted so long ago that it cannot be undone."""
        return self.deleted is not None and self.deleted + RETENTION <= now

    @property
    def version(self) -> int:
        """The newest one's number."""
        return max(self.values)


class Shelf:
    """One person's secrets by name."""

    def __init__(self) -> None:
        self.kept: dict[str, Kept] = {}

    def live(self, name: str, now: datetime) -> Kept | None:
        """The secret, unless it is absent."""
        found = self.kept.get(name)
        return found if found is not None and found.live(now) else None

    def begin(self, name: str, now: datetime) -> Kept:
        """A first or a further life of a name, with nothing but its numbers."""
        found = self.kept.setdefault(name, Kept(now, now))
        found.labels, found.expires, found.deleted, found.updated = {}, None, None, now
        return found

    def change(self, kept: Kept, now: datetime, change: dict[str, Any]) -> None:
        """Apply what a request mentions: any of value, labels, expires."""
        if "value" in change:
            kept.values[max(kept.values, default=0) + 1] = change["value"]
        kept.labels = change.get("labels", kept.labels)
        kept.expires = change.get("expires", kept.expires)
        kept.updated = now

    def purge(self, now: datetime, kept: int) -> tuple[int, int, int]:
        """Let go what a purge does: so many deleted secrets, expired ones, and versions."""
        excess = 0
        for one in self.kept.values():
            for number in sorted(one.values)[:-kept]:
                del one.values[number]
                excess += 1
        deleted = [name for name, one in self.kept.items() if one.over(now)]
        expired = [
            name
            for name, one in self.kept.items()
            if one.deleted is None
            and one.expires is not None
            and max(one.expires, one.updated) + RETENTION <= now
        ]
        for name in deleted + expired:
            del self.kept[name]
        return len(deleted), len(expired), excess

    def described(self, name: str) -> dict[str, Any]:
        """The metadata that a write answers and a list shows."""
        kept = self.kept[name]
        return {
            "name": name,
            "version": kept.version,
            "labels": kept.labels,
            "created_at": moment(kept.created),
            "updated_at": moment(kept.updated),
            "expires_at": moment(kept.expires),
            "deleted_at": moment(kept.deleted),
            "purge_at": moment(kept.deleted and kept.deleted + RETENTION),
        }

    def shown(self, name: str, version: int) -> dict[str, Any]:
        """What a read answers."""
        described = self.described(name)
        del described["deleted_at"], described["purge_at"]
        return {
            **described,
            "version": version,
            **self.kept[name].values[version].fields(),
        }

    def listed(
        self, now: datetime, prefix: str, q: str, label: tuple[str, str] | None, *, gone: bool
    ) -> list[dict[str, Any]]:
        """What all pages of a list show."""
        return [
            self.described(name)
            for name in sorted(self.kept, key=str.encode)
            if self.kept[name].live(now) != gone
            and name.startswith(prefix)
            and q.lower() in name.lower()
            and (label is None or self.kept[name].labels.get(label[0]) == label[1])
        ]
