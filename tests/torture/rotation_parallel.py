"""Four rotations of the same accounts at once, beside a live server and its writers.

Through the library: the lock file would let only one in. It is for economy, so nothing may
depend on it; and nothing else keeps these four from moving the same row, retiring the key
that another is moving rows to, or destroying it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import IO

from models.times import utcnow
from tests.support.server import ROOT, Server
from tests.torture import seeding
from tests.torture.framework import Attempt, Figure, none
from tests.torture.inspection import Inspection, inspect
from tests.torture.pace import PacedWriter, percentile
from tests.torture.parallel_rotator import Done
from tests.torture.places import Places
from tests.torture.writers import Findings, together
from utils.vault import open_store

ROTATORS = 4
WRITERS = 3
SECONDS = 60
SWITCHES = 200
_INTERVAL = 0.1  # seconds between a writer's requests
_ACCOUNTS = 20
_FILLER = 20_000  # secrets
_SHORTEST = 2.0
_PATIENCE = 120  # seconds, for the rounds that have begun to come to their end


def row(places: Places, attempt: Attempt) -> Sequence[Figure]:
    """Four rotations at once under live writers: nothing lost, nothing locked, no 5xx."""
    place = places.place("instance")
    server = place.server()
    writers = [
        PacedWriter(server.url, f"writer{i}", attempt.random.random(), _INTERVAL)
        for i in range(WRITERS)
    ]
    filler = max(_FILLER // 10, attempt.scaled(_FILLER))
    with server:
        db, master = open_store(place.settings(), utcnow())
        seeding.fill(db, master, seeding.add_accounts(db, master, _ACCOUNTS), filler)
        db.close()
        with together(writers):
            rotated = _rotate(server, max(_SHORTEST, SECONDS * attempt.scale))
        for writer in writers:
            writer.read_all_back()
    behind = inspect(place.settings())
    filled = seeding.check(db, master)
    db.close()
    written, latencies = Findings(), []
    for writer in writers:
        written.add(writer.findings)
        written.lost += behind.missing((writer.username, page) for page in writer.pages.values())
        latencies += writer.timetable.latencies
    written.lost += filled.faults
    _blame(attempt, rotated, written, behind)
    return [
        *_work(attempt, rotated),
        Figure(written.acknowledged, "acknowledged writes", at_least=attempt.scaled(600)),
        Figure(written.read_back, "reads"),
        attempt.speed(percentile(latencies, 50), "ms at the median"),
        attempt.speed(percentile(latencies, 99), "ms at p99", at_most=250),
        Figure(behind.versions, "versions opened", at_least=filler),
        Figure(filler - filled.intact, "secrets gone", at_most=0),
        none(written.lost, "lost"),
        none(behind.unreadable, "unreadable"),
        none(behind.inconsistent + written.half_done, "inconsistent"),
        none(written.unexpected, "wrong answers"),
    ]


def _work(attempt: Attempt, rotated: Sequence[Done]) -> list[Figure]:
    """What the rotations did, all together."""
    seconds = max(done.seconds for done in rotated)
    rate = round(sum(done.reencrypted for done in rotated) / seconds)
    return [
        Figure(len(rotated), "rotations", at_least=ROTATORS),
        Figure(round(seconds), "seconds"),
        Figure(
            sum(done.switched for done in rotated),
            "key switches",
            at_least=attempt.scaled(SWITCHES),
        ),
        Figure(sum(done.destroyed for done in rotated), "keys destroyed", at_least=1),
        attempt.speed(rate, "secrets re-encrypted a second", at_least=5000),
        Figure(sum(done.locked for done in rotated), "times locked", at_most=0),
        none([fault for done in rotated for fault in done.faults], "rotation faults"),
    ]


def _blame(
    attempt: Attempt, rotated: Sequence[Done], written: Findings, behind: Inspection
) -> None:
    for number, done in enumerate(rotated):
        attempt.say(f"rotation {number}: {done}")
        attempt.blame(done.faults)
    attempt.blame(written.lost + written.half_done + written.unexpected)
    attempt.blame(behind.unreadable + behind.inconsistent)


def _rotate(server: Server, seconds: float) -> list[Done]:
    """Let the rotations run, all at once. Raises RuntimeError if one fails."""
    with ExitStack() as stack, server.log.open("ab") as log:
        rotators = [stack.enter_context(_rotator(server, seconds, log)) for _ in range(ROTATORS)]
        for rotator in rotators:
            assert rotator.stdout is not None
            assert rotator.stdout.readline(), "a rotation does not start"
        for rotator in rotators:
            assert rotator.stdin is not None
            print("go", file=rotator.stdin, flush=True)
        answers = [rotator.communicate(timeout=_PATIENCE + seconds)[0] for rotator in rotators]
    if any(rotator.returncode for rotator in rotators):
        raise RuntimeError(f"a rotation failed:\n{server.log.read_text(errors='replace')[-3000:]}")
    return [Done(**json.loads(answer)) for answer in answers]


def _rotator(server: Server, seconds: float, log: IO[bytes]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.torture.parallel_rotator", str(seconds)],
        cwd=ROOT,
        env=server.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )
