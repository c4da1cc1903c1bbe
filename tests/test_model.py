"""The API against a dictionary: long random histories, and never an answer that differs.

``MODEL_EXAMPLES=500 make test ARGS="-k test_model"`` tells more stories than the default.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from models.powers import Powers
from tests.stateful.divergence import SETTINGS, tell
from tests.stateful.teller import Tally
from tests.support.shared import module_app
from utils.store import batch, grants, imports, secrets

STORIES = int(os.environ.get("MODEL_EXAMPLES", "10"))

app = module_app(**SETTINGS)


@pytest.mark.invariant(number=10)
def test_the_api_never_differs_from_a_dictionary(app: Flask) -> None:
    """Whatever three people and their programs do, in whatever order, with time passing."""
    tally = Tally()
    tell(app, tally, stories=STORIES, steps=40)
    assert tally.steps > STORIES


def nothing(*_: Any, **__: Any) -> None:
    """In place of what should be done, or refused."""


def overwrites(original: Callable[..., Any]) -> Callable[..., Any]:
    """An import that takes every conflict for permission."""
    return lambda *args, **options: [
        one if one.outcome != "skipped" else type(one)(one.name, "updated")
        for one in original(*args, **options)
    ]


def same_tag(original: Callable[..., Any]) -> Callable[..., Any]:
    """Of single writes; the batch with which a story begins has another each time."""
    return lambda *args: replace(original(*args), tag="the-same")


FAULTS: dict[str, tuple[Any, str, Callable[[Any], Any]]] = {
    "grants outlive a delete": (grants, "end_all", lambda _: nothing),
    "a tag stays as it was": (secrets, "after", same_tag),
    "a token reaches every name": (Powers, "require_name", lambda _: nothing),
    "a batch ignores if_version": (batch, "_require_versions", lambda _: nothing),
    "an import overwrites what it should skip": (imports, "foresee", overwrites),
}


@pytest.mark.one_engine("sqlite", "it is about the model")
@pytest.mark.parametrize("app", ["sqlite"], indirect=True)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_service_that_breaks_its_promises_differs(
    app: Flask, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stories reach deep enough to notice: each of these takes several steps to be seen."""
    where, name, broken = FAULTS[fault]
    monkeypatch.setattr(where, name, broken(getattr(where, name)))
    tally = Tally()
    with pytest.raises(AssertionError):
        tell(app, tally, stories=200, steps=60, seeded=1, shorten=False)
    assert tally.steps > 0, "it was not even a story"
