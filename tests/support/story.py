"""Who tells a random story to the API and to the model: what each rule of test_model.py needs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, ClassVar

import time_machine
from flask import Flask
from hypothesis.stateful import RuleBasedStateMachine
from werkzeug.test import TestResponse

from models.times import utcnow
from tests.support.model import Kept, Shelf, moment
from tests.support.shared import newcomer


class Teller(RuleBasedStateMachine):
    """Two people in an application, what each must have, and a clock that stands."""

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
        tag = answer.headers["ETag"]
        assert tag not in {kept.tag, *kept.old_tags}
        if kept.tag:
            kept.old_tags.append(kept.tag)
        kept.tag = tag

    def verb(
        self, who: int, name: str, verb: str, body: dict[str, Any], headers: dict[str, str]
    ) -> TestResponse:
        """POST one."""
        return self.people[who].post(f"/secrets/{name}:{verb}", json=body, headers=headers)

    def pages(
        self, who: int, query: dict[str, Any], path: str = "/secrets", noun: str = "secrets"
    ) -> Iterator[dict[str, Any]]:
        """The rows of one page after the other."""
        cursor: str | None = ""
        while cursor is not None:
            sent = query | ({"cursor": cursor} if cursor else {})
            page = self.people[who].get(path, query_string=sent).json
            assert page is not None
            assert len(page[noun]) <= query["limit"]
            assert page["next_cursor"] != cursor
            yield from page[noun]
            cursor = page["next_cursor"]
