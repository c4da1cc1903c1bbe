"""A list for a token with prefixes: only what is within them, whole and in order, page by page."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from models.names import begins_a_name, parse_secret_name
from models.powers import visible_prefixes
from tests.conftest import ENGINES
from tests.support.api_tokens import Machine, machine
from tests.support.people import Person
from tests.support.shared import newcomer, shared_app

TEXTS = ["", *("".join(t) for n in (1, 2, 3) for t in itertools.product("a/", repeat=n))]
NAMES = sorted(
    name
    for n in (1, 2, 3, 4)
    for name in map("".join, itertools.product("ab/", repeat=n))
    if parse_secret_name(name)
)
SETS: list[list[str]] = [
    ["a"],
    ["a/", "b"],
    ["a", "a/", "a/b"],
    ["ab", "aa", "b/b", "b"],
    ["b", "a/b/", "aaa", "zzz"],
    ["zzz"],
    [],
]


@pytest.fixture(scope="module", params=ENGINES)
def owner(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Person]:
    """Somebody with every short name there is, each tenth one deleted."""
    with shared_app(request, request.param, tmp_path_factory) as app:
        someone = newcomer(app, "ada")
        for number, name in enumerate(NAMES):
            labels = {"odd": str(number % 2)}
            assert someone.put(f"/secrets/{name}", json={"secret": "x", "labels": labels})
            if number % 10 == 0:
                someone.delete(f"/secrets/{name}")
        yield someone


@pytest.fixture(scope="module")
def tokens(owner: Person) -> dict[tuple[str, ...], Machine]:
    """A token for each of the sets of prefixes."""
    return {
        tuple(prefixes): machine(owner, f"job{number}", prefixes=prefixes or None)
        for number, prefixes in enumerate(SETS)
    }


def pages(caller: Person, limit: int, **query: Any) -> list[list[str]]:
    """The names in all pages."""
    found: list[list[str]] = []
    while True:
        body = caller.get("/secrets", query_string={"limit": limit, **query}).json
        assert body is not None
        found.append([row["name"] for row in body["secrets"]])
        if body["next_cursor"] is None:
            return found
        assert len(found[-1]) == limit
        query["cursor"] = body["next_cursor"]


@pytest.mark.parametrize("asked", ["", "a", "a/", "ab", "b/b", "zzz", "c"])
@pytest.mark.parametrize("prefixes", SETS, ids=repr)
def test_a_list_is_what_is_within_the_prefixes_and_asked_for(
    owner: Person, tokens: dict[tuple[str, ...], Machine], prefixes: list[str], asked: str
) -> None:
    """Compared with the names picked by hand; the last page ends, and no page but it is short."""
    expected = [
        name
        for number, name in enumerate(NAMES)
        if number % 10 and name.startswith(asked) and name.startswith(tuple(prefixes or [""]))
    ]
    for limit in (1, 2, 7, 100) if len(expected) < 30 else (7, 30, 100):
        found = pages(tokens[tuple(prefixes)], limit, prefix=asked)
        assert list(itertools.chain(*found)) == expected
        assert all(found) or not expected, "no page is empty, unless all are"


@pytest.mark.parametrize("prefixes", SETS, ids=repr)
def test_filters_work_within_the_prefixes(
    owner: Person, tokens: dict[tuple[str, ...], Machine], prefixes: list[str]
) -> None:
    """Labels, parts of names, deleted ones; and a cursor from elsewhere opens nothing."""
    job, within = tokens[tuple(prefixes)], tuple(prefixes or [""])

    def expected(*, gone: bool = False, text: str = "", odd: bool = False) -> list[str]:
        return [
            name
            for number, name in enumerate(NAMES)
            if (number % 10 == 0) == gone
            and name.startswith(within)
            and text in name
            and (not odd or number % 2)
        ]

    def all_of(**query: Any) -> list[str]:
        return list(itertools.chain(*pages(job, 10, **query)))

    assert all_of(deleted="true") == expected(gone=True)
    assert all_of(q="B/") == expected(text="b/")
    assert all_of(label="odd:1") == expected(odd=True)
    first = owner.get("/secrets?limit=9").json
    assert first is not None
    last = first["secrets"][-1]["name"]
    rest = [name for name in expected() if name > last]
    assert all_of(cursor=first["next_cursor"]) == rest


def test_visible_prefixes_are_right_for_every_small_set() -> None:
    """Exhaustively: together they are exactly what is allowed and asked for; sorted; disjoint."""
    names = [name for name in NAMES if "b" not in name] + ["a/a/a", "aa/aa"]
    for allowed in itertools.chain(
        itertools.combinations(TEXTS[1:], 1),
        itertools.combinations(TEXTS[1:], 2),
        itertools.combinations(TEXTS[1:], 3),
        [()],
    ):
        for asked in TEXTS:
            found = visible_prefixes(allowed, asked)
            for name in names:
                wanted = name.startswith(asked) and (not allowed or name.startswith(allowed))
                assert sum(name.startswith(prefix) for prefix in found) == wanted
            assert list(found) == sorted(found)


def test_what_begins_a_name_is_what_some_name_begins_with() -> None:
    """Exhaustively, over short texts: a prefix that no name has is a mistake worth telling."""
    letters = "a./:"
    texts = ["".join(t) for n in range(4) for t in itertools.product(letters, repeat=n)]
    for text in texts:
        wanted = any(
            parse_secret_name(text + "".join(more))
            for n in range(3)
            for more in itertools.product(letters, repeat=n)
        )
        assert begins_a_name(text) == wanted, text
    assert begins_a_name("x" * 255)
    assert not begins_a_name("x" * 254 + "/")
    assert not begins_a_name("x" * 256)
