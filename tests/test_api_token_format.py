"""API tokens as text: what scanners find, what is refused without a look into the database."""

from __future__ import annotations

import re
import string
import zlib
from collections.abc import Callable
from dataclasses import replace

import pytest
from flask import Flask

from models.rows import SystemKey, TokenId
from routes import context
from tests.support import docs
from tests.support.api_tokens import Counting, Machine, machine
from tests.support.people import Person
from tests.support.shared import refusal
from utils.macs import same_mac, token_mac
from utils.tokens import API_TOKEN, TokenText, new_token, parse_token
from utils.vault import Vault

# Written once, and not by the test that compares: a token that somebody holds must stay one.
KNOWN = "smt_AAAAAAAAAAAAAAAAAAAAAA_" + "B" * 43 + "_"
DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
BROKEN: dict[str, Callable[[str], str]] = {
    "nothing": lambda _t: "",
    "another checksum": lambda t: t[:-1] + ("a" if t[-1] != "a" else "b"),
    "another secret": lambda t: t[:30] + ("a" if t[30] != "a" else "b") + t[31:],
    "another id": lambda t: t[:6] + ("a" if t[6] != "a" else "b") + t[7:],
    "another prefix": lambda t: "smT" + t[3:],
    "no checksum": lambda t: t[:-7],
    "cut": lambda t: t[:-1],
    "longer": lambda t: t + "0",
    "in another case": str.swapcase,
    "twice": lambda t: f"{t}, Bearer {t}",
    "quoted": lambda t: f'"{t}"',
    "other digits": lambda t: t.replace("_", "\u0661"),
    "not ASCII": lambda t: t[:-1] + "\xe9",
    "huge": lambda t: t * 1000,
    "a JWT": lambda _t: "eyJhbGciOiJub25lIn0.e30.",
    "only the id": lambda t: t[4:26],
}


def test_a_token_is_read_back_as_it_was_written() -> None:
    """For any that we make, and each is another."""
    made = [new_token() for _ in range(200)]
    assert [parse_token(token.written()) for token in made] == made
    assert len({token.id for token in made} | {token.secret for token in made}) == 400


def test_the_checksum_is_that_of_the_documents() -> None:
    """Worked out here by the words of docs/api.md alone, as the author of a scanner would."""
    for token in [new_token().written() for _ in range(50)]:
        body, _, checksum = token.rpartition("_")
        number = sum(
            DIGITS.index(digit) * 62**place for place, digit in enumerate(reversed(checksum))
        )
        assert number == zlib.crc32(body.encode())


def test_the_spelling_does_not_change() -> None:
    """Tokens that are out there go on working, and so does what scanners were told."""
    known = TokenText(TokenId("A" * 22), "B" * 43)
    assert known.written() == KNOWN + "2fkCXj"


def test_scanners_are_told_the_pattern() -> None:
    """And a scanner that uses it finds a token in a line of text."""
    assert f"`\\b{API_TOKEN.pattern}\\b`" in docs.read("docs/api.md")
    token = new_token().written()
    assert re.findall(rf"\b{API_TOKEN.pattern}\b", f"TOKEN='{token}';") == [token]
    assert re.fullmatch(r"\w+", token), "a double click selects all of it"


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
def test_what_is_no_token_parses_to_nothing(broken: Callable[[str], str]) -> None:
    """One wrong character is enough."""
    assert parse_token(broken(new_token().written())) is None


def test_a_token_does_not_print_its_secret() -> None:
    """Not into a log by way of a traceback either."""
    token = new_token()
    assert token.secret not in repr(token)


def test_the_mac_tells_all_fields_apart() -> None:
    """No two rows share one because their fields, run together, read the same."""
    key, token = SystemKey(b"k" * 44), TokenText(TokenId("A" * 22), "B" * 43)
    rows: list[tuple[object, ...]] = [
        (1, "a", "read", "", "", 2, None),
        (12, "a", "read", "", "", None, None),
        (1, "a", "rea", "d", "", 2, None),
        (1, "a", "read", "", "", 2, 0),
        (1, "aread", "", "", "", 2, None),
        (1, 'a","read', "", "", "", 2, None),
        (1, "a", "read", "", "", "2", None),
        (1, "a", "read", "", "", b"2", None),
        (1, "a", "read", "", "", 2, None, ""),
    ]
    macs = {token_mac(key, token, row) for row in rows}
    macs.add(token_mac(key, replace(token, secret="C" * 43), rows[0]))
    macs.add(token_mac(key, replace(token, id=TokenId("D" * 22)), rows[0]))
    macs.add(token_mac(SystemKey(b"l" * 44), token, rows[0]))
    assert len(macs) == len(rows) + 3
    for stored in (None, b"\xff", "\u20ac", 1, ""):
        assert not same_mac(stored, next(iter(macs)))


@pytest.mark.one_engine("sqlite", "it counts what is asked, whoever answers")
def test_what_is_no_token_costs_no_look_into_the_database(
    app: Flask, vault: Vault, alice: Person
) -> None:
    """Nobody loads the database by guessing; the answer is that of a wrong token."""
    genuine, counting = machine(alice).token, Counting(vault.db)
    context.install(app, replace(vault, db=counting))
    for broken in BROKEN.values():
        sent = broken(genuine).encode().decode("latin-1")
        assert refusal(Machine(app, sent).get("/secrets/a")) == (401, "invalid-token")
    assert counting.transactions == []
    assert refusal(Machine(app, new_token().written()).get("/secrets/a")) == (401, "invalid-token")
    assert counting.transactions == ["read"]
