"""One secret at a time: created, set, changed, deleted, and read."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from tests.stateful.choices import (
    busy_names,
    callers,
    conditions,
    expiries,
    label_sets,
    labels,
    limits,
    maybe,
    names,
    numbers,
    prefixes,
    values,
)
from tests.stateful.shelf import Value
from tests.stateful.teller import Teller, step

By = tuple[int, str]
GONE = ("name", "deleted_at", "purge_at")


class Writing(Teller):
    """The verbs of ``/secrets`` and ``/secrets/<name>``."""

    @step(often=4, by=callers, name=names, value=values, labels=label_sets, expiry=expiries)
    def create(
        self, by: By, name: str, value: Value, labels: dict[str, str], expiry: timedelta | None
    ) -> None:
        """POST: 409 where it exists."""
        caller = self.caller(by)
        body = {"name": name, **value.fields(), "labels": labels, "expires_at": self.at(expiry)}
        answer = caller.client.post("/secrets", json=body)
        if self.powerless(caller, "write", answer, name):
            return
        if caller.shelf.live(name, self.now) is not None:
            self.refuses(answer, 409, "already-exists")
            return
        change = {"value": value, "labels": labels, "expires": self.after(expiry)}
        caller.shelf.set(name, change, self.now, caller.author)
        self.check_written(caller, name, answer, 201)

    @step(
        often=10,
        by=callers,
        name=names,
        value=values,
        labels=maybe(label_sets),
        expiry=maybe(expiries),
        bare=st.booleans(),
        condition=conditions,
    )
    def put(
        self,
        by: By,
        name: str,
        value: Value,
        labels: Any,
        expiry: Any,
        bare: bool,
        condition: str,
    ) -> None:
        """PUT, as JSON or bare, with or without a condition."""
        caller = self.caller(by)
        live = caller.shelf.live(name, self.now)
        headers, holds = self.conditional(caller.shelf.kept.get(name), live, condition)
        change: dict[str, Any] = {"value": value}
        if bare:
            kind = "text/plain" if isinstance(value.data, str) else "application/octet-stream"
            body: dict[str, Any] = {"data": value.raw, "content_type": kind}
        else:
            fields, mentioned = self.mentions(labels, expiry)
            body, change = {"json": {**value.fields(), **fields}}, {**change, **mentioned}
        answer = caller.client.put(f"/secrets/{name}", headers=headers, **body)
        if self.powerless(caller, "write", answer, name):
            return
        if not holds:
            self.refuses(answer, 412, "precondition-failed")
            return
        created = caller.shelf.set(name, change, self.now, caller.author)
        self.check_written(caller, name, answer, 201 if created else 200)

    @step(
        often=6,
        by=callers,
        name=names,
        value=maybe(values),
        labels=maybe(label_sets),
        expiry=maybe(expiries),
        condition=conditions,
    )
    def patch(
        self, by: By, name: str, value: Any, labels: Any, expiry: Any, condition: str
    ) -> None:
        """PATCH of any part, or of none."""
        caller = self.caller(by)
        live = caller.shelf.live(name, self.now)
        headers, holds = self.conditional(caller.shelf.kept.get(name), live, condition)
        fields, change = self.mentions(labels, expiry)
        if isinstance(value, Value):
            fields, change = {**fields, **value.fields()}, {**change, "value": value}
        answer = caller.client.patch(f"/secrets/{name}", json=fields, headers=headers)
        if self.powerless(caller, "write", answer, name):
            return
        if not fields:
            self.refuses(answer, 422, "invalid-fields")
        elif live is None:
            self.refuses(answer, 404, "not-found")
        elif not holds:
            self.refuses(answer, 412, "precondition-failed")
        else:
            live.change(change, self.now, caller.author)
            self.check_written(caller, name, answer, 200)

    @step(often=12, by=callers, name=busy_names, condition=conditions)
    def delete(self, by: By, name: str, condition: str) -> None:
        """DELETE: undoable for a while, but for the grants, which are gone."""
        caller = self.caller(by)
        live = caller.shelf.live(name, self.now)
        headers, holds = self.conditional(caller.shelf.kept.get(name), live, condition)
        answer = caller.client.delete(f"/secrets/{name}", headers=headers)
        if self.powerless(caller, "write", answer, name):
            return
        if live is None:
            self.refuses(answer, 404, "not-found")
        elif not holds:
            self.refuses(answer, 412, "precondition-failed")
        else:
            live.deleted, live.grants = self.now, {}
            described = caller.shelf.described(name)
            expected = {field: described[field] for field in GONE}
            assert (answer.status_code, answer.json) == (200, expected)

    @step(often=4, by=callers, name=names, version=st.one_of(st.none(), numbers))
    def read(self, by: By, name: str, version: int | None) -> None:
        """GET as JSON and as the bare value, of any version."""
        caller = self.caller(by)
        live = caller.shelf.live(name, self.now)
        path = f"/secrets/{name}" + ("" if version is None else f"?version={version}")
        answer = caller.client.get(path)
        bare = caller.client.get(path, headers={"Accept": "application/octet-stream"})
        if self.powerless(caller, "read", answer, name):
            return
        number = version or (live.version if live else 0)
        if live is None or number not in live.versions:
            self.refuses(answer, 404, "not-found")
            self.refuses(bare, 404, "not-found")
            return
        assert answer.json == caller.shelf.shown(name, number)
        assert bare.data == live.versions[number].value.raw
        assert answer.headers["ETag"] == live.tag

    @step(often=3, by=callers, name=names, condition=st.sampled_from(["not current", "not stale"]))
    def read_if_changed(self, by: By, name: str, condition: str) -> None:
        """GET by somebody who has it, or had it."""
        caller = self.caller(by)
        live = caller.shelf.live(name, self.now)
        headers, changed = self.conditional(caller.shelf.kept.get(name), live, condition)
        answer = caller.client.get(f"/secrets/{name}", headers=headers)
        if self.powerless(caller, "read", answer, name):
            return
        if live is None:
            self.refuses(answer, 404, "not-found")
        elif changed:
            assert (answer.status_code, answer.json) == (200, caller.shelf.shown(name))
        else:
            assert (answer.status_code, answer.data) == (304, b"")

    @step(
        often=3,
        by=callers,
        prefix=prefixes,
        q=st.sampled_from(["", "", "B", "_", "/b"]),
        label=labels,
        gone=st.booleans(),
        limit=limits,
    )
    def list_all(
        self,
        by: By,
        prefix: str,
        q: str,
        label: tuple[str, str] | None,
        gone: bool,
        limit: int,
    ) -> None:
        """All pages of a list, with any filters."""
        caller, shelf = self.caller(by), self.caller(by).shelf
        query: dict[str, Any] = {"limit": limit, "prefix": prefix, "deleted": str(gone).lower()}
        query |= {"q": q} if q else {}
        query |= {"label": ":".join(label)} if label else {}
        answer = caller.client.get("/secrets", query_string=query)
        if self.powerless(caller, "read", answer):
            return
        found = shelf.names(
            self.now,
            gone=gone,
            where=lambda name: (
                name.startswith(prefix)
                and q.lower() in name.lower()
                and shelf.is_labelled(name, label)
                and caller.reaches(name)
            ),
        )
        assert list(self.pages(caller.client, query)) == [shelf.described(name) for name in found]
