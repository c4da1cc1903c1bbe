"""Random tampering with the database file: no read is ever wrong, and ``--verify`` tells of it all.

A read may give the right value of the row that was asked for, or an error: never a value that
belongs to another row, and never one that nobody stored. What changes nothing is not counted as a
tamper (some bits of base64 mean nothing), but has to read right all the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from flask import Flask

from app import create_app
from config import Settings
from models.errors import MissingMasterKey, NotFound, Undecryptable
from models.rows import SecretName, UserId
from models.times import utcnow
from routes.context import vault_of
from tests.support.people import Person
from tests.torture.attacker import Attacker, Tamper
from tests.torture.framework import Attempt, Figure, log_to, none
from tests.torture.tampering import ACTS, Scene
from utils.db import sqlite_path
from utils.rotation import Rotator
from utils.store import secret_reads
from utils.vault import Vault
from utils.verify import verify

TAMPERS = 10_000
_PEOPLE = 5
_SECRETS = 4  # each
_REFUSALS = (Undecryptable, MissingMasterKey, NotFound)
_ASKED = (
    "SELECT s.owner_id, s.name, v.number FROM secrets s "
    "JOIN secret_versions v ON v.secret_id = s.id"
)

Place = tuple[int, str, int]  # owner, name, version
Act = Callable[[Scene], Tamper]


def row(attempt: Attempt) -> Sequence[Figure]:
    """Random tampers with everything that is sealed: no wrong plaintext, and all of it reported."""
    tampers = attempt.scaled(TAMPERS)
    acts, weights = list(ACTS), list(ACTS.values())
    with log_to(attempt.folder / "log"):
        museum = Museum(attempt)
        while museum.tampers < tampers:
            museum.expose_to(attempt.random.choices(acts, weights)[0])
        museum.close()
    for faults in (museum.wrong, museum.unreported, museum.let_in, museum.spoilt):
        attempt.blame(faults)
    return [
        Figure(museum.tampers, "tampers", at_least=tampers),
        Figure(len(museum.kinds), "kinds", at_least=len(ACTS) if attempt.scale >= 1 else 1),
        Figure(museum.refused, "reads refused", at_least=tampers / 4),
        Figure(museum.right, "reads right", at_least=tampers),
        Figure(museum.logins, "logins refused"),
        Figure(museum.spellings, "other spellings, which read right"),
        none(museum.wrong, "wrong plaintexts"),
        none(museum.unreported, "not reported"),
        none(museum.let_in, "let in"),
        none(museum.spoilt, "other faults"),
    ]


@dataclass
class Museum:
    """A database with everything in it, on show for one act of vandalism after the other."""

    attempt: Attempt
    kinds: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    right: int = 0
    logins: int = 0
    spellings: int = 0
    wrong: list[str] = field(default_factory=list)
    unreported: list[str] = field(default_factory=list)
    let_in: list[str] = field(default_factory=list)
    spoilt: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        settings = Settings(
            INSTANCE_DIR=self.attempt.folder / "instance",
            BCRYPT_COST=4,
            # Thousands of logins must fail here for another reason than that there were so many.
            LOGIN_ATTEMPTS_PAIR=0,
            LOGIN_ATTEMPTS_ACCOUNT=0,
            LOGIN_ATTEMPTS_SOURCE=0,
        )
        path = sqlite_path(settings.database_url)
        assert path is not None
        self.app: Flask = create_app(settings)
        self.vault: Vault = vault_of(self.app)
        self.names: dict[int, str] = {}
        self.truth: dict[Place, str] = {}
        self._furnish()
        self.attacker = Attacker(path)
        self.scene = Scene(self.attacker, self.attempt.random)
        self._must_be_whole("at the beginning")

    def close(self) -> None:
        """All was taken back, so all must be well."""
        self._must_be_whole("at the end")
        self.attacker.close()
        self.vault.close()

    def _furnish(self) -> None:
        """Accounts with a destroyed, a retired and a current key; versions under the last two."""
        people = [Person(self.app, f"person{number}") for number in range(_PEOPLE)]
        for person in people:
            assert person.register().status_code == 201
            assert person.login().status_code == 200
            self._write(person, 1, _SECRETS)
        rotator = Rotator(self.vault.db, self.vault.master, now := utcnow())
        rotator.switch(now)
        rotator.sweep()
        rotator.destroy()
        for person in people:
            self._write(person, 2, _SECRETS - 1)
            assert person.post("/keys:rotate").status_code == 202
            self._write(person, 3, _SECRETS - 2)

    def _write(self, person: Person, version: int, count: int) -> None:
        for number in range(count):
            name = f"{person.username}/{number}"
            body = {"secret": f"{name} version {version}"}
            assert person.put(f"/secrets/{name}", json=body).status_code in {200, 201}
        with self.vault.db.read() as tx:
            self.names.update(tx.all("SELECT id, username FROM users"))
            asked = tx.all(_ASKED)
        self.truth = {place: f"{place[1]} version {place[2]}" for place in asked}

    def expose_to(self, act: Act) -> None:
        """One act, and what comes of it."""
        tamper = act(self.scene)
        self.attacker.commit(tamper)
        try:
            refused, reported = self._read_all(act.__name__), self._verify()
            for user in tamper.refused:
                self._try_to_log_in(user, act.__name__)
        finally:
            self.attacker.take_back()
        if tamper.same_content:
            self.spellings += 1
            if refused or reported:
                self.spoilt.append(f"{act.__name__} changed nothing, but {reported}")
            return
        self.kinds[act.__name__] += 1
        self.refused += refused
        if missed := tamper.found_at - reported:
            self.unreported.append(f"{act.__name__}: {sorted(missed)}, only {sorted(reported)}")

    @property
    def tampers(self) -> int:
        """How many there were."""
        return self.kinds.total()

    def _read_all(self, what: str) -> int:
        """Read each version there was and each there seems to be, as everybody who might have it.

        How many were refused.
        """
        refused = 0
        with self.vault.db.read() as tx:
            seeming = {(owner, name, number) for owner, name, number in tx.all(_ASKED)}
            newest = {(owner, name, None) for owner, name, _ in seeming | self.truth.keys()}
            for owner, name, number in self.truth.keys() | seeming | newest:
                try:
                    found = secret_reads.read(
                        tx, self.vault.master, UserId(owner), SecretName(name), number, utcnow()
                    )
                except _REFUSALS:
                    refused += 1
                    continue
                except Exception as error:  # noqa: BLE001 - the one place that must not fall over
                    self.spoilt.append(f"{what}: reading raised {type(error).__name__}: {error}")
                    continue
                if found.value.data.decode() == self.truth.get((owner, name, found.version)):
                    self.right += 1
                else:
                    self.wrong.append(f"{what}: {name} version {found.version} read wrong")
        return refused

    def _verify(self) -> set[str]:
        """What the service itself says is damaged."""
        found = verify(self.vault.db, self.vault.master, lambda _done: None)
        return {fault.where for fault in found.faults}

    def _try_to_log_in(self, user: int, what: str) -> None:
        if Person(self.app, self.names[user]).login().status_code == 200:
            self.let_in.append(f"{what}: logged in all the same")
        else:
            self.logins += 1

    def _must_be_whole(self, when: str) -> None:
        refused, reported = self._read_all(when), self._verify()
        if refused or reported:
            self.spoilt.append(f"{when}: {refused} reads refused, reported {reported}")
