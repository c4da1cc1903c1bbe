"""What people do with each other's secrets."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.stateful.choices import conditions, limits, people, values
from tests.stateful.shelf import Author, Kept, Value, moment
from tests.stateful.teller import Account, Teller, step
from tests.support.sharing import given, path_of, received, shared, unshared

names = st.sampled_from(["a", "a", "a/b"])  # some of those that are written
Pair = tuple[int, int]  # an owner and a grantee
PAIRS = [(0, 1), (0, 1), (0, 1), (1, 0), (1, 0), (0, 2), (2, 1)]
STRANGE_PAIRS = [(0, 0), (0, -1)]  # with oneself, with somebody unknown
pairs = st.sampled_from(PAIRS)
permissions = st.sampled_from(["read", "write"])


class Sharing(Teller):
    """Grants come and go; whatever the API shows of them, the dictionary says too."""

    @step(often=10, pair=st.sampled_from(PAIRS + STRANGE_PAIRS), name=names, permission=permissions)
    def share(self, pair: Pair, name: str, permission: str) -> None:
        """Once or again, to read or to write; with oneself or with nobody it means nothing."""
        mine, stranger = self.accounts[pair[0]], pair[1] < 0
        other = "nobody-at-all" if stranger else self.accounts[pair[1]].username
        answer = shared(mine.person, name, other, permission)
        live = mine.shelf.live(name, self.now)
        if live is None:
            self.refuses(answer, 404, "not-found")
        elif stranger or other == mine.username:
            self.refuses(answer, 422, "invalid-fields")
            self.blames(answer, {"#/username"})
        else:
            former = live.grants.get(other)
            live.grant(other, permission, self.now)
            status = 200 if former else 201
            assert (answer.status_code, answer.json) == (status, told(live, other))

    @step(often=3, pair=pairs, name=names)
    def unshare(self, pair: Pair, name: str) -> None:
        """404 where there is nothing to end."""
        mine, other = self.accounts[pair[0]], self.accounts[pair[1]]
        answer = unshared(mine.person, name, other.person)
        live = mine.shelf.live(name, self.now)
        if live is None or other.username not in live.grants:
            self.refuses(answer, 404, "not-found")
            return
        del live.grants[other.username]
        assert answer.json == {"username": other.username, "unshared": True}

    @step(often=5, pair=pairs, name=names)
    def read_shared(self, pair: Pair, name: str) -> None:
        """As JSON and as the bare value: the newest, or nothing."""
        theirs, mine = self.accounts[pair[0]], self.accounts[pair[1]]
        path = path_of(theirs.person, name)
        answer = mine.person.get(path)
        bare = mine.person.get(path, headers={"Accept": "application/octet-stream"})
        kept = self.granted(theirs, name, mine)
        if kept is None:
            self.refuses(answer, 404, "not-found")
            self.refuses(bare, 404, "not-found")
            return
        assert answer.json == shown(theirs, name, mine) | kept.value.fields()
        assert (answer.headers["ETag"], bare.data) == (kept.tag, kept.value.raw)

    @step(often=6, pair=pairs, name=names, value=values, condition=conditions)
    def write_shared(self, pair: Pair, name: str, value: Value, condition: str) -> None:
        """PATCH by the grantee: their name is in the versions, the secret stays the owner's."""
        theirs, mine = self.accounts[pair[0]], self.accounts[pair[1]]
        known, live = theirs.shelf.kept.get(name), theirs.shelf.live(name, self.now)
        headers, holds = self.conditional(known, live, condition)
        path = path_of(theirs.person, name)
        answer = mine.person.patch(path, json=value.fields(), headers=headers)
        kept = self.granted(theirs, name, mine)
        if kept is None:
            self.refuses(answer, 404, "not-found")
        elif kept.grants[mine.username].permission == "read":
            self.refuses(answer, 403, "read-only")
        elif not holds:
            self.refuses(answer, 412, "precondition-failed")
        else:
            kept.change({"value": value}, self.now, Author(mine.username, "session"))
            kept.take_tag(answer.headers["ETag"])
            assert (answer.status_code, answer.json) == (200, shown(theirs, name, mine))

    @step(often=4, grantee=people, owner=people | st.none(), limit=limits)
    def list_shared(self, grantee: int, owner: int | None, limit: int) -> None:
        """All pages of what somebody was granted, by one or by all: newest first."""
        mine = self.accounts[grantee]
        theirs = self.accounts if owner is None else [self.accounts[owner]]
        query = {} if owner is None else {"owner": theirs[0].username}
        rows = received(mine.person, limit=str(limit), **query)
        expected = [
            shown(one, name, mine)
            for one in theirs
            for name in one.shelf.kept
            if self.granted(one, name, mine)
        ]
        assert_newest_first(rows, expected)

    @step(often=4, owner=people, name=names, limit=limits)
    def list_shares(self, owner: int, name: str, limit: int) -> None:
        """With whom a secret is shared."""
        mine = self.accounts[owner]
        live = mine.shelf.live(name, self.now)
        if live is None:
            self.refuses(mine.person.get(f"/secrets/{name}:shares"), 404, "not-found")
            return
        expected = [told(live, username) for username in live.grants]
        assert_newest_first(given(mine.person, name, limit=str(limit)), expected)

    # --- helpers ------------------------------------------------------------------------

    def granted(self, owner: Account, name: str, grantee: Account) -> Kept | None:
        """The secret, if they have a grant for it."""
        live = owner.shelf.live(name, self.now)
        return live if live is not None and grantee.username in live.grants else None


def told(kept: Kept, username: str) -> dict[str, Any]:
    """A grant, as the owner sees it."""
    grant = kept.grants[username]
    return {
        "username": username,
        "permission": grant.permission,
        "granted_at": moment(grant.since),
    }


def shown(owner: Account, name: str, grantee: Account) -> dict[str, Any]:
    """A secret's metadata, as the grantee sees it."""
    described = owner.shelf.described(name)
    for hidden in ("labels", "deleted_at", "purge_at"):
        del described[hidden]
    grant = told(owner.shelf.kept[name], grantee.username)
    del grant["username"]
    return {"owner": owner.username, **described, **grant}


def assert_newest_first(rows: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    """The same rows; those of one moment come in no order that anybody was promised."""
    assert sorted(rows, key=str) == sorted(expected, key=str)
    moments = [row["granted_at"] for row in rows]
    assert moments == sorted(moments, reverse=True)
