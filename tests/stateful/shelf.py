"""Secrets as a plain dictionary: what the contract says, with nothing in the way of reading it."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

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

    @property
    def text(self) -> str | None:
        """The text, also of bytes that are one; None of others."""
        try:
            return self.raw.decode()
        except UnicodeDecodeError:
            return None

    def fields(self) -> dict[str, str]:
        """How JSON holds it."""
        if isinstance(self.data, str):
            return {"secret": self.data, "encoding": "text"}
        return {"secret": base64.b64encode(self.data).decode(), "encoding": "base64"}


class Author(NamedTuple):
    """Who wrote: a username, and "session" or the name of an API token."""

    by: str
    credential: str


@dataclass(frozen=True)
class Version:
    """One value of a secret."""

    value: Value
    at: datetime
    author: Author

    def described(self, number: int) -> dict[str, Any]:
        """What a list of versions shows of it."""
        return {"version": number, "created_at": moment(self.at), **self.author._asdict()}


@dataclass(frozen=True)
class Grant:
    """What somebody else may do, and since when."""

    permission: str
    since: datetime


@dataclass
class Kept:
    """All that is known of one name, through all its lives."""

    created: datetime
    updated: datetime
    versions: dict[int, Version] = field(default_factory=dict)  # destroyed ones are absent
    labels: dict[str, str] = field(default_factory=dict)
    expires: datetime | None = None
    deleted: datetime | None = None
    tag: str = ""
    old_tags: list[str] = field(default_factory=list)
    grants: dict[str, Grant] = field(default_factory=dict)  # by username

    def live(self, now: datetime) -> bool:
        """Neither deleted nor expired."""
        return self.deleted is None and not self.expired(now)

    def expired(self, now: datetime) -> bool:
        """At that moment, or before."""
        return self.expires is not None and self.expires <= now

    def over(self, now: datetime) -> bool:
        """Deleted so long ago that it cannot be undone."""
        return self.deleted is not None and self.deleted + RETENTION <= now

    def to_purge(self, now: datetime) -> bool:
        """Expired for so long that a purge takes it, though nobody deleted it."""
        return (
            self.deleted is None
            and self.expires is not None
            and max(self.expires, self.updated) + RETENTION <= now
        )

    @property
    def version(self) -> int:
        """The newest one's number."""
        return max(self.versions)

    @property
    def value(self) -> Value:
        """The newest one's."""
        return self.versions[self.version].value

    def change(self, change: dict[str, Any], now: datetime, author: Author) -> None:
        """Apply what a request mentions: any of value, labels, expires."""
        if "value" in change:
            number = max(self.versions, default=0) + 1
            self.versions[number] = Version(change["value"], now, author)
        self.labels = change.get("labels", self.labels)
        self.expires = change.get("expires", self.expires)
        self.updated = now

    def grant(self, username: str, permission: str, now: datetime) -> None:
        """Let somebody do this, since when they could first do anything."""
        former = self.grants.get(username)
        self.grants[username] = Grant(permission, former.since if former else now)

    def take_tag(self, tag: str) -> None:
        """What a write answered, which never was before."""
        assert tag not in {self.tag, *self.old_tags}
        if self.tag:
            self.old_tags.append(self.tag)
        self.tag = tag


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
        found.labels, found.expires, found.deleted, found.grants = {}, None, None, {}
        return found

    def set(self, name: str, change: dict[str, Any], now: datetime, author: Author) -> bool:
        """What a PUT does; whether that created the secret."""
        live = self.live(name, now)
        (live or self.begin(name, now)).change(change, now, author)
        return live is None

    def purge(self, now: datetime, kept: int) -> tuple[int, int, int]:
        """Let go what a purge does: so many deleted secrets, expired ones, and versions."""
        excess = 0
        for one in self.kept.values():
            for number in sorted(one.versions)[:-kept]:
                del one.versions[number]
                excess += 1
        deleted = [name for name, one in self.kept.items() if one.over(now)]
        expired = [name for name, one in self.kept.items() if one.to_purge(now)]
        for name in deleted + expired:
            del self.kept[name]
        return len(deleted), len(expired), excess

    def ciphertexts(self) -> int:
        """How many values are stored, of live secrets and of others."""
        return sum(len(kept.versions) for kept in self.kept.values())

    # --- what answers show ----------------------------------------------------------------

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

    def shown(self, name: str, version: int | None = None) -> dict[str, Any]:
        """What a read answers; without *version*, of the newest."""
        kept, described = self.kept[name], self.described(name)
        number = version or kept.version
        del described["deleted_at"], described["purge_at"]
        return {**described, "version": number, **kept.versions[number].value.fields()}

    def names(self, now: datetime, *, gone: bool, where: Callable[[str], bool]) -> list[str]:
        """In the order in which they are listed: that of their bytes."""
        return [
            name
            for name in sorted(self.kept, key=str.encode)
            if self.kept[name].live(now) != gone and where(name)
        ]

    def is_labelled(self, name: str, label: tuple[str, str] | None) -> bool:
        """Whether it has this label; any secret has none."""
        return label is None or self.kept[name].labels.get(label[0]) == label[1]
