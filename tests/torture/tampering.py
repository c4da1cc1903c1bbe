"""What somebody with write access to the database file can do to it, one act at a time.

Acts on one row or two. Not here, because nothing could tell them from what really happened: putting
whole rows back as they once were, deleting them, exchanging names. SECURITY.md lists those as out
of scope.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import bcrypt

from tests.support.people import PASSWORD
from tests.torture.attacker import Attacker, Cell, Tamper

_COST = (4, 6)  # the digits in $2b$04$...: other ones would only make a login take hours


@dataclass
class Scene:
    """The rows there are, from which each act picks its victims."""

    attacker: Attacker
    random: random.Random
    versions: list[tuple[int, int, int, int, int]] = field(init=False)
    keys: list[tuple[int, int, str]] = field(init=False)
    material: list[int] = field(init=False)
    system: list[int] = field(init=False)
    secrets: list[tuple[int, int, int]] = field(init=False)
    users: list[int] = field(init=False)

    def __post_init__(self) -> None:
        rows = self.attacker.rows
        self.versions = rows(
            "SELECT v.id, v.secret_id, v.number, v.key_id, s.owner_id "
            "FROM secret_versions v JOIN secrets s ON s.id = v.secret_id"
        )
        self.keys = rows("SELECT id, owner_id, state FROM user_keys")
        self.material = [row[0] for row in rows("SELECT key_id FROM user_key_material")]
        self.system = [row[0] for row in rows("SELECT id FROM system_keys")]
        self.secrets = rows("SELECT id, owner_id, version FROM secrets")
        self.users = [row[0] for row in rows("SELECT id FROM users")]

    def token(self) -> tuple[Cell, set[str]]:
        """Something sealed, and where damage to it must be found."""
        kind = self.random.choices(("value", "user key", "system key"), (6, 3, 1))[0]
        if kind == "value":
            number = self.random.choice(self.versions)[0]
            return ("secret_versions", number, "ciphertext"), {f"secret_versions id={number}"}
        if kind == "user key":
            number = self.random.choice(self.material)
            return ("user_key_material", number, "sealed"), {f"user_keys id={number}"}
        number = self.random.choice(self.system)
        return ("system_keys", number, "sealed"), {f"system_keys id={number}"}

    def put(self, cell: Cell, new: Any, found_at: set[str]) -> Tamper:
        """Something else in place of something sealed; perhaps the same, spelled differently."""
        same = _decoded(self.attacker.value(cell)) == _decoded(new)
        return Tamper([(cell, new)], found_at, same_content=same)

    def exchange(self, table: str, column: str, one: int, other: int) -> list[tuple[Cell, Any]]:
        """Each of two rows gets what the other had."""
        here, there = (table, one, column), (table, other, column)
        return [(here, self.attacker.value(there)), (there, self.attacker.value(here))]


def flip_bit_of_text(scene: Scene) -> Tamper:
    """One bit of what is stored."""
    cell, found_at = scene.token()
    return scene.put(cell, _flipped(scene.random, scene.attacker.value(cell).encode()), found_at)


def flip_bit_of_token(scene: Scene) -> Tamper:
    """One bit of what the base64 stands for: Fernet's version, time, IV, ciphertext or MAC."""
    cell, found_at = scene.token()
    token = base64.urlsafe_b64decode(scene.attacker.value(cell))
    new = base64.urlsafe_b64encode(_flipped(scene.random, token)).decode()
    return scene.put(cell, new, found_at)


def put_garbage(scene: Scene) -> Tamper:
    """Cut off, emptied, lengthened, or something that is no text at all."""
    cell, found_at = scene.token()
    before = scene.attacker.value(cell)
    cut = before[: scene.random.randrange(len(before))]
    noise = scene.random.randbytes(scene.random.randrange(200))
    garbage = ("", cut, before + before, noise, memoryview(noise), scene.random.randrange(2**60))
    return scene.put(cell, scene.random.choice(garbage), found_at)


def put_another_token(scene: Scene) -> Tamper:
    """Anything sealed in place of anything else."""
    (cell, found_at), (other, _) = scene.token(), scene.token()
    return scene.put(cell, scene.attacker.value(other), found_at)


def change_fingerprint(scene: Scene) -> Tamper:
    """A wrapped key that names another master key."""
    number = scene.random.choice(scene.material)
    cell = ("user_key_material", number, "master")
    after = _flipped(scene.random, scene.attacker.value(cell).encode())
    return Tamper([(cell, after)], {f"user_keys id={number}"})


def exchange_ciphertexts(scene: Scene) -> Tamper:
    """Of any two rows, with or without the keys that they name."""
    one, other = (row[0] for row in scene.random.sample(scene.versions, 2))
    changes = []
    for column in scene.random.choice((("ciphertext",), ("ciphertext", "key_id"))):
        changes += scene.exchange("secret_versions", column, one, other)
    return Tamper(changes, {f"secret_versions id={number}" for number in (one, other)})


def exchange_places(scene: Scene) -> Tamper:
    """Two rows, each in the other's secret and version."""
    one, other = scene.random.sample(scene.versions, 2)
    out_of_the_way = [("secret_id", -one[0], -other[0])]  # no two rows may be the same version
    swapped = [("number", other[2], one[2]), ("secret_id", other[1], one[1])]
    changes: list[tuple[Cell, Any]] = [
        (("secret_versions", number, column), value)
        for column, *values in out_of_the_way + swapped
        for number, value in zip((one[0], other[0]), values, strict=True)
    ]
    return Tamper(changes, {f"secret_versions id={row[0]}" for row in (one, other)})


def renumber_version(scene: Scene) -> Tamper:
    """A version that says it is another one."""
    number, _, version, _, _ = scene.random.choice(scene.versions)
    new = scene.random.choice((-version, 0, version + 1000, scene.random.randrange(2**62)))
    cell = ("secret_versions", number, "number")
    return Tamper([(cell, new)], {f"secret_versions id={number}"})


def move_newest_mark(scene: Scene) -> Tamper:
    """A secret that says another version is its newest."""
    number, _, newest = scene.random.choice(scene.secrets)
    new = scene.random.choice([n for n in range(newest + 3) if n != newest])
    return Tamper([(("secrets", number, "version"), new)], {f"secrets id={number}"})


def rekey_version(scene: Scene) -> Tamper:
    """A ciphertext that names another key, of its owner or of somebody else."""
    number, _, _, key, _ = scene.random.choice(scene.versions)
    new = scene.random.choice([row[0] for row in scene.keys if row[0] != key])
    cell = ("secret_versions", number, "key_id")
    return Tamper([(cell, new)], {f"secret_versions id={number}"})


def exchange_wrapped_keys(scene: Scene) -> Tamper:
    """Of any two user keys."""
    one, other = scene.random.sample(scene.material, 2)
    changes = scene.exchange("user_key_material", "sealed", one, other)
    return Tamper(changes, {f"user_keys id={number}" for number in (one, other)})


def reown_keys(scene: Scene) -> Tamper:
    """Two keys of different accounts, in the same state, each given to the other."""
    with_material = [row for row in scene.keys if row[0] in scene.material]
    one = scene.random.choice(with_material)
    other = scene.random.choice(
        [row for row in with_material if row[1] != one[1] and row[2] == one[2]]
    )
    out_of_the_way = (("user_keys", one[0], "owner_id"), -1)  # one current key each
    changes = [out_of_the_way, *reversed(scene.exchange("user_keys", "owner_id", one[0], other[0]))]
    return Tamper(changes, {f"user_keys id={row[0]}" for row in (one, other)})


def reown_secret(scene: Scene) -> Tamper:
    """A secret given to another account, which then asks for it."""
    number, owner, _ = scene.random.choice(scene.secrets)
    new = scene.random.choice([user for user in scene.users if user != owner])
    versions = {f"secret_versions id={row[0]}" for row in scene.versions if row[1] == number}
    return Tamper([(("secrets", number, "owner_id"), new)], versions)


def change_key_state(scene: Scene) -> Tamper:
    """A key that is said to be in a state that it is not in."""
    number, owner, state = scene.random.choice(scene.keys)
    new = "retired" if state == "destroyed" else "destroyed"
    found_at = {f"user_keys id={number}"} | ({f"users id={owner}"} if state == "current" else set())
    return Tamper([(("user_keys", number, "state"), new)], found_at)


def damage_password(scene: Scene) -> Tamper:
    """One bit of a password's hash."""
    user = scene.random.choice(scene.users)
    cell = ("users", user, "password_hash")
    after = before = scene.attacker.value(cell).encode()
    while before[slice(*_COST)] != after[slice(*_COST)] or before == after:
        after = _flipped(scene.random, before)
    return Tamper([(cell, after)], refused={user})


def exchange_passwords(scene: Scene) -> Tamper:
    """Everybody has the same password here: were a hash not bound to its account, both would
    be let in."""
    one, other = scene.random.sample(scene.users, 2)
    return Tamper(scene.exchange("users", "password_hash", one, other), refused={one, other})


def plant_password(scene: Scene) -> Tamper:
    """A hash of the known password, made without the pepper."""
    user = scene.random.choice(scene.users)
    planted = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    return Tamper([(("users", user, "password_hash"), planted)], refused={user})


ACTS: dict[Callable[[Scene], Tamper], int] = {  # and how often, of 100
    flip_bit_of_text: 15,
    flip_bit_of_token: 15,
    put_garbage: 6,
    put_another_token: 8,
    change_fingerprint: 3,
    exchange_ciphertexts: 10,
    exchange_places: 6,
    renumber_version: 5,
    move_newest_mark: 4,
    rekey_version: 6,
    exchange_wrapped_keys: 5,
    reown_keys: 4,
    reown_secret: 4,
    change_key_state: 3,
    damage_password: 2,
    exchange_passwords: 2,
    plant_password: 2,
}


def _flipped(rng: random.Random, before: bytes) -> bytes:
    after = bytearray(before)
    after[rng.randrange(len(after))] ^= 1 << rng.randrange(8)
    return bytes(after)


def _decoded(stored: object) -> object:
    """What base64 stands for, read as leniently as Fernet reads it; what isn't base64, as it is.

    The last character before the padding has bits that mean nothing, and nothing counts that
    comes after the padding.
    """
    if not isinstance(stored, (str, bytes, memoryview)):
        return stored
    try:
        text = stored if isinstance(stored, str) else bytes(stored).decode("ascii")
        return base64.urlsafe_b64decode(text)
    except ValueError:
        return stored
