"""The API against a dictionary: long random histories, and never an answer that differs.

``MODEL_EXAMPLES=500 make test ARGS="-k test_model"`` tells more stories than the default.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, ClassVar

import pytest
import time_machine
from flask import Flask
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test
from werkzeug.test import TestResponse

from models.times import utcnow
from tests.conftest import ENGINES
from tests.support.model import Kept, Shelf, Value, moment
from tests.support.model_sharing import Sharing
from tests.support.shared import newcomer, refusal, shared_app

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "10"))
LONG = timedelta(days=30)

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

    application: ClassVar[Flask]

    def __init__(self) -> None:
        super().__init__()
        # Whole seconds, and a standing clock: the model knows each moment exactly.
        self.now = utcnow().replace(microsecond=0)
        self.clock = time_machine.travel(self.now, tick=False)
        self.traveller = self.clock.start()
        self.people = [newcomer(self.application, name) for name in ("alice", "bob")]
        self.shelves = [Shelf(), Shelf()]

    def teardown(self) -> None:
        """Let time go on."""
        self.clock.stop()

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

    # --- reading ------------------------------------------------------------------------

    @rule(who=people, name=names, version=st.one_of(st.none(), st.integers(1, 9)))
    def read(self, who: int, name: str, version: int | None) -> None:
        """GET as JSON and as the bare value, of any version."""
        live = self.shelves[who].live(name, self.now)
        path = f"/secrets/{name}" + ("" if version is None else f"?version={version}")
        answer = self.people[who].get(path)
        bare = self.people[who].get(path, headers={"Accept": "application/octet-stream"})
        number = version or (len(live.values) if live else 0)
        if live is None or number > len(live.values):
            assert refusal(answer) == refusal(bare) == (404, "not-found")
            return
        assert answer.json == self.shelves[who].shown(name, number)
        assert bare.data == live.values[number - 1].raw
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

    @rule(passing=st.sampled_from([0, 1, 5, 30]).map(lambda count: timedelta(minutes=count)))
    def wait(self, passing: timedelta) -> None:
        """Time passes, and some secrets expire."""
        self.now += passing
        self.traveller.move_to(self.now)

    # --- helpers ------------------------------------------------------------------------

    def after(self, expiry: timedelta | None) -> datetime | None:
        """An expiry so far from now."""
        return None if expiry is None else self.now + expiry

    def at(self, expiry: timedelta | None) -> str | None:
        """The same, as a request says it."""
        return moment(self.after(expiry))

    def mentions(self, labels: Any, expiry: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The fields of a request, and what they change in the model."""
        fields: dict[str, Any] = {}
        change: dict[str, Any] = {}
        if labels != "keep":
            fields["labels"] = change["labels"] = labels
        if expiry != "keep":
            fields["expires_at"], change["expires"] = self.at(expiry), self.after(expiry)
        return fields, change

    def conditional(
        self, known: Kept | None, live: Kept | None, condition: str
    ) -> tuple[dict[str, str], bool]:
        """The header of a condition, and whether it holds."""
        current = live.tag if live else '"none"'
        stale = known.old_tags[-1] if known and known.old_tags else '"stale"'
        headers, holds = {
            "none": ({}, True),
            "match current": ({"If-Match": current}, live is not None),
            "match list": ({"If-Match": f"{stale}, {current}"}, live is not None),
            "match any": ({"If-Match": "*"}, live is not None),
            "match stale": ({"If-Match": stale}, False),
            "match weak": ({"If-Match": f"W/{current}"}, False),
            "new only": ({"If-None-Match": "*"}, live is None),
            "not current": ({"If-None-Match": current}, live is None),
            "not weak": ({"If-None-Match": f"W/{current}"}, live is None),
            "not stale": ({"If-None-Match": stale}, True),
        }[condition]
        return headers, holds

    def check_written(self, who: int, name: str, answer: TestResponse, status: int) -> None:
        """The answer to a write, and its tag, which never was before."""
        kept = self.shelves[who].kept[name]
        assert (answer.status_code, answer.json) == (status, self.shelves[who].described(name))
        kept.take_tag(answer.headers["ETag"])

    def pages(self, who: int, query: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The rows of one page after the other."""
        cursor: str | None = ""
        while cursor is not None:
            sent = query | ({"cursor": cursor} if cursor else {})
            page = self.people[who].get("/secrets", query_string=sent).json
            assert page is not None
            assert len(page["secrets"]) <= query["limit"]
            assert page["next_cursor"] != cursor
            yield from page["secrets"]
            cursor = page["next_cursor"]


GONE = ("name", "deleted_at", "purge_at")


@pytest.fixture(scope="module", params=ENGINES)
def app(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Flask]:
    """An application whose sessions outlast every history, on each engine."""
    lifetimes = {"ACCESS_TOKEN_LIFETIME": LONG, "SESSION_IDLE_LIFETIME": LONG}
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
