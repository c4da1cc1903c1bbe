"""Long random stories of all verbs, told to a live server and to the model."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from pathlib import Path

from tests.stateful.divergence import BATCH, tell
from tests.stateful.live import live
from tests.stateful.teller import STEPS, Tally
from tests.support.postgres import start_postgres
from tests.torture.framework import Attempt, Figure, log_to, none

_STEPS = 10_000
_STORY = 60  # steps; a longer one would end before, for what it is made of has a limit
_OF_EACH = 10  # times that each verb does what it is asked, not only refuses it, on each engine


def row(attempt: Attempt) -> Sequence[Figure]:
    """10,000 steps of all verbs by 3 people and their tokens, on each engine: as the model says."""
    wanted = attempt.scaled(_STEPS)
    faults: list[str] = []
    with log_to(attempt.folder / "log"), start_postgres() as postgres:
        urls = {"SQLite": "", "PostgreSQL": postgres.create_database("stateful")}
        told = {
            engine: _told(attempt, wanted, attempt.folder / engine.lower(), url, faults)
            for engine, url in urls.items()
        }
    least = min(tally.done[verb] for tally in told.values() for verb in STEPS)
    kinds = {kind for tally in told.values() for kind in tally.kinds}
    return [
        *(
            Figure(tally.steps, f"steps on {engine}", at_least=wanted)
            for engine, tally in told.items()
        ),
        attempt.speed(least, f"successes of the rarest of {len(STEPS)} verbs", at_least=_OF_EACH),
        Figure(len(kinds), "kinds of refusals"),
        none(faults, "divergences"),
    ]


def _told(attempt: Attempt, wanted: int, folder: Path, url: str, faults: list[str]) -> Tally:
    """Stories until they have so many steps, or until one diverges."""
    tally, stories = Tally(), 0
    with live(folder, url) as application:
        while tally.steps < wanted and not faults:
            count = min(BATCH, -(-(wanted - tally.steps) // _STORY))
            seeded = attempt.seed * 1_000_000 + stories
            try:
                tell(application, tally, stories=count, steps=_STORY, seeded=seeded)
            except AssertionError as error:
                faults.append(folder.name)
                attempt.say("".join(traceback.format_exception(error)))
            stories += count
    return tally
