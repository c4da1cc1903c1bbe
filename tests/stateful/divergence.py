"""The whole model, which is the service in short: every verb, and what it must answer."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Flask
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

from tests.stateful.accounts import Accounts
from tests.stateful.choices import CHAIRS, people
from tests.stateful.many import Many
from tests.stateful.sharing import Sharing
from tests.stateful.shelf import Value
from tests.stateful.teller import STEPS, Tally, step
from tests.stateful.versions import Versions
from tests.stateful.writing import Writing

# Stories; after so many, Hypothesis varies old ones more than it makes new ones.
BATCH = 10
LONG = timedelta(days=30_000)
# Of an application that hears stories: sessions outlast every history, and nobody is slowed down.
SETTINGS: dict[str, Any] = {
    **dict.fromkeys(("ACCESS_TOKEN_LIFETIME", "SESSION_IDLE_LIFETIME", "SESSION_LIFETIME"), LONG),
    **dict.fromkeys((f"LOGIN_ATTEMPTS_{limit}" for limit in ("PAIR", "ACCOUNT", "SOURCE")), 0),
}


def any_step() -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    """A verb and what it is about, each verb as often as it says."""
    return st.one_of(
        [
            st.tuples(st.just(verb), choices)
            for verb, (choices, often) in STEPS.items()
            for _ in range(often)
        ]
    )


class Divergence(Writing, Versions, Many, Sharing, Accounts):
    """Three people and their programs write, read, share, leave and wait; whatever the API answers,
    the dictionary says too."""

    def __init__(self) -> None:
        super().__init__()
        # Something to begin with: most of a story would else be about what is not there.
        for who in range(len(CHAIRS)):
            for text in ("x", "y"):
                both = [(name, Value(text), "keep", "keep", "any") for name in ("a", "a/b")]
                self.batch_write((who, "session"), both)
        for owner, grantee in ((0, 1), (1, 0)):
            self.share((owner, grantee), "a", "write")

    @step(often=8, who=people)
    def survey(self, who: int) -> None:
        """All that somebody sees: what a step did to other secrets than its own shows here."""
        for gone in (False, True):
            self.list_all((who, "session"), "", "", None, gone, 5)
        self.list_shared(who, None, 5)
        shelf = self.accounts[who].shelf
        for name in shelf.names(self.now, gone=False, where=bool):
            self.list_shares(who, name, 5)
            self.read((who, "session"), name, None)

    @rule(step=st.deferred(any_step))
    def take_step(self, step: tuple[str, dict[str, Any]]) -> None:
        """Any of them."""
        self.take(*step)


def tell(
    application: Flask,
    tally: Tally,
    *,
    stories: int,
    steps: int,
    seeded: int | None = None,
    shorten: bool = True,
) -> None:
    """Tell so many stories of so many steps; with a seed, the same each time.

    Raises AssertionError where an answer differs; *shorten*: after looking, for some minutes at
    most, for the shortest story that shows it.
    """

    class Story(Divergence):
        """In this application."""

    Story.application, Story.tally = application, tally
    for begun in range(0, stories, BATCH):
        run_state_machine_as_test(
            Story if seeded is None else seed(seeded + begun)(Story),
            settings=settings(
                max_examples=min(BATCH, stories - begun),
                stateful_step_count=steps,
                deadline=None,
                database=None,
                report_multiple_bugs=False,
                phases=[Phase.generate, *([Phase.shrink] if shorten else [])],
                suppress_health_check=list(HealthCheck),
            ),
        )
