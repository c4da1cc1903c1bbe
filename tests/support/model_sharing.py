"""What two people do with each other's secrets, for the story that tests/test_model.py tells."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.support.model import Kept, Value, moment
from tests.support.shared import refusal
from tests.support.sharing import given, path_of, received, shared, unshared
from tests.support.story import Teller

owners = st.integers(0, 1)  # the other one is the grantee
names = st.sampled_from(["a", "a/b", "b"])  # some of those that are written
permissions = st.sampled_from(["read", "write"])
values = st.one_of(st.text(st.characters(exclude_categories=["Cs"])), st.binary()).map(Value)
conditions = st.sampled_from(["none", "none", "match current", "match stale", "new only"])
limits = st.integers(1, 4)


class Sharing(Teller):
    """Grants come and go; whatever the API shows of them, the dictionary says too."""

    @rule(owner=owners, name=names, permission=permissions)
    def share(self, owner: int, name: str, permission: str) -> None:
        """Once or again, to read or to write."""
        answer = shared(self.people[owner], name, self.people[1 - owner], permission)
        live = self.shelves[owner].live(name, self.now)
        if live is None:
            assert refusal(answer) == (404, "not-found")
            return
        new = live.grant is None
        live.grant = (permission, self.now if live.grant is None else live.grant[1])
        assert (answer.status_code, answer.json) == (201 if new else 200, self.told(owner, live))

    @rule(owner=owners, name=names)
    def unshare(self, owner: int, name: str) -> None:
        """404 where there is nothing to end."""
        answer = unshared(self.people[owner], name, self.people[1 - owner])
        live = self.shelves[owner].live(name, self.now)
        if live is None or live.grant is None:
            assert refusal(answer) == (404, "not-found")
            return
        live.grant = None
        assert answer.json == {"username": self.people[1 - owner].username, "unshared": True}

    @rule(owner=owners, name=names)
    def read_shared(self, owner: int, name: str) -> None:
        """As JSON and as the bare value: the newest, or nothing."""
        path, grantee = path_of(self.people[owner], name), self.people[1 - owner]
        answer = grantee.get(path)
        bare = grantee.get(path, headers={"Accept": "application/octet-stream"})
        kept = self.granted(owner, name)
        if kept is None:
            assert refusal(answer) == refusal(bare) == (404, "not-found")
            return
        assert answer.json == self.shown(owner, name) | kept.values[-1].fields()
        assert (answer.headers["ETag"], bare.data) == (kept.tag, kept.values[-1].raw)

    @rule(owner=owners, name=names, value=values, condition=conditions)
    def write_shared(self, owner: int, name: str, value: Value, condition: str) -> None:
        """PATCH by the grantee."""
        known, live = self.shelves[owner].kept.get(name), self.shelves[owner].live(name, self.now)
        headers, holds = self.conditional(known, live, condition)
        answer = self.people[1 - owner].patch(
            path_of(self.people[owner], name), json=value.fields(), headers=headers
        )
        kept = self.granted(owner, name)
        if kept is None:
            assert refusal(answer) == (404, "not-found")
        elif kept.grant and kept.grant[0] == "read":
            assert refusal(answer) == (403, "read-only")
        elif not holds:
            assert refusal(answer) == (412, "precondition-failed")
        else:
            self.shelves[owner].change(kept, self.now, {"value": value})
            kept.take_tag(answer.headers["ETag"])
            assert (answer.status_code, answer.json) == (200, self.shown(owner, name))

    @rule(owner=owners, limit=limits)
    def list_shared(self, owner: int, limit: int) -> None:
        """All pages of what somebody was granted: newest first."""
        rows = received(self.people[1 - owner], limit=str(limit))
        shelf = self.shelves[owner]
        expected = [self.shown(owner, name) for name in shelf.kept if self.granted(owner, name)]
        assert sorted(rows, key=str) == sorted(expected, key=str)
        moments = [row["granted_at"] for row in rows]
        assert moments == sorted(moments, reverse=True)

    @rule(owner=owners, name=names)
    def list_shares(self, owner: int, name: str) -> None:
        """With whom a secret is shared: with the other one, or with nobody."""
        live = self.shelves[owner].live(name, self.now)
        if live is None:
            answer = self.people[owner].get(f"/secrets/{name}:shares")
            assert refusal(answer) == (404, "not-found")
            return
        expected = [self.told(owner, live)] if live.grant else []
        assert given(self.people[owner], name) == expected

    # --- helpers ------------------------------------------------------------------------

    def granted(self, owner: int, name: str) -> Kept | None:
        """The secret, if the other one has a grant for it."""
        live = self.shelves[owner].live(name, self.now)
        return live if live is not None and live.grant is not None else None

    def told(self, owner: int, kept: Kept) -> dict[str, Any]:
        """A grant, as the owner sees it."""
        assert kept.grant is not None
        permission, granted = kept.grant
        return {
            "username": self.people[1 - owner].username,
            "permission": permission,
            "granted_at": moment(granted),
        }

    def shown(self, owner: int, name: str) -> dict[str, Any]:
        """A secret's metadata, as the grantee sees it."""
        described = self.shelves[owner].described(name)
        for hidden in ("labels", "deleted_at", "purge_at"):
            del described[hidden]
        told = self.told(owner, self.shelves[owner].kept[name])
        del told["username"]
        return {"owner": self.people[owner].username, **described, **told}
