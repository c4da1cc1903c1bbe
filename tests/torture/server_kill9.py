"""``kill -9`` of the server, again and again, while clients write and register."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from config import Settings
from tests.support.server import Server
from tests.torture.framework import Attempt, Figure, none
from tests.torture.inspection import inspect
from tests.torture.writers import Findings, Registrar, Writer, together

KILLS = 200
WRITERS = 3
_WRITES_A_LIFE = 5  # at least, so that every kill hits writers at work
_LONGEST_LIFE = 0.4  # seconds from then on
_KILLED_YOUNG = 0.15  # how often a server is killed before it answers at all
_START_SECONDS = 0.5  # about what it needs to answer
_USED_AGAIN = 300  # of the new accounts, at the end
_PATIENCE = 120


def row(attempt: Attempt) -> Sequence[Figure]:
    """The server is killed under 3 writers: no acknowledged write lost, none half done."""
    # Long-lived tokens: on a slow machine the run may outlast the usual 15 minutes.
    server = Server(attempt.folder / "instance", {"SECRETS_ACCESS_TOKEN_LIFETIME": "12h"})
    crew = Crew(
        [Writer(server.url, f"writer{i}", attempt.random.random()) for i in range(WRITERS)],
        Registrar(server.url, "newcomer", attempt.random.random()),
    )
    kills, young = attempt.scaled(KILLS), 0
    try:
        with together(crew.everybody):
            for done in range(kills):
                young += _one_life(server, crew, attempt)
                if done % 20 == 19:
                    attempt.say(f"{done + 1} kills, {crew.acknowledged} writes acknowledged")
            server.start().wait_until_ready()
        for writer in crew.writers:
            writer.read_all_back()
        crew.registrar.let_all_in(_USED_AGAIN)
    finally:
        server.kill()
    return _figures(attempt, server, crew, kills, young)


@dataclass(frozen=True, slots=True)
class Crew:
    """The clients of one run."""

    writers: list[Writer]
    registrar: Registrar

    @property
    def everybody(self) -> list[Writer | Registrar]:
        """All of them."""
        return [*self.writers, self.registrar]

    @property
    def acknowledged(self) -> int:
        """Writes so far; good enough to read from another thread."""
        return sum(writer.findings.acknowledged for writer in self.writers)


def _one_life(server: Server, crew: Crew, attempt: Attempt) -> int:
    """Start, let work, kill. How many servers were killed on the way before they answered."""
    young = 0
    while attempt.random.random() < _KILLED_YOUNG:
        server.start()
        time.sleep(attempt.random.uniform(0, _START_SECONDS))
        server.kill()
        young += 1
    server.start().wait_until_ready()
    enough, deadline = crew.acknowledged + _WRITES_A_LIFE, time.monotonic() + _PATIENCE
    while crew.acknowledged < enough:
        if time.monotonic() > deadline:
            raise TimeoutError("the writers do not get through")
        time.sleep(0.001)
    time.sleep(attempt.random.uniform(0, _LONGEST_LIFE))
    server.kill()
    return young


def _figures(
    attempt: Attempt, server: Server, crew: Crew, kills: int, young: int
) -> Sequence[Figure]:
    """What the clients found, and what is found behind the API."""
    behind = inspect(Settings(INSTANCE_DIR=server.instance))
    missing = behind.missing(
        (writer.username, page) for writer in crew.writers for page in writer.pages.values()
    )
    written, opened = Findings(), crew.registrar.findings
    for writer in crew.writers:
        written.add(writer.findings)
    lost = written.lost + opened.lost + missing
    half = written.half_done + opened.half_done + behind.inconsistent
    unexpected = written.unexpected + opened.unexpected
    for faults in (lost, half, behind.unreadable, unexpected):
        attempt.blame(faults)
    doubts = written.in_doubt + opened.in_doubt
    return [
        Figure(kills, "kills", at_least=kills),
        Figure(young, "more before it answered"),
        Figure(written.acknowledged, "acknowledged writes", at_least=attempt.scaled(1000)),
        Figure(opened.acknowledged, "registrations"),
        # Without these, the kills would have hit nothing.
        Figure(doubts, "answers cut off", at_least=max(1, kills // 2)),
        Figure(written.carried_out + opened.carried_out, "of them carried out"),
        Figure(written.read_back + opened.read_back, "reads"),
        Figure(behind.versions, "versions opened", at_least=attempt.scaled(500)),
        none(lost, "lost"),
        none(half, "half done"),
        none(behind.unreadable, "unreadable"),
        none(unexpected, "wrong answers"),
    ]
