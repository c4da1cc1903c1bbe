"""Secrets' values: from nothing to 64 KiB, text or bytes, exactly as they went in."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.support.people import Person
from tests.support.shared import module_app, newcomer, pointers, refusal

LIMIT = 64 * 1024
TEXT, BYTES = "text/plain", "application/octet-stream"
Way = Callable[[Person, bytes], TestResponse]

app = module_app()


@pytest.fixture
def alice(app: Flask) -> Person:
    """Alice, logged in, with no secrets."""
    return newcomer(app, "alice")


def _base64(data: bytes) -> dict[str, str]:
    return {"secret": base64.b64encode(data).decode(), "encoding": "base64"}


# Each stores *data* under the name "a", of which a first version may exist.
AS_TEXT: dict[str, Way] = {
    "POST": lambda p, data: p.post("/secrets", json={"name": "a", "secret": data.decode()}),
    "PUT": lambda p, data: p.put("/secrets/a", json={"secret": data.decode()}),
    "PUT bare": lambda p, data: p.put("/secrets/a", data=data, content_type=TEXT),
    "PUT bare UTF-8": lambda p, data: p.put(
        "/secrets/a", data=data, content_type=TEXT + '; Charset="UTF-8"'
    ),
}
AS_BYTES: dict[str, Way] = {
    "POST base64": lambda p, data: p.post("/secrets", json={"name": "a", **_base64(data)}),
    "PUT base64": lambda p, data: p.put("/secrets/a", json=_base64(data)),
    "PUT bare bytes": lambda p, data: p.put("/secrets/a", data=data, content_type=BYTES),
}
WAYS = {**AS_TEXT, **AS_BYTES}


def bare(person: Person, accept: str) -> TestResponse:
    """The value alone."""
    return person.get("/secrets/a", headers={"Accept": accept})


def outcome(person: Person) -> tuple[str, str]:
    """The value and its encoding, in JSON."""
    found = person.get("/secrets/a").json
    assert found is not None
    return found["secret"], found["encoding"]


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
@pytest.mark.parametrize("size", [0, 1, LIMIT])
def test_a_value_of_any_size_up_to_the_limit_comes_back_whole(
    alice: Person, way: Way, size: int
) -> None:
    """Nothing, one byte, and exactly 64 KiB, however it is sent."""
    data = (b"0123456789abcdef" * (LIMIT // 16))[:size]
    assert way(alice, data).status_code == 201
    assert bare(alice, BYTES).data == data


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_one_byte_more_is_refused_and_nothing_is_kept(alice: Person, way: Way) -> None:
    """413, and the value that was there stays."""
    answer = way(alice, b"x" * (LIMIT + 1))
    assert refusal(answer) == (413, "too-large")
    assert "xxx" not in answer.text
    assert refusal(alice.get("/secrets/a")) == (404, "not-found")
    alice.put("/secrets/a", json={"secret": "before"})
    assert alice.patch("/secrets/a", json={"secret": "x" * (LIMIT + 1)}).status_code == 413
    assert outcome(alice) == ("before", "text")


@pytest.mark.parametrize("way", AS_TEXT.values(), ids=AS_TEXT.keys())
@pytest.mark.parametrize("letter", ["é", "€", "\U0001f511"])
def test_the_limit_counts_bytes_not_characters(alice: Person, way: Way, letter: str) -> None:
    """A text of 64 KiB in UTF-8 goes in; one more letter does not."""
    width = len(letter.encode())
    text = letter * (LIMIT // width) + "x" * (LIMIT % width)
    assert way(alice, text.encode()).status_code == 201
    assert outcome(alice) == (text, "text")
    alice.delete("/secrets/a")
    assert refusal(way(alice, (text + letter).encode())) == (413, "too-large")


def test_a_value_whose_every_character_is_escaped_still_fits(alice: Person) -> None:
    """JSON may write a NUL as six characters: the body's limit leaves room for that."""
    body = b'{"secret": "' + rb"\u0000" * LIMIT + b'"}'
    answer = alice.put("/secrets/a", data=body, content_type="application/json")
    assert answer.status_code == 201
    assert bare(alice, BYTES).data == b"\x00" * LIMIT


@pytest.mark.parametrize("way", AS_TEXT.values(), ids=AS_TEXT.keys())
def test_text_comes_back_character_by_character(alice: Person, way: Way) -> None:
    """Nothing is trimmed, normalized or taken for markup."""
    for text in (
        *("line\n", "\r\nline\r\n", "  spaces  ", "\ttab\t", "nul\x00inside", "\x7f\x80\x9f"),
        *("\ufeffBOM", "e\u0301", "é", "\u2028\u2029", "\ufffd", "\U0010ffff", "\ue000"),
        *('{"secret": "x"}', "null", "%s %00 %2F", "'; DROP TABLE secrets; --", "\\u0041\\"),
    ):
        alice.delete("/secrets/a")
        assert way(alice, text.encode()).status_code == 201
        assert outcome(alice) == (text, "text")
        answer = bare(alice, TEXT)
        assert (answer.data, answer.content_type) == (text.encode(), TEXT + "; charset=utf-8")


@pytest.mark.parametrize("way", AS_BYTES.values(), ids=AS_BYTES.keys())
def test_what_went_in_as_bytes_comes_out_as_bytes(alice: Person, way: Way) -> None:
    """Also where they happen to be text: whoever sent bytes must not get another kind back."""
    noise = b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(8))
    for data in (bytes(range(256)), noise, b"plain text", b"", b"\x00", "é".encode("latin-1")):
        alice.delete("/secrets/a")
        assert way(alice, data).status_code == 201
        assert outcome(alice) == (base64.b64encode(data).decode(), "base64")
        answer = bare(alice, BYTES)
        assert (answer.data, answer.content_type) == (data, BYTES)
        assert refusal(bare(alice, TEXT)) == (406, "not-acceptable")


def test_a_body_without_content_type_is_bytes(alice: Person) -> None:
    """As ``curl -T file`` sends it; but an empty one is a body that somebody forgot."""
    assert alice.put("/secrets/a", data=b'{"secret": "x"}').status_code == 201
    assert outcome(alice)[1] == "base64"
    assert bare(alice, BYTES).data == b'{"secret": "x"}'
    assert refusal(alice.put("/secrets/a", data=b"")) == (415, "unsupported-media-type")


def test_a_patch_can_change_text_to_bytes_and_back(alice: Person) -> None:
    """The kind belongs to the version, not to the secret."""
    alice.put("/secrets/a", json={"secret": "text"})
    assert alice.patch("/secrets/a", json=_base64(b"\xff")).status_code == 200
    assert outcome(alice) == ("/w==", "base64")
    assert alice.patch("/secrets/a", json={"secret": "text"}).status_code == 200
    assert outcome(alice) == ("text", "text")
    second = alice.get("/secrets/a?version=2").json
    assert second is not None
    assert second["encoding"] == "base64"


@pytest.mark.parametrize(
    "text",
    [
        *("QUJ", "QUJD=", "QUI", "QUI==", "QUJ=", "QR==", "Q===", "====", "="),
        *("QUJD\n", " QUJD", "QU JD", "QU-_", "QUJD!", "QUJDé", "\uff31UJD", "QUJDQ"),
    ],
)
def test_base64_has_one_spelling(alice: Person, text: str) -> None:
    """Padded, canonical, of the standard alphabet: what is sent is what comes back."""
    answer = alice.put("/secrets/a", json={"secret": text, "encoding": "base64"})
    assert pointers(answer) == {"#/secret"}
    assert refusal(alice.get("/secrets/a")) == (404, "not-found")


@pytest.mark.parametrize("data", [b"\xff", b"caf\xe9", b"\xed\xa0\x80", b"\xc0\x80", b"ok\xc3"])
def test_bare_text_that_is_not_utf8_is_refused(alice: Person, data: bytes) -> None:
    """400 that says where bytes go; guessing an encoding would change the value."""
    answer = alice.put("/secrets/a", data=data, content_type=TEXT)
    assert refusal(answer) == (400, "malformed-request")
    assert refusal(alice.get("/secrets/a")) == (404, "not-found")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Content-Type": "text/plain; charset=latin-1"}, (415, "unsupported-media-type")),
        ({"Content-Type": "text/plain; charset=utf-16"}, (415, "unsupported-media-type")),
        ({"Content-Type": "text/html"}, (415, "unsupported-media-type")),
        ({"Content-Type": "application/x-www-form-urlencoded"}, (415, "unsupported-media-type")),
        ({"Content-Type": "multipart/form-data; boundary=x"}, (415, "unsupported-media-type")),
        ({"Content-Type": BYTES, "Content-Encoding": "gzip"}, (415, "unsupported-media-type")),
        ({"Content-Type": TEXT, "Content-Encoding": "br"}, (415, "unsupported-media-type")),
        ({"Content-Type": BYTES, "Content-Range": "bytes 0-1/9"}, (400, "malformed-request")),
    ],
)
def test_a_value_that_is_not_all_of_it_or_not_itself_is_refused(
    alice: Person, headers: dict[str, Any], expected: tuple[int, str]
) -> None:
    """In another charset, compressed, or only a part: kept as it is, it would be wrong."""
    answer = alice.put("/secrets/a", data="é".encode(), headers=headers)
    assert refusal(answer) == expected
    assert refusal(alice.get("/secrets/a")) == (404, "not-found")
