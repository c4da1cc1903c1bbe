"""``kill -9`` of ``rotate_keys.py --rewrap-master``, again and again, beside a live server.

Thousands of users' keys are wrapped under an old master key. Forked children that run the
command's ``main()`` (see :mod:`tests.torture.rotator`) wrap them anew and are killed on the way, at
moments that leave each of those who come later its share. In the end the new master key alone has
to open everything, and the old one nothing: no row, and on SQLite no byte that is left in any file.
(PostgreSQL overwrites dead rows only when it needs their space: SECURITY.md says so.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from config import Settings
from models.times import utcnow
from tests.torture import seeding
from tests.torture.framework import Attempt, Figure, log_to, none
from tests.torture.inspection import Inspection, inspect
from tests.torture.pace import PacedWriter
from tests.torture.places import Place, Places
from tests.torture.rotator import Ended, Rotations
from tests.torture.writers import Findings, together
from utils.crypto import MasterKeys, fingerprint
from utils.db import Database, open_database
from utils.vault import open_vault

USERS = 10_000
KILLS = 100
WRITERS = 2
_INTERVAL = 0.25  # seconds between a writer's requests
_FEWEST_USERS = 1000
_REWRAP = ("--rewrap-master", "--batch-size", "5")  # of 50, a life is over too soon to be killed
_PIECE = 24  # bytes of a wrapped key; of any 47 that are left somewhere one such piece is whole

_LAST_RUN = "SELECT max(id) FROM rotation_runs"
_LEFT = "SELECT count(*) FROM user_key_material WHERE master = ?"
_SEALED = "SELECT sealed FROM user_key_material UNION ALL SELECT sealed FROM system_keys"


def row(places: Places, attempt: Attempt) -> Sequence[Figure]:
    """A master key is replaced under kills: nothing lost, and the old one opens nothing."""
    stage = Stage(attempt, places.place("instance"))
    with log_to(attempt.folder / "seeding.log"):
        stage.seed(max(_FEWEST_USERS, attempt.scaled(USERS)))
    rehearsal = replace(stage, place=places.copy(stage.place, "copy"))
    server = stage.place.server(stage.environment)
    writers = [
        PacedWriter(server.url, f"writer{i}", attempt.random.random(), _INTERVAL)
        for i in range(WRITERS)
    ]
    log = attempt.folder / "rotations.log"
    with Rotations(server.environment(), log) as rotations:
        killer = Killer(stage, rotations)
        killer.learn(rehearsal, log)
        with server:
            with together(writers):
                killer.kill_so_often(attempt.scaled(KILLS))
                killer.finish()
            for writer in writers:
                writer.read_all_back()
    return _figures(killer, writers)


@dataclass
class Stage:
    """An installation under an old master key, and the one that is to replace it."""

    attempt: Attempt
    place: Place
    old: str = field(default_factory=lambda: Fernet.generate_key().decode(), repr=False)
    new: str = field(default_factory=lambda: Fernet.generate_key().decode(), repr=False)
    users: int = 0
    wrapped: frozenset[bytes] = frozenset()  # pieces of all that the old master key wrapped

    @property
    def environment(self) -> dict[str, str]:
        """As the procedure wants every node: the new key wraps, both open. Long-lived tokens, as
        on a slow machine the run may outlast the usual 15 minutes."""
        return {
            "SECRETS_MASTER_KEYS": f"{self.new},{self.old}",
            "SECRETS_ACCESS_TOKEN_LIFETIME": "12h",
        }

    def settings(self, *masters: str) -> Settings:
        """The same installation with these master keys."""
        return self.place.settings(MASTER_KEYS=masters, BCRYPT_COST=4)

    def database(self) -> Database:
        """To look into, with no key at all."""
        return open_database(self.settings(self.new).database_url, 60, 1)

    def seed(self, users: int) -> None:
        """So many accounts with a secret each, under the old master key."""
        self.users = users
        vault = open_vault(self.settings(self.old), utcnow())
        owners = seeding.add_accounts(vault.db, vault.master, users)
        seeding.fill(vault.db, vault.master, owners, users)
        with vault.db.read() as tx:
            texts = [row[0].encode() for row in tx.all(_SEALED)]
        vault.close()
        self.wrapped = frozenset(
            text[start : start + _PIECE]
            for text in texts
            for start in range(0, len(text) - _PIECE + 1, _PIECE)
        )

    def remains(self) -> int:
        """How many pieces of what the old master key wrapped are in the files of SQLite."""
        if self.place.url:
            return 0
        found = 0
        for path in self.place.instance.iterdir():
            content = path.read_bytes()
            found += sum(content[at : at + _PIECE] in self.wrapped for at in range(len(content)))
        return found

    def opened_by_the_old(self) -> int:
        """How many stored keys the old master key opens, whatever their rows say."""
        fernet, opened, db = Fernet(self.old), 0, self.database()
        with db.read() as tx:
            texts = [row[0] for row in tx.all(_SEALED)]
        db.close()
        for text in texts:
            try:
                fernet.decrypt(text)
            except InvalidToken:
                continue
            opened += 1
        return opened


@dataclass
class Killer:
    """Starts the command and kills it, until so many were killed at work."""

    stage: Stage
    rotations: Rotations
    kills: int = 0  # at work
    early: int = 0  # kills before it began
    seconds: float = 0.0  # that all lives took together which began to work
    undisturbed: float = 0.0  # seconds that one life takes which nobody ends
    findable: int = 0  # pieces of the old wrapping in the files, before
    wrong: list[str] = field(default_factory=list)
    halfway: Inspection = field(default_factory=Inspection)
    _start: float = 0.0  # seconds until a life begins to work
    _run: int = 0

    def learn(self, rehearsal: Stage, log: Path) -> None:
        """How long it all takes, and how long its beginning, from a copy of the installation."""
        self.findable = rehearsal.remains()
        environ = {**self.rotations.environ, **rehearsal.place.environ}
        with Rotations(environ, log) as rotations:
            whole, nothing = rotations.fork(*_REWRAP), rotations.fork(*_REWRAP)
        for ended in (whole, nothing):
            self._well(ended)
        self.undisturbed, self._start = whole.seconds, nothing.seconds
        self.seconds = 0.0  # that was only the copy

    def kill_so_often(self, kills: int) -> None:
        """Each at a random moment; together they get nearly through."""
        each = max(0.0, self.undisturbed - self._start) / self.stage.users
        db, old = self.stage.database(), fingerprint(self.stage.old)
        while self.kills < kills:
            with db.read() as tx:
                row = tx.one(_LEFT, old)
            left = int(row[0]) if row else 0
            if left == 0:
                self.wrong.append(f"all was rewrapped after {self.kills} kills")
                break
            # Not too near its end: of few kills, one would often come too late.
            # Twice that would use up all of it on average, and be over too early half of the times.
            share = min(1.4 * each * left / (kills - self.kills), 0.7 * each * left)
            moment = self.stage.attempt.random.uniform(0, self._start + share)
            self._one_life(db, moment)
            if self.kills == kills // 2 and not self.halfway.versions:
                self.halfway = inspect(self.stage.settings(self.stage.new, self.stage.old))
        db.close()

    def finish(self) -> None:
        """What cron does the next night."""
        self._well(self.rotations.command(*_REWRAP))

    def _one_life(self, db: Database, moment: float) -> None:
        ended = self.rotations.fork(*_REWRAP, kill_after=moment)
        with db.read() as tx:
            row = tx.one(_LAST_RUN)
        number = int(row[0] or 0) if row else 0
        if not ended.killed:
            self._well(ended)
        elif number == self._run:
            self.early += 1
        else:
            self.kills += 1
            self.seconds += ended.seconds
        self._run = number

    def _well(self, ended: Ended) -> None:
        if ended.status != 0:
            self.wrong.append(f"a run that nobody killed ended with {ended.status}")
        self.seconds += ended.seconds


def _figures(killer: Killer, writers: Sequence[PacedWriter]) -> Sequence[Figure]:
    stage, attempt = killer.stage, killer.stage.attempt
    behind = inspect(stage.settings(stage.new))  # refused if anything needs the old one
    missing = behind.missing(
        (writer.username, page) for writer in writers for page in writer.pages.values()
    )
    db = stage.database()
    filled = seeding.check(db, MasterKeys([stage.new]))
    with db.read() as tx:
        row = tx.one(_LEFT, fingerprint(stage.new))
    db.close()
    written = Findings()
    for writer in writers:
        written.add(writer.findings)
    lost = written.lost + missing + filled.faults
    unreadable = killer.halfway.unreadable + behind.unreadable
    half = killer.halfway.inconsistent + behind.inconsistent + written.half_done
    wrong = killer.wrong + written.unexpected
    for faults in (lost, unreadable, half, wrong):
        attempt.blame(faults)
    return [
        Figure(int(row[0]) if row else 0, "users' keys rewrapped", at_least=stage.users),
        Figure(killer.kills, "kills at work", at_least=attempt.scaled(KILLS)),
        Figure(killer.early, "kills before it began"),
        attempt.speed(killer.seconds, "s of work", at_most=60),
        Figure(killer.undisturbed, "s undisturbed"),
        Figure(written.acknowledged, "acknowledged writes", at_least=1),
        Figure(written.read_back, "reads"),
        Figure(stage.users - filled.intact, "secrets gone", at_most=0),
        none(lost, "lost"),
        none(unreadable, "unreadable"),
        none(half, "inconsistent"),
        none(wrong, "wrong answers or exits"),
        Figure(stage.opened_by_the_old(), "keys that the old master key opens", at_most=0),
        *_left_in_files(killer),
    ]


def _left_in_files(killer: Killer) -> list[Figure]:
    if killer.stage.place.url:
        return []
    users = killer.stage.users
    return [
        Figure(killer.findable, "pieces of its wrapping in the files before", at_least=users),
        Figure(killer.stage.remains(), "after", at_most=0),
    ]
