"""How PostgreSQL goes about what a rotation asks, while its statistics know nothing of it yet."""

from __future__ import annotations

import uuid

import pytest

from tests.support.postgres import PostgresServer
from tests.support.rotation import add_owner
from utils.db import Tx
from utils.postgres import PostgresDatabase
from utils.store import ciphertexts, wrappings
from utils.vault import Vault

pytestmark = pytest.mark.one_engine("postgresql", "SQLite keeps no statistics, and goes by index")
_VALUES = 50_000
STRETCHES: dict[str, tuple[str, tuple[object, ...]]] = {
    "the values under a key": (ciphertexts._STALE_OF_KEY, (1, 0, 10)),
    "a stretch of the table": (ciphertexts._STALE_BETWEEN, (9, 0, 10)),
    "wrapped keys": (wrappings._USER_KEYS, (0, 9, "another", 10)),
}


def plan(tx: Tx, statement: str, parameters: tuple[object, ...]) -> str:
    """How it would be carried out."""
    return "\n".join(row[0] for row in tx.all(f"EXPLAIN {statement}", *parameters))


@pytest.fixture
def database_url(postgres: PostgresServer) -> str:
    """An empty one, on this engine alone."""
    return postgres.create_database(f"t{uuid.uuid4().hex}")


@pytest.fixture
def vault(vault: Vault) -> Vault:
    """With many values under one key, of which the statistics tell nothing."""
    assert isinstance(vault.db, PostgresDatabase)
    owner = add_owner(vault, "carol")
    with vault.db.write() as tx:
        tx.run(
            "INSERT INTO secrets (owner_id, name, version, tag, labels, created_at, updated_at) "
            "SELECT CAST(? AS BIGINT), 'filler-' || i, 1, 't' || i, '{}', 0, 0 "
            "FROM generate_series(1, CAST(? AS INTEGER)) AS i",
            owner,
            _VALUES,
        )
        tx.run(
            "INSERT INTO secret_versions "
            "(secret_id, number, key_id, ciphertext, created_at, author, credential) "
            "SELECT s.id, 1, k.id, repeat('x', 300), 0, 'carol', 'session' "
            "FROM secrets s JOIN user_keys k ON k.owner_id = s.owner_id "
            "WHERE s.name LIKE 'filler-%'"
        )
    return vault


@pytest.mark.parametrize("name", STRETCHES)
def test_a_stretch_of_a_large_table_is_not_sorted(vault: Vault, name: str) -> None:
    """Whoever sorts has first read all that is left: a million values, for each batch again."""
    with vault.db.read_by_index() as tx:
        found = plan(tx, *STRETCHES[name])
    assert "Limit" in found or name == "a stretch of the table"
    assert "Sort" not in found
    assert "Seq Scan" not in found


def test_without_the_settings_of_that_read_it_would_be_sorted(vault: Vault) -> None:
    """The instrument sees it; and the settings end with their transaction."""
    with vault.db.read_by_index() as tx:
        assert tx.one("SHOW enable_sort") == ("off",)
    for _ in range(3):
        with vault.db.read() as tx:
            assert tx.one("SHOW enable_sort") == ("on",)
            assert "Sort" in plan(tx, *STRETCHES["the values under a key"])
