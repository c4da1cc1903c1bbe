"""The list of secrets: order, pages, filters, and what it refuses."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from flask import Flask

from tests.support.people import Person
from tests.support.shared import module_app, newcomer, pointers
from tests.support.tokens import b64

# In byte order: "-" < "." < "/" < digits < "=" < "@" < upper case < "_" < lower case.
NAMES = [
    *(
        "+",
        "-",
        "-a",
        ".a",
        "0",
        "10",
        "2",
        "=",
        "@",
        "A",
        "A.b",
        "A/b",
        "A0",
        "Z",
        "_",
        "a",
        "a-b",
    ),
    *("a.b", "a/b", "a/b/c", "a0", "aB", "a_b", "aa", "ab", "axb", "db/DEV", "db/prod", "db_prod"),
    *("dbx", "z", "zz"),
]
LABELS: dict[str, dict[str, str]] = {
    "a": {"env": "prod"},
    "ab": {"env": "prod", "team": "x"},
    "A": {"env": "PROD"},
    "aB": {"env": "pro"},
    "a0": {"env": "prod2"},
    "a_b": {"ENV": "prod"},
    "z": {"env": "prod:eu"},
    "zz": {"env": ""},
    "2": {"env": "%"},
    "10": {"env": "p_od"},
    "-": {"x": '"env":"prod"', "y": 'x","env":"prod'},
    "=": {"env": 'pr"od\\'},
    "@": {"env": "pröd\U0001f511"},
    "dbx": {"my-env": "prod", "env-my": "prod", "e.n/v": "prod"},
}

app = module_app()


@pytest.fixture
def alice(app: Flask) -> Person:
    """Alice, logged in, with no secrets."""
    return newcomer(app, "alice")


@pytest.fixture(scope="module")
def keeper(app: Flask) -> Person:
    """Somebody who keeps a secret under each of NAMES, some with LABELS. Only read by tests."""
    person = newcomer(app, "keeper")
    for name in reversed(NAMES):
        body = {"secret": f"canary of {name}", "labels": LABELS.get(name, {})}
        assert person.put("/secrets/" + name.replace("+", "%2B"), json=body).status_code == 201
    return person


def page(person: Person, **query: Any) -> tuple[list[str], str | None]:
    """The names on a page, and the cursor to the next."""
    answer = person.get("/secrets", query_string=query)
    assert answer.status_code == 200, answer.text
    found = answer.json
    assert found is not None
    return [row["name"] for row in found["secrets"]], found["next_cursor"]


def walk(person: Person, **query: Any) -> list[str]:
    """All pages of a query, one after the other."""
    names, cursor = page(person, **query)
    while cursor is not None:
        more, cursor = page(person, cursor=cursor, **query)
        assert more, "a cursor led to an empty page"
        assert more[0] > names[-1], "a page began before the last one ended"
        names += more
    return names


# --- order and pages ----------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 2, 7, len(NAMES) - 1, len(NAMES), len(NAMES) + 1, 100, None])
def test_pages_show_every_name_once_in_byte_order(keeper: Person, limit: int | None) -> None:
    """However long they are, and the same on both engines; the last one says that it is."""
    query = {} if limit is None else {"limit": limit}
    assert walk(keeper, **query) == sorted(NAMES, key=str.encode) == NAMES


def test_a_list_carries_metadata_and_no_values(keeper: Person) -> None:
    """Nothing is decrypted for it."""
    answer = keeper.get("/secrets?limit=100")
    assert "canary" not in answer.text
    assert answer.json is not None
    for row in answer.json["secrets"]:
        assert set(row) == {
            *("name", "version", "labels", "created_at", "updated_at"),
            *("expires_at", "deleted_at", "purge_at"),
        }


def test_an_empty_list_is_a_list(alice: Person) -> None:
    """Also for filters that nothing meets."""
    assert page(alice) == ([], None)
    assert page(alice, prefix="x", label="a:b", q="y", deleted="true", limit=1) == ([], None)


def test_pages_stay_whole_while_others_write(alice: Person) -> None:
    """What was there from beginning to end shows exactly once, whatever comes and goes around it:
    with offsets, an insert before the page repeats a row and a delete skips one."""
    for number in range(0, 40, 2):
        alice.put(f"/secrets/n{number:02}", json={"secret": "x"})
    lasting = {f"n{number:02}" for number in range(0, 40, 2)}
    seen, cursor = page(alice, limit=5)
    for step in range(3):
        last = seen[-1]
        alice.put("/secrets/n01", json={"secret": "x"})  # before what was seen
        alice.delete("/secrets/n01")
        alice.put(f"/secrets/{last}+", json={"secret": "x"})  # right after the cursor
        alice.delete(f"/secrets/{last}")  # the cursor's own name
        lasting.discard(last)
        alice.delete(f"/secrets/{seen[0]}")
        lasting.discard(seen[0])
        assert cursor is not None, step
        more, cursor = page(alice, limit=5, cursor=cursor)
        assert more[0] == f"{last}+"
        seen += more
    assert sorted(seen) == seen
    assert len(set(seen)) == len(seen)
    assert {name for name in lasting if name <= seen[-1]} <= set(seen)


# --- filters ------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 100])
@pytest.mark.parametrize(
    "prefix",
    ["", "a", "A", "a/", "a/b", "a_", "db/", "db", "-", ".", "=", "zzz", "zz", "a" * 255, "@"],
)
def test_a_prefix_is_the_beginning_of_a_name(keeper: Person, prefix: str, limit: int) -> None:
    """Case counts, and ``_`` is a character like any other."""
    expected = [name for name in NAMES if name.startswith(prefix)]
    assert walk(keeper, prefix=prefix, limit=limit) == expected


@pytest.mark.parametrize(
    "q", ["a", "B", "b/", "/", "_", ".", "db", "PROD", "x", "nowhere", "=", "-"]
)
def test_q_is_a_part_of_a_name_in_any_case(keeper: Person, q: str) -> None:
    """For a person who remembers half of it."""
    assert walk(keeper, q=q) == [name for name in NAMES if q.lower() in name.lower()]


@pytest.mark.parametrize(
    "label",
    [
        *("env:prod", "env:PROD", "ENV:prod", "env:pro", "env:prod2", "env:prod:eu", "env:"),
        *("env:%", "env:p_od", "env:p%", "env:_rod", "team:x", "my-env:prod", "nv:prod"),
        *('env:pr"od\\', "env:pröd\U0001f511", 'x:"env":"prod"', 'y:x","env":"prod', "e.n/v:prod"),
        *('env:prod"', 'env:prod","team', "absent:x", "env: prod", "env:prod\\"),
    ],
)
def test_a_label_filter_means_exactly_this_key_and_value(keeper: Person, label: str) -> None:
    """Whatever quotes, wildcards or colons the value holds."""
    key, _, value = label.partition(":")
    expected = [name for name in NAMES if LABELS.get(name, {}).get(key) == value]
    assert walk(keeper, label=label) == expected
    assert walk(keeper, label=label, limit=1) == expected


@pytest.mark.parametrize("limit", [1, 2, 50])
def test_filters_hold_together(keeper: Person, limit: int) -> None:
    """Each narrows what the others left, over pages too."""
    for prefix in ("", "a", "A", "d"):
        for q in ("b", "p", "0"):
            expected = [n for n in NAMES if n.startswith(prefix) and q in n.lower()]
            assert walk(keeper, prefix=prefix, q=q, limit=limit) == expected
    assert walk(keeper, prefix="a", label="env:prod", limit=limit) == ["a", "ab"]
    assert walk(keeper, prefix="a", label="env:prod", q="B", limit=limit) == ["ab"]
    assert walk(keeper, label="env:prod", deleted="true", limit=limit) == []


def test_filters_find_among_the_gone_as_well(alice: Person) -> None:
    """Where somebody looks for what to restore."""
    for name in ("db/a", "db/b", "dc"):
        alice.put(f"/secrets/{name}", json={"secret": "x", "labels": {"n": name}})
        alice.delete(f"/secrets/{name}")
    alice.put("/secrets/db/live", json={"secret": "x"})
    assert walk(alice, deleted="true", limit=1) == ["db/a", "db/b", "dc"]
    assert walk(alice, deleted="true", prefix="db/", limit=1) == ["db/a", "db/b"]
    assert walk(alice, deleted="true", label="n:dc") == ["dc"]
    assert walk(alice, deleted="true", q="B") == ["db/a", "db/b"]
    assert walk(alice, deleted="false") == ["db/live"]


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        *((f"limit={text}", "?limit") for text in ("", "0", "-1", "101", "1.0", "1e2", "1e400")),
        *((f"limit={text}", "?limit") for text in ("2147483648", "9223372036854775808", "NaN")),
        *((f"limit={text}", "?limit") for text in ("%2B1", "%201", "1%20", "1_0", "0x1", "true")),
        *((f"limit={text}", "?limit") for text in ("%EF%BC%91", "%D9%A1", "%00", "1%0A", "all")),
        ("limit=" + "1" * 5000, "?limit"),
        *((f"deleted={text}", "?deleted") for text in ("", "1", "True", "TRUE", "yes", "null")),
        *((f"prefix={text}", "?prefix") for text in ("%25", "a%20", "a:", "%00", "%FF", "a" * 256)),
        *((f"q={text}", "?q") for text in ("", "%25", "a%20b", ":", "%00", "%ED%A0%80", "a" * 256)),
        *((f"label={text}", "?label") for text in ("", "env", ":prod", "a b:c", "k:%00", "k:%0A")),
        *((f"label={text}", "?label") for text in ("k:" + "v" * 256, "%C3%A9:x", "env%3D:x")),
        *((f"{name}=a&{name}=a", "?") for name in ("prefix", "q", "cursor")),
        ("limit=1&limit=1", "?"),
        ("label=a:b&label=c:d", "?"),
        *((f"{name}=canary", "?") for name in ("page", "offset", "Limit", "limit%00", "sort", "")),
        ("canary", "?"),
    ],
)
def test_a_parameter_that_means_nothing_is_refused(
    keeper: Person, query: str, complaint: str
) -> None:
    """Ignored, a misspelt filter would show everything, and limit=-1 means "all" to SQLite."""
    answer = keeper.get("/secrets?" + query)
    assert pointers(answer) == {complaint}
    assert "canary" not in answer.text


@pytest.mark.parametrize(
    "cursor",
    [
        *("", "x", "!!!!", "a b", "YQ==", "YQ=", "YR", "YQ\n", " YQ", "Y Q", "YQ\x00", "null"),
        *(b64(text) for text in (b"", b"/", b"..", b"a//b", b"a:b", b"a\n", b"\x00", b"\xff")),
        *(b64(text) for text in ("é".encode(), b"a" * 256, b"' OR 1=1 --", b'{"after":"a"}')),
        *("YQ" * 5000, "éé", "\uff39Q", base64.b64encode(b"a?>a").decode(), "YQ.YQ"),
    ],
)
def test_a_cursor_that_was_tampered_with_is_refused(keeper: Person, cursor: str) -> None:
    """Only what a page gave out as ``next_cursor`` leads on."""
    answer = keeper.get("/secrets", query_string={"cursor": cursor})
    assert pointers(answer) == {"?cursor"}
    assert len(cursor) < 4 or cursor not in answer.text


def test_a_cursor_shows_nobody_elses_secrets(keeper: Person, alice: Person) -> None:
    """It says where to go on, not whose list it is."""
    _, cursor = page(keeper, limit=3)
    alice.put("/secrets/zebra", json={"secret": "x"})
    assert page(alice, cursor=cursor) == (["zebra"], None)
