"""The API against a dictionary: long random histories, and never an answer that differs.

``MODEL_EXAMPLES=500 make test ARGS="-k test_model"`` tells more stories than the default.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

from routes.context import vault_of
from tests.conftest import ENGINES
from tests.support.model import Value
from tests.support.model_sharing import Sharing
from tests.support.purging import purge_here
from tests.support.shared import refusal, shared_app

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "10"))
LONG = timedelta(days=30_000)

people = st.integers(0, 1)
# Few, so that histories meet; alike, so that filters and collations could confuse them.
names = st.sampled_from(["a", "A", "a/b", "a/b/c", "a_b", "axb", "b", "a-"])
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
values = st.one_of(texts, st.binary(max_size=20)).map(Value)
label_sets = st.dictionaries(
    st.sampled_from(["env", "ENV", "a.b/c"]),
    st.sampled_from(["prod", "PROD", "", "%", 'x","env":"prod', "p_od", "é\U0001f511"]),
    max_size=2,
)
minutes = st.integers(-3, 30).map(lambda count: timedelta(minutes=count))
expiries = st.one_of(st.none(), minutes)
conditions = st.sampled_from(
    ["none"] * 6
    + ["match current", "match stale", "match any", "match list", "match weak"]
    + ["new only", "not current", "not stale", "not weak"]
)


class Divergence(Sharing):
    """Two people write, read, share and wait; whatever the API answers, the dictionary says too."""

    # --- writing ------------------------------------------------------------------------

    @rule(who=people, name=names, value=values, labels=label_sets, expiry=expiries)
    def create(
        self,
        who: int,
        name: str,
        value: Value,
        labels: dict[str, str],
        expiry: timedelta | None,
    ) -> None:
        """POST: 409 where it exists."""
        body = {"name": name, **value.fields(), "labels": labels, "expires_at": self.at(expiry)}
        answer = self.people[who].post("/secrets", json=body)
        shelf = self.shelves[who]
        if shelf.live(name, self.now) is not None:
            assert refusal(answer) == (409, "already-exists")
            return
        change = {"value": value, "labels": labels, "expires": self.after(expiry)}
        shelf.change(shelf.begin(name, self.now), self.now, change)
        self.check_written(who, name, answer, 201)

    @rule(
        who=people,
        name=names,
        value=values,
        labels=st.one_of(st.just("keep"), label_sets),
        expiry=st.one_of(st.just("keep"), expiries),
        bare=st.booleans(),
        condition=conditions,
    )
    def put(
        self,
        who: int,
        name: str,
        value: Value,
        labels: Any,
        expiry: Any,
        bare: bool,
        condition: str,
    ) -> None:
        """PUT, as JSON or bare, with or without a condition."""
        shelf, live = self.shelves[who], self.shelves[who].live(name, self.now)
        headers, holds = self.conditional(shelf.kept.get(name), live, condition)
        change: dict[str, Any] = {"value": value}
        if bare:
            kind = "text/plain" if isinstance(value.data, str) else "application/octet-stream"
            body: dict[str, Any] = {"data": value.raw, "content_type": kind}
        else:
            fields, mentioned = self.mentions(labels, expiry)
            body, change = {"json": {**value.fields(), **fields}}, {**change, **mentioned}
        answer = self.people[who].put(f"/secrets/{name}", headers=headers, **body)
        if not holds:
            assert refusal(answer) == (412, "precondition-failed")
            return
        shelf.change(live or shelf.begin(name, self.now), self.now, change)
        self.check_written(who, name, answer, 201 if live is None else 200)

    @rule(
        who=people,
        name=names,
        value=st.one_of(st.just("keep"), values),
        labels=st.one_of(st.just("keep"), label_sets),
        expiry=st.one_of(st.just("keep"), expiries),
        condition=conditions,
    )
    def patch(
        self, who: int, name: str, value: Any, labels: Any, expiry: Any, condition: str
    ) -> None:
        """PATCH of any part, or of none."""
        shelf, live = self.shelves[who], self.shelves[who].live(name, self.now)
        headers, holds = self.conditional(shelf.kept.get(name), live, condition)
        fields, change = self.mentions(labels, expiry)
        if isinstance(value, Value):
            fields, change = {**fields, **value.fields()}, {**change, "value": value}
        answer = self.people[who].patch(f"/secrets/{name}", json=fields, headers=headers)
        if not fields:
            assert refusal(answer) == (422, "invalid-fields")
        elif live is None:
            assert refusal(answer) == (404, "not-found")
        elif not holds:
            assert refusal(answer) == (412, "precondition-failed")
        else:
            shelf.change(live, self.now, change)
            self.check_written(who, name, answer, 200)

    @rule(who=people, name=names, condition=conditions)
    def delete(self, who: int, name: str, condition: str) -> None:
        """DELETE: undoable for a while."""
        shelf, live = self.shelves[who], self.shelves[who].live(name, self.now)
        headers, holds = self.conditional(shelf.kept.get(name), live, condition)
        answer = self.people[who].delete(f"/secrets/{name}", headers=headers)
        if live is None:
            assert refusal(answer) == (404, "not-found")
        elif not holds:
            assert refusal(answer) == (412, "precondition-failed")
        else:
            live.deleted, live.grant = self.now, None
            expected = {field: shelf.described(name)[field] for field in GONE}
            assert (answer.status_code, answer.json) == (200, expected)

    @rule(who=people, name=names, version=st.integers(1, 9), condition=conditions)
    def rollback(self, who: int, name: str, version: int, condition: str) -> None:
        """An older value, once more."""
        shelf, live = self.shelves[who], self.shelves[who].live(name, self.now)
        headers, holds = self.conditional(shelf.kept.get(name), live, condition)
        answer = self.verb(who, name, "rollback", {"version": version}, headers)
        if live is None or version not in live.values:
            assert refusal(answer) == (404, "not-found")
        elif not holds:
            assert refusal(answer) == (412, "precondition-failed")
        else:
            shelf.change(live, self.now, {"value": live.values[version]})
            self.check_written(who, name, answer, 200)

    @rule(who=people, name=names, condition=conditions)
    def undelete(self, who: int, name: str, condition: str) -> None:
        """As long as a delete can be undone."""
        known, live = self.shelves[who].kept.get(name), self.shelves[who].live(name, self.now)
        headers, holds = self.conditional(known, live, condition)
        answer = self.verb(who, name, "undelete", {}, headers)
        if known is None or known.over(self.now):
            assert refusal(answer) == (404, "not-found")
        elif known.deleted is None or known.expired(self.now):
            assert refusal(answer) == (409, "wrong-state")
        elif not holds:
            assert refusal(answer) == (412, "precondition-failed")
        else:
            known.deleted = None
            self.check_written(who, name, answer, 200)

    @rule(
        who=people,
        name=names,
        wanted=st.one_of(st.none(), st.lists(st.integers(1, 6), min_size=1, max_size=3)),
        condition=conditions,
    )
    def destroy(self, who: int, name: str, wanted: list[int] | None, condition: str) -> None:
        """Some versions, or all there is."""
        shelf, live = self.shelves[who], self.shelves[who].live(name, self.now)
        known = shelf.kept.get(name)
        headers, holds = self.conditional(known, live, condition)
        body = {"all": True} if wanted is None else {"versions": wanted}
        answer = self.verb(who, name, "destroy", body, headers)
        if known is None:
            assert refusal(answer) == (404, "not-found")
        elif not holds:
            assert refusal(answer) == (412, "precondition-failed")
        elif wanted is None:
            assert answer.json == {"name": name, "versions_destroyed": len(known.values)}
            del shelf.kept[name]
        elif known.version in wanted:
            assert refusal(answer) == (409, "wrong-state")
        elif not set(wanted) <= set(known.values):
            assert refusal(answer) == (404, "not-found")
        else:
            assert answer.json == {"name": name, "versions_destroyed": len(set(wanted))}
            for number in set(wanted):
                del known.values[number]

    @rule(who=people, name=names, to=names, condition=conditions)
    def move(self, who: int, name: str, to: str, condition: str) -> None:
        """To a name that nothing has, live or not."""
        shelf, live = self.shelves[who], self.shelves[who].live(name, self.now)
        headers, holds = self.conditional(shelf.kept.get(name), live, condition)
        answer = self.verb(who, name, "move", {"to": to}, headers)
        if live is None:
            assert refusal(answer) == (404, "not-found")
        elif not holds:
            assert refusal(answer) == (412, "precondition-failed")
        elif to in shelf.kept:
            assert refusal(answer) == (409, "already-exists")
        else:
            shelf.kept[to] = shelf.kept.pop(name)
            live.updated = self.now
            self.check_written(who, to, answer, 200)

    @rule(kept=st.integers(1, 4))
    def purge(self, kept: int) -> None:
        """Retention, of everybody."""
        done = purge_here(vault_of(self.application), self.now, kept)
        counts = [shelf.purge(self.now, kept) for shelf in self.shelves]
        # Whoever told an earlier story left things of theirs in the same database.
        assert done.deleted >= sum(deleted for deleted, _, _ in counts)
        assert done.expired >= sum(expired for _, expired, _ in counts)
        assert done.versions >= sum(versions for _, _, versions in counts)

    # --- reading ------------------------------------------------------------------------

    @rule(who=people, name=names, limit=st.integers(1, 5))
    def list_versions(self, who: int, name: str, limit: int) -> None:
        """All pages of a secret's versions."""
        live, path = self.shelves[who].live(name, self.now), f"/secrets/{name}:versions"
        if live is None:
            assert refusal(self.people[who].get(path)) == (404, "not-found")
            return
        rows = list(self.pages(who, {"limit": limit}, path, "versions"))
        assert [row["version"] for row in rows] == sorted(live.values, reverse=True)
        assert {(row["by"], row["credential"]) for row in rows} == {
            (self.people[who].username, "session")
        }

    @rule(who=people, name=names, version=st.one_of(st.none(), st.integers(1, 9)))
    def read(self, who: int, name: str, version: int | None) -> None:
        """GET as JSON and as the bare value, of any version."""
        live = self.shelves[who].live(name, self.now)
        path = f"/secrets/{name}" + ("" if version is None else f"?version={version}")
        answer = self.people[who].get(path)
        bare = self.people[who].get(path, headers={"Accept": "application/octet-stream"})
        number = version or (live.version if live else 0)
        if live is None or number not in live.values:
            assert refusal(answer) == refusal(bare) == (404, "not-found")
            return
        assert answer.json == self.shelves[who].shown(name, number)
        assert bare.data == live.values[number].raw
        assert answer.headers["ETag"] == live.tag

    @rule(
        who=people,
        prefix=st.sampled_from(["", "", "a", "a/", "A", "a_"]),
        q=st.sampled_from(["", "", "B", "_", "/b"]),
        label=st.one_of(st.none(), label_sets.map(lambda labels: next(iter(labels.items()), None))),
        gone=st.booleans(),
        limit=st.integers(1, 5),
    )
    def list_all(
        self,
        who: int,
        prefix: str,
        q: str,
        label: tuple[str, str] | None,
        gone: bool,
        limit: int,
    ) -> None:
        """All pages of a list, with any filters."""
        query: dict[str, Any] = {"limit": limit, "prefix": prefix, "deleted": str(gone).lower()}
        query |= {"q": q} if q else {}
        query |= {"label": ":".join(label)} if label else {}
        rows = list(self.pages(who, query))
        assert rows == self.shelves[who].listed(self.now, prefix, q, label, gone=gone)

    @rule(passing=st.sampled_from([0, 1, 5, 30, 30 * 24 * 60]).map(lambda n: timedelta(minutes=n)))
    def wait(self, passing: timedelta) -> None:
        """Time passes, and some secrets expire."""
        self.now += passing
        self.traveller.move_to(self.now)


GONE = ("name", "deleted_at", "purge_at")


@pytest.fixture(scope="module", params=ENGINES)
def app(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Flask]:
    """An application whose sessions outlast every history, on each engine."""
    lifetimes = dict.fromkeys(
        ("ACCESS_TOKEN_LIFETIME", "SESSION_IDLE_LIFETIME", "SESSION_LIFETIME"), LONG
    )
    with shared_app(request, request.param, tmp_path_factory, **lifetimes) as application:
        yield application


def test_the_api_never_differs_from_a_dictionary(app: Flask) -> None:
    """Whatever two people do, in whatever order, with time passing in between."""

    class Story(Divergence):
        """In this application."""

        application = app

    run_state_machine_as_test(
        Story,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
