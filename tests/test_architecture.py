"""ARCHITECTURE.md shows the house as it is: every room, the schema, and which way the arrows go."""

from __future__ import annotations

import ast
import re

import pytest

from tests.support import docs
from tests.support.server import ROOT
from tests.support.source import short, tree
from utils.vault import Vault

ARCHITECTURE = docs.read("ARCHITECTURE.md")
HOUSE = docs.section(ARCHITECTURE, "## The house")
ROOMS = [*(ROOT / "models").glob("*.py"), *(ROOT / "routes").glob("*.py")]
ROOMS += (ROOT / "utils").glob("*.py")
# What the SQL leans on: the door to the database, and what seals, binds and names what is stored.
UNDER_THE_STORE = {"crypto", "db", "macs", "store", "throttle", "tokens"}
# An event is in the chain of a head, which no foreign key says: a chain outlives its account.
CHAINED = {("audit_heads", "audit_events")}


def test_every_room_is_named_in_the_house() -> None:
    """From the README to any file in one step: what a module is for stands in one table."""
    named = {words.rpartition("/")[2] for words in re.findall(r"`([\w./]+)`", HOUSE)}
    endings = tuple(one.removeprefix("...") for one in named if one.startswith("..._"))
    assert endings
    unnamed = {
        short(path)
        for path in ROOMS
        if path.stem not in {*named, "__init__"} and not path.stem.endswith(endings)
    }
    assert unnamed == set()


def test_the_sql_leans_on_nothing_that_uses_it() -> None:
    """Whoever reads a statement need not know of rotations, commands or requests."""
    used = {
        f"{short(path)}: {name}"
        for path in (ROOT / "utils" / "store").glob("*.py")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("utils")
        for name in [str(node.module).removeprefix("utils.").partition(".")[0]]
        if name not in UNDER_THE_STORE
    }
    assert used == set()


@pytest.mark.one_engine("sqlite", "the schema is one, and this engine lists its foreign keys")
def test_the_schema_is_drawn_as_it_is(vault: Vault) -> None:
    """Each table, and an arrow for each foreign key."""
    drawing = next(one.text for one in docs.blocks(ARCHITECTURE) if "erDiagram" in one.text)
    arrows = set(re.findall(r"(\w+) [|}o]{2}--[|{o]{2} (\w+)", drawing))
    drawn = {name for arrow in arrows for name in arrow}
    drawn |= set(re.findall(r"^ +(\w+)$", drawing, re.MULTILINE))
    with vault.db.read() as tx:
        tables = {row[0] for row in tx.all("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        keys = {
            (row[0], table)
            for table in tables
            for row in tx.all('SELECT "table" FROM pragma_foreign_key_list(?)', table)
        }
    assert drawn == tables - {"schema_migrations", "sqlite_sequence"}
    assert arrows == keys | CHAINED
