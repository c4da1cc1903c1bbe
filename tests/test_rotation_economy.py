"""What makes a rotation of many values quick, and keeps it small: values sorted by key, a bounded
number of them at a time, and each key opened once."""

from __future__ import annotations

from datetime import datetime, timezone
from itertools import groupby

import pytest

from models.rows import UserId
from tests.support.rotation import add_owner, number, write
from tests.support.wrapped import Recording
from utils import rotation
from utils.rotation import Rotator
from utils.vault import Vault

ALWAYS = datetime.max.replace(tzinfo=timezone.utc)


@pytest.fixture
def owners(vault: Vault) -> list[UserId]:
    """Three accounts, whose values lie among each other in the table."""
    made = [add_owner(vault, name, count=0) for name in ("ada", "bea", "cleo")]
    for i in range(4):
        for owner in made:
            write(vault, owner, f"late-{i}", b"late")
    return made


def swept(
    vault: Vault, now: datetime, monkeypatch: pytest.MonkeyPatch, together: int
) -> list[tuple[str, int]]:
    """Each look for stale values, and each exchange with the number of the key that was left, of a
    sweep that sorts so many bytes at a time. One value a batch, in the table's order."""
    monkeypatch.setattr(rotation, "_FEW_KEYS", 0)
    monkeypatch.setattr(rotation, "_SORTED_BYTES", together)
    recording = Recording(vault.db)
    rotator = Rotator(recording, vault.master, now, batch_size=1)
    rotator.switch(ALWAYS)
    recording.statements.clear()
    rotator.sweep()
    return [
        ("exchange", int(str(parameters[3]))) if sql.startswith("UPDATE") else ("look", 0)
        for sql, parameters in recording.statements
        if sql.startswith("UPDATE secret_versions") or "v.id > ? AND v.id <= ?" in sql
    ]


def test_values_are_moved_in_the_order_of_their_keys(
    vault: Vault, owners: list[UserId], now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise each batch would write the index by key all over."""
    done = swept(vault, now, monkeypatch, 16_000_000)
    left = [key for what, key in done if what == "exchange"]
    assert len(left) == number(vault, "SELECT count(*) FROM secret_versions")
    assert len(set(left)) == len(owners)
    assert left == sorted(left)


def test_no_more_values_are_held_than_are_to_be_sorted_together(
    vault: Vault, owners: list[UserId], now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Millions would not fit into memory."""
    one = number(vault, "SELECT max(length(ciphertext)) FROM secret_versions")
    done = swept(vault, now, monkeypatch, 3 * one)
    runs = [(what, len(list(run))) for what, run in groupby(done, key=lambda event: event[0])]
    looks = [length for what, length in runs if what == "look"]
    assert len(looks) > 4
    assert set(looks[:-1]) <= {3, 4}, "of the longest ones 3, of shorter ones 4"
    exchanged = sum(length for what, length in runs if what == "exchange")
    assert exchanged == number(vault, "SELECT count(*) FROM secret_versions")


def test_each_key_is_opened_once(vault: Vault, owners: list[UserId], now: datetime) -> None:
    """It costs as much as a value: one for each account that is left, and one that is new."""
    recording = Recording(vault.db)
    rotator = Rotator(recording, vault.master, now, batch_size=2)
    rotator.switch(ALWAYS)
    recording.statements.clear()
    rotator.sweep()
    opened = [
        parameters
        for sql, parameters in recording.statements
        if sql.startswith("SELECT sealed, master FROM user_key_material")
    ]
    assert len(opened) == len(set(opened)) == 2 * len(owners)
